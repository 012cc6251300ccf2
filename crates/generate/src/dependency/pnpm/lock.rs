//! `pnpm-lock.yaml`, formats 5 to 9 (<https://github.com/pnpm/spec/tree/master/lockfile>), as a graph. It says which version
//! each package got, and not what it had asked for: that stands in what is published of it.

use std::collections::{BTreeMap, BTreeSet};

use patchline_inventory::lockfile::pnpm::{bare, meant, name_and_version};
use patchline_inventory::text::value::Value;
use patchline_inventory::text::yaml::yaml;

use crate::dependency::graph::{Graph, Layout, Node};
use crate::dependency::node::range::parsed;
use crate::dependency::node::rules::{Copy, State};

const MOST_EDGES: usize = 2_000_000;
const LISTS: [&str; 3] = ["dependencies", "optionalDependencies", "devDependencies"];

/// A lockfile.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    /// As in `9.0`.
    pub(crate) format: String,
    pub(crate) state: State,
    /// The folders of the repository's own packages, by their nodes.
    pub(crate) own: BTreeMap<usize, String>,
    /// The catalog that a range of the repository's own comes from, by who asks and for what.
    pub(crate) catalogs: BTreeMap<(usize, String), String>,
    /// Whether code of the project had a hand in it.
    pub(crate) has_hooks: bool,
}

impl Lock {
    /// Why not, in a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let lock = yaml(text).map_err(|error| format!("could not read `pnpm-lock.yaml`: {error}"))?;
        let format = lock.text_of("lockfileVersion").unwrap_or_default().to_owned();
        let major = format.split('.').next().and_then(|major| major.parse::<u32>().ok());
        let Some(major @ 5..=9) = major else {
            return Err(format!("could not read `pnpm-lock.yaml`: its format is `{format}`"));
        };
        let mut reader = Reader { major, lock: &lock, ..Reader::default() };
        reader.graph.layout = Layout::Store;
        reader.packages();
        reader.importers();
        reader.connect()?;
        let Reader { graph, copies, own, catalogs, .. } = reader;
        let has_hooks = lock.get("pnpmfileChecksum").is_some();
        Ok(Self { format, state: State { copies, graph }, own, catalogs, has_hooks })
    }
}

static NOTHING: Value<'static> = Value { offset: 0, kind: patchline_inventory::text::value::Kind::Null };

struct Reader<'a> {
    major: u32,
    lock: &'a Value<'a>,
    graph: Graph,
    copies: BTreeMap<String, Copy>,
    /// Packages that do not come from a registry.
    foreign: BTreeSet<String>,
    own: BTreeMap<usize, String>,
    catalogs: BTreeMap<(usize, String), String>,
    /// What each package asks for, by its key: the name, and the key of what it got.
    asks: BTreeMap<String, BTreeSet<(String, String)>>,
    /// The choices that were made for each of these.
    slots: BTreeMap<(String, String, String), usize>,
    /// The choices by what they came to.
    of: BTreeMap<String, Vec<usize>>,
}

impl Default for Reader<'_> {
    fn default() -> Self {
        Self {
            major: 9,
            lock: &NOTHING,
            graph: Graph::default(),
            copies: BTreeMap::new(),
            foreign: BTreeSet::new(),
            own: BTreeMap::new(),
            catalogs: BTreeMap::new(),
            asks: BTreeMap::new(),
            slots: BTreeMap::new(),
            of: BTreeMap::new(),
        }
    }
}

impl Reader<'_> {
    fn packages(&mut self) {
        let lock = self.lock;
        for entry in lock.entries_of("packages") {
            let key = bare(self.major, &entry.key);
            let (name, version) = name_and_version(self.major, key);
            let resolution = entry.value.get("resolution");
            let integrity = resolution.and_then(|found| found.text_of("integrity")).map(str::to_owned);
            let is_address = version.contains(['/', ':']) || entry.value.get("name").is_some();
            let name = entry.value.text_of("name").unwrap_or(name).to_owned();
            let version = entry.value.text_of("version").unwrap_or(version).to_owned();
            if is_address || integrity.is_none() || parsed(&version).is_none() {
                self.foreign.insert(key.to_owned());
            }
            self.copies.insert(key.to_owned(), Copy { name, version, integrity, bundled: false });
        }
        // From format 9 on, who needs whom stands apart.
        for entry in lock.entries_of("packages").iter().chain(lock.entries_of("snapshots")) {
            let key = bare(self.major, &entry.key);
            let wanted = LISTS[..2].iter().flat_map(|list| entry.value.entries_of(list));
            let found: Vec<(String, String)> = wanted
                .filter_map(|wanted| {
                    Some((wanted.key.clone().into_owned(), self.find(&wanted.key, wanted.value.text()?)?))
                })
                .collect();
            self.asks.entry(key.to_owned()).or_default().extend(found);
        }
    }

    /// The key of the package that a name and a reference mean.
    fn find(&self, called: &str, reference: &str) -> Option<String> {
        meant(self.major, called, reference).into_iter().find(|key| self.copies.contains_key(key))
    }

    fn importers(&mut self) {
        let lock = self.lock;
        let named = lock.entries_of("importers").iter().map(|entry| (entry.key.as_ref(), &entry.value));
        let importers: Vec<(&str, &Value<'_>)> = match lock.get("importers") {
            Some(_) => named.collect(),
            None => vec![(".", lock)],
        };
        for (folder, importer) in importers {
            let own = Node { name: folder.to_owned(), own: true, ..Node::default() };
            let own = self.graph.add(own);
            self.own.insert(own, folder.to_owned());
            for wanted in LISTS.iter().flat_map(|list| importer.entries_of(list)) {
                let reference = wanted.value.text().or_else(|| wanted.value.text_of("version"));
                let specifier = wanted.value.text_of("specifier");
                let apart = || importer.get("specifiers").and_then(|all| all.text_of(&wanted.key));
                let (Some(reference), Some(range)) = (reference, specifier.or_else(apart)) else { continue };
                let Some(key) = self.find(&wanted.key, reference) else { continue };
                let slot = self.slot(&format!("./{folder}"), &wanted.key, &key);
                let mut range = range.to_owned();
                if let Some(catalog) = range.strip_prefix("catalog:") {
                    let catalog = if catalog.is_empty() { "default" } else { catalog };
                    let catalogs = lock.get("catalogs").and_then(|all| all.get(catalog));
                    let stands = catalogs.and_then(|all| all.get(&wanted.key));
                    let stands = stands.and_then(|entry| entry.text_of("specifier")).unwrap_or_default();
                    self.catalogs.insert((own, wanted.key.clone().into_owned()), catalog.to_owned());
                    range = stands.to_owned();
                }
                self.graph.connect(own, slot, &range);
            }
        }
    }

    /// The choice that was made for what one package asks by this name.
    fn slot(&mut self, holder: &str, called: &str, key: &str) -> usize {
        let slot = (holder.to_owned(), called.to_owned(), key.to_owned());
        if let Some(known) = self.slots.get(&slot) {
            return *known;
        }
        let copy = &self.copies[key];
        let at = self.graph.add(Node {
            name: copy.name.clone(),
            called: called.to_owned(),
            version: copy.version.clone(),
            own: false,
            movable: !self.foreign.contains(key),
            bundled: false,
            within: None,
        });
        self.slots.insert(slot, at);
        self.of.entry(key.to_owned()).or_default().push(at);
        at
    }

    /// From each choice to those that were made for what it came to.
    fn connect(&mut self) -> Result<(), String> {
        let mut made: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (holder, asks) in std::mem::take(&mut self.asks) {
            let slots = asks.iter().map(|(called, key)| self.slot(&holder, called, key)).collect();
            made.insert(holder, slots);
        }
        for (holder, slots) in made {
            let from = self.of.get(&holder).cloned().unwrap_or_default();
            if self.graph.edges.len() + from.len() * slots.len() > MOST_EDGES {
                return Err(format!("`pnpm-lock.yaml` connects its packages more than {MOST_EDGES} times"));
            }
            for from in from {
                slots.iter().for_each(|slot| self.graph.connect_as_published(from, *slot));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::Lock;

    const NINE: &str = "lockfileVersion: '9.0'\n\ncatalogs:\n  default:\n    b:\n      specifier: ^2.0.0\n      version: 2.0.0\n\nimporters:\n\n  .:\n    dependencies:\n      top:\n        specifier: ^1.0.0\n        version: 1.0.0(b@2.0.0)\n  packages/x:\n    devDependencies:\n      b:\n        specifier: 'catalog:'\n        version: 2.0.0\n\npackages:\n\n  a@1.0.0:\n    resolution: {integrity: sha512-a}\n  b@2.0.0:\n    resolution: {integrity: sha512-b}\n  top@1.0.0:\n    resolution: {integrity: sha512-t}\n\nsnapshots:\n\n  a@1.0.0: {}\n  b@2.0.0: {}\n  top@1.0.0(b@2.0.0):\n    dependencies:\n      a: 1.0.0\n      other: a@1.0.0\n      b: 2.0.0\n";
    const SIX: &str = "lockfileVersion: '6.0'\n\ndependencies:\n  top:\n    specifier: ^1.0.0\n    version: 1.0.0\n\npackages:\n\n  /a@1.0.0:\n    resolution: {integrity: sha512-a}\n    dev: false\n  /top@1.0.0:\n    resolution: {integrity: sha512-t}\n    dependencies:\n      a: 1.0.0\n";
    const FIVE: &str = "lockfileVersion: 5.4\n\nspecifiers:\n  top: ^1.0.0\n\ndependencies:\n  top: 1.0.0\n\npackages:\n\n  /a/1.0.0:\n    resolution: {integrity: sha512-a}\n  /top/1.0.0:\n    resolution: {integrity: sha512-t}\n    dependencies:\n      a: 1.0.0\n";

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let lock = Lock::parse(text).expect("it is a lockfile");
        let graph = &lock.state.graph;
        let shown = |at: usize| match lock.own.get(&at) {
            Some(folder) => folder.clone(),
            None => format!("{} {}", graph.nodes[at].called, graph.nodes[at].version),
        };
        let edges = graph.edges.iter().map(|edge| {
            format!(
                "{} > {} {}",
                shown(edge.from),
                shown(edge.to),
                edge.requirement.as_deref().unwrap_or("?")
            )
        });
        assert_eq!(edges.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn each_format_says_who_got_what() {
        check(
            NINE,
            &[
                ". > top 1.0.0 ^1.0.0",
                "packages/x > b 2.0.0 ^2.0.0",
                "top 1.0.0 > a 1.0.0 ?",
                "top 1.0.0 > b 2.0.0 ?",
                "top 1.0.0 > other 1.0.0 ?",
            ],
        );
        check(SIX, &[". > top 1.0.0 ^1.0.0", "top 1.0.0 > a 1.0.0 ?"]);
        check(FIVE, &[". > top 1.0.0 ^1.0.0", "top 1.0.0 > a 1.0.0 ?"]);
    }

    proptest! {
        #[test]
        fn foreign_text_is_read_or_refused(text in any::<String>(), at in any::<prop::sample::Index>(), end in any::<prop::sample::Index>()) {
            for good in [NINE, SIX, FIVE] {
                let bent = format!("{}{text}{}", &good[..at.index(good.len())], &good[end.index(good.len())..]);
                let _ = (Lock::parse(&bent), Lock::parse(&text));
            }
        }
    }
}
