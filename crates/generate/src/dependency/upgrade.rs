//! From findings to a candidate where a lockfile has one version of each package and the ecosystem's tool completes it:
//! all packages at once, or else one after the other, and what came of it in words.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use patchline_model::failure::Failure;

use crate::dependency::flat::{Pin, Plan, Shelf as _, Wish};
use crate::dependency::handover::{Handover, Made};
use crate::dependency::moved::{Comparison, Installed, Rules, Set};
use crate::dependency::outcome::{Named, apart, left_open, merit, others, rung, updates};
use crate::dependency::registered::{Registry, Shelves};
use crate::fixer::Proposal;

/// Packages that are tried one by one when all at once does not hold.
const MOST_APART: usize = 40;

/// The names of one ecosystem.
pub(crate) struct About {
    pub(crate) fixer: &'static str,
    pub(crate) manifest: &'static str,
    pub(crate) lockfile: &'static str,
    pub(crate) named: Named,
    pub(crate) is_above: fn(&str, &str) -> bool,
    pub(crate) is_major: fn(&str, &str) -> bool,
}

/// A lockfile with its manifest in a worktree.
#[async_trait]
pub(crate) trait Project: Send {
    fn about(&self) -> &About;

    /// What is installed before anything changes.
    fn before(&self) -> &Set;

    /// What the manifest asks for, by package.
    fn wishes(&self) -> &BTreeMap<String, Vec<Wish>>;

    /// Carries a plan out on the files as they were: afterwards the worktree has the new ones, and the answer is what is
    /// installed then; or else the worktree is as it was, and the answer the reason.
    async fn carry_out(&mut self, plan: &Plan) -> Result<Result<Set, String>, Failure>;

    /// Puts the files back as they were.
    fn restore(&self) -> Result<(), Failure>;

    /// What the tools wrote.
    fn log(&self) -> String;
}

/// The candidate, or why there is none.
pub(crate) async fn proposal(
    project: &mut dyn Project,
    registry: &dyn Registry,
    handover: Handover<'_>,
) -> Result<Proposal, Failure> {
    let request = handover.request;
    let before = project.before().clone();
    let pins = pins(&before, project.wishes());
    let About { fixer, named, is_above, .. } = *project.about();
    let names: BTreeSet<String> = request.findings.iter().filter_map(named).map(|(name, _)| name).collect();
    let mut upgrade = Upgrade {
        pins: &pins,
        rules: Rules { ecosystem: registry.ecosystem(), is_above, known: &*request.known },
        shelves: Shelves::new(registry, &*request.known, &before),
        left: BTreeMap::new(),
    };
    let names: Vec<String> = names.into_iter().collect();
    let found = upgrade.fix(project, &names).await?;
    let Upgrade { shelves, left, .. } = upgrade;
    let Some(Held { plan, after, mut comparison }) = found else {
        let mut seen = BTreeSet::new();
        let reasons = left.into_values().filter(|reason| seen.insert(reason.clone())).collect();
        return Ok(Proposal::NoFix { reasons, log: project.log() });
    };
    let installed = after.iter().map(|(name, one)| (name.clone(), one.version.clone())).collect();
    let (cleared, leaves) = apart(&request.findings, named, &installed, &left, &*request.known)?;
    for step in comparison.moves.iter_mut().filter(|step| plan.steps.contains_key(&step.package)) {
        step.rung = Some(rung(names.contains(&step.package), plan.relaxed.contains(&step.package)));
    }
    let to = after.iter().map(|(name, one)| (name.clone(), one.version.clone())).collect();
    let updates = updates(&cleared, named, &to);
    let mut sentences = sentences(&plan, &before, project.about(), &shelves);
    sentences.push(others(&comparison.moves, &updates));
    sentences.extend(left_open(&leaves));
    let made = Made {
        fixer,
        rationale: sentences.join(" "),
        updates,
        moves: comparison.moves,
        removes: cleared.iter().map(|finding| finding.id.clone()).collect(),
        leaves,
        archives: registry.archives(),
        log: project.log(),
    };
    handover.proposal(made).await
}

/// A plan that held.
struct Held {
    plan: Plan,
    after: Set,
    comparison: Comparison,
}

struct Upgrade<'a> {
    pins: &'a BTreeMap<String, Pin>,
    rules: Rules<'a>,
    shelves: Shelves<'a>,
    /// Packages that can't be cleared, with why.
    left: BTreeMap<String, String>,
}

impl Upgrade<'_> {
    /// All at once, or else one after the other, each added to those before it only if that holds.
    async fn fix(&mut self, project: &mut dyn Project, names: &[String]) -> Result<Option<Held>, Failure> {
        let plan = self.shelves.plan(self.pins, names).await?;
        self.left.extend(plan.left.clone());
        if plan.steps.is_empty() {
            return Ok(None);
        }
        let solved: Vec<&String> = names.iter().filter(|name| !plan.left.contains_key(*name)).collect();
        let refused = match self.carry_out(project, plan).await? {
            Ok(held) => return Ok(Some(held)),
            Err(why) => why,
        };
        let (mut kept, mut best) = (Vec::new(), None);
        let is_alone = solved.len() == 1;
        for (at, name) in solved.into_iter().enumerate() {
            if is_alone || at >= MOST_APART {
                self.left.insert(name.clone(), refused.clone());
                continue;
            }
            let tried: Vec<String> = kept.iter().chain([name]).cloned().collect();
            let plan = self.shelves.plan(self.pins, &tried).await?;
            match self.carry_out(project, plan.clone()).await? {
                Ok(_) => {
                    kept = tried;
                    best = Some(plan);
                }
                Err(why) => drop(self.left.insert(name.clone(), why)),
            }
        }
        // The last try may have failed: what held is carried out again.
        match best {
            Some(plan) => Ok(self.carry_out(project, plan).await?.ok()),
            None => Ok(None),
        }
    }

    async fn carry_out(
        &self,
        project: &mut dyn Project,
        plan: Plan,
    ) -> Result<Result<Held, String>, Failure> {
        let after = match project.carry_out(&plan).await? {
            Ok(after) => after,
            Err(why) => return Ok(Err(why)),
        };
        let comparison = self.rules.compare(project.before(), &after, &plan.steps)?;
        if comparison.violations.is_empty() {
            return Ok(Ok(Held { plan, after, comparison }));
        }
        project.restore()?;
        Ok(Err(some(&comparison.violations)))
    }
}

/// The set to choose versions in.
fn pins(before: &Set, wishes: &BTreeMap<String, Vec<Wish>>) -> BTreeMap<String, Pin> {
    let pin = |(name, one): (&String, &Installed)| {
        let pin = Pin {
            name: name.clone(),
            version: one.version.clone(),
            extras: BTreeSet::new(),
            fixed: one.fixed.clone(),
            wishes: wishes.get(name).cloned().unwrap_or_default(),
            needs: Some(one.requires.iter().map(|required| required.name.clone()).collect()),
        };
        (name.clone(), pin)
    };
    before.iter().map(pin).collect()
}

/// The first of the sentences, and how many more there are.
fn some(violations: &[String]) -> String {
    match violations {
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}; {second}; {third}; and {} more", rest.len())
        }
        few => few.join("; "),
    }
}

/// Why these versions.
fn sentences(plan: &Plan, before: &Set, about: &About, shelves: &Shelves<'_>) -> Vec<String> {
    let step = |(name, to): (&String, &String)| {
        let from = before.get(name).map_or("", |one| one.version.as_str());
        let major = if (about.is_major)(from, to) { ", a major upgrade" } else { "" };
        let merit = merit(shelves.problems(name, to).is_empty());
        format!("{name} {to} is the smallest version {merit} that fits{major}.")
    };
    let relaxed =
        plan.relaxed.iter().map(|name| format!("{} now takes {name} {}.", about.manifest, plan.steps[name]));
    plan.steps.iter().map(step).chain(relaxed).collect()
}
