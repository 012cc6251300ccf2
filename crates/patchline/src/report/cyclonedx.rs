//! CycloneDX 1.6 as JSON (<https://cyclonedx.org/docs/1.6/json/>): every package, who needs whom, and the findings as
//! vulnerabilities. It has neither time nor serial number, so the same scan gives the same bytes.

use std::collections::BTreeSet;

use patchline_inventory::Installed;
use patchline_inventory::bill::{Bill, Part};
use patchline_inventory::detector::Scope;
use patchline_model::analyzer::Level;
use patchline_model::stage::detect::Finding;
use patchline_model::triage::cvss::score;
use serde_json::{Value, json};

use crate::report::problems::problems;
use crate::report::scanned::{Row, Scanned};
use crate::report::words::{grouped, place, plain};

/// The reference of what was scanned as a whole.
const WHOLE: &str = "scanned";

pub fn text(scanned: &Scanned) -> String {
    let bill = Bill::of(&scanned.inventory);
    let components: Vec<Value> = bill.parts.iter().map(component).collect();
    let problems = problems(scanned, &bill);
    let vulnerabilities = problems.iter().map(|(id, rows)| vulnerability(id, rows, &bill));
    let vulnerabilities: Vec<Value> =
        vulnerabilities.chain(scanned.rows.iter().filter_map(weakness)).collect();
    let lacks = grouped(&scanned.unresolved);
    let lacks: Vec<Value> = lacks.iter().map(|line| property("patchline:unresolved", line)).collect();
    // Whether the lockfiles tell of everything nobody knows; what they tell of too little is known.
    let aggregate = if lacks.is_empty() { "unknown" } else { "incomplete" };
    let purl = format!("pkg:generic/{}", patchline_model::purl::percent_encoded(&scanned.name));
    let bom = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "tools": { "components": [
                { "type": "application", "name": "patchline", "version": env!("CARGO_PKG_VERSION") }
            ]},
            "component": { "type": "application", "bom-ref": WHOLE, "name": scanned.name, "purl": purl },
            "properties": lacks,
        },
        "components": components,
        "dependencies": dependencies(&bill),
        "compositions": [{ "aggregate": aggregate, "assemblies": [WHOLE] }],
        "vulnerabilities": vulnerabilities,
    });
    format!("{bom:#}")
}

fn component(part: &Part<'_>) -> Value {
    let scope = match part.scope {
        Scope::Normal | Scope::Peer => "required",
        Scope::Optional => "optional",
        Scope::Build | Scope::Test | Scope::Dev => "excluded",
    };
    let occurrences: Vec<Value> = part.places.iter().map(|one| occurrence(one)).collect();
    let mut component = json!({
        "type": "library",
        "bom-ref": part.purl,
        "name": part.package.name,
        "version": part.package.version,
        "purl": part.purl,
        "scope": scope,
        "evidence": { "occurrences": occurrences },
        "properties": [
            property("patchline:ecosystem", &part.package.ecosystem.0),
            property("patchline:relation", &word(part.relation)),
            property("patchline:scope", &word(part.scope)),
        ],
    });
    if let Some(sum) = part.sha256() {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
    }
    component
}

fn occurrence(one: &Installed) -> Value {
    match one.location.line {
        Some(line) => json!({ "location": one.location.path, "line": line }),
        None => json!({ "location": one.location.path }),
    }
}

fn dependencies(bill: &Bill<'_>) -> Vec<Value> {
    let purls = |needs: &BTreeSet<usize>| -> Vec<&str> {
        needs.iter().map(|need| bill.parts[*need].purl.as_str()).collect()
    };
    let whole = json!({ "ref": WHOLE, "dependsOn": purls(&bill.needed) });
    let parts = bill.parts.iter().filter(|part| !part.needs.is_empty());
    let parts = parts.map(|part| json!({ "ref": part.purl, "dependsOn": purls(&part.needs) }));
    [whole].into_iter().chain(parts).collect()
}

fn vulnerability(id: &str, rows: &[(&Row, usize)], bill: &Bill<'_>) -> Value {
    let findings = || rows.iter().map(|(row, _)| &row.finding);
    let aliases: BTreeSet<&String> = findings().flat_map(|finding| &finding.aliases).collect();
    let vectors: BTreeSet<&String> = findings().flat_map(|finding| &finding.severity).collect();
    let parts: BTreeSet<usize> = rows.iter().map(|(_, part)| *part).collect();
    let affects = parts.iter().map(|part| &bill.parts[*part]).map(|part| {
        let versions = json!([{ "version": part.package.version, "status": "affected" }]);
        json!({ "ref": part.purl, "versions": versions })
    });
    let remedies: BTreeSet<String> = findings().filter_map(remedy).collect();
    let actions: BTreeSet<&str> = rows.iter().map(|(row, _)| row.priority.action.words()).collect();
    let kinds: BTreeSet<&String> = findings().filter_map(|finding| finding.informational.as_ref()).collect();
    let mut properties: Vec<Value> =
        actions.into_iter().map(|action| property("patchline:action", action)).collect();
    properties.extend(kinds.into_iter().map(|kind| property("patchline:informational", kind)));
    let summary = findings().map(|finding| finding.summary.as_str()).find(|text| !text.is_empty());
    json!({
        "id": id,
        "references": aliases.into_iter().map(|alias| reference(alias)).collect::<Vec<Value>>(),
        "ratings": vectors.into_iter().map(|vector| rating(vector)).collect::<Vec<Value>>(),
        "description": plain(summary.unwrap_or(id)),
        "recommendation": remedies.into_iter().collect::<Vec<String>>().join(" "),
        "affects": affects.collect::<Vec<Value>>(),
        "properties": properties,
    })
}

/// What an analyzer finds is in what was scanned, and in no package of it.
fn weakness(row: &Row) -> Option<Value> {
    let Row { finding, priority, .. } = row;
    let analysis = finding.analysis()?;
    let rating = match analysis.severity_tenths {
        Some(tenths) => json!({ "score": f64::from(tenths) / 10.0, "method": "other" }),
        None => json!({ "severity": severity(analysis.level), "method": "other" }),
    };
    Some(json!({
        "id": finding.advisory,
        "source": { "name": analysis.tool },
        "ratings": [rating],
        "description": plain(&finding.summary),
        "affects": [{ "ref": WHOLE }],
        "properties": [
            property("patchline:place", &plain(&place(finding))),
            property("patchline:action", priority.action.words()),
        ],
    }))
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::Error => "high",
        Level::Warning => "medium",
        Level::Note => "low",
        Level::None => "info",
    }
}

fn remedy(finding: &Finding) -> Option<String> {
    let package = finding.package.as_ref()?;
    Some(match finding.fixed.first() {
        Some(version) => format!("Update {} {} to {version}.", package.name, package.version),
        None => format!("No fixed version of {} is published.", package.name),
    })
}

/// Another name, and whose it is by its first word.
fn reference(alias: &str) -> Value {
    let whose = alias.split('-').next().unwrap_or(alias);
    json!({ "id": alias, "source": { "name": whose } })
}

fn rating(vector: &str) -> Value {
    let methods =
        [("CVSS:3.0/", "CVSSv3"), ("CVSS:3.1/", "CVSSv31"), ("CVSS:4.0/", "CVSSv4"), ("AV:", "CVSSv2")];
    let method =
        methods.iter().find(|(start, _)| vector.starts_with(start)).map_or("other", |(_, method)| method);
    match score(vector) {
        Some(score) => {
            json!({ "score": score.value, "severity": score.rating, "method": method, "vector": vector })
        }
        None => json!({ "severity": "unknown", "method": method, "vector": vector }),
    }
}

fn property(name: &str, value: &str) -> Value {
    json!({ "name": name, "value": value })
}

/// As JSON spells it.
fn word(value: impl serde::Serialize) -> String {
    json!(value).as_str().unwrap_or_default().to_owned()
}
