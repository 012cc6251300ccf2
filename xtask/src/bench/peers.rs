//! Other scanners on the same machine, where they are installed. Each has a database of its own kind, so what is compared is
//! said beside the figure.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::bench::query_api::answer_queries;
use crate::bench::told::{best, line};

const RUNS: usize = 10;
/// Of what takes seconds.
const SLOW_RUNS: usize = 3;
const PACKAGES: usize = 1000;
/// How the name of a package begins that has an advisory.
const KNOWN: &str = "package-";
/// As many as the public RustSec database has.
const ADVISORIES: usize = 1200;

/// What Patchline took, and of what.
pub struct Ours {
    /// Seconds of a scan of a thousand packages.
    pub warm: f64,
    /// The lockfile that was scanned.
    pub lock: PathBuf,
}

pub fn compare(folder: &Path, ours: &Ours) -> Result<()> {
    let versus = |name: &str, seconds: f64, what: &str| {
        line(name, &format!("{:>8.1} ms, {:.1} times ours: {what}", seconds * 1e3, seconds / ours.warm));
    };
    match is_there("cargo-audit", &["audit", "--version"]) {
        true => {
            let what = format!("1000 packages against {ADVISORIES} advisories; ours are of all databases");
            versus("cargo-audit", cargo_audit(folder, RUNS)?, &what);
        }
        false => line("cargo-audit", "skipped: not installed"),
    }
    match is_there("osv-scanner", &["--version"]) {
        true => {
            let what = "the same lockfile against the npm records alone, offline";
            versus("osv-scanner", osv_scanner(folder, &ours.lock)?, what);
        }
        false => line("osv-scanner", "skipped: not installed"),
    }
    match is_there("pip-audit", &["--version"]) {
        true => {
            let what = "1000 packages, each asked of a server on this machine that answers at once";
            versus("pip-audit", pip_audit(folder, SLOW_RUNS)?, what);
        }
        false => line("pip-audit", "skipped: not installed"),
    }
    Ok(())
}

/// Seconds of a run over our lockfile, offline, against the archive of all npm records below this folder.
fn osv_scanner(folder: &Path, lock: &Path) -> Result<f64> {
    best(SLOW_RUNS, || {
        let began = Instant::now();
        let mut command = Command::new("osv-scanner");
        command.env("OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY", folder.join("osv"));
        command.env("XDG_CACHE_HOME", folder.join("osv"));
        command.args(["scan", "source", "--offline", "--format", "json", "--lockfile"]).arg(lock);
        let output = command.output().context("could not start osv-scanner")?;
        let seconds = began.elapsed().as_secs_f64();
        let report = serde_json::from_slice::<serde_json::Value>(&output.stdout);
        match report {
            Ok(report) if report["results"].as_array().is_some_and(|results| !results.is_empty()) => {
                Ok(seconds)
            }
            _ => bail!("osv-scanner did not find what is there: {}", String::from_utf8_lossy(&output.stderr)),
        }
    })
}

/// Seconds of a run over a thousand pinned packages. It has no database of its own: it asks a server package by package, which
/// here is one of ours.
fn pip_audit(folder: &Path, runs: usize) -> Result<f64> {
    let requirements = folder.join("requirements.txt");
    let pinned: String = (0..PACKAGES).map(|number| format!("{}==1.0.0\n", package(number))).collect();
    fs::write(&requirements, pinned)?;
    let address = answer_queries(|name| name.starts_with(KNOWN))?;
    best(runs, || {
        let began = Instant::now();
        let mut command = Command::new("pip-audit");
        command.args(["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]);
        command.args(["--vulnerability-service", "osv", "--osv-url", &format!("http://{address}/v1/query")]);
        command.arg("--cache-dir").arg(folder.join("pip-audit")).env("NO_PROXY", "127.0.0.1");
        let output = command.arg("--requirement").arg(&requirements).output();
        let output = output.context("could not start pip-audit")?;
        let seconds = began.elapsed().as_secs_f64();
        let report = serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_default();
        let found = report["dependencies"].as_array().map(|all| {
            let has_any =
                |one: &&serde_json::Value| one["vulns"].as_array().is_some_and(|vulns| !vulns.is_empty());
            all.iter().filter(has_any).count()
        });
        match found {
            Some(300) => Ok(seconds),
            _ => bail!("pip-audit did not find what is there: {}", String::from_utf8_lossy(&output.stderr)),
        }
    })
}

/// Of a thousand packages three hundred have an advisory.
fn package(number: usize) -> String {
    if number % 10 < 3 { format!("{KNOWN}{number}") } else { format!("unheard-of-{number}") }
}

fn is_there(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Seconds of a run over a lockfile of a thousand packages, offline, against a database in its own format.
fn cargo_audit(folder: &Path, runs: usize) -> Result<f64> {
    let database = folder.join("rustsec");
    for number in 0..ADVISORIES {
        let package = database.join(format!("crates/package-{number}"));
        fs::create_dir_all(&package)?;
        fs::write(package.join(format!("RUSTSEC-2024-{number:04}.md")), advisory(number))?;
    }
    let lock = folder.join("Cargo.lock");
    let packages: String = (0..PACKAGES)
        .map(|number| {
            let name = package(number);
            format!(
                "[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n\n"
            )
        })
        .collect();
    fs::write(&lock, format!("version = 4\n\n{packages}"))?;
    best(runs, || {
        let began = Instant::now();
        let mut command = Command::new("cargo-audit");
        command.args(["audit", "--no-fetch", "--stale", "--json", "--no-yanked", "--db"]).arg(&database);
        let output = command.arg("--file").arg(&lock).output().context("could not start cargo-audit")?;
        let seconds = began.elapsed().as_secs_f64();
        match serde_json::from_slice::<serde_json::Value>(&output.stdout) {
            Ok(report) if report["vulnerabilities"]["count"].as_u64() == Some(300) => Ok(seconds),
            _ => bail!("cargo-audit did not find what is there: {}", String::from_utf8_lossy(&output.stderr)),
        }
    })
}

fn advisory(number: usize) -> String {
    format!(
        "```toml\n[advisory]\nid = \"RUSTSEC-2024-{number:04}\"\npackage = \"package-{number}\"\ndate = \"2024-01-01\"\n\n\
         [versions]\npatched = [\">= 2.0.0\"]\n```\n\n# It reads beyond the end\n\nOf what it was given.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::{cargo_audit, is_there, pip_audit};

    #[test]
    fn scanners_that_are_installed_find_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        match is_there("cargo-audit", &["audit", "--version"]) {
            true => assert!(cargo_audit(folder.path(), 1).unwrap() > 0.0),
            false => eprintln!("skipped: cargo-audit is not installed"),
        }
        match is_there("pip-audit", &["--version"]) {
            true => assert!(pip_audit(folder.path(), 1).unwrap() > 0.0),
            false => eprintln!("skipped: pip-audit is not installed"),
        }
    }
}
