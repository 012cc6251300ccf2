//! `composer.lock` (<https://getcomposer.org/doc/01-basic-usage.md>).

use std::borrow::Cow;
use std::collections::HashMap;

use crate::detector::{Broken, Detector, Inventory, Kind, Neighbours, Scope, beside};
use crate::lockfile::assembly::{Graph, Node};
use crate::name::lower;
use crate::text::json::json;
use crate::text::lines::Lines;

/// Reads `composer.lock`.
pub struct ComposerLock;

impl Detector for ComposerLock {
    fn kind(&self) -> &'static Kind {
        &Kind {
            files: &["composer.lock"],
            manifest: Some("composer.json"),
            hint: "restore the file from version control, or make a new one with `composer update --no-install`",
            is_fixed: false,
        }
    }

    fn neighbours(&self, path: &str, _: &str) -> Vec<String> {
        let is_lock = path.ends_with("composer.lock");
        if is_lock { beside(path, "composer.json").into_iter().collect() } else { Vec::new() }
    }

    fn parse(&self, path: &str, text: &str, neighbours: &Neighbours) -> Result<Inventory, Broken> {
        let manifest = beside(path, "composer.json").and_then(|manifest| neighbours.get(&manifest));
        Ok(graph(text, manifest.map(String::as_str))?.inventory(path))
    }
}

fn graph(text: &str, manifest: Option<&str>) -> Result<Graph, Broken> {
    let lock = json(text)?;
    if lock.get("packages").is_none() {
        return Err(Broken::at(text, lock.offset, "it has no list of packages"));
    }
    let (mut graph, mut lines) = (Graph::of("Packagist", text.len()), Lines::of(text));
    let mut names: HashMap<Cow<'_, str>, usize> = HashMap::new();
    let lists = [("packages", Scope::Normal), ("packages-dev", Scope::Dev)];
    let packages =
        || lists.iter().flat_map(|(list, scope)| lock.items_of(list).iter().map(move |item| (item, *scope)));
    for (item, scope) in packages() {
        if graph.is_full() {
            break;
        }
        let name = item.text_of("name").unwrap_or_default();
        let version = item.text_of("version").unwrap_or_default();
        let is_branch = version.starts_with("dev-") || version.ends_with("-dev");
        let of = |key: &str| item.get(key).and_then(|map| map.text_of("url")).map(str::to_owned);
        let is_path = item.get("dist").and_then(|dist| dist.text_of("type")) == Some("path");
        let line = lines.line_of(item.get("name").map_or(item.offset, |name| name.offset));
        let node = graph.add(Node {
            scope: Some(scope),
            registered: !is_path,
            unknown: is_branch.then(|| format!("`{version}` is a branch and no version")),
            source: of("source").or_else(|| of("dist")),
            ..Node::registered(name, version, line)
        });
        names.insert(lower(name), node);
    }
    for (node, (item, _)) in packages().enumerate() {
        let needs = item.entries_of("require").iter();
        graph.join(node, needs.filter_map(|need| names.get(&lower(&need.key)).copied()));
    }
    if let Some(manifest) = manifest.and_then(|text| json(text).ok()) {
        for (list, scope) in [("require", Scope::Normal), ("require-dev", Scope::Dev)] {
            let wanted = manifest.entries_of(list).iter();
            let found = wanted.filter_map(|wanted| names.get(&lower(&wanted.key)));
            graph.direct.extend(found.map(|node| (*node, scope)));
        }
    }
    Ok(graph)
}
