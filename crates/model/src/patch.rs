//! The patch: the record that walks the eight stages.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::{PatchId, Stage};
use crate::share::Share;
use crate::stage::detect::{Finding, Opening, Until};
use crate::stage::generate::Candidate;
use crate::stage::pause::PauseLimit;
use crate::stage::plan::Version;
use crate::stage::safety::ForwardOnly;
use crate::stage::{approve, build, detect, generate, review, rollout, triage, verify};
use crate::time::Timestamp;

/// Everything that is known of one patch, folded from its events. An event changes the state of its stage; all others are
/// shared with the patch as it was, so that a copy is cheap.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    pub id: PatchId,
    /// How many events have been taken in: the version that an append expects.
    pub version: u64,
    pub opening: Option<Arc<Opening>>,
    pub opened_at: Timestamp,
    pub changed_at: Timestamp,
    pub detect: Arc<detect::State>,
    pub triage: Arc<triage::State>,
    pub generate: Arc<generate::State>,
    pub build: Arc<build::State>,
    pub verify: Arc<verify::State>,
    pub approve: Arc<approve::State>,
    pub rollout: Arc<rollout::State>,
    pub review: Arc<review::State>,
    /// Events by stage: what a job's id is derived from.
    pub attempts: BTreeMap<Stage, u32>,
    /// Times that it was taken back, in all of its tries.
    pub returns: u32,
    /// The stage whose job failed last, how often in a row, and when it is owed again.
    pub faltering: Option<Faltering>,
}

/// A job that keeps failing.
#[derive(Clone, Debug, PartialEq)]
pub struct Faltering {
    pub stage: Stage,
    pub tries: u32,
    pub retry_at: Option<Timestamp>,
    pub message: String,
}

impl Patch {
    /// A patch of which nothing is known yet.
    pub fn new(id: PatchId) -> Self {
        Self {
            id,
            version: 0,
            opening: None,
            opened_at: Timestamp::default(),
            changed_at: Timestamp::default(),
            detect: Arc::default(),
            triage: Arc::default(),
            generate: Arc::default(),
            build: Arc::default(),
            verify: Arc::default(),
            approve: Arc::default(),
            rollout: Arc::default(),
            review: Arc::default(),
            attempts: BTreeMap::new(),
            returns: 0,
            faltering: None,
        }
    }

    pub fn findings(&self) -> &[Finding] {
        match &*self.detect {
            detect::State::Found(findings) => findings,
            detect::State::Idle | detect::State::Scanning | detect::State::Clean => &[],
        }
    }

    pub fn candidate(&self) -> Option<&Candidate> {
        self.generate.candidate.as_ref()
    }

    /// The version that the patch would put into the world.
    pub fn new_version(&self) -> Option<Version> {
        let (candidate, pair) = (self.candidate()?, self.build.built.as_ref()?);
        let label = format!("{} ({})", candidate.commit.short(), candidate.title).into();
        Some(Version { artifact: pair.patch.digest.clone(), label })
    }

    /// The stage that the patch is in now.
    pub fn stage(&self) -> Stage {
        let verified = self.verify.verdict.is_some();
        match (&self.review.end, &*self.detect) {
            (Some(_), _) => Stage::Review,
            (None, detect::State::Idle | detect::State::Scanning | detect::State::Clean) => Stage::Detect,
            (None, detect::State::Found(_)) if self.generate.candidate.is_none() => Stage::Generate,
            (None, detect::State::Found(_)) if self.build.built.is_none() => Stage::Build,
            (None, detect::State::Found(_)) if !verified => Stage::Verify,
            (None, detect::State::Found(_)) if !approve::allowed(&self.approve) => Stage::Approve,
            (None, detect::State::Found(_)) => Stage::Rollout,
        }
    }

    pub fn has_ended(&self) -> bool {
        self.review.end.is_some()
    }

    /// Ended, and nothing more is owed.
    pub fn is_closed(&self) -> bool {
        self.has_ended() && self.review.reviewed.is_some()
    }

    pub fn goes_to_rollout(&self) -> bool {
        self.opening
            .as_ref()
            .is_some_and(|opening| opening.until == Until::Rollout && opening.service.run.is_some())
    }

    /// Why running the old version again would not undo it; nothing: it would. Known once there is a candidate.
    pub fn forward_only(&self) -> Option<ForwardOnly> {
        if self.rollout.plan.is_some() {
            return self.rollout.footing.forward_only.clone();
        }
        let (opening, candidate) = (self.opening.as_ref()?, self.candidate()?);
        let irreversible = &opening.service.run.as_ref()?.plan.irreversible;
        // A person's word goes first; what a check saw goes before what the paths suggest.
        let shown = self.verify.verdict.as_ref().and_then(verify::Verdict::irreversible);
        let stated = opening.terms.forward_only.as_deref().or(shown);
        irreversible.forward_only(stated, &opening.service.folder, &candidate.files)
    }

    /// How long a person's pause of its rollout may last; nothing, where it has none.
    pub fn pause_limit(&self) -> Option<&PauseLimit> {
        let stated = || self.opening.as_ref()?.service.run.as_ref().map(|run| &run.plan.pause);
        self.rollout.plan.as_ref().map(|plan| &plan.pause).or_else(stated)
    }

    /// What the patch is about, in one line.
    pub fn title(&self) -> String {
        if let Some(candidate) =
            self.candidate().or(self.generate.refused.last().map(|(candidate, _)| candidate))
        {
            return candidate.title.clone();
        }
        match (self.findings().first(), &self.opening) {
            (Some(finding), _) => format!("{}: {}", finding.advisory, finding.summary),
            (None, Some(opening)) => match &opening.subject {
                detect::Subject::Change { title, .. } => title.clone(),
                detect::Subject::Report(report) => report.title.clone(),
                detect::Subject::Scan { .. } => format!("scan of {}", opening.service.name),
            },
            (None, None) => self.id.to_string(),
        }
    }

    /// The share that the plan allows the new version now; the most that a target may give it.
    pub fn allowed_share(&self) -> Share {
        self.rollout.allowed_share()
    }
}
