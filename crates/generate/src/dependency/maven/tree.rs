//! What Maven takes, module by module, as `dependency:tree` writes it in TGF: lines of nodes, a `#`, lines of edges.

use std::collections::{BTreeMap, BTreeSet};

use patchline_model::failure::Failure;

use crate::dependency::maven::shelf::{is_above, problems};
use crate::fixer::Known;

/// Lines of a tree that are read.
const MOST_LINES: usize = 2_000_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// As in `group:artifact`.
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) classifier: Option<String>,
    pub(crate) version: String,
}

/// One module. A node's key is its name with type and classifier: Maven takes one version for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Module {
    pub(crate) nodes: BTreeMap<String, Node>,
    pub(crate) edges: BTreeMap<String, BTreeSet<String>>,
    /// What the module asks for itself.
    pub(crate) direct: BTreeSet<String>,
}

/// By the name of the module's project.
pub(crate) type Tree = BTreeMap<String, Module>;

/// Reads what the plugin appended for each module.
pub(crate) fn parse(text: &str) -> Result<Tree, String> {
    let mut tree = Tree::new();
    let (mut ids, mut project, mut is_edges) = (BTreeMap::<&str, String>::new(), None::<String>, true);
    for line in text.lines().take(MOST_LINES).map(str::trim).filter(|line| !line.is_empty()) {
        if line == "#" {
            is_edges = true;
            continue;
        }
        let mut words = line.split_whitespace();
        let (Some(id), Some(label)) = (words.next(), words.next()) else {
            return Err(format!("`{}` is neither a node nor an edge", line.escape_debug()));
        };
        if label.contains(':') && is_edges {
            // A node after edges is the next module, which comes first of its own.
            let name = label.split(':').take(2).collect::<Vec<_>>().join(":");
            ids = BTreeMap::from([(id, String::new())]);
            tree.insert(name.clone(), Module::default());
            (project, is_edges) = (Some(name), false);
            continue;
        }
        let module = project.as_ref().and_then(|project| tree.get_mut(project));
        let Some(module) = module else { return Err("it begins with no module".to_owned()) };
        if !is_edges {
            let (key, node) =
                node(label).ok_or_else(|| format!("`{}` is no artifact", label.escape_debug()))?;
            ids.insert(id, key.clone());
            module.nodes.insert(key, node);
            continue;
        }
        let (Some(from), Some(to)) = (ids.get(id), ids.get(label)) else {
            return Err(format!("`{}` leads from or to nothing", line.escape_debug()));
        };
        match from.as_str() {
            "" => drop(module.direct.insert(to.clone())),
            from => drop(module.edges.entry(from.to_owned()).or_default().insert(to.clone())),
        }
    }
    Ok(tree)
}

/// As in `group:artifact:type:version:scope`, with a classifier before the version where there is one.
fn node(label: &str) -> Option<(String, Node)> {
    let parts: Vec<&str> = label.split(':').collect();
    let (group, artifact, kind, classifier, version) = match parts.as_slice() {
        [group, artifact, kind, version, _] => (group, artifact, kind, None, version),
        [group, artifact, kind, classifier, version, _] => {
            (group, artifact, kind, Some(*classifier), version)
        }
        _ => return None,
    };
    let name = format!("{group}:{artifact}");
    let key = format!("{name}:{kind}:{}", classifier.unwrap_or_default());
    let node = Node {
        name,
        kind: (*kind).to_owned(),
        classifier: classifier.map(str::to_owned),
        version: (*version).to_owned(),
    };
    Some((key, node))
}

impl Module {
    /// All that these names lead to, they themselves included.
    pub(crate) fn below(&self, names: &BTreeSet<String>) -> BTreeSet<String> {
        let is_named = |node: &Node| names.contains(&node.name);
        let mut open: Vec<&String> =
            self.nodes.iter().filter(|(_, node)| is_named(node)).map(|(key, _)| key).collect();
        let mut found = BTreeSet::new();
        while let Some(key) = open.pop() {
            if found.insert(key.clone()) {
                open.extend(self.edges.get(key).into_iter().flatten());
            }
        }
        found
    }

    /// What the module asks for itself and leads to this package.
    pub(crate) fn bringers(&self, name: &str) -> BTreeSet<String> {
        let leads = |key: &&String| {
            let own = BTreeSet::from([self.nodes[*key].name.clone()]);
            self.below(&own).iter().any(|key| self.nodes[key].name == name)
        };
        self.direct.iter().filter(leads).map(|key| self.nodes[key].name.clone()).collect()
    }
}

/// The versions of a package in all modules.
pub(crate) fn versions(tree: &Tree, name: &str) -> BTreeSet<String> {
    let all = tree.values().flat_map(|module| module.nodes.values());
    all.filter(|node| node.name == name).map(|node| node.version.clone()).collect()
}

/// Name and version of everything.
pub(crate) fn installed(tree: &Tree) -> BTreeSet<(String, String)> {
    let all = tree.values().flat_map(|module| module.nodes.values());
    all.map(|node| (node.name.clone(), node.version.clone())).collect()
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Name, from, to.
    pub(crate) moves: BTreeSet<(String, Option<String>, Option<String>)>,
    /// A sentence for each rule that was broken.
    pub(crate) violations: Vec<String>,
}

/// What moved, and which rules that breaks. What is raised may move, and what it leads to.
pub(crate) fn compare(
    before: &Tree,
    after: &Tree,
    raised: &BTreeSet<String>,
    known: &dyn Known,
) -> Result<Comparison, Failure> {
    let mut comparison = Comparison::default();
    let none = Module::default();
    for (project, module) in before {
        let next = after.get(project).unwrap_or(&none);
        let mut led_to = module.below(raised);
        led_to.extend(next.below(raised));
        let keys: BTreeSet<&String> = module.nodes.keys().chain(next.nodes.keys()).collect();
        for key in keys {
            let (from, to) = (module.nodes.get(key), next.nodes.get(key));
            let version = |node: Option<&Node>| node.map(|node| node.version.clone());
            if version(from) == version(to) {
                continue;
            }
            let Some(name) = from.or(to).map(|node| node.name.clone()) else { continue };
            comparison.moves.insert((name.clone(), version(from), version(to)));
            if !led_to.contains(key) {
                let why = format!("`{name}` would move, which nothing that is fixed leads to");
                comparison.violations.push(why);
            }
            if let (Some(from), Some(to)) = (from, to)
                && is_above(&from.version, &to.version)
            {
                let why = format!("`{name}` would go from {} down to {}", from.version, to.version);
                comparison.violations.push(why);
            }
        }
    }
    for (name, version) in installed(after).difference(&installed(before)) {
        let mut had = BTreeSet::new();
        for version in versions(before, name) {
            had.extend(problems(known, name, &version)?);
        }
        if let Some(new) = problems(known, name, version)?.difference(&had).next() {
            comparison.violations.push(format!("`{name} {version}` would bring {new} in"));
        }
    }
    comparison.violations.sort();
    comparison.violations.dedup();
    Ok(comparison)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{parse, versions};

    const TEXT: &str = "1 p:app:jar:1\n2 g:a:jar:1.0:compile\n3 g:b:jar:linux:2.0:test (optional)\n#\n2 3 test\n1 2 compile\n4 p:lib:pom:1\n#\n";

    #[test]
    fn a_tree_is_read_module_by_module() {
        let tree = parse(TEXT).unwrap();
        assert_eq!(tree.keys().collect::<Vec<_>>(), ["p:app", "p:lib"]);
        assert_eq!(tree["p:app"].nodes["g:b:jar:linux"].version, "2.0");
        assert_eq!(tree["p:app"].bringers("g:b").into_iter().collect::<Vec<_>>(), ["g:a"]);
        assert_eq!(versions(&tree, "g:a").into_iter().collect::<Vec<_>>(), ["1.0"]);
        assert!(parse("1 2 compile\n").is_err() && parse("x").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(1|2|#|\n| |g:a:jar:1|g:a:jar:1:test|:|x){0,40}") {
            if let Ok(tree) = parse(&text) {
                for module in tree.values() {
                    module.bringers("g:a");
                }
            }
        }
    }
}
