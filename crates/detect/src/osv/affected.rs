//! Does this record affect this version? Evaluation as in the OSV schema, section "Evaluation".

use std::cmp::Ordering;

use patchline_model::package::Package;

use crate::osv::record::{Affected, Event, Range, RangeKind, Record, Severity};
use patchline_inventory::name::normal;
use patchline_inventory::version::{Scheme, Version};

/// More fixed versions of one record are not looked at; the record with the most in public data has 23.
const MOST_FIXES: usize = 100;

/// What one record says of one installed version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Affected(Details),
    Unaffected,
    /// A version that cannot be read stands in the way; the text says which.
    Unknown(String),
}

/// What the parts of the record that hit say besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Versions that fix, above the installed one, lowest first. Another range of the record may still hold them.
    pub fixed: Vec<String>,
    /// CVSS vectors.
    pub severity: Vec<String>,
    /// Set only when no part that hits is a vulnerability.
    pub informational: Option<String>,
}

/// A part's answer.
enum Part<'a> {
    /// With the ranges in which a fix for this version is to be looked for.
    Hit(Vec<&'a Range<'a>>),
    Miss,
    Unknown(String),
}

/// A version in an event. `introduced: "0"` stands before every version, `limit: "*"` behind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bound<'a> {
    Start,
    At(Version<'a>),
    End,
}

/// Whether the record affects the package at its version.
///
/// One part that hits is enough. An unreadable version in another part then does no harm; otherwise the answer is
/// unknown. A withdrawn record affects nothing.
pub fn judge(record: &Record<'_>, package: &Package) -> Verdict {
    if record.withdrawn.is_some() {
        return Verdict::Unaffected;
    }
    let name = normal(&package.ecosystem, &package.name);
    let mut hits: Vec<(&Affected<'_>, Vec<&Range<'_>>)> = Vec::new();
    let mut unknown = None;
    for part in record.of(&package.ecosystem.0, &name) {
        match judge_part(part, package) {
            Part::Hit(ranges) => hits.push((part, ranges)),
            Part::Miss => {}
            Part::Unknown(what) => unknown = unknown.or(Some(what)),
        }
    }
    match (hits.is_empty(), unknown) {
        (false, _) => Verdict::Affected(details(record, package, &hits)),
        (true, Some(what)) => Verdict::Unknown(what),
        (true, None) => Verdict::Unaffected,
    }
}

fn judge_part<'a>(part: &'a Affected<'a>, package: &Package) -> Part<'a> {
    let Some(scheme) = Scheme::of(&package.ecosystem) else {
        return Part::Unknown(format!("the versions of {} have no order here", package.ecosystem));
    };
    let listed = lists(part, scheme, &package.version);
    let mut covering = Vec::new();
    let mut unknown = None;
    for range in part.ranges.iter().filter(|range| range.kind != RangeKind::Git) {
        match covers(range, scheme, &package.version) {
            Ok(true) => covering.push(range),
            Ok(false) => {}
            Err(what) => unknown = unknown.or(Some(what)),
        }
    }
    match (listed || !covering.is_empty(), unknown) {
        (true, _) if covering.is_empty() => Part::Hit(part.ranges.iter().collect()),
        (true, _) => Part::Hit(covering),
        (false, Some(what)) => Part::Unknown(what),
        (false, None) => Part::Miss,
    }
}

/// Whether the version is one of those that are listed: to the letter, and in Python, where one version has many
/// spellings, by what it is.
fn lists(part: &Affected<'_>, scheme: Scheme, version: &str) -> bool {
    let same = |text: &str| {
        text == version
            || scheme == Scheme::Python && scheme.compare(text, version).is_some_and(Ordering::is_eq)
    };
    part.versions.iter().any(|text| same(text))
}

/// Whether the version lies in the range; an error says which version cannot be read.
fn covers(range: &Range<'_>, scheme: Scheme, version: &str) -> Result<bool, String> {
    if let RangeKind::Other(kind) = &range.kind {
        return Err(unknown_kind(kind));
    }
    let version = read(scheme, version)?;
    let mut limits = Vec::new();
    let mut events = Vec::new();
    for event in &range.events {
        match event {
            Event::Limit(text) if &**text == "*" => limits.push(Bound::End),
            Event::Limit(text) => limits.push(read(scheme, text)?),
            Event::Introduced(text) if &**text == "0" => events.push((Bound::Start, event)),
            Event::Introduced(text) | Event::Fixed(text) | Event::LastAffected(text) => {
                events.push((read(scheme, text)?, event));
            }
        }
    }
    if !limits.is_empty() && !limits.iter().any(|limit| version < *limit) {
        return Ok(false);
    }
    // The sort is stable: events at the same version keep the order in which the record names them.
    events.sort_by(|(left, _), (right, _)| left.cmp(right));
    let mut vulnerable = false;
    for (bound, event) in events {
        match event {
            Event::Introduced(_) if bound <= version => vulnerable = true,
            Event::Fixed(_) if bound <= version => vulnerable = false,
            Event::LastAffected(_) if bound < version => vulnerable = false,
            Event::Introduced(_) | Event::Fixed(_) | Event::LastAffected(_) | Event::Limit(_) => {}
        }
    }
    Ok(vulnerable)
}

fn read(scheme: Scheme, text: &str) -> Result<Bound<'_>, String> {
    scheme.parse(text).map(Bound::At).ok_or_else(|| no_version(text))
}

/// Why a range has no answer.
pub fn unknown_kind(kind: &str) -> String {
    let shown: String = kind.chars().take(60).collect();
    format!("a range of the kind {shown:?} is not known here")
}

/// Why a version has no place.
pub fn no_version(text: &str) -> String {
    let shown: String = text.chars().take(60).collect();
    format!("{shown:?} is not a version")
}

fn details(record: &Record<'_>, package: &Package, hits: &[(&Affected<'_>, Vec<&Range<'_>>)]) -> Details {
    let vectors = |list: &[Severity<'_>]| -> Vec<String> {
        list.iter()
            .filter(|entry| entry.kind.starts_with("CVSS_"))
            .map(|entry| entry.score.to_string())
            .collect()
    };
    let mut severity = vectors(&record.severity);
    for (part, _) in hits {
        severity.extend(vectors(&part.severity));
    }
    let mut seen = Vec::new();
    severity.retain(|vector| {
        !seen.contains(vector) && {
            seen.push(vector.clone());
            true
        }
    });
    let kinds: Option<Vec<&String>> =
        hits.iter().map(|(part, _)| part.database_specific.informational.as_ref()).collect();
    let informational = kinds.and_then(|kinds| kinds.first().map(|kind| (*kind).clone()));
    let ranges = hits.iter().flat_map(|(_, ranges)| ranges.iter().copied());
    Details { fixed: fixed_above(ranges, package), severity, informational }
}

/// The `fixed` versions above the installed one, lowest first, each once.
fn fixed_above<'a>(ranges: impl Iterator<Item = &'a Range<'a>>, package: &Package) -> Vec<String> {
    let Some(scheme) = Scheme::of(&package.ecosystem) else { return Vec::new() };
    let Some(installed) = scheme.parse(&package.version) else { return Vec::new() };
    let mut fixed: Vec<(Version<'_>, &str)> = Vec::new();
    for range in ranges.filter(|range| range.kind != RangeKind::Git) {
        for event in &range.events {
            let Event::Fixed(text) = event else { continue };
            fixed.extend(
                scheme.parse(text).filter(|version| *version > installed).map(|version| (version, &**text)),
            );
        }
    }
    fixed.sort();
    fixed.dedup_by(|(left, _), (right, _)| left == right);
    fixed.into_iter().take(MOST_FIXES).map(|(_, text)| text.to_string()).collect()
}
