//! The faces for scripts; `docs/scan.md` says what each field means.

use std::collections::BTreeMap;

use patchline_detect::AdvisoryStatus;
use patchline_inventory::Unresolved;
use patchline_inventory::detector::{Relation, Scope};
use patchline_model::analyzer::{Analysis, Level, Region};
use patchline_model::package::Package;
use patchline_model::stage::triage::Priority;
use patchline_model::triage::action::Action;
use serde::Serialize;

use crate::report::scanned::{Row, Scanned};
use crate::report::tally::Tally;

/// Bytes of a line, more or less.
const USUAL_LINE: usize = 1200;

/// One object on one line.
pub fn text(scanned: &Scanned) -> String {
    let tally = Tally::of(scanned);
    let summary = Summary::of(&tally, &scanned.advisories, scanned.since.as_deref());
    let findings = scanned.rows.iter().map(Told::of).collect();
    line(&Whole { findings, summary, unresolved: &scanned.unresolved })
}

/// One object on each line: a finding, or what could not be judged.
pub fn lines(scanned: &Scanned) -> Vec<u8> {
    let mut out = Vec::with_capacity((scanned.rows.len() + scanned.unresolved.len()) * USUAL_LINE);
    let findings = scanned.rows.iter().map(|row| Line::Finding(Told::of(row)));
    for one in findings.chain(scanned.unresolved.iter().map(Line::Unresolved)) {
        serde_json::to_writer(&mut out, &one).expect("every key is a text");
        out.push(b'\n');
    }
    out
}

/// What comes after all lines. Where it is missing, the scan did not end well.
pub fn last_line(tally: &Tally, advisories: &AdvisoryStatus, since: Option<&str>) -> String {
    line(&Line::Summary(Summary::of(tally, advisories, since)))
}

fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("every key is a text")
}

#[derive(Serialize)]
struct Whole<'a> {
    findings: Vec<Told<'a>>,
    summary: Summary<'a>,
    unresolved: &'a [Unresolved],
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    Finding(Told<'a>),
    Unresolved(&'a Unresolved),
    Summary(Summary<'a>),
}

#[derive(Serialize)]
struct Told<'a> {
    id: &'a str,
    aliases: &'a [String],
    summary: &'a str,
    package: &'a Option<Package>,
    source: Place<'a>,
    relation: Option<Relation>,
    scope: Option<Scope>,
    paths: &'a [Vec<String>],
    fixed: &'a [String],
    severity: &'a [String],
    informational: &'a Option<String>,
    analysis: Option<Analysed<'a>>,
    priority: &'a Priority,
}

/// What an analyzer said.
#[derive(Serialize)]
struct Analysed<'a> {
    tool: &'a str,
    analyzer: Option<&'a str>,
    rule: &'a str,
    level: Level,
    security_severity: Option<String>,
    region: Option<Region>,
    fingerprint: &'a str,
    has_fix: bool,
}

#[derive(Serialize)]
struct Place<'a> {
    path: &'a str,
    line: Option<u32>,
}

impl<'a> Told<'a> {
    fn of(row: &'a Row) -> Self {
        let Row { finding, priority, used } = row;
        Self {
            id: &finding.advisory,
            aliases: &finding.aliases,
            summary: &finding.summary,
            package: &finding.package,
            source: Place { path: &finding.location.path, line: finding.location.line },
            relation: used.map(|(relation, _)| relation),
            scope: used.map(|(_, scope)| scope),
            paths: &finding.paths,
            fixed: &finding.fixed,
            severity: &finding.severity,
            informational: &finding.informational,
            analysis: finding.analysis().map(Analysed::of),
            priority,
        }
    }
}

impl<'a> Analysed<'a> {
    fn of(analysis: &'a Analysis) -> Self {
        Self {
            tool: &analysis.tool,
            analyzer: analysis.analyzer.as_deref(),
            rule: &analysis.rule,
            level: analysis.level,
            security_severity: analysis.severity(),
            region: analysis.region,
            fingerprint: &analysis.print,
            has_fix: analysis.fix.is_some(),
        }
    }
}

#[derive(Serialize)]
struct Summary<'a> {
    findings: usize,
    actions: BTreeMap<&'static str, usize>,
    packages: usize,
    ecosystems: BTreeMap<&'a str, usize>,
    unresolved: usize,
    advisories: &'a AdvisoryStatus,
    since: Option<&'a str>,
}

impl<'a> Summary<'a> {
    fn of(tally: &'a Tally, advisories: &'a AdvisoryStatus, since: Option<&'a str>) -> Self {
        let all = [Action::ActNow, Action::Schedule, Action::Watch, Action::NotAffected];
        let count = |action: Action| (name(action), tally.actions.get(&action).copied().unwrap_or(0));
        Self {
            findings: tally.findings,
            actions: all.map(count).into(),
            packages: tally.packages,
            ecosystems: tally.ecosystems.iter().map(|(name, count)| (name.as_str(), *count)).collect(),
            unresolved: tally.unresolved,
            advisories,
            since,
        }
    }
}

fn name(action: Action) -> &'static str {
    match action {
        Action::ActNow => "act_now",
        Action::Schedule => "schedule",
        Action::Watch => "watch",
        Action::NotAffected => "not_affected",
    }
}
