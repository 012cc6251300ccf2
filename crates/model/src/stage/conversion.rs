//! Instances that are converted in place: which process says that it serves what, and who was not there at first.

use crate::digest::Digest;
use crate::stage::phase::Phase;
use crate::stage::plan::{Observed, Process};
use crate::stage::rollout::{Event, State};

/// Processes that a rollout remembers, with those that came in place of others on the way back.
const MOST_PROCESSES: usize = 256;

/// Every instance that is there before the first conversion, by its own word of the stable version.
pub fn at_first(state: &State, observed: &Observed) -> Vec<Event> {
    let stable = state.stable.as_ref().and_then(|stable| observed.arm(&stable.artifact));
    let confirmed = stable.map(|arm| Event::Confirmed {
        artifact: arm.artifact.clone(),
        before: None,
        processes: arm.processes.clone(),
    });
    confirmed.into_iter().collect()
}

/// Who serves another version than when it was last seen. On the way back, at the end, and once a person has sent it
/// forward in spite of this, it takes in who had to be started in place of another one as well.
pub fn since(state: &State, observed: &Observed) -> Vec<Event> {
    let takes_strangers = match &state.phase {
        Phase::RollingBack | Phase::Retiring | Phase::Finishing => true,
        Phase::Filling { .. }
        | Phase::Watching { .. }
        | Phase::Growing
        | Phase::Baking
        | Phase::Switching
        | Phase::Halted { .. } => state.forced,
        Phase::Idle | Phase::Preparing | Phase::Promoted | Phase::Recalling | Phase::RolledBack => {
            return Vec::new();
        }
    };
    let mut room = MOST_PROCESSES.saturating_sub(state.processes.len());
    let mut events = Vec::new();
    for (artifact, process) in said(state, observed) {
        let before = served(state, process);
        let is_news = match before {
            Some(before) => before != artifact,
            None => takes_strangers && room > 0,
        };
        if is_news {
            room = room.saturating_sub(usize::from(before.is_none()));
            add(&mut events, artifact, before, process);
        }
    }
    events
}

/// Why a version is taken back whose conversion was none: an instance is another process than before. Whom a person sent
/// forward in spite of such a thing is not asked again.
pub fn stranger(state: &State, observed: &Observed) -> Option<String> {
    if state.forced {
        return None;
    }
    let (_, process) = said(state, observed).find(|(_, process)| served(state, *process).is_none())?;
    Some(format!("an instance did not stay: {process} was not there before the first one was converted"))
}

/// What the processes say, where instances are converted at all.
fn said<'a>(state: &State, observed: &'a Observed) -> impl Iterator<Item = (&'a Digest, Process)> {
    let in_place = state.course.as_ref().is_some_and(|course| course.in_place);
    let versions = [&state.stable, &state.new].map(|version| version.as_ref().filter(|_| in_place));
    let arms = versions.map(|version| version.and_then(|version| observed.arm(&version.artifact)));
    arms.into_iter().flatten().flat_map(|arm| arm.processes.iter().map(|process| (&arm.artifact, *process)))
}

fn served(state: &State, process: Process) -> Option<&Digest> {
    state.processes.iter().find(|(known, _)| *known == process).map(|(_, serves)| serves)
}

fn add(events: &mut Vec<Event>, to: &Digest, from: Option<&Digest>, process: Process) {
    for event in events.iter_mut() {
        if let Event::Confirmed { artifact, before, processes } = event
            && artifact == to
            && before.as_ref() == from
        {
            processes.push(process);
            return;
        }
    }
    events.push(Event::Confirmed { artifact: to.clone(), before: from.cloned(), processes: vec![process] });
}
