//! Puts what was built into the OCI layout: the artifact, and its SBOM and log as documents about it.

use std::collections::BTreeMap;

use patchline_evidence::blobs::Blobs;
use patchline_evidence::error::EvidenceError;
use patchline_evidence::oci::{Layer, Manifest};
use patchline_model::digest::{Commit, Digest};
use patchline_model::failure::Failure;
use patchline_model::service::Service;

use crate::builder::Made;

const ARTIFACT_TYPE: &str = "application/vnd.patchline.artifact.v1";
const SBOM_TYPE: &str = "application/vnd.cyclonedx+json";
const LOG_TYPE: &str = "text/plain";
const FILE_TYPE: &str = "application/octet-stream";
const REVISION: &str = "org.opencontainers.image.revision";

/// Where everything lies now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The artifact's manifest. The artifact itself has the digest that it was built with.
    pub manifest: Digest,
    /// The bytes of the SBOM.
    pub sbom: Digest,
    /// The bytes of the log.
    pub log: Digest,
}

/// Stores the artifact as `<service>/<commit>`, its SBOM and its log as `…/sbom` and `…/log`, which point at it.
/// Asked twice, it stores once. An artifact that is no longer what was built is refused.
pub fn store(
    blobs: &Blobs,
    made: &Made,
    sbom: &[u8],
    service: &Service,
    commit: &Commit,
) -> Result<Stored, Failure> {
    let (digest, _) = blobs.put_file(&made.artifact).map_err(failure)?;
    if digest != made.digest.as_str() {
        let name = &made.name;
        return Err(Failure::permanent(format!("could not store `{name}`: it changed after it was built"))
            .with_hint("build the commit again"));
    }
    let reference = format!("{}/{commit}", service.name);
    let annotations = BTreeMap::from([(REVISION.to_owned(), commit.to_string())]);
    let layers = vec![Layer::new(FILE_TYPE, &digest, &made.name)];
    let manifest = Manifest { artifact_type: ARTIFACT_TYPE.to_owned(), layers, subject: None, annotations };
    let manifest = blobs.put_manifest(&manifest, &reference).map_err(failure)?;
    let about = |kind: &str, bytes: &[u8], title: &str, name: &str| {
        let digest = blobs.put(bytes).map_err(failure)?;
        let document = Manifest {
            artifact_type: kind.to_owned(),
            layers: vec![Layer::new(kind, &digest, title)],
            subject: Some(manifest.clone()),
            annotations: BTreeMap::new(),
        };
        blobs.put_manifest(&document, &format!("{reference}/{name}")).map_err(failure)?;
        parsed(&digest)
    };
    let sbom = about(SBOM_TYPE, sbom, "sbom.cdx.json", "sbom")?;
    let log = about(LOG_TYPE, made.log.as_bytes(), "build.log", "log")?;
    Ok(Stored { manifest: parsed(&manifest)?, sbom, log })
}

fn parsed(text: &str) -> Result<Digest, Failure> {
    text.parse()
        .map_err(|error| Failure::permanent(format!("could not read what the layout answered: {error}")))
}

/// A disk may have room later; everything else fails again.
fn failure(error: EvidenceError) -> Failure {
    match &error {
        EvidenceError::Disk { source, .. } => Failure::transient(format!("{error}: {source}"))
            .with_hint("look at the disk's free space and at who may write there"),
        _ => Failure::permanent(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use patchline_evidence::blobs::Blobs;

    use super::store;
    use crate::builder::Made;
    use crate::sbom_tests::{commit, made, service};

    fn made_at(folder: &std::path::Path, text: &str) -> Made {
        let artifact = folder.join("program");
        std::fs::write(&artifact, text).unwrap();
        let digest = patchline_model::digest::Digest::of(b"program");
        Made { artifact, digest, ..made() }
    }

    #[test]
    fn the_artifact_is_found_by_service_and_commit_and_twice_is_once() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&folder.path().join("blobs")).unwrap();
        let made = made_at(folder.path(), "program");
        let stored = store(&blobs, &made, b"{}", &service(), &commit()).unwrap();
        assert_eq!(stored, store(&blobs, &made, b"{}", &service(), &commit()).unwrap());
        let references = blobs.references().unwrap();
        let name = format!("notebook/{}", commit());
        let names: Vec<&String> = references.iter().map(|(name, _)| name).collect();
        assert_eq!(names, [&name, &format!("{name}/sbom"), &format!("{name}/log")]);
        assert_eq!(references[0].1, stored.manifest.as_str());
        assert_eq!(blobs.get(made.digest.as_str(), 100).unwrap(), b"program");
        assert_eq!(blobs.get(stored.sbom.as_str(), 100).unwrap(), b"{}");
        assert_eq!(blobs.get(stored.log.as_str(), 100).unwrap(), made.log.as_bytes());
    }

    #[test]
    fn an_artifact_that_changed_after_the_build_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&folder.path().join("blobs")).unwrap();
        let refusal =
            store(&blobs, &made_at(folder.path(), "another"), b"{}", &service(), &commit()).unwrap_err();
        assert!(refusal.message.contains("changed after it was built"), "{refusal}");
        assert_eq!(blobs.references().unwrap(), []);
    }
}
