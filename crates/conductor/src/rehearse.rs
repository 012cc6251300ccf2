//! What a fix would be, without a patch, a branch or a fact: a scan and a proposal, and nothing left behind.

use std::path::Path;
use std::sync::Arc;

use patchline_generate::fixer::{Proposal, Request};
use patchline_model::digest::{Commit, Digest};
use patchline_model::failure::Failure;
use patchline_model::id::PatchId;
use patchline_model::policy::Policy;
use patchline_model::service::Service;
use patchline_model::stage::detect::Finding;
use patchline_sandbox::Git;

use crate::failures::git_failure;
use crate::grouping::{Grouping, Names, found, grouped};
use crate::hands::Hands;
use crate::jobs::advised::advised;
use crate::jobs::analyze::Analyzers;
use crate::jobs::detect::findings_in;
use crate::jobs::generate::{AUTHOR, from_fixers};

/// What was found for one patch, and what would be proposed against it.
#[derive(Debug)]
pub struct Rehearsed {
    pub findings: Vec<Finding>,
    pub proposal: Proposal,
}

/// What was found in a commit, a proposal for each patch of it, and what is to be said of old advisories.
#[derive(Debug)]
pub struct Rehearsal {
    pub patches: Vec<Rehearsed>,
    pub warning: Option<String>,
}

/// Looks at the commit and asks the fixers once for each group of findings; none where nothing needs a fix.
pub async fn rehearse(
    hands: &Hands,
    policy: &Policy,
    service: &Service,
    base: &Commit,
    only: &[String],
    (reports, grouping): (&[Digest], Grouping),
) -> Result<Rehearsal, Failure> {
    let storage =
        |error: std::io::Error| Failure::transient(format!("could not make a scratch folder: {error}"));
    let scratch = hands.home.root().join("work").join(format!("rehearsal-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).map_err(storage)?;
    let rehearsed = async {
        let found = found(hands, service, base, (only, Names::AllThere), reports).await?;
        let mut patches = Vec::new();
        for group in grouped(hands, policy, service, &found, grouping) {
            let of_group = found.findings.iter().filter(|finding| group.findings.contains(&finding.id));
            patches.push(within(hands, service, base, of_group.cloned().collect(), &scratch).await?);
        }
        Ok(Rehearsal { patches, warning: found.warning })
    };
    let rehearsed = rehearsed.await;
    // What could not be removed holds nothing up.
    drop(std::fs::remove_dir_all(&scratch));
    rehearsed
}

/// What a scan of this commit finds; nothing is left behind.
pub async fn found_at(hands: &Hands, service: &Service, commit: &Commit) -> Result<Vec<Finding>, Failure> {
    let scratch = hands.home.root().join("work").join(format!("look-{}", std::process::id()));
    let git = Git::at(Path::new(&service.repository));
    git.export(commit.as_str(), &scratch).await.map_err(|error| git_failure(&error))?;
    let found = findings_in(hands, service, &scratch).await;
    // What could not be removed holds nothing up.
    drop(std::fs::remove_dir_all(&scratch));
    found
}

async fn within(
    hands: &Hands,
    service: &Service,
    base: &Commit,
    findings: Vec<Finding>,
    scratch: &Path,
) -> Result<Rehearsed, Failure> {
    let repository = Path::new(&service.repository).to_owned();
    let git = Git::at(&repository);
    let request = Request {
        patch: PatchId(0),
        number: 1,
        folder: service.folder.clone(),
        base: base.clone(),
        findings: findings.clone(),
        refused: Vec::new(),
        branch: None,
        work: scratch.join("worktrees"),
        cache: hands.home.cache(),
        committed_at: git.commit_time(base.as_str()).await.map_err(|error| git_failure(&error))?,
        author: AUTHOR.to_owned(),
        known: Arc::new(advised(hands)?),
        looks: Arc::new(Analyzers::new(hands, service, scratch)),
        repository,
    };
    let proposal = from_fixers(hands, request).await?;
    Ok(Rehearsed { findings, proposal })
}
