//! `cargo xtask bench detect`: the advisory index at the size of all public databases, in figures, and beside it the scanners
//! that are installed here, in the same run.

mod peers;
mod told;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::bench::peers::compare;
use crate::bench::told::{best, line};
use crate::cargo;

#[derive(Debug, clap::Args)]
pub struct Options {
    #[arg(value_enum)]
    what: What,
    /// Rows of the generated database: what one advisory says of one package.
    #[arg(long, default_value_t = 4_000_000)]
    rows: u64,
    /// Where the database is put, two gigabytes of it; it is kept for the next run.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Lockfiles of the fleet that is matched again.
    #[arg(long, default_value_t = 10_000)]
    lockfiles: u64,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum What {
    /// Making the index, asking it, and taking in what changes.
    Detect,
}

/// Runs of what takes milliseconds; the best counts, for the machine does other things too.
const RUNS: usize = 15;

pub fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let What::Detect = options.what;
    let folder = options.folder.clone().unwrap_or_else(|| root.join("target/bench"));
    std::fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
    let program = build(root)?;
    let at = |name: &str| folder.join(name).display().to_string();
    let (records, index, lock) =
        (at(&format!("records-{}", options.rows)), at("index"), at("package-lock.json"));
    if !Path::new(&records).exists() {
        line("records", &said(&program, &["generate", &records, &options.rows.to_string()])?);
    }
    if Path::new(&index).exists() {
        std::fs::remove_dir_all(&index)?;
    }
    line("import", &said(&program, &["import", &records, &index])?);
    said(&program, &["lockfile", &lock, "200000", "1000"])?;
    let scan = || timed(&program, &["scan", &index, &lock]);
    let warm = best(RUNS, scan)?;
    line("scan, warm", &format!("{:.1} ms from start to end of the process, the best of {RUNS}", warm * 1e3));
    line("scan, cold", &said(&program, &["cold", &index, &lock])?);
    for ecosystem in ["npm", "SUSE"] {
        let changed = at(&format!("changed-{ecosystem}"));
        said(&program, &["change", &records, ecosystem, "100", &changed])?;
        line(&format!("delta, {ecosystem}"), &said(&program, &["import", &changed, &index])?);
    }
    let over = best(RUNS, scan)?;
    line("scan, over a delta", &format!("{:.1} ms, the best of {RUNS}", over * 1e3));
    line("fleet", &said(&program, &["fleet", &index, "npm", &options.lockfiles.to_string()])?);
    compare(&folder, warm)?;
    Ok(ExitCode::SUCCESS)
}

fn build(root: &Path) -> Result<PathBuf> {
    let mut command = cargo::command(root);
    command.args(["build", "--profile", "sim", "-p", "patchline-detect", "--example", "index_time"]);
    command.args(["--message-format", "json-render-diagnostics"]);
    let output = command.stderr(std::process::Stdio::inherit()).output().context("could not start cargo")?;
    if !output.status.success() {
        bail!("could not build what measures");
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let built = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut paths = built.filter_map(|built| built["executable"].as_str().map(PathBuf::from));
    paths.next_back().context("could not find what cargo built")
}

/// What it says when it is done.
fn said(program: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().context("could not start what measures")?;
    if !output.status.success() {
        bail!("`{}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Seconds from the start to the end of the process.
fn timed(program: &Path, arguments: &[&str]) -> Result<f64> {
    let began = Instant::now();
    said(program, arguments)?;
    Ok(began.elapsed().as_secs_f64())
}
