//! Finds the smallest change of a build after which Gradle takes nothing that is vulnerable: each try is written, and Gradle
//! says what it takes then and writes the lockfiles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use patchline_model::failure::Failure;
use patchline_model::stage::generate::Rung;

use crate::dependency::gradle::build::{Build, Written};
use crate::dependency::gradle::disk;
use crate::dependency::gradle::range::{admits, is_dynamic, relaxed};
use crate::dependency::gradle::step::{Step, texts};
use crate::dependency::gradle::survey::{Ask, Project, Survey};
use crate::dependency::gradle::tool::{Gradle, Run};
use crate::dependency::maven::shelf::{above, candidates, is_above, is_plain, problems};
use crate::dependency::maven::tree::{Comparison, Module, Tree, compare, versions};
use crate::fixer::Request;
use crate::message::clean;

/// Versions of a module that are tried where it is written, each of which takes a run of Gradle.
const MOST_WRITTEN: usize = 5;
/// Versions that are tried on any other rung.
const MOST_TRIES: usize = 3;
/// Tries of all modules at once.
const MOST_TOGETHER: usize = 24;
/// How often a range is let go that what is fixed needs in another version.
const MOST_ROUNDS: usize = 4;
/// Modules that are tried one by one when all at once does not hold.
const MOST_APART: usize = 40;

/// Lockfiles that Gradle writes for what its own scripts need.
const OF_SCRIPTS: [&str; 2] = ["settings-gradle.lockfile", "buildscript-gradle.lockfile"];

/// What holds.
pub(crate) struct Held {
    pub(crate) steps: Vec<Step>,
    /// What moved.
    pub(crate) comparison: Comparison,
    /// What Gradle takes then.
    pub(crate) after: Tree,
    /// The files that say so, the lockfiles included.
    pub(crate) texts: BTreeMap<String, String>,
}

/// One build on its way.
pub(crate) struct Work<'a> {
    pub(crate) request: &'a Request,
    pub(crate) worktree: &'a Path,
    pub(crate) build: Build,
    pub(crate) gradle: Gradle,
    /// As Gradle said before anything changed.
    pub(crate) survey: Survey,
    pub(crate) before: Tree,
    /// The lockfiles before anything changed, by path below the worktree.
    pub(crate) locked: BTreeMap<String, String>,
    /// The versions of each vulnerable module that have to go.
    pub(crate) targets: BTreeMap<String, BTreeSet<String>>,
    /// Modules that can't be cleared, with why.
    pub(crate) left: BTreeMap<String, String>,
}

/// Why some steps don't hold.
#[derive(Clone, Debug)]
struct Refused {
    why: String,
    by: By,
}

/// What is in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
enum By {
    /// The version that this target gets.
    Version(String),
    /// The place where this target gets it, so that another version there is no better.
    Place(String),
    /// The build itself, whatever is tried.
    Build,
    /// Nobody can say.
    Unknown,
}

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self { why, by: By::Unknown }
    }
}

/// The steps that may do for each target, the best first.
type Options = BTreeMap<String, Vec<Step>>;

impl Work<'_> {
    /// All at once, each by its best step; who is in the way goes on to its next one. Where nobody can say who that is, one
    /// after the other, each added to those before it only if that holds.
    pub(crate) async fn fix(&mut self) -> Result<Option<Held>, Failure> {
        let mut options = Options::new();
        for name in self.targets.keys().cloned().collect::<Vec<_>>() {
            match self.options(&name)? {
                Ok(steps) => drop(options.insert(name, steps)),
                Err(why) => drop(self.left.insert(name, why)),
            }
        }
        let mut found = None;
        for _ in 0..MOST_TOGETHER {
            let firsts: Vec<Step> = options.values().filter_map(|steps| steps.first().cloned()).collect();
            if firsts.is_empty() {
                break;
            }
            let refused = match self.attempt(&firsts).await? {
                Ok(held) => {
                    found = Some(held);
                    break;
                }
                Err(refused) => refused,
            };
            let alone = options.keys().next().filter(|_| options.len() == 1).cloned();
            let (name, is_place) = match (refused.by, alone) {
                (By::Place(name), _) => (name, true),
                (By::Version(name), _) | (By::Unknown, Some(name)) => (name, false),
                (By::Unknown, None) => {
                    found = self.one_by_one(&options).await?;
                    options.clear();
                    break;
                }
                (By::Build, _) => {
                    self.left.extend(options.into_keys().map(|name| (name, refused.why.clone())));
                    options = Options::new();
                    break;
                }
            };
            let steps = options.remove(&name).map(|steps| others(steps, is_place)).unwrap_or_default();
            if steps.is_empty() {
                self.left.insert(name, refused.why);
            } else {
                options.insert(name, steps);
            }
        }
        let Some(held) = found else {
            let why = "the search was given up: too many changes were tried that don't hold";
            self.left.extend(options.into_keys().map(|name| (name, why.to_owned())));
            self.restore()?;
            return Ok(None);
        };
        self.settled(held).await
    }

    async fn one_by_one(&mut self, options: &Options) -> Result<Option<Held>, Failure> {
        let (mut held, mut is_last) = (None::<Held>, false);
        for (at, (name, steps)) in options.iter().enumerate() {
            let kept = held.as_ref().map(|held| held.steps.clone()).unwrap_or_default();
            let mut last = (at >= MOST_APART).then(|| "too many modules have to move".to_owned());
            let mut open = if at < MOST_APART { steps.clone() } else { Vec::new() };
            while let Some(step) = open.first() {
                let tried: Vec<Step> = kept.iter().chain([step]).cloned().collect();
                match self.attempt(&tried).await? {
                    Ok(done) => {
                        (held, is_last, last) = (Some(done), true, None);
                        break;
                    }
                    // The last rung's reason says most of what is in the way.
                    Err(refused) => {
                        open = others(open, refused.by == By::Place(name.clone()));
                        (is_last, last) = (false, Some(refused.why));
                    }
                }
            }
            self.left.extend(last.map(|why| (name.clone(), why)));
        }
        // Where the last try failed, what held is carried out again.
        match held {
            Some(held) if !is_last => Ok(self.attempt(&held.steps).await?.ok()),
            held => Ok(held),
        }
    }

    /// Asks Gradle a second time, as anybody would who builds it: it must take what the lockfiles say, without a network.
    async fn settled(&mut self, held: Held) -> Result<Option<Held>, Failure> {
        let again = self.gradle.survey(&Ask::default(), Run::Again).await?;
        let why = match again {
            Ok(again) if again.unresolved().is_none() && nodes(&again.tree()) == nodes(&held.after) => {
                match self.meddled(&held.texts)? {
                    Some(file) => meddling(file),
                    None => return Ok(Some(held)),
                }
            }
            Ok(again) => match again.unresolved() {
                Some((asked, why)) => {
                    format!("a second run of Gradle can't have `{asked}`: {}", clean(why, 300))
                }
                None => "a second run of Gradle takes other versions than the first".to_owned(),
            },
            Err(why) => format!("a second run of Gradle does not go through: {why}"),
        };
        self.restore()?;
        self.left.extend(held.steps.into_iter().map(|step| (step.target, why.clone())));
        Ok(None)
    }

    /// What Gradle takes with these steps, if that keeps to the rules; or why not.
    async fn attempt(&mut self, steps: &[Step]) -> Result<Result<Held, Refused>, Failure> {
        self.restore()?;
        let texts = match texts(&self.build, steps) {
            Ok(texts) => texts,
            Err(why) => return Ok(Err(why.into())),
        };
        for (file, text) in &texts {
            disk::write(self.worktree, file, text)?;
        }
        let mut free = BTreeSet::new();
        for _ in 0..MOST_ROUNDS {
            let ask = self.ask(steps, &free);
            let survey = match self.gradle.survey(&ask, Run::Lock).await? {
                Ok(survey) => survey,
                Err(why) => return Ok(Err(why.into())),
            };
            self.forget_others()?;
            if let Some(file) = self.meddled(&texts)? {
                return Ok(Err(Refused { why: meddling(file), by: By::Build }));
            }
            let Some((asked, why)) = survey.unresolved() else { return self.judged(steps, &survey, texts) };
            let stated: BTreeSet<String> =
                steps.iter().flat_map(|step| step.stated.keys().cloned()).collect();
            let held = survey.missing().into_iter().filter(|name| ask.hold.contains_key(name));
            let more: BTreeSet<String> = held.filter(|name| !stated.contains(name)).collect();
            if more.is_empty() || more.is_subset(&free) {
                let is_of =
                    |step: &&Step| step.stated.keys().any(|name| asked.starts_with(&format!("{name}:")));
                let by =
                    steps.iter().find(is_of).map_or(By::Unknown, |step| By::Version(step.target.clone()));
                let why = format!("Gradle can't have `{asked}`: {}", clean(why, 300));
                return Ok(Err(Refused { why, by }));
            }
            free.extend(more);
        }
        Ok(Err("the search was given up: each range that is let go asks for another".to_owned().into()))
    }

    /// Holds what Gradle takes against the rules.
    fn judged(
        &self,
        steps: &[Step],
        survey: &Survey,
        mut texts: BTreeMap<String, String>,
    ) -> Result<Result<Held, Refused>, Failure> {
        let after = survey.tree();
        let raised: BTreeSet<String> = steps.iter().flat_map(|step| step.raised.clone()).collect();
        for step in steps {
            let still = versions(&after, &step.target);
            if let Some(version) = still.intersection(&self.targets[&step.target]).next() {
                let (target, path) = (&step.target, survey.path(&step.target));
                let stated: Vec<String> =
                    step.stated.iter().map(|(module, (_, to))| format!("`{module} {to}`")).collect();
                let stated = stated.join(", ");
                let why = format!("with {stated} Gradle would take `{target} {version}` still: {path}");
                return Ok(Err(Refused { why, by: By::Place(target.clone()) }));
            }
        }
        let comparison = compare(&self.before, &after, &raised, &*self.request.known)?;
        match comparison.violations.is_empty() {
            true => match self.lockfiles()? {
                Ok(lockfiles) => {
                    texts.extend(lockfiles);
                    Ok(Ok(Held { steps: steps.to_vec(), comparison, after, texts }))
                }
                Err(why) => Ok(Err(why.into())),
            },
            false => Ok(Err(comparison.violations.join("; ").into())),
        }
    }

    /// What has a range stays where it was, but for what the steps say and what is let go. Versions that somebody asks for
    /// without a range are no choice of Gradle's, and may come.
    fn ask(&self, steps: &[Step], free: &BTreeSet<String>) -> Ask {
        let mut hold = BTreeMap::new();
        for module in self.survey.ranged().into_iter().filter(|module| !free.contains(*module)) {
            let asked = self.survey.asked(module).into_iter().filter(|version| !is_dynamic(version));
            let mut may: BTreeSet<String> = asked.map(str::to_owned).collect();
            let stated = steps.iter().filter_map(|step| step.stated.get(module)).map(|(_, to)| to.clone());
            let stated: BTreeSet<String> = stated.collect();
            may.extend(if stated.is_empty() { versions(&self.before, module) } else { stated });
            hold.insert(module.to_owned(), may);
        }
        Ask { hold, ..Ask::default() }
    }

    /// The changes that may do for a module, the best first, or why there is none.
    fn options(&self, name: &str) -> Result<Result<Vec<Step>, String>, Failure> {
        let published = self.survey.published(name);
        let bad = &self.targets[name];
        let taking = self.survey.taking(name, bad);
        let now = highest(bad);
        let good = candidates(&published, name, &now, &*self.request.known)?;
        let mut steps = Vec::new();
        // Within the ranges that there are, so that only the lockfile changes.
        let asked = self.survey.asked(name);
        let ranges: Vec<&&str> = asked.iter().filter(|version| is_dynamic(version)).collect();
        let fits = |version: &&String| ranges.iter().all(|range| admits(range, version));
        if !ranges.is_empty() {
            let good = good.iter().filter(fits).take(MOST_TRIES);
            steps.extend(good.map(|version| Step::of(name, Rung::InRange).locked(name, version)));
        }
        let is_direct = taking.iter().any(|project| project.asks(name));
        let mut stuck = None;
        let mut written = self.written(name, &now).unwrap_or_else(|why| {
            stuck = Some(why);
            Vec::new()
        });
        written.retain(|_| is_direct);
        let stating = |version: &String| stating(Step::of(name, Rung::Relax), name, &written, version);
        if !written.is_empty() {
            for version in good.iter().take(MOST_WRITTEN) {
                match stating(version) {
                    Ok(step) => steps.push(step),
                    Err(why) => stuck = Some(why),
                }
            }
        }
        if !is_direct {
            steps.extend(self.lifts(name, &taking)?);
        }
        // What one project says for itself may come along in another one.
        let rest: Vec<&Project> =
            taking.iter().copied().filter(|project| written.is_empty() || !project.asks(name)).collect();
        for version in good.iter().take(MOST_TRIES) {
            let Some(pin) = self.pin(name, version, &rest) else { continue };
            match stating(version) {
                Ok(step) if !written.is_empty() => steps.push(step.with(pin)),
                Ok(_) | Err(_) if written.is_empty() => steps.push(pin),
                Ok(_) | Err(_) => {}
            }
        }
        if !steps.is_empty() {
            steps.sort_by_key(|step| step.rung);
            return Ok(Ok(steps));
        }
        let path = self.survey.path(name);
        Ok(Err(match stuck {
            Some(why) => why,
            None if published.is_empty() => {
                format!("no repository that Gradle asks says which versions of `{name}` there are")
            }
            None if good.is_empty() => {
                format!("no version of `{name}` above {now} is free of known problems; {path}")
            }
            None => format!("no script here can ask for a better version of `{name}`; {path}"),
        }))
    }

    /// Where a module's version is written, if that is none above this one.
    fn written(&self, name: &str, now: &str) -> Result<Vec<Written>, String> {
        let mut written = self.build.written(name)?;
        written.retain(|written| is_dynamic(&written.version) || !is_above(&written.version, now));
        Ok(written)
    }

    /// What brings the module goes to its own lowest version that brings a good one, or none.
    fn lifts(&self, name: &str, taking: &[&Project]) -> Result<Vec<Step>, Failure> {
        let bad = &self.targets[name];
        let bringers: BTreeSet<String> =
            taking.iter().flat_map(|project| project.bringers(name, bad)).collect();
        let mut choices = Vec::new();
        for bringer in bringers {
            let good = self.bringing(&bringer, name)?;
            let written = self.written(&bringer, &highest(&versions(&self.before, &bringer)));
            let written = written.unwrap_or_default();
            if good.is_empty() || written.is_empty() {
                return Ok(Vec::new());
            }
            choices.push((bringer, written, good));
        }
        let mut steps = Vec::new();
        let most = choices.iter().map(|(.., good)| good.len()).max().unwrap_or(0);
        for index in 0..most.min(MOST_TRIES) {
            let step =
                choices.iter().try_fold(Step::of(name, Rung::Lift), |step, (bringer, written, good)| {
                    stating(step, bringer, written, &good[index.min(good.len() - 1)])
                });
            steps.extend(step.ok());
        }
        Ok(steps)
    }

    /// The versions above what is taken that bring a good one of this module, or none, the lowest first.
    fn bringing(&self, bringer: &str, name: &str) -> Result<Vec<String>, Failure> {
        let known = &*self.request.known;
        let now = highest(&versions(&self.before, bringer));
        let had = problems(known, bringer, &now)?;
        let mut good = Vec::new();
        for version in above(&self.survey.published(bringer), &now) {
            let Some(alone) = self.survey.alone(bringer, &version) else { continue };
            let brought = alone.get(name).map(|version| problems(known, name, version)).transpose()?;
            let is_good = brought.is_none_or(|problems| problems.is_empty());
            if is_good && problems(known, bringer, &version)?.is_subset(&had) {
                good.push(version);
            }
        }
        Ok(good)
    }

    /// A constraint in the script of each project that asks for what brings the module.
    fn pin(&self, name: &str, version: &str, projects: &[&Project]) -> Option<Step> {
        // These stand in the script as they are.
        (name.split(':').all(is_plain) && is_plain(version)).then_some(())?;
        let bad = &self.targets[name];
        let mut step: Option<Step> = None;
        for project in projects {
            let script = Path::new(&project.script).strip_prefix(self.worktree).ok()?.to_str()?;
            for bucket in project.buckets(name, bad) {
                is_plain(&bucket).then_some(())?;
                let so_far = step.unwrap_or_else(|| Step::of(name, Rung::Override));
                step = Some(so_far.constraining(script, &bucket, name, version));
            }
        }
        step
    }

    /// A file that is not as it was or as these say.
    fn meddled<'a>(&'a self, texts: &'a BTreeMap<String, String>) -> Result<Option<&'a String>, Failure> {
        let scripts = self.build.files.iter().map(|(path, file)| (path, &file.text));
        for (path, text) in scripts.filter(|(path, _)| !texts.contains_key(*path)).chain(texts) {
            if disk::read(self.worktree, path)?.as_ref() != Some(text) {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Puts back what Gradle wrote of lockfiles that are not those of the projects: those of its own scripts and settings.
    fn forget_others(&self) -> Result<(), Failure> {
        let folders =
            self.build.files.keys().map(|path| path.rsplit_once('/').map_or("", |(folder, _)| folder));
        let folders: BTreeSet<&str> = folders.collect();
        let all = folders.into_iter().flat_map(|folder| OF_SCRIPTS.map(|name| (folder, name)));
        let mut others: BTreeMap<String, Option<&String>> = all
            .map(|(folder, name)| {
                (if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }, None)
            })
            .collect();
        others.extend(self.build.lockfiles.iter().map(|(path, text)| (path.clone(), Some(text))));
        others.retain(|path, _| !self.locked.contains_key(path));
        for (path, text) in others {
            match text {
                Some(text) => disk::write(self.worktree, &path, text)?,
                None => disk::remove(self.worktree, &path)?,
            }
        }
        Ok(())
    }

    /// What Gradle wrote.
    fn lockfiles(&self) -> Result<Result<BTreeMap<String, String>, String>, Failure> {
        let mut found = BTreeMap::new();
        for path in self.locked.keys() {
            let Some(text) = disk::read(self.worktree, path)? else { return Ok(Err(meddling(path))) };
            found.insert(path.clone(), text);
        }
        Ok(Ok(found))
    }

    fn restore(&self) -> Result<(), Failure> {
        let scripts = self.build.files.iter().map(|(path, file)| (path, &file.text));
        scripts.chain(&self.locked).try_for_each(|(path, text)| disk::write(self.worktree, path, text))
    }
}

/// What is left when the first did not hold: nothing that changes the same where that is what did not.
fn others(mut steps: Vec<Step>, is_place: bool) -> Vec<Step> {
    let first = steps.remove(0);
    steps.retain(|step| !is_place || step.rung != first.rung || !step.stated.keys().eq(first.stated.keys()));
    steps
}

fn meddling(file: &str) -> String {
    format!("the build's own scripts change `{file}` while Gradle runs")
}

/// A step in which the module has another version wherever it is written, ranges in their own style.
fn stating(step: Step, module: &str, written: &[Written], version: &str) -> Result<Step, String> {
    written.iter().try_fold(step, |step, written| {
        let range = &written.version;
        let text = match is_dynamic(range) {
            true if admits(range, version) => return Ok(step.locked(module, version)),
            true => relaxed(range, version).ok_or_else(|| {
                format!(
                    "`{}` asks for `{module}` in the range `{range}`, which `{version}` is not in",
                    written.file
                )
            })?,
            false => version.to_owned(),
        };
        Ok(step.stating(module, written, &text, version))
    })
}

/// What is taken where, whoever asks for it.
fn nodes(tree: &Tree) -> BTreeMap<&String, BTreeMap<&String, &String>> {
    tree.iter().map(|(name, module)| (name, chosen(module))).collect()
}

fn chosen(module: &Module) -> BTreeMap<&String, &String> {
    module.nodes.iter().map(|(name, node)| (name, &node.version)).collect()
}

fn highest(versions: &BTreeSet<String>) -> String {
    let highest = versions.iter().reduce(|high, next| if is_above(next, high) { next } else { high });
    highest.cloned().unwrap_or_default()
}
