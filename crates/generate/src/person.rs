//! A person's change as a candidate: already committed, on top of the base.

use patchline_model::digest::{Commit, Digest};
use patchline_model::failure::Failure;
use patchline_model::stage::generate::{Candidate, Kind};
use patchline_sandbox::git::Git;

use crate::config::change::differ_in_values_alone;
use crate::config::flag::differ_in_flags_alone;
use crate::failures::of_git;
use crate::fixer::{Proposal, Request};
use crate::image::change::differ_in_images_alone;
use crate::message;

/// Takes the change as it is: what was committed is what is verified, signed and rolled out. `request.findings` are
/// what the change answers to.
pub async fn proposed(
    request: &Request,
    title: &str,
    report: &str,
    commit: &Commit,
    author: &str,
) -> Result<Proposal, Failure> {
    if request.number > 1 || request.refused.iter().any(|refused| refused.commit == *commit) {
        let reason =
            "the change was refused, and only its author can make another; open a patch with the new commit";
        return Ok(Proposal::NoFix { reasons: vec![reason.to_owned()], log: String::new() });
    }
    let git = Git::at(&request.repository);
    let (base, head) = (request.base.as_str(), commit.as_str());
    git.resolve(head).await.map_err(of_git)?;
    if base == head || !git.is_ancestor(base, head).await.map_err(of_git)? {
        let message = format!(
            "could not take the change: {} does not build on {}",
            commit.short(),
            request.base.short()
        );
        let hint = format!("rebase it onto {}, and commit it", request.base.short());
        return Err(Failure::permanent(message).with_hint(hint));
    }
    let files = git.changed_files(base, head).await.map_err(of_git)?;
    if files.is_empty() {
        let message = format!("could not take the change: {} changes no file", commit.short());
        return Err(Failure::permanent(message));
    }
    let diff = git.diff(base, head).await.map_err(of_git)?;
    if let Some(branch) = &request.branch {
        git.branch_set(branch, head).await.map_err(of_git)?;
    }
    let candidate = Candidate {
        number: request.number,
        fixer: "person".to_owned(),
        kind: kind(&git, (base, head), &files).await?,
        title: message::clean(title, 100),
        rationale: format!(
            "A change by {} that answers to: {}",
            message::clean(author, 120),
            message::clean(report, 400)
        ),
        author: author.to_owned(),
        branch: request.branch.clone().unwrap_or_default(),
        base: request.base.clone(),
        commit: commit.clone(),
        diff: Digest::of(diff.as_bytes()),
        files,
        moves: Vec::new(),
        removes: request.findings.iter().map(|finding| finding.id.clone()).collect(),
        leaves: Vec::new(),
    };
    Ok(Proposal::Candidate { candidate: Box::new(candidate), diff, log: String::new() })
}

/// What changed says which kind it is, and not who made it.
async fn kind(git: &Git, (base, head): (&str, &str), files: &[String]) -> Result<Kind, Failure> {
    let (mut is_image, mut is_flag, mut is_config) = (true, true, true);
    for path in files {
        let (before, after) =
            (git.show(base, path).await.map_err(of_git)?, git.show(head, path).await.map_err(of_git)?);
        let texts = before.zip(after).and_then(|(before, after)| {
            Some((String::from_utf8(before).ok()?, String::from_utf8(after).ok()?))
        });
        let Some((before, after)) = texts.filter(|(before, after)| before != after) else {
            return Ok(Kind::Code);
        };
        is_image &= differ_in_images_alone(path, &before, &after);
        is_flag &= differ_in_flags_alone(path, &before, &after);
        is_config &= differ_in_values_alone(path, &before, &after);
    }
    Ok(match (is_image, is_flag, is_config) {
        (true, _, _) => Kind::Image,
        (false, true, _) => Kind::Flag,
        (false, false, true) => Kind::Config,
        (false, false, false) => Kind::Code,
    })
}
