//! Other scanners on the same machine, where they are installed. Each has a database of its own kind, so what is compared is
//! said beside the figure.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::bench::told::{best, line};

const RUNS: usize = 10;
/// As many as the public RustSec database has.
const ADVISORIES: usize = 1200;

/// `ours` is what a scan of a thousand packages took, in seconds.
pub fn compare(folder: &Path, ours: f64) -> Result<()> {
    match is_there("cargo-audit", &["audit", "--version"]) {
        true => {
            let theirs = cargo_audit(folder)?;
            let what = format!(
                "{:.1} ms for 1000 packages against {ADVISORIES} advisories, the best of {RUNS}: {:.1} times ours, which are of all databases",
                theirs * 1e3,
                theirs / ours
            );
            line("cargo-audit", &what);
        }
        false => line("cargo-audit", "not installed"),
    }
    for (program, why) in [
        ("pip-audit", "installed, not measured: it asks the network package by package"),
        ("osv-scanner", "installed, not measured: its offline database is one that it fetches itself"),
    ] {
        line(program, if is_there(program, &["--version"]) { why } else { "not installed" });
    }
    Ok(())
}

fn is_there(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Seconds of a run over a lockfile of a thousand packages, offline, against a database in its own format.
fn cargo_audit(folder: &Path) -> Result<f64> {
    let database = folder.join("rustsec");
    for number in 0..ADVISORIES {
        let package = database.join(format!("crates/package-{number}"));
        fs::create_dir_all(&package)?;
        fs::write(package.join(format!("RUSTSEC-2024-{number:04}.md")), advisory(number))?;
    }
    let lock = folder.join("Cargo.lock");
    let packages: String = (0..1000)
        .map(|number| {
            let name = if number % 10 < 3 { format!("package-{number}") } else { format!("unheard-of-{number}") };
            format!(
                "[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n\n"
            )
        })
        .collect();
    fs::write(&lock, format!("version = 4\n\n{packages}"))?;
    best(RUNS, || {
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
