//! `cargo xtask parts`: the real programs that the product meets and its tests use, which of them are here, and how to
//! get the others.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::ValueEnum;
use serde_json::json;

use crate::probe;

#[derive(Debug, clap::Args)]
pub struct Options {
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// A real part.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    pub name: &'static str,
    pub purpose: &'static str,
    pub need: Need,
    /// The Debian package that brings it.
    pub package: &'static str,
    program: &'static str,
    /// What makes the program say its version and nothing else.
    version_arguments: &'static [&'static str],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Without it nothing can be tested.
    Required,
    /// Some tests are skipped without it; `cargo xtask test` installs it where it may.
    Tests,
    /// No test uses it yet.
    Optional,
}

/// Where a part was found, and what it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    pub version: String,
}

const VERSION: &[&str] = &["--version"];

pub const PARTS: [Part; 12] = [
    part("git", "sources, branches, candidates", Need::Required, "git", "git", VERSION),
    part(
        "cargo",
        "builds this repository; Rust services in tests",
        Need::Required,
        "cargo",
        "cargo",
        VERSION,
    ),
    part(
        "bubblewrap",
        "closes the sandbox around foreign commands",
        Need::Tests,
        "bubblewrap",
        "bwrap",
        VERSION,
    ),
    part("Bundler", "fixes in `Gemfile.lock`", Need::Tests, "bundler", "bundle", VERSION),
    part(
        "Composer",
        "fixes in `composer.lock`",
        Need::Tests,
        "composer",
        "composer",
        &["--version", "--no-ansi"],
    ),
    part("npm", "fixes in npm lockfiles", Need::Optional, "npm", "npm", VERSION),
    part(
        "ssh-keygen",
        "signatures of people on approvals",
        Need::Optional,
        "openssh-client",
        "ssh-keygen",
        &[],
    ),
    part(
        "PostgreSQL",
        "the ledger for more than one machine",
        Need::Optional,
        "postgresql",
        "postgres",
        VERSION,
    ),
    part("Prometheus", "signals of a rollout", Need::Optional, "prometheus", "prometheus", VERSION),
    part("HAProxy", "a proxy as a rollout target", Need::Optional, "haproxy", "haproxy", &["-v"]),
    part(
        "OCI registry",
        "artifacts and their evidence",
        Need::Optional,
        "docker-registry",
        "docker-registry",
        VERSION,
    ),
    part("skopeo", "reads and copies images", Need::Optional, "skopeo", "skopeo", VERSION),
];

/// Debian keeps the servers of PostgreSQL out of `PATH`, by version.
const POSTGRESQL_FOLDER: &str = "/usr/lib/postgresql";

const VERSION_DEADLINE: Duration = Duration::from_secs(60);
const INSTALL_DEADLINE: Duration = Duration::from_secs(300);

const fn part(
    name: &'static str,
    purpose: &'static str,
    need: Need,
    package: &'static str,
    program: &'static str,
    version_arguments: &'static [&'static str],
) -> Part {
    Part { name, purpose, need, package, program, version_arguments }
}

pub fn run(options: &Options) -> Result<ExitCode> {
    let found: Vec<(Part, Option<Found>)> = PARTS.iter().map(|part| (*part, part.find())).collect();
    match options.format {
        Format::Table => print!("{}", table(&found)),
        Format::Json => println!("{:#}", to_json(&found)),
    }
    Ok(ExitCode::SUCCESS)
}

impl Part {
    /// Looks for the program and asks its version.
    pub fn find(&self) -> Option<Found> {
        let path = search_folders()
            .into_iter()
            .map(|folder| folder.join(self.program))
            .find(|path| is_program(path))?;
        let version = self.version(&path).unwrap_or_default();
        Some(Found { path, version })
    }

    pub fn is_here(&self) -> bool {
        search_folders().iter().any(|folder| is_program(&folder.join(self.program)))
    }

    fn version(&self, path: &Path) -> Option<String> {
        if self.version_arguments.is_empty() {
            return None;
        }
        let mut command = Command::new(path);
        command.args(self.version_arguments);
        let answer = probe::ask(command, VERSION_DEADLINE).ok()?;
        let words = answer.text.split_whitespace();
        let version = words
            .map(|word| word.trim_start_matches('v'))
            .find(|word| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.'))?;
        Some(version.trim_end_matches([',', ')']).to_owned())
    }

    /// Installs the part's Debian package. The error says why not, for people.
    pub fn install(&self) -> Result<()> {
        if !search_folders().iter().any(|folder| is_program(&folder.join("apt-get"))) {
            bail!("there is no apt-get here");
        }
        if !is_root()? {
            bail!("only root may install; run `apt-get install {}`", self.package);
        }
        if self.apt(&["install", self.package]).is_err() {
            // The lists of packages may be old or absent.
            self.apt(&["update"])?;
            self.apt(&["install", self.package])?;
        }
        if !self.is_here() {
            bail!("`{}` is installed and `{}` is still not there", self.package, self.program);
        }
        Ok(())
    }

    fn apt(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new("apt-get");
        command.args(["--yes", "--quiet", "--no-install-recommends"]);
        command.args([
            "-o",
            "Acquire::Retries=1",
            "-o",
            "Acquire::http::Timeout=20",
            "-o",
            "DPkg::Lock::Timeout=120",
        ]);
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C");
        let answer = probe::ask(command, INSTALL_DEADLINE)?;
        if answer.status.success() {
            return Ok(());
        }
        let reason = answer.text.lines().find(|line| line.starts_with("E: ")).unwrap_or("apt-get failed");
        bail!("{}", reason.trim_start_matches("E: "))
    }
}

fn search_folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from));
    let versions = fs::read_dir(POSTGRESQL_FOLDER).into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    folders
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

fn is_root() -> Result<bool> {
    let mut command = Command::new("id");
    command.arg("-u");
    Ok(probe::ask(command, VERSION_DEADLINE)?.text.trim() == "0")
}

fn table(found: &[(Part, Option<Found>)]) -> String {
    let mut rows = vec![["part", "need", "here", "what for", "Debian package"].map(str::to_owned)];
    for (part, found) in found {
        let here = match found {
            None => "missing".to_owned(),
            Some(found) if found.version.is_empty() => found.path.display().to_string(),
            Some(found) => found.version.clone(),
        };
        let words = [part.name, part.need.word(), &here, part.purpose, part.package];
        rows.push(words.map(str::to_owned));
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3, 4].map(width);
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    let missing: Vec<&str> =
        found.iter().filter(|(_, found)| found.is_none()).map(|(part, _)| part.package).collect();
    if !missing.is_empty() {
        text += &format!("hint: `apt-get install {}` brings what is missing\n", missing.join(" "));
    }
    text
}

fn to_json(found: &[(Part, Option<Found>)]) -> serde_json::Value {
    let rows = found.iter().map(|(part, found)| {
        json!({
            "name": part.name,
            "purpose": part.purpose,
            "need": part.need.word(),
            "package": part.package,
            "path": found.as_ref().map(|found| found.path.display().to_string()),
            "version": found.as_ref().map(|found| &found.version).filter(|version| !version.is_empty()),
        })
    });
    json!({ "parts": rows.collect::<Vec<_>>() })
}

impl Need {
    fn word(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Tests => "tests",
            Self::Optional => "optional",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git_and_a_missing_one() -> Vec<(Part, Option<Found>)> {
        let found = Found { path: "/usr/bin/git".into(), version: "2.39.5".to_owned() };
        vec![(PARTS[0], Some(found)), (PARTS[2], None)]
    }

    #[test]
    fn git_is_found_with_its_version() {
        let found = PARTS[0].find().unwrap();
        assert!(found.version.starts_with(|first: char| first.is_ascii_digit()), "{found:?}");
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let absent = part("absent", "", Need::Optional, "absent", "no-such-program-here", VERSION);
        assert_eq!((absent.find(), absent.is_here()), (None, false));
    }

    #[test]
    fn the_table_says_what_is_missing_and_how_to_get_it() {
        let expected = "\
part        need      here     what for                                    Debian package
git         required  2.39.5   sources, branches, candidates               git
bubblewrap  tests     missing  closes the sandbox around foreign commands  bubblewrap
hint: `apt-get install bubblewrap` brings what is missing
";
        assert_eq!(table(&git_and_a_missing_one()), expected);
    }

    #[test]
    fn the_json_has_null_for_what_is_missing() {
        let json = to_json(&git_and_a_missing_one());
        assert_eq!(json["parts"][0]["version"], "2.39.5");
        assert_eq!(json["parts"][1]["path"], serde_json::Value::Null);
        assert_eq!(json["parts"][1]["package"], "bubblewrap");
    }
}
