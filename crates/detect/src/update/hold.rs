//! Holding back: a change that is more likely a slip of its database than news waits for a person.
//!
//! Two slips have been seen in public databases. A record lost the end of its range, and from then on every version of its
//! package was affected; and one named packages without number. So a change is held back when
//!
//! - the record is known, and a package of which it affected some versions is now affected in all of them; or
//! - it newly names more than fifty packages, and more than one in a hundred of those that the ecosystem's advisories name.
//!
//! A new record that affects all versions of its package is no slip: malicious packages come like that, every day.

use std::collections::BTreeSet;

use crate::error::DetectError;
use crate::index::brought::Brought;
use crate::index::codec::Reader;
use crate::index::image::Image;
use crate::index::parcel::head;
use crate::index::piece::Piece;
use crate::index::shelf::Shelf;
use crate::index::survey::own;
use crate::osv::record::{Affected, Event, Moment, RangeKind, Record};
use crate::update::state::{Followed, Held};

const MOST_NEW_PACKAGES: usize = 50;
/// One in so many of the ecosystem's packages.
const SHARE: u64 = 100;

/// The changes to this ecosystem that wait for a person, by id.
pub fn held(
    shelf: &Shelf,
    brought: &Brought,
    place: usize,
    followed: &Followed,
) -> Result<Vec<(String, Held)>, DetectError> {
    let counting = brought.roll.counting();
    let mut held = Vec::new();
    brought.spool(place).each(&mut |number, bytes| {
        if counting.has(number) {
            let record = Piece::read(bytes).and_then(Piece::record).map_err(own)?;
            let modified = record.modified.to_string();
            let accepted = followed.accepted.get(&*record.id) == Some(&modified);
            let why = if accepted { None } else { implausible(shelf, &record)? };
            held.extend(why.map(|why| (record.id.to_string(), Held { modified, why })));
        }
        Ok(())
    })?;
    Ok(held)
}

fn implausible(shelf: &Shelf, record: &Record<'_>) -> Result<Option<String>, DetectError> {
    if record.withdrawn.is_some() {
        return Ok(None);
    }
    let known = known(shelf, &record.id)?;
    if known.as_ref().is_some_and(|(_, _, modified)| *modified >= record.modified) {
        return Ok(None);
    }
    let names = record.affected.iter().filter_map(|part| part.package.as_ref());
    let packages: BTreeSet<(&str, &str)> = names.map(|named| (&*named.ecosystem, &*named.name)).collect();
    let mut new = 0;
    for (ecosystem, name) in packages {
        let before = match &known {
            Some((image, number, _)) => everything_before(image, *number, ecosystem, name)?,
            None => None,
        };
        let parts = record.of(ecosystem, name);
        match before {
            None => new += 1,
            Some(false) if parts.into_iter().any(affects_everything) => {
                return Ok(Some(format!("it now affects every version of {name}, and did not before")));
            }
            Some(_) => {}
        }
    }
    let all = shelf.base.header.packages;
    let is_too_much = new > MOST_NEW_PACKAGES && new as u64 * SHARE > all;
    Ok(is_too_much.then(|| format!("it newly names {new} packages, of {all} that are named at all")))
}

/// The file that holds the record as it is known, its number there, and its last change.
fn known<'s>(shelf: &'s Shelf, id: &str) -> Result<Option<(&'s Image, u32, Moment)>, DetectError> {
    for image in shelf.layers().rev() {
        if let Some(number) = image.number(id)? {
            let bytes = image.head(number)?;
            let mut reader = Reader(&bytes);
            let head = reader.number().and_then(|_| head(&mut reader));
            let head = head.map_err(|damaged| image.damaged(damaged))?;
            // What was withdrawn affected nothing.
            return Ok(head.withdrawn.is_none().then_some((image, number, head.modified)));
        }
    }
    Ok(None)
}

/// Whether the known record affected every version of the package; none where it did not name it.
fn everything_before(
    image: &Image,
    number: u32,
    ecosystem: &str,
    name: &str,
) -> Result<Option<bool>, DetectError> {
    for bytes in image.postings(ecosystem, name)? {
        let damaged = |damaged| image.damaged(damaged);
        let posting = image.posting(&bytes)?;
        if *posting.named.ecosystem == *ecosystem && *posting.named.name == *name {
            let parts = posting.affected(number).map_err(damaged)?;
            return Ok((!parts.is_empty()).then(|| parts.iter().any(affects_everything)));
        }
    }
    Ok(None)
}

/// Whether a range of it has neither a beginning nor an end.
fn affects_everything(part: &Affected<'_>) -> bool {
    part.ranges.iter().filter(|range| range.kind == RangeKind::Ordered).any(|range| {
        let from_the_start = range.events.iter().any(|event| match event {
            // RustSec writes the lowest version of all instead of `0`.
            Event::Introduced(version) => matches!(&**version, "0" | "0.0.0-0"),
            Event::Fixed(_) | Event::LastAffected(_) | Event::Limit(_) => false,
        });
        let without_end = range.events.iter().all(|event| match event {
            Event::Introduced(_) => true,
            Event::Limit(limit) => &**limit == "*",
            Event::Fixed(_) | Event::LastAffected(_) => false,
        });
        from_the_start && without_end
    })
}
