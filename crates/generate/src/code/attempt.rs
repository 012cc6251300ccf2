//! One attempt in a worktree: the fixes of reports, then the commands of analyzers for the rest, and a commit of the files that
//! have findings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use patchline_model::digest::Commit;
use patchline_model::failure::Failure;
use patchline_model::id::FindingId;
use patchline_model::stage::detect::Finding;
use patchline_sandbox::{Git, Sandbox};

use crate::code::command;
use crate::code::edits::{Edited, edited};
use crate::code::words;
use crate::failures::{of_file, of_git};
use crate::fixer::Request;
use crate::message::clean;

/// Files that are named where they were put back.
const FEW: usize = 5;

/// What is to be removed, and how.
pub(crate) struct Aim<'a> {
    pub(crate) findings: Vec<&'a Finding>,
    /// Whether the fixes of the report are taken, or the analyzers' commands alone.
    pub(crate) by_report: bool,
}

/// What an attempt made.
#[derive(Default)]
pub(crate) struct Attempt {
    pub(crate) title: String,
    pub(crate) rationale: String,
    /// None where nothing changed.
    pub(crate) commit: Option<Commit>,
    /// What it should remove.
    pub(crate) taken: Vec<FindingId>,
    pub(crate) left: Vec<(FindingId, String)>,
    pub(crate) log: String,
}

/// A worktree of the base, which is removed when the attempt is over.
pub(crate) async fn attempt(aim: &Aim<'_>, request: &Request, sandbox: &Sandbox) -> Result<Attempt, Failure> {
    let git = Git::at(&request.repository);
    fs::create_dir_all(&request.work).map_err(|error| of_file("make the folder for worktrees", error))?;
    let worktree = request.work.join(format!("{}-{}-code", request.patch, request.number));
    git.worktree_add(&worktree, request.base.as_str()).await.map_err(of_git)?;
    let attempt = within(aim, request, sandbox, &git, &worktree).await;
    // What could not be removed is replaced by the next run, and is no reason to lose this one's answer.
    drop(git.worktree_remove(&worktree).await);
    attempt
}

async fn within(
    aim: &Aim<'_>,
    request: &Request,
    sandbox: &Sandbox,
    git: &Git,
    worktree: &Path,
) -> Result<Attempt, Failure> {
    let mut attempt = Attempt::default();
    let unchanged = git.changes(worktree).await.map_err(of_git)?;
    let mut ways = Vec::new();
    if aim.by_report {
        let Edited { files, taken, left } = edited(&aim.findings, |path| ordinary(worktree, path));
        for (path, text) in &files {
            let written = fs::write(worktree.join(path), text);
            written.map_err(|error| of_file(&format!("write `{path}`"), error))?;
        }
        ways.extend((!taken.is_empty()).then(|| "by the fixes that come with the report".to_owned()));
        (attempt.taken, attempt.left) = (taken, left);
    }
    let settled: BTreeSet<FindingId> =
        attempt.taken.iter().chain(attempt.left.iter().map(|(id, _)| id)).cloned().collect();
    let rest: Vec<&Finding> =
        aim.findings.iter().copied().filter(|finding| !settled.contains(&finding.id)).collect();
    for (name, findings) in by_analyzer(rest, request, &mut attempt) {
        let Some(analyzer) = request.looks.analyzer(&name) else { continue };
        let run = command::run(analyzer, &findings, sandbox, worktree, &request.folder).await?;
        attempt.log.push_str(&run.log);
        let ids = findings.iter().map(|finding| finding.id.clone());
        match run.failed {
            Some(why) => attempt.left.extend(ids.map(|id| (id, why.clone()))),
            None => {
                attempt.taken.extend(ids);
                ways.push(format!("by `{}`", run.words));
            }
        }
    }
    let own: BTreeSet<&str> = aim.findings.iter().flat_map(|finding| files_of(finding)).collect();
    let changed = git.changes(worktree).await.map_err(of_git)?;
    let changed = changed.iter().filter(|file| !unchanged.contains(file)).map(String::as_str);
    let (files, foreign): (Vec<&str>, Vec<&str>) = changed.partition(|file| own.contains(file));
    let taken: BTreeSet<&FindingId> = attempt.taken.iter().collect();
    let findings: Vec<&Finding> =
        aim.findings.iter().copied().filter(|finding| taken.contains(&finding.id)).collect();
    attempt.title = words::title(&findings);
    attempt.rationale = format!("Fixed {}.", ways.join(", and "));
    if !foreign.is_empty() {
        let few: Vec<String> =
            foreign.iter().take(FEW).map(|file| format!("`{}`", clean(file, 100))).collect();
        let more = foreign.len().saturating_sub(FEW);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        attempt.rationale.push_str(&format!(
            " Changes to files without such a finding were put back: {}{more}.",
            few.join(", ")
        ));
    }
    if files.is_empty() || findings.is_empty() {
        return Ok(attempt);
    }
    let text = words::message(request.patch, &attempt.title, &attempt.rationale, &findings);
    let (author, at) = (&request.author, request.committed_at);
    let commit = git.commit_files(worktree, &files, &text, author, at).await.map_err(of_git)?;
    let commit = commit.parse().map_err(|_| Failure::permanent("could not read the commit that git made"))?;
    attempt.commit = Some(commit);
    Ok(attempt)
}

/// What each analyzer's command is asked for; what has none is left.
fn by_analyzer<'a>(
    findings: Vec<&'a Finding>,
    request: &Request,
    attempt: &mut Attempt,
) -> BTreeMap<String, Vec<&'a Finding>> {
    let mut groups: BTreeMap<String, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        let analysis = finding.analysis();
        let name = analysis.and_then(|analysis| analysis.analyzer.as_deref());
        let can = name.and_then(|name| request.looks.analyzer(name)).is_some_and(|one| one.fix.is_some());
        let has_fix = analysis.is_some_and(|analysis| analysis.fix.is_some());
        match (name, can) {
            (Some(name), true) => groups.entry(name.to_owned()).or_default().push(finding),
            (_, _) if has_fix => {
                let why = "the fix that comes with the report was refused, and there is no other";
                attempt.left.push((finding.id.clone(), why.to_owned()));
            }
            (_, _) => attempt.left.push((finding.id.clone(), without_fix(finding))),
        }
    }
    groups
}

fn without_fix(finding: &Finding) -> String {
    let tool = finding.analysis().map(|analysis| analysis.tool.as_str()).unwrap_or_default();
    let line = finding.location.line.map(|line| format!(":{line}")).unwrap_or_default();
    format!("{tool} has no fix for `{}` in {}{line}", finding.advisory, finding.location.path)
}

/// Where the finding stands, and what its fix changes.
fn files_of(finding: &Finding) -> impl Iterator<Item = &str> {
    let fix = finding.analysis().and_then(|analysis| analysis.fix.as_ref());
    let changed = fix.into_iter().flat_map(|fix| &fix.files).map(|file| file.path.as_str());
    changed.chain([finding.location.path.as_str()])
}

/// The text of an ordinary file of the worktree, by no link.
fn ordinary(worktree: &Path, path: &str) -> Option<String> {
    let whole = worktree.join(path);
    let is_plain = whole.canonicalize().ok()? == worktree.canonicalize().ok()?.join(path);
    let is_file = fs::symlink_metadata(&whole).ok()?.is_file();
    if is_plain && is_file { fs::read_to_string(whole).ok() } else { None }
}
