//! Moves packages that requirements files pin to versions without the problem.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use async_trait::async_trait;
use patchline_connect::{Client, Settings};
use patchline_inventory::Detector as _;
use patchline_inventory::lockfile::requirements::Requirements;
use patchline_inventory::name::normal_in;
use patchline_model::failure::Failure;
use patchline_model::stage::detect::{Finding, Source};
use patchline_model::stage::generate::Move;
use patchline_sandbox::git::Git;
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::flat::{Pin, Plan, Shelf as _};
use crate::dependency::handover::{Handover, Made};
use crate::dependency::outcome::{apart, left_open, merit, others, rung, updates};
use crate::dependency::pip::check::{Pip, without_wheel};
use crate::dependency::pip::set::{Set, sets};
use crate::dependency::place::{Worktree, folder_of};
use crate::dependency::python::index::Index;
use crate::dependency::python::interpreter::Interpreter;
use crate::dependency::python::settings::Addresses;
use crate::dependency::python::shelves::Shelves;
use crate::dependency::python::specifier::is_major;
use crate::failures::{of_fetch, of_file, of_git};
use crate::fixer::{Fixer, Proposal, Request};

/// Packages that are tried one by one when all at once does not hold.
const MOST_APART: usize = 40;
/// Packages without a wheel that pip is not asked about, each of which takes a run.
const MOST_LEFT_OUT: usize = 10;

/// Changes pins in `requirements.txt` and its like.
#[derive(Clone, Debug)]
pub struct PipFixer {
    sandbox: Sandbox,
}

impl PipFixer {
    pub fn new(sandbox: Sandbox) -> Self {
        Self { sandbox }
    }
}

#[async_trait]
impl Fixer for PipFixer {
    fn name(&self) -> &'static str {
        "pip"
    }

    fn can(&self, finding: &Finding) -> bool {
        let is_python = finding.package.as_ref().is_some_and(|package| package.ecosystem.0 == "PyPI");
        finding.source == Source::Lockfile && is_python && finding.location.path.ends_with(".txt")
    }

    fn changes(&self, file: &str) -> bool {
        Requirements.kind().claims(file)
    }

    async fn propose(&self, request: &Request) -> Result<Proposal, Failure> {
        let paths: BTreeSet<&str> =
            request.findings.iter().map(|finding| finding.location.path.as_str()).collect();
        let paths: Vec<&str> = paths.into_iter().collect();
        let (folder, _) = folder_of(request, &paths, "commit the requirements file").await?;
        let tree = Worktree::add(request).await?;
        let outcome = self.propose_in(request, &tree.git, &tree.path, &folder).await;
        tree.remove().await;
        outcome
    }
}

/// What came of one set.
#[derive(Default)]
struct Done {
    steps: BTreeMap<String, String>,
    left: BTreeMap<String, String>,
    sentences: Vec<String>,
    moves: Vec<Move>,
}

impl PipFixer {
    async fn propose_in(
        &self,
        request: &Request,
        git: &Git,
        worktree: &Path,
        folder: &str,
    ) -> Result<Proposal, Failure> {
        let place = worktree.join(folder);
        let unchanged = git.changes(worktree).await.map_err(of_git)?;
        let interpreter = Interpreter::ask(&self.sandbox).await?;
        let (mut whole, mut files, mut log) = (Done::default(), BTreeSet::new(), String::new());
        let mut installed: BTreeSet<(String, String)> = BTreeSet::new();
        for set in sets(&place)? {
            let here = |finding: &&Finding| set.sheets.contains_key(&finding.location.path);
            let targets: BTreeSet<(String, String)> =
                request.findings.iter().filter(here).filter_map(named).collect();
            if targets.is_empty() {
                continue;
            }
            let done = self.fix(request, &place, &set, &interpreter, &targets, &mut log).await?;
            let after = set.pins().into_iter().map(|(name, pin)| match done.steps.get(&name) {
                Some(to) => (name, to.clone()),
                None => (name, pin.version),
            });
            installed.extend(after);
            let stays =
                |(name, _): &(String, String)| done.left.contains_key(name) && !done.steps.contains_key(name);
            installed.extend(targets.into_iter().filter(stays));
            let names = set.sheets.keys().filter_map(|path| path.rsplit('/').next()).map(str::to_owned);
            files.extend(names);
            whole.steps.extend(done.steps);
            whole.left.extend(done.left);
            whole.sentences.extend(done.sentences);
            whole.moves.extend(done.moves);
        }
        let (cleared, leaves) = apart(&request.findings, named, &installed, &whole.left, &*request.known)?;
        if cleared.is_empty() {
            let mut reasons: Vec<String> = leaves.into_iter().map(|(_, why)| why).collect();
            reasons.dedup();
            return Ok(Proposal::NoFix { reasons, log });
        }
        let updates = updates(&cleared, named, &whole.steps);
        whole.moves.sort_by(|left, right| left.package.cmp(&right.package));
        whole.moves.dedup();
        whole.sentences.push(others(&whole.moves, &updates));
        whole.sentences.extend(left_open(&leaves));
        let mut seen = BTreeSet::new();
        whole.sentences.retain(|sentence| seen.insert(sentence.clone()));
        let made = Made {
            fixer: "pip",
            rationale: whole.sentences.join(" "),
            updates,
            moves: whole.moves,
            removes: cleared.iter().map(|finding| finding.id.clone()).collect(),
            leaves,
            archives: None,
            log,
        };
        let may_change: Vec<&str> = files.iter().map(String::as_str).collect();
        Handover { request, git, worktree, may_change: &may_change, unchanged }.proposal(made).await
    }

    /// Fixes one set, in its files.
    async fn fix(
        &self,
        request: &Request,
        place: &Path,
        set: &Set,
        interpreter: &Interpreter,
        targets: &BTreeSet<(String, String)>,
        log: &mut String,
    ) -> Result<Done, Failure> {
        let mut addresses = Addresses::read();
        set.take_options(&mut addresses);
        let main = match addresses.main {
            Some(main) => main,
            None => interpreter.index()?,
        };
        let indexes: Vec<String> = std::iter::once(main).chain(addresses.extra).collect();
        let settings =
            Settings { cache: Some(request.cache.join("registry")), per_host: 16, ..Settings::default() };
        let client = Client::new(settings).map_err(|error| of_fetch(&error))?;
        let index = Index::new(client, indexes.clone());
        let shelves = Shelves::new(&index, &*request.known, &interpreter.environment);
        let pip = Pip {
            sandbox: &self.sandbox,
            python: interpreter.executable.clone(),
            indexes,
            cache: request.cache.join("pip"),
            log: String::new(),
        };
        let mut work = Work { set, pins: set.pins(), interpreter, shelves, pip, left: BTreeMap::new() };
        let names: Vec<String> = targets.iter().map(|(name, _)| name.clone()).collect();
        let plan = work.plan(&names).await?;
        log.push_str(&work.pip.log);
        let Some((plan, note)) = plan else { return Ok(Done { left: work.left, ..Done::default() }) };
        let steps = work.with_hashes(&plan.steps);
        match set.with(&steps) {
            Ok(changed) => {
                for (path, text) in changed {
                    fs::write(place.join(&path), text)
                        .map_err(|error| of_file(&format!("write `{path}`"), error))?;
                }
            }
            Err(name) => {
                let why = format!("the line of `{name}` is written in a way that can't be changed safely");
                names.into_iter().for_each(|name| drop(work.left.insert(name, why.clone())));
                return Ok(Done { left: work.left, ..Done::default() });
            }
        }
        let mut sentences = work.sentences(&plan, &names);
        sentences.extend(note);
        let moves = plan.steps.iter().map(|(name, to)| Move {
            package: work.pins[name].name.clone(),
            from: Some(work.pins[name].version.clone()),
            to: Some(to.clone()),
            rung: Some(rung(names.contains(name), false)),
        });
        Ok(Done { moves: moves.collect(), left: work.left, sentences, steps: plan.steps })
    }
}

/// One set on its way.
struct Work<'a> {
    set: &'a Set,
    pins: BTreeMap<String, Pin>,
    interpreter: &'a Interpreter,
    shelves: Shelves<'a>,
    pip: Pip<'a>,
    /// Packages that can't be cleared, with why.
    left: BTreeMap<String, String>,
}

impl Work<'_> {
    /// A plan that holds, with what must be said of how that is known.
    async fn plan(&mut self, names: &[String]) -> Result<Option<(Plan, Option<String>)>, Failure> {
        let plan = self.shelves.plan(&self.pins, names, self.set.is_closed()).await?;
        self.left.extend(plan.left.clone());
        if plan.steps.is_empty() {
            return Ok(None);
        }
        let refused = match self.holds(&plan).await? {
            Ok(note) => return Ok(Some((plan, note))),
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
            let plan = self.shelves.plan(&self.pins, &tried, self.set.is_closed()).await?;
            match self.holds(&plan).await? {
                Ok(note) => {
                    kept.push(name.clone());
                    best = Some((plan, note));
                }
                Err(why) => drop(self.left.insert(name.clone(), why)),
            }
        }
        Ok(best)
    }

    /// Whether pip can resolve what a plan makes. What it could not resolve before either says nothing of the plan.
    async fn holds(&mut self, plan: &Plan) -> Result<Result<Option<String>, String>, Failure> {
        let unbuilt = |name: &String| {
            let version = plan.steps.get(name).unwrap_or(&self.pins[name].version);
            !self.shelves.files_of(name, version).any(|file| file.is_wheel)
        };
        // What has no wheel, or none for this Python, pip would have to build, which runs its code.
        let mut without: BTreeSet<String> = self.pins.keys().filter(|name| unbuilt(name)).cloned().collect();
        let python = self.interpreter.python().to_owned();
        for _ in 0..MOST_LEFT_OUT {
            let asked = self.set.asked(&plan.steps, &without);
            let Err(why) = self.pip.resolves(&asked).await? else {
                return Ok(Ok(left_out(&without, &python)));
            };
            let mut names = without_wheel(&why).into_iter().filter(|name| self.pins.contains_key(name));
            match names.find(|name| !without.contains(name)) {
                Some(name) => {
                    without.insert(name);
                }
                None => {
                    let before = self.set.asked(&BTreeMap::new(), &without);
                    return Ok(match self.pip.resolves(&before).await? {
                        Ok(()) => Err(why),
                        Err(why) => Ok(Some(unresolved(&why, &python))),
                    });
                }
            }
        }
        Ok(Ok(Some(unresolved("too many packages have no wheel", &python))))
    }

    fn with_hashes(&self, steps: &BTreeMap<String, String>) -> BTreeMap<String, (String, Vec<String>)> {
        let with = steps.iter().map(|(name, to)| {
            let mut hashes: Vec<String> =
                self.shelves.files_of(name, to).filter_map(|file| file.sha256.clone()).collect();
            hashes.sort();
            hashes.dedup();
            (name.clone(), (to.clone(), hashes))
        });
        with.collect()
    }

    /// Why these versions.
    fn sentences(&self, plan: &Plan, names: &[String]) -> Vec<String> {
        let mut sentences = Vec::new();
        for (name, to) in &plan.steps {
            let pin = &self.pins[name];
            let major = if is_major(&pin.version, to) { ", a major upgrade" } else { "" };
            sentences.push(match names.contains(name) {
                true => {
                    let merit = merit(self.shelves.problems(name, to).is_empty());
                    format!("{name} {to} is the smallest version {merit} that fits{major}.")
                }
                false => format!("{name} goes to {to}{major}, so that what is vulnerable can move."),
            });
            let (before, after) =
                (self.shelves.python_of(name, &pin.version), self.shelves.python_of(name, to));
            if let Some(after) = after.filter(|after| before != Some(*after)) {
                sentences.push(format!("{name} {to} asks for Python {after}."));
            }
            if !self.shelves.says_what(name, to) {
                sentences.push(format!("The index does not say what {name} {to} requires."));
            }
        }
        sentences
    }
}

/// What pip was not asked about, in a sentence.
fn left_out(without: &BTreeSet<String>, python: &str) -> Option<String> {
    let names: Vec<&str> = without.iter().map(String::as_str).collect();
    let told = format!(
        "pip resolves these requirements but for {}: without a wheel for Python {python}, or in need of such.",
        names.join(", ")
    );
    (!names.is_empty()).then_some(told)
}

fn unresolved(why: &str, python: &str) -> String {
    let why = why.trim_end_matches('.');
    format!(
        "pip could not resolve these requirements with Python {python} before, either: that they fit is known from the \
         index's metadata alone. {why}."
    )
}

fn named(finding: &Finding) -> Option<(String, String)> {
    let package = finding.package.as_ref()?;
    Some((normal_in("PyPI", &package.name).into_owned(), package.version.clone()))
}
