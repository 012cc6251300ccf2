//! A lockfile of either yarn as a graph: each range that somebody asks for is a choice of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::dependency::graph::{Layout, Node};
use crate::dependency::node::range::{admits, parsed};
use crate::dependency::node::rules::{Copy, State};

const MOST_EDGES: usize = 2_000_000;

/// What somebody asks for: the name that it is called by, and the range.
pub(crate) type Ask = (String, String);

/// One entry of a lockfile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    /// What it answers.
    pub(crate) heads: Vec<Ask>,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) integrity: Option<String>,
    /// Where it comes from, as the lockfile has it.
    pub(crate) source: String,
    pub(crate) from_registry: bool,
    pub(crate) asks: Vec<Ask>,
    /// The folder of a package of the repository itself.
    pub(crate) own: Option<String>,
    /// Where it stands.
    pub(crate) place: Range<usize>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Lock {
    pub(crate) entries: Vec<Entry>,
    pub(crate) state: State,
    pub(crate) answered: BTreeMap<Ask, usize>,
    /// The folders of the repository's own packages, by their nodes.
    pub(crate) own: BTreeMap<usize, String>,
    /// Choices that a resolution of the project made, with its key.
    pub(crate) resolved: BTreeMap<usize, BTreeSet<String>>,
}

impl Lock {
    /// `manifests` are the repository's own packages where the lockfile does not have them: folder and what they ask for.
    /// `resolutions` are the project's own.
    pub(crate) fn of(
        entries: Vec<Entry>,
        manifests: Vec<(String, Vec<Ask>)>,
        resolutions: &[(String, String)],
    ) -> Result<Self, String> {
        let mut lock = Self { entries, ..Self::default() };
        lock.state.graph.layout = Layout::Store;
        let mut holders: Vec<(Vec<usize>, Vec<Ask>)> = Vec::new();
        for entry in &lock.entries {
            let mut nodes = Vec::new();
            if let Some(folder) = &entry.own {
                let node = Node { name: entry.name.clone(), own: true, ..Node::default() };
                let at = lock.state.graph.add(node);
                lock.own.insert(at, folder.clone());
                nodes.push(at);
            } else {
                for (called, range) in &entry.heads {
                    let at = lock.state.graph.add(Node {
                        name: entry.name.clone(),
                        called: called.clone(),
                        version: entry.version.clone(),
                        own: false,
                        movable: entry.from_registry && parsed(&entry.version).is_some(),
                        bundled: false,
                        within: None,
                    });
                    lock.answered.insert((called.clone(), range.clone()), at);
                    nodes.push(at);
                }
                let key = format!(
                    "{}@{} {}",
                    entry.name,
                    entry.version,
                    if entry.from_registry { "" } else { &entry.source }
                );
                let copy = Copy {
                    name: entry.name.clone(),
                    version: entry.version.clone(),
                    integrity: entry.integrity.clone(),
                    bundled: false,
                };
                lock.state.copies.insert(key.trim_end().to_owned(), copy);
            }
            holders.push((nodes, entry.asks.clone()));
        }
        for (folder, asks) in manifests {
            let at = lock.state.graph.add(Node { name: folder.clone(), own: true, ..Node::default() });
            lock.own.insert(at, folder);
            holders.push((vec![at], asks));
        }
        for (nodes, asks) in holders {
            if lock.state.graph.edges.len() + nodes.len() * asks.len() > MOST_EDGES {
                return Err(format!("`yarn.lock` connects its packages more than {MOST_EDGES} times"));
            }
            for ask in asks {
                let Some(to) = lock.answer(&ask, resolutions) else { continue };
                // A resolution takes no notice of the range.
                let range = if lock.is_resolved(to, &ask, resolutions) { "*" } else { &ask.1 };
                nodes.iter().for_each(|from| lock.state.graph.connect(*from, to, range));
            }
        }
        Ok(lock)
    }

    /// Whether a resolution of the project, and not the range, says which version this gets: yarn 1 lists the range beside the
    /// others of the entry all the same.
    fn is_resolved(&mut self, node: usize, ask: &Ask, resolutions: &[(String, String)]) -> bool {
        let version = self.state.graph.nodes[node].version.clone();
        let of_this = resolutions.iter().filter(|(key, _)| target(key) == ask.0);
        let for_it =
            of_this.filter(|(_, value)| admits(value.strip_prefix("npm:").unwrap_or(value), &version));
        let keys: BTreeSet<String> = for_it
            .filter(|(key, _)| key.trim_start_matches("**/") == ask.0 || !admits(&ask.1, &version))
            .map(|(key, _)| key.clone())
            .collect();
        if keys.is_empty() {
            return false;
        }
        self.resolved.entry(node).or_default().extend(keys);
        true
    }

    /// The choice that answers, be it by a resolution of the project.
    fn answer(&mut self, ask: &Ask, resolutions: &[(String, String)]) -> Option<usize> {
        if let Some(found) = self.answered.get(ask) {
            return Some(*found);
        }
        for (key, value) in resolutions.iter().filter(|(key, _)| target(key) == ask.0) {
            let range = value.strip_prefix("npm:").unwrap_or(value).to_owned();
            if let Some(found) = self.answered.get(&(ask.0.clone(), range)).copied() {
                self.resolved.entry(found).or_default().insert(key.clone());
                return Some(found);
            }
        }
        None
    }
}

/// The package that the key of a resolution speaks of: `a` in `**/a`, `b/a`, `a@npm:^1.0.0` and `@s/b/@t/a`.
pub(crate) fn target(key: &str) -> &str {
    let end = key.char_indices().skip(1).find(|(at, sign)| *sign == '@' && !key[..*at].ends_with('/'));
    let key = end.map_or(key, |(at, _)| &key[..at]);
    let Some(last) = key.rfind('/') else { return key };
    let before = &key[..last];
    let scope = before.rfind('/').map_or(0, |at| at + 1);
    if before[scope..].starts_with('@') { &key[scope..] } else { &key[last + 1..] }
}

#[cfg(test)]
mod tests {
    use super::{Ask, Entry, Lock, target};

    #[test]
    fn what_a_resolution_chose_is_bound_by_no_range() {
        let ask = |range: &str| -> Ask { ("a".to_owned(), range.to_owned()) };
        let check = |key: &str, range: &str, then: (&str, bool)| {
            let entry = Entry {
                heads: vec![ask(range)],
                name: "a".to_owned(),
                version: "1.2.0".to_owned(),
                from_registry: true,
                ..Entry::default()
            };
            let own = vec![(".".to_owned(), vec![ask(range)])];
            let lock = Lock::of(vec![entry], own, &[(key.to_owned(), "1.2.0".to_owned())]).unwrap();
            let edge = &lock.state.graph.edges[0];
            let found = (edge.requirement.as_deref().unwrap(), lock.resolved.contains_key(&edge.to));
            assert_eq!(found, then, "{key} {range}");
        };
        check("a", "1.1.0", ("*", true));
        check("**/a", "^1.0.0", ("*", true));
        check("b/a", "1.1.0", ("*", true));
        check("b/a", "^1.0.0", ("^1.0.0", false));
        check("b", "^1.0.0", ("^1.0.0", false));
    }

    #[test]
    fn a_resolution_speaks_of_its_last_package() {
        for (key, of) in [
            ("a", "a"),
            ("**/a", "a"),
            ("b/a", "a"),
            ("a@npm:^1.0.0", "a"),
            ("@t/a", "@t/a"),
            ("@t/a@^1", "@t/a"),
            ("@s/b/@t/a", "@t/a"),
            ("@s/b/a", "a"),
            ("", ""),
        ] {
            assert_eq!(target(key), of, "{key}");
        }
    }
}
