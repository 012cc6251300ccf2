//! Several steps that do not hold together: which of them break the checks. What holds is gathered, the rest is halved until a
//! step is alone; pure, from the tries alone.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::id::FindingId;
use crate::stage::detect::Finding;

/// Most tries of a part; what was not tried by then is left by name. One more proves what holds, where the last try did not.
pub const MOST_TRIES: usize = 12;

/// Findings that are removed by one step: all of one package, or all in one file of code.
pub type Step = Vec<FindingId>;

/// How far the search has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Division {
    /// At least two; those that hang together stand side by side.
    pub steps: Vec<Step>,
    /// Why all of them at once were refused.
    pub why: String,
    /// What became of each try: nothing where it held, else why not.
    pub tries: Vec<Option<String>>,
}

/// What is known of each step after the tries so far.
#[derive(Debug, Default)]
struct Known {
    holds: Vec<usize>,
    breaks: Vec<(usize, String)>,
    untried: Vec<usize>,
    /// The steps to be added to those that hold.
    next: Option<Range<usize>>,
}

/// What is still to be found out of a run of steps.
enum Task {
    /// Together with what holds, they were tried and refused.
    Refused(Range<usize>, String),
    Open(Range<usize>),
}

impl Division {
    /// The steps of a refused candidate that removes these findings, and had to lift or widen these packages for it; nothing
    /// where it is one step alone.
    pub fn of<'a>(
        removed: impl Iterator<Item = &'a Finding>,
        lifted: &BTreeSet<&str>,
        why: &str,
    ) -> Option<Self> {
        let mut steps: BTreeMap<(String, String), Step> = BTreeMap::new();
        for finding in removed {
            let key = (shared(finding, lifted), finding.step());
            steps.entry(key).or_default().push(finding.id.clone());
        }
        let mut apart: Vec<((String, String), Step)> = Vec::new();
        for (key, step) in steps {
            match apart.iter_mut().find(|((_, name), _)| *name == key.1) {
                Some((_, known)) => known.extend(step),
                None => apart.push((key, step)),
            }
        }
        let steps: Vec<Step> = apart.into_iter().map(|(_, step)| step).collect();
        (steps.len() > 1).then(|| Self { steps, why: why.to_owned(), tries: Vec::new() })
    }

    /// The findings that are to be removed now: those of steps that hold, and of those that are tried with them.
    pub fn scope(&self) -> Vec<FindingId> {
        let known = self.known();
        let wanted = known.holds.into_iter().chain(known.next.into_iter().flatten());
        wanted.filter_map(|step| self.steps.get(step)).flatten().cloned().collect()
    }

    /// Of every step it is known whether it holds, or that it was not tried.
    pub fn is_over(&self) -> bool {
        self.known().next.is_none()
    }

    pub fn nothing_holds(&self) -> bool {
        self.known().holds.is_empty()
    }

    /// As it stands after one more try.
    pub fn after(&self, tried: Option<String>) -> Self {
        let mut after = self.clone();
        if !self.is_over() {
            after.tries.push(tried);
        }
        after
    }

    /// Every finding that is not to be removed, with why.
    pub fn leaves(&self) -> Vec<(FindingId, String)> {
        let known = self.known();
        let broken =
            known.breaks.iter().map(|(step, why)| (*step, format!("its step breaks a check: {why}")));
        let untried = known.untried.iter().map(|step| {
            let why = format!(
                "its step was in none of the {MOST_TRIES} tries; all at once were refused: {}",
                self.why
            );
            (*step, why)
        });
        let left = broken.chain(untried).collect::<Vec<_>>();
        let named = left.iter().flat_map(|(step, why)| {
            self.steps.get(*step).into_iter().flatten().map(move |id| (id.clone(), why.clone()))
        });
        named.collect()
    }

    fn known(&self) -> Known {
        let mut tries = self.tries.iter().take(MOST_TRIES);
        let mut known = Known::default();
        let mut tasks = vec![Task::Refused(0..self.steps.len(), self.why.clone())];
        while let Some(task) = tasks.pop() {
            let (tried, other) = match task {
                Task::Refused(steps, why) if steps.len() <= 1 => {
                    known.breaks.extend(steps.map(|step| (step, why.clone())));
                    continue;
                }
                Task::Refused(steps, why) => {
                    let middle = steps.start + steps.len().div_ceil(2);
                    (steps.start..middle, Some((middle..steps.end, why)))
                }
                Task::Open(steps) => (steps, None),
            };
            match (tries.next(), other) {
                (Some(None), other) => {
                    known.holds.extend(tried);
                    // What holds has grown by the first half: with the second half it is what was refused.
                    tasks.extend(other.map(|(rest, why)| Task::Refused(rest, why)));
                }
                (Some(Some(refused)), other) => {
                    tasks.extend(other.map(|(rest, _)| Task::Open(rest)));
                    tasks.push(Task::Refused(tried, refused.clone()));
                }
                (None, _) if self.tries.len() < MOST_TRIES => {
                    known.next = Some(tried);
                    break;
                }
                (None, other) => {
                    known.untried.extend(tried);
                    known.untried.extend(other.into_iter().flat_map(|(rest, _)| rest));
                }
            }
        }
        known
    }
}

/// What had to be lifted on the way to the finding's package: steps with the same stay together as long as they can.
fn shared(finding: &Finding, lifted: &BTreeSet<&str>) -> String {
    let way = finding.paths.first().map(Vec::as_slice).unwrap_or_default();
    let names = way.iter().filter_map(|step| step.split(' ').next());
    names.filter(|name| lifted.contains(name)).map(str::to_owned).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{ProptestConfig, any, prop, proptest};

    use super::{Division, MOST_TRIES};
    use crate::id::FindingId;
    use crate::package::{Ecosystem, Package};
    use crate::stage::detect::{Finding, Location, Source};

    fn division(steps: usize) -> Division {
        let steps = (0..steps).map(|step| vec![FindingId(step.to_string())]).collect();
        Division { steps, why: "all".to_owned(), tries: Vec::new() }
    }

    fn numbers(ids: impl IntoIterator<Item = FindingId>) -> BTreeSet<usize> {
        ids.into_iter().map(|id| id.0.parse().unwrap()).collect()
    }

    /// Tries to the end what `holds` says of a set of steps; answers what was tried.
    fn searched(steps: usize, holds: impl Fn(&BTreeSet<usize>) -> bool) -> (Division, Vec<BTreeSet<usize>>) {
        let (mut division, mut tried) = (division(steps), Vec::new());
        while !division.is_over() {
            let scope = numbers(division.scope());
            let told = (!holds(&scope)).then(|| format!("{scope:?}"));
            tried.push(scope);
            division = division.after(told);
        }
        (division, tried)
    }

    #[test]
    fn one_bad_step_of_eight_is_found_by_halving_and_the_others_are_tried_together() {
        let (found, tried) = searched(8, |scope| !scope.contains(&5));
        let scopes: Vec<Vec<usize>> = tried.iter().map(|scope| scope.iter().copied().collect()).collect();
        let expected =
            [vec![0, 1, 2, 3], vec![0, 1, 2, 3, 4, 5], vec![0, 1, 2, 3, 4], vec![0, 1, 2, 3, 4, 6, 7]];
        assert_eq!(scopes, expected);
        assert_eq!(numbers(found.leaves().into_iter().map(|(id, _)| id)), BTreeSet::from([5]));
    }

    #[test]
    fn steps_that_need_the_same_package_lifted_stand_side_by_side() {
        let finding = |name: &str, above: &str| Finding {
            id: FindingId(name.to_owned()),
            source: Source::Lockfile,
            advisory: "A-1".to_owned(),
            aliases: Vec::new(),
            summary: String::new(),
            package: Some(Package {
                ecosystem: Ecosystem("npm".to_owned()),
                name: name.to_owned(),
                version: "1.0.0".to_owned(),
            }),
            location: Location { path: "package-lock.json".to_owned(), line: None },
            paths: vec![vec!["app".to_owned(), format!("{above} 2.0.0"), format!("{name} 1.0.0")]],
            fixed: Vec::new(),
            severity: Vec::new(),
            informational: None,
        };
        let found = [finding("a", "up"), finding("b", "x"), finding("c", "up"), finding("d", "y")];
        let steps = |found: &[Finding]| {
            let division = Division::of(found.iter(), &BTreeSet::from(["up"]), "all");
            division.map(|division| division.steps.concat().into_iter().map(|id| id.0).collect::<Vec<_>>())
        };
        assert_eq!(steps(&found), Some(["b", "d", "a", "c"].map(str::to_owned).to_vec()));
        assert_eq!(steps(&found[..1]), None);
    }

    #[test]
    fn of_two_steps_the_second_is_known_by_the_first() {
        let (found, tried) = searched(2, |scope| !scope.contains(&1));
        assert_eq!(tried.len(), 1);
        assert_eq!(found.leaves(), [(FindingId("1".to_owned()), "its step breaks a check: all".to_owned())]);
        let (found, tried) = searched(2, |scope| !scope.contains(&0));
        assert_eq!((tried.len(), numbers(found.scope())), (2, BTreeSet::from([1])));
    }

    #[test]
    fn where_every_step_breaks_each_says_so_itself() {
        let (found, tried) = searched(3, |_| false);
        assert!(found.nothing_holds() && found.scope().is_empty());
        let whys: Vec<String> = found.leaves().into_iter().map(|(_, why)| why).collect();
        assert_eq!(whys.len(), 3);
        assert!(whys[0].contains("{0}") && whys[1].contains("{1}") && whys[2].contains("{2}"), "{whys:?}");
        assert_eq!(tried.len(), 4);
    }

    #[test]
    fn the_tries_are_bounded_and_what_is_left_says_so() {
        let (found, tried) = searched(200, |scope| scope.iter().all(|step| step % 3 != 0));
        assert_eq!(tried.len(), MOST_TRIES);
        let untried = found.leaves().iter().filter(|(_, why)| why.contains("none of the 12 tries")).count();
        assert_eq!(found.scope().len() + found.leaves().len(), 200);
        assert!(untried > 100, "{untried}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn what_holds_was_seen_to_hold_and_no_step_is_forgotten(
            steps in 2..24_usize,
            bad in prop::collection::btree_set(0..24_usize, 0..4),
            pair in any::<(u8, u8)>(),
        ) {
            // Two steps may also break only together.
            let pair = (usize::from(pair.0) % steps, usize::from(pair.1) % steps);
            let holds = |scope: &BTreeSet<usize>| {
                scope.is_disjoint(&bad) && !(pair.0 != pair.1 && scope.contains(&pair.0) && scope.contains(&pair.1))
            };
            let (found, tried) = searched(steps, holds);
            let kept = numbers(found.scope());
            assert!(kept.is_empty() || tried.contains(&kept) && holds(&kept), "{kept:?} of {tried:?}");
            let left = numbers(found.leaves().into_iter().map(|(id, _)| id));
            assert!(kept.is_disjoint(&left) && kept.len() + left.len() == steps);
            assert!(tried.len() <= MOST_TRIES);
        }
    }
}
