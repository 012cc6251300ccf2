//! What an import brings: every id on a roll, and what each record says in the spool of its ecosystem.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::DetectError;
use crate::index::crew::{self, Made};
use crate::index::intake::Limits;
use crate::index::piece::{Piece, Scratch, unite};
use crate::index::roll::{Candidate, Numbers, Roll};
use crate::index::spool::Spool;
use crate::index::survey::own;
use crate::osv::record::Record;
use patchline_inventory::version::ECOSYSTEMS;

/// What an import brought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Distinct records that can be matched, the withdrawn ones included.
    pub records: u64,
    /// What was left out, whole or in part, each with the reason.
    pub skipped: Vec<(String, String)>,
    /// Those of the records that their database took back: kept, never reported.
    pub withdrawn: u64,
    /// Records by ecosystem.
    pub ecosystems: BTreeMap<String, u64>,
}

pub struct Brought {
    pub roll: Roll,
    /// By the places of `ECOSYSTEMS`.
    spools: Vec<Spool>,
    pub imported: Imported,
}

/// Bytes of records that come in halves; they are joined in memory.
const MOST_HALVES: usize = 64 << 20;
const SPLIT: &str = "import the sources one after the other; by time, the later ones then win";

impl Brought {
    /// Nothing yet. The folder is for what does not fit into memory.
    pub fn new(folder: &Path) -> Self {
        let spools = ECOSYSTEMS.iter().map(|_| Spool::new(folder)).collect();
        Self { roll: Roll::default(), spools, imported: Imported::default() }
    }

    /// Reads all records, each with only the parts that can be matched.
    pub fn read(paths: &[PathBuf], folder: &Path, limits: &Limits) -> Result<Self, DetectError> {
        let mut brought = Self::new(folder);
        crew::work(paths, limits, &mut |made| brought.take(made))?;
        brought.join_halves()?;
        brought.count();
        Ok(brought)
    }

    /// Takes records in that no file brought.
    pub fn put(&mut self, records: &[Record<'_>]) -> Result<(), DetectError> {
        let (mut made, mut scratch) = (Made::default(), Scratch::default());
        records.iter().for_each(|record| made.put(record, &mut scratch));
        self.take(&made)
    }

    /// Takes in the text of a record.
    pub fn put_text(&mut self, name: &str, text: &[u8]) -> Result<(), DetectError> {
        let mut made = Made::default();
        made.record(name, text, &mut Scratch::default())?;
        self.take(&made)
    }

    pub fn spool(&self, ecosystem: usize) -> &Spool {
        &self.spools[ecosystem]
    }

    /// Whether anything came that speaks of the ecosystem.
    pub fn touches(&self, ecosystem: usize) -> bool {
        self.spools[ecosystem].size() > 0
    }

    fn take(&mut self, made: &Made) -> Result<(), DetectError> {
        self.imported.skipped.extend_from_slice(&made.skipped);
        let mut pieces = made.pieces.iter();
        let mut start = 0;
        for record in &made.records {
            let own = pieces.as_slice().get(..record.pieces).unwrap_or_default();
            let end = own.last().map_or(start, |(_, end)| *end);
            let candidate = Candidate {
                id: &record.id,
                modified: record.modified,
                withdrawn: record.withdrawn,
                ecosystems: record.ecosystems,
                content: &made.bytes[start..end],
            };
            let number = self.roll.enter(candidate);
            for (ecosystem, end) in pieces.by_ref().take(record.pieces) {
                if let Some(number) = number {
                    self.spools[usize::from(*ecosystem)].put(number, &made.bytes[start..*end])?;
                }
                start = *end;
            }
        }
        Ok(())
    }

    /// One record that came in several files, different in each at one time, becomes one.
    fn join_halves(&mut self) -> Result<(), DetectError> {
        let halves = self.roll.take_halves();
        let mut wanted = Numbers::default();
        halves.iter().flatten().for_each(|number| wanted.add(*number));
        let mut found: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
        let mut bytes = 0;
        for spool in self.spools.iter().filter(|_| !halves.is_empty()) {
            spool.each(&mut |number, piece| {
                if wanted.has(number) {
                    bytes += piece.len();
                    found.entry(number).or_default().push(piece.to_owned());
                }
                match bytes > MOST_HALVES {
                    true => Err(DetectError::Import {
                        name: "what was read".to_owned(),
                        what: "too many records differ from others of the same id and time".to_owned(),
                        hint: SPLIT,
                    }),
                    false => Ok(()),
                }
            })?;
        }
        for numbers in halves {
            let mut joined: Option<Record<'_>> = None;
            for piece in numbers.iter().filter_map(|number| found.get(number)).flatten() {
                let record = Piece::read(piece).and_then(Piece::record).map_err(own)?;
                joined = Some(match joined {
                    Some(known) => unite(known, &record),
                    None => record,
                });
            }
            let Some(record) = joined else { continue };
            let number = self.roll.renumber(&record.id);
            let (mut made, mut start) = (Made::default(), 0);
            made.put(&record, &mut Scratch::default());
            for (ecosystem, end) in &made.pieces {
                self.spools[usize::from(*ecosystem)].put(number, &made.bytes[start..*end])?;
                start = *end;
            }
        }
        Ok(())
    }

    fn count(&mut self) {
        // By ecosystem a bit; so what is counted is counted once.
        let mut ecosystems = [0_u64; 64];
        for (_, entry) in self.roll.all().filter(|(_, entry)| entry.ecosystems != 0) {
            self.imported.records += 1;
            self.imported.withdrawn += u64::from(entry.withdrawn);
            ecosystems
                .iter_mut()
                .enumerate()
                .for_each(|(place, count)| *count += entry.ecosystems >> place & 1);
        }
        let counts = ECOSYSTEMS.iter().zip(ecosystems).filter(|(_, count)| *count > 0);
        self.imported.ecosystems = counts.map(|((name, _), count)| ((*name).to_owned(), count)).collect();
    }
}
