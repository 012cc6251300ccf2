//! `pom.xml` (<https://maven.apache.org/pom.html>) with the parents that lie in the tree. It names what is asked for
//! directly; what that needs in turn stands in no file. Profiles are not applied.

use std::collections::BTreeMap;

use roxmltree::Node as Element;

use crate::detector::{Broken, Detector, Inventory, Kind, Neighbours, Scope, Unresolved, beside};
use crate::lockfile::assembly::{Graph, Node};
use crate::text::lines::Lines;
use crate::text::xml::{child, child_text, line_of, xml};

/// Parents above parents, and properties within properties.
const DEEPEST: usize = 32;

/// Reads `pom.xml`.
pub struct Pom;

impl Detector for Pom {
    fn kind(&self) -> &'static Kind {
        &Kind {
            files: &["pom.xml"],
            manifest: None,
            hint: "restore the file from version control",
            is_fixed: false,
        }
    }

    fn neighbours(&self, path: &str, text: &str) -> Vec<String> {
        let Ok(document) = xml(text) else { return Vec::new() };
        parent_path(path, &document.root_element()).into_iter().collect()
    }

    fn parse(&self, path: &str, text: &str, neighbours: &Neighbours) -> Result<Inventory, Broken> {
        Ok(graph(path, text, neighbours)?.inventory(path))
    }
}

fn graph(path: &str, text: &str, neighbours: &Neighbours) -> Result<Graph, Broken> {
    let document = xml(text)?;
    let project = document.root_element();
    if project.tag_name().name() != "project" {
        return Err(Broken { line: 1, column: 1, what: "it is no `project`".to_owned() });
    }
    let mut graph = Graph::of("Maven", text.len());
    let model = Model::of(path, &project, neighbours, &mut graph);
    if child(&project, "profiles").is_some() {
        let what = "it has profiles, which are not applied: what they add or change is not told";
        graph.cannot_judge(Unresolved::of(path, what));
    }
    let mut lines = Lines::of(document.input_text());
    for dependency in dependencies(&project, &[]) {
        if graph.is_full() {
            break;
        }
        model.take(&mut lines, &dependency, &mut graph);
    }
    Ok(graph)
}

/// What a project has from itself and its parents.
struct Model {
    properties: BTreeMap<String, String>,
    /// Versions by `group:artifact`, as `dependencyManagement` states them.
    managed: BTreeMap<String, String>,
}

impl Model {
    fn of(path: &str, project: &Element<'_, '_>, neighbours: &Neighbours, graph: &mut Graph) -> Self {
        let mut model = Self { properties: BTreeMap::new(), managed: BTreeMap::new() };
        model.add(project);
        let (mut path, mut next, mut depth) = (path.to_owned(), parent_path(path, project), 0);
        let mut has_parent = child(project, "parent").is_some();
        while has_parent {
            let parent = next.and_then(|next| neighbours.get_key_value(&next));
            let parsed = parent.and_then(|(path, text)| Some((path, xml(text).ok()?)));
            let Some((parent_path_found, document)) = parsed.filter(|_| depth < DEEPEST) else {
                let what = "a parent is no file of this tree; versions and dependencies that it states are not known";
                graph.cannot_judge(Unresolved::of(&path, what));
                break;
            };
            model.add(&document.root_element());
            path = parent_path_found.clone();
            next = parent_path(&path, &document.root_element());
            has_parent = child(&document.root_element(), "parent").is_some();
            depth += 1;
        }
        model
    }

    /// What is nearer to the project stands already, and stays.
    fn add(&mut self, project: &Element<'_, '_>) {
        for property in child(project, "properties").into_iter().flat_map(|all| all.children()) {
            let (name, text) = (property.tag_name().name(), property.text().unwrap_or_default().trim());
            self.properties.entry(name.to_owned()).or_insert_with(|| text.to_owned());
        }
        let parent = child(project, "parent");
        for field in ["groupId", "artifactId", "version"] {
            let inherited = || parent.as_ref().and_then(|parent| child_text(parent, field));
            if let Some(text) = child_text(project, field).or_else(inherited) {
                self.properties.entry(format!("project.{field}")).or_insert_with(|| text.to_owned());
            }
            if let Some(text) = inherited() {
                self.properties.entry(format!("project.parent.{field}")).or_insert_with(|| text.to_owned());
            }
        }
        for managed in dependencies(project, &["dependencyManagement"]) {
            let of = |field: &str| child_text(&managed, field).unwrap_or_default();
            let name = format!("{}:{}", of("groupId"), of("artifactId"));
            self.managed.entry(name).or_insert_with(|| of("version").to_owned());
        }
    }

    fn take(&self, lines: &mut Lines<'_>, dependency: &Element<'_, '_>, graph: &mut Graph) {
        let of = |field: &str| child_text(dependency, field);
        let raw = format!("{}:{}", of("groupId").unwrap_or_default(), of("artifactId").unwrap_or_default());
        let name = self.resolved(&raw).unwrap_or_else(|_| raw.clone());
        let managed = || self.managed.get(&raw).or_else(|| self.managed.get(&name)).map(String::as_str);
        let stated = of("version").or_else(managed);
        let version = match stated.map(|stated| self.resolved(stated)) {
            None => Err("its version stands in no file of this tree".to_owned()),
            Some(Ok(version)) if version.starts_with(['[', '(']) => {
                Err(format!("`{version}` is a range and no version"))
            }
            Some(Ok(version)) if matches!(version.as_str(), "LATEST" | "RELEASE") => {
                Err(format!("`{version}` is no version"))
            }
            Some(version) => version,
        };
        let is_optional = of("optional") == Some("true");
        let scope = match of("scope") {
            Some("test") => Scope::Test,
            Some("provided") => Scope::Build,
            Some(_) | None if is_optional => Scope::Optional,
            Some(_) | None => Scope::Normal,
        };
        let line = line_of(lines, dependency);
        let node = Node {
            registered: of("scope") != Some("system"),
            unknown: version.as_ref().err().cloned(),
            ..Node::registered(&name, version.as_deref().unwrap_or_default(), line)
        };
        let node = graph.add(node);
        graph.direct.push((node, scope));
    }

    /// The text with its properties put in, or why that can't be.
    fn resolved(&self, text: &str) -> Result<String, String> {
        let mut text = text.to_owned();
        for _ in 0..DEEPEST {
            let Some((head, rest)) = text.split_once("${") else { return Ok(text) };
            let Some((name, tail)) = rest.split_once('}') else { return Ok(text) };
            let name = name.strip_prefix("pom.").map_or(name.to_owned(), |field| format!("project.{field}"));
            let Some(value) = self.properties.get(&name) else {
                return Err(format!("the property `{name}` stands in no file of this tree"));
            };
            text = format!("{head}{value}{tail}");
            if text.len() > 4096 {
                break;
            }
        }
        Err("its properties name each other without end".to_owned())
    }
}

/// The dependencies of a project, below these elements.
fn dependencies<'a, 'input>(project: &Element<'a, 'input>, below: &[&str]) -> Vec<Element<'a, 'input>> {
    let inner = below.iter().try_fold(*project, |element, name| child(&element, name));
    let list = inner.and_then(|inner| child(&inner, "dependencies"));
    let all = list.into_iter().flat_map(|list| list.children());
    all.filter(|element| element.tag_name().name() == "dependency").collect()
}

/// Where the parent lies, if it may lie in the tree.
fn parent_path(path: &str, project: &Element<'_, '_>) -> Option<String> {
    let parent = child(project, "parent")?;
    let relative = match child(&parent, "relativePath") {
        Some(element) => element.text().map(str::trim).filter(|text| !text.is_empty())?,
        None => "../pom.xml",
    };
    let is_file = relative.ends_with(".xml");
    beside(
        path,
        &if is_file { relative.to_owned() } else { format!("{}/pom.xml", relative.trim_end_matches('/')) },
    )
}
