//! The poms of a project: the one that is asked about, those that build it, its modules and the parents that lie in the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::Path;

use patchline_inventory::detector::beside;
use patchline_model::failure::Failure;

use crate::dependency::maven::pom::{Dependency, Pom};
use crate::failures::of_file;

const LARGEST: u64 = 8 << 20;
const MOST_POMS: usize = 2000;
/// Parents above parents, and properties within properties.
const DEEPEST: usize = 32;

pub(crate) struct Reactor {
    /// By path below the worktree.
    pub(crate) poms: BTreeMap<String, Pom>,
    /// The pom that builds all others.
    pub(crate) root: String,
    /// What `.mvn/maven.config` sets of the properties that the poms use, as in `-Drevision=1.2`.
    pub(crate) settings: Vec<String>,
}

impl Reactor {
    /// The poms around this one, or why they can't be read.
    pub(crate) fn open(worktree: &Path, path: &str) -> Result<Result<Self, String>, Failure> {
        let mut poms = BTreeMap::new();
        let mut root = path.to_owned();
        let Some(first) = read(worktree, path)? else {
            return Ok(Err(format!("`{path}` is not an ordinary file")));
        };
        let Some(first) = parsed(path, &first)? else { return Ok(Err(format!("`{path}` is no pom"))) };
        let mut below = first.clone();
        for _ in 0..DEEPEST {
            let above = [parent_path(&root, &below), beside(&root, "../pom.xml")];
            let mut found = None;
            for candidate in above.into_iter().flatten().filter(|candidate| *candidate != root) {
                let text = read(worktree, &candidate)?;
                let pom = text.map(|text| parsed(&candidate, &text)).transpose()?.flatten();
                found =
                    pom.filter(|pom| modules(&candidate, pom).contains(&root)).map(|pom| (candidate, pom));
                if found.is_some() {
                    break;
                }
            }
            let Some((candidate, pom)) = found else { break };
            (root, below) = (candidate, pom);
        }
        let mut open = vec![root.clone(), path.to_owned()];
        while let Some(path) = open.pop() {
            if poms.contains_key(&path) || poms.len() >= MOST_POMS {
                continue;
            }
            let Some(text) = read(worktree, &path)? else { continue };
            let Some(pom) = parsed(&path, &text)? else { return Ok(Err(format!("`{path}` is no pom"))) };
            open.extend(modules(&path, &pom));
            open.extend(parent_path(&path, &pom));
            poms.insert(path, pom);
        }
        let mut reactor = Self { poms, root, settings: Vec::new() };
        reactor.settings = reactor.configured(worktree)?;
        Ok(Ok(reactor))
    }

    /// A pom and its parents that lie in the tree, the nearest first.
    pub(crate) fn chain(&self, path: &str) -> Vec<(&str, &Pom)> {
        let mut chain: Vec<(&str, &Pom)> = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some((path, pom)) = next.and_then(|path| self.poms.get_key_value(&path)) {
            if chain.len() >= DEEPEST || chain.iter().any(|(known, _)| known == path) {
                break;
            }
            chain.push((path, pom));
            next = parent_path(path, pom);
        }
        chain
    }

    /// As in `group:artifact`, of the project that a pom is of.
    pub(crate) fn project(&self, path: &str) -> Option<String> {
        let chain = self.chain(path);
        let pom = chain.first()?.1;
        let inherited = pom.parent.as_ref().map(|parent| &parent.group);
        let group = resolved(&chain, pom.group.as_ref().or(inherited)?)?;
        Some(format!("{group}:{}", resolved(&chain, &pom.artifact)?))
    }

    /// How often a property is put in, in all poms.
    pub(crate) fn uses(&self, property: &str) -> usize {
        let word = format!("${{{property}}}");
        self.poms.values().map(|pom| pom.text.matches(&word).count()).sum()
    }

    /// All dependencies in all poms, with what they are by name.
    pub(crate) fn dependencies(&self) -> impl Iterator<Item = (Option<String>, &Dependency)> {
        self.poms.iter().flat_map(|(path, pom)| {
            let chain = self.chain(path);
            let all = pom.dependencies.iter().chain(&pom.managed);
            all.map(move |dependency| (name(&chain, dependency), dependency))
        })
    }

    fn configured(&self, worktree: &Path) -> Result<Vec<String>, Failure> {
        let Some(path) = beside(&self.root, ".mvn/maven.config") else { return Ok(Vec::new()) };
        let text = read(worktree, &path)?.unwrap_or_default();
        // Maven's own settings can have it load code: only what the poms put in counts.
        let is_used = |word: &&str| {
            let property = word.strip_prefix("-D").and_then(|word| word.split_once('='));
            property.is_some_and(|(name, _)| !name.starts_with("maven.") && self.uses(name) > 0)
        };
        Ok(text.split_whitespace().filter(is_used).take(100).map(str::to_owned).collect())
    }
}

/// As in `group:artifact`, with properties put in.
pub(crate) fn name(chain: &[(&str, &Pom)], dependency: &Dependency) -> Option<String> {
    Some(format!("{}:{}", resolved(chain, &dependency.group)?, resolved(chain, &dependency.artifact)?))
}

/// A text with its properties put in, as far as they stand in these poms.
pub(crate) fn resolved(chain: &[(&str, &Pom)], text: &str) -> Option<String> {
    let mut text = text.to_owned();
    for _ in 0..DEEPEST {
        let Some((head, rest)) = text.split_once("${") else { return Some(text) };
        let (property, tail) = rest.split_once('}')?;
        let value = value(chain, property)?;
        text = format!("{head}{value}{tail}");
        if text.len() > 4096 {
            return None;
        }
    }
    None
}

fn value(chain: &[(&str, &Pom)], property: &str) -> Option<String> {
    let stated = chain.iter().find_map(|(_, pom)| pom.properties.get(property));
    if let Some(spot) = stated {
        return Some(spot.text.clone());
    }
    let field = property.strip_prefix("project.").or_else(|| property.strip_prefix("pom."))?;
    let pom = chain.first()?.1;
    let parent = pom.parent.as_ref();
    match field {
        "groupId" => pom.group.clone().or_else(|| Some(parent?.group.clone())),
        "artifactId" => Some(pom.artifact.clone()),
        "version" => pom.version.clone().or_else(|| Some(parent?.version.text.clone())),
        "parent.groupId" => Some(parent?.group.clone()),
        "parent.version" => Some(parent?.version.text.clone()),
        _ => None,
    }
}

fn parsed(path: &str, text: &str) -> Result<Option<Pom>, Failure> {
    match Pom::of(text) {
        Ok(pom) => Ok(Some(pom)),
        Err(what) => Err(Failure::permanent(format!("could not read `{path}`: {what}"))
            .with_hint("restore the file from version control")),
    }
}

/// An ordinary file of the worktree: a link would lead out of it.
fn read(worktree: &Path, path: &str) -> Result<Option<String>, Failure> {
    let file = worktree.join(path);
    let is_inside = || Some(file.canonicalize().ok()?.starts_with(worktree.canonicalize().ok()?));
    if !file.symlink_metadata().is_ok_and(|found| found.is_file()) || is_inside() != Some(true) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let taken = fs::File::open(&file).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    taken.map_err(|error| of_file(&format!("read `{path}`"), error))?;
    if bytes.len() as u64 > LARGEST {
        return Err(Failure::permanent(format!("could not use `{path}`: it has more than {LARGEST} bytes")));
    }
    let text = String::from_utf8(bytes);
    let failed = |_| Failure::permanent(format!("could not read `{path}`: it is not UTF-8"));
    text.map(Some).map_err(failed)
}

/// The paths of a pom's modules.
fn modules(path: &str, pom: &Pom) -> BTreeSet<String> {
    let of = |module: &String| beside(path, &as_file(module));
    pom.modules.iter().filter_map(of).collect()
}

fn parent_path(path: &str, pom: &Pom) -> Option<String> {
    match pom.parent.as_ref()?.relative.as_deref() {
        None => beside(path, "../pom.xml"),
        Some("") => None,
        Some(relative) => beside(path, &as_file(relative)),
    }
}

fn as_file(path: &str) -> String {
    if path.ends_with(".xml") { path.to_owned() } else { format!("{}/pom.xml", path.trim_end_matches('/')) }
}
