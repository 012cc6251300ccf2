//! A survey of all that goes into the file of one ecosystem, before any of it is written: the number of each record, its alias
//! group, and how much there is.

use crate::error::DetectError;
use crate::index::codec::{Damaged, Reader, key};
use crate::index::image::{FORMAT, Header, Image, LONGEST_POSTING};
use crate::index::parcel::head;
use crate::index::piece::Piece;
use crate::index::roll::Numbers;
use crate::index::spool::Spool;
use crate::osv::alias::Groups;
use crate::osv::record::Moment;

/// Where records come from: what was brought, and files that are there.
pub struct Sources<'a> {
    pub ecosystem: &'a str,
    pub spool: &'a Spool,
    /// Which of the spool's numbers go in.
    pub counting: Numbers,
    pub old: Vec<Old<'a>>,
}

/// A file that is there.
pub struct Old<'a> {
    pub image: &'a Image,
    /// Which of its records don't go in.
    pub dropped: Numbers,
}

/// What is known of all records once each was seen. A record's *seat* counts records as they are met, first in the spool and
/// then in the files; its number is its place in the file that is made.
pub struct Survey {
    pub header: Header,
    pub owner: u64,
    /// By seat.
    pub numbers: Vec<u32>,
    /// By number: the seat, and the key of the id.
    pub order: Vec<(u32, u64)>,
    /// By number.
    pub groups: Vec<u32>,
    /// For each file the seats of its records by their old numbers; none for what was dropped.
    pub old_seats: Vec<Vec<u32>>,
    pub part_bytes: u64,
    pub head_bytes: u64,
}

pub const NO_SEAT: u32 = u32::MAX;

struct Seat {
    lowest: u64,
    id_key: u64,
}

struct Surveying {
    seats: Vec<Seat>,
    aliases: Groups,
    survey: Survey,
    sum: u64,
    newest: Moment,
}

impl Survey {
    pub fn of(sources: &Sources<'_>) -> Result<Self, DetectError> {
        let mut surveying = Surveying {
            seats: Vec::new(),
            aliases: Groups::default(),
            survey: Survey {
                header: Header { ecosystem: sources.ecosystem.to_owned(), ..Header::default() },
                owner: 0,
                numbers: Vec::new(),
                order: Vec::new(),
                groups: Vec::new(),
                old_seats: Vec::new(),
                part_bytes: 0,
                head_bytes: 0,
            },
            sum: 0,
            newest: Moment::default(),
        };
        sources.spool.each(&mut |number, bytes| {
            if sources.counting.has(number) { surveying.piece(bytes).map_err(own) } else { Ok(()) }
        })?;
        for old in &sources.old {
            surveying.old(old)?;
        }
        Ok(surveying.finish(sources.ecosystem))
    }
}

impl Surveying {
    fn piece(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        let piece = Piece::read(bytes)?;
        self.seats.push(Seat { lowest: piece.lowest, id_key: piece.id_key });
        self.head(piece.head)?;
        let (survey, sum) = (&mut self.survey, &mut self.sum);
        piece.each_part(|_, part| {
            survey.header.rows += 1;
            survey.part_bytes += part.len() as u64;
            *sum = sum.wrapping_add(mixed(part));
        })
    }

    fn old(&mut self, old: &Old<'_>) -> Result<(), DetectError> {
        let count = old.image.header.records as usize;
        let mut lowest = vec![u64::MAX; count];
        let (survey, sum) = (&mut self.survey, &mut self.sum);
        old.image.each_posting(0, u64::MAX, &mut |key, bytes| {
            let posting = old.image.posting(bytes)?;
            for record in posting.records().filter(|record| !old.dropped.has(*record)) {
                let known = lowest.get_mut(record as usize).ok_or_else(|| old.image.damaged(LACKS))?;
                *known = key.min(*known);
                survey.header.rows += 1;
                *sum = sum.wrapping_add(key ^ u64::from(record));
            }
            // What is written again takes more room than it takes in a posting, but seldom five times as much.
            survey.part_bytes += 5 * bytes.len() as u64;
            Ok(())
        })?;
        let mut seats = vec![NO_SEAT; count];
        old.image.each_head(&mut |number, _, bytes| {
            let lowest = lowest.get(number as usize).copied().filter(|lowest| *lowest != u64::MAX);
            let Some(lowest) = lowest else { return Ok(()) };
            seats[number as usize] = self.seats.len() as u32;
            let id = self.head(bytes).map_err(|damaged| old.image.damaged(damaged))?;
            self.seats.push(Seat { lowest, id_key: key(&[id]) });
            Ok(())
        })?;
        self.survey.old_seats.push(seats);
        Ok(())
    }

    fn head<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b str, Damaged> {
        let head = head(&mut Reader(bytes))?;
        // The id is the first text of the head.
        let id = Reader(bytes).text()?;
        self.survey.header.withdrawn += u64::from(head.withdrawn.is_some());
        self.survey.head_bytes += bytes.len() as u64;
        self.sum = self.sum.wrapping_add(mixed(bytes));
        self.newest = self.newest.max(head.modified);
        self.aliases.next();
        // A withdrawn record joins nothing: databases withdraw what they mixed up.
        if head.withdrawn.is_none() {
            head.aliases.iter().chain([&head.id]).for_each(|name| self.aliases.join(name));
        }
        Ok(id)
    }

    fn finish(self, ecosystem: &str) -> Survey {
        let Self { seats, mut aliases, mut survey, sum, newest } = self;
        let mut order: Vec<u32> = (0..seats.len() as u32).collect();
        order.sort_unstable_by_key(|seat| {
            let at = &seats[*seat as usize];
            (at.lowest, at.id_key, *seat)
        });
        survey.numbers = vec![0; seats.len()];
        for (number, seat) in order.iter().enumerate() {
            survey.numbers[*seat as usize] = number as u32;
        }
        survey.groups = order.iter().map(|seat| aliases.group(*seat)).collect();
        // A group is called by the lowest number in it.
        let mut lowest = vec![u32::MAX; seats.len()];
        for (number, group) in survey.groups.iter_mut().enumerate() {
            let called = &mut lowest[*group as usize];
            *called = (*called).min(number as u32);
            *group = *called;
        }
        survey.order = order.into_iter().map(|seat| (seat, seats[seat as usize].id_key)).collect();
        survey.header.records = seats.len() as u64;
        survey.header.newest = if newest.is_known() { newest.to_string() } else { String::new() };
        survey.owner = key(&[ecosystem, &FORMAT.to_string(), &sum.to_string(), &seats.len().to_string()]);
        survey
    }
}

const LACKS: Damaged = Damaged("it lacks an advisory that it names");

fn mixed(bytes: &[u8]) -> u64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytes);
    (u64::from(hasher.finalize()) << 32 | bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// What we wrote a moment ago can't be wrong but by a fault of memory or disk.
pub fn own(damaged: Damaged) -> DetectError {
    DetectError::Import { name: "what was read".to_owned(), what: damaged.to_string(), hint: AGAIN }
}

const AGAIN: &str = "try again; if it fails again, look at the disk and the memory";

const _: () = assert!(LONGEST_POSTING < u32::MAX as u64, "a place in memory is a `u32`");
