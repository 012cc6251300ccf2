//! `cargo xtask bench detect`: the advisory index at the size of all public databases, in figures, and beside it the scanners
//! that are installed here, in the same run.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::bench::measured::{said, timed, watched};
use crate::bench::peers::{Ours, compare};
use crate::bench::told::Goal::{AtLeast, AtMost};
use crate::bench::told::{best, figure, line};
use crate::cargo;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Rows of the generated database: what one advisory says of one package.
    #[arg(long, default_value_t = 4_000_000)]
    rows: u64,
    /// Where database and lockfiles are put, seven gigabytes of them; they are kept for the next run.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Lockfiles of the fleet that is matched again.
    #[arg(long, default_value_t = 10_000)]
    lockfiles: u64,
}

/// Runs of what takes milliseconds; the best counts, for the machine does other things too.
const RUNS: usize = 15;
/// Names of npm packages among which advisories speak of most.
const KNOWN: &str = "200000";

pub fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let folder = options.folder.clone().unwrap_or_else(|| root.join("target/bench"));
    std::fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
    let Programs { example, patchline } = build(root)?;
    let program = example.as_path();
    let at = |name: &str| folder.join(name).display().to_string();
    let (records, index, lock) =
        (at(&format!("records-{}", options.rows)), at("index"), at("package-lock.json"));
    if !Path::new(&records).exists() {
        line("records", &said(program, &["generate", &records, &options.rows.to_string()])?.text);
    }
    if Path::new(&index).exists() {
        std::fs::remove_dir_all(&index)?;
    }
    let import = said(program, &["import", &records, &index])?;
    line("index", &import.text);
    let speed = import.figure("json_mb")? / import.figure("cpu_seconds")?;
    figure("import", speed, "MB/s a core", AtLeast(200.0));
    figure("import, memory", import.figure("memory_mb")?, "MB", AtMost(300.0));
    figure("mapped, all", import.figure("mapped_mb")?, "MB", AtMost(120.0));
    line("mapped, to match", &format!("{:>8.1} MB", import.figure("matching_mb")?));

    said(program, &["lockfile", &lock, KNOWN, "1000"])?;
    let scan = || {
        let arguments = ["scan", "--db", &index, "--format", "json", "--fail-on", "never", &lock];
        timed(Command::new(&patchline).args(arguments))
    };
    let warm = best(RUNS, scan)?;
    figure("scan, warm", warm * 1e3, "ms", AtMost(10.0));
    let cold = said(program, &["cold", &index, &lock])?;
    figure("scan, cold index", cold.figure("cold_seconds")? * 1e3, "ms", AtMost(60.0));
    figure("scan, memory", said(program, &["scan", &index, &lock])?.figure("memory_mb")?, "MB", AtMost(40.0));

    for ecosystem in ["npm", "SUSE"] {
        let changed = at(&format!("changed-{ecosystem}"));
        said(program, &["change", &records, ecosystem, "100", &changed])?;
        let delta = said(program, &["import", &changed, &index])?;
        figure(&format!("delta, {ecosystem}"), delta.figure("seconds")? * 1e3, "ms", AtMost(100.0));
    }
    figure("scan over a delta", best(RUNS, scan)? * 1e3, "ms", AtMost(10.0));

    let fleet = at(&format!("fleet-{}", options.lockfiles));
    if !Path::new(&fleet).exists() {
        said(program, &["fleet", &fleet, KNOWN, &options.lockfiles.to_string()])?;
    }
    let arguments = ["scan", "--db", &index, "--format", "jsonl", "--fail-on", "never", &fleet];
    let ran = watched(Command::new(&patchline).args(arguments))?;
    let last: serde_json::Value = serde_json::from_str(&ran.last_line)?;
    let summary = &last["summary"];
    line(
        "fleet",
        &format!(
            "{} findings in {} packages of {} lockfiles",
            summary["findings"], summary["packages"], options.lockfiles
        ),
    );
    // The goal is for ten thousand lockfiles on two cores.
    let part = options.lockfiles as f64 / 10_000.0;
    figure("fleet", ran.seconds / part, "s", AtMost(30.0));
    line("fleet", &format!("{:>8.1} s of all cores together", ran.cpu_seconds / part));
    line("fleet, memory", &format!("{:>8.1} MB", ran.memory_mb));

    // Where osv-scanner looks for it: by its variable, and where a version does not know that, in the folder of caches.
    for place in ["osv/osv-scanner/npm/all.zip", "osv/osv-scalibr/npm/all.zip"] {
        let zip = at(place);
        if !Path::new(&zip).exists() {
            said(program, &["zip", &records, "npm", &zip])?;
        }
    }
    compare(&folder, &Ours { warm, lock: lock.into() })?;
    Ok(ExitCode::SUCCESS)
}

struct Programs {
    /// What makes data up and measures what no command does.
    example: PathBuf,
    patchline: PathBuf,
}

fn build(root: &Path) -> Result<Programs> {
    let mut command = cargo::command(root);
    command.args(["build", "--profile", "sim", "-p", "patchline", "-p", "patchline-detect"]);
    command.args(["--bin", "patchline", "--example", "index_time"]);
    command.args(["--message-format", "json-render-diagnostics"]);
    let output = command.stderr(std::process::Stdio::inherit()).output().context("could not start cargo")?;
    if !output.status.success() {
        bail!("could not build what measures");
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let built = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let paths: Vec<PathBuf> =
        built.filter_map(|built| built["executable"].as_str().map(PathBuf::from)).collect();
    let named = |name: &str| {
        let path = paths.iter().find(|path| path.file_name().is_some_and(|file| file == name));
        path.cloned().with_context(|| format!("could not find the `{name}` that cargo built"))
    };
    Ok(Programs { example: named("index_time")?, patchline: named("patchline")? })
}
