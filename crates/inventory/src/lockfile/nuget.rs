//! NuGet: `packages.lock.json`, `packages.config` and the `*.deps.json` of what was published
//! (<https://learn.microsoft.com/en-us/nuget/consume-packages/package-references-in-project-files>).

use std::borrow::Cow;
use std::collections::HashMap;

use crate::detector::{Broken, Detector, Inventory, Kind, Neighbours, Scope};
use crate::lockfile::assembly::{Graph, Node};
use crate::name::lower;
use crate::text::json::json;
use crate::text::lines::Lines;
use crate::text::value::Value;
use crate::text::xml::{line_of, xml};

/// Reads the lists of NuGet.
pub struct NuGet;

impl Detector for NuGet {
    fn kind(&self) -> &'static Kind {
        &Kind {
            files: &["packages.lock.json", "packages.config", "packages.*.config", "*.deps.json"],
            manifest: None,
            hint: "restore the file from version control, or make a new one with `dotnet restore --use-lock-file`",
            is_fixed: false,
        }
    }

    fn parse(&self, path: &str, text: &str, _: &Neighbours) -> Result<Inventory, Broken> {
        if path.ends_with(".config") {
            return Ok(packages_config(text)?.inventory(path));
        }
        Ok(graph(text)?.inventory(path))
    }
}

fn graph(text: &str) -> Result<Graph, Broken> {
    let lock = json(text)?;
    Ok(match (lock.get("dependencies"), lock.get("libraries")) {
        (Some(frameworks), None) => packages_lock(frameworks, text),
        (_, Some(libraries)) => deps(&lock, libraries, text),
        (None, None) => {
            return Err(Broken::at(text, lock.offset, "it has neither `dependencies` nor `libraries`"));
        }
    })
}

/// The packages of each framework; one that several frameworks have is one.
fn packages_lock(frameworks: &Value<'_>, text: &str) -> Graph {
    let (mut graph, mut lines) = (Graph::of("NuGet", text.len()), Lines::of(text));
    let mut known: HashMap<(Cow<'_, str>, &str), usize> = HashMap::new();
    for framework in frameworks.entries() {
        let mut names: HashMap<Cow<'_, str>, usize> = HashMap::new();
        for entry in framework.value.entries() {
            if graph.is_full() {
                break;
            }
            let of = |key: &str| entry.value.text_of(key).unwrap_or_default();
            let (kind, version) = (of("type"), of("resolved"));
            let is_own = kind == "Project";
            let line = lines.line_of(entry.offset);
            let node = *known.entry((lower(&entry.key), version)).or_insert_with(|| {
                graph.add(Node {
                    is_own,
                    checksum: entry.value.text_of("contentHash").map(str::to_owned),
                    ..Node::registered(&entry.key, version, line)
                })
            });
            names.insert(lower(&entry.key), node);
            if kind == "Direct" {
                graph.direct.push((node, Scope::Normal));
            }
        }
        for entry in framework.value.entries() {
            let Some(node) = names.get(&lower(&entry.key)) else { continue };
            let needs = entry.value.entries_of("dependencies").iter();
            graph.join(*node, needs.filter_map(|need| names.get(&lower(&need.key)).copied()));
        }
    }
    graph
}

/// `libraries` lists `name/version`, `targets` who needs whom.
fn deps(lock: &Value<'_>, libraries: &Value<'_>, text: &str) -> Graph {
    let (mut graph, mut lines) = (Graph::of("NuGet", text.len()), Lines::of(text));
    let mut known: HashMap<Cow<'_, str>, usize> = HashMap::new();
    for entry in libraries.entries() {
        if graph.is_full() {
            break;
        }
        let (name, version) = entry.key.split_once('/').unwrap_or((&entry.key, ""));
        let kind = entry.value.text_of("type").unwrap_or_default();
        let node = graph.add(Node {
            is_own: kind == "project",
            registered: kind == "package",
            checksum: entry.value.text_of("sha512").filter(|hash| !hash.is_empty()).map(str::to_owned),
            ..Node::registered(name, version, lines.line_of(entry.offset))
        });
        known.insert(lower(&entry.key), node);
    }
    for entry in lock.entries_of("targets").iter().flat_map(|target| target.value.entries()) {
        let Some(node) = known.get(&lower(&entry.key)).copied() else { continue };
        for need in entry.value.entries_of("dependencies") {
            let version = need.value.text().unwrap_or_default();
            let found = known.get(&*lower(&format!("{}/{version}", need.key))).copied();
            graph.join(node, found);
        }
    }
    graph
}

fn packages_config(text: &str) -> Result<Graph, Broken> {
    let document = xml(text)?;
    let mut lines = Lines::of(document.input_text());
    let mut graph = Graph::of("NuGet", text.len());
    for element in document.descendants().filter(|element| element.has_tag_name("package")) {
        let of = |name: &str| element.attribute(name).unwrap_or_default();
        let is_dev = of("developmentDependency") == "true";
        let scope = Some(if is_dev { Scope::Dev } else { Scope::Normal });
        let line = line_of(&mut lines, &element);
        if graph.is_full() {
            break;
        }
        graph.add(Node { scope, ..Node::registered(of("id"), of("version"), line) });
    }
    Ok(graph)
}
