//! in-toto Statements v1: what is said, by predicate type, about which digests.

use std::collections::{BTreeMap, BTreeSet};

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::digest;
use crate::error::EvidenceError;

pub const SLSA_PROVENANCE: &str = "https://slsa.dev/provenance/v1";
pub const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";
pub const VULNS: &str = "https://in-toto.io/attestation/vulns/v0.2";
pub const CYCLONEDX: &str = "https://cyclonedx.org/bom";
pub const PATCHLINE_GENERATION: &str = "https://patchline.dev/attestation/generation/v0.1";
pub const PATCHLINE_DECISION: &str = "https://patchline.dev/attestation/decision/v0.1";
pub const PATCHLINE_EMERGENCY_REVIEW: &str = "https://patchline.dev/attestation/emergency-review/v0.1";
pub const PATCHLINE_LINE: &str = "https://patchline.dev/attestation/line/v0.1";
pub const PATCHLINE_REVIEW: &str = "https://patchline.dev/attestation/review/v0.1";

/// What `_type` must say.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// A statement longer than this is refused; an SBOM of that size belongs in a blob, with a digest here.
pub const MAX_STATEMENT_BYTES: usize = 32 * 1024 * 1024;
/// A predicate nested deeper than this is refused, so that whoever reads it cannot be made to overflow.
pub const MAX_PREDICATE_DEPTH: u32 = 100;

/// An in-toto Statement v1. Written once as bytes; it is those bytes that are signed, stored and parsed again.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub subject: Vec<ResourceDescriptor>,
    pub predicate_type: String,
    /// A JSON object, or null for a statement that needs no more than its type.
    pub predicate: Value,
}

/// Something by content, place or both. As a subject of a statement it must have a digest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceDescriptor {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Algorithm to lower-case hexadecimal digits: `sha256`, `gitCommit`, `gitTree`, `gitBlob`, `dirHash`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    /// The thing itself in base64, for what is shorter than 1 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download_location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, Value>,
}

impl Statement {
    /// The bytes to sign and keep. Compact JSON; the same statement gives the same bytes.
    ///
    /// It writes whatever it is given; [`Statement::check`] says whether [`Statement::from_bytes`] will take it.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("every map in a statement has text keys")
    }

    /// Parses and checks. Unknown fields are ignored, as in-toto demands.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceError> {
        check_length(bytes.len())?;
        let wire: Wire = serde_json::from_slice(bytes)
            .map_err(|source| EvidenceError::Json { what: "statement", source })?;
        wire.into_statement()
    }

    /// Whether this is a statement that readers accept: at least one subject, each with a well-formed digest
    /// and a name or address of its own; a predicate type; a predicate that is an object, not nested too deeply.
    pub fn check(&self) -> Result<(), EvidenceError> {
        if self.subject.is_empty() {
            return Err(refused("it has no subject"));
        }
        let mut names = BTreeSet::new();
        let mut places = BTreeSet::new();
        for subject in &self.subject {
            subject.check_digests()?;
            check_unlike(&mut names, subject.name.as_deref())?;
            check_unlike(&mut places, subject.uri.as_deref())?;
        }
        if !self.predicate_type.contains(':') {
            return Err(refused("its predicate type is not a URI"));
        }
        if !matches!(self.predicate, Value::Object(_) | Value::Null) {
            return Err(refused("its predicate is not an object"));
        }
        if is_deeper(&self.predicate, MAX_PREDICATE_DEPTH) {
            return Err(refused(&format!("its predicate is nested deeper than {MAX_PREDICATE_DEPTH}")));
        }
        Ok(())
    }
}

impl ResourceDescriptor {
    /// Something by the SHA-256 of its bytes: 64 hexadecimal digits, with or without `sha256:` before them.
    pub fn sha256(name: &str, hex: &str) -> Self {
        Self::by("sha256", name, hex.strip_prefix("sha256:").unwrap_or(hex))
    }

    /// A git commit by its 40 (SHA-1) or 64 (SHA-256) hexadecimal digits.
    pub fn git_commit(name: &str, hex: &str) -> Self {
        Self::by("gitCommit", name, hex)
    }

    fn by(algorithm: &str, name: &str, hex: &str) -> Self {
        let digest = BTreeMap::from([(algorithm.to_owned(), hex.to_owned())]);
        Self { name: Some(name.to_owned()), digest, ..Self::default() }
    }

    fn check_digests(&self) -> Result<(), EvidenceError> {
        if self.digest.is_empty() {
            return Err(refused("a subject has no digest"));
        }
        match self.digest.iter().find(|(algorithm, hex)| !is_well_formed(algorithm, hex)) {
            None => Ok(()),
            Some((algorithm, hex)) => {
                let (algorithm, hex) = (digest::shortened(algorithm), digest::shortened(hex));
                Err(refused(&format!("`{hex}` is no {algorithm} digest")))
            }
        }
    }
}

impl Serialize for Statement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Statement", 4)?;
        object.serialize_field("_type", STATEMENT_TYPE)?;
        object.serialize_field("subject", &self.subject)?;
        object.serialize_field("predicateType", &self.predicate_type)?;
        if self.predicate.is_null() {
            object.skip_field("predicate")?;
        } else {
            object.serialize_field("predicate", &self.predicate)?;
        }
        object.end()
    }
}

impl<'de> Deserialize<'de> for Statement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Wire::deserialize(deserializer)?.into_statement().map_err(serde::de::Error::custom)
    }
}

/// A statement as it stands in JSON, not yet checked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<ResourceDescriptor>,
    predicate_type: String,
    #[serde(default)]
    predicate: Value,
}

impl Wire {
    fn into_statement(self) -> Result<Statement, EvidenceError> {
        if self.kind != STATEMENT_TYPE {
            let kind = digest::shortened(&self.kind);
            return Err(refused(&format!("its type is `{kind}`, not `{STATEMENT_TYPE}`")));
        }
        let Self { subject, predicate_type, predicate, .. } = self;
        let statement = Statement { subject, predicate_type, predicate };
        statement.check()?;
        Ok(statement)
    }
}

fn check_length(size: usize) -> Result<(), EvidenceError> {
    if size <= MAX_STATEMENT_BYTES {
        return Ok(());
    }
    let what = "the statement".to_owned();
    Err(EvidenceError::TooLarge { what, size: size as u64, limit: MAX_STATEMENT_BYTES as u64 })
}

fn check_unlike<'a>(seen: &mut BTreeSet<&'a str>, text: Option<&'a str>) -> Result<(), EvidenceError> {
    match text {
        Some(text) if !seen.insert(text) => {
            Err(refused(&format!("two subjects are called `{}`", digest::shortened(text))))
        }
        Some(_) | None => Ok(()),
    }
}

/// The algorithms that Patchline writes are checked to the digit; others need only be there.
fn is_well_formed(algorithm: &str, hex: &str) -> bool {
    match algorithm {
        "sha256" => digest::is_hex(hex, 64),
        "gitCommit" | "gitTree" | "gitBlob" => digest::is_hex(hex, 40) || digest::is_hex(hex, 64),
        _ => !hex.is_empty(),
    }
}

fn is_deeper(value: &Value, levels: u32) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if levels == 0 => true,
        Value::Array(items) => items.iter().any(|item| is_deeper(item, levels - 1)),
        Value::Object(fields) => fields.values().any(|field| is_deeper(field, levels - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn refused(reason: &str) -> EvidenceError {
    EvidenceError::Statement { reason: reason.to_owned() }
}
