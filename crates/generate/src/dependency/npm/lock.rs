//! `package-lock.json`, formats 2 and 3, as a graph, and copies in it put to other versions.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::dependency::graph::{Graph, Node};
use crate::dependency::node::rules::Copy;

const FOLDER: &str = "node_modules/";
const MOST_ENTRIES: usize = 100_000;

/// A lockfile.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    pub(crate) document: Map<String, Value>,
    /// Its format.
    pub(crate) version: u64,
}

/// The graph with the place of each node.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) graph: Graph,
    pub(crate) places: Vec<String>,
}

impl Lock {
    /// Why not, in a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let document: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| format!("could not read the lockfile: {error}"))?;
        let version = document.get("lockfileVersion").and_then(Value::as_u64).unwrap_or(1);
        Ok(Self { document, version })
    }

    fn entries(&self) -> Option<&Map<String, Value>> {
        self.document.get("packages").and_then(Value::as_object)
    }

    /// Whether it names an address for any package.
    pub(crate) fn says_where(&self) -> bool {
        let entries = self.entries().into_iter().flatten().map(|(_, entry)| entry);
        let mut addresses = entries.filter_map(|entry| entry.get("resolved")).filter_map(Value::as_str);
        self.version == 1 || addresses.any(|address| address.starts_with("http"))
    }

    /// Everything that is installed, by its place.
    pub(crate) fn installed(&self) -> BTreeMap<String, Copy> {
        let mut found = BTreeMap::new();
        let Some(entries) = self.entries() else {
            nested(&self.document, "", &mut found);
            return found;
        };
        for (place, entry) in entries {
            let Some((_, called)) = place.rsplit_once(FOLDER) else { continue };
            let name = entry.get("name").and_then(Value::as_str).unwrap_or(called);
            found.extend(copy(name, entry).map(|copy| (place.clone(), copy)));
        }
        found
    }

    /// Why not, in a sentence.
    pub(crate) fn placed(&self) -> Result<Placed, String> {
        let Some(entries) = self.entries() else { return Err("the lockfile has no `packages`".to_owned()) };
        if entries.len() > MOST_ENTRIES {
            return Err(format!("the lockfile has more than {MOST_ENTRIES} packages"));
        }
        let mut builder =
            Builder { entries, graph: Graph::default(), at: BTreeMap::new(), places: Vec::new() };
        // A folder comes before what lies in it.
        let mut order: Vec<&str> = entries.keys().map(String::as_str).collect();
        order.sort_by_key(|place| (place.matches(FOLDER).count(), place.len(), *place));
        order.into_iter().for_each(|place| builder.add(place));
        builder.connect();
        Ok(Placed { graph: builder.graph, places: builder.places })
    }

    /// Puts a copy to another version: what the registry says of it replaces what stood there. What depends on its place
    /// stays.
    pub(crate) fn put(&mut self, place: &str, manifest: &Map<String, Value>) {
        let packages = self.document.get_mut("packages").and_then(Value::as_object_mut);
        let Some(Value::Object(old)) = packages.and_then(|packages| packages.get_mut(place)) else { return };
        let mut new = Map::new();
        for key in ["name", "dev", "optional", "devOptional", "peer"] {
            if let Some(value) = old.get(key) {
                new.insert(key.to_owned(), value.clone());
            }
        }
        for key in COPIED {
            if let Some(value) = manifest.get(key).filter(|value| !is_empty(value)) {
                new.insert(key.to_owned(), value.clone());
            }
        }
        let dist = |key: &str| manifest.get("dist").and_then(|dist| dist.get(key)).cloned();
        if let Some(integrity) = dist("integrity") {
            new.insert("integrity".to_owned(), integrity);
        }
        // Some leave the address out, so that the file does not name a mirror.
        if let (true, Some(tarball)) = (old.contains_key("resolved"), dist("tarball")) {
            new.insert("resolved".to_owned(), tarball);
        }
        *old = new;
    }

    /// Whether anything came with the copy at this place.
    pub(crate) fn bundles(&self, place: &str) -> bool {
        let within = format!("{place}/");
        let mut entries = self.entries().into_iter().flatten();
        entries.any(|(other, entry)| other.starts_with(&within) && entry.get("inBundle").is_some())
    }

    /// Takes a copy out with all that lies within it: npm looks for it anew, and unpacks what comes within what it finds.
    pub(crate) fn take_out(&mut self, place: &str) {
        if let Some(packages) = self.document.get_mut("packages").and_then(Value::as_object_mut) {
            let within = format!("{place}/");
            packages.retain(|other, _| other != place && !other.starts_with(&within));
        }
    }

    pub(crate) fn text(&self) -> String {
        serde_json::to_string_pretty(&self.document).expect("a document has text keys only") + "\n"
    }
}

/// What npm copies from a package's manifest into the lockfile.
const COPIED: [&str; 14] = [
    "version",
    "license",
    "hasInstallScript",
    "bin",
    "bundleDependencies",
    "dependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "engines",
    "os",
    "cpu",
    "funding",
    "deprecated",
];

fn copy(name: &str, entry: &Value) -> Option<Copy> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    let bundled = ["inBundle", "bundled"].iter().any(|key| entry.get(key) == Some(&Value::Bool(true)));
    Some(Copy { name: name.to_owned(), version: text("version")?, integrity: text("integrity"), bundled })
}

/// What format 1 has in each other instead of beside each other; no deeper than JSON is read.
fn nested(entry: &Map<String, Value>, around: &str, found: &mut BTreeMap<String, Copy>) {
    let within = entry.get("dependencies").and_then(Value::as_object);
    for (called, entry) in within.into_iter().flatten() {
        let place = format!("{around}{FOLDER}{called}");
        found.extend(copy(called, entry).map(|copy| (place.clone(), copy)));
        if let Some(entry) = entry.as_object() {
            nested(entry, &format!("{place}/"), found);
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Null | Value::Bool(false) => true,
        _ => false,
    }
}

struct Builder<'a> {
    entries: &'a Map<String, Value>,
    graph: Graph,
    at: BTreeMap<&'a str, usize>,
    places: Vec<String>,
}

impl<'a> Builder<'a> {
    fn add(&mut self, place: &'a str) {
        let entry = &self.entries[place];
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        let is = |key: &str| entry.get(key).and_then(Value::as_bool) == Some(true);
        let (folder, called) = match place.rsplit_once(FOLDER) {
            Some((folder, called)) => (Some(folder.trim_end_matches('/')), called),
            None => (None, place),
        };
        let source = text("resolved").unwrap_or_default();
        let from_registry =
            source.is_empty() || source.starts_with("http://") || source.starts_with("https://");
        let node = Node {
            name: text("name").filter(|_| folder.is_some()).unwrap_or(called).to_owned(),
            called: called.to_owned(),
            version: text("version").unwrap_or_default().to_owned(),
            own: folder.is_none(),
            movable: folder.is_some() && from_registry && !is("link") && !is("inBundle"),
            bundled: is("inBundle"),
            // A folder of the repository lies within none; what it asks for and does not hold, the top holds.
            within: match folder {
                Some(folder) => self.at.get(folder).copied(),
                None if place.is_empty() => None,
                None => self.at.get("").copied(),
            },
        };
        let at = self.graph.add(node);
        self.at.insert(place, at);
        self.places.push(place.to_owned());
    }

    fn connect(&mut self) {
        for (place, entry) in self.entries {
            let from = self.at[place.as_str()];
            let kinds = ["dependencies", "optionalDependencies", "peerDependencies", "devDependencies"];
            // What a package needs for its own development is installed for the repository's own alone.
            let kinds = if self.graph.nodes[from].own { &kinds[..] } else { &kinds[..3] };
            for required in kinds.iter().filter_map(|kind| entry.get(*kind)).filter_map(Value::as_object) {
                for (called, range) in required {
                    if let (Some(range), Some(to)) = (range.as_str(), self.graph.visible(from, called)) {
                        self.graph.connect(from, to, range);
                    }
                }
            }
            let is_link = entry.get("link").and_then(Value::as_bool) == Some(true);
            let target = entry.get("resolved").and_then(Value::as_str).filter(|_| is_link);
            if let Some(to) = target.and_then(|target| self.at.get(target)) {
                self.graph.connect(from, *to, "*");
            }
        }
    }
}
