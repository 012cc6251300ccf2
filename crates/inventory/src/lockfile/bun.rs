//! `bun.lock`, the text format (<https://bun.com/docs/pm/lockfile>). The binary `bun.lockb` is not read.

use std::collections::HashMap;

use crate::detector::{Broken, Detector, Inventory, Kind, Neighbours, Scope};
use crate::lockfile::assembly::{Graph, Node};
use crate::lockfile::npmrc;
use crate::lockfile::package_json::{name_and_rest, wanted_by};
use crate::text::json::jsonc;
use crate::text::lines::Lines;

/// Reads `bun.lock`.
pub struct BunLock;

impl Detector for BunLock {
    fn kind(&self) -> &'static Kind {
        &Kind {
            files: &["bun.lock"],
            manifest: Some("package.json"),
            hint: "restore the file from version control, or make a new one with `bun install --lockfile-only`",
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
    let lock = jsonc(text)?;
    if lock.get("lockfileVersion").is_none() {
        return Err(Broken::at(text, lock.offset, "it does not state the version of its format"));
    }
    let mut graph = Graph::of("npm", text.len());
    let (mut places, mut lines) = (HashMap::new(), Lines::of(text));
    for entry in lock.entries_of("packages") {
        if graph.is_full() {
            break;
        }
        let items = entry.value.items();
        let resolved = items.first().and_then(|item| item.text()).unwrap_or_default();
        let (name, version) = name_and_rest(resolved);
        let line = lines.line_of(entry.offset);
        let is_address = version.contains([':', '/', '#']);
        let is_own = version.starts_with("workspace:");
        let node = graph.add(Node {
            is_own,
            version: if is_own { String::new() } else { version.to_owned() },
            registered: !is_address,
            // The second item is the registry, and empty for the usual one.
            source: match is_address {
                true => Some(version.to_owned()),
                false => items.get(1).and_then(|item| item.text()).map(str::to_owned),
            },
            unknown: (is_address && !is_own)
                .then(|| format!("it comes from {version:?}, so its version is not known")),
            checksum: items
                .last()
                .and_then(|item| item.text())
                .filter(|_| items.len() > 2)
                .map(str::to_owned),
            ..Node::registered(name, version, line)
        });
        places.insert(entry.key.as_ref(), node);
    }
    for (node, entry) in lock.entries_of("packages").iter().enumerate() {
        let Some(about) = entry.value.items().iter().find(|item| !item.entries().is_empty()) else {
            continue;
        };
        let wanted = wanted_by(about).filter(|wanted| wanted.scope != Scope::Dev);
        graph.join(node, wanted.filter_map(|wanted| find(&places, &entry.key, wanted.name)));
    }
    for workspace in lock.entries_of("workspaces") {
        let name = workspace.value.text_of("name").unwrap_or_default();
        for wanted in wanted_by(&workspace.value) {
            let found = find(&places, name, wanted.name);
            graph.direct.extend(found.map(|node| (node, wanted.scope)));
        }
    }
    Ok(graph)
}

/// The nearest package of this name: `a/b/name`, then `a/name`, then `name`.
fn find(places: &HashMap<&str, usize>, place: &str, name: &str) -> Option<usize> {
    let mut above = if place.len() > 4096 { "" } else { place };
    loop {
        if above.is_empty() {
            return places.get(name).copied();
        }
        if let Some(node) = places.get(format!("{above}/{name}").as_str()) {
            return Some(*node);
        }
        let shorter = above.rfind('/').map_or("", |at| &above[..at]);
        // A scope alone is no package.
        let last = shorter.rsplit('/').next().unwrap_or_default();
        above = if last.starts_with('@') {
            shorter[..shorter.len() - last.len()].trim_end_matches('/')
        } else {
            shorter
        };
    }
}
