//! `Pipfile.lock` (<https://pipenv.pypa.io/en/latest/pipfile.html>).

use crate::detector::{Broken, Detector, Inventory, Kind, Neighbours, Scope};
use crate::lockfile::assembly::{Graph, Node};
use crate::text::json::json;
use crate::text::lines::Lines;

/// Reads `Pipfile.lock`.
pub struct PipfileLock;

impl Detector for PipfileLock {
    fn kind(&self) -> &'static Kind {
        &Kind {
            files: &["Pipfile.lock"],
            manifest: Some("Pipfile"),
            hint: "restore the file from version control, or make a new one with `pipenv lock`",
            is_fixed: false,
        }
    }

    fn parse(&self, path: &str, text: &str, _: &Neighbours) -> Result<Inventory, Broken> {
        Ok(graph(text)?.inventory(path))
    }
}

fn graph(text: &str) -> Result<Graph, Broken> {
    let lock = json(text)?;
    let (mut graph, mut lines) = (Graph::of("PyPI", text.len()), Lines::of(text));
    if lock.get("default").is_none() && lock.get("develop").is_none() {
        return Err(Broken::at(text, lock.offset, "it has neither `default` nor `develop`"));
    }
    let sources = lock.get("_meta").map(|meta| meta.items_of("sources")).unwrap_or_default();
    for (list, scope) in [("default", Scope::Normal), ("develop", Scope::Dev)] {
        for entry in lock.entries_of(list) {
            if graph.is_full() {
                break;
            }
            let version = entry.value.text_of("version").and_then(|version| version.strip_prefix("=="));
            let unknown = version.is_none().then(|| "it is pinned to no version of a registry".to_owned());
            let line = lines.line_of(entry.offset);
            let index = entry.value.text_of("index");
            let source = sources.iter().find(|source| index.is_some() && source.text_of("name") == index);
            let node = Node {
                scope: Some(scope),
                unknown,
                source: source.and_then(|source| source.text_of("url")).map(str::to_owned),
                ..Node::registered(&entry.key, version.unwrap_or_default(), line)
            };
            graph.add(node);
        }
    }
    Ok(graph)
}
