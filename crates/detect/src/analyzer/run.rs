//! Runs an analyzer on a tree of our own, in the sandbox, and reads what it reports.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use patchline_model::analyzer::Analyzer;
use patchline_sandbox::{Exit, Foreign, Sandbox, SandboxError, rust_environment};
use thiserror::Error;

use crate::analyzer::found::{Analyzed, LARGEST_REPORT, read};
use crate::analyzer::place::Tree;

const LARGEST_OUTPUT: usize = 64 * 1024 * 1024;

/// Of what a failed analyzer wrote, so much is shown, from its end.
const SHOWN: usize = 600;

/// Why an analyzer gave no answer.
#[derive(Debug, Error)]
pub enum AnalyzerError {
    #[error("could not run the analyzer `{name}`")]
    Run {
        name: String,
        #[source]
        source: SandboxError,
    },
    #[error("the analyzer `{name}` did not answer: {why}")]
    Failed { name: String, why: String },
    #[error("could not read what the analyzer `{name}` reports: {why}")]
    Report { name: String, why: String },
}

impl AnalyzerError {
    pub fn hint(&self) -> &str {
        match self {
            Self::Run { source, .. } => source.hint(),
            Self::Failed { .. } => {
                "try its command by hand in a fresh clone; `[[analyzer]]` in `patchline.toml` has it"
            }
            Self::Report { .. } => "see `report` and `format` of its `[[analyzer]]` in `patchline.toml`",
        }
    }
}

/// What it finds in `root`, where it runs in `folder`. The tree is changed by what the analyzer leaves there.
pub async fn run(
    analyzer: &Analyzer,
    sandbox: &Sandbox,
    root: &Path,
    folder: &str,
) -> Result<Analyzed, AnalyzerError> {
    let Analyzer { name, command, report, format, network, deadline, .. } = analyzer;
    let failed = |why: String| AnalyzerError::Failed { name: name.clone(), why };
    let tree = Tree::new(root, folder).map_err(|error| failed(error.to_string()))?;
    let directory = tree.root().join(folder);
    let written = report.as_ref().map(|report| directory.join(report));
    // Only what this run writes is its report.
    if let Some(written) = &written
        && fs::symlink_metadata(written).is_ok()
    {
        fs::remove_file(written)
            .map_err(|error| failed(format!("an old report can't be removed: {error}")))?;
    }
    let foreign = Foreign {
        writable: vec![tree.root().to_owned()],
        environment: rust_environment(),
        network: *network,
        deadline: Duration::from_secs(deadline.0),
        output_limit: LARGEST_OUTPUT,
        ..Foreign::new(command, &directory)
    };
    let ended = sandbox.run(&foreign).await;
    let finished = ended.map_err(|source| AnalyzerError::Run { name: name.clone(), source })?;
    // By custom 0 is for nothing found and 1 for something found; what else it may mean, the report has to say.
    if !matches!(finished.exit, Exit::Code(_)) {
        return Err(failed(format!("{}{}", finished.ending(), tail(&finished.stderr))));
    }
    let unread = |why: String| {
        let why = format!("{why} ({}{})", finished.ending(), tail(&finished.stderr));
        AnalyzerError::Report { name: name.clone(), why }
    };
    let bytes = match &written {
        Some(written) => contents(written, tree.root()).map_err(unread)?,
        None if finished.truncated => return Err(unread("its output is too large".to_owned())),
        None => finished.stdout.clone().into_bytes(),
    };
    let finished_well = matches!(finished.exit, Exit::Code(0 | 1));
    let mut analyzed = read(&bytes, *format, Some(name), &tree).map_err(unread)?;
    if !finished_well {
        analyzed.troubles.push(format!("{name}: {}, so it may not have looked at all", finished.exit));
    }
    Ok(analyzed)
}

/// A report that is an ordinary file of the tree.
fn contents(path: &Path, root: &Path) -> Result<Vec<u8>, String> {
    let real = path.canonicalize().map_err(|error| format!("`{}`: {error}", path.display()))?;
    if !real.starts_with(root) || !real.is_file() {
        return Err("the report is no file of the tree".to_owned());
    }
    let mut bytes = Vec::new();
    let read = fs::File::open(real).and_then(|file| file.take(LARGEST_REPORT + 1).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn tail(stderr: &str) -> String {
    let letters: Vec<char> = stderr.trim().chars().collect();
    let text: String = letters[letters.len().saturating_sub(SHOWN)..].iter().collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() { String::new() } else { format!("; it said: {text}") }
}
