//! Runs a service's suite in one tree, and reads how its tests ended.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use patchline_model::failure::{Failure, FailureClass};
use patchline_model::service::CommandLine;
use patchline_sandbox::foreign::Exit;

use crate::check::{Case, Side};
use crate::format::{Output, Reading, read};
use crate::outcome::Record;
use crate::reports;
use crate::run::{Run, run};
use crate::table::Table;

pub(crate) const DEADLINE: Duration = Duration::from_secs(30 * 60);
const GO_CACHE: &str = "GOCACHE";
const OUTPUT_LIMIT: usize = 32 * 1024 * 1024;

/// One run of the suite.
pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) ending: String,
    /// What was read of its results, or why it is judged as a whole by how it ended.
    pub(crate) table: Result<Table, String>,
    /// All that it wrote.
    pub(crate) output: String,
}

/// How the service's suite is run and read, if it has one.
pub(crate) fn reading(case: &Case) -> Option<Reading> {
    let command = case.service.test.as_ref()?;
    Some(Reading::of(command, &case.service.verification))
}

/// Runs the suite in this tree, in the environment of the side's build.
pub(crate) async fn tested(
    reading: &Reading,
    label: &str,
    side: &Side,
    tree: &Path,
    case: &Case,
    record: &mut Record,
) -> Result<Ran, Failure> {
    let directory = tree.join(&case.service.folder);
    if let Some(pattern) = &reading.report {
        reports::clear(&directory, pattern).map_err(|error| disk(label, &error))?;
    }
    let mut side = side.clone();
    let mut writable = vec![tree.to_owned()];
    if reading.uses_go && !side.environment.contains_key(GO_CACHE) {
        let cache = go_cache(&side).map_err(|error| disk(label, &error))?;
        side.environment.insert(GO_CACHE.to_owned(), cache.display().to_string());
        writable.push(cache);
    }
    let tests = Run {
        label: format!("suite on the {label}"),
        command: CommandLine(reading.command.0.clone()),
        directory: directory.clone(),
        side: &side,
        writable,
        readable: Vec::new(),
        deadline: case.patience.unwrap_or(DEADLINE),
        output_limit: OUTPUT_LIMIT,
        quoted: false,
        shown: None,
    };
    let finished = run(&case.sandbox, tests, record).await?;
    let reports = match &reading.report {
        Some(pattern) => reports::read(&directory, pattern).map_err(|error| error.to_string()),
        None => Ok(Vec::new()),
    };
    // Where the tree lies differs from side to side; what is compared must not.
    let place = tree.display().to_string();
    let plain = |text: &str| text.replace(&place, ".");
    let table = reports.and_then(|reports| {
        if reading.report.is_some() && reports.is_empty() {
            return Err(format!("it left no report `{}`", reading.report.as_deref().unwrap_or_default()));
        }
        if reading.report.is_none() && finished.truncated {
            return Err("its output is too long to be read test by test".to_owned());
        }
        let reports: Vec<String> = reports.iter().map(|report| plain(report)).collect();
        let (stdout, stderr) = (plain(&finished.stdout), plain(&finished.stderr));
        let table = read(reading.format, Output { stdout: &stdout, stderr: &stderr, reports: &reports })?;
        let table = table.ok_or("its results are not read; name their `format` in `[test]`")?;
        if table.overflowed {
            Err("it has too many tests to be compared one by one".to_owned())
        } else {
            Ok(table)
        }
    });
    Ok(Ran { exit: finished.exit, ending: finished.ending(), table, output: finished.combined() })
}

/// What go compiled for this side, kept beside its tree from run to run; the other side never writes there.
fn go_cache(side: &Side) -> std::io::Result<PathBuf> {
    let mut name = side.tree.file_name().unwrap_or_default().to_owned();
    name.push(".go-cache");
    let cache = side.tree.with_file_name(name);
    fs::create_dir_all(&cache)?;
    Ok(cache)
}

fn disk(label: &str, error: &std::io::Error) -> Failure {
    Failure::transient(format!("suite on the {label}: could not make room for a run: {error}"))
        .of(FailureClass::Storage)
}
