//! A record as bytes while an index is made: what it says of itself, then what it says of each package, each for itself.

use crate::index::codec::{Damaged, Reader, put_number, put_text};
use crate::osv::record::{
    Affected, DatabaseSpecific, Event, Moment, Named, Range, RangeKind, Record, Severity,
};
use crate::osv::text::Text;

/// Kinds of events, as numbers.
pub const INTRODUCED: u8 = 0;
pub const FIXED: u8 = 1;
pub const LAST_AFFECTED: u8 = 2;
pub const LIMIT: u8 = 3;

/// Writes what the record says of itself.
pub fn put_head(out: &mut Vec<u8>, record: &Record<'_>) {
    put_text(out, &record.id);
    put_moment(out, Some(record.modified));
    put_moment(out, record.withdrawn);
    put_number(out, record.aliases.len() as u64);
    record.aliases.iter().for_each(|alias| put_text(out, alias));
    put_text(out, &record.summary);
    put_severity(out, &record.severity);
}

/// The record as it speaks of itself, and of no package.
pub fn head<'a>(reader: &mut Reader<'a>) -> Result<Record<'a>, Damaged> {
    let id = reader.text()?.into();
    let modified = moment(reader)?.ok_or(Damaged("one of its times is none"))?;
    let withdrawn = moment(reader)?;
    let mut aliases = Vec::new();
    for _ in 0..reader.count()? {
        aliases.push(reader.text()?.into());
    }
    let summary = reader.text()?.into();
    Ok(Record::of_parts(id, modified, withdrawn, aliases, summary, severity(reader)?))
}

/// Writes what a record says of one package; nothing when it names none. Ranges of commits are left out: no lockfile has
/// a commit where a version stands, and nothing else of the part depends on them.
pub fn put_affected(out: &mut Vec<u8>, part: &Affected<'_>) {
    let Some(named) = &part.package else { return };
    put_text(out, &named.ecosystem);
    put_text(out, &named.name);
    put_number(out, part.versions.len() as u64);
    part.versions.iter().for_each(|version| put_text(out, version));
    let ranges = || part.ranges.iter().filter(|range| range.kind != RangeKind::Git);
    put_number(out, ranges().count() as u64);
    for range in ranges() {
        match &range.kind {
            RangeKind::Ordered | RangeKind::Git => out.push(0),
            RangeKind::Other(kind) => {
                out.push(1);
                put_text(out, kind);
            }
        }
        put_number(out, range.events.len() as u64);
        for event in &range.events {
            let (kind, text) = split(event);
            out.push(kind);
            put_text(out, text);
        }
    }
    put_extras(out, part);
}

pub fn affected<'a>(reader: &mut Reader<'a>) -> Result<Affected<'a>, Damaged> {
    let package = Some(named(reader)?);
    let mut versions = Vec::new();
    for _ in 0..reader.count()? {
        versions.push(reader.text()?.into());
    }
    let mut ranges = Vec::new();
    for _ in 0..reader.count()? {
        let kind = match reader.byte()? {
            0 => RangeKind::Ordered,
            _ => RangeKind::Other(reader.text()?.into()),
        };
        let mut events = Vec::new();
        for _ in 0..reader.count()? {
            let kind = reader.byte()?;
            events.push(event(kind, reader.text()?)?);
        }
        ranges.push(Range { kind, events });
    }
    let (severity, database_specific) = extras(reader)?;
    Ok(Affected { package, ranges, versions, severity, database_specific })
}

/// The package of a part, without the rest.
pub fn named<'a>(reader: &mut Reader<'a>) -> Result<Named<'a>, Damaged> {
    Ok(Named { ecosystem: reader.text()?.into(), name: reader.text()?.into() })
}

/// What a part says besides its versions.
fn put_extras(out: &mut Vec<u8>, part: &Affected<'_>) {
    put_severity(out, &part.severity);
    put_text(out, part.database_specific.informational.as_deref().unwrap_or(""));
}

pub fn extras<'a>(reader: &mut Reader<'a>) -> Result<(Vec<Severity<'a>>, DatabaseSpecific), Damaged> {
    let severity = severity(reader)?;
    let informational = Some(reader.text()?.to_owned()).filter(|text| !text.is_empty());
    Ok((severity, DatabaseSpecific { informational }))
}

/// An event's kind as a number, and its version.
fn split<'a>(event: &'a Event<'_>) -> (u8, &'a str) {
    match event {
        Event::Introduced(text) => (INTRODUCED, text),
        Event::Fixed(text) => (FIXED, text),
        Event::LastAffected(text) => (LAST_AFFECTED, text),
        Event::Limit(text) => (LIMIT, text),
    }
}

pub fn event(kind: u8, text: &str) -> Result<Event<'_>, Damaged> {
    let text = Text::from(text);
    match kind {
        INTRODUCED => Ok(Event::Introduced(text)),
        FIXED => Ok(Event::Fixed(text)),
        LAST_AFFECTED => Ok(Event::LastAffected(text)),
        LIMIT => Ok(Event::Limit(text)),
        _ => Err(Damaged("one of its events is of no known kind")),
    }
}

fn put_severity(out: &mut Vec<u8>, list: &[Severity<'_>]) {
    put_number(out, list.len() as u64);
    for severity in list {
        put_text(out, &severity.kind);
        put_text(out, &severity.score);
    }
}

fn severity<'a>(reader: &mut Reader<'a>) -> Result<Vec<Severity<'a>>, Damaged> {
    let mut list = Vec::new();
    for _ in 0..reader.count()? {
        list.push(Severity { kind: reader.text()?.into(), score: reader.text()?.into() });
    }
    Ok(list)
}

/// Nothing, or two numbers, of which the first is not 0.
fn put_moment(out: &mut Vec<u8>, moment: Option<Moment>) {
    let Some((second, fraction)) = moment.map(Moment::numbers) else { return out.push(0) };
    put_number(out, second + 1);
    put_number(out, fraction);
}

fn moment(reader: &mut Reader<'_>) -> Result<Option<Moment>, Damaged> {
    let Some(second) = reader.number()?.checked_sub(1) else { return Ok(None) };
    let moment = Moment::of_numbers(second, reader.number()?);
    moment.map(Some).ok_or(Damaged("one of its times is none"))
}
