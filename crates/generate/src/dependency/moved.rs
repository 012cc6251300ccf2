//! What a tool made of a lockfile with one version of each package, held against the rules.

use std::collections::{BTreeMap, BTreeSet};

use patchline_model::failure::Failure;
use patchline_model::package::{Ecosystem, Package};
use patchline_model::stage::generate::Move;

use crate::dependency::flat::Required;
use crate::fixer::Known;

/// What is installed, by the package's normal name.
pub(crate) type Set = BTreeMap<String, Installed>;

/// One package of a lockfile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Installed {
    pub(crate) version: String,
    pub(crate) requires: Vec<Required>,
    /// Why it can't go to another version; none where it can.
    pub(crate) fixed: Option<String>,
    /// What the lockfile says of its content: the same for the same version.
    pub(crate) content: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) moves: Vec<Move>,
    /// A sentence for each rule that was broken.
    pub(crate) violations: Vec<String>,
}

/// The rules of one ecosystem.
pub(crate) struct Rules<'a> {
    pub(crate) ecosystem: &'static str,
    pub(crate) is_above: fn(&str, &str) -> bool,
    pub(crate) known: &'a dyn Known,
}

impl Rules<'_> {
    /// What moved, and which rules that breaks; `planned` are the packages that were meant to move.
    pub(crate) fn compare(
        &self,
        before: &Set,
        after: &Set,
        planned: &BTreeMap<String, String>,
    ) -> Result<Comparison, Failure> {
        let mut comparison = Comparison::default();
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            let (old, new) = (before.get(name), after.get(name));
            let (from, to) = (old.map(|old| old.version.as_str()), new.map(|new| new.version.as_str()));
            if from == to {
                let differs = |old: &Installed, new: &Installed| {
                    new.content
                        .iter()
                        .any(|(key, value)| old.content.get(key).is_some_and(|was| was != value))
                };
                if let (Some(old), Some(new)) = (old, new)
                    && differs(old, new)
                {
                    comparison
                        .violations
                        .push(format!("`{name} {}` would have another content", new.version));
                }
                continue;
            }
            if let (Some(from), Some(to)) = (from, to)
                && (self.is_above)(from, to)
            {
                comparison.violations.push(format!("`{name}` would go from {from} down to {to}"));
            }
            let had = from.map(|from| self.problems(name, from)).transpose()?.unwrap_or_default();
            let come = to.map(|to| self.problems(name, to)).transpose()?.unwrap_or_default();
            if let (Some(to), Some(problem)) = (to, come.iter().find(|problem| !had.contains(problem))) {
                comparison.violations.push(format!("`{name} {to}` would bring {problem} in"));
            }
            let (from, to) = (from.map(str::to_owned), to.map(str::to_owned));
            comparison.moves.push(Move { package: name.clone(), from, to, rung: None });
        }
        let missed =
            planned.iter().filter(|(name, to)| after.get(*name).is_some_and(|after| after.version != **to));
        comparison.violations.extend(
            missed.map(|(name, to)| {
                format!("`{name}` would go to {} in the place of {to}", after[name].version)
            }),
        );
        let reached: BTreeSet<&String> =
            reached(before, planned).into_iter().chain(reached(after, planned)).collect();
        let unrelated = comparison.moves.iter().filter(|step| !reached.contains(&step.package));
        let unrelated = unrelated
            .map(|step| format!("`{}` would move, though nothing that is fixed needs it", step.package));
        let unrelated: Vec<String> = unrelated.collect();
        comparison.violations.extend(unrelated);
        Ok(comparison)
    }

    fn problems(&self, name: &str, version: &str) -> Result<Vec<String>, Failure> {
        let ecosystem = Ecosystem(self.ecosystem.to_owned());
        self.known.problems(&Package { ecosystem, name: name.to_owned(), version: version.to_owned() })
    }
}

/// The packages that these lead to, themselves included.
fn reached<'a>(set: &'a Set, from: &'a BTreeMap<String, String>) -> BTreeSet<&'a String> {
    let mut open: Vec<&String> = from.keys().collect();
    let mut seen: BTreeSet<&String> = from.keys().collect();
    while let Some(name) = open.pop() {
        let here = set.get(name).into_iter().flat_map(|one| &one.requires).map(|required| &required.name);
        open.extend(here.filter(|need| seen.insert(need)));
    }
    seen
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use patchline_model::failure::Failure;
    use patchline_model::package::Package;

    use super::{Installed, Rules, Set};
    use crate::dependency::flat::Required;
    use crate::fixer::Known;

    #[derive(Debug)]
    struct Nines;

    impl Known for Nines {
        fn problems(&self, package: &Package) -> Result<Vec<String>, Failure> {
            Ok(if package.version == "9" { vec!["X-9".to_owned()] } else { Vec::new() })
        }
    }

    fn set(lines: &[&str]) -> Set {
        let read = |line: &&str| {
            let mut words = line.split(' ').map(str::to_owned);
            let (name, version) = (words.next()?, words.next()?);
            let requires = words.map(|name| Required { name, range: String::new() }).collect();
            let content = BTreeMap::from([("sha".to_owned(), "1".to_owned())]);
            Some((name, Installed { version, requires, content, fixed: None }))
        };
        lines.iter().filter_map(read).collect()
    }

    #[test]
    fn each_rule_that_is_broken_has_a_sentence() {
        let check = |before: &[&str], after: &[&str], planned: (&str, &str), then: &[&str]| {
            let rules = Rules { ecosystem: "T", is_above: |one, other| one > other, known: &Nines };
            let planned = BTreeMap::from([(planned.0.to_owned(), planned.1.to_owned())]);
            let found = rules.compare(&set(before), &set(after), &planned).unwrap();
            assert_eq!(found.violations, then, "{after:?}");
        };
        let before = ["a 1 b", "b 1", "c 1"];
        check(&before, &["a 2 b", "b 2", "c 1"], ("a", "2"), &[]);
        check(&before, &["a 2 d", "d 1", "c 1"], ("a", "2"), &[]);
        check(&["a 2"], &["a 1"], ("a", "1"), &["`a` would go from 2 down to 1"]);
        check(&before, &["a 3 b", "b 1", "c 1"], ("a", "2"), &["`a` would go to 3 in the place of 2"]);
        check(&before, &["a 2 d", "d 9", "c 1"], ("a", "2"), &["`d 9` would bring X-9 in"]);
        let unrelated = "`c` would move, though nothing that is fixed needs it";
        check(&before, &["a 2 b", "b 1", "c 2"], ("a", "2"), &[unrelated]);
        let mut other = set(&["a 2 b", "b 1", "c 1"]);
        other.get_mut("c").unwrap().content.insert("sha".to_owned(), "2".to_owned());
        let rules = Rules { ecosystem: "T", is_above: |one, other| one > other, known: &Nines };
        let planned = BTreeMap::from([("a".to_owned(), "2".to_owned())]);
        let found = rules.compare(&set(&before), &other, &planned).unwrap();
        assert_eq!(found.violations, ["`c 1` would have another content"]);
    }
}
