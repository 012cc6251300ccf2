//! What Gradle answers: what each locked configuration takes and why, and what there is besides.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::dependency::gradle::range::is_dynamic;
use crate::dependency::maven::tree::{Module, Node, Tree};

/// What Gradle is asked.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Ask {
    /// The versions that modules with ranges may have.
    pub(crate) hold: BTreeMap<String, BTreeSet<String>>,
    /// Modules of which it says what there is, and what leads to them.
    pub(crate) targets: BTreeSet<String>,
    /// Newer versions of what leads to a target that it looks at.
    pub(crate) most: usize,
}

/// One project of the build that has a lockfile.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Project {
    /// As in `:app`.
    pub(crate) project: String,
    /// Absolute, as are the others.
    pub(crate) lockfile: String,
    pub(crate) script: String,
    pub(crate) configurations: BTreeMap<String, Taken>,
    /// The highest first.
    #[serde(default)]
    pub(crate) versions: BTreeMap<String, Vec<String>>,
    /// By module and version, what that takes when it is alone; none where Gradle can't say.
    #[serde(default)]
    pub(crate) alone: BTreeMap<String, BTreeMap<String, Option<BTreeMap<String, String>>>>,
}

/// What a configuration takes. Names are modules, or projects with a blank before them.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Taken {
    nodes: BTreeMap<String, Chosen>,
    edges: Vec<Edge>,
    /// What is asked for and can't be had, and Gradle's reason.
    unresolved: Vec<(String, String)>,
    root: Option<String>,
    /// Where each module is declared: the names of configurations.
    buckets: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Chosen {
    version: Option<String>,
    why: Vec<String>,
}

/// From, to, what is asked for, and whether it only is where something else asks for it as well.
#[derive(Clone, Debug, Deserialize)]
struct Edge(String, String, String, bool);

impl Edge {
    /// The version that is asked for.
    fn version(&self) -> Option<&str> {
        self.2.splitn(3, ':').nth(2)
    }
}

/// By the project's path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey(pub(crate) BTreeMap<String, Project>);

impl Survey {
    /// One entry for each locked configuration, of modules alone.
    pub(crate) fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        for project in self.0.values() {
            for (name, taken) in &project.configurations {
                tree.insert(format!("{} {name}", project.project), taken.module());
            }
        }
        tree
    }

    /// What is asked for and can't be had, and why.
    pub(crate) fn unresolved(&self) -> Option<&(String, String)> {
        self.taken().find_map(|taken| taken.unresolved.first())
    }

    /// The modules that can't be had, which may be as they are held.
    pub(crate) fn missing(&self) -> BTreeSet<String> {
        let all = self.taken().flat_map(|taken| &taken.unresolved);
        let modules = all.filter_map(|(asked, _)| {
            let mut parts = asked.splitn(3, ':');
            Some(format!("{}:{}", parts.next()?, parts.next()?))
        });
        modules.collect()
    }

    /// The modules of which somebody asks for a range.
    pub(crate) fn ranged(&self) -> BTreeSet<&str> {
        let edges = self.taken().flat_map(|taken| &taken.edges);
        edges.filter(|edge| edge.version().is_some_and(is_dynamic)).map(|edge| edge.1.as_str()).collect()
    }

    /// Those versions of a module that are asked for.
    pub(crate) fn asked(&self, module: &str) -> BTreeSet<&str> {
        let edges = self.taken().flat_map(|taken| &taken.edges);
        edges.filter(|edge| edge.1 == module && !edge.3).filter_map(Edge::version).collect()
    }

    /// Who asks for a module in which version, in words, and what else had a say.
    pub(crate) fn path(&self, module: &str) -> String {
        let mut words = BTreeSet::new();
        for taken in self.taken() {
            for edge in taken.edges.iter().filter(|edge| edge.1 == module) {
                let version = taken.nodes.get(&edge.0).and_then(|node| node.version.as_deref());
                let who = match version {
                    Some(version) => format!("`{} {version}`", edge.0),
                    None => format!("project `{}`", edge.0.trim_start()),
                };
                let version = edge
                    .version()
                    .map_or_else(|| "in any version".to_owned(), |version| format!("at `{version}`"));
                words.insert(format!("{who} asks for it {version}"));
            }
            let why = taken.nodes.get(module).map(|node| node.why.as_slice()).unwrap_or_default();
            if why.iter().any(|cause| cause == "FORCED" || cause == "SELECTED_BY_RULE") {
                words.insert("a rule of the build has the last word".to_owned());
            }
        }
        words.into_iter().take(4).collect::<Vec<_>>().join(", ")
    }

    /// The projects that take one of these versions.
    pub(crate) fn taking(&self, module: &str, versions: &BTreeSet<String>) -> Vec<&Project> {
        self.0.values().filter(|project| project.with(module, versions).next().is_some()).collect()
    }

    /// What is published of a module, as far as the repositories of the projects say.
    pub(crate) fn published(&self, module: &str) -> Vec<String> {
        let all = self.0.values().filter_map(|project| project.versions.get(module)).flatten();
        let all: BTreeSet<String> = all.cloned().collect();
        all.into_iter().collect()
    }

    /// What a version takes when it is alone.
    pub(crate) fn alone(&self, module: &str, version: &str) -> Option<&BTreeMap<String, String>> {
        let mut all = self.0.values().filter_map(|project| project.alone.get(module));
        all.find_map(|versions| versions.get(version)).and_then(Option::as_ref)
    }

    fn taken(&self) -> impl Iterator<Item = &Taken> {
        self.0.values().flat_map(|project| project.configurations.values())
    }
}

impl Project {
    /// The configurations that take one of these versions.
    fn with<'a>(
        &'a self,
        module: &'a str,
        versions: &'a BTreeSet<String>,
    ) -> impl Iterator<Item = &'a Taken> {
        self.configurations.values().filter(move |taken| {
            let version = taken.nodes.get(module).and_then(|node| node.version.as_ref());
            version.is_some_and(|version| versions.contains(version))
        })
    }

    /// Whether it asks for the module itself.
    pub(crate) fn asks(&self, module: &str) -> bool {
        self.configurations.values().any(|taken| taken.direct().any(|edge| edge.1 == module))
    }

    /// Modules that it asks for itself and that lead to one of these versions, the module apart.
    pub(crate) fn bringers(&self, module: &str, versions: &BTreeSet<String>) -> BTreeSet<String> {
        let own = BTreeSet::from([module.to_owned()]);
        let all = self.with(module, versions).flat_map(|taken| taken.leading(module));
        all.collect::<BTreeSet<String>>().difference(&own).cloned().collect()
    }

    /// The fewest configurations in which a constraint reaches all that take one of these versions.
    pub(crate) fn buckets(&self, module: &str, versions: &BTreeSet<String>) -> BTreeSet<String> {
        let mut open: Vec<BTreeSet<&String>> = Vec::new();
        for taken in self.with(module, versions) {
            let leading = taken.leading(module);
            let of = leading.iter().filter_map(|name| taken.buckets.get(name)).flatten();
            let of: BTreeSet<&String> = of.collect();
            if !of.is_empty() {
                open.push(of);
            }
        }
        let mut found = BTreeSet::new();
        while let Some(first) = open.first() {
            let count = |bucket: &String| open.iter().filter(|of| of.contains(bucket)).count();
            let Some(best) = first.iter().copied().max_by_key(|bucket| count(bucket)).cloned() else { break };
            open.retain(|of| !of.contains(&best));
            found.insert(best);
        }
        found
    }
}

impl Taken {
    fn direct(&self) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(|edge| Some(&edge.0) == self.root.as_ref() && !edge.3)
    }

    /// Modules that are asked for directly and lead to this one, which may be one of them.
    fn leading(&self, module: &str) -> BTreeSet<String> {
        let mut leading = BTreeSet::from([module]);
        let mut open = vec![module];
        while let Some(next) = open.pop() {
            for edge in self.edges.iter().filter(|edge| edge.1 == next && !edge.3) {
                if leading.insert(&edge.0) {
                    open.push(&edge.0);
                }
            }
        }
        let is_module = |name: &&Edge| !name.1.starts_with(' ') && leading.contains(name.1.as_str());
        self.direct().filter(is_module).map(|edge| edge.1.clone()).collect()
    }

    fn module(&self) -> Module {
        let mut module = Module::default();
        for (name, node) in &self.nodes {
            if let Some(version) = &node.version {
                let node = Node { name: name.clone(), version: version.clone(), ..Node::default() };
                module.nodes.insert(name.clone(), node);
            }
        }
        for edge in &self.edges {
            if module.nodes.contains_key(&edge.0) && module.nodes.contains_key(&edge.1) {
                module.edges.entry(edge.0.clone()).or_default().insert(edge.1.clone());
            }
        }
        module.direct =
            self.direct().map(|edge| edge.1.clone()).filter(|name| module.nodes.contains_key(name)).collect();
        module
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{Project, Survey};

    fn survey() -> Survey {
        let text = r#"{"project": ":app", "lockfile": "/l", "script": "/s", "configurations": {"runtimeClasspath": {
            "root": " :app", "unresolved": [], "buckets": {"t:a": ["implementation"], "t:p": ["api", "implementation"]},
            "nodes": {" :app": {"version": null, "why": []}, " :lib": {"version": null, "why": []},
                "t:a": {"version": "1", "why": ["REQUESTED"]}, "t:b": {"version": "1", "why": ["FORCED"]}, "t:p": {"version": "2", "why": []}},
            "edges": [[" :app", "t:a", "t:a:1", false], [" :app", " :lib", "project :lib", false], ["t:a", "t:b", "t:b:[1,2)", false],
                [" :lib", "t:b", "t:b", false], [" :app", "t:p", "t:p:2", false], ["t:p", "t:b", "t:b:1", true]]}}}"#;
        let project: Project = serde_json::from_str(text).unwrap();
        Survey(BTreeMap::from([(project.project.clone(), project)]))
    }

    #[test]
    fn what_leads_to_a_module_is_known() {
        let survey = survey();
        let (one, app) = (BTreeSet::from(["1".to_owned()]), &survey.0[":app"]);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(app.bringers("t:b", &one), names(&["t:a"]));
        assert_eq!(app.bringers("t:b", &BTreeSet::from(["2".to_owned()])), names(&[]));
        assert_eq!(app.buckets("t:b", &one), names(&["implementation"]));
        assert!(app.asks("t:a") && !app.asks("t:b"));
        assert_eq!(survey.asked("t:b"), BTreeSet::from(["[1,2)"]));
        assert_eq!(
            survey.path("t:b"),
            "`t:a 1` asks for it at `[1,2)`, `t:p 2` asks for it at `1`, a rule of the build has the last word, project `:lib` asks for it in any version"
        );
        let tree = survey.tree();
        let module = &tree[":app runtimeClasspath"];
        assert_eq!(module.nodes.len(), 3);
        assert_eq!(module.direct, names(&["t:a", "t:p"]));
    }
}
