//! `go.mod` (<https://go.dev/ref/mod#go-mod-file>). From Go 1.17 on it lists everything that is built, and `go.sum` adds
//! nothing: it keeps checksums of what was only looked at, too. Before, what only others need stands in `go.sum` alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::detector::{Broken, Detector, Inventory, Kind, Neighbours, Scope, Unresolved, beside, ecosystem};
use crate::lockfile::assembly::{Graph, Node, most_packages};
use crate::text::pile::push;
use crate::version::Scheme;

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

    fn neighbours(&self, path: &str, text: &str) -> Vec<String> {
        let is_old = path.ends_with("go.mod") && File::of(text).is_ok_and(|file| !file.lists_all());
        is_old.then(|| beside(path, "go.sum")).flatten().into_iter().collect()
    }

    fn parse(&self, path: &str, text: &str, neighbours: &Neighbours) -> Result<Inventory, Broken> {
        let file = File::of(text)?;
        let sums = beside(path, "go.sum").and_then(|sums| neighbours.get(&sums));
        let sums = sums.map(String::as_str).filter(|_| !file.lists_all() && !file.requires.is_empty());
        let mut graph = Graph::of("Go", text.len() + sums.map_or(0, str::len));
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
                push(&mut graph.direct, (node, Scope::Normal));
                if file.module.is_some() {
                    graph.join(0, [node]);
                }
            }
        }
        if !file.lists_all() && !file.requires.is_empty() {
            file.rest(path, sums, &mut graph);
        }
        drop(file);
        Ok(graph.inventory(path))
    }
}

/// The modules that `go.sum` has whole, and not only the `go.mod` of, each at its highest version. It is the one that is
/// built, where the module is built at all.
fn fetched(sums: &str) -> BTreeMap<&str, &str> {
    let mut modules: BTreeMap<&str, &str> = BTreeMap::new();
    let order = Scheme::of(&ecosystem("Go"));
    let higher = |new: &str, old: &str| {
        order.is_some_and(|scheme| {
            scheme.parse(bare(new)).zip(scheme.parse(bare(old))).is_some_and(|(new, old)| new > old)
        })
    };
    for line in sums.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(version), Some(_)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        if version.ends_with("/go.mod") {
            continue;
        }
        let kept = modules.entry(name).or_insert(version);
        if higher(version, kept) {
            *kept = version;
        }
    }
    modules
}

/// OSV writes versions of Go without the `v`.
fn bare(version: &str) -> &str {
    version.strip_prefix('v').unwrap_or(version)
}

/// Go's own releases as OSV numbers them: `1.21rc2` is `1.21.0-rc.2`.
fn numbered(version: &str) -> String {
    let Some(at) = version.find(|sign: char| sign.is_ascii_alphabetic()) else { return version.to_owned() };
    let (numbers, tag) = version.split_at(at);
    let digit = tag.find(|sign: char| sign.is_ascii_digit()).unwrap_or(tag.len());
    let (word, number) = tag.split_at(digit);
    let zero = if numbers.matches('.').count() < 2 { ".0" } else { "" };
    format!("{numbers}{zero}-{word}.{number}")
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
    /// More lines of one kind are not read.
    most: usize,
}

impl<'a> File<'a> {
    fn of(text: &'a str) -> Result<Self, Broken> {
        let mut file = Self { most: most_packages(text.len()), ..Self::default() };
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
            if file.replaces.len() + file.excludes.len() > file.most {
                let what = format!(
                    "it has more than {} replaced and excluded modules for {} bytes",
                    file.most,
                    text.len()
                );
                return Err(Broken::at(text, at, what));
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
            // One more than there may be: then it is told that they are too many.
            ("require", [_, _]) if self.requires.len() > self.most => {}
            ("require", [name, version]) => push(&mut self.requires, (name, version, line, is_indirect)),
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
                let version = numbered(version.split('-').next().unwrap_or(version));
                // As OSV knows it: what is linked in, and what builds.
                for (name, scope) in [("stdlib", Scope::Normal), ("toolchain", Scope::Build)] {
                    let node = graph.add(Node::registered(name, &version, line));
                    graph.direct.push((node, scope));
                }
            }
            (None, Some((version, line))) => {
                let what =
                    format!("`go {version}` is the least that will do; which Go builds it is not known here");
                graph.cannot_judge(Unresolved::package(path, Some(line), "stdlib", what));
            }
            (None, None) => {}
        }
    }

    /// Whether it names what is only needed by others, too.
    fn lists_all(&self) -> bool {
        let minor = self
            .go
            .and_then(|(version, _)| version.strip_prefix("1.")?.split('.').next()?.parse::<u32>().ok());
        minor.is_some_and(|minor| minor >= 17)
    }

    /// What `go.mod` doesn't list, as `go.sum` has it.
    fn rest(&self, path: &str, sums: Option<&str>, graph: &mut Graph) {
        let Some(sums) = sums else {
            let what = "before Go 1.17 it doesn't list what is only needed by others; `go mod tidy -go=1.17` makes it";
            graph.cannot_judge(Unresolved::of(path, what));
            return;
        };
        let listed: HashSet<&str> = self.requires.iter().map(|(name, ..)| *name).collect();
        let replaced: HashSet<&str> = self.replaces.values().map(|(name, _)| *name).collect();
        let mut count = 0;
        for (name, version) in fetched(sums) {
            if graph.is_full() {
                break;
            }
            if !listed.contains(name) && !replaced.contains(name) {
                graph.add(Node { line: None, ..Node::registered(name, bare(version), 0) });
                count += 1;
            }
        }
        if count > 0 {
            let what = format!(
                "before Go 1.17 it doesn't list what is only needed by others: {count} modules are taken from `go.sum`, each \
                 at its highest version, and some may not be built; `go mod tidy -go=1.17` lists those that are"
            );
            graph.cannot_judge(Unresolved::of(path, what));
        }
    }
}
