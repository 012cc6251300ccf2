//! What happens without being asked: scans of the services that are watched, and a patch for what they find.

use std::path::Path;

use patchline_model::actor::Actor;
use patchline_model::digest::{Commit, Digest};
use patchline_model::failure::Failure;
use patchline_model::id::{FindingId, PatchId};
use patchline_model::service::Service;
use patchline_model::stage::detect::{Opening, Until};
use patchline_model::stage::review::End;
use patchline_model::stage::terms::Terms;
use patchline_model::triage::group::Group;
use patchline_sandbox::Git;

use crate::conductor::Conductor;
use crate::failures::git_failure;
use crate::failures::storage;
use crate::grouping::{Grouping, Names, found, grouped, open_for, subject};
use crate::hands::Hands;
use crate::jobs::generate::has_fixer;
use crate::turn::SubmitError;

/// Patches of one scan.
const MOST_PATCHES: usize = 16;

/// What came of one look at a service.
#[derive(Debug, Default)]
pub struct Round {
    /// Patches for what was found, those that were open before included.
    pub patches: Vec<PatchId>,
    /// What is to be said of old advisories.
    pub warning: Option<String>,
}

/// Scans the service's checked-out commit. Each group of what it finds gets one patch, once: the same findings are the same
/// patch. What no fixer can do anything about opens none by itself: it would be given up at each new commit.
///
/// Of a service that is rolled out the groups come one after the other, the most urgent first, each built upon the one that was
/// promoted before it: side by side, the second would take the fix of the first out again.
pub async fn scan_and_open(
    hands: &Hands,
    conductor: &Conductor,
    service: &Service,
    grouping: Grouping,
) -> Result<Round, Failure> {
    let mut base = head(service).await?;
    let mut opened = Vec::new();
    let (mut left, warning) = groups_at(hands, conductor, service, &base, grouping).await?;
    while !left.is_empty() {
        let group = left.remove(0);
        let ids = &group.findings;
        if let Some(known) = open_for(conductor, service, &base, ids, Until::Rollout).await? {
            opened.push(known);
            if service.run.is_some() {
                break;
            }
            continue;
        }
        let patch = open(conductor, service, &base, &group).await?;
        opened.push(patch);
        let known = conductor.patch(patch).await.map_err(|error| storage(&error))?;
        let end = known.as_ref().and_then(|known| known.patch.review.end.clone());
        match (end, known.as_ref().and_then(|known| known.patch.candidate())) {
            (None, _) if service.run.is_some() => break,
            (Some(End::Promoted), Some(candidate)) => {
                base = candidate.commit.clone();
                (left, _) = groups_at(hands, conductor, service, &base, grouping).await?;
            }
            (_, _) => {}
        }
        if opened.len() >= MOST_PATCHES {
            break;
        }
    }
    Ok(Round { patches: opened, warning })
}

/// The groups of which a fixer can do something about, and what is to be said of old advisories.
async fn groups_at(
    hands: &Hands,
    conductor: &Conductor,
    service: &Service,
    base: &Commit,
    grouping: Grouping,
) -> Result<(Vec<Group>, Option<String>), Failure> {
    let found = found(hands, service, base, (&[], Names::AllThere), &[]).await?;
    let mut groups = grouped(hands, conductor.policy(), service, &found, grouping);
    let can = |id: &FindingId| {
        found.findings.iter().any(|finding| finding.id == *id && has_fixer(finding, &hands.fixers))
    };
    groups.retain(|group| group.findings.iter().any(can));
    Ok((groups, found.warning))
}

async fn open(
    conductor: &Conductor,
    service: &Service,
    base: &Commit,
    group: &Group,
) -> Result<PatchId, Failure> {
    let opening = Opening {
        service: service.clone(),
        base: base.clone(),
        subject: subject(group, &[]),
        until: Until::Rollout,
        terms: Terms::default(),
    };
    let opened = conductor.open(&key(service, base.as_str(), &group.findings), Actor::Machine, opening).await;
    opened.map_err(|error| match error {
        SubmitError::Store(error) => storage(&error),
        SubmitError::Unsigned(failure) => failure,
        SubmitError::Rejected(rejection) => Failure::permanent(rejection.to_string()),
    })
}

/// The commit that is checked out.
pub async fn head(service: &Service) -> Result<Commit, Failure> {
    let git = Git::at(Path::new(&service.repository));
    let head = git.head().await.map_err(|error| git_failure(&error))?;
    head.parse().map_err(|error| Failure::permanent(format!("git answered {error}")))
}

/// What the patch is for. A new commit is a new question; the same commit with the same findings is not asked again by
/// itself, however it ended: `patchline fix` asks again.
fn key(service: &Service, base: &str, findings: &[FindingId]) -> String {
    let mut ids: Vec<&str> = findings.iter().map(|finding| finding.0.as_str()).collect();
    ids.sort_unstable();
    let asked = format!("{base}\n{}", ids.join("\n"));
    format!("scan:{}:{}", service.name, Digest::of(asked.as_bytes()).hex())
}
