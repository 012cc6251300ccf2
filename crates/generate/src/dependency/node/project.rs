//! The way from findings to a change that holds, the same for every tool: one plan for all, or else part after part, each
//! carried out by the tool itself and held against the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use async_trait::async_trait;
use patchline_connect::{Client, Settings};
use patchline_model::failure::Failure;
use patchline_model::id::FindingId;
use patchline_model::stage::detect::Finding;
use patchline_sandbox::git::Git;

use crate::dependency::handover::{Handover, Made};
use crate::dependency::lessen::{Installed, Lessens, halves, lessen, not_tried};
use crate::dependency::market::Market as _;
use crate::dependency::node::choice::{Shelves, nodes_of};
use crate::dependency::node::files::Files;
use crate::dependency::node::publishers::strangers;
use crate::dependency::node::range::{is_above, parsed};
use crate::dependency::node::registry::Registry;
use crate::dependency::node::rules::{Comparison, State, below, compare, culprits};
use crate::dependency::node::settings::Addresses;
use crate::dependency::node::told::{apart, named, rationale, told, updates};
use crate::dependency::sketch::{Guard, Plan};
use crate::failures::of_fetch;
use crate::fixer::{Proposal, Request};

/// How many plans are tried when the first does not hold.
const MOST_TRIES: usize = 64;

/// How often the tool is run again until it changes nothing more.
const MOST_RUNS: usize = 3;

/// Sentences about versions that were given up, for one reason.
const MOST_SAID: usize = 2;

/// A lockfile with its manifests, and the tool that keeps it.
#[async_trait]
pub(crate) trait Project: Send {
    /// The tool's name.
    fn tool(&self) -> &'static str;

    /// What was installed before.
    fn before(&self) -> &State;

    /// What the lockfile says now.
    fn now(&self) -> Result<State, Failure>;

    fn files(&self) -> &Files;

    /// Whether an override can speak of what comes along with a step.
    fn has_guards(&self) -> bool {
        false
    }

    /// Where a copy lies; none where all lie in one place.
    fn place(&self, _: usize) -> Option<&str> {
        None
    }

    /// Writes down what the plan says and lets the tool complete it. The reason, where that can't be.
    async fn carry_out(&mut self, plan: &Plan, shelves: &Shelves<'_>) -> Result<Result<(), String>, Failure>;

    /// Lets the tool bring the lockfile in line with the manifests. Its reason, where it refused.
    async fn complete(&mut self) -> Result<Result<(), String>, Failure>;

    /// The same, in the format that plans are tried in.
    async fn again(&mut self) -> Result<Result<(), String>, Failure> {
        self.complete().await
    }

    /// Brings the lockfile that held into the format that it had. The tool's reason, where it refused.
    async fn finish(&mut self) -> Result<Result<(), String>, Failure> {
        Ok(Ok(()))
    }

    /// What the tool said, and what there is to say about the run.
    fn log(&mut self) -> String;

    /// A sentence that belongs to every change of this project.
    fn remark(&self) -> Option<String> {
        None
    }
}

/// A client for the registry that the settings name, or else for `main`.
pub(crate) fn registry(request: &Request, addresses: Addresses, main: &str) -> Result<Registry, Failure> {
    let settings =
        Settings { cache: Some(request.cache.join("registry")), per_host: 16, ..Settings::default() };
    let client = Client::new(settings).map_err(|error| of_fetch(&error))?;
    Ok(Registry::new(client, addresses, main))
}

/// What git says of the worktree before anything is done in it.
pub(crate) struct Base<'a> {
    pub(crate) request: &'a Request,
    pub(crate) git: &'a Git,
    pub(crate) worktree: &'a Path,
    pub(crate) unchanged: Vec<String>,
    /// Names of files that may change.
    pub(crate) may_change: &'a [&'a str],
}

pub(crate) async fn propose(
    base: Base<'_>,
    project: &mut dyn Project,
    registry: &Registry,
) -> Result<Proposal, Failure> {
    let Base { request, git, worktree, unchanged, may_change } = base;
    let mut shelves = Shelves::new(registry, &*request.known);
    let wanted: BTreeSet<(String, String)> = request.findings.iter().filter_map(named).collect();
    let all = nodes_of(&project.before().graph, &wanted);
    let mut work = Work {
        project,
        leaves: BTreeMap::new(),
        suspects: BTreeSet::new(),
        blamed: BTreeMap::new(),
        guards: Vec::new(),
        said: BTreeMap::new(),
        tries: 0,
    };
    let held = match work.learning(&mut shelves, &all).await? {
        Some(held) => Some(held),
        None => work.in_parts(&mut shelves, &wanted).await?,
    };
    let mut lessening =
        Lessening { work: &mut work, shelves: &mut shelves, request, held, removed: None, is_there: true };
    if let Err(failure) = lessen(&mut lessening).await {
        lessening.without_fewer(failure)?;
    }
    let Some(Held { plan, comparison, .. }) = lessening.finish().await? else {
        let mut reasons: Vec<String> = work.leaves.into_values().collect();
        reasons.dedup();
        if reasons.is_empty() {
            reasons.push("nothing of what is installed can move".to_owned());
        }
        return Ok(Proposal::NoFix { reasons, log: project.log() });
    };
    let whys = work.leaves;
    let held = versions(&project.now()?);
    if let Err(reason) = project.finish().await? {
        return Ok(Proposal::NoFix { reasons: vec![reason], log: project.log() });
    }
    if let Some((name, version)) = versions(&project.now()?).difference(&held).next() {
        let tool = project.tool();
        let reason =
            format!("{tool} would install `{name} {version}` once the lockfile is in the format that it had");
        return Ok(Proposal::NoFix { reasons: vec![reason], log: project.log() });
    }
    let after = project.files().lock_now()?;
    if let Err(reason) = project.complete().await? {
        return Ok(Proposal::NoFix { reasons: vec![reason], log: project.log() });
    }
    if project.files().lock_now()? != after {
        let tool = project.tool();
        let reason = format!("{tool} would change its lockfile again when it is run a second time");
        return Ok(Proposal::NoFix { reasons: vec![reason], log: project.log() });
    }
    let (cleared, leaves) =
        apart(&request.findings, project.before(), &project.now()?, &whys, &*request.known)?;
    let updates = updates(&cleared, &comparison.moves);
    let mut why = rationale(&plan, &project.before().graph, &updates, &comparison);
    for sentence in strangers(registry, &updates).await?.into_iter().chain(project.remark()) {
        why = format!("{why} {sentence}");
    }
    let made = Made {
        fixer: project.tool(),
        rationale: why,
        updates,
        moves: comparison.moves,
        removes: cleared.iter().map(|finding| finding.id.clone()).collect(),
        leaves,
        archives: Some(registry),
        log: project.log(),
    };
    Handover { request, git, worktree, may_change, unchanged }.proposal(made).await
}

/// A plan that holds, and is carried out.
struct Held {
    plan: Plan,
    comparison: Comparison,
    /// What it was made for.
    nodes: Vec<usize>,
    /// Copies that were seen to stay, whatever leads to them.
    kept: BTreeSet<usize>,
}

/// One lockfile on its way.
struct Work<'a> {
    project: &'a mut dyn Project,
    /// Packages that can't be cleared, with why.
    leaves: BTreeMap<(String, String), String>,
    /// Nodes below the steps that broke a rule in the last try, or that the tool named when it refused them.
    suspects: BTreeSet<usize>,
    /// Steps of the last try to which what broke a rule goes back, by package and version, with the sentence.
    blamed: BTreeMap<(String, String), String>,
    /// Overrides that might do, each with the package that broke a rule, the version that it came at, and the least that there was.
    guards: Vec<(Guard, (String, String, String))>,
    /// Why versions of a package were given up, by package.
    said: BTreeMap<String, String>,
    tries: usize,
}

impl Work<'_> {
    /// One plan for all; where it does not hold, another one without the versions that broke a rule, until one holds. None
    /// where nobody can say which they are.
    async fn learning(
        &mut self,
        shelves: &mut Shelves<'_>,
        nodes: &[usize],
    ) -> Result<Option<Held>, Failure> {
        let mut nodes = nodes.to_vec();
        let mut graph = self.project.before().graph.clone();
        while self.tries < MOST_TRIES {
            let plan = shelves.plan(&graph, &nodes).await?;
            self.leave_unsolved(&plan);
            if plan.is_empty() {
                return Ok(None);
            }
            self.tries += 1;
            match self.carry_out(&plan, shelves).await? {
                Ok(comparison) => {
                    let lost = self.lost(&plan, shelves)?;
                    let stayed = self.stayed(&nodes, &plan)?;
                    let known = graph.kept.len();
                    graph.kept.extend(stayed);
                    if lost.is_empty() && graph.kept.len() == known {
                        return Ok(Some(Held { plan, comparison, nodes, kept: graph.kept }));
                    }
                    // What moved in vain need not move.
                    self.project.files().restore()?;
                    nodes.retain(|node| !lost.contains(node));
                }
                Err(_) => {
                    let mut is_new = false;
                    for (guard, (name, came, least)) in std::mem::take(&mut self.guards) {
                        let step = guard.step.clone();
                        if shelves.guard(guard, &name, &came, &least).await? {
                            is_new = true;
                            self.blamed.remove(&step);
                        }
                    }
                    for ((name, version), sentence) in std::mem::take(&mut self.blamed) {
                        is_new |= shelves.bar(&name, &version);
                        self.said.insert(name.clone(), format!("with `{name} {version}`, {sentence}"));
                    }
                    if !is_new {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Copies that are to be cleared, and that the plan took to go by themselves, but that are there still.
    fn stayed(&self, nodes: &[usize], plan: &Plan) -> Result<BTreeSet<usize>, Failure> {
        let after = self.project.now()?;
        let there = |node: &usize| {
            let found = &self.project.before().graph.nodes[*node];
            let copy = self.project.place(*node).and_then(|place| after.copies.get(place));
            copy.is_some_and(|copy| copy.name == found.name && copy.version == found.version)
        };
        let is_planned = |node: &usize| {
            plan.steps.iter().any(|step| step.node == *node)
                || plan.hopes.contains_key(node)
                || plan.unsolved.iter().any(|(other, _)| other == node)
        };
        Ok(nodes.iter().copied().filter(|node| !is_planned(node) && there(node)).collect())
    }

    /// Notes why copies can't be cleared: what the plan says, and of versions that were given up what they led to.
    fn leave_unsolved(&mut self, plan: &Plan) {
        for (node, why) in &plan.unsolved {
            let node = &self.project.before().graph.nodes[*node];
            let why = why.join("; ");
            let is_about = |name: &str| name == node.name || why.contains(&format!("`{name} "));
            let said = self.said.iter().filter(|(name, _)| is_about(name)).map(|(_, said)| said.as_str());
            let whole = [why.as_str()].into_iter().chain(said.take(MOST_SAID)).collect::<Vec<_>>().join("; ");
            self.leaves.insert((node.name.clone(), node.version.clone()), whole);
        }
    }

    /// Copies in whose place the newer version of what they come within has brought one with a problem, too.
    fn lost(&mut self, plan: &Plan, shelves: &Shelves<'_>) -> Result<BTreeSet<usize>, Failure> {
        let (mut lost, after) = (BTreeSet::new(), self.project.now()?);
        for (node, parent) in &plan.hopes {
            let graph = &self.project.before().graph;
            let (bundled, around) = (&graph.nodes[*node], &graph.nodes[*parent]);
            let Some(place) = self.project.place(*parent) else { continue };
            let within = after.copies.iter().filter(|(other, _)| other.starts_with(&format!("{place}/")));
            let same = within.filter(|(_, copy)| copy.name == bundled.name);
            let mut bad = same.filter(|(_, copy)| shelves.is_vulnerable(&copy.name, &copy.version));
            let to = plan.steps.iter().find(|step| step.node == *parent).map(|step| step.to.clone());
            if let (Some((_, copy)), Some(to)) = (bad.next(), to) {
                let why = format!(
                    "`{} {}` comes within `{} {}`; {to}, the newest that could take its place, brings `{} {}`, which has a \
                     known problem too",
                    bundled.name, bundled.version, around.name, around.version, copy.name, copy.version
                );
                self.leaves.insert((bundled.name.clone(), bundled.version.clone()), why);
                lost.insert(*node);
            }
        }
        Ok(lost)
    }

    /// A part of the packages after the other, each added to those before it only if that holds, and halved if not.
    async fn in_parts(
        &mut self,
        shelves: &mut Shelves<'_>,
        packages: &BTreeSet<(String, String)>,
    ) -> Result<Option<Held>, Failure> {
        let solved: Vec<(String, String)> =
            packages.iter().filter(|package| !self.leaves.contains_key(package)).cloned().collect();
        let (mut kept, mut best) = (BTreeSet::new(), None);
        // All at once was tried before.
        let mut open = self.apart(&solved);
        while let Some(part) = open.pop() {
            let mut tried: BTreeSet<(String, String)> = kept.clone();
            tried.extend(part.iter().cloned());
            let graph = &self.project.before().graph;
            let plan = shelves.plan(graph, &nodes_of(graph, &tried)).await?;
            if plan.is_empty() {
                continue;
            }
            if self.tries >= MOST_TRIES {
                let why = format!(
                    "it does not hold together with the others, and {MOST_TRIES} tries did not tell which"
                );
                self.leaves.extend(part.into_iter().map(|package| (package, why.clone())));
                continue;
            }
            self.tries += 1;
            let refused = match self.carry_out(&plan, shelves).await? {
                Ok(comparison) if self.lost(&plan, shelves)?.is_empty() => {
                    kept = tried;
                    best = Some((plan, comparison));
                    continue;
                }
                Ok(_) => None,
                Err(why) => Some(why.join("; ")),
            };
            match (part.as_slice(), refused) {
                ([package], Some(why)) => {
                    self.leaves.insert(package.clone(), why);
                }
                ([_], None) => {}
                (_, why) => {
                    let rest = match why {
                        Some(why) => self.without_hopeless(&plan, part, &why),
                        None => part,
                    };
                    open.extend(self.apart(&rest));
                }
            }
        }
        // The last try may have failed: what held is carried out again.
        let Some((plan, _)) = best else { return Ok(None) };
        self.project.files().restore()?;
        let done = self.carry_out(&plan, shelves).await?;
        let graph = &self.project.before().graph;
        let (nodes, known) = (nodes_of(graph, &kept), graph.kept.clone());
        Ok(done.ok().map(|comparison| Held { plan, comparison, nodes, kept: known }))
    }

    /// What is to be tried by itself, the last first: what broke no rule the last time and what did, or else two halves.
    fn apart(&self, part: &[(String, String)]) -> Vec<Vec<(String, String)>> {
        let graph = &self.project.before().graph;
        let named = |node: &usize| (graph.nodes[*node].name.clone(), graph.nodes[*node].version.clone());
        let suspects: BTreeSet<(String, String)> = self.suspects.iter().map(named).collect();
        let (bad, good): (Vec<_>, Vec<_>) =
            part.iter().cloned().partition(|package| suspects.contains(package));
        if bad.is_empty() || good.is_empty() { halves(part) } else { vec![bad, good] }
    }

    /// Leaves all that comes within an archive whose only other version was just seen to break a rule: to try each by
    /// itself would end the same way each time.
    fn without_hopeless(
        &mut self,
        plan: &Plan,
        part: Vec<(String, String)>,
        why: &str,
    ) -> Vec<(String, String)> {
        let nodes = &self.project.before().graph.nodes;
        let named = |node: usize| (nodes[node].name.clone(), nodes[node].version.clone());
        let hopes = plan.hopes.iter().filter(|(_, parent)| self.suspects.contains(*parent));
        let mut by_parent: BTreeMap<usize, BTreeSet<(String, String)>> = BTreeMap::new();
        hopes.for_each(|(node, parent)| {
            by_parent.entry(*parent).or_default().insert(named(*node));
        });
        // With several archives on the way nobody can say yet which it was.
        let Some((parent, within)) = by_parent.pop_first().filter(|_| by_parent.is_empty()) else {
            return part;
        };
        let all: BTreeSet<(String, String)> = part.iter().cloned().collect();
        let is_alone = all.iter().all(|package| within.contains(package) || *package == named(parent));
        if !is_alone {
            return part;
        }
        self.leaves.extend(all.into_iter().map(|package| (package, why.to_owned())));
        Vec::new()
    }

    /// Finds the steps to which what broke a rule goes back.
    fn blame(&mut self, plan: &Plan, after: &State, comparison: &Comparison) {
        let nodes = &self.project.before().graph.nodes;
        let steps = plan.steps.iter().map(|step| (nodes[step.node].name.clone(), step.to.clone()));
        let steps: BTreeSet<(String, String)> = steps.collect();
        let planned: BTreeSet<String> = steps.iter().map(|(name, _)| name.clone()).collect();
        let before = &self.project.before().copies;
        for ((name, version), sentence) in &comparison.offenders {
            let culprits = culprits(&after.graph, (name, version), &planned);
            let blamed = steps.iter().filter(|(name, _)| culprits.contains(name));
            let blamed: Vec<&(String, String)> = blamed.collect();
            self.blamed.extend(blamed.iter().map(|step| ((*step).clone(), sentence.clone())));
            if !self.project.has_guards() || planned.contains(name) {
                continue;
            }
            let had = before.values().filter(|copy| copy.name == *name).map(|copy| copy.version.clone());
            let least = had.reduce(|least, other| if is_above(&least, &other) { other } else { least });
            let edges = after.graph.edges.iter().filter(|edge| {
                let to = &after.graph.nodes[edge.to];
                to.name == *name && to.version == *version && !after.graph.nodes[edge.from].own
            });
            for edge in edges {
                let (asking, called) =
                    (&after.graph.nodes[edge.from].called, &after.graph.nodes[edge.to].called);
                self.guards.extend(blamed.iter().map(|step| {
                    let (asking, called) = (asking.clone(), called.clone());
                    let guard = Guard { asking, called, to: String::new(), step: (*step).clone() };
                    (guard, (name.clone(), version.clone(), least.clone().unwrap_or_default()))
                }));
            }
        }
    }

    /// Has the tool carry the plan out, and as long as no rule is broken, run again until it changes nothing more: npm may leave
    /// a copy that does not fit to its next run. The tool's reason, where it refused.
    async fn settled(
        &mut self,
        plan: &Plan,
        shelves: &Shelves<'_>,
    ) -> Result<Result<Comparison, String>, Failure> {
        if let Err(reason) = self.project.carry_out(plan, shelves).await? {
            return Ok(Err(reason));
        }
        for _ in 0..MOST_RUNS {
            let (before, after) = (self.project.before(), self.project.now()?);
            let planned = plan.steps.iter().map(|step| before.graph.nodes[step.node].name.clone());
            let mut comparison = compare(before, &after, &planned.collect(), shelves.known)?;
            comparison.moves = told(plan, &before.graph, &after, comparison.moves);
            let lock = self.project.files().lock_now()?;
            if !comparison.violations.is_empty() {
                return Ok(Ok(comparison));
            }
            if let Err(reason) = self.project.again().await? {
                return Ok(Err(reason));
            }
            if self.project.files().lock_now()? == lock {
                return Ok(Ok(comparison));
            }
        }
        let tool = self.project.tool();
        Ok(Err(format!("{tool} would change its lockfile again each time that it is run")))
    }

    /// A sentence for each reason why the plan does not hold; then nothing is changed.
    async fn carry_out(
        &mut self,
        plan: &Plan,
        shelves: &Shelves<'_>,
    ) -> Result<Result<Comparison, Vec<String>>, Failure> {
        self.blamed.clear();
        self.guards.clear();
        let refused = match self.settled(plan, shelves).await? {
            Ok(comparison) if comparison.violations.is_empty() => return Ok(Ok(comparison)),
            Ok(comparison) => {
                self.blame(plan, &self.project.now()?, &comparison);
                comparison.violations
            }
            Err(reason) => {
                let nodes = &self.project.before().graph.nodes;
                let steps = plan.steps.iter().map(|step| (nodes[step.node].name.clone(), step.to.clone()));
                let named = steps.filter(|(name, to)| reason.contains(&format!("{name}@{to}")));
                self.blamed = named.map(|step| (step, reason.clone())).collect();
                vec![reason]
            }
        };
        let culprits = self.blamed.keys().map(|(name, _)| name.clone()).collect();
        self.suspects = below(&self.project.before().graph, &culprits);
        self.project.files().restore()?;
        Ok(Err(refused))
    }
}

/// On top of what holds, what can't be cleared.
struct Lessening<'l, 'w, 's> {
    work: &'l mut Work<'w>,
    shelves: &'l mut Shelves<'s>,
    request: &'l Request,
    held: Option<Held>,
    /// The findings that it removes, once that was looked at.
    removed: Option<BTreeSet<FindingId>>,
    /// Whether the files are as that left them.
    is_there: bool,
}

impl Lessening<'_, '_, '_> {
    /// The plan for what is cleared and for these, which it may lessen.
    async fn plan(&mut self, packages: &BTreeSet<Installed>) -> Result<Held, Failure> {
        let mut graph = self.work.project.before().graph.clone();
        let mut nodes: BTreeSet<usize> = nodes_of(&graph, packages).into_iter().collect();
        if let Some(held) = &self.held {
            nodes.extend(&held.nodes);
            graph.kept.extend(&held.kept);
        }
        let nodes: Vec<usize> = nodes.into_iter().collect();
        self.shelves.lessened.clone_from(packages);
        let plan = self.shelves.plan(&graph, &nodes).await?;
        Ok(Held { plan, comparison: Comparison::default(), nodes, kept: graph.kept })
    }

    fn cleared(&self) -> Result<BTreeSet<FindingId>, Failure> {
        let (before, after) = (self.work.project.before(), self.work.project.now()?);
        let (findings, known) = (&self.request.findings, &*self.request.known);
        let (cleared, _) = apart(findings, before, &after, &BTreeMap::new(), known)?;
        Ok(cleared.into_iter().map(|finding| finding.id.clone()).collect())
    }

    /// What holds is not lost for what might have come on top of it.
    fn without_fewer(&mut self, failure: Failure) -> Result<(), Failure> {
        if self.held.is_none() {
            return Err(failure);
        }
        let left = self.left();
        for (_, why) in self.work.leaves.iter_mut().filter(|(package, _)| left.contains(package)) {
            why.push_str(&not_tried(&failure));
        }
        Ok(())
    }

    /// What holds, carried out again where something else was tried since.
    async fn finish(self) -> Result<Option<Held>, Failure> {
        let Some(held) = self.held else { return Ok(None) };
        if self.is_there {
            return Ok(Some(held));
        }
        self.work.project.files().restore()?;
        let done = self.work.carry_out(&held.plan, self.shelves).await?;
        Ok(done.ok().map(|comparison| Held { comparison, ..held }))
    }
}

#[async_trait]
impl Lessens for Lessening<'_, '_, '_> {
    fn left(&self) -> BTreeSet<Installed> {
        let leaves = self.work.leaves.keys();
        leaves.filter(|(name, version)| self.shelves.problems(name, version).len() > 1).cloned().collect()
    }

    async fn lessened(&mut self, packages: &BTreeSet<Installed>) -> Result<BTreeSet<Installed>, Failure> {
        let plan = self.plan(packages).await?.plan;
        let nodes = plan.lessened.iter().map(|node| &self.work.project.before().graph.nodes[*node]);
        Ok(nodes.map(|node| (node.name.clone(), node.version.clone())).collect())
    }

    async fn holds(&mut self, packages: &BTreeSet<Installed>) -> Result<bool, Failure> {
        let had = match self.removed.take() {
            Some(had) => had,
            None if self.held.is_some() => self.cleared()?,
            None => BTreeSet::new(),
        };
        let tried = self.plan(packages).await?;
        self.work.project.files().restore()?;
        self.is_there = false;
        let done = self.work.carry_out(&tried.plan, self.shelves).await?;
        let cleared = if done.is_ok() { self.cleared()? } else { BTreeSet::new() };
        self.is_there = cleared.len() > had.len() && cleared.is_superset(&had);
        self.removed = Some(if self.is_there { cleared } else { had });
        if let (Ok(comparison), true) = (done, self.is_there) {
            self.held = Some(Held { comparison, ..tried });
        }
        Ok(self.is_there)
    }
}

/// What is installed from the registry, by name and version; each format writes addresses in its own way.
fn versions(state: &State) -> BTreeSet<(String, String)> {
    let published = state.copies.values().filter(|copy| parsed(&copy.version).is_some());
    published.map(|copy| (copy.name.clone(), copy.version.clone())).collect()
}

/// Whether it is about a package of npm's in a file of this name.
pub(crate) fn is_npm_in(finding: &Finding, lockfile: &str) -> bool {
    let file = Path::new(&finding.location.path).file_name().and_then(|name| name.to_str());
    finding.package.as_ref().is_some_and(|package| package.ecosystem.0 == "npm") && file == Some(lockfile)
}
