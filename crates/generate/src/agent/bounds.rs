//! Holds what an agent left to what it may: only allowed paths, no more files and lines than its budget has, nothing of git's own.
//! Only then does anything of it get into the repository, as a commit.

use std::fs;

use patchline_model::agent::Agent;
use patchline_model::digest::Commit;
use patchline_model::failure::Failure;
use patchline_sandbox::GitError;

use crate::agent::assignment::Assignment;
use crate::agent::worksite::Worksite;
use crate::failures::of_git;
use crate::fixer::Request;
use crate::message;

/// Bytes of all changed files.
const LARGEST: u64 = 32 << 20;

/// Names of files that a reason lists.
const MOST_NAMED: usize = 5;

/// The change as a commit, or why it is none.
pub(crate) async fn committed(
    agent: &Agent,
    assignment: &Assignment,
    request: &Request,
    site: &Worksite,
) -> Result<Result<Commit, String>, Failure> {
    if !site.is_linked() {
        return Ok(Err("it changed `.git`".to_owned()));
    }
    let mut touched = site.git.touched(&site.path).await.map_err(of_git)?;
    touched.retain(|file| !site.unchanged.contains(file));
    if let Some(why) = objection(agent, assignment, request, site, &touched) {
        return Ok(Err(why));
    }
    let text = message::reported(
        request.patch,
        &assignment.title,
        &assignment.reason,
        &format!("Proposed by the agent `{}`.", agent.name),
        &assignment.name,
    );
    let files: Vec<&str> = touched.iter().map(String::as_str).collect();
    let made = site.git.commit_files(&site.path, &files, &text, &request.author, request.committed_at).await;
    let commit = match made {
        Err(GitError::Refused { reason, .. }) => return Ok(Err(format!("git does not take it: {reason}"))),
        made => made.map_err(of_git)?,
    };
    let counted = site.git.changed_lines(request.base.as_str(), &commit).await.map_err(of_git)?;
    let mut lines: u64 = 0;
    for (file, changed) in &counted {
        if !agent.may_change(&request.folder, file) {
            return Ok(Err(outside(&[file])));
        }
        let Some(changed) = changed else { return Ok(Err(format!("it changed `{file}`, which is no text"))) };
        lines = lines.saturating_add(*changed);
    }
    if lines > u64::from(agent.lines) {
        return Ok(Err(format!("it changed {lines} lines, and may change {}", agent.lines)));
    }
    for refused in &request.refused {
        let differs = site.git.changed_files(refused.commit.as_str(), &commit).await.map_err(of_git)?;
        if differs.is_empty() {
            return Ok(Err("its change is one that was refused before".to_owned()));
        }
    }
    commit.parse().map(Ok).map_err(|error| Failure::permanent(format!("git answered {error}")))
}

/// What can be said before git has taken anything in.
fn objection(
    agent: &Agent,
    assignment: &Assignment,
    request: &Request,
    site: &Worksite,
    touched: &[String],
) -> Option<String> {
    if touched.is_empty() {
        return Some("it changed nothing".to_owned());
    }
    if let Some(own) = touched.iter().find(|file| file.ends_with('/')) {
        return Some(format!("it made a git repository of its own in `{own}`"));
    }
    let foreign: Vec<&String> =
        touched.iter().filter(|file| !agent.may_change(&request.folder, file)).collect();
    if !foreign.is_empty() {
        return Some(outside(&foreign));
    }
    if let Some(file) = touched.iter().find(|file| assignment.reproducer.files.contains(file)) {
        return Some(format!("it changed `{file}`, by which the problem is shown"));
    }
    if touched.len() > usize::try_from(agent.files).unwrap_or(usize::MAX) {
        return Some(format!("it changed {} files, and may change {}", touched.len(), agent.files));
    }
    let size = |file: &String| fs::symlink_metadata(site.path.join(file)).map_or(0, |found| found.len());
    let bytes = touched.iter().map(size).fold(0, u64::saturating_add);
    (bytes > LARGEST).then(|| format!("the files that it changed have more than {LARGEST} bytes"))
}

fn outside(files: &[&String]) -> String {
    let named = files.iter().take(MOST_NAMED).map(|file| format!("`{}`", message::clean(file, 120)));
    let named = named.collect::<Vec<_>>().join(", ");
    let more = files.len().saturating_sub(MOST_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("it changed {named}{more}, outside of the paths that it may change")
}
