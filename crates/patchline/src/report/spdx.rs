//! SPDX 2.3 as JSON (<https://spdx.github.io/spdx-spec/v2.3/>): every package with its package URL, who needs whom, and the
//! findings as references of the packages. The format demands a time and a name that no other document has.

use patchline_inventory::bill::{Bill, Part};
use patchline_inventory::detector::{Relation, Scope};
use patchline_model::digest::Digest;
use patchline_model::purl::percent_encoded;
use serde_json::{Value, json};

use crate::report::problems::problems as problems_of;
use crate::report::scanned::{Row, Scanned};
use crate::report::words::{self, grouped, plain, remedy};

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const WHOLE: &str = "SPDXRef-Scanned";

pub fn text(scanned: &Scanned) -> String {
    let bill = Bill::of(&scanned.inventory);
    let ids: Vec<String> = bill.parts.iter().map(|part| id(&part.purl)).collect();
    let mut problems: Vec<Vec<&Row>> = vec![Vec::new(); bill.parts.len()];
    for rows in problems_of(scanned, &bill).values() {
        for (row, part) in rows {
            // Of several places of a package one is enough: they differ in nothing that is told here.
            let is_new =
                problems[*part].last().is_none_or(|last| last.finding.advisory != row.finding.advisory);
            problems[*part].extend(is_new.then_some(*row));
        }
    }
    let whole = json!({
        "SPDXID": WHOLE,
        "name": scanned.name,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "externalRefs": [purl(&format!("pkg:generic/{}", percent_encoded(&scanned.name)))],
    });
    let parts = bill.parts.iter().zip(&ids).zip(&problems);
    let parts = parts.map(|((part, id), problems)| package(part, id, problems));
    let packages: Vec<Value> = [whole].into_iter().chain(parts).collect();
    let mut relationships = relationships(&bill, &ids);
    if !scanned.unresolved.is_empty() {
        // The format's way to say that there may be more.
        relationships.push(relation(WHOLE, "DEPENDS_ON", "NOASSERTION"));
    }
    // Seconds are as fine as the format takes.
    let created: String = scanned.at.to_string().chars().take(19).chain(['Z']).collect();
    let content = json!([packages, relationships, created]).to_string();
    let mut document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": scanned.name,
        "documentNamespace": format!("urn:patchline:scan:{}", Digest::of(content.as_bytes()).hex()),
        "creationInfo": {
            "created": created,
            "creators": [format!("Tool: patchline-{}", env!("CARGO_PKG_VERSION"))],
        },
        "packages": packages,
        "relationships": relationships,
    });
    let annotations: Vec<Value> = scanned.rows.iter().filter_map(|row| annotation(row, &created)).collect();
    if !annotations.is_empty() {
        document["annotations"] = json!(annotations);
    }
    let lacks = grouped(&scanned.unresolved);
    if !lacks.is_empty() {
        document["comment"] = json!(format!("What could not be judged:\n{}", lacks.join("\n")));
    }
    format!("{document:#}")
}

/// What an analyzer finds is about no package: the format has no other place for it.
fn annotation(row: &Row, created: &str) -> Option<Value> {
    let finding = &row.finding;
    let analysis = finding.analysis()?;
    let comment = format!(
        "{}: {} {} at {}: {}",
        row.priority.action.words(),
        analysis.tool,
        finding.advisory,
        words::place(finding),
        finding.summary
    );
    Some(json!({
        "annotationDate": created,
        "annotationType": "REVIEW",
        "annotator": format!("Tool: patchline-{}", env!("CARGO_PKG_VERSION")),
        "comment": plain(&comment),
    }))
}

/// What an identifier may be made of is less than what a package URL is made of.
fn id(purl: &str) -> String {
    format!("SPDXRef-Package-{}", &Digest::of(purl.as_bytes()).hex()[..16])
}

fn package(part: &Part<'_>, id: &str, problems: &[&Row]) -> Value {
    let places: Vec<String> =
        part.places.iter().map(|one| place(&one.location.path, one.location.line)).collect();
    let references = problems.iter().map(|row| advisory(row));
    let references: Vec<Value> = [purl(&part.purl)].into_iter().chain(references).collect();
    let mut package = json!({
        "SPDXID": id,
        "name": part.package.name,
        "versionInfo": part.package.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "sourceInfo": plain(&format!("stated in {}", places.join(", "))),
        "externalRefs": references,
    });
    if part.relation == Relation::Own {
        package["primaryPackagePurpose"] = json!("APPLICATION");
    }
    if let Some(sum) = part.sha256() {
        package["checksums"] = json!([{ "algorithm": "SHA256", "checksumValue": sum }]);
    }
    package
}

fn place(path: &str, line: Option<u32>) -> String {
    line.map_or(path.to_owned(), |line| format!("{path}:{line}"))
}

fn purl(purl: &str) -> Value {
    json!({ "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl })
}

/// Of category `SECURITY` there are only addresses, and an advisory's name is none.
fn advisory(row: &Row) -> Value {
    let finding = &row.finding;
    let comment = format!("{}: {}; {}", row.priority.action.words(), finding.summary, remedy(finding));
    json!({
        "referenceCategory": "OTHER",
        "referenceType": "advisory",
        "referenceLocator": percent_encoded(&finding.advisory),
        "comment": plain(&comment),
    })
}

fn relationships(bill: &Bill<'_>, ids: &[String]) -> Vec<Value> {
    let needs = |from: &str, is_own: bool, to: usize| match (is_own, of_scope(bill.parts[to].scope)) {
        // Only for what own code needs is it known what for.
        (true, Some(kind)) => relation(&ids[to], kind, from),
        (true, None) | (false, _) => relation(from, "DEPENDS_ON", &ids[to]),
    };
    let mut all = vec![relation(DOCUMENT, "DESCRIBES", WHOLE)];
    all.extend(bill.needed.iter().map(|part| needs(WHOLE, true, *part)));
    for (part, id) in bill.parts.iter().zip(ids) {
        let is_own = part.relation == Relation::Own;
        all.extend(part.needs.iter().map(|need| needs(id, is_own, *need)));
    }
    all
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
}

fn of_scope(scope: Scope) -> Option<&'static str> {
    match scope {
        Scope::Normal => None,
        Scope::Optional => Some("OPTIONAL_DEPENDENCY_OF"),
        Scope::Peer => Some("PROVIDED_DEPENDENCY_OF"),
        Scope::Build => Some("BUILD_DEPENDENCY_OF"),
        Scope::Test => Some("TEST_DEPENDENCY_OF"),
        Scope::Dev => Some("DEV_DEPENDENCY_OF"),
    }
}
