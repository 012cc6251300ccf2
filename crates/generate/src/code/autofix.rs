//! What analyzers themselves say would fix their findings: the fixes in their reports, else their own fix commands. What the
//! analyzer still finds afterwards is not claimed.

use std::collections::BTreeSet;

use async_trait::async_trait;
use patchline_model::digest::Digest;
use patchline_model::failure::Failure;
use patchline_model::gone::became;
use patchline_model::id::FindingId;
use patchline_model::stage::detect::{Finding, Source};
use patchline_model::stage::generate::{Candidate, Kind};
use patchline_sandbox::{Git, Sandbox};

use crate::code::attempt::{Aim, Attempt, attempt};
use crate::failures::of_git;
use crate::fixer::{Fixer, Proposal, Request};

/// Attempts of one candidate: each leaves out what the one before did not remove.
const MOST_ATTEMPTS: usize = 3;

/// Fixes what analyzers find.
#[derive(Clone, Debug)]
pub struct Autofix {
    sandbox: Sandbox,
}

impl Autofix {
    pub const NAME: &'static str = "autofix";

    pub fn new(sandbox: Sandbox) -> Self {
        Self { sandbox }
    }
}

#[async_trait]
impl Fixer for Autofix {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn can(&self, finding: &Finding) -> bool {
        matches!(finding.source, Source::Analyzer(_))
    }

    /// It has no file of its own by which a service would be found.
    fn changes(&self, _: &str) -> bool {
        false
    }

    /// First what reports propose, and what the commands do for the rest; where that was refused, the commands alone.
    async fn propose(&self, request: &Request) -> Result<Proposal, Failure> {
        let mut left: Vec<(FindingId, String)> = Vec::new();
        let mut log = String::new();
        if request.number > 2 {
            return Ok(no_fix(vec!["analyzers have no further fix to try".to_owned()], log));
        }
        for _ in 0..MOST_ATTEMPTS {
            let is_left = |finding: &&Finding| !left.iter().any(|(id, _)| *id == finding.id);
            let findings: Vec<&Finding> = request.findings.iter().filter(is_left).collect();
            let aim = Aim { findings, by_report: request.number == 1 };
            let made = attempt(&aim, request, &self.sandbox).await?;
            log.push_str(&made.log);
            left.extend(made.left.iter().cloned());
            let Some(commit) = &made.commit else {
                left.extend(made.taken.iter().map(|id| (id.clone(), "its fix changes nothing".to_owned())));
                break;
            };
            let still = still_there(request, commit, &made).await?;
            if still.is_empty() {
                return proposal(request, made, left, log).await;
            }
            let why = |id| (id, "its fix was tried, and it is found all the same".to_owned());
            left.extend(still.into_iter().map(why));
        }
        let mut reasons: Vec<String> = Vec::new();
        for (_, why) in left {
            if !reasons.contains(&why) {
                reasons.push(why);
            }
        }
        Ok(no_fix(reasons, log))
    }
}

/// What was taken and is found all the same, by those analyzers that can look again.
async fn still_there(
    request: &Request,
    commit: &patchline_model::digest::Commit,
    made: &Attempt,
) -> Result<Vec<FindingId>, Failure> {
    let own = |finding: &&Finding| finding.analysis().is_some_and(|analysis| analysis.analyzer.is_some());
    let before: Vec<Finding> = request.findings.iter().filter(own).cloned().collect();
    if before.is_empty() {
        return Ok(Vec::new());
    }
    // What was not asked for is no matter of this fix.
    let asked: BTreeSet<(&str, &str)> = before
        .iter()
        .filter_map(|finding| Some((finding.analysis()?.rule.as_str(), finding.location.path.as_str())))
        .collect();
    let is_asked = |finding: &Finding| {
        finding
            .analysis()
            .is_some_and(|analysis| asked.contains(&(analysis.rule.as_str(), finding.location.path.as_str())))
    };
    let after: Vec<Finding> = request.looks.findings(commit).await?.into_iter().filter(is_asked).collect();
    Ok(became(&made.taken, &before, &after).still.into_iter().cloned().collect())
}

async fn proposal(
    request: &Request,
    made: Attempt,
    left: Vec<(FindingId, String)>,
    log: String,
) -> Result<Proposal, Failure> {
    let Attempt { title, rationale, commit: Some(commit), taken, .. } = made else {
        return Ok(no_fix(vec!["nothing would change".to_owned()], log));
    };
    if request.refused.iter().any(|refused| refused.commit == commit) {
        let why = "analyzers have no other fix than the one that was refused".to_owned();
        return Ok(no_fix(vec![why], log));
    }
    let git = Git::at(&request.repository);
    let base = request.base.as_str();
    let files = git.changed_files(base, commit.as_str()).await.map_err(of_git)?;
    let diff = git.diff(base, commit.as_str()).await.map_err(of_git)?;
    if let Some(branch) = &request.branch {
        git.branch_set(branch, commit.as_str()).await.map_err(of_git)?;
    }
    let candidate = Candidate {
        number: request.number,
        fixer: Autofix::NAME.to_owned(),
        kind: Kind::Code,
        title,
        rationale,
        author: request.author.clone(),
        branch: request.branch.clone().unwrap_or_default(),
        base: request.base.clone(),
        commit,
        diff: Digest::of(diff.as_bytes()),
        files,
        moves: Vec::new(),
        removes: taken,
        leaves: left,
    };
    Ok(Proposal::Candidate { candidate: Box::new(candidate), diff, log })
}

fn no_fix(reasons: Vec<String>, log: String) -> Proposal {
    Proposal::NoFix { reasons, log }
}
