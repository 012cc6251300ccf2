//! Which packages a patch moves, read from the lockfiles of both trees, and what each depends on.

use std::collections::{BTreeMap, BTreeSet};

use patchline_inventory::detector::{Detector, Inventory, Neighbours};
use patchline_inventory::detectors::DETECTORS;
use patchline_model::package::Ecosystem;

use crate::check::Side;
use crate::complaint::Given;

/// Neighbours of one lockfile that are read.
const MAX_NEIGHBOURS: usize = 200;

/// One package of one lockfile, whose versions differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) lockfile: String,
    pub(crate) ecosystem: Ecosystem,
    pub(crate) name: String,
    pub(crate) from: BTreeSet<String>,
    pub(crate) to: BTreeSet<String>,
}

/// The lockfiles that a patch changes, before and after.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moves {
    pub(crate) moved: Vec<Moved>,
    /// Names of all packages of these lockfiles before.
    pub(crate) known: BTreeSet<(String, String)>,
    /// What a package depends on after, and what it did before.
    needs: Needs,
    needed: Needs,
}

/// What a package depends on, by name, in each ecosystem.
type Needs = BTreeMap<(String, String), BTreeSet<String>>;

impl Moved {
    /// Newly there.
    pub(crate) fn is_new(&self) -> bool {
        self.from.is_empty()
    }

    /// The versions that came, and those that went.
    pub(crate) fn came(&self) -> impl Iterator<Item = &String> {
        self.to.difference(&self.from)
    }

    pub(crate) fn went(&self) -> impl Iterator<Item = &String> {
        self.from.difference(&self.to)
    }
}

impl Moves {
    pub(crate) fn of(given: Given<'_>) -> Self {
        let mut moves = Self::default();
        for file in &given.diff.files {
            let path = file.path();
            let Some(detector) = DETECTORS.iter().find(|detector| detector.kind().claims(path)) else {
                continue;
            };
            let before = inventory(given, *detector, &given.case.base, path);
            let after = inventory(given, *detector, &given.case.patch, path);
            let (had, has) = (versions(&before), versions(&after));
            moves.known.extend(had.keys().cloned());
            add(&mut moves.needs, &after);
            add(&mut moves.needed, &before);
            let names: BTreeSet<&(String, String)> = had.keys().chain(has.keys()).collect();
            for key in names {
                let of = |side: &BTreeMap<_, BTreeSet<String>>| side.get(key).cloned().unwrap_or_default();
                let (from, to) = (of(&had), of(&has));
                if from != to {
                    let (ecosystem, name) = key.clone();
                    moves.moved.push(Moved {
                        lockfile: path.to_owned(),
                        ecosystem: Ecosystem(ecosystem),
                        name,
                        from,
                        to,
                    });
                }
            }
        }
        moves
    }

    /// How many packages need each one after.
    pub(crate) fn used(&self) -> BTreeMap<&str, usize> {
        let mut used: BTreeMap<&str, usize> = BTreeMap::new();
        for name in self.needs.values().flatten() {
            *used.entry(name).or_default() += 1;
        }
        used
    }

    /// These packages and everything that they need, directly or not.
    pub(crate) fn needed_by(
        &self,
        roots: impl IntoIterator<Item = (String, String)>,
    ) -> BTreeSet<(String, String)> {
        reached(&self.needs, roots)
    }

    /// The same, as it was before.
    pub(crate) fn needed_before_by(
        &self,
        roots: impl IntoIterator<Item = (String, String)>,
    ) -> BTreeSet<(String, String)> {
        reached(&self.needed, roots)
    }
}

fn add(needs: &mut Needs, inventory: &Inventory) {
    for installed in &inventory.installed {
        let key = (installed.package.ecosystem.0.clone(), installed.package.name.clone());
        let names = installed.dependencies.iter().map(|package| package.name.clone());
        needs.entry(key).or_default().extend(names);
    }
}

fn reached(needs: &Needs, roots: impl IntoIterator<Item = (String, String)>) -> BTreeSet<(String, String)> {
    let mut open: Vec<(String, String)> = roots.into_iter().collect();
    let mut found: BTreeSet<(String, String)> = BTreeSet::new();
    while let Some(key) = open.pop() {
        let next = needs.get(&key).into_iter().flatten();
        let next: Vec<_> = next.map(|name| (key.0.clone(), name.clone())).collect();
        if found.insert(key) {
            open.extend(next);
        }
    }
    found
}

/// What a file says; nothing where it is missing or broken, which the scan of that side has told.
fn inventory(given: Given<'_>, detector: &dyn Detector, side: &Side, path: &str) -> Inventory {
    let Some(text) = given.text(side, path) else { return Inventory::default() };
    let mut neighbours = Neighbours::new();
    for name in detector.neighbours(path, &text).into_iter().take(MAX_NEIGHBOURS) {
        if let Some(text) = given.text(side, &name) {
            neighbours.insert(name, text);
        }
    }
    detector.parse(path, &text, &neighbours).unwrap_or_default()
}

fn versions(inventory: &Inventory) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut versions: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for installed in &inventory.installed {
        let package = &installed.package;
        let key = (package.ecosystem.0.clone(), package.name.clone());
        versions.entry(key).or_default().insert(package.version.clone());
    }
    versions
}
