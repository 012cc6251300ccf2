//! OSV records (schema 1.7, <https://ossf.github.io/osv-schema/>): what matching and reporting need of them.

use patchline_model::package::Ecosystem;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use thiserror::Error;

/// A record with more bytes is refused; the largest seen in public data has a few hundred thousand.
pub const LARGEST_RECORD: usize = 4 << 20;

const LONGEST_ID: usize = 128;
const LONGEST_SUMMARY: usize = 400;

/// One advisory. It is written as it is read, as OSV without the parts that Patchline does not use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub id: String,
    pub modified: Moment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Moment>,
    /// Once set, the record is never reported again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Moment>,
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub summary: String,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    details: String,
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub severity: Vec<Severity>,
    #[serde(default, deserialize_with = "or_empty")]
    pub affected: Vec<Affected>,
}

/// A package that the record speaks of, with the versions. The same package may appear more than once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// None where only commits are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Named>,
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Range>,
    /// Versions to the letter.
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub severity: Vec<Severity>,
    #[serde(default, skip_serializing_if = "DatabaseSpecific::is_empty")]
    pub database_specific: DatabaseSpecific,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Named {
    pub ecosystem: Ecosystem,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    #[serde(rename = "type")]
    pub kind: RangeKind,
    #[serde(default, deserialize_with = "or_empty")]
    pub events: Vec<Event>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RangeKind {
    #[serde(rename = "SEMVER")]
    SemVer,
    #[serde(rename = "ECOSYSTEM")]
    Ecosystem,
    #[serde(rename = "GIT")]
    Git,
    /// A kind that a later schema brought.
    #[serde(untagged)]
    Other(String),
}

/// What happens to the package at a version. One key an event, as the schema asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Introduced(String),
    Fixed(String),
    LastAffected(String),
    Limit(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Severity {
    #[serde(rename = "type")]
    pub kind: String,
    pub score: String,
}

/// What the database adds in its own words; RustSec says here that a record is no vulnerability.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DatabaseSpecific {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub informational: Option<String>,
}

/// A point in time as OSV writes it, in UTC, in a form that sorts: no `Z`, no trailing zeros.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment(String);

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

impl Record {
    /// Reads one record and leaves out what is not used.
    pub fn parse(json: &[u8]) -> Result<Self, NotARecord> {
        if json.len() > LARGEST_RECORD {
            return Err(NotARecord::TooLarge);
        }
        let mut record: Self = serde_json::from_slice(json).map_err(NotARecord::Json)?;
        if !is_id(&record.id) {
            return Err(NotARecord::Content(format!("its id is {:?}", shorten(&record.id, LONGEST_ID))));
        }
        // What is no id can't be another record's id, and so joins nothing.
        record.aliases.retain(|alias| is_id(alias));
        let text =
            if record.summary.trim().is_empty() { first_line(&record.details) } else { &record.summary };
        record.summary = shorten(text, LONGEST_SUMMARY);
        record.details.clear();
        Ok(record)
    }

    /// The parts that speak of this package.
    pub fn of<'a>(&'a self, ecosystem: &'a Ecosystem, name: &'a str) -> impl Iterator<Item = &'a Affected> {
        self.affected.iter().filter(move |affected| {
            affected.package.as_ref().is_some_and(|named| named.ecosystem == *ecosystem && named.name == name)
        })
    }
}

impl DatabaseSpecific {
    fn is_empty(&self) -> bool {
        self.informational.is_none()
    }
}

impl<'de> Deserialize<'de> for DatabaseSpecific {
    /// Takes anything: each database writes here what it likes.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let informational = value.get("informational").and_then(Value::as_str);
        Ok(Self {
            informational: informational.map(|text| shorten(text, 40)).filter(|text| !text.is_empty()),
        })
    }
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{}` is not a time like `2024-01-31T12:00:00Z`", shorten(&text, 40));
        let bare = text.strip_suffix('Z').ok_or_else(wrong)?;
        let (seconds, fraction) =
            bare.split_once('.').map_or((bare, None), |(head, tail)| (head, Some(tail)));
        let shape = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
        if !seconds.bytes().map(shape).eq(*b"0000-00-00T00:00:00") {
            return Err(wrong());
        }
        let Some(fraction) = fraction else { return Ok(Self(seconds.to_owned())) };
        if fraction.is_empty() || fraction.len() > 12 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let significant = fraction.trim_end_matches('0');
        Ok(Self(if significant.is_empty() { seconds.to_owned() } else { format!("{seconds}.{significant}") }))
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        format!("{}Z", moment.0)
    }
}

/// Ids go into finding ids, messages and links, so they are plain.
fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:+".contains(&byte);
    !text.is_empty() && text.len() <= LONGEST_ID && text.bytes().all(plain)
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
