//! What is wrong with what a statement did: whom it keeps waiting, what it writes anew, what it takes away. Pure.

use std::collections::BTreeSet;

use crate::migration::run::Step;
use crate::migration::snapshot::{Mode, Oid, RelationKind, Snapshot};
use crate::migration::types::keeps_all;
use crate::sql::words::plain;

/// Characters of a statement that are told.
const LONGEST_QUOTE: usize = 100;

/// One thing that a person should know, and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Concern {
    pub(crate) weight: Weight,
    pub(crate) why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Told,
    /// Others wait for as long as a table is large.
    Blocking,
    /// Data is gone, also for the old version.
    Irreversible,
}

/// A statement against what was there before the patch: what comes with the patch is nobody's yet.
struct Seen<'a> {
    initial: &'a Snapshot,
    step: &'a Step,
    /// The statement's names and signs.
    words: Vec<String>,
    rewritten: BTreeSet<Oid>,
    scanned: BTreeSet<Oid>,
}

/// What is wrong with a step; `initial` is the database before the first statement of the patch.
pub(crate) fn concerns(initial: &Snapshot, step: &Step) -> Vec<Concern> {
    let seen = Seen::of(initial, step);
    let all =
        [seen.lost(), seen.rewrites(), seen.scans(), seen.held(), seen.renames(), seen.waits()].concat();
    let said = quote(&step.text);
    all.into_iter().map(|concern| Concern { why: format!("`{said}` {}", concern.why), ..concern }).collect()
}

/// The locks on tables that were there before, in a few words.
pub(crate) fn locks(initial: &Snapshot, step: &Step) -> String {
    let strong = step.after.locks.iter().filter(|(oid, mode)| *mode > Mode::Weak && is_table(initial, *oid));
    let words: Vec<String> =
        strong.map(|(oid, mode)| format!("{} on {}", mode.name(), name(initial, *oid))).collect();
    if words.is_empty() {
        "keeps nobody from a table".to_owned()
    } else {
        format!("holds {}", words.join(", "))
    }
}

/// A statement in one line, cut.
pub(crate) fn quote(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches(';');
    match line.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

impl<'a> Seen<'a> {
    fn of(initial: &'a Snapshot, step: &'a Step) -> Self {
        let words = plain(&step.text);
        let (before, after) = (&step.before, &step.after);
        let file = |of: &Snapshot, oid: &Oid| of.relations.get(oid).map(|relation| relation.file.clone());
        let is_rewritten = |oid: &Oid| {
            let (old, new) = (file(before, oid), file(after, oid));
            new.is_some() && old.is_some() && old != new
        };
        let reads = |of: &Snapshot, oid: &Oid| of.scans.get(oid).copied().unwrap_or(0);
        let is_scanned = |oid: &Oid| is_table(initial, *oid) && reads(after, oid) > reads(before, oid);
        let rewritten: BTreeSet<Oid> = initial.relations.keys().copied().filter(is_rewritten).collect();
        let scanned = initial.relations.keys().copied().filter(is_scanned);
        Self {
            initial,
            step,
            words,
            scanned: scanned.filter(|oid| !rewritten.contains(oid)).collect(),
            rewritten,
        }
    }

    /// Tables, columns, values and rows that are not there any more.
    fn lost(&self) -> Vec<Concern> {
        let (before, after) = (&self.step.before, &self.step.after);
        let mut lost = Vec::new();
        let mut say = |why: String| lost.push(Concern { weight: Weight::Irreversible, why });
        let was_there = |oid: &Oid| is_table(self.initial, *oid) && before.relations.contains_key(oid);
        for oid in self.initial.relations.keys().filter(|oid| was_there(oid)) {
            if !after.relations.contains_key(oid) {
                say(format!(
                    "drops the table {} with its rows: let a version run that does not use it, and drop it with a later patch",
                    self.name(*oid)
                ));
            } else if self.is_truncate() && self.rewritten.contains(oid) {
                say(format!("empties the table {}: keep a copy of its rows", self.name(*oid)));
            }
        }
        for (key, column) in
            self.initial.columns.iter().filter(|((table, _), _)| after.relations.contains_key(table))
        {
            let Some(old) = before.columns.get(key) else { continue };
            let table = self.name(key.0);
            match after.columns.get(key) {
                None => say(format!(
                    "drops the column {table}.{}: let a version run that does not use it, and drop it with a later patch",
                    column.name
                )),
                Some(new) if !keeps_all(&old.of_type, &new.of_type) => say(format!(
                    "changes {table}.{} from {} to {}, which does not hold every value: add a column beside it, fill it, and drop the old one with a later patch",
                    old.name, old.of_type, new.of_type
                )),
                Some(_) => {}
            }
        }
        if self.deletes() {
            say("deletes rows: keep a copy of them, or mark them".to_owned());
        }
        lost
    }

    /// Tables and indexes that are written anew.
    fn rewrites(&self) -> Vec<Concern> {
        let mut concerns = Vec::new();
        for oid in self.rewritten.iter().filter(|_| !self.is_truncate()) {
            let relation = &self.initial.relations[oid];
            let what = match relation.kind {
                RelationKind::Index if self.rewritten.contains(&relation.table) => continue,
                RelationKind::Index => {
                    format!("builds the index {} of {} anew", self.name(*oid), self.name(relation.table))
                }
                RelationKind::Table => format!("writes the table {} anew", self.name(*oid)),
                RelationKind::MaterialisedView => format!("fills the view {} anew", self.name(*oid)),
            };
            let table = if relation.kind == RelationKind::Index { relation.table } else { *oid };
            let why = format!("{what}{}: {}", self.under_lock(table), self.instead_of_rewrite(relation.kind));
            concerns.push(Concern { weight: Weight::Blocking, why });
        }
        concerns
    }

    fn instead_of_rewrite(&self, kind: RelationKind) -> &'static str {
        match kind {
            RelationKind::Index => "build another one with `CREATE INDEX CONCURRENTLY`, and drop the old one",
            RelationKind::MaterialisedView => {
                "use `REFRESH MATERIALIZED VIEW CONCURRENTLY`, which needs a unique index"
            }
            RelationKind::Table if self.says(&["type"]) => {
                "add a column of the new type, fill it in parts, and let a later patch change over"
            }
            RelationKind::Table if self.says(&["add"]) => {
                "add the column without that default, set the default afterwards, and fill what is there in parts"
            }
            RelationKind::Table => "do it in parts, or while the service is not used",
        }
    }

    /// Tables that are read from beginning to end while others are kept from them.
    fn scans(&self) -> Vec<Concern> {
        let blocked = self.scanned.iter().filter(|oid| self.lock(**oid) > Mode::Weak && self.takes(**oid));
        let said = blocked.map(|oid| {
            let why = format!(
                "reads the whole table {}{}: {}",
                self.name(*oid),
                self.under_lock(*oid),
                self.instead_of_scan()
            );
            Concern { weight: Weight::Blocking, why }
        });
        said.collect()
    }

    fn instead_of_scan(&self) -> &'static str {
        if self.says(&["create", "index"]) || self.says(&["create", "unique"]) {
            "use `CREATE INDEX CONCURRENTLY`, outside of a transaction"
        } else if self.says(&["unique"]) || self.says(&["primary"]) {
            "build the index with `CREATE UNIQUE INDEX CONCURRENTLY`, and add the constraint `USING INDEX`"
        } else if self.says(&["set", "not", "null"]) {
            "add `CHECK (… IS NOT NULL) NOT VALID`, validate it in a later transaction, and set NOT NULL then"
        } else if self.says(&["attach"]) {
            "add a CHECK that says the bounds as NOT VALID, and validate it in a transaction before"
        } else {
            "add the constraint as NOT VALID, and VALIDATE it in a later transaction"
        }
    }

    /// Long work under a lock of a statement before.
    fn held(&self) -> Vec<Concern> {
        let Some(worked) = self.scanned.iter().chain(&self.rewritten).next() else { return Vec::new() };
        let held = self
            .step
            .before
            .locks
            .iter()
            .filter(|(oid, mode)| *mode > Mode::Weak && is_table(self.initial, *oid));
        let Some((oid, mode)) = held.max_by_key(|(_, mode)| *mode) else { return Vec::new() };
        let why = format!(
            "works through {} while the transaction holds {} on {} from a statement before: put it into a migration of its own",
            self.name(*worked),
            mode.name(),
            self.name(*oid)
        );
        vec![Concern { weight: Weight::Blocking, why }]
    }

    /// What runs still asks for the old name.
    fn renames(&self) -> Vec<Concern> {
        const INSTEAD: &str = "the version that still runs asks for the old name: add the new one beside it, and drop the old one with a later patch";
        let (before, after) = (&self.step.before, &self.step.after);
        let tables =
            self.initial.relations.keys().filter(|oid| is_table(self.initial, **oid)).filter_map(|oid| {
                let (old, new) = (before.relations.get(oid)?, after.relations.get(oid)?);
                (old.name != new.name).then(|| format!("renames {} to {}: {INSTEAD}", old.name, new.name))
            });
        let columns = self.initial.columns.keys().filter_map(|key| {
            let (old, new) = (before.columns.get(key)?, after.columns.get(key)?);
            let table = self.name(key.0);
            (old.name != new.name).then(|| format!("renames {table}.{} to {}: {INSTEAD}", old.name, new.name))
        });
        tables.chain(columns).map(|why| Concern { weight: Weight::Told, why }).collect()
    }

    /// Also a short lock waits for who is there, and everybody behind it waits too.
    fn waits(&self) -> Vec<Concern> {
        if self.step.after.has_lock_timeout {
            return Vec::new();
        }
        let strong = self.initial.relations.keys().filter(|oid| {
            let is_long = self.rewritten.contains(oid) || self.scanned.contains(oid);
            is_table(self.initial, **oid) && !is_long && self.takes(**oid) && self.lock(**oid) > Mode::Weak
        });
        let said = strong.map(|oid| {
            let why = format!(
                "locks {} ({}) without a limit: it waits for every query that runs on it, and all others wait behind; say `SET lock_timeout = '5s'` before",
                self.name(*oid),
                self.lock(*oid).name()
            );
            Concern { weight: Weight::Told, why }
        });
        said.collect()
    }

    /// Whether this statement took the strongest lock that the transaction has on it.
    fn takes(&self, oid: Oid) -> bool {
        self.step.before.lock(oid) < self.lock(oid)
    }

    fn lock(&self, oid: Oid) -> Mode {
        self.step.after.lock(oid)
    }

    fn under_lock(&self, oid: Oid) -> String {
        let mode = self.lock(oid);
        mode.stops().map_or(String::new(), |stops| format!(" under {}, so that {stops}", mode.name()))
    }

    /// By the name that it has now.
    fn name(&self, oid: Oid) -> String {
        name(&self.step.before, oid)
    }

    /// These words one after the other.
    fn says(&self, words: &[&str]) -> bool {
        self.words.windows(words.len()).any(|window| window.iter().zip(words).all(|(own, word)| own == word))
    }

    fn is_truncate(&self) -> bool {
        self.step.tag == "TRUNCATE TABLE"
    }

    /// Of tables that were there before: which rows there will be is not known here, so the statement's word counts.
    fn deletes(&self) -> bool {
        let touched = self.step.after.locks.iter().any(|(oid, _)| is_table(self.initial, *oid));
        let within = match self.words.first().map(String::as_str) {
            // The body of a block is a string.
            Some("do") => plain(&self.step.text.replace(['$', '\''], " ")),
            _ => self.words.clone(),
        };
        let deletes = |window: &[String]| window[0] == "delete" && window[1] == "from";
        touched && within.windows(2).any(deletes)
    }
}

fn is_table(initial: &Snapshot, oid: Oid) -> bool {
    initial.relations.get(&oid).is_some_and(|relation| relation.kind != RelationKind::Index)
}

fn name(of: &Snapshot, oid: Oid) -> String {
    of.relations.get(&oid).map_or_else(|| format!("relation {oid}"), |relation| relation.name.clone())
}
