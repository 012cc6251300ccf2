//! All that the advisories say of one package, in one piece: its versions once, in order, and everything else as places
//! among them.
//!
//! So a question costs one search for the installed version; after that every bound is a number to compare with. The order
//! is that of the schemes in `version`: when one of them changes, `FORMAT` in `image.rs` is raised.

use crate::index::codec::{Damaged, Reader};
use crate::index::parcel::{FIXED, INTRODUCED, LAST_AFFECTED, LIMIT, event, extras};
use crate::index::shape;
use crate::index::words::Words;
use crate::osv::affected::{no_version, unknown_kind};
use crate::osv::record::{Affected, Named, Range, RangeKind};
use patchline_inventory::version::Scheme;

/// Bytes of all versions of a package, written out.
const MOST_TEXT: usize = 64 << 20;

/// What the advisories say of one package.
pub struct Posting<'a> {
    pub named: Named<'a>,
    texts: Texts,
    parts: Vec<Part<'a>>,
}

/// What one advisory says of a version that it does not leave alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Hit,
    /// What stands in the way of an answer.
    Unknown(String),
}

/// Versions: those that can be read in their order, then the others in the order of their bytes.
struct Texts {
    all: String,
    ends: Vec<usize>,
    readable: usize,
}

struct Part<'a> {
    record: u32,
    /// From and to (not included) among the texts.
    versions: Vec<(usize, usize)>,
    ranges: Vec<Packed<'a>>,
    extras: &'a [u8],
}

struct Packed<'a> {
    /// A kind that has no order.
    other: Option<&'a str>,
    /// Sorted where all can be read. No place: `0` of an `introduced`, `*` of a `limit`.
    events: Vec<(u8, Option<usize>)>,
}

/// Where the installed version stands: the texts before `from` precede it, those from `to` on follow, the others equal it.
struct Place {
    from: usize,
    to: usize,
}

impl<'a> Posting<'a> {
    pub fn read(bytes: &'a [u8], words: &'a Words) -> Result<Self, Damaged> {
        let mut reader = Reader(bytes);
        let named = Named { ecosystem: words.text(&mut reader)?.into(), name: reader.text()?.into() };
        let readable = reader.number()?;
        let texts = Texts::read(&mut reader, readable, words)?;
        let mut parts = Vec::new();
        let mut record: u32 = 0;
        for _ in 0..reader.count()? {
            let number = reader.number()?;
            let ahead = u32::try_from(number >> shape::BITS).ok();
            let next = ahead.and_then(|ahead| record.checked_add(ahead));
            record = next.ok_or(Damaged("one of its numbers is too large"))?;
            let shape = number & ((1 << shape::BITS) - 1);
            let texts = texts.ends.len();
            parts.push(match shape {
                shape::NONE => Part::read(&mut reader, record, texts)?,
                shape => Part::of_shape(&mut reader, record, texts, shape)?,
            });
        }
        if reader.is_empty() {
            Ok(Self { named, texts, parts })
        } else {
            Err(Damaged("a posting is too long"))
        }
    }

    /// The advisories that don't leave this version alone, by their numbers; one that hits in any of its parts hits.
    pub fn judge(&self, version: &str) -> Vec<(u32, Standing)> {
        let Some(scheme) = Scheme::named(&self.named.ecosystem) else { return Vec::new() };
        let place = self.texts.place(scheme, version);
        let spelled = self.texts.spelled(scheme, version, place.as_ref());
        let mut standings: Vec<(u32, Standing)> = Vec::new();
        for part in &self.parts {
            let overlaps = |(from, to): &(usize, usize)| (*from).max(spelled.from) < (*to).min(spelled.to);
            let listed = part.versions.iter().any(overlaps);
            let standing = match listed {
                true => Some(Standing::Hit),
                false => part.covers(&self.texts, version, place.as_ref()),
            };
            let Some(standing) = standing else { continue };
            match standings.last_mut() {
                Some((record, known)) if *record == part.record => {
                    if *known != Standing::Hit && standing == Standing::Hit {
                        *known = standing;
                    }
                }
                Some(_) | None => standings.push((part.record, standing)),
            }
        }
        standings
    }

    /// What the advisory of this number says of the package, as it was read once. The versions that it lists and the events
    /// stand in their order.
    pub fn affected(&self, record: u32) -> Result<Vec<Affected<'_>>, Damaged> {
        self.parts.iter().filter(|part| part.record == record).map(|part| self.unpack(part)).collect()
    }

    /// The number of the advisory of each part.
    pub fn records(&self) -> impl Iterator<Item = u32> {
        self.parts.iter().map(|part| part.record)
    }

    /// Every part with the number of its advisory.
    pub fn all(&self) -> impl Iterator<Item = Result<(u32, Affected<'_>), Damaged>> {
        self.parts.iter().map(|part| Ok((part.record, self.unpack(part)?)))
    }

    fn unpack(&self, part: &Part<'a>) -> Result<Affected<'_>, Damaged> {
        let listed = part.versions.iter().flat_map(|(from, to)| *from..*to);
        let versions = listed.map(|place| self.texts.text(place).into()).collect();
        let mut ranges = Vec::new();
        for range in &part.ranges {
            let kind = range.other.map_or(RangeKind::Ordered, |kind| RangeKind::Other(kind.into()));
            let mut events = Vec::new();
            for (kind, place) in &range.events {
                let outside = if *kind == LIMIT { "*" } else { "0" };
                events.push(event(*kind, place.map_or(outside, |place| self.texts.text(place)))?);
            }
            ranges.push(Range { kind, events });
        }
        let (severity, database_specific) = match part.extras {
            [] => Default::default(),
            bytes => extras(&mut Reader(bytes))?,
        };
        let package = Some(self.named.clone());
        Ok(Affected { package, ranges, versions, severity, database_specific })
    }
}

impl Texts {
    fn read<'b>(reader: &mut Reader<'b>, readable: u64, words: &'b Words) -> Result<Self, Damaged> {
        let mut texts = Self { all: String::new(), ends: Vec::new(), readable: 0 };
        let mut start = 0;
        for _ in 0..reader.count()? {
            let shared = reader.number()? as usize;
            let before = texts.all.get(start..).unwrap_or("");
            let shared =
                before.get(..shared).ok_or(Damaged("one of its versions has no beginning"))?.to_owned();
            start = texts.all.len();
            texts.all.push_str(&shared);
            texts.all.push_str(words.text(reader)?);
            if texts.all.len() > MOST_TEXT {
                return Err(Damaged("the versions of a package are too many"));
            }
            texts.ends.push(texts.all.len());
        }
        texts.readable = usize::try_from(readable).unwrap_or(usize::MAX);
        if texts.readable > texts.ends.len() {
            return Err(Damaged("one of its numbers is too large"));
        }
        Ok(texts)
    }

    fn text(&self, place: usize) -> &str {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.all[start..self.ends[place]]
    }

    fn place(&self, scheme: Scheme, version: &str) -> Option<Place> {
        let version = scheme.parse(version)?;
        let before = |place: usize| scheme.parse(self.text(place)).is_some_and(|text| text < version);
        let from = first(0, self.readable, |place| !before(place));
        let equal = |place: usize| scheme.parse(self.text(place)).is_some_and(|text| text == version);
        let to = first(from, self.readable, |place| !equal(place));
        Some(Place { from, to })
    }

    /// Which of the texts mean the version where a database lists it: in Python all that are equal, else the same text.
    fn spelled(&self, scheme: Scheme, version: &str, place: Option<&Place>) -> Place {
        let (from, to) = match place {
            Some(place) if scheme == Scheme::Python => return Place { ..*place },
            Some(place) => (place.from, place.to),
            None => (self.readable, self.ends.len()),
        };
        let same = (from..to).find(|place| self.text(*place) == version);
        same.map_or(Place { from: 0, to: 0 }, |place| Place { from: place, to: place + 1 })
    }
}

/// The first place from `from` on that is one, where all after it are as well; `to` when there is none.
fn first(mut from: usize, mut to: usize, is_one: impl Fn(usize) -> bool) -> usize {
    while from < to {
        let middle = from + (to - from) / 2;
        if is_one(middle) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    from
}

const NO_TEXT: Damaged = Damaged("one of its places has no version");

impl<'a> Part<'a> {
    fn of_shape(reader: &mut Reader<'a>, record: u32, texts: usize, shape: u64) -> Result<Self, Damaged> {
        let shape = shape::events(shape).ok_or(Damaged("one of its parts has no known shape"))?;
        let mut events = Vec::with_capacity(shape.len());
        for (kind, is_at_version) in shape {
            let place = if *is_at_version { Some(reader.small()? as usize) } else { None };
            if place.is_some_and(|place| place >= texts) {
                return Err(NO_TEXT);
            }
            events.push((*kind, place));
        }
        Ok(Self { record, versions: Vec::new(), ranges: vec![Packed { other: None, events }], extras: &[] })
    }

    fn read(reader: &mut Reader<'a>, record: u32, texts: usize) -> Result<Self, Damaged> {
        let mut versions = Vec::new();
        let mut end: usize = 0;
        for _ in 0..reader.count()? {
            let from = end + reader.small()? as usize;
            end = from + reader.small()? as usize;
            if end > texts {
                return Err(NO_TEXT);
            }
            versions.push((from, end));
        }
        let mut ranges = Vec::new();
        for _ in 0..reader.count()? {
            let number = reader.number()?;
            let other = if number & 1 == 1 { Some(reader.text()?) } else { None };
            let mut events = Vec::new();
            for _ in 0..number >> 1 {
                let number = reader.number()?;
                let place = (number >> 2).checked_sub(1).map(|place| place as usize);
                if place.is_some_and(|place| place >= texts) {
                    return Err(NO_TEXT);
                }
                events.push(((number & 3) as u8, place));
            }
            ranges.push(Packed { other, events });
        }
        Ok(Self { record, versions, ranges, extras: reader.bytes()? })
    }

    fn covers(&self, texts: &Texts, version: &str, place: Option<&Place>) -> Option<Standing> {
        let mut unknown = None;
        for range in &self.ranges {
            match range.covers(texts, version, place) {
                Ok(true) => return Some(Standing::Hit),
                Ok(false) => {}
                Err(what) => unknown = unknown.or(Some(Standing::Unknown(what))),
            }
        }
        unknown
    }
}

impl Packed<'_> {
    /// As in the OSV schema, section "Evaluation", over places.
    fn covers(&self, texts: &Texts, version: &str, place: Option<&Place>) -> Result<bool, String> {
        if let Some(kind) = self.other {
            return Err(unknown_kind(kind));
        }
        let place = place.ok_or_else(|| no_version(version))?;
        let unreadable = self.events.iter().filter_map(|(_, at)| *at).find(|at| *at >= texts.readable);
        if let Some(at) = unreadable {
            return Err(no_version(texts.text(at)));
        }
        let mut limits = self.events.iter().filter(|(kind, _)| *kind == LIMIT).peekable();
        if limits.peek().is_some() && !limits.any(|(_, at)| at.is_none_or(|at| place.to <= at)) {
            return Ok(false);
        }
        let mut vulnerable = false;
        for (kind, at) in &self.events {
            match *kind {
                INTRODUCED if at.is_none_or(|at| at < place.to) => vulnerable = true,
                FIXED if at.is_none_or(|at| at < place.to) => vulnerable = false,
                LAST_AFFECTED if at.is_none_or(|at| at < place.from) => vulnerable = false,
                _ => {}
            }
        }
        Ok(vulnerable)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::Posting;
    use crate::index::compose::Composer;
    use crate::index::parcel::put_affected;
    use crate::index::words::{Dictionary, Words};
    use crate::osv::record::Record;

    /// A posting and the words that it calls.
    fn posting() -> (Vec<u8>, Words) {
        let json =
            br#"{"id": "X", "modified": "2024-01-01T00:00:00Z", "affected": [{"package": {"ecosystem": "npm",
            "name": "a"}, "versions": ["1.0.0", "1.0.1", "2"], "ranges": [{"type": "SEMVER", "events":
            [{"introduced": "0"}, {"fixed": "1.1.0"}, {"introduced": "1.2.0"}, {"limit": "*"}]}]}]}"#;
        let record = Record::parse(json).expect("a record");
        let (mut part, mut bytes) = (Vec::new(), Vec::new());
        put_affected(&mut part, &record.affected[0]);
        let mut shaped = Vec::new();
        let mut record = record;
        record.affected[0].versions.clear();
        record.affected[0].ranges[0].events.truncate(2);
        put_affected(&mut shaped, &record.affected[0]);
        let dictionary = Dictionary::of([("npm", 9), (".0", 9)].into_iter().collect());
        let parts = [(3, part.as_slice()), (9, &part), (11, &shaped)];
        Composer::default().compose(&mut bytes, &parts, &dictionary).expect("a posting");
        (bytes, Words::read(dictionary.written()).expect("words"))
    }

    /// Whatever the bytes say, nothing of it may panic or run without end.
    fn ask(bytes: &[u8], words: &Words) {
        let Ok(posting) = Posting::read(bytes, words) else { return };
        for version in ["1.0.0", "2", "not one"] {
            for (record, _) in posting.judge(version) {
                let _ = posting.affected(record);
            }
        }
        posting.all().for_each(drop);
    }

    #[test]
    fn a_posting_has_every_part_of_every_record() {
        let (bytes, words) = posting();
        let posting = Posting::read(&bytes, &words).expect("it is as it was written");
        let records: Vec<u32> = posting.judge("1.0.5").into_iter().map(|(record, _)| record).collect();
        assert_eq!((records, posting.all().count()), (vec![3, 9, 11], 3));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_posting_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            ask(&bytes, &posting().1);
        }

        #[test]
        fn a_posting_with_bytes_changed_is_read_or_refused(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
            let (mut bytes, words) = posting();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            ask(&bytes, &words);
        }
    }
}
