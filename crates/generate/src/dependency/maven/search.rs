//! Finds the smallest change of the poms after which Maven takes nothing that is vulnerable: each try is written, and Maven
//! says what it takes then.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use patchline_model::failure::Failure;
use patchline_model::stage::generate::Rung;

use crate::dependency::maven::place::{Place, place};
use crate::dependency::maven::pom::Dependency;
use crate::dependency::maven::reactor::Reactor;
use crate::dependency::maven::shelf::{above, candidates, is_above, is_plain, problems};
use crate::dependency::maven::splice::{Splice, pins, spliced};
use crate::dependency::maven::tool::{Maven, Probe};
use crate::dependency::maven::tree::{Comparison, Module, Node, Tree, compare, versions};
use crate::failures::of_file;
use crate::fixer::Request;

/// Changes that are tried for one package, each of which takes a run of Maven.
const MOST_TRIES: usize = 8;
/// Newer versions of what brings a package that are looked at.
const MOST_PROBES: usize = 30;
/// How often what a step asks for is taken along.
const MOST_ROUNDS: usize = 6;
/// Packages that are tried one by one when all at once does not hold.
const MOST_APART: usize = 40;

/// One change for one vulnerable package.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) target: String,
    pub(crate) rung: Rung,
    /// What requires it, where it only goes along.
    pub(crate) needed_by: Option<String>,
    /// What the poms then ask for, by package: where it is written, and the version.
    pub(crate) stated: BTreeMap<String, (String, String)>,
    /// What may move by itself; what it leads to may move, too.
    raised: BTreeSet<String>,
    splices: BTreeMap<String, Vec<Splice>>,
    pins: BTreeMap<String, Vec<(Dependency, String)>>,
}

/// What holds: the steps, what moved, and what Maven takes.
pub(crate) type Held = (Vec<Step>, Comparison, Tree);

/// One project on its way.
pub(crate) struct Work<'a> {
    pub(crate) request: &'a Request,
    pub(crate) worktree: &'a Path,
    pub(crate) reactor: Reactor,
    pub(crate) maven: Maven<'a>,
    pub(crate) before: Tree,
    /// The versions of each vulnerable package that have to go.
    pub(crate) targets: BTreeMap<String, BTreeSet<String>>,
    pub(crate) published: BTreeMap<String, Vec<String>>,
    /// What versions take when they are alone.
    pub(crate) alone: BTreeMap<Probe, Option<Module>>,
    /// Packages that can't be cleared, with why.
    pub(crate) left: BTreeMap<String, String>,
}

impl Work<'_> {
    /// All at once, or else one after the other, each added to those before it only if that holds.
    pub(crate) async fn fix(&mut self) -> Result<Option<Held>, Failure> {
        let names: BTreeSet<String> = self.targets.keys().cloned().collect();
        self.learn(&names).await?;
        let mut options = BTreeMap::new();
        for name in &names {
            match self.options(name).await? {
                Ok(steps) => drop(options.insert(name.clone(), steps)),
                Err(why) => drop(self.left.insert(name.clone(), why)),
            }
        }
        let firsts: Vec<Step> = options.values().filter_map(|steps| steps.first().cloned()).collect();
        if firsts.is_empty() {
            return Ok(None);
        }
        let mut held = self.attempt(&firsts).await?.ok();
        if held.is_none() {
            held = self.one_by_one(&options).await?;
        }
        let Some(held) = held else {
            self.restore()?;
            return Ok(None);
        };
        self.settled(held).await
    }

    async fn one_by_one(&mut self, options: &BTreeMap<String, Vec<Step>>) -> Result<Option<Held>, Failure> {
        let mut held: Option<Held> = None;
        for (at, (name, steps)) in options.iter().enumerate() {
            let kept = held.as_ref().map(|(steps, ..)| steps.clone()).unwrap_or_default();
            let mut first = (at >= MOST_APART).then(|| "too many packages have to move".to_owned());
            for step in steps.iter().take(if at < MOST_APART { MOST_TRIES } else { 0 }) {
                let tried: Vec<Step> = kept.iter().chain([step]).cloned().collect();
                match self.attempt(&tried).await? {
                    Ok(done) => {
                        held = Some(done);
                        first = None;
                        break;
                    }
                    Err(why) => first = first.or(Some(why)),
                }
            }
            self.left.extend(first.map(|why| (name.clone(), why)));
        }
        Ok(held)
    }

    /// Writes what held, for a later try may have failed, and asks Maven a second time, without a network.
    async fn settled(&mut self, held: Held) -> Result<Option<Held>, Failure> {
        if let Err(why) = self.write(&held.0)? {
            return Err(Failure::permanent(why));
        }
        let root = self.worktree.join(&self.reactor.root);
        let why = match self.maven.tree(&root, true).await? {
            Ok(again) if again == held.2 => return Ok(Some(held)),
            Ok(_) => "a second run of Maven takes other versions than the first".to_owned(),
            Err(why) => format!("a second run of Maven does not go through: {why}"),
        };
        self.restore()?;
        self.left.extend(held.0.into_iter().map(|step| (step.target, why.clone())));
        Ok(None)
    }

    /// What Maven takes with these steps, if that keeps to the rules; or why not. What a step asks for and would not get, as
    /// something else is written or managed, goes along.
    async fn attempt(&mut self, steps: &[Step]) -> Result<Result<Held, String>, Failure> {
        let mut steps = steps.to_vec();
        let root = self.worktree.join(&self.reactor.root);
        for _ in 0..MOST_ROUNDS {
            if let Err(why) = self.write(&steps)? {
                return Ok(Err(why));
            }
            let after = match self.maven.tree(&root, false).await? {
                Ok(after) => after,
                Err(why) => return Ok(Err(why)),
            };
            let (along, why) = self.undercut(&steps, &after).await?;
            if let Some(why) = why {
                return Ok(Err(why));
            }
            if along.is_empty() {
                return self.judged(steps, after);
            }
            steps.extend(along);
        }
        Ok(Err("the search was given up: each step asks for another".to_owned()))
    }

    /// Holds what Maven takes against the rules.
    fn judged(&self, steps: Vec<Step>, after: Tree) -> Result<Result<Held, String>, Failure> {
        let raised: BTreeSet<String> = steps.iter().flat_map(|step| step.raised.clone()).collect();
        let comparison = compare(&self.before, &after, &raised, &*self.request.known)?;
        for step in &steps {
            let still = versions(&after, &step.target);
            if let Some(version) = still.intersection(&self.targets[&step.target]).next() {
                return Ok(Err(format!("Maven would take `{} {version}` still", step.target)));
            }
        }
        // Maven takes a version without a pom for one that requires nothing.
        for (package, _, version) in &comparison.moves {
            if let Some(version) = version.as_ref().filter(|version| !self.maven.has_pom(package, version)) {
                return Ok(Err(format!("no repository has the pom of `{package} {version}`")));
            }
        }
        match comparison.violations.is_empty() {
            true => Ok(Ok((steps, comparison, after))),
            false => Ok(Err(comparison.violations.join("; "))),
        }
    }

    /// Steps for what the new versions require themselves and would not get, where the old ones got it; or why there is none.
    async fn undercut(
        &mut self,
        steps: &[Step],
        after: &Tree,
    ) -> Result<(Vec<Step>, Option<String>), Failure> {
        let mut probes: Vec<Probe> = Vec::new();
        let stated: BTreeSet<(String, String, String)> = steps
            .iter()
            .flat_map(|step| {
                step.stated
                    .iter()
                    .map(|(package, (_, to))| (step.target.clone(), package.clone(), to.clone()))
            })
            .collect();
        for (_, package, to) in &stated {
            let old = versions(&self.before, package).into_iter();
            let all = old.chain([to.clone()]).map(|version| (package.clone(), version));
            probes.extend(all.filter(|probe| !self.alone.contains_key(probe)));
        }
        if !probes.is_empty() {
            let found = self.maven.alone(&probes).await?;
            self.alone.extend(probes.into_iter().zip(found));
        }
        let mut along: Vec<Step> = Vec::new();
        for (target, package, to) in stated {
            let mut had = BTreeSet::new();
            for version in versions(&self.before, &package) {
                had.extend(self.missed(&package, &version, &self.before).into_keys());
            }
            for (child, version) in self.missed(&package, &to, after) {
                if had.contains(&child) {
                    continue;
                }
                let modules = self.modules_where(|node| node.name == child);
                let mut step = self.stating(&target, &child, &version, &modules, Rung::Lift);
                if step.stated.is_empty() {
                    let pin = self.pin(&child, &version, &modules);
                    step = pin.filter(|pin| !pin.pins.is_empty()).unwrap_or(step);
                }
                if step.stated.is_empty() {
                    let why = format!(
                        "`{package} {to}` requires `{child} {version}`, and Maven would take a lower one"
                    );
                    return Ok((Vec::new(), Some(why)));
                }
                let by = Some(format!("{package} {to}"));
                along.push(Step { target: target.clone(), needed_by: by, ..step });
            }
        }
        Ok((along, None))
    }

    /// What a version requires itself, and the tree has only lower.
    fn missed(&self, package: &str, version: &str, tree: &Tree) -> BTreeMap<String, String> {
        let alone = self.alone.get(&(package.to_owned(), version.to_owned())).and_then(Option::as_ref);
        let mut missed = BTreeMap::new();
        let Some(alone) = alone else { return missed };
        let children = alone.direct.iter().filter_map(|key| alone.edges.get(key)).flatten();
        for (key, child) in children.filter_map(|key| Some((key, alone.nodes.get(key)?))) {
            let takes_it = |module: &&Module| {
                module.nodes.values().any(|node| node.name == package && node.version == version)
            };
            let mut taken = tree.values().filter(takes_it).filter_map(|module| module.nodes.get(key));
            if taken.any(|taken| is_above(&child.version, &taken.version)) {
                missed.insert(child.name.clone(), child.version.clone());
            }
        }
        missed
    }

    /// The changes that may do for a package, the best first, or why there is none.
    async fn options(&mut self, name: &str) -> Result<Result<Vec<Step>, String>, Failure> {
        let modules = self.modules_with(name);
        let places: Vec<Place> = modules.iter().map(|module| place(&self.reactor, module, name)).collect();
        if let Some(Place::Stuck(why)) = places.iter().find(|place| matches!(place, Place::Stuck(_))) {
            return Ok(Err(why.clone()));
        }
        let now = self.highest(name);
        let mut good = candidates(&self.published[name], name, &now, &*self.request.known)?;
        let mut steps = Vec::new();
        let is_written = places.iter().any(|place| matches!(place, Place::Here(_)));
        // What a property is for must all have the version.
        let written = places.iter().filter_map(|place| match place {
            Place::Here(written) => Some(&written.names),
            Place::Outside | Place::Nowhere | Place::Stuck(_) => None,
        });
        let kin: BTreeSet<String> = written.flatten().cloned().collect();
        self.learn(&kin).await?;
        let is_free = !good.is_empty();
        good.retain(|version| kin.iter().all(|name| self.published[name].contains(version)));
        if is_free && good.is_empty() {
            let names: Vec<&str> = kin.iter().map(String::as_str).collect();
            return Ok(Err(format!(
                "one property is for {}, and no good version has all of them",
                names.join(", ")
            )));
        }
        if is_written {
            steps.extend(
                good.iter().map(|version| self.stating(name, name, version, &modules, Rung::InRange)),
            );
        } else {
            steps.extend(self.lift(name, &modules).await?);
        }
        if !is_written {
            steps.extend(good.iter().filter_map(|version| self.pin(name, version, &modules)));
        }
        let none = if self.published[name].is_empty() {
            format!("no repository that Maven asks says which versions of `{name}` there are")
        } else {
            format!("no version of `{name}` above {now} is free of known problems")
        };
        Ok(if steps.is_empty() { Err(none) } else { Ok(steps) })
    }

    /// The poms whose module takes a version that has to go.
    fn modules_with(&self, name: &str) -> Vec<String> {
        let bad = &self.targets[name];
        self.modules_where(|node| node.name == name && bad.contains(&node.version))
    }

    /// The poms whose module takes such an artifact.
    fn modules_where(&self, is_it: impl Fn(&Node) -> bool) -> Vec<String> {
        let takes = |path: &&String| {
            let module = self.reactor.project(path).and_then(|project| self.before.get(&project));
            module.is_some_and(|module| module.nodes.values().any(&is_it))
        };
        self.reactor.poms.keys().filter(takes).cloned().collect()
    }

    fn highest(&self, name: &str) -> String {
        let all = self.targets.get(name).cloned().unwrap_or_else(|| versions(&self.before, name));
        let highest = all.into_iter().reduce(|high, next| if is_above(&next, &high) { next } else { high });
        highest.unwrap_or_default()
    }

    /// The version of a package is another one wherever these modules have it from.
    fn stating(&self, target: &str, package: &str, version: &str, modules: &[String], rung: Rung) -> Step {
        let mut step = Step {
            target: target.to_owned(),
            rung,
            needed_by: None,
            stated: BTreeMap::new(),
            raised: BTreeSet::new(),
            splices: BTreeMap::new(),
            pins: BTreeMap::new(),
        };
        for module in modules {
            let Place::Here(written) = place(&self.reactor, module, package) else { continue };
            let where_it_is = match &written.property {
                Some(property) => format!("the property `{property}` of `{}`", written.file),
                None => format!("`{}`", written.file),
            };
            step.stated.insert(package.to_owned(), (where_it_is, version.to_owned()));
            step.raised.extend(written.names.iter().cloned());
            step.splices.entry(written.file.clone()).or_default().push(written.splice(version));
        }
        step
    }

    /// What brings the package goes to its own lowest version that brings a good one, or none.
    async fn lift(&mut self, name: &str, modules: &[String]) -> Result<Option<Step>, Failure> {
        let mut bringers = BTreeSet::new();
        for module in modules {
            let taken = self.reactor.project(module).and_then(|project| self.before.get(&project));
            bringers.extend(taken.map(|taken| taken.bringers(name)).unwrap_or_default());
        }
        let is_here = |module: &String, bringer: &String| {
            matches!(place(&self.reactor, module, bringer), Place::Here(_))
        };
        if bringers.is_empty()
            || !bringers.iter().all(|one| modules.iter().any(|module| is_here(module, one)))
        {
            return Ok(None);
        }
        self.learn(&bringers).await?;
        let mut whole: Option<Step> = None;
        for bringer in bringers {
            let Some(version) = self.lowest_bringing(&bringer, name).await? else { return Ok(None) };
            let step = self.stating(name, &bringer, &version, modules, Rung::Lift);
            let whole = whole.get_or_insert_with(|| Step {
                stated: BTreeMap::new(),
                splices: BTreeMap::new(),
                ..step.clone()
            });
            whole.stated.extend(step.stated);
            whole.raised.extend(step.raised);
            for (file, splices) in step.splices {
                whole.splices.entry(file).or_default().extend(splices);
            }
        }
        Ok(whole)
    }

    async fn lowest_bringing(&mut self, bringer: &str, name: &str) -> Result<Option<String>, Failure> {
        let known = &*self.request.known;
        let now = self.highest(bringer);
        let had = problems(known, bringer, &now)?;
        let mut probes: Vec<Probe> = Vec::new();
        for version in above(&self.published[bringer], &now) {
            if probes.len() < MOST_PROBES && problems(known, bringer, &version)?.is_subset(&had) {
                probes.push((bringer.to_owned(), version));
            }
        }
        if probes.is_empty() {
            return Ok(None);
        }
        let found = self.maven.alone(&probes).await?;
        for ((_, version), module) in probes.into_iter().zip(found) {
            let Some(module) = module.filter(|module| !module.direct.is_empty()) else { continue };
            let mut is_good = true;
            for node in module.nodes.values().filter(|node| node.name == name) {
                is_good &= problems(known, name, &node.version)?.is_empty();
            }
            if is_good {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }

    /// An entry of `dependencyManagement`, in the topmost pom that these modules have in the tree.
    fn pin(&self, name: &str, version: &str, modules: &[String]) -> Option<Step> {
        let (group, artifact) = name.split_once(':')?;
        // These stand in the pom as they are.
        [group, artifact].into_iter().all(is_plain).then_some(())?;
        let mut step = self.stating(name, name, version, &[], Rung::Override);
        for module in modules {
            let (file, _) = *self.reactor.chain(module).last()?;
            step.stated.insert(name.to_owned(), (format!("`{file}`"), version.to_owned()));
            step.raised.insert(name.to_owned());
            let taken = self.reactor.project(module).and_then(|project| self.before.get(&project))?;
            for node in taken.nodes.values().filter(|node| node.name == name) {
                let classifier = node.classifier.clone();
                let kind = Some(node.kind.clone()).filter(|kind| kind != "jar");
                kind.iter().chain(&classifier).all(|text| is_plain(text)).then_some(())?;
                let (group, artifact) = (group.to_owned(), artifact.to_owned());
                let pin = (
                    Dependency { group, artifact, kind, classifier, scope: None, version: None },
                    version.to_owned(),
                );
                let pins = step.pins.entry(file.to_owned()).or_default();
                if !pins.contains(&pin) {
                    pins.push(pin);
                }
            }
        }
        Some(step)
    }

    /// Writes the poms with these steps done, or says why that can't be.
    fn write(&self, steps: &[Step]) -> Result<Result<(), String>, Failure> {
        self.restore()?;
        let files: BTreeSet<&String> =
            steps.iter().flat_map(|step| step.splices.keys().chain(step.pins.keys())).collect();
        for file in files {
            let text = &self.reactor.poms[file].text;
            let mut splices: Vec<Splice> =
                steps.iter().filter_map(|step| step.splices.get(file)).flatten().cloned().collect();
            let mut entries: Vec<(Dependency, String)> = Vec::new();
            for pin in steps.iter().filter_map(|step| step.pins.get(file)).flatten() {
                if !entries.contains(pin) {
                    entries.push(pin.clone());
                }
            }
            if !entries.is_empty() {
                let Some(splice) = pins(text, &entries) else {
                    return Ok(Err(format!("`{file}` is written in a way that can't be added to safely")));
                };
                splices.push(splice);
            }
            let Some(changed) = spliced(text, &splices) else {
                return Ok(Err(format!("two packages need another version in the same place of `{file}`")));
            };
            fs::write(self.worktree.join(file), changed)
                .map_err(|error| of_file(&format!("write `{file}`"), error))?;
        }
        Ok(Ok(()))
    }

    fn restore(&self) -> Result<(), Failure> {
        self.reactor.poms.iter().try_for_each(|(file, pom)| {
            let path = self.worktree.join(file);
            let is_same = fs::read_to_string(&path).is_ok_and(|text| text == pom.text);
            let written = if is_same { Ok(()) } else { fs::write(&path, &pom.text) };
            written.map_err(|error| of_file(&format!("write `{file}`"), error))
        })
    }

    async fn learn(&mut self, names: &BTreeSet<String>) -> Result<(), Failure> {
        let unknown: BTreeSet<String> =
            names.iter().filter(|name| !self.published.contains_key(*name)).cloned().collect();
        if !unknown.is_empty() {
            let found = self.maven.published(&unknown).await?;
            self.published.extend(found);
        }
        Ok(())
    }
}
