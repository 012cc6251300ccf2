//! SARIF 2.1.0 (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/>), as code scanning takes it: a rule for each advisory, a
//! result for each place, fingerprints that stay when lines move.

use std::collections::BTreeMap;

use patchline_inventory::detector::{Relation, Scope};
use patchline_model::digest::Digest;
use patchline_model::purl::percent_encoded;
use serde_json::{Value, json};

use crate::report::markdown::escaped;
use crate::report::scanned::{Row, Scanned, below};
use crate::report::words::{grouped, plain, remedy, use_words};

/// The base of every address in the report: the top of the repository, or the folder that was scanned.
const BASE: &str = "SRCROOT";

/// What viewers show as a title.
const LONGEST_TITLE: usize = 255;

pub fn text(scanned: &Scanned) -> String {
    let mut advisories: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in &scanned.rows {
        advisories.entry(&row.finding.advisory).or_default().push(row);
    }
    let rules: Vec<Value> = advisories.values().map(|rows| rule(rows)).collect();
    let index: BTreeMap<&str, usize> = advisories.keys().enumerate().map(|(at, name)| (*name, at)).collect();
    let results = scanned.rows.iter().map(|row| result(row, index[row.finding.advisory.as_str()], scanned));
    let notices = grouped(&scanned.unresolved);
    let notices: Vec<Value> =
        notices.iter().map(|line| json!({ "level": "warning", "message": { "text": line } })).collect();
    let report = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "Patchline",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": { BASE: { "description": { "text": "The top of the repository, or the folder that was scanned." } } },
            "invocations": [{ "executionSuccessful": true, "toolExecutionNotifications": notices }],
            "results": results.collect::<Vec<Value>>(),
        }],
    });
    format!("{report:#}")
}

/// What all findings of one advisory share.
fn rule(rows: &[&Row]) -> Value {
    let finding = &rows[0].finding;
    let title = if finding.summary.is_empty() { &finding.advisory } else { &finding.summary };
    let title: String = plain(title).chars().take(LONGEST_TITLE).collect();
    let scores = rows.iter().filter_map(|row| row.priority.score.as_ref());
    let worst = scores.max_by(|left, right| left.value.total_cmp(&right.value));
    let mut properties = json!({ "tags": ["security", "vulnerability"], "precision": "very-high" });
    let analyses = rows.iter().filter_map(|row| row.finding.analysis());
    match (&finding.informational, worst) {
        _ if finding.analysis().is_some() => {
            properties = json!({ "tags": ["analyzer"] });
            if let Some(worst) = analyses.max_by_key(|analysis| analysis.severity_tenths) {
                properties["security-severity"] = json!(worst.severity());
            }
        }
        (None, Some(score)) => properties["security-severity"] = json!(format!("{:.1}", score.value)),
        (Some(kind), _) => properties["tags"] = json!(["security", kind]),
        (None, None) => {}
    }
    let mut paragraphs = vec![format!("{}: {title}", finding.advisory)];
    if !finding.aliases.is_empty() {
        paragraphs.push(format!("Also known as {}.", finding.aliases.join(", ")));
    }
    let mut remedies: Vec<String> = rows.iter().map(|row| for_package(row)).collect();
    remedies.sort();
    remedies.dedup();
    paragraphs.extend(remedies);
    let marked: Vec<String> = paragraphs.iter().map(|text| escaped(text)).collect();
    json!({
        "id": finding.advisory,
        "shortDescription": { "text": title },
        "fullDescription": { "text": title },
        "help": { "text": paragraphs.join("\n\n"), "markdown": marked.join("\n\n") },
        "defaultConfiguration": { "level": level(rows[0]) },
        "properties": properties,
    })
}

fn for_package(row: &Row) -> String {
    let package = row.finding.package.as_ref().map(|package| format!("{package}: ")).unwrap_or_default();
    format!("{package}{}.", remedy(&row.finding))
}

fn result(row: &Row, rule: usize, scanned: &Scanned) -> Value {
    let Row { finding, priority, used } = row;
    let package = finding.package.as_ref();
    let named = package.map(|package| format!("{package} of {}", package.ecosystem)).unwrap_or_default();
    let how = used.map(|used| format!(" ({})", use_words(used))).unwrap_or_default();
    let way = finding.paths.first().filter(|way| way.len() > 1);
    let way = way.map(|way| format!(" It comes in by {}.", way.join(" → "))).unwrap_or_default();
    let message = match finding.analysis() {
        Some(analysis) => format!("{}: {}", analysis.tool, finding.summary),
        None => format!("{named}{how}: {}. {}; {}.{way}", finding.advisory, finding.summary, remedy(finding)),
    };
    let path = below(&scanned.within, &finding.location.path);
    let uri: Vec<String> = path.split('/').map(percent_encoded).collect();
    // A first part with a colon would be a scheme.
    let uri = uri.join("/").replace(':', "%3A");
    let print = fingerprint(row, &path);
    json!({
        "ruleId": finding.advisory,
        "ruleIndex": rule,
        "level": level(row),
        "message": { "text": plain(&message) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri, "uriBaseId": BASE },
            "region": region(row),
        }}],
        "partialFingerprints": { "primaryLocationLineHash": format!("{print}:1"), "patchline/v1": print },
        "properties": {
            "purl": package.map(|package| package.purl()),
            "relation": used.map(|(relation, _): (Relation, Scope)| relation),
            "scope": used.map(|(_, scope)| scope),
            "paths": finding.paths,
            "fixed": finding.fixed,
            "action": priority.action,
            "tool": finding.analysis().map(|analysis| &analysis.tool),
        },
    })
}

fn region(row: &Row) -> Value {
    match row.finding.analysis().and_then(|analysis| analysis.region) {
        Some(region) => json!({
            "startLine": region.line, "startColumn": region.column,
            "endLine": region.end_line, "endColumn": region.end_column,
        }),
        None => json!({ "startLine": row.finding.location.line.unwrap_or(1).max(1) }),
    }
}

/// Who it is, wherever in the file it stands.
fn fingerprint(row: &Row, path: &str) -> String {
    let finding = &row.finding;
    let package =
        finding.package.as_ref().map(|package| (&package.ecosystem.0, &package.name, &package.version));
    let identity = match finding.analysis() {
        // Its place in the tree is part of the path; the number of those that are alike is at the end of the id.
        Some(analysis) => {
            let number = finding.id.0.rsplit_once('#').map(|(_, number)| number);
            json!([analysis.tool, analysis.rule, path, analysis.print, number]).to_string()
        }
        None => json!([finding.advisory, package, path]).to_string(),
    };
    Digest::of(identity.as_bytes()).hex().chars().take(16).collect()
}

/// The level by the score; a missing score is not a low one.
fn level(row: &Row) -> &'static str {
    if let Some(analysis) = row.finding.analysis() {
        return analysis.level.word();
    }
    match (&row.finding.informational, row.priority.score.as_ref().map(|score| score.value)) {
        (Some(_), _) => "note",
        (None, Some(value)) if value >= 7.0 => "error",
        (None, Some(value)) if value >= 4.0 => "warning",
        (None, Some(_)) => "note",
        (None, None) => "warning",
    }
}
