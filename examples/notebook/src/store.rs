//! The notes in memory. The first one is the manual and stays; the oldest of the others go when there are too many.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::note::{Draft, Note};

const NOTES: usize = 1000;
const FOUND: usize = 20;

pub struct Store {
    shelf: Mutex<Shelf>,
}

/// What to look for; what is not given is not asked.
#[derive(Default)]
pub struct Search {
    pub tag: Option<String>,
    /// How the title starts.
    pub title: Option<String>,
}

struct Shelf {
    manual: Note,
    notes: VecDeque<Note>,
    next_id: u64,
}

impl Store {
    pub fn new() -> Store {
        let manual = shelve(
            1,
            Draft {
                title: "How to use this notebook".to_owned(),
                body: "POST a YAML document with title, body and tags to /notes.".to_owned(),
                tags: vec!["manual".to_owned()],
            },
        );
        Store { shelf: Mutex::new(Shelf { manual, notes: VecDeque::new(), next_id: 2 }) }
    }

    /// Keeps the note and gives its id and summary.
    pub fn add(&self, draft: Draft) -> (u64, String) {
        let mut shelf = self.lock();
        let id = shelf.next_id;
        let note = shelve(id, draft);
        let summary = note.summary();
        if shelf.notes.len() >= NOTES {
            shelf.notes.pop_front();
        }
        shelf.notes.push_back(note);
        shelf.next_id += 1;
        (id, summary)
    }

    pub fn get(&self, id: u64) -> Option<String> {
        self.lock().newest_first().find(|note| note.id == id).map(Note::full)
    }

    /// Summaries of what was found, newest first.
    pub fn find(&self, search: &Search) -> Vec<String> {
        let shelf = self.lock();
        shelf.newest_first().filter(|note| fits(note, search)).take(FOUND).map(Note::summary).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn newest_first(&self) -> impl Iterator<Item = &Note> {
        self.notes.iter().rev().chain([&self.manual])
    }
}

fn shelve(id: u64, draft: Draft) -> Note {
    Note { id, title: draft.title, body: draft.body, tags: draft.tags }
}

fn fits(note: &Note, search: &Search) -> bool {
    let tag = search.tag.as_ref().is_none_or(|tag| note.tags.contains(tag));
    let title = search.title.as_ref().is_none_or(|title| note.title.starts_with(title));
    tag && title
}
