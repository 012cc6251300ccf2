//! What is in an artifact, as a CycloneDX 1.6 document that is the same for the same input.
//!
//! Format: <https://cyclonedx.org/docs/1.6/json/>.

use std::collections::BTreeSet;

use patchline_inventory::bill::{self, Bill};
use patchline_inventory::detector::Scope;
use patchline_model::digest::{Commit, Digest};
use patchline_model::service::Service;
use patchline_model::stage::detect::Finding;
use patchline_model::stage::generate::Candidate;
use patchline_model::time::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::builder::Made;

/// What a patched artifact was patched with.
#[derive(Clone, Copy, Debug)]
pub struct Patched<'a> {
    pub candidate: &'a Candidate,
    /// The findings of the patch; those that the candidate removes are named as resolved.
    pub findings: &'a [Finding],
}

/// The document. `patched` is none for an artifact that is built from the base.
pub fn cyclonedx(made: &Made, service: &Service, commit: &Commit, patched: Option<Patched<'_>>) -> Value {
    let root = format!("artifact:{}@{commit}", service.name);
    let bill = Bill::of(&made.listed.packages);
    let bom = Bom {
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: serial_number(made, service, commit),
        version: 1,
        metadata: Metadata {
            timestamp: Timestamp(made.epoch_seconds.saturating_mul(1000)).to_string(),
            lifecycles: vec![Lifecycle { phase: "build" }],
            tools: Tools { components: vec![tool()] },
            component: artifact(made, service, commit, &root, patched),
            supplier: Some(supplier(service)).filter(|supplier| !supplier.name.is_empty()),
        },
        components: bill.parts.iter().map(library).collect(),
        dependencies: dependencies(&bill, &root),
        compositions: vec![composition(made, &root)],
    };
    serde_json::to_value(bom).expect("the document has text keys only")
}

/// A UUID of version 8 (RFC 9562, §5.8) made of what the document speaks of.
fn serial_number(made: &Made, service: &Service, commit: &Commit) -> String {
    let digest = Digest::of(format!("{}\n{}\n{commit}", made.digest, service.name).as_bytes());
    let hex = digest.hex();
    let variant = match hex.as_bytes()[16] {
        b'0' | b'4' | b'8' | b'c' => '8',
        b'1' | b'5' | b'9' | b'd' => '9',
        b'2' | b'6' | b'a' | b'e' => 'a',
        _ => 'b',
    };
    let parts = (&hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32]);
    format!("urn:uuid:{}-{}-8{}-{variant}{}-{}", parts.0, parts.1, parts.2, parts.3, parts.4)
}

fn tool() -> Part {
    Part::new("application", "patchline", env!("CARGO_PKG_VERSION"))
}

fn supplier(service: &Service) -> Supplier {
    Supplier { name: service.owner.clone() }
}

fn artifact(
    made: &Made,
    service: &Service,
    commit: &Commit,
    root: &str,
    patched: Option<Patched<'_>>,
) -> Part {
    Part {
        bom_ref: Some(root.to_owned()),
        purl: Some(format!("pkg:generic/{}@{commit}", service.name)),
        hashes: vec![Hash { alg: "SHA-256", content: made.digest.hex().to_owned() }],
        pedigree: patched.map(|patched| pedigree(patched, service)),
        ..Part::new("application", service.name.as_str(), commit.as_str())
    }
}

fn pedigree(patched: Patched<'_>, service: &Service) -> Pedigree {
    let base = &patched.candidate.base;
    let ancestor = Part {
        bom_ref: Some(format!("ancestor:{}@{base}", service.name)),
        purl: Some(format!("pkg:generic/{}@{base}", service.name)),
        ..Part::new("application", service.name.as_str(), base.as_str())
    };
    let removed = |finding: &&Finding| patched.candidate.removes.contains(&finding.id);
    let ids: BTreeSet<&str> =
        patched.findings.iter().filter(removed).map(|finding| finding.advisory.as_str()).collect();
    let resolves = ids.into_iter().map(|id| Issue { kind: "security", id: id.to_owned() }).collect();
    let diff = Diff { url: patched.candidate.diff.to_string() };
    let patch = Patch { kind: "unofficial", diff, resolves };
    Pedigree { ancestors: vec![ancestor], patches: vec![patch], notes: patched.candidate.title.clone() }
}

fn library(part: &bill::Part<'_>) -> Part {
    let hash = part.sha256().map(|sum| Hash { alg: "SHA-256", content: sum.to_owned() });
    Part {
        bom_ref: Some(part.purl.clone()),
        purl: Some(part.purl.clone()),
        scope: Some(match part.scope {
            Scope::Normal | Scope::Peer => "required",
            Scope::Optional => "optional",
            Scope::Build | Scope::Test | Scope::Dev => "excluded",
        }),
        hashes: hash.into_iter().collect(),
        ..Part::new("library", &part.package.name, &part.package.version)
    }
}

/// One entry for each reference. The artifact depends on the packages of the repository itself, and on what it is not
/// known to have by another.
fn dependencies(bill: &Bill<'_>, root: &str) -> Vec<Dependency> {
    let purls = |parts: &BTreeSet<usize>| parts.iter().map(|part| bill.parts[*part].purl.clone()).collect();
    let mut entries = vec![Dependency { reference: root.to_owned(), depends_on: purls(&bill.needed) }];
    entries.extend(
        bill.parts
            .iter()
            .map(|part| Dependency { reference: part.purl.clone(), depends_on: purls(&part.needs) }),
    );
    entries
}

/// Lockfiles name everything (and what tests and other platforms need besides), if all of it could be told; without
/// any nothing is known.
fn composition(made: &Made, root: &str) -> Composition {
    let aggregate = match (made.listed.lockfiles.is_empty(), made.listed.unresolved.is_empty()) {
        (true, _) => "unknown",
        (false, true) => "complete",
        (false, false) => "incomplete",
    };
    Composition { aggregate, dependencies: vec![root.to_owned()] }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom {
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Metadata,
    components: Vec<Part>,
    dependencies: Vec<Dependency>,
    compositions: Vec<Composition>,
}

#[derive(Serialize)]
struct Metadata {
    timestamp: String,
    lifecycles: Vec<Lifecycle>,
    tools: Tools,
    component: Part,
    #[serde(skip_serializing_if = "Option::is_none")]
    supplier: Option<Supplier>,
}

#[derive(Serialize)]
struct Lifecycle {
    phase: &'static str,
}

#[derive(Serialize)]
struct Tools {
    components: Vec<Part>,
}

#[derive(Serialize)]
struct Supplier {
    name: String,
}

/// What CycloneDX calls a component.
#[derive(Serialize)]
struct Part {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref", skip_serializing_if = "Option::is_none")]
    bom_ref: Option<String>,
    name: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pedigree: Option<Pedigree>,
}

impl Part {
    fn new(kind: &'static str, name: &str, version: &str) -> Self {
        let (name, version) = (name.to_owned(), version.to_owned());
        Self {
            kind,
            bom_ref: None,
            name,
            version,
            scope: None,
            hashes: Vec::new(),
            purl: None,
            pedigree: None,
        }
    }
}

#[derive(Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

#[derive(Serialize)]
struct Pedigree {
    ancestors: Vec<Part>,
    patches: Vec<Patch>,
    notes: String,
}

#[derive(Serialize)]
struct Patch {
    #[serde(rename = "type")]
    kind: &'static str,
    diff: Diff,
    resolves: Vec<Issue>,
}

#[derive(Serialize)]
struct Diff {
    url: String,
}

#[derive(Serialize)]
struct Issue {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    #[serde(rename = "ref")]
    reference: String,
    depends_on: Vec<String>,
}

#[derive(Serialize)]
struct Composition {
    aggregate: &'static str,
    dependencies: Vec<String>,
}
