//! OSV records (schema 1.7, <https://ossf.github.io/osv-schema/>): what matching and reporting need of them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::osv::text::Text;
use patchline_inventory::name::normal_in;

/// A record with more bytes is refused; the largest seen in public data has a few hundred thousand.
pub const LARGEST_RECORD: usize = 4 << 20;

const LONGEST_ID: usize = 128;
const LONGEST_SUMMARY: usize = 400;

/// One advisory, with texts borrowed from where it was read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Record<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    pub modified: Moment,
    /// Once set, the record is never reported again.
    #[serde(default)]
    pub withdrawn: Option<Moment>,
    #[serde(borrow, default, deserialize_with = "or_empty")]
    pub aliases: Vec<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub summary: Text<'a>,
    /// Unread, for most records have a summary.
    #[serde(borrow, default)]
    details: Option<Unread<'a>>,
    #[serde(borrow, default, deserialize_with = "or_empty")]
    pub severity: Vec<Severity<'a>>,
    #[serde(borrow, default, deserialize_with = "or_empty")]
    pub affected: Vec<Affected<'a>>,
}

/// A package that the record speaks of, with the versions. The same package may appear more than once.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Affected<'a> {
    /// None where only commits are named.
    #[serde(borrow, default)]
    pub package: Option<Named<'a>>,
    #[serde(borrow, default, deserialize_with = "or_empty")]
    pub ranges: Vec<Range<'a>>,
    /// Versions to the letter.
    #[serde(borrow, default, deserialize_with = "or_empty")]
    pub versions: Vec<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "or_empty")]
    pub severity: Vec<Severity<'a>>,
    #[serde(default)]
    pub database_specific: DatabaseSpecific,
}

/// A package by the one spelling of its name that all others meet in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct Named<'a> {
    #[serde(borrow)]
    pub ecosystem: Text<'a>,
    #[serde(borrow)]
    pub name: Text<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Range<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: RangeKind<'a>,
    #[serde(borrow, default, deserialize_with = "or_empty")]
    pub events: Vec<Event<'a>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeKind<'a> {
    /// `SEMVER` or `ECOSYSTEM`: in the order of the ecosystem's versions.
    Ordered,
    Git,
    /// A kind that a later schema brought.
    Other(Text<'a>),
}

/// What happens to the package at a version. One key an event, as the schema asks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event<'a> {
    #[serde(borrow)]
    Introduced(Text<'a>),
    #[serde(borrow)]
    Fixed(Text<'a>),
    #[serde(borrow)]
    LastAffected(Text<'a>),
    #[serde(borrow)]
    Limit(Text<'a>),
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Severity<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub score: Text<'a>,
}

/// What the database adds in its own words; RustSec says here that a record is no vulnerability.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseSpecific {
    pub informational: Option<String>,
}

/// A point in time as OSV writes it, in UTC: its digits as numbers, which sort as the times do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// `2024-01-31T12:00:00` is 20240131120000.
    second: u64,
    /// Billionths of a thousandth of a second.
    fraction: u64,
}

/// JSON that is read when it is needed.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
struct Unread<'a>(#[serde(borrow)] &'a RawValue);

impl PartialEq for Unread<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Eq for Unread<'_> {}

/// Why something is no OSV record.
#[derive(Debug, Error)]
pub enum NotARecord {
    #[error("it is not an OSV record")]
    Json(#[source] serde_json::Error),
    #[error("it is not an OSV record: {0}")]
    Content(String),
    #[error("it has more than {LARGEST_RECORD} bytes")]
    TooLarge,
}

impl<'a> Record<'a> {
    /// Reads one record and leaves out what is not used.
    pub fn parse(json: &'a [u8]) -> Result<Self, NotARecord> {
        if json.len() > LARGEST_RECORD {
            return Err(NotARecord::TooLarge);
        }
        let mut record: Self = serde_json::from_slice(json).map_err(NotARecord::Json)?;
        if !is_id(&record.id) {
            return Err(NotARecord::Content(format!("its id is {:?}", shorten(&record.id, LONGEST_ID))));
        }
        // What is no id can't be another record's id, and so joins nothing.
        record.aliases.retain(|alias| is_id(alias));
        let details = record.details.take();
        if record.summary.trim().is_empty() {
            let details: Text<'_> = match details {
                Some(unread) => or_default(unread.0).map_err(NotARecord::Json)?,
                None => Text::default(),
            };
            record.summary = shorten(first_line(&details), LONGEST_SUMMARY).into();
        } else if record.summary.len() > LONGEST_SUMMARY || !is_one_line(&record.summary) {
            record.summary = shorten(&record.summary, LONGEST_SUMMARY).into();
        }
        for named in record.affected.iter_mut().filter_map(|part| part.package.as_mut()) {
            if let Cow::Owned(name) = normal_in(&named.ecosystem, &named.name) {
                named.name = name.into();
            }
        }
        Ok(record)
    }

    /// A record that says this of itself and as yet of no package.
    pub fn of_parts(
        id: Text<'a>,
        modified: Moment,
        withdrawn: Option<Moment>,
        aliases: Vec<Text<'a>>,
        summary: Text<'a>,
        severity: Vec<Severity<'a>>,
    ) -> Self {
        Self { id, modified, withdrawn, aliases, summary, details: None, severity, affected: Vec::new() }
    }

    /// The parts that speak of this package, by its normal name.
    pub fn of<'b>(&'b self, ecosystem: &'b str, name: &'b str) -> impl Iterator<Item = &'b Affected<'a>> {
        self.affected.iter().filter(move |affected| {
            affected
                .package
                .as_ref()
                .is_some_and(|named| *named.ecosystem == *ecosystem && *named.name == *name)
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RangeKind<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(Self::from)
    }
}

impl<'a> From<Text<'a>> for RangeKind<'a> {
    fn from(text: Text<'a>) -> Self {
        match &*text {
            "SEMVER" | "ECOSYSTEM" => RangeKind::Ordered,
            "GIT" => RangeKind::Git,
            _ => RangeKind::Other(text),
        }
    }
}

impl<'de> Deserialize<'de> for DatabaseSpecific {
    /// Takes anything: each database writes here what it likes.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

/// Looks for `informational` in an object, and takes everything else for nothing.
struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = DatabaseSpecific;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = DatabaseSpecific::default();
        while let Some(key) = map.next_key::<Text<'_>>()? {
            if &*key == "informational" {
                let value: Value = map.next_value()?;
                let text = value.as_str().map(|text| shorten(text, 40));
                found.informational = text.filter(|text| !text.is_empty());
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(DatabaseSpecific::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(DatabaseSpecific::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(DatabaseSpecific::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(DatabaseSpecific::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(DatabaseSpecific::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(DatabaseSpecific::default())
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(DatabaseSpecific::default())
    }
}

impl Moment {
    /// The day, as in `2024-01-31`.
    pub fn day(self) -> String {
        let day = self.second / 1_000_000;
        format!("{:04}-{:02}-{:02}", day / 10_000, day / 100 % 100, day % 100)
    }

    /// The digits up to the second, and those of the fraction.
    pub fn numbers(self) -> (u64, u64) {
        (self.second, self.fraction)
    }

    /// What `numbers` gave.
    pub fn of_numbers(second: u64, fraction: u64) -> Option<Self> {
        (second < 100_000_000_000_000 && fraction < 10_u64.pow(FRACTION as u32))
            .then_some(Self { second, fraction })
    }

    /// Whether it says anything: some databases write the year 1 where they know no time.
    pub fn is_known(self) -> bool {
        self.second >= 1970 * 10_000_000_000
    }
}

/// As `2024-01-31T12:00:00.5`: no `Z`, no zeros at the end.
impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.second % 1_000_000;
        write!(formatter, "{}T{:02}:{:02}:{:02}", self.day(), time / 10_000, time / 100 % 100, time % 100)?;
        match self.fraction {
            0 => Ok(()),
            fraction => {
                let digits = format!("{fraction:0width$}", width = FRACTION);
                write!(formatter, ".{}", digits.trim_end_matches('0'))
            }
        }
    }
}

impl From<Moment> for String {
    /// As OSV writes it.
    fn from(moment: Moment) -> Self {
        format!("{moment}Z")
    }
}

/// Digits of a fraction.
const FRACTION: usize = 12;

impl TryFrom<&str> for Moment {
    type Error = String;

    fn try_from(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is not a time like `2024-01-31T12:00:00Z`", shorten(text, 40));
        let bare = text.strip_suffix('Z').ok_or_else(wrong)?;
        let (seconds, fraction) = bare.split_once('.').unwrap_or((bare, "0"));
        let mut second = 0;
        let shape = b"0000-00-00T00:00:00";
        if seconds.len() != shape.len() || fraction.is_empty() || fraction.len() > FRACTION {
            return Err(wrong());
        }
        for (byte, shape) in seconds.bytes().zip(shape) {
            match (byte, shape) {
                (b'0'..=b'9', b'0') => second = second * 10 + u64::from(byte - b'0'),
                (byte, shape) if byte == *shape => {}
                _ => return Err(wrong()),
            }
        }
        let digits: u64 = match fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            true => fraction.parse().map_err(|_| wrong())?,
            false => return Err(wrong()),
        };
        Ok(Self { second, fraction: digits * 10_u64.pow((FRACTION - fraction.len()) as u32) })
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        Moment::try_from(&*text).map_err(serde::de::Error::custom)
    }
}

/// Ids go into finding ids, messages and links, so they are plain.
pub fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:+".contains(&byte);
    !text.is_empty() && text.len() <= LONGEST_ID && text.bytes().all(plain)
}

/// Whether `shorten` would leave a short text as it is; only of plain ones that is seen at a glance.
fn is_one_line(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..0x7f).contains(&byte)) && text.trim() == text && !text.contains("  ")
}

fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("")
}

/// On one line, without control characters, and not longer than this many characters.
fn shorten(text: &str, longest: usize) -> String {
    let mut short = String::new();
    for word in text.split(|character: char| character.is_whitespace() || character.is_control()) {
        if short.len() > longest * 4 {
            break;
        }
        if !word.is_empty() {
            short.push_str(if short.is_empty() { "" } else { " " });
            short.extend(word.chars().take(longest));
        }
    }
    if short.chars().count() <= longest {
        return short;
    }
    short.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
}

/// Databases write `null` for an empty list.
fn or_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    or_default(deserializer)
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
