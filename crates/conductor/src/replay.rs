//! Judges the looks of a ledger again, and holds each word of the judge to them.

use patchline_judge::judge::VERSION;
use patchline_model::event::{Event, Fact};
use patchline_model::failure::Failure;
use patchline_model::id::PatchId;
use patchline_model::patch::Patch;
use patchline_model::pipeline::evolve::evolve;
use patchline_model::stage::rollout::{self, Judgement};
use patchline_model::time::Timestamp;
use serde::Serialize;

use crate::judging::RolloutJudge;

/// What becomes of the recorded words when their looks are judged again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replay {
    pub result: Likeness,
    /// The version of the judge that judged again; each record carries its own.
    pub judge: u32,
    /// What it says of the last look.
    pub judgement: Judgement,
    /// Words that were held to their looks, those of earlier tries included.
    pub words: usize,
    /// How many of them another version of the judge said, and this one would not.
    pub changed: usize,
    /// The first word that does not follow from its looks.
    pub wrong: Option<Wrong>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    Same,
    /// Words were said by another version of the judge, so that they differ says nothing of the record.
    JudgeChanged,
    Differs,
}

/// A word that does not follow from its looks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Wrong {
    /// The number of its event in the patch's history, from 1.
    pub event: usize,
    pub at: Timestamp,
    pub recorded: Judgement,
    pub again: Judgement,
}

/// None where the judge has said nothing in the latest rollout.
///
/// # Errors
///
/// If a plan's guards can't be judged.
pub fn replay(id: PatchId, events: &[Event]) -> Result<Option<Replay>, Failure> {
    let mut patch = Patch::new(id);
    let mut judge: Option<RolloutJudge> = None;
    let mut last = None;
    let (mut words, mut changed, mut wrong) = (0, 0, None);
    for (number, event) in (1..).zip(events) {
        patch = evolve(patch, event);
        let Fact::Rollout(rollout::Event::Looked { tick, judgement: recorded, .. }) = &event.fact else {
            continue;
        };
        let Some(plan) = &patch.rollout.plan else { continue };
        // The first look of a try.
        let known = judge.take().filter(|_| patch.rollout.ticks.len() > 1);
        let mut seated = known.map_or_else(|| RolloutJudge::new(plan), Ok)?;
        let again = seated.look(tick);
        judge = Some(seated);
        words += 1;
        match Likeness::of(recorded, &again) {
            Likeness::Same => {}
            Likeness::JudgeChanged => changed += 1,
            Likeness::Differs => {
                let (recorded, again) = (recorded.as_ref().clone(), again.clone());
                wrong.get_or_insert(Wrong { event: number, at: event.at, recorded, again });
            }
        }
        last = Some(again);
    }
    let result = match (&wrong, changed) {
        (Some(_), _) => Likeness::Differs,
        (None, 0) => Likeness::Same,
        (None, _) => Likeness::JudgeChanged,
    };
    let last = last.filter(|_| patch.rollout.judgement.is_some());
    Ok(last.map(|judgement| Replay { result, judge: VERSION, judgement, words, changed, wrong }))
}

impl Likeness {
    fn of(recorded: &Judgement, again: &Judgement) -> Self {
        match again {
            again if again == recorded => Self::Same,
            again if recorded.judge != again.judge => Self::JudgeChanged,
            _ => Self::Differs,
        }
    }
}
