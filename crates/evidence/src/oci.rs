//! The documents of an OCI image layout, as values: descriptors, artifact manifests, the index.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::EvidenceError;

pub(crate) const LAYOUT: &str = "{\"imageLayoutVersion\":\"1.0.0\"}";
pub(crate) const LAYOUT_VERSION: &str = "1.0.0";
pub(crate) const EMPTY: &[u8] = b"{}";
pub(crate) const MAX_INDEX_BYTES: u64 = 64 * 1024 * 1024;
/// What registries take at least.
pub(crate) const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const TITLE: &str = "org.opencontainers.image.title";
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const MAX_NAME_BYTES: usize = 255;

/// An artifact to be named in a layout: its blobs, what it is about, and notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// A media type that says what the whole is.
    pub artifact_type: String,
    /// At least one; each blob must be in the layout already.
    pub layers: Vec<Layer>,
    /// The digest of a manifest in the same layout that this one is about.
    pub subject: Option<String>,
    pub annotations: BTreeMap<String, String>,
}

/// One blob of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    pub media_type: String,
    /// `sha256:<hex>`
    pub digest: String,
    /// A file name for whoever unpacks it.
    pub title: Option<String>,
}

impl Layer {
    pub fn new(media_type: &str, digest: &str, title: &str) -> Self {
        Self { media_type: media_type.to_owned(), digest: digest.to_owned(), title: Some(title.to_owned()) }
    }
}

/// A pointer to a blob, as it stands in manifests and in the index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    /// What other tools wrote stays as it is.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Descriptor {
    pub(crate) fn new(media_type: &str, digest: &str, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: digest.to_owned(),
            size,
            artifact_type: None,
            annotations: BTreeMap::new(),
            rest: Map::new(),
        }
    }

    pub(crate) fn empty(digest: &str) -> Self {
        Self::new(EMPTY_TYPE, digest, EMPTY.len() as u64)
    }

    pub(crate) fn layer(layer: &Layer, size: u64) -> Self {
        let mut descriptor = Self::new(&layer.media_type, &layer.digest, size);
        let title = layer.title.iter().map(|title| (TITLE.to_owned(), title.clone()));
        descriptor.annotations.extend(title);
        descriptor
    }

    pub(crate) fn manifest(artifact_type: &str, digest: &str, size: u64) -> Self {
        let artifact_type = Some(artifact_type.to_owned());
        Self { artifact_type, ..Self::new(MANIFEST_TYPE, digest, size) }
    }

    fn reference(&self) -> Option<&str> {
        self.annotations.get(REF_NAME).map(String::as_str)
    }
}

/// The bytes of an artifact manifest; the same input gives the same bytes.
pub(crate) fn manifest_bytes(
    manifest: &Manifest,
    config: Descriptor,
    layers: Vec<Descriptor>,
    subject: Option<Descriptor>,
) -> Vec<u8> {
    let document = ManifestDocument {
        schema_version: 2,
        media_type: MANIFEST_TYPE,
        artifact_type: &manifest.artifact_type,
        config,
        layers,
        subject,
        annotations: &manifest.annotations,
    };
    serde_json::to_vec(&document).expect("every map in a manifest has text keys")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ManifestDocument<'a> {
    schema_version: u32,
    media_type: &'static str,
    artifact_type: &'a str,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Descriptor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

/// The media type that a stored manifest gives itself; none if these bytes are no manifest.
pub(crate) fn media_type_of(manifest: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Head {
        schema_version: u32,
        media_type: String,
    }
    let head: Head = serde_json::from_slice(manifest).ok()?;
    (head.schema_version == 2).then_some(head.media_type)
}

/// The version that an `oci-layout` file states.
pub(crate) fn layout_version(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Marker {
        image_layout_version: String,
    }
    serde_json::from_slice::<Marker>(bytes).ok().map(|marker| marker.image_layout_version)
}

/// `index.json`: which manifests have names here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Index {
    pub(crate) fn new() -> Self {
        let media_type = Some(INDEX_TYPE.to_owned());
        Self { schema_version: 2, media_type, manifests: Vec::new(), rest: Map::new() }
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceError> {
        serde_json::from_slice(bytes)
            .map_err(|source| EvidenceError::Json { what: "index of the layout", source })
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("every map in an index has text keys")
    }

    /// Lets the reference mean this manifest, and nothing else.
    pub(crate) fn set(&mut self, reference: &str, mut manifest: Descriptor) {
        manifest.annotations.insert(REF_NAME.to_owned(), reference.to_owned());
        let place = self.manifests.iter().position(|entry| entry.reference() == Some(reference));
        match place {
            Some(place) => self.manifests[place] = manifest,
            None => self.manifests.push(manifest),
        }
    }

    pub(crate) fn remove(&mut self, reference: &str) {
        self.manifests.retain(|entry| entry.reference() != Some(reference));
    }

    pub(crate) fn references(&self) -> Vec<(String, String)> {
        let named = self.manifests.iter().filter_map(|entry| Some((entry.reference()?, &entry.digest)));
        named.map(|(reference, digest)| (reference.to_owned(), digest.clone())).collect()
    }
}

/// Refuses what other tools could not read back: types that are none, no layer at all, names out of grammar.
pub(crate) fn check(manifest: &Manifest, reference: &str) -> Result<(), EvidenceError> {
    if !is_reference(reference) {
        return Err(refused(format!(
            "`{reference}` is no reference name (letters, digits and `-._:@+/` between)"
        )));
    }
    if manifest.layers.is_empty() {
        return Err(refused("it has no layer".to_owned()));
    }
    let mut types = manifest.layers.iter().map(|layer| &layer.media_type).chain([&manifest.artifact_type]);
    match types.find(|media_type| !is_media_type(media_type)) {
        Some(media_type) => Err(refused(format!("`{media_type}` is no media type"))),
        None => Ok(()),
    }
}

pub(crate) fn refused(reason: String) -> EvidenceError {
    EvidenceError::Manifest { reason }
}

/// The grammar of `org.opencontainers.image.ref.name`: words of letters and digits, one separator between.
fn is_reference(text: &str) -> bool {
    let words = text.replace("--", "-");
    let whole = words
        .split(['-', '.', '_', ':', '@', '+', '/'])
        .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    whole && text.len() <= MAX_NAME_BYTES
}

fn is_media_type(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    let halves = text.split_once('/').is_some_and(|(left, right)| !left.is_empty() && !right.is_empty());
    plain && halves && text.len() <= MAX_NAME_BYTES
}
