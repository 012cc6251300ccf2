//! `package-lock.json` and `npm-shrinkwrap.json`, formats 1 to 3
//! (<https://docs.npmjs.com/cli/configuring-npm/package-lock-json>).

use std::collections::HashMap;

use crate::detector::{Broken, Detector, Inventory, Kind, Neighbours, Scope, beside};
use crate::lockfile::assembly::{Graph, Node};
use crate::lockfile::npmrc;
use crate::lockfile::package_json::{Wanted, is_registry, wanted, wanted_by};
use crate::text::json::json;
use crate::text::lines::Lines;
use crate::text::value::{Entry, Value};

/// Reads the lockfiles of npm.
pub struct PackageLock;

const FOLDER: &str = "node_modules/";
/// A longer path is no folder that can be installed into.
const LONGEST_PLACE: usize = 4096;

impl Detector for PackageLock {
    fn kind(&self) -> &'static Kind {
        &Kind {
            files: &["package-lock.json", "npm-shrinkwrap.json"],
            manifest: Some("package.json"),
            hint: "restore the file from version control, or make a new one with `npm install --package-lock-only`",
            is_fixed: false,
        }
    }

    fn neighbours(&self, path: &str, text: &str) -> Vec<String> {
        // Only format 1 doesn't repeat what the manifest says.
        let is_old = path.ends_with(".json") && !text.contains("\"packages\"");
        let manifest = (is_old && !path.ends_with("package.json")).then(|| beside(path, "package.json"));
        manifest.flatten().into_iter().chain(npmrc::of(path)).collect()
    }

    fn parse(&self, path: &str, text: &str, neighbours: &Neighbours) -> Result<Inventory, Broken> {
        let lock = json(text)?;
        let mut tree = Tree {
            graph: Graph::of("npm"),
            places: HashMap::new(),
            links: HashMap::new(),
            lines: Lines::of(text),
        };
        if lock.get("packages").is_some() {
            tree.read_packages(&lock);
        } else if lock.get("dependencies").is_some() || lock.get("lockfileVersion").is_some() {
            let manifest = beside(path, "package.json").and_then(|manifest| neighbours.get(&manifest));
            tree.read_dependencies(&lock, manifest.map(|text| wanted(text)).unwrap_or_default());
        } else {
            return Err(Broken::at(text, lock.offset, "it has neither packages nor a version of its format"));
        }
        Ok(tree.graph.inventory(path))
    }
}

struct Tree<'a> {
    graph: Graph,
    /// The packages by the folder that they are installed in, which is empty for the root.
    places: HashMap<String, usize>,
    /// From a folder in `node_modules` to the one in the repository that it stands for.
    links: HashMap<String, String>,
    lines: Lines<'a>,
}

impl Tree<'_> {
    /// Formats 2 and 3: a flat map by folder.
    fn read_packages(&mut self, lock: &Value<'_>) {
        let entries = lock.entries_of("packages");
        for entry in entries {
            let (place, value) = (entry.key.as_ref(), &entry.value);
            if value.is_true("link") {
                self.links.insert(place.to_owned(), value.text_of("resolved").unwrap_or_default().to_owned());
                continue;
            }
            let is_own = !place.contains(FOLDER);
            let folder = place.rsplit_once(FOLDER).map_or(place, |(_, name)| name);
            let name = value.text_of("name").unwrap_or(folder);
            let name = if place.is_empty() && name.is_empty() {
                lock.text_of("name").unwrap_or("(root)")
            } else {
                name
            };
            let node = Node { is_own, ..self.node(name, entry) };
            let node = self.graph.add(node);
            self.places.insert(place.to_owned(), node);
        }
        for entry in entries {
            let Some(node) = self.places.get(entry.key.as_ref()).copied() else { continue };
            self.join(node, &entry.key, &wanted_by(&entry.value), !entry.key.contains(FOLDER));
        }
    }

    fn node(&mut self, name: &str, entry: &Entry<'_>) -> Node {
        let value = &entry.value;
        let version = value.text_of("version").unwrap_or_default();
        let scope = match () {
            () if value.is_true("dev") => Scope::Dev,
            () if value.is_true("optional") || value.is_true("devOptional") => Scope::Optional,
            () if value.is_true("peer") => Scope::Peer,
            () => Scope::Normal,
        };
        let source = value.text_of("resolved").map(str::to_owned);
        Node {
            registered: source.as_deref().is_none_or(is_registry),
            scope: Some(scope),
            checksum: value.text_of("integrity").map(str::to_owned),
            source,
            ..Node::registered(name, version, self.lines.line_of(entry.offset))
        }
    }

    /// Format 1: packages lie in each other as they do in `node_modules`.
    fn read_dependencies(&mut self, lock: &Value<'_>, mut direct: Vec<Wanted>) {
        let mut wants: Vec<(usize, String, Vec<String>)> = Vec::new();
        let mut open: Vec<(String, &Entry<'_>)> =
            lock.entries_of("dependencies").iter().rev().map(|entry| (String::new(), entry)).collect();
        while let Some((above, entry)) = open.pop() {
            let place = match above.is_empty() {
                true => format!("{FOLDER}{}", entry.key),
                false => format!("{above}/{FOLDER}{}", entry.key),
            };
            if place.len() > LONGEST_PLACE {
                continue;
            }
            let node = self.old_node(entry);
            let node = self.graph.add(node);
            self.places.insert(place.clone(), node);
            let needs = entry.value.entries_of("requires").iter().map(|entry| entry.key.clone().into_owned());
            wants.push((node, place.clone(), needs.collect()));
            let inner = entry.value.entries_of("dependencies").iter().rev();
            open.extend(inner.map(|inner| (place.clone(), inner)));
        }
        for (node, place, needs) in wants {
            let found: Vec<usize> = needs.iter().filter_map(|name| self.find(&place, name)).collect();
            self.graph.edges[node].extend(found);
        }
        direct.retain(|wanted| wanted.scope != Scope::Peer);
        for wanted in direct {
            self.graph.direct.extend(self.find("", &wanted.name).map(|node| (node, wanted.scope)));
        }
    }

    /// The version may be an address, or another package's name and version.
    fn old_node(&mut self, entry: &Entry<'_>) -> Node {
        let version = entry.value.text_of("version").unwrap_or_default().to_owned();
        if let Some((name, version)) = version.strip_prefix("npm:").and_then(|alias| alias.rsplit_once('@')) {
            return Node { version: version.to_owned(), ..self.node(name, entry) };
        }
        let node = self.node(&entry.key, entry);
        if version.contains(['/', ':']) {
            let unknown = Some(format!("it comes from {version:?}, so its version is not known"));
            return Node { registered: false, source: Some(version), unknown, ..node };
        }
        node
    }

    fn join(&mut self, node: usize, place: &str, wanted: &[Wanted], is_own: bool) {
        for wanted in wanted {
            let Some(found) = self.find(place, &wanted.name) else { continue };
            self.graph.edges[node].push(found);
            if is_own {
                self.graph.direct.push((found, wanted.scope));
            }
        }
    }

    /// As Node looks for it: in the package's own folder, then in each above.
    fn find(&self, place: &str, name: &str) -> Option<usize> {
        let mut above = Some(place).filter(|place| place.len() + name.len() <= LONGEST_PLACE);
        while let Some(folder) = above {
            let inner = match folder.is_empty() {
                true => format!("{FOLDER}{name}"),
                false => format!("{folder}/{FOLDER}{name}"),
            };
            let target = self.links.get(&inner).unwrap_or(&inner);
            if let Some(node) = self.places.get(target) {
                return Some(*node);
            }
            above = match folder.rfind(FOLDER) {
                Some(at) => Some(folder[..at].trim_end_matches('/')),
                // From a workspace's folder on, its parents count; few of those have packages, so the root is next.
                None if !folder.is_empty() => Some(""),
                None => None,
            };
        }
        None
    }
}
