//! Moves the actions of workflows and composite actions to versions without the problem.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::Path;

use async_trait::async_trait;
use patchline_inventory::detector::Detector as _;
use patchline_inventory::lockfile::workflow::{Use, Workflow, uses};
use patchline_model::failure::Failure;
use patchline_model::id::FindingId;
use patchline_model::package::Package;
use patchline_model::stage::detect::Finding;
use patchline_model::stage::generate::{Move, Rung};
use patchline_sandbox::git::Git;
use patchline_sandbox::sandbox::Sandbox;

use crate::actions::pin::{Pin, repinned};
use crate::actions::server::{Server, VARIABLE};
use crate::actions::tags::{Tags, order};
use crate::dependency::handover::{Handover, Made};
use crate::dependency::outcome::{left_open, updates};
use crate::dependency::place::Worktree;
use crate::failures::{of_file, of_git};
use crate::fixer::{Fixer, Proposal, Request};

const ECOSYSTEM: &str = "GitHub Actions";
/// Larger files are no workflows.
const LARGEST: usize = 4 << 20;

/// Changes what `uses:` names.
#[derive(Clone, Debug)]
pub struct ActionsFixer {
    sandbox: Sandbox,
    server: Option<String>,
}

impl ActionsFixer {
    /// With the server that the environment names.
    pub fn new(sandbox: Sandbox) -> Self {
        Self::with(sandbox, env::var(VARIABLE).ok())
    }

    /// With this server; without one it is the host that the service's repository was cloned from.
    pub fn with(sandbox: Sandbox, server: Option<String>) -> Self {
        Self { sandbox, server }
    }
}

#[async_trait]
impl Fixer for ActionsFixer {
    fn name(&self) -> &'static str {
        "actions"
    }

    fn can(&self, finding: &Finding) -> bool {
        let is_action = finding.package.as_ref().is_some_and(|package| package.ecosystem.0 == ECOSYSTEM);
        is_action && self.changes_at(&finding.location.path)
    }

    /// Workflows lie in a folder of the whole repository: none of them says that a service lies there.
    fn changes(&self, _: &str) -> bool {
        false
    }

    async fn propose(&self, request: &Request) -> Result<Proposal, Failure> {
        let files = self.files(request).await?;
        let mut work = Work { request, files: &files, left: BTreeMap::new(), log: String::new() };
        let Some(server) = Server::of(self.server.as_deref(), &request.repository).await? else {
            let reason = format!(
                "it is not known from which server actions come: set `{VARIABLE}` to its address, as in \
                 `https://host`"
            );
            return Ok(Proposal::NoFix { reasons: vec![reason], log: String::new() });
        };
        let steps = work.steps(&server, &self.sandbox).await?;
        let made = work.texts(&steps);
        if made.is_empty() {
            let mut reasons: Vec<String> = work.left.into_values().collect();
            reasons.dedup();
            return Ok(Proposal::NoFix { reasons, log: work.log });
        }
        let tree = Worktree::add(request).await?;
        let outcome = work.proposal(&tree, &steps, &made).await;
        tree.remove().await;
        outcome
    }
}

impl ActionsFixer {
    fn changes_at(&self, path: &str) -> bool {
        Workflow.kind().claims(path)
    }

    /// The workflows and actions in the service's folder, as they are in the base.
    async fn files(&self, request: &Request) -> Result<BTreeMap<String, String>, Failure> {
        let git = Git::at(&request.repository);
        let within = Path::new(&request.folder);
        let all = git.files_of(request.base.as_str()).await.map_err(of_git)?;
        let own = all.into_iter().filter(|path| Path::new(path).starts_with(within) && self.changes_at(path));
        let mut files = BTreeMap::new();
        for path in own {
            let bytes = git.show(request.base.as_str(), &path).await.map_err(of_git)?.unwrap_or_default();
            if let (true, Ok(text)) = (bytes.len() <= LARGEST, String::from_utf8(bytes)) {
                files.insert(path, text);
            }
        }
        Ok(files)
    }
}

/// An action at a version.
type Action = (String, String);

/// The version and the tags by which an action moves.
type Steps = BTreeMap<Action, (String, Tags)>;

struct Work<'a> {
    request: &'a Request,
    files: &'a BTreeMap<String, String>,
    /// What can't be cleared, with why.
    left: BTreeMap<Action, String>,
    log: String,
}

impl Work<'_> {
    /// Where each action goes.
    async fn steps(&mut self, server: &Server, sandbox: &Sandbox) -> Result<Steps, Failure> {
        let mut asked: BTreeMap<String, Result<Tags, String>> = BTreeMap::new();
        let mut steps = Steps::new();
        let actions: BTreeSet<Action> = self.request.findings.iter().filter_map(named).collect();
        for action in actions {
            let folder = self.request.cache.join("git");
            if !asked.contains_key(&action.0) {
                let tags = server.tags(&action.0, sandbox, &folder, &mut self.log).await?;
                asked.insert(action.0.clone(), tags);
            }
            let tags = asked[&action.0].clone();
            let step = match tags {
                Ok(tags) => self
                    .target(&action, &tags)?
                    .and_then(|to| self.pins(&action, &to, &tags).map(|()| (to, tags))),
                Err(why) => Err(why),
            };
            match step {
                Ok(step) => drop(steps.insert(action, step)),
                Err(why) => drop(self.left.insert(action, why)),
            }
        }
        Ok(steps)
    }

    /// The lowest release above the one in use that has no known problem, and is not below what the findings name as fixed.
    fn target(&self, (name, version): &Action, tags: &Tags) -> Result<Result<String, String>, Failure> {
        let problems = |version: &str| {
            let ecosystem = patchline_model::package::Ecosystem(ECOSYSTEM.to_owned());
            let package = Package { ecosystem, name: name.clone(), version: version.to_owned() };
            self.request.known.problems(&package)
        };
        let known = problems(version)?;
        let mut floor = version.clone();
        let own = self
            .request
            .findings
            .iter()
            .filter(|one| named(one).is_some_and(|(other, at)| other == *name && at == *version));
        for finding in own {
            let above = finding.fixed.iter().map(|fixed| fixed.strip_prefix('v').unwrap_or(fixed));
            let lowest = above
                .filter(|fixed| order(fixed, version) == Ordering::Greater)
                .min_by(|left, right| order(left, right));
            match lowest {
                Some(fixed) if order(fixed, &floor) == Ordering::Greater => floor = fixed.to_owned(),
                Some(_) => {}
                None if known.contains(&finding.advisory) => {}
                None => {
                    return Ok(Err(format!(
                        "`{name}` has no version in which {} is fixed",
                        finding.advisory
                    )));
                }
            }
        }
        for release in tags.releases() {
            let is_above =
                order(release, version) == Ordering::Greater && order(release, &floor) != Ordering::Less;
            if is_above && problems(release)?.is_empty() {
                return Ok(Ok(release.to_owned()));
            }
        }
        Ok(Err(format!("no tag of `{name}` above {version} is free of known problems")))
    }

    /// Whether every place that names the action can be changed, for a half of them is no fix.
    fn pins(&self, action: &Action, to: &str, tags: &Tags) -> Result<(), String> {
        let places = self.files.values().flat_map(|text| uses(text));
        let mut places = places.filter(|used| is(used, action)).peekable();
        if places.peek().is_none() {
            let (name, version) = action;
            return Err(format!("`{name}` at {version} does not stand in the service's own folder"));
        }
        places.try_for_each(|used| Pin::of(&used, to, tags).map(drop))
    }

    /// The files that change.
    fn texts(&self, steps: &Steps) -> BTreeMap<String, String> {
        let pin = |used: &Use<'_>| {
            let (_, (to, tags)) = steps.iter().find(|(action, _)| is(used, action))?;
            Pin::of(used, to, tags).ok()
        };
        let made = self.files.iter().map(|(path, text)| (path.clone(), text, repinned(text, pin)));
        made.filter(|(_, before, after)| *before != after).map(|(path, _, after)| (path, after)).collect()
    }

    async fn proposal(
        self,
        tree: &Worktree,
        steps: &Steps,
        made: &BTreeMap<String, String>,
    ) -> Result<Proposal, Failure> {
        let Self { request, left, log, .. } = self;
        let unchanged = tree.git.changes(&tree.path).await.map_err(of_git)?;
        for (path, text) in made {
            fs::write(tree.path.join(path), text).map_err(|error| of_file("write a workflow", error))?;
        }
        let mut cleared: Vec<&Finding> = Vec::new();
        let mut leaves: Vec<(FindingId, String)> = Vec::new();
        for finding in &request.findings {
            match named(finding).and_then(|action| left.get(&action)) {
                Some(why) => leaves.push((finding.id.clone(), why.clone())),
                None => cleared.push(finding),
            }
        }
        let moves = steps.iter().map(|((name, from), (to, _))| Move {
            package: name.clone(),
            from: Some(from.clone()),
            to: Some(to.clone()),
            rung: Some(Rung::InRange),
        });
        let moves: Vec<Move> = moves.collect();
        let mut sentences: Vec<String> = steps.iter().map(|(action, (to, _))| sentence(action, to)).collect();
        sentences.push("Tags and commits are those that the server has now.".to_owned());
        sentences.extend(left_open(&leaves));
        let names: Vec<&str> = made.keys().filter_map(|path| path.rsplit('/').next()).collect();
        // Each version of an action goes where it goes by itself.
        let to = |finding: &&Finding| named(finding).and_then(|action| Some(steps.get(&action)?.0.clone()));
        let mut updates = updates(&cleared, named, &BTreeMap::new());
        for update in &mut updates {
            update.to = update.findings.first().and_then(to).unwrap_or_default();
        }
        let made = Made {
            fixer: "actions",
            rationale: sentences.join(" "),
            removes: cleared.iter().map(|finding| finding.id.clone()).collect(),
            updates,
            moves,
            leaves,
            archives: None,
            log,
        };
        let (git, worktree) = (&tree.git, tree.path.as_path());
        Handover { request, git, worktree, may_change: &names, unchanged }.proposal(made).await
    }
}

fn named(finding: &Finding) -> Option<Action> {
    finding.package.as_ref().map(|package| (package.name.clone(), package.version.clone()))
}

fn is(used: &Use<'_>, (name, version): &Action) -> bool {
    used.name.eq_ignore_ascii_case(name) && used.version() == version
}

fn sentence((name, from): &Action, to: &str) -> String {
    let first = |text: &str| text.split('.').next().map(str::to_owned);
    let major = if first(from) == first(to) { "" } else { ", a major upgrade" };
    format!("{to} is the lowest tag of {name} above {from} without a known problem{major}.")
}
