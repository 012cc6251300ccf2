//! `package-lock.json` and `npm-shrinkwrap.json`, formats 1 to 3
//! (<https://docs.npmjs.com/cli/configuring-npm/package-lock-json>).

use hashbrown::HashMap;

use crate::detector::{self, Broken, Detector, Inventory, Neighbours, Scope, beside};
use crate::lockfile::assembly::{Graph, Node};
use crate::lockfile::npmrc;
use crate::lockfile::package_json::{Named, is_registry, scope_of, wanted_by};
use crate::text::json::json;
use crate::text::lines::Lines;
use crate::text::pile::push;
use crate::text::value::{Entry, Kind, Value};

/// Reads the lockfiles of npm.
pub struct PackageLock;

const FOLDER: &str = "node_modules/";
/// A longer path is no folder that can be installed into.
const LONGEST_PLACE: usize = 4096;

impl Detector for PackageLock {
    fn kind(&self) -> &'static detector::Kind {
        &detector::Kind {
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
        let manifest = beside(path, "package.json").and_then(|manifest| neighbours.get(&manifest));
        Ok(graph(text, manifest.map(String::as_str))?.inventory(path))
    }
}

/// What the text says. The values that it is read into are gone before the inventory is made.
fn graph(text: &str, manifest: Option<&str>) -> Result<Graph, Broken> {
    let lock = json(text)?;
    let (graph, lines) = (Graph::of("npm", text.len()), Lines::of(text));
    if lock.get("packages").is_some() {
        let (places, links) = (HashMap::new(), HashMap::new());
        let mut tree = Tree { graph, places, links, lines, inner: String::new() };
        tree.read_packages(&lock);
        Ok(tree.graph)
    } else if lock.get("dependencies").is_some() || lock.get("lockfileVersion").is_some() {
        let mut tree = OldTree { graph, places: HashMap::new(), folders: Vec::new(), lines };
        tree.read_dependencies(&lock);
        if let Some(manifest) = manifest.and_then(|manifest| json(manifest).ok()) {
            tree.read_manifest(&manifest);
        }
        Ok(tree.graph)
    } else {
        Err(Broken::at(text, lock.offset, "it has neither packages nor a version of its format"))
    }
}

/// The package of an entry.
fn node(name: &str, entry: &Entry<'_>, said: &Said<'_>, lines: &mut Lines<'_>) -> Node {
    let scope = match () {
        () if said.is_dev => Scope::Dev,
        () if said.is_optional || said.is_dev_optional => Scope::Optional,
        () if said.is_peer => Scope::Peer,
        () => Scope::Normal,
    };
    let source = said.resolved.map(str::to_owned);
    Node {
        registered: source.as_deref().is_none_or(is_registry),
        scope: Some(scope),
        checksum: said.integrity.map(str::to_owned),
        source,
        ..Node::registered(name, said.version.unwrap_or_default(), lines.line_of(entry.offset))
    }
}

/// Formats 2 and 3.
struct Tree<'a> {
    graph: Graph,
    /// The packages by the folder that they are installed in, which is empty for the root.
    places: HashMap<&'a str, usize>,
    /// From a folder in `node_modules` to the one in the repository that it stands for.
    links: HashMap<&'a str, &'a str>,
    lines: Lines<'a>,
    /// The folder that is looked for, kept for the next.
    inner: String,
}

/// What an entry says of its package, the last where it says something twice.
struct Said<'a> {
    name: Option<&'a str>,
    version: Option<&'a str>,
    resolved: Option<&'a str>,
    integrity: Option<&'a str>,
    is_link: bool,
    is_dev: bool,
    is_optional: bool,
    is_dev_optional: bool,
    is_peer: bool,
    needs: [(Scope, &'a [Entry<'a>]); 4],
}

impl<'a> Said<'a> {
    fn of(value: &'a Value<'a>) -> Self {
        let mut said = Self {
            name: None,
            version: None,
            resolved: None,
            integrity: None,
            is_link: false,
            is_dev: false,
            is_optional: false,
            is_dev_optional: false,
            is_peer: false,
            needs: [(Scope::Normal, &[]); 4],
        };
        let mut lists = 0;
        for entry in value.entries() {
            let (text, is_true) = (entry.value.text(), entry.value.kind == Kind::Bool(true));
            match &*entry.key {
                "name" => said.name = text,
                "version" => said.version = text,
                "resolved" => said.resolved = text,
                "integrity" => said.integrity = text,
                "link" => said.is_link = is_true,
                "dev" => said.is_dev = is_true,
                "optional" => said.is_optional = is_true,
                "devOptional" => said.is_dev_optional = is_true,
                "peer" => said.is_peer = is_true,
                key => {
                    let Some(scope) = scope_of(key) else { continue };
                    let known = said.needs[..lists].iter().position(|(known, _)| *known == scope);
                    said.needs[known.unwrap_or(lists)] = (scope, entry.value.entries());
                    lists += usize::from(known.is_none());
                }
            }
        }
        said
    }

    fn needs(&self) -> impl Iterator<Item = Named<'a>> {
        let all = self.needs.iter().flat_map(|(scope, list)| list.iter().map(move |entry| (*scope, entry)));
        all.map(|(scope, entry)| Named {
            name: &entry.key,
            range: entry.value.text().unwrap_or_default(),
            scope,
        })
    }
}

impl<'a> Tree<'a> {
    /// A flat map by folder.
    fn read_packages(&mut self, lock: &'a Value<'a>) {
        let entries = lock.entries_of("packages");
        self.graph.expect(entries.len());
        self.places.reserve(self.graph.nodes.capacity());
        for entry in entries {
            if self.graph.is_full() {
                break;
            }
            let (place, said) = (entry.key.as_ref(), Said::of(&entry.value));
            if said.is_link {
                self.links.insert(place, said.resolved.unwrap_or_default());
                continue;
            }
            let is_own = !place.contains(FOLDER);
            let folder = place.rsplit_once(FOLDER).map_or(place, |(_, name)| name);
            let name = said.name.unwrap_or(folder);
            let name = if place.is_empty() && name.is_empty() {
                lock.text_of("name").unwrap_or("(root)")
            } else {
                name
            };
            let node = Node { is_own, ..node(name, entry, &said, &mut self.lines) };
            let node = self.graph.add(node);
            self.places.insert(place, node);
        }
        for entry in entries {
            let (place, said) = (entry.key.as_ref(), Said::of(&entry.value));
            let Some(node) = self.places.get(place).copied().filter(|_| !said.is_link) else { continue };
            self.join(node, place, &said, !place.contains(FOLDER));
        }
    }

    fn join(&mut self, node: usize, place: &str, said: &Said<'_>, is_own: bool) {
        for needed in said.needs() {
            let Some(found) = self.find(place, needed.name) else { continue };
            self.graph.join(node, [found]);
            if is_own {
                self.graph.direct.push((found, needed.scope));
            }
        }
    }

    /// As Node looks for it: in the package's own folder, then in each above.
    fn find(&mut self, place: &str, name: &str) -> Option<usize> {
        let Self { places, links, inner, .. } = self;
        let mut above = Some(place).filter(|place| place.len() + name.len() <= LONGEST_PLACE);
        while let Some(folder) = above {
            inner.clear();
            inner.push_str(folder);
            inner.push_str(if folder.is_empty() { "" } else { "/" });
            inner.push_str(FOLDER);
            inner.push_str(name);
            let target = links.get(inner.as_str()).copied().unwrap_or(inner);
            if let Some(node) = places.get(target) {
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

/// Format 1.
struct OldTree<'a> {
    graph: Graph,
    /// The packages by the folder whose `node_modules` they lie in, by its number, and by name.
    places: HashMap<(usize, &'a str), usize>,
    folders: Vec<Folder<'a>>,
    lines: Lines<'a>,
}

/// The number of the repository's own folder.
const TOP: usize = usize::MAX;

/// Where a package is installed. The whole path would be longer than all that the file says of the package.
struct Folder<'a> {
    node: usize,
    above: usize,
    /// Of its whole path.
    length: usize,
    needs: &'a [Entry<'a>],
}

impl<'a> OldTree<'a> {
    /// Packages lie in each other as they do in `node_modules`.
    fn read_dependencies(&mut self, lock: &'a Value<'a>) {
        let list = lock.entries_of("dependencies");
        let mut open: Vec<(usize, &'a Entry<'a>)> = Vec::with_capacity(list.len());
        open.extend(list.iter().rev().map(|entry| (TOP, entry)));
        while let Some((above, entry)) = open.pop() {
            let length = match self.folders.get(above) {
                Some(above) => above.length + 1 + FOLDER.len() + entry.key.len(),
                None => FOLDER.len() + entry.key.len(),
            };
            if length > LONGEST_PLACE {
                continue;
            }
            if self.graph.is_full() {
                break;
            }
            let node = old_node(entry, &mut self.lines);
            let node = self.graph.add(node);
            self.places.insert((above, &entry.key), node);
            let folder = self.folders.len();
            push(
                &mut self.folders,
                Folder { node, above, length, needs: entry.value.entries_of("requires") },
            );
            open.extend(entry.value.entries_of("dependencies").iter().rev().map(|inner| (folder, inner)));
        }
        for number in 0..self.folders.len() {
            let Folder { node, needs, .. } = self.folders[number];
            for needed in needs {
                let found = self.find(number, &needed.key);
                self.graph.join(node, found);
            }
        }
    }

    /// What the repository's own code needs.
    fn read_manifest(&mut self, manifest: &Value<'_>) {
        for wanted in wanted_by(manifest).filter(|wanted| wanted.scope != Scope::Peer) {
            let found = self.places.get(&(TOP, wanted.name)).copied();
            self.graph.direct.extend(found.map(|node| (node, wanted.scope)));
        }
    }

    /// As Node looks for it: in the package's own folder, then in each above.
    fn find(&self, folder: usize, name: &str) -> Option<usize> {
        if self.folders[folder].length + name.len() > LONGEST_PLACE {
            return None;
        }
        let mut at = folder;
        loop {
            match (self.places.get(&(at, name)), self.folders.get(at)) {
                (Some(node), _) => return Some(*node),
                (None, Some(folder)) => at = folder.above,
                (None, None) => return None,
            }
        }
    }
}

/// The version may be an address, or another package's name and version.
fn old_node<'a>(entry: &'a Entry<'a>, lines: &mut Lines<'_>) -> Node {
    let said = Said::of(&entry.value);
    let version = said.version.unwrap_or_default();
    if let Some((name, version)) = version.strip_prefix("npm:").and_then(|alias| alias.rsplit_once('@')) {
        return Node { version: version.to_owned(), ..node(name, entry, &said, lines) };
    }
    let node = node(&entry.key, entry, &said, lines);
    if version.contains(['/', ':']) {
        let unknown = Some(format!("it comes from {version:?}, so its version is not known"));
        return Node { registered: false, source: Some(version.to_owned()), unknown, ..node };
    }
    node
}
