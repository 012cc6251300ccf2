//! What reading one container may take: bytes unpacked, entries, bytes kept, and how much smaller than its content an
//! archive may be. An archive that wants more is refused by name.

use std::cell::Cell;
use std::io::{self, Read};

use thiserror::Error;

/// All layers of the largest public images together have about 30 GiB.
const MOST_BYTES: u64 = 64 << 30;
const MOST_ENTRIES: u64 = 5_000_000;
/// What is kept in memory: databases, lockfiles, and what binaries say.
const MOST_KEPT: u64 = 1 << 30;
/// Files that layers have, each as often as a layer is laid upon it; an index may list the same layers again and again.
const MOST_MERGED: u64 = 200_000_000;
/// gzip packs nothing but zeros by 1000; a layer of programs is packed by 2 to 5.
const MOST_RATIO: u64 = 250;
/// Before so many bytes no ratio says anything.
const FREE_OF_RATIO: u64 = 16 << 20;

/// Why something was not read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Refused(pub String);

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        // What a reader of ours refused comes back inside of an error of I/O, at times of several.
        let mut inner: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(error) = inner {
            if let Some(refused) = error.downcast_ref::<Refused>() {
                return refused.clone();
            }
            let nested = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
            inner = nested.map(|nested| nested as _).or_else(|| error.source());
        }
        Self(error.to_string())
    }
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        Self::other(refused)
    }
}

/// What is left of all of it.
#[derive(Debug)]
pub struct Budget {
    bytes: Cell<u64>,
    entries: Cell<u64>,
    kept: Cell<u64>,
    merged: Cell<u64>,
}

impl Default for Budget {
    fn default() -> Self {
        Self::of(MOST_BYTES, MOST_ENTRIES, MOST_KEPT)
    }
}

impl Budget {
    pub fn of(bytes: u64, entries: u64, kept: u64) -> Self {
        Self {
            bytes: Cell::new(bytes),
            entries: Cell::new(entries),
            kept: Cell::new(kept),
            merged: Cell::new(MOST_MERGED),
        }
    }

    pub fn entry(&self) -> Result<(), Refused> {
        spend(&self.entries, 1).ok_or_else(|| Refused(format!("it has more than {MOST_ENTRIES} entries")))
    }

    pub fn keep(&self, bytes: u64) -> Result<(), Refused> {
        let what = "its databases, lockfiles and lists of modules together have more than 1 GiB";
        spend(&self.kept, bytes).ok_or_else(|| Refused(what.to_owned()))
    }

    pub fn merge(&self, files: usize) -> Result<(), Refused> {
        let what = "its images have too many layers of too many files to lay them upon each other";
        spend(&self.merged, files as u64 + 1).ok_or_else(|| Refused(what.to_owned()))
    }

    fn unpack(&self, bytes: u64) -> Result<(), Refused> {
        spend(&self.bytes, bytes).ok_or_else(|| Refused("it unpacks to more than 64 GiB".to_owned()))
    }
}

fn spend(left: &Cell<u64>, amount: u64) -> Option<()> {
    left.set(left.get().checked_sub(amount)?);
    Some(())
}

/// Counts what is read of the packed bytes.
pub struct Counted<'a, R> {
    inner: R,
    count: &'a Cell<u64>,
}

impl<'a, R> Counted<'a, R> {
    pub fn new(inner: R, count: &'a Cell<u64>) -> Self {
        Self { inner, count }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

/// Unpacked bytes, as long as they are no more than the budget and their packed size allow.
pub struct Metered<'a, R> {
    inner: R,
    budget: &'a Budget,
    packed: &'a Cell<u64>,
    unpacked: u64,
}

impl<'a, R> Metered<'a, R> {
    pub fn new(inner: R, budget: &'a Budget, packed: &'a Cell<u64>) -> Self {
        Self { inner, budget, packed, unpacked: 0 }
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.unpacked += read as u64;
        self.budget.unpack(read as u64)?;
        let is_bomb = self.unpacked > FREE_OF_RATIO && self.unpacked / MOST_RATIO > self.packed.get();
        match is_bomb {
            true => Err(Refused(format!("it unpacks to more than {MOST_RATIO} times its size")).into()),
            false => Ok(read),
        }
    }
}
