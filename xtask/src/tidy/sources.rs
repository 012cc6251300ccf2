//! The repository as the checks see it: its text files, and its crates with their manifests and parsed sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::probe;
use crate::tidy::fault::Fault;
use crate::tidy::manifest::{self, Manifest, Renamed};
use crate::tidy::mentions::{self, Mentions};

/// A larger text file has no place in a repository.
pub const LARGEST_TEXT_BYTES: u64 = 8 * 1024 * 1024;

pub struct Sources {
    pub crates: Vec<Crate>,
    /// Every text file, by its path from the top.
    pub texts: BTreeMap<String, String>,
    /// What could not be read as what it claims to be.
    pub faults: Vec<Fault>,
}

pub struct Crate {
    /// `crates/detect`, or `xtask`.
    pub folder: String,
    /// The folder's own name: `detect`.
    pub name: String,
    pub manifest: Manifest,
    pub files: Vec<SourceFile>,
}

pub struct SourceFile {
    pub path: String,
    pub place: Place,
    pub mentions: Mentions,
}

/// What a source file is compiled into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The library (with the main binary) or a further binary by name, and the module within it. No module: the root.
    Code { unit: String, module: Vec<String> },
    /// Tests, benches, examples, build scripts.
    Beside,
}

const RULE: &str = "files";

const GIT_DEADLINE: Duration = Duration::from_secs(30);

impl Sources {
    pub fn read(root: &Path) -> Result<Self> {
        let mut sources = Self { crates: Vec::new(), texts: BTreeMap::new(), faults: Vec::new() };
        let ignored = ignored_by_git(root);
        sources.walk(root, "", &ignored).with_context(|| format!("could not read {}", root.display()))?;
        let renamed = sources.renamed();
        for folder in sources.crate_folders() {
            let loaded = sources.load_crate(folder, &renamed);
            sources.crates.push(loaded);
        }
        Ok(sources)
    }

    fn walk(&mut self, root: &Path, folder: &str, ignored: &BTreeSet<String>) -> io::Result<()> {
        for entry in gone_is_empty(fs::read_dir(root.join(folder)).map(Iterator::collect::<Vec<_>>))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if ignored.contains(&path) {
                continue;
            }
            let kind = entry.file_type()?;
            if kind.is_dir() && !is_left_out(&entry.path(), &path, &name) {
                self.walk(root, &path, ignored)?;
            } else if kind.is_file() {
                self.take_text(&entry.path(), path)?;
            }
        }
        Ok(())
    }

    fn take_text(&mut self, file: &Path, path: String) -> io::Result<()> {
        let mut bytes = Vec::new();
        gone_is_empty(fs::File::open(file).and_then(|file| {
            file.take(LARGEST_TEXT_BYTES + 1).read_to_end(&mut bytes).map(|_| Vec::<u8>::new())
        }))?;
        if bytes.contains(&0) {
            return Ok(());
        }
        if bytes.len() as u64 > LARGEST_TEXT_BYTES {
            let hint = "pack it, make it smaller, or make it while the test runs";
            self.faults.push(Fault::new(RULE, &path, 1, "is a text of more than 8 MiB", hint));
            return Ok(());
        }
        self.texts.insert(path, String::from_utf8_lossy(&bytes).into_owned());
        Ok(())
    }

    fn renamed(&mut self) -> Renamed {
        match self.texts.get("Cargo.toml").map(|text| manifest::parse_renamed(text)) {
            None => Renamed::new(),
            Some(Ok(renamed)) => renamed,
            Some(Err((line, why))) => {
                self.faults.push(unreadable("Cargo.toml", line, &why));
                Renamed::new()
            }
        }
    }

    /// `crates/*` and `xtask`, where they hold a manifest.
    fn crate_folders(&self) -> Vec<String> {
        let folders = self.texts.keys().filter_map(|path| path.strip_suffix("/Cargo.toml"));
        folders.filter(|folder| is_crate_folder(folder)).map(str::to_owned).collect()
    }

    fn load_crate(&mut self, folder: String, renamed: &Renamed) -> Crate {
        let name = folder.rsplit('/').next().unwrap_or_default().to_owned();
        let manifest_path = format!("{folder}/Cargo.toml");
        let manifest = manifest::parse(&self.texts[&manifest_path], renamed).unwrap_or_else(|(line, why)| {
            self.faults.push(unreadable(&manifest_path, line, &why));
            Manifest { package: None, dependencies: Vec::new() }
        });
        let mut files = Vec::new();
        let inside = format!("{folder}/");
        for (path, text) in
            self.texts.range(inside.clone()..).take_while(|(path, _)| path.starts_with(&inside))
        {
            if !is_rust_source(path) {
                continue;
            }
            match syn::parse_file(text) {
                Ok(syntax) => files.push(SourceFile {
                    place: Place::of(&path[inside.len()..]),
                    path: path.clone(),
                    mentions: Mentions::of(&syntax),
                }),
                Err(error) => {
                    let line = error.span().start().line.max(1);
                    self.faults.push(unreadable(path, line, &error.to_string()));
                }
            }
        }
        mark_test_files(&mut files);
        Crate { folder, name, manifest, files }
    }
}

impl Place {
    /// From the path within the crate's folder.
    fn of(path: &str) -> Self {
        let Some(path) = path.strip_prefix("src/").and_then(|path| path.strip_suffix(".rs")) else {
            return Self::Beside;
        };
        let mut words: Vec<String> = path.split('/').map(str::to_owned).collect();
        let mut unit = String::new();
        if words[0] == "bin" && words.len() > 1 {
            unit = format!("bin/{}", words[1]);
            words.drain(..2);
        }
        if matches!(words.as_slice(), [only] if only == "lib" || only == "main") {
            words.clear();
        }
        Self::Code { unit, module: words }
    }

    pub fn is_root(&self) -> bool {
        matches!(self, Self::Code { module, .. } if module.is_empty())
    }
}

/// A Rust file that is ours to judge: fixtures and golden files are data.
pub fn is_rust_source(path: &str) -> bool {
    let ours = path.starts_with("crates/") || path.starts_with("xtask/");
    ours && path.ends_with(".rs") && !path.split('/').any(|word| word == "fixtures" || word == "golden")
}

fn is_crate_folder(folder: &str) -> bool {
    folder == "xtask" || folder.strip_prefix("crates/").is_some_and(|name| !name.contains('/'))
}

/// Files and folders that `.gitignore` keeps out of the repository. None where git does not answer: then all is checked.
fn ignored_by_git(root: &Path) -> BTreeSet<String> {
    let mut command = Command::new("git");
    command.args(["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"]);
    command.current_dir(root);
    match probe::ask(command, GIT_DEADLINE) {
        Ok(answer) if answer.status.success() => {
            answer.text.split('\0').map(|path| path.trim_end_matches('/').to_owned()).collect()
        }
        _ => BTreeSet::new(),
    }
}

/// What git and cargo keep for themselves. A folder of sources may well be called `target`.
fn is_left_out(folder: &Path, path: &str, name: &str) -> bool {
    match name {
        ".git" | "node_modules" => true,
        "target" => path == "target" || folder.join("CACHEDIR.TAG").exists(),
        _ => false,
    }
}

/// Somebody else may be writing: what went away between looking and reading is not there.
fn gone_is_empty<T: Default>(answer: io::Result<T>) -> io::Result<T> {
    match answer {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        other => other,
    }
}

fn unreadable(path: &str, line: usize, why: &str) -> Fault {
    Fault::new(
        RULE,
        path,
        line,
        format!("could not be read: {why}"),
        "mend the syntax; nothing else in it was checked",
    )
}

/// A file whose module is declared for tests only is a test, and so is what lies below it.
fn mark_test_files(files: &mut [SourceFile]) {
    let mut tests = Vec::new();
    for file in files.iter() {
        if let Place::Code { unit, module } = &file.place {
            let declared = mentions::test_modules(&file.mentions);
            tests
                .extend(declared.into_iter().map(|name| (unit.clone(), [module.as_slice(), &name].concat())));
            tests.extend(file.mentions.test_only.then(|| (unit.clone(), module.clone())));
        }
    }
    for file in files {
        if let Place::Code { unit, module } = &file.place
            && tests.iter().any(|(in_unit, test)| in_unit == unit && module.starts_with(test))
        {
            file.mentions = Mentions { test_only: true, ..Mentions::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_knows_its_module() {
        let check = |path: &str, unit: &str, module: &[&str]| {
            let module = module.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(Place::of(path), Place::Code { unit: unit.to_owned(), module }, "{path}");
        };
        check("src/lib.rs", "", &[]);
        check("src/main.rs", "", &[]);
        check("src/stage/plan.rs", "", &["stage", "plan"]);
        check("src/bin/sim.rs", "bin/sim", &[]);
        check("src/bin/sim/main.rs", "bin/sim", &[]);
        check("src/bin/sim/world.rs", "bin/sim", &["world"]);
        assert_eq!(Place::of("tests/story.rs"), Place::Beside);
        assert_eq!(Place::of("build.rs"), Place::Beside);
    }
}
