//! Chooses versions where there is one of each package for all, as in Python: the smallest step for what is vulnerable, and
//! the smallest steps for whatever does not fit with it. Nothing goes down.

use std::collections::{BTreeMap, BTreeSet};

/// Versions of one vulnerable package that are tried, from the lowest on.
const MOST_CANDIDATES: usize = 40;
/// Steps that one of these may take along.
const MOST_STEPS: usize = 60;
/// Newer versions of what requires too little that are looked at.
const MOST_PARENTS: usize = 60;
/// What is asked for in one go.
const MOST_ASKED: usize = 8;

/// One package of the set. The key that it stands under is its normal name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pin {
    /// As it is written.
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) extras: BTreeSet<String>,
    /// Why it can't go to another version; none where it can.
    pub(crate) fixed: Option<String>,
    /// What is required of it by the repository itself.
    pub(crate) wishes: Vec<Wish>,
    /// What it requires, as far as that is known without asking: the rest is not asked about.
    pub(crate) needs: Option<BTreeSet<String>>,
}

/// A range in the repository's own manifest.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) range: String,
    /// Who says so, as in `` `pyproject.toml` ``.
    pub(crate) by: String,
    /// Whether the range may be another one.
    pub(crate) may_change: bool,
}

/// What one version requires of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Required {
    /// Its normal name.
    pub(crate) name: String,
    pub(crate) range: String,
}

/// What a plan would have to know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unknown {
    Versions(String),
    Requires(String, String),
}

/// What there is to choose from.
pub(crate) trait Shelf {
    /// The versions that can be used, the lowest first; none when they are not known yet.
    fn versions(&self, name: &str) -> Option<&[String]>;

    /// What a version requires with these extras; none when it is not known yet.
    fn requires(&self, name: &str, version: &str, extras: &BTreeSet<String>) -> Option<Vec<Required>>;

    /// Whether it is known what a version requires, once it was asked.
    fn is_told(&self, _name: &str, _version: &str) -> bool {
        true
    }

    fn admits(&self, range: &str, version: &str) -> bool;

    fn is_above(&self, version: &str, other: &str) -> bool;

    /// Why a good version above this one can't be used, where there is one.
    fn beyond(&self, _name: &str, _version: &str) -> Option<String> {
        None
    }

    /// The advisories of this version.
    fn problems(&self, name: &str, version: &str) -> BTreeSet<String>;
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The version that each package goes to, by normal name.
    pub(crate) steps: BTreeMap<String, String>,
    /// Packages whose range in the repository's manifest must change.
    pub(crate) relaxed: BTreeSet<String>,
    /// What no version can be found for, with why.
    pub(crate) left: BTreeMap<String, String>,
    /// What must be known before the plan counts.
    pub(crate) unknown: BTreeSet<Unknown>,
}

/// A plan that clears these packages of the set. In a closed set a package must not require what is not in it.
pub(crate) fn settle(
    pins: &BTreeMap<String, Pin>,
    shelf: &dyn Shelf,
    targets: &[String],
    is_closed: bool,
) -> Plan {
    let mut settling = Settling { pins, shelf, is_closed, plan: Plan::default() };
    for name in targets {
        if let Err(why) = settling.clear(name) {
            settling.plan.left.insert(name.clone(), why);
        }
    }
    settling.plan
}

/// What does not fit.
enum Conflict {
    Wish { name: String, wish: Wish },
    Between { parent: String, child: String, range: String },
    Absent { parent: String, child: String },
    Untold { name: String },
}

struct Settling<'a> {
    pins: &'a BTreeMap<String, Pin>,
    shelf: &'a dyn Shelf,
    is_closed: bool,
    plan: Plan,
}

impl Settling<'_> {
    fn version(&self, name: &str) -> &str {
        self.plan.steps.get(name).map_or(self.pins[name].version.as_str(), String::as_str)
    }

    fn shown(&self, name: &str) -> String {
        format!("`{} {}`", self.pins[name].name, self.pins[name].version)
    }

    fn clear(&mut self, name: &str) -> Result<(), String> {
        let Some(pin) = self.pins.get(name) else { return Err(format!("`{name}` is not pinned here")) };
        if self.plan.steps.contains_key(name) && self.shelf.problems(name, self.version(name)).is_empty() {
            return Ok(());
        }
        if let Some(why) = &pin.fixed {
            return Err(why.clone());
        }
        let candidates = self.candidates(name);
        if self.is_open() || candidates.is_empty() && self.plan.steps.contains_key(name) {
            return Ok(());
        }
        let before = self.plan.clone();
        let mut first = None;
        for may_relax in [false, true] {
            for candidate in &candidates {
                self.plan.steps.insert(name.to_owned(), candidate.clone());
                let fit = self.fit(may_relax);
                if self.is_open() || fit.is_ok() {
                    return Ok(());
                }
                first = first.or(fit.err());
                self.plan = before.clone();
            }
        }
        let none = || {
            let version = self.version(name);
            let beyond = self.shelf.beyond(name, version);
            beyond.unwrap_or_else(|| {
                format!("no version of `{}` above {version} is free of known problems", pin.name)
            })
        };
        Err(first.unwrap_or_else(none))
    }

    /// The versions that would do, the best first: those without a known problem; or, where there is none, those with fewer
    /// than now and no other.
    fn candidates(&mut self, name: &str) -> Vec<String> {
        let now = self.shelf.problems(name, self.version(name));
        let better =
            self.above(name).into_iter().map(|version| (self.shelf.problems(name, &version), version));
        let better: Vec<(BTreeSet<String>, String)> = better.collect();
        let is_free = better.iter().any(|(problems, _)| problems.is_empty());
        let helps = |problems: &BTreeSet<String>| match is_free {
            true => problems.is_empty(),
            false => problems.len() < now.len() && problems.is_subset(&now),
        };
        let mut candidates: Vec<_> = better.into_iter().filter(|(problems, _)| helps(problems)).collect();
        candidates.sort_by_key(|(problems, _)| problems.len());
        candidates.into_iter().map(|(_, version)| version).take(MOST_CANDIDATES).collect()
    }

    /// Whether the plan does not count yet.
    fn is_open(&self) -> bool {
        !self.plan.unknown.is_empty()
    }

    fn above(&mut self, name: &str) -> Vec<String> {
        let now = self.version(name).to_owned();
        match self.shelf.versions(name) {
            Some(all) => all.iter().filter(|version| self.shelf.is_above(version, &now)).cloned().collect(),
            None => {
                self.plan.unknown.insert(Unknown::Versions(name.to_owned()));
                Vec::new()
            }
        }
    }

    fn requires(&mut self, name: &str, version: &str) -> Vec<Required> {
        match self.shelf.requires(name, version, &self.pins[name].extras) {
            Some(required) => required,
            None => {
                self.plan.unknown.insert(Unknown::Requires(name.to_owned(), version.to_owned()));
                Vec::new()
            }
        }
    }

    /// Moves whatever does not fit with what has moved.
    fn fit(&mut self, may_relax: bool) -> Result<(), String> {
        for _ in 0..MOST_STEPS {
            let conflict = self.conflict();
            if self.is_open() {
                return Ok(());
            }
            match conflict {
                None => return Ok(()),
                Some(conflict) => self.resolve(conflict, may_relax)?,
            }
            if self.is_open() {
                return Ok(());
            }
        }
        Err("the search was given up: too many packages would have to move".to_owned())
    }

    fn conflict(&mut self) -> Option<Conflict> {
        let moved: BTreeMap<String, String> = self.plan.steps.clone();
        for (name, version) in &moved {
            // A range that does not take what is installed is for another platform.
            let installed = &self.pins[name].version;
            let is_meant = |wish: &Wish| self.shelf.admits(&wish.range, installed);
            let unmet = |wish: &&Wish| is_meant(wish) && !self.shelf.admits(&wish.range, version);
            if let Some(wish) = self.pins[name].wishes.iter().find(unmet)
                && !self.plan.relaxed.contains(name)
            {
                return Some(Conflict::Wish { name: name.clone(), wish: wish.clone() });
            }
        }
        let pins = self.pins;
        for (parent, pin) in pins {
            let is_moved = moved.contains_key(parent);
            let may_matter = is_moved
                || pin.needs.as_ref().is_none_or(|needs| needs.iter().any(|need| moved.contains_key(need)));
            if !may_matter {
                continue;
            }
            let version = self.version(parent).to_owned();
            let required = self.requires(parent, &version);
            // Where nothing may come in, it must be known that nothing does.
            if is_moved && self.is_closed && !self.is_open() && !self.shelf.is_told(parent, &version) {
                return Some(Conflict::Untold { name: parent.clone() });
            }
            for Required { name: child, range } in required {
                let touches = is_moved || moved.contains_key(&child);
                if !pins.contains_key(&child) {
                    if is_moved && self.is_closed && !self.had(parent, &child) {
                        return Some(Conflict::Absent { parent: parent.clone(), child });
                    }
                } else if touches && !self.shelf.admits(&range, self.version(&child)) {
                    return Some(Conflict::Between { parent: parent.clone(), child, range });
                }
            }
        }
        None
    }

    /// Whether the installed version required it already.
    fn had(&mut self, parent: &str, child: &str) -> bool {
        let installed = self.pins[parent].version.clone();
        self.requires(parent, &installed).iter().any(|required| required.name == child)
    }

    fn resolve(&mut self, conflict: Conflict, may_relax: bool) -> Result<(), String> {
        match conflict {
            Conflict::Wish { name, wish } if may_relax && wish.may_change => {
                self.plan.relaxed.insert(name);
                Ok(())
            }
            Conflict::Wish { name, wish } => Err(format!(
                "{} requires `{} {}`, and {} would do",
                wish.by,
                self.pins[&name].name,
                wish.range,
                self.version(&name)
            )),
            Conflict::Absent { parent, child } => Err(format!(
                "`{} {}` requires `{child}`, which is not pinned",
                self.pins[&parent].name,
                self.version(&parent)
            )),
            Conflict::Untold { name } => Err(format!(
                "the index does not say what `{} {}` requires",
                self.pins[&name].name,
                self.version(&name)
            )),
            Conflict::Between { parent, child, range } => {
                let is_moved = self.plan.steps.contains_key(&child);
                let done = !is_moved && self.raise_child(&child, &range)
                    || self.raise_parent(&parent, &child)
                    || is_moved && self.raise_child(&child, &range);
                if done || self.is_open() { Ok(()) } else { Err(self.stuck(&parent, &child, &range)) }
            }
        }
    }

    /// To the lowest version within what is required.
    fn raise_child(&mut self, child: &str, range: &str) -> bool {
        if self.pins[child].fixed.is_some() {
            return false;
        }
        let had = self.shelf.problems(child, self.version(child));
        let fits = |version: &&String| {
            self.shelf.admits(range, version)
                && self.shelf.problems(child, version).iter().all(|problem| had.contains(problem))
        };
        match self.above(child).iter().find(fits) {
            Some(version) => {
                self.plan.steps.insert(child.to_owned(), version.clone());
                true
            }
            None => false,
        }
    }

    /// To the lowest version that takes the child as it is.
    fn raise_parent(&mut self, parent: &str, child: &str) -> bool {
        if self.pins[parent].fixed.is_some() {
            return false;
        }
        let target = self.version(child).to_owned();
        let had = self.shelf.problems(parent, self.version(parent));
        for version in self.above(parent).into_iter().take(MOST_PARENTS) {
            if self.shelf.problems(parent, &version).iter().any(|problem| !had.contains(problem)) {
                continue;
            }
            let required = self.requires(parent, &version);
            let takes =
                |required: &Required| required.name != child || self.shelf.admits(&required.range, &target);
            if self.plan.unknown.len() >= MOST_ASKED {
                return false;
            }
            if !self.is_open() && required.iter().all(takes) {
                self.plan.steps.insert(parent.to_owned(), version);
                return true;
            }
        }
        false
    }

    fn stuck(&mut self, parent: &str, child: &str, range: &str) -> String {
        let (pin, target) = (&self.pins[child], self.version(child).to_owned());
        let newest = self.shelf.versions(parent).and_then(<[String]>::last).cloned();
        let help = match newest {
            Some(newest) if newest == self.version(parent) => " and is the newest".to_owned(),
            Some(newest) => format!("; the newest, {newest}, does not help either"),
            None => String::new(),
        };
        let parent = match self.plan.steps.get(parent) {
            Some(moved) => format!("`{} {moved}`", self.pins[parent].name),
            None => self.shown(parent),
        };
        match self.plan.steps.contains_key(child) {
            true => format!("{parent} requires `{} {range}`, and {target} would do{help}", pin.name),
            false => {
                format!("{parent} requires `{} {range}`, and {} can't move there", pin.name, pin.version)
            }
        }
    }
}

#[cfg(test)]
#[path = "flat_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "flat_minimum_tests.rs"]
mod minimum_tests;
