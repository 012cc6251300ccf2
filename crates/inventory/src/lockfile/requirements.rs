//! `requirements.txt` with what it includes (<https://pip.pypa.io/en/stable/reference/requirements-file-format/>). Only a pin
//! is a version: of anything else nobody knows here what gets installed.

use std::collections::{BTreeMap, BTreeSet};

use crate::detector::{Broken, Detector, Inventory, Kind, Neighbours, Scope, Unresolved, beside, ecosystem};
use crate::lockfile::assembly::{Graph, Node, most_packages};
use crate::name::normal;

/// Reads `requirements.txt` and its like.
pub struct Requirements;

impl Detector for Requirements {
    fn kind(&self) -> &'static Kind {
        &Kind {
            files: &["requirements*.txt", "*requirements.txt", "requirements/*.txt"],
            manifest: None,
            hint: "pin what is installed, as `pip-compile` or `pip freeze` do",
            is_fixed: false,
        }
    }

    fn neighbours(&self, path: &str, text: &str) -> Vec<String> {
        lines(text).filter_map(|(_, line)| included(&line).and_then(|(_, file)| beside(path, file))).collect()
    }

    fn parse(&self, path: &str, text: &str, neighbours: &Neighbours) -> Result<Inventory, Broken> {
        let bytes = text.len() + neighbours.values().map(String::len).sum::<usize>();
        let mut reader = Reader {
            neighbours,
            bytes,
            left: most_packages(bytes),
            seen: BTreeSet::new(),
            pins: BTreeMap::new(),
            inventory: Inventory::default(),
        };
        // Constraints speak for everything, wherever they stand.
        reader.read_constraints(path, text);
        reader.seen.clear();
        reader.read(path, text);
        Ok(reader.inventory)
    }
}

/// The joined lines without comments, with the number of the first.
fn lines(text: &str) -> impl Iterator<Item = (u32, String)> {
    let mut all = text.lines().enumerate();
    std::iter::from_fn(move || {
        let (index, first) = all.next()?;
        let mut line = first.trim_start_matches('\u{feff}').to_owned();
        while line.ends_with('\\') {
            line.pop();
            match all.next() {
                Some((_, next)) => line.push_str(next),
                None => break,
            }
        }
        let comment =
            if line.starts_with('#') { Some(0) } else { line.find(" #").or_else(|| line.find("\t#")) };
        line.truncate(comment.unwrap_or(line.len()));
        Some((u32::try_from(index + 1).unwrap_or(u32::MAX), line.trim().to_owned()))
    })
}

/// The file that this line includes, and whether only as a constraint.
fn included(line: &str) -> Option<(bool, &str)> {
    for (option, is_constraint) in
        [("--requirement", false), ("-r", false), ("--constraint", true), ("-c", true)]
    {
        let Some(rest) = line.strip_prefix(option) else { continue };
        let file = rest.trim_start_matches('=').trim();
        return (!file.is_empty() && !file.contains("://")).then_some((is_constraint, file));
    }
    None
}

struct Reader<'a> {
    neighbours: &'a Neighbours,
    /// Of the file and its neighbours.
    bytes: usize,
    /// So many packages may still come in, out of all files.
    left: usize,
    seen: BTreeSet<String>,
    /// The versions that constraints pin, by normal name.
    pins: BTreeMap<String, String>,
    inventory: Inventory,
}

impl Reader<'_> {
    fn read_constraints(&mut self, path: &str, text: &str) {
        let mut open = vec![(path.to_owned(), text, false)];
        while let Some((path, text, is_constraint)) = open.pop() {
            if !self.seen.insert(format!("{path} {is_constraint}")) {
                continue;
            }
            for (_, line) in lines(text) {
                if let Some((constrains, file)) = included(&line) {
                    let file = beside(&path, file);
                    let found = file.and_then(|file| self.neighbours.get_key_value(&file));
                    open.extend(
                        found.map(|(file, text)| (file.clone(), text.as_str(), is_constraint || constrains)),
                    );
                } else if is_constraint {
                    let wanted = Wanted::of(&line);
                    if let Some((wanted, version)) =
                        wanted.and_then(|wanted| wanted.pin().map(|pin| (wanted, pin)))
                    {
                        if self.pins.len() >= self.left {
                            let what = format!(
                                "there are more than {} packages in constraints, and only so many are looked at in {} bytes; \
                                 make them anew with their tool, or split them",
                                self.left, self.bytes
                            );
                            self.inventory.unresolved.push(Unresolved::of(&path, what));
                            return;
                        }
                        self.pins.insert(wanted.normal_name(), version.to_owned());
                    }
                }
            }
        }
    }

    fn read(&mut self, path: &str, text: &str) {
        let mut open = vec![(path.to_owned(), text)];
        while let Some((path, text)) = open.pop() {
            if !self.seen.insert(path.clone()) {
                continue;
            }
            let named = self.inventory.unresolved.len();
            let mut graph = Graph::of("PyPI", self.bytes).at_most(self.left, named);
            for (line, words) in lines(text) {
                if graph.is_full() {
                    break;
                }
                if words.starts_with("--extra-index-url") {
                    let what = "it names a further index, and any package may come from there; all are matched as the \
                                public ones of their names";
                    graph.cannot_judge(Unresolved { line: Some(line), ..Unresolved::of(&path, what) });
                }
                match included(&words) {
                    Some((true, _)) => {}
                    Some((false, file)) => {
                        let target = beside(&path, file);
                        if target.as_ref().is_some_and(|target| self.seen.contains(target)) {
                            continue;
                        }
                        match target.and_then(|target| self.neighbours.get_key_value(&target)) {
                            Some((file, text)) => open.push((file.clone(), text.as_str())),
                            None => {
                                let what =
                                    format!("it includes `{file}`, which is no readable file of this tree");
                                graph.cannot_judge(Unresolved {
                                    line: Some(line),
                                    ..Unresolved::of(&path, what)
                                });
                            }
                        }
                    }
                    None => self.take(&mut graph, &path, line, &words),
                }
            }
            self.left = self.left.saturating_sub(graph.nodes.len());
            let inventory = graph.inventory(&path);
            self.inventory.installed.reserve_exact(inventory.installed.len());
            self.inventory.installed.extend(inventory.installed);
            self.inventory.unresolved.extend(inventory.unresolved);
        }
    }

    fn take(&self, graph: &mut Graph, path: &str, line: u32, words: &str) {
        let local = ["-e ", "--editable", "./", "../", "/", "git+", "http://", "https://", "file:"];
        if words.is_empty()
            || words.starts_with('-') && !words.starts_with("-e ") && !words.starts_with("--editable")
        {
            return;
        }
        if local.iter().any(|start| words.starts_with(start)) {
            let what = format!("`{}` comes from no registry, so its version is not known", short(words));
            graph.cannot_judge(Unresolved { line: Some(line), ..Unresolved::of(path, what) });
            return;
        }
        let Some(wanted) = Wanted::of(words) else {
            let what = format!("`{}` is no requirement", short(words));
            graph.cannot_judge(Unresolved { line: Some(line), ..Unresolved::of(path, what) });
            return;
        };
        let name = wanted.normal_name();
        let pin = wanted.pin().or_else(|| self.pins.get(&name).map(String::as_str));
        let unknown = match (pin, wanted.is_address) {
            (Some(_), false) => None,
            (_, true) => Some("it comes from an address, so its version is not known".to_owned()),
            (None, false) if wanted.range.is_empty() => Some("no version is pinned".to_owned()),
            (None, false) => Some(format!("`{}` is a range and no version", short(wanted.range))),
        };
        let scope = scope_of(path);
        graph.add(Node {
            scope: Some(scope),
            unknown,
            ..Node::registered(wanted.name, pin.unwrap_or_default(), line)
        });
    }
}

/// What a file is for, as its name tells.
fn scope_of(path: &str) -> Scope {
    let name = path.rsplit('/').next().unwrap_or(path);
    match () {
        () if name.contains("test") => Scope::Test,
        () if name.contains("dev") || name.contains("lint") || name.contains("docs") => Scope::Dev,
        () => Scope::Normal,
    }
}

fn short(words: &str) -> String {
    words.chars().take(80).collect()
}

/// One requirement as PEP 508 writes it.
pub struct Wanted<'a> {
    pub name: &'a str,
    /// Without extras, markers and options.
    pub range: &'a str,
    pub is_address: bool,
}

impl<'a> Wanted<'a> {
    pub fn of(words: &'a str) -> Option<Self> {
        let is_name = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '_' | '-');
        let end = words.find(|sign| !is_name(sign)).unwrap_or(words.len());
        let (name, rest) = words.split_at(end);
        let rest = rest.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(extras) => extras.split_once(']')?.1.trim_start(),
            None => rest,
        };
        let range = rest.split(';').next()?.split(" --").next()?.trim();
        let range = range.trim_start_matches('(').trim_end_matches(')');
        let is_address = range.starts_with('@');
        let is_range = range.is_empty() || is_address || range.starts_with(['=', '<', '>', '!', '~']);
        (!name.is_empty() && is_range).then_some(Self { name, range, is_address })
    }

    /// The one version that it allows.
    pub fn pin(&self) -> Option<&'a str> {
        let pins = self.range.split(',').filter_map(|part| part.trim().strip_prefix("=="));
        let mut pins = pins.map(|version| version.trim_start_matches('=').trim());
        let first = pins.next().filter(|version| !version.is_empty() && !version.contains('*'))?;
        pins.all(|other| other == first).then_some(first)
    }

    pub fn normal_name(&self) -> String {
        normal(&ecosystem("PyPI"), self.name).into_owned()
    }
}
