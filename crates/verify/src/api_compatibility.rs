//! API compatibility: what others can no longer use, held against what the step of the version promises them.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use patchline_model::failure::Failure;
use patchline_model::service::CommandLine;
use patchline_model::stage::verify::CheckResult;
use patchline_sandbox::foreign::{Exit, Finished};

use crate::check::{Case, Check, Shown, Side};
use crate::diff::Diff;
use crate::kinds::FileKind;
use crate::outcome::{Record, count, few};
use crate::promise::{Promise, promise};
use crate::run::{Run, run};
use crate::scratch::Scratch;
use crate::semver_checks;

const DEADLINE: Duration = Duration::from_secs(30 * 60);
const OUTPUT_LIMIT: usize = 8 * 1024 * 1024;
/// Lines of what a command says is gone.
const MOST_LINES: usize = 200;
const NAME: &str = "api";

/// Compares what others see.
#[derive(Clone, Copy, Debug)]
pub struct ApiCompatibility;

/// What can't be used any more, and how many things there were, where that is known.
#[derive(Debug)]
struct Compared {
    gone: Vec<String>,
    sides: Option<(usize, usize)>,
}

/// Why nothing was compared, and whose fault that is.
#[derive(Debug)]
enum Trouble {
    Base(String),
    Patch(String),
    Tool(String),
}

#[async_trait::async_trait]
impl Check for ApiCompatibility {
    fn name(&self) -> &'static str {
        "api-compatibility"
    }

    async fn check(&self, case: &Case) -> Result<Shown, Failure> {
        let mut record = Record::default();
        let skipped =
            |why: &str| Shown { result: CheckResult::Skipped, ..Record::default().shown(why.to_owned()) };
        if !changes_code(case) {
            return Ok(skipped("the patch changes nothing that others could use"));
        }
        let compared = match &case.service.verification.api {
            Some(api) if names_both(&api.command) => both(&api.command, case, &mut record).await?,
            Some(api) => listed(&api.command, case, &mut record).await?,
            None => match semver_checks::command(&case.patch.tree.join(&case.service.folder)) {
                Ok(command) => rust(&command, case, &mut record).await?,
                Err(why) => return Ok(skipped(&why)),
            },
        };
        Ok(match compared {
            Ok(compared) => judged(&compared, &promise(case), record),
            Err(Trouble::Base(why)) => skipped(&format!("the base's API is not known: {why}")),
            Err(Trouble::Patch(why)) => {
                let summary = format!("the patch's API is not known, though the base's is: {why}");
                record.fail(NAME, &summary);
                record.shown(summary)
            }
            Err(Trouble::Tool(why)) => {
                let summary = format!("both sides can't be compared: {why}");
                record.warn(NAME, &summary);
                record.shown(summary)
            }
        })
    }
}

fn changes_code(case: &Case) -> bool {
    let is_seen = |path: &str| matches!(FileKind::of(path), FileKind::Code | FileKind::Dependencies);
    Diff::read(&case.diff).is_ok_and(|diff| diff.files.iter().any(|file| is_seen(file.path())))
}

fn names_both(command: &[String]) -> bool {
    command.iter().any(|word| word.contains("{base}") || word.contains("{patch}"))
}

/// Exits with 0 where nothing is gone, and with 1 where something is, which it names line by line.
async fn both(
    command: &[String],
    case: &Case,
    record: &mut Record,
) -> Result<Result<Compared, Trouble>, Failure> {
    let finished = compared(command, &case.patch, case, record).await?;
    Ok(match finished.exit {
        Exit::Code(0) => Ok(Compared { gone: Vec::new(), sides: None }),
        Exit::Code(1) => {
            let lines = lines(&finished.stdout).into_iter().take(MOST_LINES).collect::<Vec<_>>();
            let gone = if lines.is_empty() { vec!["exit code 1".to_owned()] } else { lines };
            Ok(Compared { gone, sides: None })
        }
        Exit::Code(_) | Exit::Signal(_) | Exit::Deadline => Err(Trouble::Tool(ending(&finished))),
    })
}

/// `cargo semver-checks`, which says in words what is gone.
async fn rust(
    command: &[String],
    case: &Case,
    record: &mut Record,
) -> Result<Result<Compared, Trouble>, Failure> {
    let mut side = case.patch.clone();
    // It resolves once more, in a project of its own.
    side.environment.insert("CARGO_NET_OFFLINE".to_owned(), "true".to_owned());
    let finished = compared(command, &side, case, record).await?;
    let gone = semver_checks::gone(&finished.combined());
    Ok(match finished.exit {
        Exit::Code(0) => Ok(Compared { gone: Vec::new(), sides: None }),
        // It ends in the same way where it could not look.
        Exit::Code(_) if !gone.is_empty() => Ok(Compared { gone, sides: None }),
        Exit::Code(_) | Exit::Signal(_) | Exit::Deadline => Err(Trouble::Tool(ending(&finished))),
    })
}

/// Runs once, in copies of both sides.
async fn compared(
    command: &[String],
    side: &Side,
    case: &Case,
    record: &mut Record,
) -> Result<Finished, Failure> {
    let (base, patch) = (Scratch::of(&case.base).await?, Scratch::of(&case.patch).await?);
    let folder = |scratch: &Scratch| scratch.tree().join(&case.service.folder);
    let word = |word: &String| {
        let word = word.replace("{base}", &folder(&base).display().to_string());
        word.replace("{patch}", &folder(&patch).display().to_string())
    };
    let comparing = Run {
        label: "API of both sides".to_owned(),
        command: CommandLine(command.iter().map(word).collect()),
        directory: folder(&patch),
        side,
        writable: vec![base.tree(), patch.tree()],
        readable: Vec::new(),
        deadline: case.patience.unwrap_or(DEADLINE),
        output_limit: OUTPUT_LIMIT,
        quoted: false,
        shown: Some(CommandLine(command.to_vec()).to_string()),
    };
    run(&case.sandbox, comparing, record).await
}

/// Runs on each side, and writes a line for each thing that others can use.
async fn listed(
    command: &[String],
    case: &Case,
    record: &mut Record,
) -> Result<Result<Compared, Trouble>, Failure> {
    let (base, listed) = one("base", &case.base, command, case, record).await?;
    if !base.succeeded() {
        return Ok(Err(Trouble::Base(ending(&base))));
    }
    if listed.is_empty() {
        return Ok(Err(Trouble::Base("the command lists nothing".to_owned())));
    }
    let (patch, after) = one("patch", &case.patch, command, case, record).await?;
    if !patch.succeeded() {
        return Ok(Err(Trouble::Patch(ending(&patch))));
    }
    if base.truncated || patch.truncated {
        return Ok(Err(Trouble::Tool("the list is too long".to_owned())));
    }
    let gone = listed.difference(&after).cloned().collect();
    after.difference(&listed).take(MOST_LINES).for_each(|line| record.detail(format!("new: {line}")));
    Ok(Ok(Compared { gone, sides: Some((listed.len(), after.len())) }))
}

async fn one(
    name: &str,
    side: &Side,
    command: &[String],
    case: &Case,
    record: &mut Record,
) -> Result<(Finished, BTreeSet<String>), Failure> {
    let scratch = Scratch::of(side).await?;
    let tree = scratch.tree();
    let listing = Run {
        label: format!("API of the {name}"),
        command: CommandLine(command.to_vec()),
        directory: tree.join(&case.service.folder),
        side,
        writable: vec![tree.clone()],
        readable: Vec::new(),
        deadline: case.patience.unwrap_or(DEADLINE),
        output_limit: OUTPUT_LIMIT,
        quoted: false,
        shown: None,
    };
    let finished = run(&case.sandbox, listing, record).await?;
    let lines = lines(&without(&finished.stdout, &tree));
    Ok((finished, lines.into_iter().collect()))
}

/// Where a tree lies differs from side to side; what is compared must not.
fn without(text: &str, tree: &Path) -> String {
    text.replace(&tree.display().to_string(), ".")
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

fn ending(finished: &Finished) -> String {
    let said = finished.stderr.trim_end().lines().last().unwrap_or_default();
    let said: String = said.trim().chars().take(200).collect();
    if said.is_empty() { finished.ending() } else { format!("{}: {said}", finished.ending()) }
}

fn judged(compared: &Compared, promise: &Promise, mut record: Record) -> Shown {
    let Compared { gone, sides } = compared;
    if let Some((before, after)) = sides {
        record.sides(count(*before, "thing"), format!("{}, {} gone", count(*after, "thing"), gone.len()));
    }
    if gone.is_empty() {
        let summary = "everything that others use of the base is there with the patch".to_owned();
        record.pass(NAME, &summary);
        return record.shown(summary);
    }
    let what = format!("{} gone or changed: {}", count(gone.len(), "thing"), few(gone));
    match promise {
        Promise::Kept { from, to, next } => {
            gone.iter().for_each(|line| record.fail(line, "is gone or changed"));
            record.shown(format!(
                "the step from {from} to {to} says that nothing breaks, and {what}; keep it, or make it {next}"
            ))
        }
        Promise::Broken { from, to } => {
            gone.iter().for_each(|line| record.pass(line, "is gone or changed, as the version says"));
            record.shown(format!("{what}, as the step from {from} to {to} says"))
        }
        Promise::None(why) => {
            gone.iter().for_each(|line| record.warn(line, "is gone or changed"));
            record.shown(format!("{what}; {why}"))
        }
    }
}
