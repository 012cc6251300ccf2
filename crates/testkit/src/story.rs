//! What happened in a world, line by line, if anybody asks: to write it down takes longer than to live it.

use patchline_model::event::Event;
use patchline_model::id::PatchId;

pub enum Story {
    Untold,
    Told(Vec<String>),
}

impl Story {
    pub fn add(&mut self, line: impl FnOnce() -> String) {
        if let Story::Told(lines) = self {
            lines.push(line());
        }
    }

    /// What a driver has appended.
    pub fn events(&mut self, elapsed: u64, driver: usize, patch: PatchId, events: &[Event]) {
        for event in events {
            self.add(|| {
                let fact = format!("{:?}", event.fact);
                let short: String = fact.chars().take(300).collect();
                format!("{elapsed:>7} ms  {patch} by {} (driver {driver}): {short}", event.by)
            });
        }
    }

    /// All of it, in order; nothing, if nobody asked.
    pub fn lines(self) -> Vec<String> {
        match self {
            Story::Untold => Vec::new(),
            Story::Told(lines) => lines,
        }
    }
}
