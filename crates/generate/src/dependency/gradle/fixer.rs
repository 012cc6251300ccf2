//! Moves what a Gradle build locks to versions without the problem: in the lockfile alone where ranges allow it, or else where
//! the version is written, in what brings it, or by a constraint.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use patchline_model::digest::Digest;
use patchline_model::failure::{Failure, FailureClass};
use patchline_model::stage::detect::{Finding, Source};
use patchline_model::stage::generate::{Move, Rung};
use patchline_sandbox::git::Git;
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::gradle::build::{Build, says_versions};
use crate::dependency::gradle::search::{Held, Work};
use crate::dependency::gradle::settings::{proxies, users_own};
use crate::dependency::gradle::step::Step;
use crate::dependency::gradle::survey::Ask;
use crate::dependency::gradle::tool::{Gradle, Run};
use crate::dependency::handover::{Handover, Made};
use crate::dependency::maven::shelf::{is_major, problems};
use crate::dependency::maven::tree::{Tree, installed, versions};
use crate::dependency::outcome::{apart, left_open, merit, others, updates};
use crate::dependency::place::{Worktree, folder_of, read_file};
use crate::failures::{of_file, of_git};
use crate::fixer::{Fixer, Proposal, Request};
use crate::message::clean;

const LOCKFILE: &str = "gradle.lockfile";
/// What says that a folder is a build's own, the surest first.
const ROOTS: [&str; 4] = ["settings.gradle", "settings.gradle.kts", "build.gradle", "build.gradle.kts"];
const WRAPPER: &str = "gradle/wrapper/gradle-wrapper.properties";
/// Newer versions of what brings a module that Gradle looks at.
const MOST_PROBES: usize = 30;

/// Changes versions in build scripts, catalogs and lockfiles.
#[derive(Clone, Debug)]
pub struct GradleFixer {
    sandbox: Sandbox,
    program: PathBuf,
    settings: Option<PathBuf>,
}

impl GradleFixer {
    /// With the Gradle on `PATH` and the user's proxies.
    pub fn new(sandbox: Sandbox) -> Self {
        Self { sandbox, program: PathBuf::from("gradle"), settings: users_own() }
    }

    /// With this Gradle, and nobody's settings.
    pub fn with(sandbox: Sandbox, program: PathBuf) -> Self {
        Self { sandbox, program, settings: None }
    }
}

#[async_trait]
impl Fixer for GradleFixer {
    fn name(&self) -> &'static str {
        "gradle"
    }

    fn can(&self, finding: &Finding) -> bool {
        let is_maven = finding.package.as_ref().is_some_and(|package| package.ecosystem.0 == "Maven");
        let file = Path::new(&finding.location.path).file_name();
        finding.source == Source::Lockfile && is_maven && file.is_some_and(|name| name == LOCKFILE)
    }

    fn changes(&self, file: &str) -> bool {
        file == LOCKFILE || says_versions(file)
    }

    async fn propose(&self, request: &Request) -> Result<Proposal, Failure> {
        let mut folder = folder_of(request, &ROOTS[..2], "").await;
        if folder.is_err() {
            folder = folder_of(request, &ROOTS[2..], "").await;
        }
        let Ok((folder, _)) = folder else {
            let reason = "no `settings.gradle` or `build.gradle` at the top builds it: fix it as a service of its own, in its folder";
            return Ok(Proposal::NoFix { reasons: vec![reason.to_owned()], log: String::new() });
        };
        if !self.sandbox.is_isolated() {
            let what =
                "could not ask Gradle: a build's scripts are programs, and nothing here closes them in";
            return Err(Failure::permanent(what).of(FailureClass::Tool).with_hint("install bubblewrap"));
        }
        let fixed = match self.fixed(request, &folder).await? {
            Ok(fixed) => fixed,
            Err(NoFix { reasons, log }) => return Ok(Proposal::NoFix { reasons, log }),
        };
        let tree = Worktree::add(request).await?;
        let outcome = handed_over(request, &tree, fixed).await;
        tree.remove().await;
        outcome
    }
}

/// Files with other texts, by path in the repository, and what came of them.
struct Fixed<'a> {
    texts: BTreeMap<String, String>,
    made: Made<'a>,
}

struct NoFix {
    reasons: Vec<String>,
    log: String,
}

/// The worktree is one in which no foreign script has run.
async fn handed_over(request: &Request, tree: &Worktree, fixed: Fixed<'_>) -> Result<Proposal, Failure> {
    let Fixed { texts, made } = fixed;
    let unchanged = tree.git.changes(&tree.path).await.map_err(of_git)?;
    for (path, text) in &texts {
        fs::write(tree.path.join(path), text).map_err(|error| of_file(&format!("write `{path}`"), error))?;
    }
    let may_change: Vec<&str> = texts.keys().filter_map(|path| path.rsplit('/').next()).collect();
    let handover =
        Handover { request, git: &tree.git, worktree: &tree.path, may_change: &may_change, unchanged };
    handover.proposal(made).await
}

impl GradleFixer {
    async fn fixed<'a>(
        &self,
        request: &'a Request,
        folder: &str,
    ) -> Result<Result<Fixed<'a>, NoFix>, Failure> {
        let no_fix = |reason: String, log: String| Ok(Err(NoFix { reasons: vec![reason], log }));
        // Scripts run in a copy that git knows nothing of: what they do there is asked of no program outside the sandbox.
        fs::create_dir_all(&request.work).map_err(|error| of_file("make a folder for Gradle", error))?;
        let copy = tempfile::Builder::new().prefix("gradle-").tempdir_in(&request.work);
        let copy = copy.map_err(|error| of_file("make a folder for Gradle", error))?;
        Git::at(&request.repository).export(request.base.as_str(), copy.path()).await.map_err(of_git)?;
        // Gradle names places by their real paths.
        let worktree =
            copy.path().canonicalize().map_err(|error| of_file("find a folder for Gradle", error))?;
        let worktree = worktree.as_path();
        let build = match Build::open(worktree, folder)? {
            Ok(build) => build,
            Err(why) => return no_fix(why, String::new()),
        };
        let place = (worktree, folder);
        // One for each repository: scripts can leave there what the next build would run.
        let repository = request.repository.as_os_str().as_encoded_bytes();
        let cache = request.cache.join("gradle").join(Digest::of(repository).hex());
        let settings = proxies(self.settings.as_ref());
        let mut gradle =
            Gradle::new(&self.sandbox, &self.program, settings, &request.repository, place, cache);
        let names = request.findings.iter().filter_map(named).map(|(name, _)| name);
        let ask = Ask { hold: BTreeMap::new(), targets: names.collect(), most: MOST_PROBES };
        let survey = match gradle.survey(&ask, Run::Look).await? {
            Ok(survey) => survey,
            Err(why) => return no_fix(format!("{why}{}", wrapper(worktree, folder)), gradle.log),
        };
        if let Some((asked, why)) = survey.unresolved() {
            let why = format!(
                "the lockfiles don't go with the build, or Gradle can't have what they say: `{asked}`, {}",
                clean(why, 300)
            );
            return no_fix(why, gradle.log);
        }
        let lockfiles = survey.0.values().filter_map(|project| {
            let path = Path::new(&project.lockfile).strip_prefix(worktree).ok()?.to_str()?.to_owned();
            let text = build.lockfiles.get(&path)?.clone();
            Some((path, text))
        });
        let locked: BTreeMap<String, String> = lockfiles.collect();
        let mut work = Work {
            request,
            worktree,
            before: survey.tree(),
            build,
            gradle,
            survey,
            locked,
            targets: BTreeMap::new(),
            left: BTreeMap::new(),
        };
        aim(&mut work, folder);
        let held = work.fix().await?;
        let Work { before, gradle, left, .. } = work;
        let Some(Held { steps, comparison, after, texts }) = held else {
            let mut seen = BTreeSet::new();
            let reasons = left.into_values().filter(|reason| seen.insert(reason.clone())).collect();
            return Ok(Err(NoFix { reasons, log: gradle.log }));
        };
        let mut there = installed(&after);
        let stays = |(name, _): &(String, String)| left.contains_key(name);
        there.extend(request.findings.iter().filter_map(named).filter(stays));
        let (cleared, leaves) = apart(&request.findings, named, &there, &left, &*request.known)?;
        let moves: Vec<Move> = comparison
            .moves
            .into_iter()
            .map(|(package, from, to)| {
                let rung = steps.iter().find(|step| step.stated.contains_key(&package)).map(|step| step.rung);
                Move { package, from, to, rung }
            })
            .collect();
        let to: BTreeMap<String, String> =
            moves.iter().filter_map(|step| Some((step.package.clone(), step.to.clone()?))).collect();
        let updates = updates(&cleared, named, &to);
        let mut sentences = sentences(&steps, &before, request)?;
        sentences.push(others(&moves, &updates));
        sentences.extend(left_open(&leaves));
        let made = Made {
            fixer: "gradle",
            rationale: sentences.join(" "),
            updates,
            moves,
            removes: cleared.iter().map(|finding| finding.id.clone()).collect(),
            leaves,
            archives: None,
            log: gradle.log,
        };
        Ok(Ok(Fixed { texts, made }))
    }
}

/// What has to go, and what can't, with why.
fn aim(work: &mut Work<'_>, folder: &str) {
    let service = Path::new(&work.request.folder);
    for finding in &work.request.findings {
        let Some((name, version)) = named(finding) else { continue };
        let path = &finding.location.path;
        let place = service.join(path);
        let place: PathBuf =
            place.components().filter(|part| *part != std::path::Component::CurDir).collect();
        if !place.to_str().is_some_and(|place| work.locked.contains_key(place)) {
            let build = if folder.is_empty() { "here" } else { folder };
            let why =
                format!("`{path}` is no lockfile of the build in `{build}`: fix it as a service of its own");
            work.left.insert(name, why);
        } else if !versions(&work.before, &name).contains(&version) {
            let why =
                format!("`{path}` has `{name} {version}` for a configuration that the build no longer has");
            work.left.insert(name, why);
        } else {
            work.targets.entry(name).or_default().insert(version);
        }
    }
    work.targets.retain(|name, _| !work.left.contains_key(name));
}

/// What the build's own wrapper would have run, where it has one.
fn wrapper(worktree: &Path, folder: &str) -> String {
    let text = read_file(&worktree.join(folder), WRAPPER, 1 << 16).unwrap_or_default();
    let address = text.lines().find_map(|line| line.strip_prefix("distributionUrl="));
    let version = address.and_then(|address| address.rsplit("gradle-").next()?.split('-').next());
    let is_plain = |version: &&str| {
        version.len() < 20 && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    match version.filter(is_plain) {
        Some(version) => format!(
            " (the build's wrapper is for Gradle {version}, and what is on `PATH` was run: `gradlew` would fetch and run what the checkout names)"
        ),
        None => String::new(),
    }
}

/// Why these versions.
fn sentences(steps: &[Step], before: &Tree, request: &Request) -> Result<Vec<String>, Failure> {
    let mut sentences = Vec::new();
    for step in steps {
        for (module, (place, to)) in &step.stated {
            let is_step_too_far = versions(before, module).iter().any(|from| is_major(from, to));
            let major = if is_step_too_far { ", a major upgrade" } else { "" };
            let merit = merit(problems(&*request.known, module, to)?.is_empty());
            let target = &step.target;
            sentences.push(match step.rung {
                Rung::InRange => {
                    format!("{module} {to} is the smallest version {merit} in the ranges that ask for it{major}; only {place} changes.")
                }
                Rung::Relax => {
                    format!("{module} {to} is the smallest version {merit} that Gradle takes well{major}; it is written in {place}.")
                }
                Rung::Lift => {
                    format!("{module} goes to {to}{major}, its smallest version that brings no bad {target}; it is written in {place}.")
                }
                Rung::Override => {
                    format!("{place} now asks for at least {module} {to}{major}: nothing that is written there brings a good one.")
                }
            });
        }
    }
    Ok(sentences)
}

fn named(finding: &Finding) -> Option<(String, String)> {
    finding.package.as_ref().map(|package| (package.name.clone(), package.version.clone()))
}
