//! `pnpm-lock.yaml`, formats 5 to 9 (<https://github.com/pnpm/spec/tree/master/lockfile>).

use std::collections::HashMap;

use crate::detector::{Broken, Detector, Inventory, Kind, Neighbours, Scope};
use crate::lockfile::assembly::{Graph, Node};
use crate::lockfile::npmrc;
use crate::text::lines::Lines;
use crate::text::value::{Entry, Value};
use crate::text::yaml::yaml;

/// Reads `pnpm-lock.yaml`.
pub struct PnpmLock;

const LISTS: [(&str, Scope); 3] = [
    ("dependencies", Scope::Normal),
    ("optionalDependencies", Scope::Optional),
    ("devDependencies", Scope::Dev),
];

impl Detector for PnpmLock {
    fn kind(&self) -> &'static Kind {
        &Kind {
            files: &["pnpm-lock.yaml"],
            manifest: Some("package.json"),
            hint: "restore the file from version control, or make a new one with `pnpm install --lockfile-only`",
            is_fixed: false,
        }
    }

    fn neighbours(&self, path: &str, _: &str) -> Vec<String> {
        npmrc::of(path).into_iter().collect()
    }

    fn parse(&self, path: &str, text: &str, _: &Neighbours) -> Result<Inventory, Broken> {
        Ok(graph(text)?.inventory(path))
    }
}

fn graph(text: &str) -> Result<Graph, Broken> {
    let lock = yaml(text)?;
    let Some(format) = lock.text_of("lockfileVersion") else {
        return Err(Broken::at(text, 0, "it does not state the version of its format"));
    };
    let major = format.split('.').next().and_then(|major| major.parse::<u32>().ok());
    let Some(major @ 5..=9) = major else {
        return Err(Broken::at(text, 0, format!("its format, version {format:?}, is not one of 5 to 9")));
    };
    let mut reader =
        Reader { major, graph: Graph::of("npm", text.len()), keys: HashMap::new(), lines: Lines::of(text) };
    reader.read(&lock);
    Ok(reader.graph)
}

struct Reader<'a> {
    major: u32,
    graph: Graph,
    /// The packages by their keys, without what they say of peers.
    keys: HashMap<&'a str, usize>,
    lines: Lines<'a>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, lock: &'a Value<'a>) {
        let packages = lock.entries_of("packages");
        for entry in packages {
            if self.graph.is_full() {
                break;
            }
            let key = bare(self.major, &entry.key);
            if !self.keys.contains_key(key) {
                let node = self.node(key, entry);
                let node = self.graph.add(node);
                self.keys.insert(key, node);
            }
        }
        // From format 9 on, who needs whom stands apart.
        for entry in packages.iter().chain(lock.entries_of("snapshots")) {
            let Some(node) = self.keys.get(bare(self.major, &entry.key)).copied() else { continue };
            for (list, _) in &LISTS[..2] {
                let found = entry.value.entries_of(list).iter().filter_map(|wanted| self.find(wanted));
                let found: Vec<usize> = found.collect();
                self.graph.join(node, found);
            }
        }
        let importers = lock.entries_of("importers").iter().map(|entry| &entry.value);
        for importer in importers.chain([lock]) {
            for (list, scope) in LISTS {
                let found = importer.entries_of(list).iter().filter_map(|wanted| self.find(wanted));
                let found: Vec<(usize, Scope)> = found.map(|node| (node, scope)).collect();
                self.graph.direct.extend(found);
            }
        }
    }

    fn node(&mut self, key: &str, entry: &Entry<'_>) -> Node {
        let (name, version) = name_and_version(self.major, key);
        let resolution = entry.value.get("resolution");
        let of = |name: &str| resolution.and_then(|map| map.text_of(name)).map(str::to_owned);
        let is_address =
            version.contains(['/', ':']) || entry.value.get("name").is_some() || of("repo").is_some();
        let line = self.lines.line_of(entry.offset);
        let (name, version) =
            (entry.value.text_of("name").unwrap_or(name), entry.value.text_of("version").unwrap_or(version));
        let is_dev = entry.value.is_true("dev");
        let is_optional = entry.value.is_true("optional");
        Node {
            registered: !is_address,
            checksum: of("integrity"),
            source: of("tarball").or_else(|| of("repo")),
            scope: match (is_dev, is_optional) {
                (true, _) => Some(Scope::Dev),
                (false, true) => Some(Scope::Optional),
                (false, false) => None,
            },
            ..Node::registered(name, version, line)
        }
    }

    /// The package that a name and a reference mean.
    fn find(&self, wanted: &Entry<'_>) -> Option<usize> {
        let reference = wanted.value.text().or_else(|| wanted.value.text_of("version"))?;
        meant(self.major, &wanted.key, reference).iter().find_map(|key| self.keys.get(key.as_str())).copied()
    }
}

/// The key of a package without the peers that it was put together with: `_` and what follows in format 5, brackets later.
pub fn bare(major: u32, key: &str) -> &str {
    let key = match major {
        5 => {
            let name_end = key.rfind('/').unwrap_or(0);
            let end = key[name_end..].find('_').map_or(key.len(), |at| name_end + at);
            // A peer may have a scope, so its slash is written as `+`; an old one may not.
            let scoped = key.find('_').filter(|at| key[*at..].contains('@')).unwrap_or(key.len());
            &key[..end.min(scoped)]
        }
        _ => key.split('(').next().unwrap_or(key),
    };
    if major < 9 { key.trim_start_matches('/') } else { key }
}

/// Name and version in such a key; the version is empty where it has none.
pub fn name_and_version(major: u32, key: &str) -> (&str, &str) {
    let sign = sign(major);
    let at = key.char_indices().skip(1).filter(|(_, found)| *found == sign).map(|(at, _)| at);
    // A name with a scope has one slash itself; what follows the `@` may be an address.
    let at = if major == 5 { at.last() } else { at.take(1).last() };
    at.map_or((key, ""), |at| (&key[..at], &key[at + 1..]))
}

/// The keys that a name and a reference may mean, the likelier first; none where it is a folder of the repository.
pub fn meant(major: u32, called: &str, reference: &str) -> Vec<String> {
    if reference.starts_with("link:") {
        return Vec::new();
    }
    let named = format!("{called}{}{reference}", sign(major));
    vec![bare(major, &named).to_owned(), bare(major, reference).to_owned()]
}

fn sign(major: u32) -> char {
    if major == 5 { '/' } else { '@' }
}
