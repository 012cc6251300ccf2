//! The face for scripts; `docs/scan.md` says what each field means.

use std::collections::BTreeMap;

use patchline_model::analyzer::Analysis;
use patchline_model::triage::action::Action;
use serde_json::{Value, json};

use crate::report::scanned::{Row, Scanned};
use crate::report::words::counted;

/// One object on one line.
pub fn text(scanned: &Scanned) -> String {
    let findings: Vec<Value> = scanned.rows.iter().map(finding).collect();
    json!({
        "findings": findings,
        "unresolved": scanned.unresolved,
        "summary": {
            "findings": scanned.rows.len(),
            "actions": actions(&scanned.rows),
            "packages": scanned.inventory.len(),
            "ecosystems": counted(&scanned.inventory),
            "unresolved": scanned.unresolved.len(),
            "advisories": scanned.advisories,
            "since": scanned.since,
        },
    })
    .to_string()
}

fn finding(row: &Row) -> Value {
    let Row { finding, priority, used } = row;
    json!({
        "id": finding.advisory,
        "aliases": finding.aliases,
        "summary": finding.summary,
        "package": finding.package,
        "source": { "path": finding.location.path, "line": finding.location.line },
        "relation": used.map(|(relation, _)| relation),
        "scope": used.map(|(_, scope)| scope),
        "paths": finding.paths,
        "fixed": finding.fixed,
        "severity": finding.severity,
        "informational": finding.informational,
        "analysis": finding.analysis().map(analysis),
        "priority": priority,
    })
}

/// What an analyzer said.
fn analysis(analysis: &Analysis) -> Value {
    json!({
        "tool": analysis.tool,
        "analyzer": analysis.analyzer,
        "rule": analysis.rule,
        "level": analysis.level,
        "security_severity": analysis.severity(),
        "region": analysis.region,
        "fingerprint": analysis.print,
        "has_fix": analysis.fix.is_some(),
    })
}

/// How many findings ask for which action.
fn actions(rows: &[Row]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::from([("act_now", 0), ("schedule", 0), ("watch", 0), ("not_affected", 0)]);
    for row in rows {
        let name = match row.priority.action {
            Action::ActNow => "act_now",
            Action::Schedule => "schedule",
            Action::Watch => "watch",
            Action::NotAffected => "not_affected",
        };
        *counts.entry(name).or_default() += 1;
    }
    counts
}
