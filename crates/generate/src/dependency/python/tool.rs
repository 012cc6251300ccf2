//! uv and Poetry, in the sandbox: they complete a lockfile and write it.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use patchline_inventory::name::normal_in;
use patchline_model::failure::{Failure, FailureClass};
use patchline_sandbox::foreign::{Exit, Foreign};
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::python::interpreter::certificates;
use crate::failures::{of_file, of_sandbox};
use crate::message::clean;

const DEADLINE: Duration = Duration::from_secs(600);
const LONGEST_LOG: usize = 256 << 10;

/// What either writes when nothing answers.
const UNREACHABLE: [&str; 8] = [
    "error sending request",
    "dns error",
    "Connection refused",
    "connection refused",
    "timed out",
    "All attempts to connect",
    "ConnectionError",
    "Name or service not known",
];

/// What uv writes when it has no Python that the project takes.
const NO_PYTHON: [&str; 3] =
    ["No interpreter found", "Failed to inspect Python interpreter", "is incompatible with the project"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Uv,
    Poetry,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Uv => "uv",
            Kind::Poetry => "poetry",
        }
    }

    pub(crate) fn lockfile(self) -> &'static str {
        match self {
            Kind::Uv => "uv.lock",
            Kind::Poetry => "poetry.lock",
        }
    }
}

/// One of them for one folder.
pub(crate) struct Tool<'a> {
    pub(crate) kind: Kind,
    pub(crate) sandbox: &'a Sandbox,
    /// All of it can be read.
    pub(crate) worktree: PathBuf,
    /// Where the lockfile lies. uv puts a new file in its place, and so must be able to write there.
    pub(crate) folder: PathBuf,
    pub(crate) cache: PathBuf,
    /// The index that the lockfile names, where the project's manifest names none.
    pub(crate) index: Option<String>,
    /// Whether uv may build what has no wheel, which is how it learns what that requires. It may not where it need not, for
    /// building runs a package's own code.
    pub(crate) builds: bool,
    /// What has wheels is never built.
    pub(crate) with_wheels: BTreeSet<String>,
    pub(crate) log: String,
}

impl Tool<'_> {
    /// Moves these packages, and whatever does not fit with them. Its reason, where it refuses.
    pub(crate) async fn lock(
        &mut self,
        steps: &BTreeMap<String, String>,
    ) -> Result<Result<(), String>, Failure> {
        let answer = self.run(steps).await?;
        match &answer {
            Err(why)
                if self.kind == Kind::Uv
                    && !self.builds
                    && why.contains("building from source is disabled") =>
            {
                self.builds = true;
                self.run(steps).await
            }
            _ => Ok(answer),
        }
    }

    async fn run(&mut self, steps: &BTreeMap<String, String>) -> Result<Result<(), String>, Failure> {
        fs::create_dir_all(&self.cache).map_err(|error| of_file("make a cache", error))?;
        let words = match self.kind {
            Kind::Uv => {
                let upgrades = steps.iter().map(|(name, to)| format!("--upgrade-package={name}=={to}"));
                let fixed = ["uv", "lock", "--no-progress", "--color=never"].map(str::to_owned);
                fixed.into_iter().chain(upgrades).collect::<Vec<_>>()
            }
            Kind::Poetry => {
                self.put(steps)?;
                ["poetry", "lock", "--no-interaction", "--no-ansi", "--no-plugins"]
                    .map(str::to_owned)
                    .to_vec()
            }
        };
        let foreign = Foreign {
            writable: vec![self.folder.clone(), self.cache.clone()],
            readable: vec![self.worktree.clone()],
            environment: self.environment(),
            network: true,
            deadline: DEADLINE,
            output_limit: 64 << 10,
            ..Foreign::new(&words, &self.folder)
        };
        let finished = self.sandbox.run(&foreign).await.map_err(of_sandbox)?;
        let output = finished.combined();
        self.note(&format!("$ {}\n{output}\n{}\n", words.join(" "), finished.ending()));
        let name = self.kind.name();
        let says = |what: &[&str]| what.iter().any(|words| output.contains(words));
        match finished.exit {
            Exit::Code(0) => Ok(Ok(())),
            Exit::Code(_) if says(&NO_PYTHON) => {
                let text = format!("{name} found no Python that the project takes: {}", reason(&output));
                let hint = "install that Python, as in `uv python install`, or put it on `PATH`";
                Err(Failure::permanent(text).of(FailureClass::Tool).with_hint(hint))
            }
            Exit::Code(_) if says(&UNREACHABLE) => {
                let text = format!("{name} could not reach the index: {}", reason(&output));
                let hint = "look at the network and at the index that the project names; then try again";
                Err(Failure::transient(text).of(FailureClass::Network).with_hint(hint))
            }
            Exit::Code(_) => Ok(Err(format!("{name} says: {}", reason(&output)))),
            Exit::Signal(_) | Exit::Deadline => {
                Err(Failure::transient(format!("could not run {name}: {}", finished.ending())))
            }
        }
    }

    /// Poetry keeps to the versions that its lockfile names, and gets everything else that it says of them anew.
    fn put(&self, steps: &BTreeMap<String, String>) -> Result<(), Failure> {
        let path = self.folder.join(self.kind.lockfile());
        let text = fs::read_to_string(&path).map_err(|error| of_file("read `poetry.lock`", error))?;
        fs::write(&path, with_versions(&text, steps)).map_err(|error| of_file("write `poetry.lock`", error))
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let cache = self.cache.display().to_string();
        let names = self.with_wheels.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let mut environment: BTreeMap<String, String> = match self.kind {
            Kind::Uv => [
                ("UV_CACHE_DIR", cache.as_str()),
                ("UV_PYTHON_DOWNLOADS", "never"),
                ("UV_NO_BUILD", if self.builds { "0" } else { "1" }),
                ("UV_NO_BUILD_PACKAGE", if self.builds { names.as_str() } else { "" }),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            Kind::Poetry => [
                ("POETRY_CACHE_DIR", cache.as_str()),
                ("POETRY_VIRTUALENVS_CREATE", "false"),
                ("POETRY_KEYRING_ENABLED", "false"),
                ("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        };
        environment.insert("PATH".to_owned(), env::var("PATH").unwrap_or_default());
        environment.extend(certificates());
        if let (Kind::Uv, Some(index)) = (self.kind, &self.index) {
            environment.insert("UV_DEFAULT_INDEX".to_owned(), index.clone());
        }
        environment
    }

    fn note(&mut self, text: &str) {
        let room = LONGEST_LOG.saturating_sub(self.log.len());
        let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.log.push_str(&text[..end]);
    }
}

/// Whether the settings beside the lockfile name an index themselves.
pub(crate) fn names_index(folder: &Path) -> bool {
    let says = |file: &str, key: &[&str]| {
        let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
        let Ok(table) = text.parse::<toml::Table>() else { return false };
        let mut value = Some(&table);
        for part in key {
            value = value.and_then(|table| table.get(*part)).and_then(toml::Value::as_table);
        }
        value.is_some_and(|table| ["index", "index-url", "pip"].iter().any(|name| table.contains_key(*name)))
    };
    says("pyproject.toml", &["tool", "uv"]) || says("uv.toml", &[])
}

/// `poetry.lock` with other versions, and nothing else of it changed.
fn with_versions(text: &str, steps: &BTreeMap<String, String>) -> String {
    let mut changed = String::with_capacity(text.len());
    let (mut is_head, mut name) = (false, String::new());
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if trimmed.starts_with('[') {
            is_head = trimmed == "[[package]]";
            name.clear();
        }
        let value = |key: &str| trimmed.strip_prefix(key)?.trim_start().strip_prefix('=').map(str::trim);
        if let (true, Some(found)) = (is_head, value("name")) {
            name = normal_in("PyPI", found.trim_matches('"')).into_owned();
        }
        match (is_head && value("version").is_some(), steps.get(&name)) {
            (true, Some(to)) => changed.push_str(&format!("version = \"{to}\"\n")),
            _ => changed.push_str(line),
        }
    }
    changed
}

/// What either gives as its reason, in one sentence.
fn reason(output: &str) -> String {
    let lines =
        output.lines().map(|line| line.trim().trim_start_matches(['×', '╰', '─', '▶', '│', '├', ' ']));
    let is_noise = |line: &&str| {
        let starts = ["Using ", "Resolving dependencies", "warning:", "Creating ", "Updating "];
        line.is_empty() || starts.iter().any(|start| line.starts_with(start))
    };
    let lines: Vec<&str> = lines.filter(|line| !is_noise(line)).take(8).collect();
    match lines.is_empty() {
        true => "it gave no reason".to_owned(),
        false => clean(&lines.join(" "), 400),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{reason, with_versions};

    #[test]
    fn only_the_version_of_the_package_itself_changes() {
        let text = "[[package]]\nname = \"A.b\"\nversion = \"1.0\"\n\n[package.dependencies]\nversion = \"1\"\n\n[[package]]\nname = \"c\"\nversion = \"1.0\"\n";
        let steps = BTreeMap::from([("a-b".to_owned(), "2.0".to_owned())]);
        assert_eq!(with_versions(text, &steps), text.replacen("1.0", "2.0", 1));
    }

    #[test]
    fn the_reason_is_one_sentence() {
        let text = "Using CPython 3.11.7\n  × No solution found when resolving dependencies:\n  ╰─▶ Because a==1 depends on b<2, we can conclude x.\n";
        assert_eq!(
            reason(text),
            "No solution found when resolving dependencies: Because a==1 depends on b<2, we can conclude x."
        );
        assert_eq!(reason(""), "it gave no reason");
    }
}
