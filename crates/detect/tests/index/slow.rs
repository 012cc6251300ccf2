//! Straight from the OSV schema, section "Evaluation": `IsVulnerable`, `IncludedInVersions`, `IncludedInRanges`,
//! `BeforeLimits`, over JSON, sorting nothing and remembering nothing. Only the order of two versions is borrowed.

use std::cmp::Ordering;

use patchline_inventory::name::normal;
use patchline_inventory::version::Scheme;
use patchline_model::package::{Ecosystem, Package};
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    Yes,
    No,
    /// A version or a kind of range that nobody can read, where no other part says yes.
    Unknown,
}

pub fn parts(record: &Value) -> impl Iterator<Item = &Value> {
    list(&record["affected"])
}

/// The record's id and aliases.
pub fn names(record: &Value) -> impl Iterator<Item = &str> {
    list(&record["aliases"]).chain([&record["id"]]).filter_map(Value::as_str)
}

/// Ecosystem and normal name.
pub fn package(part: &Value) -> Option<(String, String)> {
    let ecosystem = part["package"]["ecosystem"].as_str()?;
    let name = part["package"]["name"].as_str()?;
    let known = Ecosystem(ecosystem.to_owned());
    Scheme::of(&known)?;
    Some((ecosystem.to_owned(), normal(&known, name).into_owned()))
}

/// Every version that the part names anywhere.
pub fn versions(part: &Value) -> Vec<String> {
    let listed = list(&part["versions"]).filter_map(Value::as_str).map(str::to_owned);
    let ranges = list(&part["ranges"]).filter(|range| range["type"] != "GIT");
    listed.chain(ranges.flat_map(|range| list(&range["events"])).map(|event| event_of(event).1)).collect()
}

pub fn affects(record: &Value, package: &Package) -> Slow {
    if record["withdrawn"].is_string() {
        return Slow::No;
    }
    let name = normal(&package.ecosystem, &package.name).into_owned();
    let named = (package.ecosystem.0.clone(), name);
    let parts = parts(record).filter(|part| self::package(part).as_ref() == Some(&named));
    any(parts.map(|part| match is_listed(part, package) {
        true => Slow::Yes,
        false => any(list(&part["ranges"]).map(|range| in_range(range, package))),
    }))
}

fn is_listed(part: &Value, package: &Package) -> bool {
    list(&part["versions"]).filter_map(Value::as_str).any(|listed| match package.ecosystem.0.as_str() {
        "PyPI" => {
            listed == package.version || compare(package, listed, &package.version) == Some(Ordering::Equal)
        }
        _ => listed == package.version,
    })
}

fn in_range(range: &Value, package: &Package) -> Slow {
    let version = &package.version;
    match range["type"].as_str() {
        Some("GIT") => return Slow::No,
        Some("SEMVER" | "ECOSYSTEM") => {}
        _ => return Slow::Unknown,
    }
    let events: Vec<(String, String)> = list(&range["events"]).map(event_of).collect();
    let outside = |kind: &str, at: &str| (kind, at) == ("introduced", "0") || (kind, at) == ("limit", "*");
    let readable = |text: &str| compare(package, text, text).is_some();
    if !readable(version) || events.iter().any(|(kind, at)| !outside(kind, at) && !readable(at)) {
        return Slow::Unknown;
    }
    let order = |at: &str| compare(package, at, version).expect("both can be read");
    let limits: Vec<&String> = events.iter().filter(|(kind, _)| kind == "limit").map(|(_, at)| at).collect();
    if !limits.is_empty() && !limits.iter().any(|limit| *limit == "*" || order(limit).is_gt()) {
        return Slow::No;
    }
    // The state after the last event that the version has come to; of several at one version the last that is named.
    let mut last: Option<(&str, bool)> = None;
    for (kind, at) in &events {
        let starts = kind == "introduced" && at == "0";
        let reached = match kind.as_str() {
            "introduced" | "fixed" => starts || order(at).is_le(),
            "last_affected" => order(at).is_lt(),
            _ => false,
        };
        let later = match last {
            None => true,
            Some(("", _)) => true,
            Some((before, _)) => !starts && compare(package, before, at).is_some_and(Ordering::is_le),
        };
        if reached && later {
            last = Some((if starts { "" } else { at }, kind == "introduced"));
        }
    }
    match last {
        Some((_, true)) => Slow::Yes,
        Some((_, false)) | None => Slow::No,
    }
}

fn any(answers: impl Iterator<Item = Slow>) -> Slow {
    let answers: Vec<Slow> = answers.collect();
    let has = |answer: Slow| answers.contains(&answer);
    if has(Slow::Yes) {
        Slow::Yes
    } else if has(Slow::Unknown) {
        Slow::Unknown
    } else {
        Slow::No
    }
}

fn event_of(event: &Value) -> (String, String) {
    let (kind, at) = event.as_object().and_then(|event| event.iter().next()).expect("one key an event");
    (kind.clone(), at.as_str().expect("a version").to_owned())
}

fn compare(package: &Package, left: &str, right: &str) -> Option<Ordering> {
    let scheme = Scheme::of(&package.ecosystem)?;
    Some(scheme.parse(left)?.cmp(&scheme.parse(right)?))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
