//! `package-lock.json` and `npm-shrinkwrap.json`, formats 1 to 3
//! (<https://docs.npmjs.com/cli/configuring-npm/package-lock-json>).

use std::borrow::Cow;

use hashbrown::HashMap;

use crate::detector::{self, Broken, Detector, Inventory, Neighbours, Scope, beside};
use crate::lockfile::assembly::{Graph, MOST_PACKAGES, Node};
use crate::lockfile::npmrc;
use crate::lockfile::package_json::{Named, Wanted, is_registry, scope_of, wanted};
use crate::text::json::json;
use crate::text::lines::Lines;
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
        let lock = json(text)?;
        let mut tree = Tree {
            graph: Graph::of("npm"),
            places: HashMap::new(),
            links: HashMap::new(),
            lines: Lines::of(text),
            inner: String::new(),
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
    places: HashMap<Cow<'a, str>, usize>,
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
        all.map(|(scope, entry)| Named { name: &entry.key, scope })
    }
}

impl<'a> Tree<'a> {
    /// Formats 2 and 3: a flat map by folder.
    fn read_packages(&mut self, lock: &'a Value<'a>) {
        let entries = lock.entries_of("packages");
        self.graph.expect(entries.len());
        self.places.reserve(entries.len().min(MOST_PACKAGES));
        let mut packages = Vec::with_capacity(entries.len());
        for entry in entries {
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
            let node = Node { is_own, ..self.node(name, entry, &said) };
            let node = self.graph.add(node);
            self.places.insert(Cow::Borrowed(place), node);
            packages.push((place, said));
        }
        for (place, said) in packages {
            let Some(node) = self.places.get(place).copied() else { continue };
            self.join(node, place, &said, !place.contains(FOLDER));
        }
    }

    fn node(&mut self, name: &str, entry: &Entry<'_>, said: &Said<'_>) -> Node {
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
            ..Node::registered(name, said.version.unwrap_or_default(), self.lines.line_of(entry.offset))
        }
    }

    /// Format 1: packages lie in each other as they do in `node_modules`.
    fn read_dependencies(&mut self, lock: &'a Value<'a>, mut direct: Vec<Wanted>) {
        let mut wants: Vec<(usize, String, &[Entry<'_>])> = Vec::new();
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
            self.places.insert(Cow::Owned(place.clone()), node);
            wants.push((node, place.clone(), entry.value.entries_of("requires")));
            let inner = entry.value.entries_of("dependencies").iter().rev();
            open.extend(inner.map(|inner| (place.clone(), inner)));
        }
        for (node, place, needs) in wants {
            for needed in needs {
                let found = self.find(&place, &needed.key);
                self.graph.join(node, found);
            }
        }
        direct.retain(|wanted| wanted.scope != Scope::Peer);
        for wanted in direct {
            let found = self.find("", &wanted.name);
            self.graph.direct.extend(found.map(|node| (node, wanted.scope)));
        }
    }

    /// The version may be an address, or another package's name and version.
    fn old_node(&mut self, entry: &'a Entry<'a>) -> Node {
        let said = Said::of(&entry.value);
        let version = said.version.unwrap_or_default().to_owned();
        if let Some((name, version)) = version.strip_prefix("npm:").and_then(|alias| alias.rsplit_once('@')) {
            return Node { version: version.to_owned(), ..self.node(name, entry, &said) };
        }
        let node = self.node(&entry.key, entry, &said);
        if version.contains(['/', ':']) {
            let unknown = Some(format!("it comes from {version:?}, so its version is not known"));
            return Node { registered: false, source: Some(version), unknown, ..node };
        }
        node
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
