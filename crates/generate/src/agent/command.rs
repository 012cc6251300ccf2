//! A program as an agent: it edits the files of its working directory, in the sandbox, and ends.

use std::path::{Path, PathBuf};
use std::time::Duration;

use patchline_model::agent::{Agent, ByCommand};
use patchline_model::failure::Failure;
use patchline_sandbox::foreign::{Exit, Foreign, SandboxError};
use patchline_sandbox::rust::rust_environment;
use patchline_sandbox::sandbox::Sandbox;

use crate::agent::worksite::Worksite;
use crate::failures::of_sandbox;

/// Names the file with the task, for programs that don't read it from their standard input.
const TASK: &str = "PATCHLINE_TASK";

/// Bytes of each stream that are kept.
const OUTPUT: usize = 64 * 1024;

/// What it wrote, and why nothing that it left counts, where that is so.
pub(crate) struct Ran {
    pub(crate) log: String,
    pub(crate) refused: Option<String>,
}

/// Runs it to its end or its deadline, with all that it started.
pub(crate) async fn run(
    agent: &Agent,
    by: &ByCommand,
    repository: &Path,
    site: &Worksite,
    task: &Path,
    sandbox: &Sandbox,
) -> Result<Ran, Failure> {
    let mut environment = rust_environment();
    environment.insert(TASK.to_owned(), task.display().to_string());
    let readable = by.readable.iter().map(PathBuf::from).filter(|path| path.exists());
    let foreign = Foreign {
        writable: vec![site.path.clone()],
        readable: readable.chain([task.to_owned()]).collect(),
        input: Some(task.to_owned()),
        environment,
        network: by.network,
        deadline: Duration::from_secs(agent.seconds.0),
        output_limit: OUTPUT,
        ..Foreign::new(&by.command, &site.path)
    };
    let finished = match hiding(sandbox, repository).run(&foreign).await {
        Err(error @ (SandboxError::ToolMissing { .. } | SandboxError::PathMissing { .. })) => {
            return Ok(Ran { log: String::new(), refused: Some(error.to_string()) });
        }
        finished => finished.map_err(of_sandbox)?,
    };
    let refused = match finished.exit {
        Exit::Code(0) => None,
        Exit::Deadline => Some(format!("it did not end within {} s", agent.seconds.0)),
        Exit::Code(_) | Exit::Signal(_) => Some(format!("it gave up: {}", finished.ending())),
    };
    Ok(Ran { log: finished.combined(), refused })
}

/// Beyond what no command sees, an agent sees neither the user's home nor the repository with its history and settings.
fn hiding(sandbox: &Sandbox, repository: &Path) -> Sandbox {
    let home = std::env::home_dir().filter(|home| home.is_absolute() && home.parent().is_some());
    home.into_iter().fold(sandbox.clone().hiding(repository), Sandbox::hiding)
}

/// What stood between it and this machine.
pub(crate) fn isolation(by: &ByCommand, sandbox: &Sandbox) -> String {
    let network = if by.network { "network on, as the settings state" } else { "network off" };
    format!("{}; {network}", sandbox.isolation())
}
