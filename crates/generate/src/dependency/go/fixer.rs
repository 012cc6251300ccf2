//! Moves Go modules to versions without the problem. Go takes the highest version that anything asks for, so that one can always
//! move up; what that takes along is counted and shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use patchline_model::failure::{Failure, FailureClass};
use patchline_model::stage::detect::{Finding, Source};
use patchline_model::stage::generate::Move;
use patchline_sandbox::git::Git;
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::go::module::{
    Comparison, Module, bare, compare, is_above, is_major, is_release, order, problems, with_toolchain,
};
use crate::dependency::go::tool::{Go, Versions, settings};
use crate::dependency::handover::{Handover, Made};
use crate::dependency::outcome::{apart, left_open, merit, others, rung, updates};
use crate::dependency::place::{Worktree, folder_of};
use crate::failures::{of_file, of_git};
use crate::fixer::{Fixer, Known, Proposal, Request};

/// The files that it changes.
const FILES: [&str; 2] = ["go.mod", "go.sum"];
/// Go's own library among the modules.
const STANDARD: &str = "stdlib";
const LARGEST: u64 = 32 << 20;
/// Modules that are tried one by one when all at once does not hold.
const MOST_APART: usize = 40;
/// How often what comes along with a problem of its own is raised, too.
const MOST_ROUNDS: usize = 8;

/// Raises what `go.mod` requires.
#[derive(Clone, Debug)]
pub struct GoFixer {
    sandbox: Sandbox,
    settings: BTreeMap<String, String>,
}

impl GoFixer {
    /// With the settings that Go has from the environment and from the user's file.
    pub fn new(sandbox: Sandbox) -> Self {
        Self::with(sandbox, settings())
    }

    /// With these settings, as in `GOPROXY`.
    pub fn with(sandbox: Sandbox, settings: BTreeMap<String, String>) -> Self {
        Self { sandbox, settings }
    }
}

#[async_trait]
impl Fixer for GoFixer {
    fn name(&self) -> &'static str {
        "go"
    }

    fn can(&self, finding: &Finding) -> bool {
        let is_go = finding.package.as_ref().is_some_and(|package| package.ecosystem.0 == "Go");
        let file = Path::new(&finding.location.path).file_name();
        finding.source == Source::Lockfile && is_go && file.is_some_and(|name| name == FILES[0])
    }

    fn changes(&self, file: &str) -> bool {
        file == FILES[0]
    }

    async fn propose(&self, request: &Request) -> Result<Proposal, Failure> {
        let (folder, _) = folder_of(request, &FILES[..1], "commit `go.mod`").await?;
        let tree = Worktree::add(request).await?;
        let outcome = self.propose_in(request, &tree.git, &tree.path, &folder).await;
        tree.remove().await;
        outcome
    }
}

impl GoFixer {
    async fn propose_in(
        &self,
        request: &Request,
        git: &Git,
        worktree: &Path,
        folder: &str,
    ) -> Result<Proposal, Failure> {
        let place = worktree.join(folder);
        let unchanged = git.changes(worktree).await.map_err(of_git)?;
        let files = Files::open(&place)?;
        let go = Go {
            sandbox: &self.sandbox,
            settings: self.settings.clone(),
            worktree: worktree.to_owned(),
            folder: place.clone(),
            cache: request.cache.join("go"),
            log: String::new(),
        };
        if place.join("vendor/modules.txt").exists() {
            let reason = "the modules are kept in `vendor`, which a fix would have to change, too: run `go get` and \
                          `go mod vendor` by hand";
            return Ok(Proposal::NoFix { reasons: vec![reason.to_owned()], log: String::new() });
        }
        let before = Module::of(&files.before[FILES[0]]);
        let mut work = Work {
            request,
            before,
            files,
            go,
            order: Order::Broken,
            versions: BTreeMap::new(),
            left: BTreeMap::new(),
        };
        let outcome = work.fix().await?;
        // What was made so that Go may write to it, and is of no use, goes.
        work.files.clean()?;
        let Work { before, left, go, files, order, .. } = work;
        let Some((steps, comparison, toolchain)) = outcome else {
            let mut reasons: Vec<String> = left.into_values().collect();
            reasons.dedup();
            return Ok(Proposal::NoFix { reasons, log: go.log });
        };
        let after = Module::of(&files.now(FILES[0])?);
        let mut installed: BTreeSet<(String, String)> =
            after.requires.iter().map(|(name, version)| (name.clone(), version.clone())).collect();
        let stays =
            |(name, _): &(String, String)| left.contains_key(name) && !after.requires.contains_key(name);
        installed.extend(request.findings.iter().filter_map(named).filter(stays));
        let (cleared, leaves) = apart(&request.findings, named, &installed, &left, &*request.known)?;
        let mut moves = comparison.moves;
        for step in moves.iter_mut().filter(|step| steps.contains_key(&step.package)) {
            step.rung = Some(rung(before.requires.contains_key(&step.package), false));
        }
        if let (Some(to), Some(from)) = (&toolchain, &before.toolchain) {
            let from = Some(language(from).to_owned());
            let rung = Some(rung(true, false));
            moves.push(Move { package: STANDARD.to_owned(), from, to: Some(to.clone()), rung });
        }
        let to: BTreeMap<String, String> =
            moves.iter().filter_map(|step| Some((step.package.clone(), step.to.clone()?))).collect();
        let updates = updates(&cleared, named, &to);
        let mut sentences = sentences(&steps, &before, &after, toolchain.as_deref(), &*request.known)?;
        if order == Order::Broken && !steps.is_empty() {
            let broken = "Go could not load all packages before, either: what can't be loaded may need more.";
            sentences.push(broken.to_owned());
        }
        sentences.push(others(&moves, &updates));
        sentences.extend(left_open(&leaves));
        let made = Made {
            fixer: "go",
            rationale: sentences.join(" "),
            updates,
            moves,
            removes: cleared.iter().map(|finding| finding.id.clone()).collect(),
            leaves,
            archives: None,
            log: go.log,
        };
        Handover { request, git, worktree, may_change: &FILES, unchanged }.proposal(made).await
    }
}

/// The version to which each module was raised, what moved, and the toolchain where that is another.
type Fixed = (BTreeMap<String, String>, Comparison, Option<String>);

/// In what order the files are before anything changes: what they were, they stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// `go mod tidy` finds nothing to do.
    Tidy,
    /// All packages can be loaded.
    Loads,
    /// Not even that, as where a module is no longer published.
    Broken,
}

/// One module on its way.
struct Work<'a> {
    request: &'a Request,
    before: Module,
    files: Files,
    go: Go<'a>,
    order: Order,
    versions: BTreeMap<String, Versions>,
    /// Modules that can't be cleared, with why.
    left: BTreeMap<String, String>,
}

impl Work<'_> {
    async fn fix(&mut self) -> Result<Option<Fixed>, Failure> {
        let names: BTreeSet<String> =
            self.request.findings.iter().filter_map(named).map(|(name, _)| name).collect();
        let toolchain = match names.contains(STANDARD) {
            true => self.toolchain()?,
            false => None,
        };
        let mut targets = Vec::new();
        for name in names.iter().filter(|name| *name != STANDARD) {
            if self.before.requires.contains_key(name) && !self.before.replaced.contains_key(name) {
                targets.push(name.clone());
            } else {
                let why =
                    format!("`{name}` stands in a `replace` of `go.mod`, which says more than a version");
                self.left.insert(name.clone(), why);
            }
        }
        let mut fixed = self.raise_all(&targets).await?;
        if fixed.is_none() && toolchain.is_some() {
            fixed = Some((BTreeMap::new(), Comparison::default()));
        }
        let Some((steps, comparison)) = fixed else { return Ok(None) };
        if let Some(version) = &toolchain {
            let text = self.files.now(FILES[0])?;
            let changed = with_toolchain(&text, version).unwrap_or(text);
            self.files.write(FILES[0], &changed)?;
        }
        Ok(Some((steps, comparison, toolchain)))
    }

    /// All at once, or else one after the other, each added to those before it only if that holds.
    async fn raise_all(
        &mut self,
        targets: &[String],
    ) -> Result<Option<(BTreeMap<String, String>, Comparison)>, Failure> {
        self.learn(targets).await?;
        let mut steps = BTreeMap::new();
        for name in targets {
            let installed = self.before.requires[name].clone();
            match self.smallest(name, &installed)? {
                Some(version) => drop(steps.insert(name.clone(), version)),
                None => {
                    let none =
                        || format!("no version of `{name}` above {installed} is free of known problems");
                    let why = self.versions.get(name).and_then(|versions| versions.as_ref().err().cloned());
                    let why = why.unwrap_or_else(none);
                    self.left.insert(name.clone(), why);
                }
            }
        }
        if steps.is_empty() {
            return Ok(None);
        }
        self.order = self.order_before().await?;
        let refused = match self.raise(steps.clone()).await? {
            Ok(done) => return Ok(Some(done)),
            Err(why) => why,
        };
        let is_alone = steps.len() == 1;
        let (mut kept, mut best) = (BTreeMap::new(), None);
        for (at, (name, version)) in steps.into_iter().enumerate() {
            if is_alone || at >= MOST_APART {
                self.left.insert(name, refused.clone());
                continue;
            }
            let mut tried: BTreeMap<String, String> = kept.clone();
            tried.insert(name.clone(), version);
            match self.raise(tried.clone()).await? {
                Ok(done) => {
                    kept = tried;
                    best = Some(done);
                }
                Err(why) => drop(self.left.insert(name, why)),
            }
        }
        // The last try may have failed: what held is carried out again.
        match best {
            Some((steps, _)) => Ok(self.raise(steps).await?.ok()),
            None => Ok(None),
        }
    }

    /// Raises these, and what comes along with a problem. Where that does not hold, the files are as they were.
    async fn raise(
        &mut self,
        mut steps: BTreeMap<String, String>,
    ) -> Result<Result<(BTreeMap<String, String>, Comparison), String>, Failure> {
        for _ in 0..MOST_ROUNDS {
            if let Err(why) = self.state(&steps).await? {
                self.files.restore()?;
                return Ok(Err(why));
            }
            let after = Module::of(&self.files.now(FILES[0])?);
            let comparison = compare(&self.before, &after, &*self.request.known)?;
            let mut higher = self.worse(&comparison, &after).await?;
            for name in steps.keys() {
                let Some(version) = after.requires.get(name) else { continue };
                if !problems(&*self.request.known, name, version)?.is_empty() {
                    higher.extend(self.smallest(name, version)?.map(|to| (name.clone(), to)));
                }
            }
            if higher.is_empty() && comparison.violations.is_empty() {
                return Ok(Ok((steps, comparison)));
            }
            if higher.is_empty() {
                self.files.restore()?;
                return Ok(Err(comparison.violations.join("; ")));
            }
            steps.extend(higher);
        }
        self.files.restore()?;
        Ok(Err("the search was given up: each step brings another problem in".to_owned()))
    }

    /// Good versions of what came along with a problem.
    async fn worse(
        &mut self,
        comparison: &Comparison,
        after: &Module,
    ) -> Result<BTreeMap<String, String>, Failure> {
        self.learn(&comparison.worse).await?;
        let mut higher = BTreeMap::new();
        for name in &comparison.worse {
            let to = self.smallest(name, &after.requires[name])?;
            higher.extend(to.map(|to| (name.clone(), to)));
        }
        Ok(higher)
    }

    /// States these versions and lets Go bring everything else in line. Its reason, where it refuses.
    async fn state(&mut self, steps: &BTreeMap<String, String>) -> Result<Result<(), String>, Failure> {
        self.files.restore()?;
        if let Err(why) = self.go.require(steps).await? {
            return Ok(Err(why));
        }
        if self.order == Order::Tidy {
            return self.go.tidy().await;
        }
        match (self.go.load(false).await?, self.order) {
            (Err(_), Order::Broken) => self.go.load(true).await,
            (answer, _) => Ok(answer),
        }
    }

    /// What can be asked of the files as they were.
    async fn order_before(&mut self) -> Result<Order, Failure> {
        let is_done = self.go.tidy().await?.is_ok();
        let is_tidy = is_done && self.files.are_as_before()?;
        self.files.restore()?;
        if is_tidy {
            return Ok(Order::Tidy);
        }
        let loads = self.go.load(false).await?.is_ok();
        self.files.restore()?;
        Ok(if loads { Order::Loads } else { Order::Broken })
    }

    async fn learn(&mut self, names: &[String]) -> Result<(), Failure> {
        let unknown: Vec<String> =
            names.iter().filter(|name| !self.versions.contains_key(*name)).cloned().collect();
        if !unknown.is_empty() {
            self.versions.extend(self.go.versions(&unknown).await?);
        }
        Ok(())
    }

    /// The lowest version above this one that is free of known problems: of those that the proxy lists, and of those that the
    /// advisories name, for a fix may be a commit without a version.
    fn smallest(&self, name: &str, above: &str) -> Result<Option<String>, Failure> {
        let listed = self.versions.get(name).and_then(|versions| versions.as_ref().ok());
        let of_name = |finding: &&Finding| named(finding).is_some_and(|(found, _)| found == name);
        let fixed = self.request.findings.iter().filter(of_name).flat_map(|finding| &finding.fixed);
        let is_listed = listed.is_some_and(|versions| !versions.is_empty());
        let listed = listed.into_iter().flatten().map(|version| bare(version));
        let listed = listed.filter(|version| is_release(version));
        let fixed = fixed.map(String::as_str).filter(|version| !is_listed || !is_release(version));
        self.first_good(name, listed.chain(fixed), above)
    }

    fn first_good<'b>(
        &self,
        name: &str,
        versions: impl Iterator<Item = &'b str>,
        above: &str,
    ) -> Result<Option<String>, Failure> {
        let mut candidates: Vec<&str> = versions.filter(|version| is_above(version, above)).collect();
        candidates.sort_by(|left, right| order(left, right).unwrap_or(std::cmp::Ordering::Equal));
        let known = &*self.request.known;
        // Where none is free of problems, the one with the fewest of those that there are now.
        let now = problems(known, name, above)?;
        let (mut best, mut least) = (None, now.len());
        for version in candidates {
            let found = problems(known, name, version)?;
            if found.len() < least && found.iter().all(|problem| now.contains(problem)) {
                (best, least) = (Some(version.to_owned()), found.len());
            }
            if found.is_empty() {
                return Ok(Some(version.to_owned()));
            }
        }
        Ok(best)
    }

    /// The toolchain whose library has no known problem.
    fn toolchain(&mut self) -> Result<Option<String>, Failure> {
        let Some(installed) = self.before.toolchain.clone() else {
            let why = "`go.mod` names no `toolchain`".to_owned();
            self.left.insert(STANDARD.to_owned(), why);
            return Ok(None);
        };
        let installed = language(&installed);
        let of_library = |finding: &&Finding| named(finding).is_some_and(|(name, _)| name == STANDARD);
        let fixed = self.request.findings.iter().filter(of_library).flat_map(|finding| &finding.fixed);
        let found =
            self.first_good(STANDARD, fixed.map(String::as_str).filter(|fix| is_release(fix)), installed)?;
        if found.is_none() {
            let why = format!("no Go above {installed} is known to be free of known problems");
            self.left.insert(STANDARD.to_owned(), why);
        }
        Ok(found)
    }
}

/// The files that a change may touch, with what they held before.
struct Files {
    folder: PathBuf,
    before: BTreeMap<&'static str, String>,
    /// Whether there was no `go.sum`.
    is_made: bool,
}

impl Files {
    fn open(folder: &Path) -> Result<Self, Failure> {
        let sum = folder.join(FILES[1]);
        let is_made = sum.symlink_metadata().is_err();
        if is_made {
            fs::write(&sum, "").map_err(|error| of_file("make `go.sum`", error))?;
        }
        let mut files = Self { folder: folder.to_owned(), before: BTreeMap::new(), is_made };
        for file in FILES {
            let text = files.now(file)?;
            files.before.insert(file, text);
        }
        Ok(files)
    }

    /// An ordinary file of the worktree: a link would lead out of it.
    fn now(&self, file: &str) -> Result<String, Failure> {
        let path = self.folder.join(file);
        if !path.symlink_metadata().is_ok_and(|found| found.is_file()) {
            return Err(Failure::permanent(format!("could not use `{file}`: it is not an ordinary file"))
                .of(FailureClass::Input)
                .with_hint("commit the file itself"));
        }
        let mut text = String::new();
        let read = fs::File::open(&path).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text));
        read.map_err(|error| of_file(&format!("read `{file}`"), error))?;
        if text.len() as u64 > LARGEST {
            return Err(Failure::permanent(format!(
                "could not use `{file}`: it has more than {LARGEST} bytes"
            )));
        }
        Ok(text)
    }

    fn write(&self, file: &str, text: &str) -> Result<(), Failure> {
        fs::write(self.folder.join(file), text).map_err(|error| of_file(&format!("write `{file}`"), error))
    }

    fn are_as_before(&self) -> Result<bool, Failure> {
        for (file, text) in &self.before {
            if self.now(file)? != *text {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn restore(&self) -> Result<(), Failure> {
        self.before.iter().try_for_each(|(file, text)| self.write(file, text))
    }

    fn clean(&self) -> Result<(), Failure> {
        if self.is_made && self.now(FILES[1])?.is_empty() {
            let removed = fs::remove_file(self.folder.join(FILES[1]));
            removed.map_err(|error| of_file("remove an empty `go.sum`", error))?;
        }
        Ok(())
    }
}

/// Why these versions.
fn sentences(
    steps: &BTreeMap<String, String>,
    before: &Module,
    after: &Module,
    toolchain: Option<&str>,
    known: &dyn Known,
) -> Result<Vec<String>, Failure> {
    let mut sentences = Vec::new();
    for (name, planned) in steps {
        let to = after.requires.get(name).unwrap_or(planned);
        let is_step_too_far = before.requires.get(name).is_some_and(|from| is_major(from, to));
        let major = if is_step_too_far { ", a major upgrade" } else { "" };
        let merit = merit(problems(known, name, to)?.is_empty());
        sentences.push(match (to == planned, before.requires.contains_key(name)) {
            (true, true) => format!("{name} {to} is the smallest version {merit}{major}."),
            (true, false) => format!("{name} comes along, and {to} is the one {merit}."),
            (false, _) => format!("{name} goes to {to}{major}: something that moved asks for it."),
        });
    }
    if let Some(version) = toolchain {
        sentences.push(format!(
            "go.mod now names the toolchain go{version}: with another Go, it is built by that."
        ));
    }
    if let (Some(from), Some(to)) = (&before.go, &after.go)
        && from != to
    {
        sentences.push(format!("go.mod now asks for Go {to}, before for {from}."));
    }
    if before.toolchain != after.toolchain && toolchain.is_none() {
        let named = after.toolchain.as_deref().unwrap_or("none");
        sentences.push(format!("go.mod now names the toolchain {named}."));
    }
    Ok(sentences)
}

/// The version in a toolchain's name, as in `go1.21.3`.
fn language(toolchain: &str) -> &str {
    let version = toolchain.strip_prefix("go").unwrap_or(toolchain);
    version.split('-').next().unwrap_or(version)
}

fn named(finding: &Finding) -> Option<(String, String)> {
    finding.package.as_ref().map(|package| (package.name.clone(), package.version.clone()))
}
