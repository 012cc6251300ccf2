//! `go.mod` (<https://go.dev/ref/mod#go-mod-file>). From Go 1.17 on it lists everything that is built. `go.sum` is no
//! help: it keeps checksums of what was only looked at, too.

use std::collections::{HashMap, HashSet};

use crate::detector::{Broken, Detector, Inventory, Kind, Neighbours, Scope, Unresolved};
use crate::lockfile::assembly::{Graph, Node};

/// Reads `go.mod`.
pub struct GoMod;

impl Detector for GoMod {
    fn kind(&self) -> &'static Kind {
        &Kind {
            files: &["go.mod"],
            manifest: None,
            hint: "restore the file from version control, or mend it with `go mod tidy`",
            is_fixed: false,
        }
    }

    fn parse(&self, path: &str, text: &str, _: &Neighbours) -> Result<Inventory, Broken> {
        let file = File::of(text)?;
        let mut graph = Graph::of("Go");
        if let Some((module, line)) = file.module {
            graph.add(Node { is_own: true, ..Node::registered(module, "", line) });
        }
        file.language(path, &mut graph);
        for (name, version, line, is_indirect) in &file.requires {
            let replaced =
                file.replaces.get(&(*name, Some(*version))).or_else(|| file.replaces.get(&(*name, None)));
            let (name, version) =
                replaced.map_or((*name, Some(*version)), |(name, version)| (*name, *version));
            let is_local = version.is_none();
            let is_excluded = version.is_some_and(|version| file.excludes.contains(&(name, version)));
            let unknown = match (is_local, is_excluded) {
                (true, _) => Some(format!("it is replaced by the folder `{name}`")),
                (_, true) => Some("this version is excluded, so a later one is in use".to_owned()),
                (false, false) => None,
            };
            let node = Node { unknown, ..Node::registered(name, bare(version.unwrap_or_default()), *line) };
            let node = graph.add(node);
            if !is_indirect {
                graph.direct.push((node, Scope::Normal));
                if file.module.is_some() {
                    graph.edges[0].push(node);
                }
            }
        }
        Ok(graph.inventory(path))
    }
}

/// OSV writes versions of Go without the `v`.
fn bare(version: &str) -> &str {
    version.strip_prefix('v').unwrap_or(version)
}

/// A path, and a version where one is stated.
type Module<'a> = (&'a str, Option<&'a str>);

#[derive(Default)]
struct File<'a> {
    module: Option<(&'a str, u32)>,
    go: Option<(&'a str, u32)>,
    toolchain: Option<(&'a str, u32)>,
    requires: Vec<(&'a str, &'a str, u32, bool)>,
    replaces: HashMap<Module<'a>, Module<'a>>,
    excludes: HashSet<(&'a str, &'a str)>,
}

impl<'a> File<'a> {
    fn of(text: &'a str) -> Result<Self, Broken> {
        let mut file = Self::default();
        let mut block: Option<&str> = None;
        let mut offset = 0;
        for (index, raw) in text.split_inclusive('\n').enumerate() {
            let at = offset + (raw.len() - raw.trim_start().len());
            offset += raw.len();
            let (code, comment) = raw.split_once("//").unwrap_or((raw, ""));
            let mut words: Vec<&str> =
                code.split_whitespace().map(|word| word.trim_matches(['"', '`'])).collect();
            if words.is_empty() {
                continue;
            }
            let line = u32::try_from(index + 1).unwrap_or(u32::MAX);
            if words == [")"] && block.take().is_some() {
                continue;
            }
            let verb = match block {
                Some(verb) => verb,
                None => words.remove(0),
            };
            if words.as_slice() == ["("] {
                block = Some(verb);
                continue;
            }
            if !file.take(verb, &words, line, comment.trim_start().starts_with("indirect")) {
                return Err(Broken::at(
                    text,
                    at,
                    format!("this is no line of `{}`", verb.chars().take(40).collect::<String>()),
                ));
            }
        }
        match (block, file.module, file.go) {
            (Some(_), _, _) => Err(Broken::at(text, text.len(), "it ends within brackets")),
            (None, None, None) if file.requires.is_empty() => {
                Err(Broken::at(text, text.len(), "it names no module"))
            }
            (None, _, _) => Ok(file),
        }
    }

    /// Whether this is a line that such a verb may have. Unknown verbs are for newer Go, and pass.
    fn take(&mut self, verb: &'a str, words: &[&'a str], line: u32, is_indirect: bool) -> bool {
        match (verb, words) {
            ("module", [name]) => self.module = Some((name, line)),
            ("go", [version]) => self.go = Some((version, line)),
            ("toolchain", [version]) => self.toolchain = Some((version, line)),
            ("require", [name, version]) => self.requires.push((name, version, line, is_indirect)),
            ("exclude", [name, version]) => {
                self.excludes.insert((name, version));
            }
            ("replace", [old, "=>", new @ ..]) => return self.replace(old, None, new),
            ("replace", [old, version, "=>", new @ ..]) => return self.replace(old, Some(version), new),
            ("module" | "go" | "toolchain" | "require" | "exclude" | "replace", _) => return false,
            (verb, _) => return verb.bytes().all(|byte| byte.is_ascii_lowercase()),
        }
        true
    }

    fn replace(&mut self, old: &'a str, version: Option<&'a str>, new: &[&'a str]) -> bool {
        let new = match new {
            [folder] => (*folder, None),
            [name, version] => (*name, Some(*version)),
            _ => return false,
        };
        self.replaces.insert((old, version), new);
        true
    }

    /// The standard library. What `go` says is the least that will do and no version that is in use; `toolchain` names
    /// the one that Go fetches.
    fn language(&self, path: &str, graph: &mut Graph) {
        let toolchain = self.toolchain.and_then(|(name, line)| Some((name.strip_prefix("go")?, line)));
        match (toolchain, self.go) {
            (Some((version, line)), _) => {
                let version = version.split('-').next().unwrap_or(version);
                let node = graph.add(Node::registered("stdlib", version, line));
                graph.direct.push((node, Scope::Normal));
            }
            (None, Some((version, line))) => {
                let what =
                    format!("`go {version}` is the least that will do; which Go builds it is not known here");
                graph.unresolved.push(Unresolved::package(path, Some(line), "stdlib", what));
            }
            (None, None) => {}
        }
        let minor = self
            .go
            .and_then(|(version, _)| version.strip_prefix("1.")?.split('.').next()?.parse::<u32>().ok());
        if minor.is_none_or(|minor| minor < 17) && !self.requires.is_empty() {
            let what = "before Go 1.17 it doesn't list what is only needed by others; `go mod tidy -go=1.17` makes it";
            graph.unresolved.push(Unresolved::of(path, what));
        }
    }
}
