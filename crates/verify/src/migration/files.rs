//! The migrations of both sides by their files: which are applied already, and which come with the patch.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use patchline_model::verification::Migrations;

use crate::found::found;
use crate::migration::names::{down_of, is_down, is_repeatable, order, ways};

const MAX_FILES: usize = 5000;
const MAX_BYTES: u64 = 16 * 1024 * 1024;
const MAX_ALL_BYTES: u64 = 256 * 1024 * 1024;

/// One step of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Migration {
    pub(crate) up: Script,
    pub(crate) down: Option<Script>,
}

/// A file, or a part of one: where it stands, and its text with the lines of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Both sides, compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) setup: Vec<Script>,
    /// What the base has, in order.
    pub(crate) applied: Vec<Migration>,
    /// What comes with the patch, in order.
    pub(crate) new: Vec<Migration>,
    /// What is wrong with the files alone: the path and why.
    pub(crate) odd: Vec<(String, String)>,
    /// Some migration of the base has a way down.
    pub(crate) goes_down: bool,
}

/// The files of one side: what is applied first, and the migrations, by their paths below the service's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    setup: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
}

/// What the settings name in a folder.
pub(crate) fn texts(settings: &Migrations, folder: &Path) -> io::Result<Texts> {
    let setup = read(folder, &settings.setup)?;
    let mut files = read(folder, &settings.files)?;
    files.retain(|path, _| !setup.contains_key(path));
    Ok(Texts { setup, files })
}

/// Both sides compared.
pub(crate) fn plan(base: &Texts, patch: Texts) -> Plan {
    let before = migrations(&base.files);
    let after = migrations(&patch.files);
    let mut plan = Plan { setup: scripts(patch.setup), ..Plan::default() };
    plan.goes_down = before.iter().any(|migration| migration.down.is_some());
    for migration in after {
        let path = &migration.up.path;
        match before.iter().position(|old| old.up.path == *path) {
            Some(at) if before[at].up.text == migration.up.text => {}
            Some(_) if is_repeatable(path) => plan.new.push(migration),
            Some(_) => {
                let why = "is changed though databases have it already: what changed in it will never be applied there";
                plan.odd.push((path.clone(), why.to_owned()));
            }
            None => {
                let later = before
                    .iter()
                    .rev()
                    .find(|old| order(path, &old.up.path).is_lt() && !is_repeatable(&old.up.path));
                if let Some(later) = later {
                    let why = format!("comes before `{}`, which databases have already", later.up.path);
                    plan.odd.push((path.clone(), why));
                }
                plan.new.push(migration);
            }
        }
    }
    for old in before.iter().filter(|old| !patch.files.contains_key(&old.up.path)) {
        plan.odd.push((old.up.path.clone(), "is taken away though databases have it already".to_owned()));
    }
    plan.applied = before;
    plan
}

/// Those that go up, each with its way down.
fn migrations(texts: &BTreeMap<String, String>) -> Vec<Migration> {
    let mut paths: Vec<&String> = texts.keys().filter(|path| !is_down(path)).collect();
    paths.sort_by(|a, b| order(a, b));
    let migration = |path: &String| {
        let (up, within) = ways(&texts[path]);
        let within = within.map(|text| Script { path: path.clone(), text });
        let beside = || {
            let found = down_of(path).into_iter().find_map(|path| texts.get_key_value(&path));
            found.map(|(path, text)| Script { path: path.clone(), text: text.clone() })
        };
        Migration { up: Script { path: path.clone(), text: up }, down: within.or_else(beside) }
    };
    paths.into_iter().map(migration).collect()
}

fn scripts(texts: BTreeMap<String, String>) -> Vec<Script> {
    texts.into_iter().map(|(path, text)| Script { path, text }).collect()
}

fn read(folder: &Path, patterns: &[String]) -> io::Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    let mut rest = MAX_ALL_BYTES;
    for pattern in patterns {
        for path in found(folder, pattern)? {
            let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
            if texts.contains_key(&name) {
                continue;
            }
            let mut bytes = Vec::new();
            fs::File::open(&path)?.take(MAX_BYTES.min(rest) + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > MAX_BYTES.min(rest) || texts.len() >= MAX_FILES {
                return Err(io::Error::other(format!("`{name}` and those before it are too large")));
            }
            rest -= bytes.len() as u64;
            let text =
                String::from_utf8(bytes).map_err(|_| io::Error::other(format!("`{name}` is no UTF-8")))?;
            texts.insert(name, text);
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use patchline_model::verification::Migrations;

    use super::{plan, texts};

    #[test]
    fn what_is_new_is_told_from_what_databases_have() {
        let folder = tempfile::tempdir().unwrap();
        let (base, patch) = (folder.path().join("base"), folder.path().join("patch"));
        let write = |side: &std::path::Path, files: &[(&str, &str)]| {
            fs::create_dir(side).unwrap();
            files.iter().for_each(|(name, text)| fs::write(side.join(name), text).unwrap());
        };
        let old = [("V2__b.sql", "b"), ("V10__c.sql", "c"), ("U10__c.sql", "-c"), ("R__view.sql", "v")];
        write(&base, &old);
        write(
            &patch,
            &[
                ("V2__b.sql", "B"),
                ("V3__d.sql", "d"),
                ("V11__e.sql", "e"),
                ("U11__e.sql", "-e"),
                ("R__view.sql", "w"),
            ],
        );
        let settings = Migrations {
            files: vec!["*.sql".to_owned()],
            setup: Vec::new(),
            blocking: Default::default(),
            irreversible: Default::default(),
        };
        let plan = plan(&texts(&settings, &base).unwrap(), texts(&settings, &patch).unwrap());
        let names =
            |list: &[super::Migration]| list.iter().map(|one| one.up.path.clone()).collect::<Vec<_>>();
        assert_eq!(names(&plan.applied), ["V2__b.sql", "V10__c.sql", "R__view.sql"]);
        assert_eq!(names(&plan.new), ["V3__d.sql", "V11__e.sql", "R__view.sql"]);
        assert!(plan.goes_down && plan.new[1].down.is_some() && plan.new[0].down.is_none());
        let odd: Vec<String> = plan.odd.iter().map(|(path, why)| format!("{path} {why}")).collect();
        assert_eq!(odd.len(), 3, "{odd:?}");
        assert!(odd[0].contains("V2__b.sql is changed"));
        assert!(odd[1].contains("V3__d.sql comes before `V10__c.sql`"));
        assert!(odd[2].contains("V10__c.sql is taken away"));
    }
}
