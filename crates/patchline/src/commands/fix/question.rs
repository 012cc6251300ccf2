//! What `fix` is asked about a commit, and the patches that answer it: one for each priority and owner, the most urgent first.

use std::collections::VecDeque;
use std::sync::Arc;

use patchline_conductor::grouping::{Grouping, Names, found, grouped, open_for, subject};
use patchline_conductor::projection::Known;
use patchline_detect::AdvisoryStatus;
use patchline_model::actor::Actor;
use patchline_model::digest::{Commit, Digest};
use patchline_model::id::PatchId;
use patchline_model::service::Service;
use patchline_model::stage::detect::{Opening, Subject, Until};
use patchline_model::stage::review::End;
use patchline_model::stage::terms::Terms;
use patchline_model::triage::group::Group;
use serde_json::json;

use crate::commands::driven::driven;
use crate::exit::Trouble;
use crate::terminal::{note, say, warn};
use crate::wire::Works;

/// Patches of one run.
const MOST_PATCHES: usize = 16;

/// A question about a commit.
pub struct Question {
    pub service: Service,
    pub base: Commit,
    pub until: Until,
    pub terms: Terms,
    pub by: Actor,
    pub advisories: AdvisoryStatus,
    pub grouping: Grouping,
    pub aloud: bool,
}

impl Question {
    /// One patch for this subject, driven to its end.
    pub async fn one(&self, works: &Works, subject: Subject) -> Result<Vec<Arc<Known>>, Trouble> {
        if let Subject::Change { answers, .. } = &subject
            && !answers.is_empty()
        {
            let only = (answers.as_slice(), Names::SomeGone);
            // What fails here fails in the patch as well, and stands in its record.
            if let Ok(found) = found(&works.hands, &self.service, &self.base, only, &[]).await {
                found.warning.iter().for_each(|old| warn(old));
            }
        }
        let id = self.open(works, &self.base, subject).await?;
        self.drive(works, id).await
    }

    /// A patch for each group of what a scan finds. Of a service that is rolled out each is built upon the one that was promoted
    /// before it: side by side, the second would take the fix of the first out again.
    pub async fn each(
        &self,
        works: &Works,
        only: &[String],
        reports: &[Digest],
    ) -> Result<Vec<Arc<Known>>, Trouble> {
        let mut base = self.base.clone();
        let (groups, warning) = self.groups(works, &base, (only, Names::AllThere), reports).await?;
        warning.iter().for_each(|old| warn(old));
        let is_one = groups.len() <= 1;
        let mut left = VecDeque::from(groups);
        let mut answered: Vec<Arc<Known>> = Vec::new();
        while answered.len() < MOST_PATCHES && (!left.is_empty() || answered.is_empty()) {
            let group = left.pop_front();
            let subject = match &group {
                Some(group) if !is_one => subject(group, reports),
                Some(_) | None => Subject::Scan { only: only.to_vec(), reports: reports.to_vec() },
            };
            let id = match self.open_already(works, &base, group.as_ref()).await? {
                Some(id) => id,
                None => self.open(works, &base, subject).await?,
            };
            if let Some(group) = group.as_ref().filter(|_| self.aloud && !is_one) {
                let (action, owner) = (group.action.words(), &group.owner);
                say(&format!("{id}  {action}, {owner}: {} of the findings", group.findings.len()));
            }
            answered.extend(self.drive(works, id).await?);
            let Some(known) = answered.last().filter(|_| self.until == Until::Rollout) else { continue };
            match (&known.patch.review.end, known.patch.candidate()) {
                (Some(End::Promoted), Some(candidate)) if !left.is_empty() => {
                    base = candidate.commit.clone();
                    left = self.groups(works, &base, (only, Names::SomeGone), reports).await?.0.into();
                }
                (None, _) if !left.is_empty() => {
                    let waiting: usize = left.iter().map(|group| group.findings.len()).sum();
                    note(&format!("{waiting} less urgent findings wait until {id} is promoted or has ended"));
                    break;
                }
                (_, _) => {}
            }
        }
        Ok(answered)
    }

    /// What a scan finds, as groups, and what is to be said of old advisories.
    async fn groups(
        &self,
        works: &Works,
        base: &Commit,
        only: (&[String], Names),
        reports: &[Digest],
    ) -> Result<(Vec<Group>, Option<String>), Trouble> {
        let hands = &works.hands;
        let found = found(hands, &self.service, base, only, reports).await?;
        let groups = grouped(hands, works.conductor.policy(), &self.service, &found, self.grouping);
        Ok((groups, found.warning))
    }

    /// While a patch for these findings is under way there is no second one, unless it states more than the first.
    async fn open_already(
        &self,
        works: &Works,
        base: &Commit,
        group: Option<&Group>,
    ) -> Result<Option<PatchId>, Trouble> {
        let Some(group) = group.filter(|_| self.terms.is_blank()) else { return Ok(None) };
        let ids = &group.findings;
        let known = open_for(&works.conductor, &self.service, base, ids, self.until).await?;
        if let Some(id) = known {
            note(&format!("{id} is open for these findings; `--supersedes {id}` opens one in its place"));
        }
        Ok(known)
    }

    async fn open(&self, works: &Works, base: &Commit, subject: Subject) -> Result<PatchId, Trouble> {
        let key = self.key(base, &subject);
        let opening = Opening {
            service: self.service.clone(),
            base: base.clone(),
            subject,
            until: self.until,
            terms: self.terms.clone(),
        };
        Ok(works.conductor.open_again(&key, self.by.clone(), opening).await?)
    }

    async fn drive(&self, works: &Works, id: PatchId) -> Result<Vec<Arc<Known>>, Trouble> {
        if works.conductor.patch(id).await?.is_some_and(|known| known.patch.is_closed()) {
            note(&format!("{id} has answered this already; this is its record"));
        }
        driven(works, &[id], self.aloud).await
    }

    /// The same question about the same commit, settings and advisories is the same patch: a second run changes nothing and
    /// answers from the record.
    fn key(&self, base: &Commit, subject: &Subject) -> String {
        let (service, base) = (&self.service, base.as_str());
        let question = match self.until {
            Until::Verify => json!([service, base, subject, self.advisories]),
            Until::Rollout => {
                json!([service, base, subject, self.advisories, self.until, self.terms])
            }
        };
        format!("fix:{}", Digest::of(question.to_string().as_bytes()).hex())
    }
}
