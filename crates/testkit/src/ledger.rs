//! The events in memory, appended at a version like the real ledger, and in some worlds read back through JSON like the real
//! ledger.

use std::collections::BTreeMap;

use patchline_model::context::Board;
use patchline_model::event::Event;
use patchline_model::id::PatchId;
use patchline_model::line;
use patchline_model::patch::Patch;
use patchline_model::pipeline::evolve::evolve;
use patchline_model::pipeline::grounds::Grounds;
use patchline_model::window::Offsets;

use crate::fault::Fault;

#[derive(Clone, Debug, Default)]
pub struct Ledger {
    events: BTreeMap<PatchId, Vec<Event>>,
    /// The patches of the same events as they are read back, as far as anybody has read.
    read: BTreeMap<PatchId, Patch>,
    board: Board,
    /// Whether what is read back goes through JSON.
    is_text: bool,
    fault: Option<Fault>,
}

/// Somebody was faster, or holds the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict;

/// Locks to take and to give back with an append.
pub type Locks = (Option<String>, Option<String>);

impl Ledger {
    pub fn new(fault: Option<Fault>, is_text: bool, zones: BTreeMap<String, Offsets>) -> Self {
        Self { fault, is_text, board: Board { zones, ..Board::default() }, ..Self::default() }
    }

    /// All of the events or none, and the locks with them; none, if what they rest on has changed.
    pub fn append(
        &mut self,
        patch: PatchId,
        expected: u64,
        events: &[Event],
        (takes, gives): Locks,
        grounds: &Grounds,
    ) -> Result<(), Conflict> {
        let is_newest = grounds.line.is_none_or(|line| line == self.board.line.version);
        if !is_newest && self.fault != Some(Fault::StopsTakeTheirTime) {
            return Err(Conflict);
        }
        let stands = |(other, version): &(PatchId, u64)| self.version(*other) == *version;
        if !grounds.others.iter().all(stands) && self.fault != Some(Fault::SetRestsOnNothing) {
            return Err(Conflict);
        }
        let checks = self.fault != Some(Fault::StoreIgnoresVersions);
        if checks && expected != self.version(patch) {
            return Err(Conflict);
        }
        let takes = takes.filter(|_| self.fault != Some(Fault::LocksAreNotTaken));
        if let Some(lock) = takes {
            if self.board.held_by_other(&lock, patch).is_some() {
                return Err(Conflict);
            }
            self.board.locks.insert(lock, patch);
        }
        self.events.entry(patch).or_default().extend_from_slice(events);
        if let Some(lock) = gives
            && self.board.locks.get(&lock) == Some(&patch)
        {
            self.board.locks.remove(&lock);
        }
        Ok(())
    }

    /// What somebody stops, freezes or lets go, decided on the newest line.
    pub fn append_line(&mut self, events: &[line::Event]) {
        for event in events {
            let stored = serde_json::to_string(event).expect("events hold nothing that JSON can't");
            let event: line::Event = serde_json::from_str(&stored).expect("what was written can be read");
            let lifts = matches!(event.fact, line::Fact::Started { .. });
            if lifts && self.fault == Some(Fault::LiftIsForgotten) {
                continue;
            }
            self.board.line = line::evolve(std::mem::take(&mut self.board.line), &event);
        }
    }

    pub fn board(&self) -> &Board {
        &self.board
    }

    pub fn version(&self, patch: PatchId) -> u64 {
        self.events(patch).len() as u64
    }

    pub fn events(&self, patch: PatchId) -> &[Event] {
        self.events.get(&patch).map_or(&[], Vec::as_slice)
    }

    /// What a process knows that begins anew: every event, through its stored form where that is text. To go on from what was read before is
    /// the same as to read it all again, for a patch is a fold of its events.
    pub fn read_back(&mut self, id: PatchId) -> &Patch {
        let mut stored = Vec::new();
        let mut through_json = |event: &Event| -> Event {
            stored.clear();
            serde_json::to_writer(&mut stored, event).expect("events hold nothing that JSON can't");
            // Looked at once, and not again word by word.
            let text = std::str::from_utf8(&stored).expect("JSON is text");
            serde_json::from_str(text).expect("what was written can be read")
        };
        let events = self.events.get(&id).map_or(&[][..], Vec::as_slice);
        let known = self.read.remove(&id).unwrap_or_else(|| Patch::new(id));
        let from = usize::try_from(known.version).expect("no more events than memory holds");
        let patch = events[from..].iter().fold(known, |patch, event| match self.is_text {
            true => evolve(patch, &through_json(event)),
            false => evolve(patch, event),
        });
        self.read.entry(id).or_insert(patch)
    }

    /// For a planted fault: the process dies and the newest event goes with it.
    pub fn lose_newest(&mut self, patch: PatchId) {
        if let Some(events) = self.events.get_mut(&patch) {
            events.pop();
            self.read.remove(&patch);
        }
    }
}
