//! `fix`: makes the smallest fix, proves it, and leaves a branch and a report. Never pushes, never touches the checkout.

mod edit;
mod flag;
mod from;
mod image;
mod question;
mod told;
mod written;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use patchline_conductor::failures::git_failure;
use patchline_conductor::grouping::Grouping;
use patchline_conductor::owners::rules_at;
use patchline_conductor::projection::Known;
use patchline_conductor::rehearse::{Rehearsal, Rehearsed, rehearse};
use patchline_conductor::schedule::head;
use patchline_detect::Advisories;
use patchline_generate::Proposal;
use patchline_model::digest::{Commit, Digest};
use patchline_model::event::Fact;
use patchline_model::failure::{Failure, FailureClass, in_full};
use patchline_model::id::PatchId;
use patchline_model::service::Service;
use patchline_model::stage::detect::{Subject, Until};
use patchline_model::stage::generate::Candidate;
use patchline_model::stage::review::End;
use patchline_model::stage::terms::{Membership, Terms};
use patchline_sandbox::{Git, GitError};
use serde_json::json;

use crate::cli::{FixArguments, Format};
use crate::commands::driven::driven;
use crate::commands::fix::question::Question;
use crate::commands::person::person;
use crate::commands::reports;
use crate::exit::{Exit, Trouble};
use crate::settings;
use crate::terminal::{note, say, warn, warn_if_only_built_in};
use crate::wire::{self, Works};

pub async fn run(arguments: FixArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    need_git()?;
    let service = settings::service(&arguments.path).await?;
    if service.build.command.0.first().is_some_and(|program| program == "cargo") {
        need("cargo", "install Rust; its installer is at the Rust project's site")?;
    }
    let base = base_of(&service, arguments.base.as_deref()).await?;
    let (_, unread) = rules_at(&service, &base).await?;
    unread.iter().for_each(|line| note(line));
    let works = wire::works(wire::home(data.as_deref())?)?;
    let reports = kept(&works, &arguments.sarif)?;
    if arguments.dry_run {
        warn_if_only_built_in(&advisories_of(&works)?);
        return rehearsal(&works, &service, &base, &reports, &arguments).await;
    }
    let by = person(None).unwrap_or(patchline_model::actor::Actor::Machine);
    let advisories = advisories_of(&works)?;
    let subject = match &arguments.from {
        Some(from) => from::subject(from, &arguments, &service, &base, &by, &works.home).await?,
        None if !arguments.image.is_empty() => {
            image::subject(&arguments.image, &service, &base, &by, &works.home).await?
        }
        None if !arguments.edit.is_empty() => {
            edit::subject(&arguments.edit, &service, &base, &by, &works.home).await?
        }
        None if !arguments.flag.is_empty() => {
            flag::subject(&arguments.flag, &service, &base, &by, &works.home).await?
        }
        None => Subject::Scan { only: arguments.only.clone(), reports },
    };
    if matches!(subject, Subject::Scan { .. }) {
        warn_if_only_built_in(&advisories);
    }
    let after = arguments.after.clone();
    let set = arguments.set.clone().map(|name| Membership { name, after });
    let (forward_only, supersedes) = (arguments.forward_only.clone(), arguments.supersedes);
    let terms = Terms { forward_only, set, origin: None, supersedes };
    let goes_on = arguments.rollout || !terms.is_blank();
    let until = if goes_on { Until::Rollout } else { Until::Verify };
    if goes_on && service.run.is_none() {
        return Err(nowhere_to_run(&service));
    }
    let repository = PathBuf::from(&service.repository);
    let states_more = !terms.is_blank();
    let question = Question {
        grouping: if states_more { Grouping::All } else { grouping(&arguments)? },
        advisories: advisories.status(),
        aloud: arguments.format == Format::Table,
        service,
        base,
        until,
        terms,
        by,
    };
    let known = match subject {
        Subject::Scan { only, reports } => question.each(&works, &only, &reports).await?,
        subject @ (Subject::Change { .. } | Subject::Report(_)) => question.one(&works, subject).await?,
    };
    tell(&works, &repository, &known, arguments.format).await
}

/// What is stated of one patch keeps all findings in one, as the flag and the settings do.
fn grouping(arguments: &FixArguments) -> Result<Grouping, Trouble> {
    if arguments.one_patch { Ok(Grouping::All) } else { Ok(settings::fixing(&arguments.path)?.grouping) }
}

/// Drives a patch that was opened to its end, and tells what came of it.
pub async fn carried_out(
    works: &Works,
    repository: &Path,
    id: PatchId,
    format: Format,
) -> Result<Exit, Trouble> {
    if works.conductor.patch(id).await?.is_some_and(|known| known.patch.is_closed()) {
        note(&format!("{id} has answered this already; this is its record"));
    }
    let known = driven(works, &[id], format == Format::Table).await?;
    tell(works, repository, &known, format).await
}

/// Tells what came of each patch; the exit code is that of the first that did not come to a good end.
async fn tell(
    works: &Works,
    repository: &Path,
    answered: &[Arc<Known>],
    format: Format,
) -> Result<Exit, Trouble> {
    let (mut told, mut troubles) = (Vec::new(), Vec::new());
    for known in answered {
        bring_branch_back(repository, known).await?;
        let report = write_report(works, known)?;
        let candidate = known.patch.candidate();
        let diff = candidate.map(|candidate| diff_of(works, candidate)).transpose()?.unwrap_or_default();
        told.push(told::of_patch(known, &diff, report.as_deref()));
        if format == Format::Table {
            told::lines_of(known, &diff, report.as_deref()).iter().for_each(|line| say(line));
        }
        troubles.extend(trouble(known, report.as_deref()));
    }
    if format == Format::Json {
        say(&json!({ "patches": told }).to_string());
    }
    let several = answered.len() > 1;
    let message = |(id, trouble): &(PatchId, Trouble)| match several {
        true => format!("{id}: {}", trouble.message),
        false => trouble.message.clone(),
    };
    let message = troubles.iter().map(message).collect::<Vec<_>>().join("\n");
    match troubles.into_iter().next() {
        None => Ok(Exit::Done),
        Some((_, first)) => Err(Trouble { message, ..first }),
    }
}

pub fn nowhere_to_run(service: &Service) -> Trouble {
    let text = format!("{} has no [run] and [rollout], so it is rolled out nowhere", service.name);
    Trouble::input(text).hint("`patchline init` shows how both are written")
}

/// Reports that were made elsewhere, among the blobs; one that can't be read is told before anything is opened.
fn kept(works: &Works, files: &[PathBuf]) -> Result<Vec<Digest>, Trouble> {
    let reports = files.iter().map(|file| {
        let bytes = reports::bytes(file)?;
        works.hands.attestor.keep(&bytes).map_err(Trouble::from)
    });
    reports.collect()
}

fn advisories_of(works: &Works) -> Result<Advisories, Trouble> {
    Advisories::open(&works.home.advisories()).map_err(|error| Trouble::input(in_full(&error)))
}

/// A repository without a commit has nothing to be fixed.
pub fn no_commit(failure: Failure) -> Trouble {
    Trouble::input(failure.message).hint("commit the project first: only what is committed is looked at")
}

/// The commit that needs the fix: what is checked out, if no other one was named.
async fn base_of(service: &Service, named: Option<&str>) -> Result<Commit, Trouble> {
    let Some(named) = named else {
        let base = head(service).await.map_err(no_commit)?;
        say_what_is_left_out(service, base.short());
        return Ok(base);
    };
    let commit = Git::at(Path::new(&service.repository)).resolve(named).await;
    let commit = commit.map_err(|error| Trouble::from(git_failure(&error)))?;
    commit.parse().map_err(|error| Trouble::input(format!("git answered {error}")))
}

/// What is not committed is not looked at, and that is said.
fn say_what_is_left_out(service: &Service, base: &str) {
    let folder = Path::new(&service.repository).join(&service.folder);
    let mut git = std::process::Command::new("git");
    git.args([
        "--no-optional-locks",
        "-c",
        "core.fsmonitor=false",
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        ".",
    ]);
    let asked = git.current_dir(folder).stdin(Stdio::null()).output();
    if asked.is_ok_and(|asked| !asked.stdout.is_empty()) {
        note(&format!("the checkout has changes that are not committed; only {base} is looked at"));
    }
}

/// A branch that was deleted since is set to its commit again.
async fn bring_branch_back(repository: &Path, known: &Known) -> Result<(), Trouble> {
    let handed_over = known.patch.review.end == Some(End::HandedOver);
    let Some(candidate) = known.patch.candidate().filter(|_| handed_over) else { return Ok(()) };
    let git = Git::at(repository);
    let failed = |error: GitError| Trouble::from(git_failure(&error));
    if git.branch(&candidate.branch).await.map_err(failed)?.is_none() {
        git.branch_set(&candidate.branch, candidate.commit.as_str()).await.map_err(failed)?;
        note(&format!("{} was gone and is back", candidate.branch));
    }
    Ok(())
}

pub fn need_git() -> Result<(), Trouble> {
    need("git", "install it with your package manager, as in `apt-get install git`")
}

fn need(program: &str, hint: &str) -> Result<(), Trouble> {
    let asked = std::process::Command::new(program).arg("--version").stdin(Stdio::null()).output();
    match asked {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Trouble::new(Exit::Tool, format!("`{program}` is not installed")).hint(hint))
        }
        // Anything else that is wrong with it shows where it is used.
        Err(_) | Ok(_) => Ok(()),
    }
}

/// Why a patch did not come to a good end; nothing: it did.
fn trouble(known: &Known, report: Option<&Path>) -> Option<(PatchId, Trouble)> {
    let patch = &known.patch;
    let trouble = match (&patch.review.end, patch.candidate()) {
        (Some(End::HandedOver), Some(_)) | (Some(End::NothingToDo | End::Promoted), _) => return None,
        (Some(End::RolledBack(why)), _) => {
            Trouble::new(Exit::Found, format!("{} was taken back: {why}", patch.id))
        }
        (Some(End::Abandoned(why)), _) => abandoned(known, why.clone(), report),
        (_, _) => {
            let text = format!("{} did not come to an end: it is at `{}`", patch.id, patch.stage());
            Trouble::new(Exit::Found, text)
                .hint(format!("`patchline explain {}` says what it waits for", patch.id))
        }
    };
    Some((patch.id, trouble))
}

fn diff_of(works: &Works, candidate: &Candidate) -> Result<String, Trouble> {
    const LARGEST: u64 = 64 * 1024 * 1024;
    let blobs = works.hands.attestor.blobs();
    let bytes = blobs.get(candidate.diff.as_str(), LARGEST);
    let bytes = bytes.map_err(|error| Trouble::storage(format!("could not read the diff: {error}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What would be done, and nothing of it.
async fn rehearsal(
    works: &Works,
    service: &Service,
    base: &Commit,
    reports: &[Digest],
    arguments: &FixArguments,
) -> Result<Exit, Trouble> {
    let policy = works.conductor.policy();
    let how = (reports, grouping(arguments)?);
    let Rehearsal { patches: rehearsed, warning } =
        rehearse(&works.hands, policy, service, base, &arguments.only, how).await?;
    warning.iter().for_each(|old| warn(old));
    let is_table = arguments.format == Format::Table;
    if is_table && rehearsed.is_empty() {
        say("nothing needs a fix");
    }
    let (mut told, mut none) = (Vec::new(), Vec::new());
    for Rehearsed { findings, proposal } in &rehearsed {
        told.push(told::of_proposal(findings, proposal));
        match proposal {
            Proposal::Candidate { candidate, diff, .. } if is_table => {
                told::lines(findings, candidate, diff).iter().for_each(|line| say(line));
            }
            Proposal::Candidate { .. } => {}
            Proposal::NoFix { reasons, .. } => {
                none.push(format!("no fix could be made: {}", reasons.join("; ")));
            }
        }
    }
    if arguments.format == Format::Json {
        say(&json!({ "patches": told }).to_string());
    } else if none.len() < rehearsed.len() {
        say("nothing was changed; without `--dry-run` it is built, proven and left on a branch");
    }
    if none.is_empty() { Ok(Exit::Done) } else { Err(Trouble::new(Exit::Found, none.join("\n"))) }
}

/// Why there is no fix, with the exit code of what failed.
fn abandoned(known: &Known, why: String, report: Option<&Path>) -> Trouble {
    let failure = known.events.iter().rev().find_map(|event| match &event.fact {
        Fact::Faltered { failure, retry_at: None, .. } => Some(failure.clone()),
        _ => None,
    });
    let details = report.map(|report| format!("the report has the details: {}", report.display()));
    let hint = failure.as_ref().and_then(|failure| failure.hint.clone()).or(details);
    let exit = match failure {
        Some(failure) if failure.class != FailureClass::Other => Trouble::from(failure).exit,
        Some(_) | None => Exit::Found,
    };
    Trouble { hint, ..Trouble::new(exit, why) }
}

/// The look back at a patch, as a file; nothing before there was one.
fn write_report(works: &Works, known: &Known) -> Result<Option<PathBuf>, Trouble> {
    const LARGEST_NOTE: u64 = 16 * 1024 * 1024;
    let failed = |what: String| Trouble::storage(format!("could not write the report: {what}"));
    let Some(review) = &known.patch.review.reviewed else { return Ok(None) };
    let blobs = works.hands.attestor.blobs();
    let note = blobs.get(review.note.as_str(), LARGEST_NOTE).map_err(|error| failed(error.to_string()))?;
    let folder = works.home.root().join("reports");
    std::fs::create_dir_all(&folder).map_err(|error| failed(error.to_string()))?;
    let path = folder.join(format!("{}.md", known.patch.id));
    std::fs::write(&path, note).map_err(|error| failed(error.to_string()))?;
    Ok(Some(path))
}
