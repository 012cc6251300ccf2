//! The lockfile as a graph with ranges: what each crate requires stands in the index, and what the workspace asks for in its
//! manifests; the lockfile says which of it is taken.

use std::collections::{BTreeMap, BTreeSet};

use crate::dependency::cargo::index::{Name, Published};
use crate::dependency::cargo::lock::{Locked, Lockfile};
use crate::dependency::cargo::range::{ANY, admits};
use crate::dependency::cargo::settings::registry_of;
use crate::dependency::cargo::workspace::Workspace;
use crate::dependency::graph::{Graph, Layout, Node};

/// The crates of the lockfile whose registry can be asked.
pub(crate) fn names(lock: &Lockfile) -> BTreeSet<Name> {
    lock.packages.iter().filter_map(name_of).collect()
}

/// What is from git, from a path, or from a registry that is no sparse index has none.
fn name_of(package: &Locked) -> Option<Name> {
    let registry = registry_of(package.source.as_deref()?);
    let is_read = registry.is_empty() || registry.starts_with("sparse+http");
    is_read.then(|| Name { registry, name: package.name.clone() })
}

/// A node for each package, in the order of the lockfile.
pub(crate) fn graph(
    lock: &Lockfile,
    workspace: &Workspace,
    published: &BTreeMap<Name, Vec<Published>>,
) -> Graph {
    let mut graph = Graph::default();
    graph.layout = Layout::Lines;
    for package in &lock.packages {
        let name = name_of(package);
        let called = match (&name, &package.source) {
            (Some(name), _) => name.key(),
            // No crate of a registry takes its place.
            (None, source) => format!("{} ({})", package.name, source.as_deref().unwrap_or("path")),
        };
        graph.add(Node {
            name: called.clone(),
            called,
            version: package.version.to_string(),
            own: package.source.is_none(),
            movable: name.is_some(),
            ..Node::default()
        });
    }
    for (from, led) in lock.edges().into_iter().enumerate() {
        let asked = asked(&lock.packages[from], workspace, published);
        for to in led {
            let (called, version) = (graph.nodes[to].called.clone(), graph.nodes[to].version.clone());
            let same = asked.iter().filter(|(name, _)| *name == called);
            let ranges = same.map(|(_, range)| *range).filter(|range| admits(range, &version));
            let mut ranges: BTreeSet<&str> = ranges.collect();
            // A path, a patch, or what nothing is known of.
            if ranges.is_empty() {
                ranges.insert(ANY);
            }
            ranges.into_iter().for_each(|range| graph.connect(from, to, range));
        }
    }
    graph
}

/// What a package asks for, by name and range.
fn asked<'a>(
    package: &Locked,
    workspace: &'a Workspace,
    published: &'a BTreeMap<Name, Vec<Published>>,
) -> Vec<(&'a str, &'a str)> {
    if package.source.is_none() {
        let is_same =
            |name: &str, version: &str| name == package.name && version == package.version.to_string();
        let member = workspace.members.iter().find(|member| is_same(&member.name, &member.version));
        let wants = member.into_iter().flat_map(|member| &member.wants);
        return wants.map(|want| (want.called.as_str(), want.range.as_str())).collect();
    }
    let releases = name_of(package).and_then(|name| published.get(&name));
    let release = releases.into_iter().flatten().find(|release| release.version == package.version);
    let requirements = release.into_iter().flat_map(|release| &release.requirements);
    requirements.map(|required| (required.called.as_str(), required.range.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{graph, names};
    use crate::dependency::cargo::index::{Name, Published};
    use crate::dependency::cargo::lock::Lockfile;
    use crate::dependency::cargo::workspace::Workspace;
    use crate::dependency::market::{Kind, Requirement};
    use semver::Version;

    const LOCK: &str = r#"
[[package]]
name = "app"
version = "0.1.0"
dependencies = ["a 0.1.0", "a 0.2.0", "b", "forked", "tool"]
[[package]]
name = "a"
version = "0.1.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
[[package]]
name = "a"
version = "0.2.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
[[package]]
name = "b"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
dependencies = ["a 0.1.0"]
[[package]]
name = "forked"
version = "1.0.0"
source = "git+https://x.example/forked#00"
dependencies = ["a 0.2.0"]
[[package]]
name = "tool"
version = "0.1.0"
dependencies = ["a 0.2.0"]
"#;

    #[test]
    fn each_edge_has_the_range_by_which_it_is_taken() {
        let lock = Lockfile::parse(LOCK).expect("it is a lockfile");
        let of = |name: &str, req: &str| {
            format!(
                r#"{{"name":"{name}","req":"{req}","source":"registry+https://github.com/rust-lang/crates.io-index"}}"#
            )
        };
        let wants = [of("a", "^0.1"), of("a", "^0.2.0"), of("b", "^1")].join(",");
        let json = format!(
            r#"{{"workspace_root":"/x","packages":[{{"name":"app","version":"0.1.0","manifest_path":"/x/Cargo.toml","rust_version":"1.70","dependencies":[{wants}]}}]}}"#
        );
        let workspace = Workspace::parse(&json).expect("it is read");
        let required = |range: &str| Requirement {
            called: "a".to_owned(),
            range: range.to_owned(),
            kind: Kind::Feature,
        };
        let published = Published {
            version: Version::new(1, 0, 0),
            checksum: String::new(),
            is_yanked: false,
            rust: None,
            requirements: vec![required("~0.1.0"), required("^0.3")],
        };
        let published = BTreeMap::from([(Name::of_key("b"), vec![published])]);
        let graph = graph(&lock, &workspace, &published);
        let shown: Vec<String> = graph
            .edges
            .iter()
            .map(|edge| {
                let label = |at: usize| format!("{} {}", graph.nodes[at].name, graph.nodes[at].version);
                format!(
                    "{} -> {} {}",
                    label(edge.from),
                    label(edge.to),
                    edge.requirement.as_deref().unwrap_or("?")
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "app (path) 0.1.0 -> a 0.1.0 ^0.1",
                "app (path) 0.1.0 -> a 0.2.0 ^0.2.0",
                "app (path) 0.1.0 -> b 1.0.0 ^1",
                "app (path) 0.1.0 -> forked (git+https://x.example/forked#00) 1.0.0 *",
                "app (path) 0.1.0 -> tool (path) 0.1.0 *",
                "b 1.0.0 -> a 0.1.0 ~0.1.0",
                "forked (git+https://x.example/forked#00) 1.0.0 -> a 0.2.0 *",
                "tool (path) 0.1.0 -> a 0.2.0 *",
            ]
        );
        let movable: Vec<bool> = graph.nodes.iter().map(|node| node.movable).collect();
        assert_eq!(movable, [false, true, true, true, false, false]);
        assert_eq!(names(&lock).len(), 2);
        assert_eq!(workspace.rust(), Some(Version::new(1, 70, 0)));
    }
}
