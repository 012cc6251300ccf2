//! `fix`: makes the smallest fix, proves it, and leaves a branch and a report. Never pushes, never touches the checkout.

mod edit;
mod flag;
mod from;
mod image;
mod told;
mod written;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use patchline_conductor::failures::git_failure;
use patchline_conductor::projection::Known;
use patchline_conductor::rehearse::{Rehearsed, rehearse};
use patchline_conductor::schedule::head;
use patchline_detect::Advisories;
use patchline_generate::Proposal;
use patchline_model::digest::{Commit, Digest};
use patchline_model::event::Fact;
use patchline_model::failure::{Failure, FailureClass, in_full};
use patchline_model::id::PatchId;
use patchline_model::service::Service;
use patchline_model::stage::detect::{Opening, Subject, Until};
use patchline_model::stage::generate::Candidate;
use patchline_model::stage::review::End;
use patchline_model::stage::terms::{Membership, Terms};
use patchline_sandbox::{Git, GitError};
use serde_json::json;

use crate::cli::{FixArguments, Format};
use crate::commands::driven::driven;
use crate::commands::person::person;
use crate::commands::reports;
use crate::exit::{Exit, Trouble};
use crate::settings;
use crate::terminal::{note, say, warn_if_only_built_in};
use crate::wire::{self, Works};

pub async fn run(arguments: FixArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    need_git()?;
    let service = settings::service(&arguments.path).await?;
    if service.build.command.0.first().is_some_and(|program| program == "cargo") {
        need("cargo", "install Rust; its installer is at the Rust project's site")?;
    }
    let base = base_of(&service, arguments.base.as_deref()).await?;
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
    let key = key(&service, base.as_str(), &subject, &advisories, until, &terms);
    let repository = PathBuf::from(&service.repository);
    let opening = Opening { service, base, subject, until, terms };
    let id = works.conductor.open_again(&key, by, opening).await?;
    carried_out(&works, &repository, id, arguments.format).await
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
    let told = driven(works, &[id], format == Format::Table).await?;
    let known = told.into_iter().next().ok_or_else(|| Trouble::storage(format!("{id} is not driven")))?;
    bring_branch_back(repository, &known).await?;
    report(works, &known, format)
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

/// The same question about the same commit, settings and advisories is the same patch: a second run changes nothing and
/// answers from the record.
fn key(
    service: &Service,
    base: &str,
    subject: &Subject,
    advisories: &Advisories,
    until: Until,
    terms: &Terms,
) -> String {
    let question = match until {
        Until::Verify => json!([service, base, subject, advisories.status()]),
        Until::Rollout => json!([service, base, subject, advisories.status(), until, terms]),
    };
    let question = question.to_string();
    format!("fix:{}", Digest::of(question.as_bytes()).hex())
}

fn report(works: &Works, known: &Known, format: Format) -> Result<Exit, Trouble> {
    let patch = &known.patch;
    let end = patch.review.end.clone();
    let report = write_report(works, known)?;
    let candidate = patch.candidate();
    let diff = candidate.map(|candidate| diff_of(works, candidate)).transpose()?.unwrap_or_default();
    if format == Format::Json {
        say(&told::of_patch(known, &diff, &report).to_string());
    }
    match (end, candidate) {
        (Some(End::HandedOver), Some(candidate)) => {
            if format == Format::Table {
                say("");
                say(&format!("branch  {}", candidate.branch));
                say(&format!("diff    {}", told::size(candidate, &diff)));
                say(&format!("look    git diff {}..{}", candidate.base.short(), candidate.branch));
                say(&format!("report  {}", report.display()));
            }
            Ok(Exit::Done)
        }
        (Some(End::NothingToDo), _) => Ok(Exit::Done),
        (Some(End::Promoted), _) => Ok(Exit::Done),
        (Some(End::RolledBack(why)), _) => {
            Err(Trouble::new(Exit::Found, format!("{} was taken back: {why}", patch.id)))
        }
        (Some(End::Abandoned(why)), _) => Err(abandoned(known, why, &report)),
        (_, _) => Err(Trouble::new(Exit::Found, format!("{} did not come to an end", patch.id))),
    }
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
    let Rehearsed { findings, proposal } =
        rehearse(&works.hands, service, base, &arguments.only, reports).await?;
    if arguments.format == Format::Json {
        say(&told::of_proposal(&findings, proposal.as_ref()).to_string());
    }
    let is_table = arguments.format == Format::Table;
    match proposal {
        None => {
            if is_table {
                say("nothing needs a fix");
            }
            Ok(Exit::Done)
        }
        Some(Proposal::Candidate { candidate, diff, .. }) => {
            if is_table {
                told::lines(&findings, &candidate, &diff).iter().for_each(|line| say(line));
            }
            Ok(Exit::Done)
        }
        Some(Proposal::NoFix { reasons, .. }) => {
            Err(Trouble::new(Exit::Found, format!("no fix could be made: {}", reasons.join("; "))))
        }
    }
}

/// Why there is no fix, with the exit code of what failed.
fn abandoned(known: &Known, why: String, report: &Path) -> Trouble {
    let failure = known.events.iter().rev().find_map(|event| match &event.fact {
        Fact::Faltered { failure, retry_at: None, .. } => Some(failure.clone()),
        _ => None,
    });
    let Some(failure) = failure else {
        return Trouble::new(Exit::Found, why)
            .hint(format!("the report has the details: {}", report.display()));
    };
    let class = failure.class;
    let hint =
        failure.hint.clone().unwrap_or_else(|| format!("the report has the details: {}", report.display()));
    let exit = match class {
        FailureClass::Other => Exit::Found,
        FailureClass::Tool | FailureClass::Network | FailureClass::Storage | FailureClass::Input => {
            Trouble::from(failure).exit
        }
    };
    Trouble::new(exit, why).hint(hint)
}

fn write_report(works: &Works, known: &Known) -> Result<PathBuf, Trouble> {
    const LARGEST_NOTE: u64 = 16 * 1024 * 1024;
    let failed = |what: String| Trouble::storage(format!("could not write the report: {what}"));
    let Some(review) = &known.patch.review.reviewed else {
        return Err(Trouble::new(Exit::Found, "the patch was not reviewed"));
    };
    let blobs = works.hands.attestor.blobs();
    let note = blobs.get(review.note.as_str(), LARGEST_NOTE).map_err(|error| failed(error.to_string()))?;
    let folder = works.home.root().join("reports");
    std::fs::create_dir_all(&folder).map_err(|error| failed(error.to_string()))?;
    let path = folder.join(format!("{}.md", known.patch.id));
    std::fs::write(&path, note).map_err(|error| failed(error.to_string()))?;
    Ok(path)
}
