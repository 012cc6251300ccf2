//! Lockfiles that are hardly more than a list: Hex, Pub, Swift, R, Conan and Haskell.

use std::collections::HashMap;

use crate::detector::{Broken, Detector, Inventory, Kind, Neighbours, Scope, Unresolved, ecosystem};
use crate::lockfile::assembly::{Graph, Node};
use crate::name::normal;
use crate::text::json::json;
use crate::text::lines::Lines;
use crate::text::pile::push;
use crate::text::value::most_values;
use crate::text::yaml::yaml;

/// Reads `mix.lock` (Hex), which is a term of Elixir.
pub struct MixLock;

/// Reads `pubspec.lock` (Dart).
pub struct PubLock;

/// Reads `Package.resolved` (Swift).
pub struct SwiftResolved;

/// Reads `renv.lock` (R).
pub struct RenvLock;

/// Reads `conan.lock` (C and C++).
pub struct ConanLock;

/// Reads `cabal.project.freeze` and `stack.yaml.lock` (Haskell).
pub struct HaskellLock;

const RESTORE: &str = "restore the file from version control, or let its tool make a new one";

impl Detector for MixLock {
    fn kind(&self) -> &'static Kind {
        &Kind { files: &["mix.lock"], manifest: Some("mix.exs"), hint: RESTORE, is_fixed: false }
    }

    /// A line each: `"name": {:hex, :package, "1.0.0", "checksum", [:mix], [{:need, "~> 1.0", …}], "hexpm", "…"},`.
    fn parse(&self, path: &str, text: &str, _: &Neighbours) -> Result<Inventory, Broken> {
        let (mut graph, mut names) = (Graph::of("Hex", text.len()), HashMap::new());
        let (mut needs, most_needs) = (Vec::new(), most_values(text.len()));
        if !text.trim_start().starts_with("%{") {
            return Err(Broken::at(text, 0, "it does not begin with `%{`"));
        }
        for (index, line) in text.lines().enumerate() {
            let Some((name, rest)) = line.trim().strip_prefix('"').and_then(|line| line.split_once("\": {:"))
            else {
                continue;
            };
            if graph.is_full() {
                break;
            }
            let line = u32::try_from(index + 1).unwrap_or(u32::MAX);
            let (kind, rest) = rest.split_once(", ").unwrap_or((rest, ""));
            let mut quoted = rest.split('"').skip(1).step_by(2);
            let node = match kind {
                "hex" => {
                    let package = rest.strip_prefix(':').and_then(|rest| rest.split([',', ' ']).next());
                    let version = quoted.next().unwrap_or_default();
                    Node {
                        checksum: quoted.next().map(str::to_owned),
                        ..Node::registered(package.unwrap_or(name).trim_matches('"'), version, line)
                    }
                }
                kind => Node {
                    registered: false,
                    source: quoted.next().map(str::to_owned),
                    unknown: Some(format!("it comes from {}, so its version is not known", short(kind))),
                    ..Node::registered(name, "", line)
                },
            };
            let node = graph.add(node);
            names.insert(name, node);
            let named = rest
                .split("{:")
                .skip(1)
                .filter_map(|need| need.split(',').next())
                .filter(|need| !need.is_empty());
            for need in named {
                match needs.len() < most_needs {
                    true => push(&mut needs, (node, need)),
                    false => graph.cut(),
                }
            }
        }
        for (node, need) in needs {
            graph.join(node, names.get(need).copied());
        }
        drop(names);
        Ok(graph.inventory(path))
    }
}

impl Detector for PubLock {
    fn kind(&self) -> &'static Kind {
        &Kind { files: &["pubspec.lock"], manifest: None, hint: RESTORE, is_fixed: false }
    }

    fn parse(&self, path: &str, text: &str, _: &Neighbours) -> Result<Inventory, Broken> {
        let lock = yaml(text)?;
        if lock.get("packages").is_none() {
            return Err(Broken::at(text, 0, "it has no list of packages"));
        }
        let (mut graph, mut lines) = (Graph::of("Pub", text.len()), Lines::of(text));
        for entry in lock.entries_of("packages") {
            if graph.is_full() {
                break;
            }
            let of = |key: &str| entry.value.text_of(key).unwrap_or_default();
            let line = lines.line_of(entry.offset);
            let address = entry.value.get("description").and_then(|about| about.text_of("url"));
            let node = graph.add(Node {
                // Flutter's own packages (`sdk`) are none of the registry.
                registered: of("source") == "hosted",
                source: Some(address.unwrap_or(of("source")).to_owned()),
                ..Node::registered(&entry.key, of("version"), line)
            });
            match of("dependency") {
                "direct dev" => graph.direct.push((node, Scope::Dev)),
                kind if kind.starts_with("direct") => graph.direct.push((node, Scope::Normal)),
                _ => {}
            }
        }
        drop(lock);
        Ok(graph.inventory(path))
    }
}

impl Detector for SwiftResolved {
    fn kind(&self) -> &'static Kind {
        &Kind { files: &["Package.resolved"], manifest: None, hint: RESTORE, is_fixed: false }
    }

    /// Formats 1 (`object`) to 3. The name of a package is its address.
    fn parse(&self, path: &str, text: &str, _: &Neighbours) -> Result<Inventory, Broken> {
        let lock = json(text)?;
        let list = lock.get("pins").or_else(|| lock.get("object").and_then(|object| object.get("pins")));
        let Some(list) = list else { return Err(Broken::at(text, lock.offset, "it has no list of pins")) };
        let (mut graph, mut lines) = (Graph::of("SwiftURL", text.len()), Lines::of(text));
        for pin in list.items() {
            if graph.is_full() {
                break;
            }
            let address =
                pin.text_of("location").or_else(|| pin.text_of("repositoryURL")).unwrap_or_default();
            let version = pin.get("state").and_then(|state| state.text_of("version"));
            let name = normal(&ecosystem("SwiftURL"), address).into_owned();
            let unknown =
                version.is_none().then(|| "it is pinned to a branch or commit and no version".to_owned());
            let line = lines.line_of(pin.offset);
            graph.add(Node {
                unknown,
                source: Some(address.to_owned()),
                registered: pin.text_of("kind") != Some("localSourceControl"),
                ..Node::registered(&name, version.unwrap_or_default(), line)
            });
        }
        drop(lock);
        Ok(graph.inventory(path))
    }
}

impl Detector for RenvLock {
    fn kind(&self) -> &'static Kind {
        &Kind { files: &["renv.lock"], manifest: None, hint: RESTORE, is_fixed: false }
    }

    fn parse(&self, path: &str, text: &str, _: &Neighbours) -> Result<Inventory, Broken> {
        let lock = json(text)?;
        if lock.get("Packages").is_none() {
            return Err(Broken::at(text, lock.offset, "it has no `Packages`"));
        }
        let (mut graph, mut lines) = (Graph::of("CRAN", text.len()), Lines::of(text));
        for entry in lock.entries_of("Packages") {
            if graph.is_full() {
                break;
            }
            let of = |key: &str| entry.value.text_of(key).unwrap_or_default();
            let line = lines.line_of(entry.offset);
            // Packages of Bioconductor are another registry's.
            let registered = of("Source") == "Repository" && of("Repository") != "Bioconductor";
            let checksum = entry.value.text_of("Hash").map(str::to_owned);
            let source = Some(of("Source").to_owned());
            graph.add(Node {
                registered,
                checksum,
                source,
                ..Node::registered(of("Package"), of("Version"), line)
            });
        }
        drop(lock);
        Ok(graph.inventory(path))
    }
}

impl Detector for ConanLock {
    fn kind(&self) -> &'static Kind {
        &Kind { files: &["conan.lock"], manifest: None, hint: RESTORE, is_fixed: false }
    }

    /// Format 0.5 has lists of `name/version#revision`, 0.4 a graph with `ref`.
    fn parse(&self, path: &str, text: &str, _: &Neighbours) -> Result<Inventory, Broken> {
        let lock = json(text)?;
        let (mut graph, mut lines) = (Graph::of("ConanCenter", text.len()), Lines::of(text));
        let mut references = Vec::new();
        let lists = [
            ("requires", Scope::Normal),
            ("build_requires", Scope::Build),
            ("python_requires", Scope::Build),
        ];
        for (list, scope) in lists {
            let items = lock.items_of(list).iter();
            references.extend(items.filter_map(|item| Some((item.text()?, item.offset, scope))));
        }
        let nodes = lock.get("graph_lock").map(|graph| graph.entries_of("nodes")).unwrap_or_default();
        let old =
            nodes.iter().filter_map(|node| Some((node.value.text_of("ref")?, node.offset, Scope::Normal)));
        references.extend(old);
        if references.is_empty() && lock.get("version").is_none() {
            return Err(Broken::at(text, lock.offset, "it has neither `requires` nor `graph_lock`"));
        }
        for (reference, offset, scope) in references {
            if graph.is_full() {
                break;
            }
            let plain = reference.split(['#', '%', '@']).next().unwrap_or(reference);
            let (name, version) = plain.split_once('/').unwrap_or((plain, ""));
            let line = lines.line_of(offset);
            graph.add(Node { scope: Some(scope), ..Node::registered(name, version, line) });
        }
        drop(lock);
        Ok(graph.inventory(path))
    }
}

impl Detector for HaskellLock {
    fn kind(&self) -> &'static Kind {
        &Kind {
            files: &["cabal.project.freeze", "stack.yaml.lock"],
            manifest: None,
            hint: RESTORE,
            is_fixed: false,
        }
    }

    fn parse(&self, path: &str, text: &str, _: &Neighbours) -> Result<Inventory, Broken> {
        let mut graph = Graph::of("Hackage", text.len());
        if path.ends_with(".freeze") {
            for (index, line) in text.lines().enumerate() {
                // `constraints: any.aeson ==2.1.0.0,`; what follows a name otherwise are flags.
                let line_number = u32::try_from(index + 1).unwrap_or(u32::MAX);
                let pins = line
                    .trim_start_matches("constraints:")
                    .split(',')
                    .filter_map(|part| part.split_once("=="));
                for (name, version) in pins {
                    if graph.is_full() {
                        break;
                    }
                    let name = name.trim().trim_start_matches("any.");
                    graph.add(Node::registered(name, version.trim(), line_number));
                }
            }
            return Ok(graph.inventory(path));
        }
        let lock = yaml(text)?;
        let mut lines = Lines::of(text);
        for item in lock.items_of("packages") {
            if graph.is_full() {
                break;
            }
            let completed = item.get("completed");
            // `aeson-2.1.0.0@sha256:…,6324`
            let Some(hackage) = completed.and_then(|completed| completed.text_of("hackage")) else {
                continue;
            };
            let plain = hackage.split('@').next().unwrap_or(hackage);
            let (name, version) = plain.rsplit_once('-').unwrap_or((plain, ""));
            let line = lines.line_of(item.offset);
            graph.add(Node::registered(name, version, line));
        }
        let what = "it lists only what is added to a snapshot of Stackage; what the snapshot holds is not known here";
        graph.cannot_judge(Unresolved::of(path, what));
        drop(lock);
        Ok(graph.inventory(path))
    }
}

fn short(words: &str) -> String {
    words.chars().take(40).collect()
}
