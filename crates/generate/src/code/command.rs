//! The analyzer's own fix: a command that changes files in a worktree, told which rules and files it is for.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use patchline_model::analyzer::Analyzer;
use patchline_model::failure::Failure;
use patchline_model::stage::detect::Finding;
use patchline_sandbox::rust::rust_environment;
use patchline_sandbox::{Exit, Foreign, Sandbox};

use crate::failures::of_sandbox;

/// Files that are named on a command line; with more, none is, and what else is changed is put back.
const MOST_FILES: usize = 1_000;

/// What the command came to.
pub(crate) struct Commanded {
    /// As it was run, shortened.
    pub(crate) words: String,
    pub(crate) log: String,
    /// Why it came to nothing.
    pub(crate) failed: Option<String>,
}

/// Runs the fix of an analyzer for these findings. That something is left to be found is no failure.
pub(crate) async fn run(
    analyzer: &Analyzer,
    findings: &[&Finding],
    sandbox: &Sandbox,
    worktree: &Path,
    folder: &str,
) -> Result<Commanded, Failure> {
    let line = command(analyzer.fix.as_deref().unwrap_or_default(), findings, folder);
    let foreign = Foreign {
        writable: vec![worktree.to_owned()],
        environment: rust_environment(),
        network: analyzer.network,
        deadline: Duration::from_secs(analyzer.deadline.0),
        ..Foreign::new(&line, &worktree.join(folder))
    };
    let finished = sandbox.run(&foreign).await.map_err(of_sandbox)?;
    let words = shortened(&line);
    let failed = match finished.exit {
        Exit::Code(_) => None,
        Exit::Signal(_) | Exit::Deadline => Some(format!("`{words}`: {}", finished.ending())),
    };
    let log = format!("$ {words}\n{}\n{}\n", finished.combined(), finished.ending());
    Ok(Commanded { words, log, failed })
}

/// `{rules}` within a word, with commas between them; `{files}` as a word of its own.
fn command(fix: &[String], findings: &[&Finding], folder: &str) -> Vec<String> {
    let rules: BTreeSet<&str> = findings
        .iter()
        .filter_map(|finding| finding.analysis().map(|analysis| analysis.rule.as_str()))
        .collect();
    let rules = rules.into_iter().collect::<Vec<_>>().join(",");
    let files: BTreeSet<String> = findings
        .iter()
        .filter_map(|finding| Path::new(&finding.location.path).strip_prefix(folder).ok())
        // A name that begins with a dash would be a flag.
        .map(|path| Path::new(".").join(path).to_string_lossy().into_owned())
        .collect();
    let files: Vec<String> =
        if files.len() > MOST_FILES { vec![".".to_owned()] } else { files.into_iter().collect() };
    let words = fix.iter().flat_map(|word| match word.as_str() {
        "{files}" => files.clone(),
        word => vec![word.replace("{rules}", &rules)],
    });
    words.collect()
}

fn shortened(line: &[String]) -> String {
    crate::message::clean(&line.join(" "), 200)
}

#[cfg(test)]
mod tests {
    use patchline_model::analyzer::{Analysis, Level};
    use patchline_model::id::FindingId;
    use patchline_model::stage::detect::{Finding, Location, Source};

    use super::command;

    fn finding(rule: &str, path: &str) -> Finding {
        Finding {
            id: FindingId(format!("{rule}:{path}")),
            source: Source::Analyzer(Box::new(Analysis {
                tool: "tool".to_owned(),
                analyzer: Some("tool".to_owned()),
                rule: rule.to_owned(),
                level: Level::Error,
                severity_tenths: None,
                region: None,
                print: String::new(),
                fix: None,
            })),
            advisory: rule.to_owned(),
            aliases: Vec::new(),
            summary: String::new(),
            package: None,
            location: Location { path: path.to_owned(), line: None },
            paths: Vec::new(),
            fixed: Vec::new(),
            severity: Vec::new(),
            informational: None,
        }
    }

    #[test]
    fn rules_and_files_take_their_places_and_no_name_becomes_a_flag() {
        let findings = [finding("B", "web/b.py"), finding("A", "web/-x.py"), finding("B", "web/b.py")];
        let findings: Vec<&Finding> = findings.iter().collect();
        let fix = ["ruff", "--fix", "--select={rules}", "{files}"].map(str::to_owned);
        assert_eq!(command(&fix, &findings, "web"), ["ruff", "--fix", "--select=A,B", "./-x.py", "./b.py"]);
        assert_eq!(command(&fix[..2], &findings, "web"), ["ruff", "--fix"]);
    }
}
