//! The lockfiles of Python that are TOML: `poetry.lock`, `uv.lock`, `pdm.lock` and `pylock.toml`
//! (<https://packaging.python.org/en/latest/specifications/pylock-toml/>). They differ in how they name groups, sources
//! and dependencies, and one reader takes them all.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::{Spanned, Value};

use crate::detector::{Broken, Detector, Inventory, Kind, Neighbours, Scope, beside, ecosystem};
use crate::lockfile::assembly::{Graph, Node};
use crate::lockfile::requirements::Wanted;
use crate::name::normal;
use crate::text::lines::Lines;
use crate::text::pile::push;
use crate::text::toml::{toml, toml_in_parts};

/// Reads the lockfiles of Poetry, uv, PDM and PEP 751.
pub struct PythonLock;

impl Detector for PythonLock {
    fn kind(&self) -> &'static Kind {
        &Kind {
            files: &["poetry.lock", "uv.lock", "pdm.lock", "pylock.toml", "pylock.*.toml"],
            manifest: None,
            hint: "restore the file from version control, or make a new one with the `lock` command of its tool",
            is_fixed: false,
        }
    }

    fn neighbours(&self, path: &str, _: &str) -> Vec<String> {
        // uv lists the project itself among the packages.
        let wants = !path.ends_with("uv.lock") && !path.ends_with("pyproject.toml");
        if wants { beside(path, "pyproject.toml").into_iter().collect() } else { Vec::new() }
    }

    fn parse(&self, path: &str, text: &str, neighbours: &Neighbours) -> Result<Inventory, Broken> {
        let project = beside(path, "pyproject.toml").and_then(|project| neighbours.get(&project));
        Ok(graph(text, project.map(String::as_str))?.inventory(path))
    }
}

fn graph(text: &str, project: Option<&str>) -> Result<Graph, Broken> {
    let mut graph = Graph::of("PyPI", text.len());
    let (mut lines, mut known) = (Lines::of(text), Known::default());
    let mut needs: Vec<Need> = Vec::new();
    let broken = |offset: usize, message: &str| Broken::at(text, offset, message);
    toml_in_parts(text, &["[[package]]", "[[packages]]"], broken, |start, part: Lock| {
        for raw in part.package.iter().chain(&part.packages) {
            if graph.is_full() {
                break;
            }
            let node = graph.add(raw.node(lines.line_of(start + raw.name.span().start)));
            known.add(spelled(raw.name.get_ref()), raw.version.as_deref(), node);
            raw.needs()
                .for_each(|(scope, name, version)| push(&mut needs, Need { node, scope, name, version }));
        }
        Ok(())
    })?;
    for need in needs {
        let found = known.find(&need.name, need.version.as_deref());
        if graph.nodes.get(need.node).is_some_and(|node| node.is_own) {
            graph.direct.extend(found.iter().map(|node| (*node, need.scope)));
        }
        graph.join(need.node, found.iter().copied());
    }
    for (name, scope) in project.map(project_wants).unwrap_or_default() {
        graph.direct.extend(known.find(&name, None).iter().map(|node| (*node, scope)));
    }
    Ok(graph)
}

/// What a package needs, by normal name.
struct Need {
    node: usize,
    scope: Scope,
    name: String,
    version: Option<String>,
}

/// Versions of one name that are told apart; a resolution for several platforms has two or three.
const MOST_FORKS: usize = 16;

/// The packages by normal name, and by version, too.
#[derive(Default)]
struct Known {
    named: HashMap<String, Vec<usize>>,
    versioned: HashMap<(String, String), usize>,
}

impl Known {
    fn add(&mut self, name: String, version: Option<&str>, node: usize) {
        let named = self.named.entry(name.clone()).or_default();
        if named.len() < MOST_FORKS {
            named.push(node);
        }
        self.versioned.insert((name, version.unwrap_or_default().to_owned()), node);
    }

    /// All of this name where no version is stated.
    fn find(&self, name: &str, version: Option<&str>) -> Vec<usize> {
        match version {
            Some(version) => {
                let found = self.versioned.get(&(name.to_owned(), version.to_owned()));
                found.copied().into_iter().collect()
            }
            None => self.named.get(name).cloned().unwrap_or_default(),
        }
    }
}

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Raw>,
    /// As `pylock.toml` calls them.
    #[serde(default)]
    packages: Vec<Raw>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Raw {
    name: Spanned<String>,
    version: Option<String>,
    category: Option<String>,
    groups: Option<Vec<String>>,
    #[serde(default)]
    optional: bool,
    source: Option<Value>,
    dependencies: Option<Value>,
    optional_dependencies: Option<Value>,
    dev_dependencies: Option<Value>,
    /// Where it comes from, when that is no registry: PDM and PEP 751 have a field for each kind.
    git: Option<IgnoredAny>,
    path: Option<IgnoredAny>,
    url: Option<IgnoredAny>,
    vcs: Option<IgnoredAny>,
    directory: Option<IgnoredAny>,
    archive: Option<IgnoredAny>,
}

impl Raw {
    fn node(&self, line: u32) -> Node {
        let source = self.source.as_ref().map(source_words);
        let elsewhere = [&self.git, &self.path, &self.url, &self.vcs, &self.directory, &self.archive];
        let kind = self.source.as_ref().and_then(|source| source.get("type")).and_then(Value::as_str);
        let is_registry = match (&self.source, kind) {
            (None, _) => true,
            // Poetry: `legacy` is an index of one's own or a mirror.
            (Some(_), Some(kind)) => kind == "legacy",
            (Some(source), None) => source.get("registry").is_some(),
        };
        let unknown = (self.version.is_none() && !self.is_own())
            .then(|| "it has no version in the lockfile".to_owned());
        Node {
            is_own: self.is_own(),
            scope: self.scope(),
            source,
            registered: is_registry && elsewhere.iter().all(|field| field.is_none()),
            unknown,
            ..Node::registered(self.name.get_ref(), self.version.as_deref().unwrap_or_default(), line)
        }
    }

    /// By name and version, with what for.
    fn needs(&self) -> impl Iterator<Item = (Scope, String, Option<String>)> {
        let lists = [
            (Scope::Normal, &self.dependencies),
            (Scope::Optional, &self.optional_dependencies),
            (Scope::Dev, &self.dev_dependencies),
        ];
        lists.into_iter().flat_map(|(scope, list)| {
            needs(list.as_ref()).into_iter().map(move |(name, version)| (scope, name, version))
        })
    }

    /// uv: the project and the members of its workspace.
    fn is_own(&self) -> bool {
        self.source
            .as_ref()
            .is_some_and(|source| source.get("editable").is_some() || source.get("virtual").is_some())
    }

    fn scope(&self) -> Option<Scope> {
        if let Some(groups) = &self.groups {
            let has = |name: &str| groups.iter().any(|group| group == name);
            return Some(match () {
                () if has("main") || has("default") => {
                    if self.optional {
                        Scope::Optional
                    } else {
                        Scope::Normal
                    }
                }
                () if !groups.is_empty() && groups.iter().all(|group| group.contains("test")) => Scope::Test,
                () => Scope::Dev,
            });
        }
        match self.category.as_deref() {
            Some("dev") => Some(Scope::Dev),
            Some(_) if self.optional => Some(Scope::Optional),
            Some(_) => Some(Scope::Normal),
            None => None,
        }
    }
}

fn source_words(source: &Value) -> String {
    let fields = source.as_table().into_iter().flatten();
    let words = fields.filter_map(|(key, value)| value.as_str().map(|value| format!("{key} {value}")));
    words.collect::<Vec<String>>().join(", ")
}

fn spelled(name: &str) -> String {
    normal(&ecosystem("PyPI"), name).into_owned()
}

/// Names, and versions where they are stated, of a list or table of dependencies, or of a table of such lists.
fn needs(list: Option<&Value>) -> Vec<(String, Option<String>)> {
    let of_item = |item: &Value| match item {
        Value::String(words) => Wanted::of(words).map(|wanted| (wanted.normal_name(), None)),
        Value::Table(table) => {
            let version = table.get("version").and_then(Value::as_str).map(str::to_owned);
            table.get("name").and_then(Value::as_str).map(|name| (spelled(name), version))
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) => {
            None
        }
    };
    match list {
        Some(Value::Array(items)) => items.iter().filter_map(of_item).collect(),
        Some(Value::Table(table)) => {
            let is_list = |value: &Value| {
                value.as_array().is_some_and(|items| items.iter().all(|item| item.get("name").is_some()))
            };
            match !table.is_empty() && table.values().all(is_list) {
                // Groups or extras, each with its list.
                true => table.values().filter_map(Value::as_array).flatten().filter_map(of_item).collect(),
                false => table.keys().map(|name| (spelled(name), None)).collect(),
            }
        }
        Some(_) | None => Vec::new(),
    }
}

/// What a `pyproject.toml` asks for, by normal name; nothing when it can't be read.
fn project_wants(text: &str) -> Vec<(String, Scope)> {
    let Ok(project) = toml::<toml::Table>(text) else { return Vec::new() };
    let project = Value::Table(project);
    let at = |path: &[&str]| path.iter().try_fold(&project, |value, key| value.get(*key));
    let mut wants = Vec::new();
    let mut take = |value: Option<&Value>, scope: Scope| {
        wants.extend(needs(value).into_iter().map(|(name, _)| (name, scope)))
    };
    take(at(&["project", "dependencies"]), Scope::Normal);
    take(at(&["tool", "poetry", "dependencies"]), Scope::Normal);
    take(at(&["tool", "poetry", "dev-dependencies"]), Scope::Dev);
    let groups = [
        (at(&["project", "optional-dependencies"]), Scope::Optional),
        (at(&["dependency-groups"]), Scope::Dev),
        (at(&["tool", "pdm", "dev-dependencies"]), Scope::Dev),
        (at(&["tool", "poetry", "group"]), Scope::Dev),
    ];
    for (groups, scope) in groups {
        for group in groups.and_then(Value::as_table).into_iter().flat_map(|groups| groups.values()) {
            take(Some(group.get("dependencies").unwrap_or(group)), scope);
        }
    }
    wants
}
