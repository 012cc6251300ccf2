//! `backport` and `revert`: what one patch did, done to another branch, or undone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use patchline_conductor::failures::git_failure;
use patchline_conductor::jobs::generate::AUTHOR;
use patchline_conductor::projection::Known;
use patchline_conductor::rehearse::found_at;
use patchline_conductor::schedule::head;
use patchline_generate::carry::{Carried, Carry, backport, revert};
use patchline_generate::message::clean;
use patchline_model::actor::Actor;
use patchline_model::digest::{Commit, Digest};
use patchline_model::id::PatchId;
use patchline_model::service::Service;
use patchline_model::stage::detect::{Opening, Source, Subject, Until};
use patchline_model::stage::generate::Candidate;
use patchline_model::stage::review::End;
use patchline_model::stage::terms::{Origin, Terms};
use patchline_sandbox::{Git, GitError};
use serde_json::json;

use crate::cli::{BackportArguments, Format, RevertArguments};
use crate::commands::driven::driven;
use crate::commands::person::person;
use crate::exit::{Exit, Trouble};
use crate::terminal::{say, table};
use crate::wire::{self, Works};

/// What became of one branch.
struct Row {
    branch: String,
    patch: Option<PatchId>,
    state: &'static str,
    what: String,
}

/// The same fix for each of these branches that has the problem.
pub async fn run_backport(arguments: BackportArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    let by = person(arguments.by.as_deref())?;
    let works = wire::works(wire::home(data.as_deref())?)?;
    let (known, opening, candidate) = fixed(&works, arguments.patch).await?;
    let mut rows = Vec::new();
    for branch in &arguments.to {
        rows.push(one(&works, &known, &opening, &candidate, branch, &by).await?);
    }
    let ids: Vec<PatchId> = rows.iter().filter_map(|row| row.patch).collect();
    for known in driven(&works, &ids, arguments.format == Format::Table).await? {
        let patch = &known.patch;
        for row in rows.iter_mut().filter(|row| row.patch == Some(patch.id)) {
            (row.state, row.what) = match (&patch.review.end, patch.candidate()) {
                (Some(End::HandedOver), Some(candidate)) => ("proven", candidate.branch.clone()),
                (Some(End::Abandoned(why)), _) => ("refused", why.clone()),
                (_, _) => ("open", patch.title()),
            };
        }
    }
    tell(&rows, arguments.format);
    let is_done = rows.iter().all(|row| matches!(row.state, "proven" | "not affected"));
    Ok(if is_done { Exit::Done } else { Exit::Found })
}

/// A fix of dependencies is chosen anew for each branch; any other change is carried over.
async fn one(
    works: &Works,
    known: &Known,
    opening: &Opening,
    candidate: &Candidate,
    branch: &str,
    by: &Actor,
) -> Result<Row, Trouble> {
    let service = &opening.service;
    let git = Git::at(Path::new(&service.repository));
    let onto = commit_of(&git, branch).await?;
    let row = |state, what: String| Row { branch: branch.to_owned(), patch: None, state, what };
    let advisories: Vec<String> = removed(known, candidate, Source::Lockfile);
    let subject = if advisories.is_empty() {
        let name: String =
            branch.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
        let worktree = works.home.root().join("work").join(format!("backport-{}-{name}", known.patch.id));
        let carry = carry(known, service, candidate, &onto, worktree, "Patchline-Backport-Of").await?;
        match backport(&carry).await? {
            Carried::NotNeeded(why) => return Ok(row("not affected", why)),
            Carried::Conflict { files } => {
                return Ok(row("conflict", left_for_a_person(&carry, branch, &files)));
            }
            Carried::Commit(commit) => changed(known, candidate, commit, &candidate.title),
        }
    } else {
        let here = found_at(&works.hands, service, &onto).await?;
        let only: Vec<String> = advisories
            .iter()
            .filter(|name| {
                here.iter().any(|finding| finding.advisory == **name || finding.aliases.contains(name))
            })
            .cloned()
            .collect();
        if only.is_empty() {
            return Ok(row("not affected", format!("it has none of {}", advisories.join(", "))));
        }
        Subject::Scan { only, reports: Vec::new() }
    };
    let origin = Origin::Backport(known.patch.id);
    let patch = open(works, service, onto, subject, origin, Until::Verify, by).await?;
    Ok(Row { patch: Some(patch), ..row("open", String::new()) })
}

/// The change of a patch taken out again, on top of what is checked out.
pub async fn run_revert(arguments: RevertArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    let by = person(arguments.by.as_deref())?;
    let works = wire::works(wire::home(data.as_deref())?)?;
    let (known, opening, candidate) = fixed(&works, arguments.patch).await?;
    let service = &opening.service;
    let base = head(service).await?;
    let worktree = works.home.root().join("work").join(format!("revert-{}", known.patch.id));
    let carry = carry(&known, service, &candidate, &base, worktree, "Patchline-Revert-Of").await?;
    let commit = match revert(&carry).await? {
        Carried::Commit(commit) => commit,
        Carried::NotNeeded(why) => {
            return Err(Trouble::new(
                Exit::Refused,
                format!("{} is not to be reverted: {why}", known.patch.id),
            ));
        }
        Carried::Conflict { files } => {
            return Err(Trouble::new(Exit::Found, left_for_a_person(&carry, "HEAD", &files)));
        }
    };
    let title = format!("Revert \"{}\"", candidate.title);
    let subject = Subject::Change {
        title,
        report: arguments.reason.clone(),
        answers: Vec::new(),
        commit,
        author: AUTHOR.to_owned(),
    };
    let until = if arguments.rollout { Until::Rollout } else { Until::Verify };
    let patch = open(&works, service, base, subject, Origin::Revert(known.patch.id), until, &by).await?;
    let told = driven(&works, &[patch], true).await?;
    match told.first().map(|known| (known.patch.review.end.clone(), known.patch.candidate().cloned())) {
        Some((Some(End::HandedOver | End::Promoted), Some(candidate))) => {
            say(&format!("branch  {}", candidate.branch));
            Ok(Exit::Done)
        }
        Some((Some(End::Abandoned(why) | End::RolledBack(why)), _)) => Err(Trouble::new(Exit::Found, why)),
        Some(_) | None => Ok(Exit::Done),
    }
}

/// A patch with a change that passed.
async fn fixed(works: &Works, id: PatchId) -> Result<(Arc<Known>, Arc<Opening>, Candidate), Trouble> {
    let known = works.conductor.patch(id).await?;
    let known = known.ok_or_else(|| Trouble::new(Exit::Refused, format!("{id} does not exist")))?;
    let (opening, candidate) = (known.patch.opening.clone(), known.patch.candidate().cloned());
    let (Some(opening), Some(candidate)) = (opening, candidate) else {
        return Err(Trouble::new(Exit::Refused, format!("{id} has no change yet"))
            .hint("`patchline explain` shows where it stands"));
    };
    Ok((known, opening, candidate))
}

async fn carry(
    known: &Known,
    service: &Service,
    candidate: &Candidate,
    onto: &Commit,
    worktree: PathBuf,
    trailer: &str,
) -> Result<Carry, Trouble> {
    let git = Git::at(Path::new(&service.repository));
    let title = match trailer {
        "Patchline-Revert-Of" => format!("Revert \"{}\"", clean(&candidate.title, 90)),
        _ => clean(&candidate.title, 100),
    };
    Ok(Carry {
        repository: PathBuf::from(&service.repository),
        from: candidate.base.clone(),
        to: candidate.commit.clone(),
        onto: onto.clone(),
        worktree,
        message: format!("{title}\n\n{trailer}: {} {}\n", known.patch.id, candidate.commit),
        author: AUTHOR.to_owned(),
        committed_at: git.commit_time(onto.as_str()).await.map_err(failed)?,
    })
}

fn changed(known: &Known, candidate: &Candidate, commit: Commit, title: &str) -> Subject {
    let report = known.patch.findings().iter().find(|finding| candidate.removes.contains(&finding.id));
    Subject::Change {
        title: title.to_owned(),
        report: report.map_or_else(|| known.patch.id.to_string(), |finding| finding.advisory.clone()),
        answers: Vec::new(),
        commit,
        author: candidate.author.clone(),
    }
}

/// The advisories of this source that the candidate removes.
fn removed(known: &Known, candidate: &Candidate, source: Source) -> Vec<String> {
    let findings = known.patch.findings().iter();
    let mut names: Vec<String> = findings
        .filter(|finding| finding.source == source && candidate.removes.contains(&finding.id))
        .map(|finding| finding.advisory.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

async fn open(
    works: &Works,
    service: &Service,
    base: Commit,
    subject: Subject,
    origin: Origin,
    until: Until,
    by: &Actor,
) -> Result<PatchId, Trouble> {
    let question = json!([service, base, subject, origin, until]).to_string();
    let key = format!("carry:{}", Digest::of(question.as_bytes()).hex());
    let terms = Terms { origin: Some(origin), ..Terms::default() };
    let opening = Opening { service: service.clone(), base, subject, until, terms };
    Ok(works.conductor.open_again(&key, by.clone(), opening).await?)
}

fn left_for_a_person(carry: &Carry, branch: &str, files: &[String]) -> String {
    let worktree = carry.worktree.display();
    format!(
        "both sides changed {}; settle it in {worktree}, commit, and hand it over with `patchline fix --base {branch} \
         --from $(git -C {worktree} rev-parse HEAD)`",
        files.join(", ")
    )
}

fn tell(rows: &[Row], format: Format) {
    match format {
        Format::Json => {
            let told = rows.iter().map(|row| {
                json!({ "branch": row.branch, "patch": row.patch.map(|id| id.to_string()), "state": row.state,
                        "what": row.what })
            });
            say(&json!({ "backports": told.collect::<Vec<_>>() }).to_string());
        }
        Format::Table => {
            let heading = ["branch", "patch", "state", "what"].map(str::to_owned).to_vec();
            let rows = rows.iter().map(|row| {
                let patch = row.patch.map(|id| id.to_string()).unwrap_or_default();
                vec![row.branch.clone(), patch, row.state.to_owned(), row.what.clone()]
            });
            table(&[heading].into_iter().chain(rows).collect::<Vec<_>>());
        }
    }
}

async fn commit_of(git: &Git, revision: &str) -> Result<Commit, Trouble> {
    let commit = git.resolve(revision).await.map_err(failed)?;
    commit.parse().map_err(|error| Trouble::input(format!("git answered {error}")))
}

fn failed(error: GitError) -> Trouble {
    git_failure(&error).into()
}
