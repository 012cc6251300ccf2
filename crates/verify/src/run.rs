//! Runs one command for a check, in the environment of the side's build, and writes down how it ended.

use std::path::PathBuf;
use std::time::Duration;

use patchline_model::failure::{Failure, FailureClass, in_full};
use patchline_model::service::CommandLine;
use patchline_sandbox::foreign::{Finished, Foreign, SandboxError};
use patchline_sandbox::rust::rust_environment;
use patchline_sandbox::sandbox::Sandbox;

use crate::check::Side;
use crate::outcome::Record;

/// Characters of output that are told with an exit code; all of it is in the log.
const LONGEST_QUOTE: usize = 200;

const MAX_LOGGED_BYTES: usize = 768 * 1024;

/// A command and where it runs.
pub(crate) struct Run<'a> {
    /// What a person sees it called, as in `suite on the base`.
    pub(crate) label: String,
    pub(crate) command: CommandLine,
    pub(crate) directory: PathBuf,
    /// Whose environment it has.
    pub(crate) side: &'a Side,
    /// Folders that it may write.
    pub(crate) writable: Vec<PathBuf>,
    /// Folders that it may read besides.
    pub(crate) readable: Vec<PathBuf>,
    pub(crate) deadline: Duration,
    pub(crate) output_limit: usize,
    /// Whether the first line of its output is told with its exit code.
    pub(crate) quoted: bool,
    /// What stands in the log for the command, where its own words are no help.
    pub(crate) shown: Option<String>,
}

/// Runs it without the network.
pub(crate) async fn run(sandbox: &Sandbox, run: Run<'_>, record: &mut Record) -> Result<Finished, Failure> {
    let mut environment = rust_environment();
    environment.extend(run.side.environment.clone());
    let foreign = Foreign {
        writable: run.writable,
        readable: run.readable,
        environment,
        deadline: run.deadline,
        output_limit: run.output_limit,
        ..Foreign::new(&run.command.0, &run.directory)
    };
    let finished = sandbox.run(&foreign).await.map_err(|error| failure(&run.label, &error))?;
    let seconds = finished.duration.as_secs_f64();
    let command = run.shown.unwrap_or_else(|| run.command.to_string());
    let line = format!("{}: `{command}`: {} after {seconds:.1} s", run.label, finished.ending());
    record.log(&format!("== {line}\n{}\n", last_part(&finished.combined())));
    let said = finished.stdout.lines().find(|said| run.quoted && !said.trim().is_empty());
    let said = said.map(|said| format!(": {}", said.trim().chars().take(LONGEST_QUOTE).collect::<String>()));
    let ending = finished.ending();
    record.detail(format!("{}: {ending} after {seconds:.1} s{}", run.label, said.unwrap_or_default()));
    Ok(finished)
}

/// The end says most, and one long run must not leave no room for the next.
fn last_part(text: &str) -> &str {
    let mut start = text.len().saturating_sub(MAX_LOGGED_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

fn failure(label: &str, error: &SandboxError) -> Failure {
    let text = format!("{label}: {}", in_full(error));
    let failure = match error {
        SandboxError::ToolMissing { .. } => Failure::permanent(text).of(FailureClass::Tool),
        SandboxError::NoCommand | SandboxError::PathMissing { .. } => Failure::permanent(text),
        SandboxError::Scratch(_) => Failure::transient(text).of(FailureClass::Storage),
        SandboxError::Run { .. } | SandboxError::Isolation { .. } => Failure::transient(text),
    };
    failure.with_hint(error.hint())
}
