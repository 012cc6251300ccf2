//! Moves Maven artifacts to versions without the problem, in the poms where their versions are written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use patchline_model::failure::{Failure, FailureClass};
use patchline_model::stage::detect::{Finding, Source};
use patchline_model::stage::generate::{Move, Rung};
use patchline_sandbox::git::Git;
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::handover::{Handover, Made};
use crate::dependency::maven::reactor::Reactor;
use crate::dependency::maven::search::{Step, Work};
use crate::dependency::maven::settings::{Settings, users_own};
use crate::dependency::maven::shelf::{is_major, problems};
use crate::dependency::maven::tool::Maven;
use crate::dependency::maven::tree::{Tree, installed, versions};
use crate::dependency::outcome::{apart, left_open, merit, others, updates};
use crate::dependency::place::{Worktree, folder_of};
use crate::failures::of_git;
use crate::fixer::{Fixer, Proposal, Request};

const POM: &str = "pom.xml";
/// Most packages that are named with a problem of their own.
const MOST_NAMED: usize = 12;

/// Changes versions in poms.
#[derive(Clone, Debug)]
pub struct MavenFixer {
    sandbox: Sandbox,
    settings: Option<PathBuf>,
}

impl MavenFixer {
    /// With the user's own settings.
    pub fn new(sandbox: Sandbox) -> Self {
        Self { sandbox, settings: users_own() }
    }

    /// With the settings in this file.
    pub fn with(sandbox: Sandbox, settings: PathBuf) -> Self {
        Self { sandbox, settings: Some(settings) }
    }
}

#[async_trait]
impl Fixer for MavenFixer {
    fn name(&self) -> &'static str {
        "maven"
    }

    fn can(&self, finding: &Finding) -> bool {
        let is_maven = finding.package.as_ref().is_some_and(|package| package.ecosystem.0 == "Maven");
        let file = Path::new(&finding.location.path).file_name();
        finding.source == Source::Lockfile && is_maven && file.is_some_and(|name| name == POM)
    }

    fn changes(&self, file: &str) -> bool {
        file == POM
    }

    async fn propose(&self, request: &Request) -> Result<Proposal, Failure> {
        let folder = match folder_of(request, &[POM], "commit `pom.xml`").await {
            Ok((folder, _)) => folder,
            Err(failure) if request.findings.iter().any(|finding| finding.location.path == POM) => {
                return Err(failure);
            }
            Err(_) => {
                let reason =
                    "no `pom.xml` at the top builds it: fix it as a service of its own, in its folder";
                return Ok(Proposal::NoFix { reasons: vec![reason.to_owned()], log: String::new() });
            }
        };
        let tree = Worktree::add(request).await?;
        let outcome = self.propose_in(request, &tree.git, &tree.path, &folder).await;
        tree.remove().await;
        outcome
    }
}

impl MavenFixer {
    async fn propose_in(
        &self,
        request: &Request,
        git: &Git,
        worktree: &Path,
        folder: &str,
    ) -> Result<Proposal, Failure> {
        let unchanged = git.changes(worktree).await.map_err(of_git)?;
        let no_fix = |reason: String, log: String| Ok(Proposal::NoFix { reasons: vec![reason], log });
        let below = |path: &str| if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") };
        let reactor = match Reactor::open(worktree, &below(POM))? {
            Ok(reactor) => reactor,
            Err(why) => return no_fix(why, String::new()),
        };
        if let Some((file, _)) = reactor.poms.iter().find(|(_, pom)| pom.loads_code) {
            let why = format!(
                "`{file}` has build extensions, which Maven loads and runs before it can be asked anything"
            );
            return no_fix(why, String::new());
        }
        let settings = Settings::read(self.settings.as_ref()).map_err(|what| {
            Failure::permanent(format!("could not read Maven's `settings.xml`: {what}"))
                .of(FailureClass::Input)
                .with_hint("correct the file")
        })?;
        let repositories = reactor.poms.values().flat_map(|pom| pom.repositories.clone());
        let mut maven = Maven {
            sandbox: &self.sandbox,
            settings,
            worktree: worktree.to_owned(),
            cache: request.cache.join("maven"),
            properties: reactor.settings.clone(),
            repositories: repositories.filter(|(_, url)| !url.contains("${")).collect(),
            log: String::new(),
        };
        let before = match maven.tree(&worktree.join(&reactor.root), false).await? {
            Ok(before) => before,
            Err(why) => return no_fix(why, maven.log),
        };
        let (targets, left) = targets(request, &reactor, &before, &below);
        let mut work = Work {
            request,
            worktree,
            reactor,
            maven,
            before,
            targets,
            published: BTreeMap::new(),
            alone: BTreeMap::new(),
            left,
        };
        let held = work.fix().await?;
        let Work { reactor, maven, before, left, .. } = work;
        let Some((steps, comparison, after)) = held else {
            let mut reasons: Vec<String> = left.into_values().collect();
            reasons.dedup();
            return Ok(Proposal::NoFix { reasons, log: maven.log });
        };
        let mut there = installed(&after);
        let stays = |(name, _): &(String, String)| left.contains_key(name);
        there.extend(request.findings.iter().filter_map(named).filter(stays));
        let (cleared, leaves) = apart(&request.findings, named, &there, &left, &*request.known)?;
        let moves: Vec<Move> = comparison
            .moves
            .into_iter()
            .map(|(package, from, to)| {
                let rung = rung(&steps, &package);
                Move { package, from, to, rung }
            })
            .collect();
        let to: BTreeMap<String, String> =
            moves.iter().filter_map(|step| Some((step.package.clone(), step.to.clone()?))).collect();
        let updates = updates(&cleared, named, &to);
        let mut sentences = sentences(&steps, &before, request)?;
        sentences.push(others(&moves, &updates));
        sentences.extend(left_open(&leaves));
        sentences.extend(unseen(&after, request)?);
        let files: BTreeSet<String> =
            reactor.poms.keys().filter_map(|path| Some(path.rsplit('/').next()?.to_owned())).collect();
        let may_change: Vec<&str> = files.iter().map(String::as_str).collect();
        let made = Made {
            fixer: "maven",
            rationale: sentences.join(" "),
            updates,
            moves,
            removes: cleared.iter().map(|finding| finding.id.clone()).collect(),
            leaves,
            archives: None,
            log: maven.log,
        };
        Handover { request, git, worktree, may_change: &may_change, unchanged }.proposal(made).await
    }
}

/// Packages with the versions of them that have to go.
type Targets = BTreeMap<String, BTreeSet<String>>;

/// What has to go, and what can't, with why.
fn targets(
    request: &Request,
    reactor: &Reactor,
    before: &Tree,
    below: &dyn Fn(&str) -> String,
) -> (Targets, BTreeMap<String, String>) {
    let (mut targets, mut left) = (Targets::new(), BTreeMap::new());
    for finding in &request.findings {
        let Some((name, version)) = named(finding) else { continue };
        let path = &finding.location.path;
        if !reactor.poms.contains_key(&below(path)) {
            left.insert(
                name,
                format!("`{path}` is no module of `{}`: fix it as a service of its own", reactor.root),
            );
        } else if !versions(before, &name).contains(&version) {
            left.insert(name.clone(), format!("Maven does not take `{name} {version}` here"));
        } else {
            targets.entry(name).or_default().insert(version);
        }
    }
    targets.retain(|name, _| !left.contains_key(name));
    (targets, left)
}

fn rung(steps: &[Step], package: &str) -> Option<Rung> {
    steps.iter().find(|step| step.stated.contains_key(package)).map(|step| step.rung)
}

/// Why these versions.
fn sentences(steps: &[Step], before: &Tree, request: &Request) -> Result<Vec<String>, Failure> {
    let mut sentences = Vec::new();
    for step in steps {
        for (package, (place, to)) in &step.stated {
            let is_step_too_far = versions(before, package).iter().any(|from| is_major(from, to));
            let major = if is_step_too_far { ", a major upgrade" } else { "" };
            let merit = merit(problems(&*request.known, package, to)?.is_empty());
            let target = &step.target;
            if let Some(by) = &step.needed_by {
                sentences.push(format!(
                    "{package} goes to {to}{major}, which {by} requires; it is written in {place}."
                ));
                continue;
            }
            sentences.push(match step.rung {
                Rung::InRange | Rung::Relax => {
                    format!("{package} {to} is the smallest version {merit} that Maven takes well{major}; it is written in {place}.")
                }
                Rung::Lift => {
                    format!("{package} goes to {to}{major}, its smallest version that brings no bad {target}; it is written in {place}.")
                }
                Rung::Override => {
                    format!("{place} now manages {package} at {to}{major}: nothing that is written there brings a good one.")
                }
            });
        }
    }
    Ok(sentences)
}

/// What else has known problems: poms name only what is asked for directly, so a scan of them does not tell.
fn unseen(after: &Tree, request: &Request) -> Result<Option<String>, Failure> {
    let asked: BTreeSet<(String, String)> = request.findings.iter().filter_map(named).collect();
    let mut found = Vec::new();
    for (name, version) in installed(after).difference(&asked) {
        if !problems(&*request.known, name, version)?.is_empty() {
            found.push(format!("{name} {version}"));
        }
    }
    let more = if found.len() > MOST_NAMED { " and more" } else { "" };
    let count = found.len();
    found.truncate(MOST_NAMED);
    let names = found.join(", ");
    Ok((count > 0)
        .then(|| format!("Not asked for here, Maven takes {count} more with known problems: {names}{more}.")))
}

fn named(finding: &Finding) -> Option<(String, String)> {
    finding.package.as_ref().map(|package| (package.name.clone(), package.version.clone()))
}
