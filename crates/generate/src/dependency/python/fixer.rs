//! Moves packages in `uv.lock` and `poetry.lock` to versions without the problem: which ones is chosen here, over the whole of
//! it; the tool then completes the lockfile and writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use patchline_connect::{Client, Settings};
use patchline_inventory::detector::beside;
use patchline_inventory::name::normal_in;
use patchline_model::failure::{Failure, FailureClass};
use patchline_model::stage::detect::{Finding, Source};
use patchline_sandbox::git::Git;
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::flat::{Plan, Shelf, Wish};
use crate::dependency::handover::{Handover, Made};
use crate::dependency::outcome::{apart, left_open, merit, others, rung, updates};
use crate::dependency::place::{Worktree, folder_of};
use crate::dependency::python::index::Index;
use crate::dependency::python::interpreter::Interpreter;
use crate::dependency::python::locked::{Comparison, LARGEST, Locked, compare};
use crate::dependency::python::manifest::{self, takes};
use crate::dependency::python::marker::Environment;
use crate::dependency::python::settings::Addresses;
use crate::dependency::python::shelves::Shelves;
use crate::dependency::python::specifier::is_major;
use crate::dependency::python::tool::{Kind, Tool, names_index};
use crate::failures::{of_fetch, of_file, of_git};
use crate::fixer::{Fixer, Proposal, Request};

const MANIFEST: &str = "pyproject.toml";
/// Packages that are tried one by one when all at once does not hold.
const MOST_APART: usize = 40;

/// Updates `uv.lock` or `poetry.lock`, and `pyproject.toml` where nothing less will do.
#[derive(Clone, Debug)]
pub struct LockFixer {
    sandbox: Sandbox,
    kind: Kind,
}

impl LockFixer {
    pub fn uv(sandbox: Sandbox) -> Self {
        Self { sandbox, kind: Kind::Uv }
    }

    pub fn poetry(sandbox: Sandbox) -> Self {
        Self { sandbox, kind: Kind::Poetry }
    }
}

#[async_trait]
impl Fixer for LockFixer {
    fn name(&self) -> &'static str {
        self.kind.name()
    }

    fn can(&self, finding: &Finding) -> bool {
        let is_python = finding.package.as_ref().is_some_and(|package| package.ecosystem.0 == "PyPI");
        let file = Path::new(&finding.location.path).file_name();
        finding.source == Source::Lockfile
            && is_python
            && file.is_some_and(|name| name == self.kind.lockfile())
    }

    fn changes(&self, file: &str) -> bool {
        file == self.kind.lockfile()
    }

    async fn propose(&self, request: &Request) -> Result<Proposal, Failure> {
        let hint = format!("run `{} lock` and commit `{}`", self.kind.name(), self.kind.lockfile());
        let (folder, _) = folder_of(request, &[self.kind.lockfile()], &hint).await?;
        let tree = Worktree::add(request).await?;
        let outcome = self.propose_in(request, &tree.git, &tree.path, &folder).await;
        tree.remove().await;
        outcome
    }
}

impl LockFixer {
    async fn propose_in(
        &self,
        request: &Request,
        git: &Git,
        worktree: &Path,
        folder: &str,
    ) -> Result<Proposal, Failure> {
        let place = worktree.join(folder);
        let unchanged = git.changes(worktree).await.map_err(of_git)?;
        let mut files = Files { folder: place.clone(), lock: self.kind.lockfile(), before: BTreeMap::new() };
        let original = files.original(self.kind.lockfile())?;
        let before = Locked::parse(&original).map_err(|what| broken(self.kind, &what))?;
        files.original(MANIFEST)?;
        let wishes = wishes(&mut files, &before)?;

        let interpreter = Interpreter::ask(&self.sandbox).await?;
        let environment = oldest(&interpreter.environment, &before.python);
        let indexes = indexes(&before, &interpreter)?;
        let cache = Some(request.cache.join("registry"));
        let client = Client::new(Settings { cache, per_host: 16, ..Settings::default() });
        let index = Index::new(client.map_err(|error| of_fetch(&error))?, indexes.clone());
        let named_index = indexes.first().filter(|_| indexes.len() == 1 && !names_index(&place));
        let registered = before.packages.iter().filter(|one| one.is_registered && one.own.is_none());
        let tool = Tool {
            kind: self.kind,
            sandbox: &self.sandbox,
            worktree: worktree.to_owned(),
            folder: place,
            cache: request.cache.join(self.kind.name()),
            index: named_index.cloned(),
            builds: registered.clone().any(|one| !one.has_wheel),
            with_wheels: registered.filter(|one| one.has_wheel).map(|one| one.name.clone()).collect(),
            log: String::new(),
        };
        let shelves = Shelves::new(&index, &*request.known, &environment);
        let mut work = Work { before: &before, wishes, files, tool, shelves, request, left: BTreeMap::new() };
        let names: BTreeSet<String> =
            request.findings.iter().filter_map(named).map(|(name, _)| name).collect();
        let Some((plan, mut comparison)) = work.fix(&names.into_iter().collect::<Vec<_>>()).await? else {
            let mut reasons: Vec<String> = work.left.into_values().collect();
            reasons.dedup();
            return Ok(Proposal::NoFix { reasons, log: work.tool.log });
        };
        let after = work.files.locked()?;
        let text = work.files.now()?;
        let again = work.tool.lock(&BTreeMap::new()).await?;
        if again.is_err() || work.files.now()? != text {
            let name = self.kind.name();
            let reason = format!("{name} would change its lockfile again when it is run a second time");
            return Ok(Proposal::NoFix { reasons: vec![reason], log: work.tool.log });
        }
        let (cleared, leaves) =
            apart(&request.findings, named, &after.installed(), &work.left, &*request.known)?;
        let is_target =
            |name: &String| request.findings.iter().filter_map(named).any(|(found, _)| found == *name);
        for step in comparison.moves.iter_mut().filter(|step| plan.steps.contains_key(&step.package)) {
            step.rung = Some(rung(is_target(&step.package), plan.relaxed.contains(&step.package)));
        }
        let to: BTreeMap<String, String> = comparison
            .moves
            .iter()
            .filter_map(|step| Some((step.package.clone(), step.to.clone()?)))
            .collect();
        let updates = updates(&cleared, named, &to);
        let mut sentences = sentences(&plan, &before, &after, self.kind, &work.shelves);
        if self.kind == Kind::Uv && work.tool.builds {
            sentences.push("uv may have built what has no wheel, to learn what it requires.".to_owned());
        }
        sentences.push(others(&comparison.moves, &updates));
        sentences.extend(left_open(&leaves));
        let made = Made {
            fixer: self.kind.name(),
            rationale: sentences.join(" "),
            updates,
            moves: comparison.moves,
            removes: cleared.iter().map(|finding| finding.id.clone()).collect(),
            leaves,
            archives: None,
            log: work.tool.log,
        };
        let may_change = &[MANIFEST, self.kind.lockfile()];
        Handover { request, git, worktree, may_change, unchanged }.proposal(made).await
    }
}

/// One lockfile on its way.
struct Work<'a> {
    before: &'a Locked,
    wishes: BTreeMap<String, Vec<Wish>>,
    files: Files,
    tool: Tool<'a>,
    shelves: Shelves<'a>,
    request: &'a Request,
    /// Packages that can't be cleared, with why.
    left: BTreeMap<String, String>,
}

impl Work<'_> {
    /// All at once, or else one after the other, each added to those before it only if that holds.
    async fn fix(&mut self, names: &[String]) -> Result<Option<(Plan, Comparison)>, Failure> {
        let pins = self.before.pins(&self.wishes);
        let plan = self.shelves.plan(&pins, names, false).await?;
        self.left.extend(plan.left.clone());
        if plan.steps.is_empty() {
            return Ok(None);
        }
        let refused = match self.carry_out(&plan).await? {
            Ok(comparison) => return Ok(Some((plan, comparison))),
            Err(why) => why,
        };
        let (mut kept, mut best) = (Vec::new(), None);
        let solved: Vec<&String> = names.iter().filter(|name| !plan.left.contains_key(*name)).collect();
        let is_alone = solved.len() == 1;
        for (at, name) in solved.into_iter().enumerate() {
            if is_alone || at >= MOST_APART {
                self.left.insert(name.clone(), refused.clone());
                continue;
            }
            let tried: Vec<String> = kept.iter().chain([name]).cloned().collect();
            let plan = self.shelves.plan(&pins, &tried, false).await?;
            match self.carry_out(&plan).await? {
                Ok(_) => {
                    kept = tried;
                    best = Some(plan);
                }
                Err(why) => drop(self.left.insert(name.clone(), why)),
            }
        }
        // The last try may have failed: what held is carried out again.
        let Some(plan) = best else { return Ok(None) };
        Ok(self.carry_out(&plan).await?.ok().map(|comparison| (plan, comparison)))
    }

    /// Carries a plan out on the files as they were. Where it does not hold, they are that again.
    async fn carry_out(&mut self, plan: &Plan) -> Result<Result<Comparison, String>, Failure> {
        self.files.restore()?;
        for name in &plan.relaxed {
            if !self.files.relax(name, &self.before.version(name).unwrap_or_default(), &plan.steps[name])? {
                self.files.restore()?;
                return Ok(Err(format!(
                    "the range of `{name}` in `{MANIFEST}` is written in a way of its own"
                )));
            }
        }
        let manifests = self.files.manifests();
        let refused = match self.tool.lock(&plan.steps).await? {
            Ok(()) if self.files.manifests() != manifests => {
                format!("{} changed a manifest, which it must not", self.tool.kind.name())
            }
            Ok(()) => {
                let planned: BTreeSet<String> = plan.steps.keys().cloned().collect();
                let comparison = compare(self.before, &self.files.locked()?, &planned, &*self.request.known)?;
                match comparison.violations.is_empty() {
                    true => return Ok(Ok(comparison)),
                    false => some(&comparison.violations),
                }
            }
            Err(why) => why,
        };
        self.files.restore()?;
        Ok(Err(refused))
    }
}

/// The files that a change may touch, with what they held before.
struct Files {
    folder: PathBuf,
    lock: &'static str,
    before: BTreeMap<String, String>,
}

impl Files {
    /// What a file held before anything changed.
    fn original(&mut self, path: &str) -> Result<String, Failure> {
        if !self.before.contains_key(path) {
            let text = read(&self.folder, path)?;
            self.before.insert(path.to_owned(), text);
        }
        Ok(self.before[path].clone())
    }

    fn now(&self) -> Result<String, Failure> {
        read(&self.folder, self.lock)
    }

    fn locked(&self) -> Result<Locked, Failure> {
        Locked::parse(&self.now()?).map_err(Failure::permanent)
    }

    /// What the manifests hold now.
    fn manifests(&self) -> Vec<Option<String>> {
        let paths = self.before.keys().filter(|path| path.ends_with(MANIFEST));
        paths.map(|path| fs::read_to_string(self.folder.join(path)).ok()).collect()
    }

    fn restore(&self) -> Result<(), Failure> {
        for (path, text) in &self.before {
            fs::write(self.folder.join(path), text).map_err(|error| of_file("write a file back", error))?;
        }
        Ok(())
    }

    /// Widens the ranges of a package in all manifests. Whether any could be.
    fn relax(&self, name: &str, installed: &str, version: &str) -> Result<bool, Failure> {
        let mut is_done = false;
        for (path, text) in self.before.iter().filter(|(path, _)| path.ends_with(MANIFEST)) {
            let place = self.folder.join(path);
            let now = fs::read_to_string(&place).unwrap_or_else(|_| text.clone());
            if let Some(changed) = manifest::relaxed(&now, name, installed, version) {
                fs::write(&place, changed).map_err(|error| of_file("write a manifest", error))?;
                is_done = true;
            }
        }
        Ok(is_done)
    }
}

/// An ordinary file of the worktree: a link would lead out of it.
fn read(folder: &Path, path: &str) -> Result<String, Failure> {
    let place = folder.join(path);
    if !place.symlink_metadata().is_ok_and(|found| found.is_file()) {
        let hint = format!("commit `{path}`");
        return Err(Failure::permanent(format!("could not use `{path}`: it is no ordinary file here"))
            .of(FailureClass::Input)
            .with_hint(&hint));
    }
    let mut text = String::new();
    let read = fs::File::open(&place).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text));
    read.map_err(|error| of_file(&format!("read `{path}`"), error))?;
    if text.len() as u64 > LARGEST {
        return Err(Failure::permanent(format!("could not use `{path}`: it has more than {LARGEST} bytes")));
    }
    Ok(text)
}

fn broken(kind: Kind, what: &str) -> Failure {
    let hint =
        format!("restore the file from version control, or make a new one with `{} lock`", kind.name());
    Failure::permanent(what).of(FailureClass::Input).with_hint(&hint)
}

/// What the manifests of the repository ask for, by package.
fn wishes(files: &mut Files, locked: &Locked) -> Result<BTreeMap<String, Vec<Wish>>, Failure> {
    let members = locked.packages.iter().filter_map(|one| one.own.as_deref());
    let paths: BTreeSet<String> =
        members.filter_map(|folder| beside(MANIFEST, &format!("{folder}/{MANIFEST}"))).collect();
    let mut wishes: BTreeMap<String, Vec<Wish>> = BTreeMap::new();
    for path in paths.into_iter().chain([MANIFEST.to_owned()]).collect::<BTreeSet<_>>() {
        let Ok(text) = files.original(&path) else { continue };
        for (name, range) in manifest::asks(&text) {
            let by = format!("`{path}`");
            wishes.entry(name).or_default().push(Wish { range, by, may_change: true });
        }
    }
    Ok(wishes)
}

/// The oldest Python that a project takes: what it can't use, the project can't.
fn oldest(environment: &Environment, python: &str) -> Environment {
    let mut oldest = environment.clone();
    let bound = python.split([',', '|']).map(str::trim).find_map(|part| {
        let text = part
            .strip_prefix(">=")
            .or(part.strip_prefix('^'))
            .or(part.strip_prefix('~'))
            .or(part.strip_prefix("=="));
        text.map(|text| text.trim_start_matches('=').trim().trim_end_matches(".*").to_owned())
    });
    if let Some(bound) = bound.filter(|bound| takes(&format!(">={bound}"), bound)) {
        let short = bound.split('.').take(2).collect::<Vec<_>>().join(".");
        oldest.insert("python_version".to_owned(), short);
        oldest.insert("python_full_version".to_owned(), bound);
    }
    oldest
}

/// The indexes that the lockfile names, or else the one that pip would ask.
fn indexes(locked: &Locked, interpreter: &Interpreter) -> Result<Vec<String>, Failure> {
    let mut named: Vec<String> = Vec::new();
    for index in locked.packages.iter().filter_map(|one| one.index.clone()) {
        if !named.contains(&index) && index.starts_with("http") && !index.contains('@') {
            named.push(index);
        }
    }
    if named.is_empty() {
        let addresses = Addresses::read();
        named.push(addresses.main.map_or_else(|| interpreter.index(), Ok)?);
        named.extend(addresses.extra);
    }
    Ok(named)
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
fn sentences(plan: &Plan, before: &Locked, after: &Locked, kind: Kind, shelf: &dyn Shelf) -> Vec<String> {
    let mut sentences = Vec::new();
    for (name, planned) in &plan.steps {
        let from = before.version(name).unwrap_or_default();
        let to = after.version(name).unwrap_or_else(|| planned.clone());
        let major = if is_major(&from, &to) { ", a major upgrade" } else { "" };
        sentences.push(match to == *planned {
            true => {
                let merit = merit(shelf.problems(name, &to).is_empty());
                format!("{name} {to} is the smallest version {merit} that fits{major}.")
            }
            false => format!(
                "{name} goes to {to}{major}; {planned} would do, but {} takes another one.",
                kind.name()
            ),
        });
    }
    for name in &plan.relaxed {
        sentences.push(format!("{MANIFEST} now takes {name} {}.", plan.steps[name]));
    }
    if before.format != after.format {
        let (lock, from, to) = (kind.lockfile(), &before.format, &after.format);
        sentences.push(format!("{lock} was written by {from}, and is now by {to}."));
    }
    sentences
}

fn named(finding: &Finding) -> Option<(String, String)> {
    let package = finding.package.as_ref()?;
    Some((normal_in("PyPI", &package.name).into_owned(), package.version.clone()))
}
