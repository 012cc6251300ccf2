//! `yarn.lock`: the format of yarn 1 (<https://classic.yarnpkg.com/en/docs/yarn-lock>), which only looks like YAML, and
//! that of yarn 2 and later ("berry"), which is YAML.

use std::collections::HashMap;

use crate::detector::{Broken, Detector, Inventory, Kind, Neighbours, Scope, beside};
use crate::lockfile::assembly::{Graph, Node};
use crate::lockfile::npmrc;
use crate::lockfile::package_json::{is_registry, name_and_rest, wanted_by};
use crate::text::json::json;
use crate::text::lines::Lines;
use crate::text::pile::push;
use crate::text::yaml::yaml;

/// Reads `yarn.lock`.
pub struct YarnLock;

impl Detector for YarnLock {
    fn kind(&self) -> &'static Kind {
        &Kind {
            files: &["yarn.lock"],
            manifest: Some("package.json"),
            hint: "restore the file from version control, or make a new one with `yarn install`",
            is_fixed: false,
        }
    }

    fn neighbours(&self, path: &str, text: &str) -> Vec<String> {
        let is_classic = path.ends_with("yarn.lock") && !text.contains("\n__metadata:");
        let manifest = is_classic.then(|| beside(path, "package.json")).flatten();
        manifest.into_iter().chain(npmrc::of(path)).collect()
    }

    fn parse(&self, path: &str, text: &str, neighbours: &Neighbours) -> Result<Inventory, Broken> {
        if text.contains("\n__metadata:") || text.starts_with("__metadata:") {
            return Ok(berry(text)?.inventory(path));
        }
        let manifest = beside(path, "package.json").and_then(|manifest| neighbours.get(&manifest));
        Ok(classic(text, manifest.map(String::as_str))?.inventory(path))
    }
}

/// Ranges that one entry answers; a monorepo has some dozens.
const MOST_HEADS: usize = 10_000;

/// Ranges that all entries answer together, and one more for each so many bytes; mostly an entry answers one.
const HEADS_OF_ANY_FILE: usize = 50_000;
const BYTES_OF_A_HEAD: usize = 20;

/// The nodes by what asks for them, as in `left-pad@^1.0.0`.
type Asked<'a> = HashMap<&'a str, usize>;

fn too_many(asked: &Asked<'_>, text: &str, offset: usize) -> Result<(), Broken> {
    let most = HEADS_OF_ANY_FILE + text.len() / BYTES_OF_A_HEAD;
    let what = || {
        format!(
            "its entries have more than {most} names, which no tool writes into {} bytes; make it anew",
            text.len()
        )
    };
    if asked.len() > most { Err(Broken::at(text, offset, what())) } else { Ok(()) }
}

fn classic(text: &str, manifest: Option<&str>) -> Result<Graph, Broken> {
    let mut graph = Graph::of("npm", text.len());
    let mut asked = Asked::new();
    let mut needs: Vec<(usize, &str)> = Vec::new();
    let mut node = None;
    let (mut offset, mut in_dependencies) = (0, false);
    for (index, raw) in text.split_inclusive('\n').enumerate() {
        let (at, line) = (offset, raw.trim_end());
        offset += raw.len();
        let content = line.trim_start_matches(' ');
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let broken = |what: &str| Err(Broken::at(text, at, what));
        if content.starts_with("<<<<<<<") || content.starts_with(">>>>>>>") {
            return broken("a merge conflict is left in it");
        }
        match (line.len() - content.len(), node) {
            (0, _) => {
                let Some(heads) = content.strip_suffix(':') else {
                    return broken("a colon is missing at the end");
                };
                if graph.is_full() {
                    break;
                }
                let heads: Vec<&str> =
                    heads.split(',').take(MOST_HEADS).map(|head| head.trim().trim_matches('"')).collect();
                let (name, range) = name_and_rest(heads[0]);
                let real = range.strip_prefix("npm:").map(|alias| name_and_rest(alias).0);
                let real = real
                    .filter(|real| real.starts_with(|sign: char| sign.is_ascii_alphabetic() || sign == '@'));
                let line = u32::try_from(index + 1).unwrap_or(u32::MAX);
                let new = graph.add(Node::registered(real.unwrap_or(name), "", line));
                asked.extend(heads.iter().map(|head| (*head, new)));
                too_many(&asked, text, at)?;
                (node, in_dependencies) = (Some(new), false);
            }
            (2, Some(node)) => {
                let (key, value) = pair(content);
                in_dependencies = matches!(key, "dependencies:" | "optionalDependencies:");
                let node = &mut graph.nodes[node];
                match key {
                    "version" => node.version = value.to_owned(),
                    "resolved" => {
                        node.registered = is_registry(value);
                        node.source = Some(value.to_owned());
                    }
                    "integrity" => node.checksum = Some(value.to_owned()),
                    _ => {}
                }
            }
            (4, Some(node)) if in_dependencies => {
                push(&mut needs, (node, content));
            }
            (4.., Some(_)) => {}
            (_, _) => return broken("this is indented like nothing above it"),
        }
    }
    let mut spelled = String::new();
    let mut find = |name: &str, range: &str| {
        spelled.clear();
        spelled.extend([name, "@", range]);
        asked.get(spelled.as_str()).copied()
    };
    for (node, content) in needs {
        let (name, range) = pair(content);
        graph.join(node, find(name, range));
    }
    if let Some(manifest) = manifest.and_then(|manifest| json(manifest).ok()) {
        let found =
            wanted_by(&manifest).filter_map(|wanted| Some((find(wanted.name, wanted.range)?, wanted.scope)));
        graph.direct.extend(found);
    }
    Ok(graph)
}

/// Key and value of a line, without their quotes.
fn pair(content: &str) -> (&str, &str) {
    let end = match content.strip_prefix('"').and_then(|rest| rest.find('"')) {
        Some(quote) => quote + 2,
        None => content.find(' ').unwrap_or(content.len()),
    };
    (content[..end].trim_matches('"'), content[end..].trim().trim_matches('"'))
}

fn berry(text: &str) -> Result<Graph, Broken> {
    let lock = yaml(text)?;
    let mut graph = Graph::of("npm", text.len());
    let (mut asked, mut lines) = (Asked::new(), Lines::of(text));
    let entries = || lock.entries().iter().filter(|entry| entry.key != "__metadata");
    for entry in entries() {
        if graph.is_full() {
            break;
        }
        let resolution = entry.value.text_of("resolution").unwrap_or(&entry.key);
        let (name, source) = name_and_rest(resolution);
        let version = entry.value.text_of("version").unwrap_or_default();
        let is_own = source.starts_with("workspace:");
        let line = lines.line_of(entry.offset);
        let node = graph.add(Node {
            is_own,
            version: if is_own { String::new() } else { version.to_owned() },
            registered: source.starts_with("npm:") || source.starts_with("patch:"),
            checksum: entry.value.text_of("checksum").map(str::to_owned),
            source: (!is_own).then(|| source.to_owned()),
            ..Node::registered(name, version, line)
        });
        asked.extend(entry.key.split(", ").map(|key| (key, node)));
        too_many(&asked, text, entry.offset)?;
    }
    let lists = [("dependencies", Scope::Normal), ("optionalDependencies", Scope::Optional)];
    for (node, entry) in entries().enumerate() {
        for (list, scope) in lists {
            for wanted in entry.value.entries_of(list) {
                let range = wanted.value.text().unwrap_or_default();
                let spelled = [format!("{}@{range}", wanted.key), format!("{}@npm:{range}", wanted.key)];
                let Some(found) = spelled.iter().find_map(|key| asked.get(key.as_str())).copied() else {
                    continue;
                };
                graph.join(node, [found]);
                if graph.nodes.get(node).is_some_and(|node| node.is_own) {
                    graph.direct.push((found, scope));
                }
            }
        }
    }
    Ok(graph)
}
