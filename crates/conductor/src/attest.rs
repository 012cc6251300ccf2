//! What a hand did leaves a signed statement: an in-toto statement in a DSSE envelope, kept by its digest.

use patchline_evidence::statement::PATCHLINE_EMERGENCY_REVIEW;
use patchline_evidence::{Blobs, Envelope, ResourceDescriptor, SigningKey, Statement};
use patchline_model::actor::Actor;
use patchline_model::digest::{Commit, Digest};
use patchline_model::failure::Failure;
use patchline_model::patch::Patch;
use serde_json::{Value, json};

use crate::blocking::blocking;
use crate::failures::storage;

/// Largest envelope that is read back.
const LARGEST_ENVELOPE: u64 = 16 * 1024 * 1024;

/// Largest text that is read back.
const LARGEST_TEXT: u64 = 64 * 1024 * 1024;

/// Signs and keeps statements.
#[derive(Clone, Debug)]
pub struct Attestor {
    blobs: Blobs,
    key: std::sync::Arc<SigningKey>,
}

impl Attestor {
    pub fn new(blobs: Blobs, key: SigningKey) -> Self {
        Self { blobs, key: std::sync::Arc::new(key) }
    }

    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Signs a statement about these subjects and keeps the envelope; answers its digest.
    pub fn attest(
        &self,
        subject: Vec<ResourceDescriptor>,
        kind: &str,
        predicate: Value,
    ) -> Result<Digest, Failure> {
        let statement = Statement { subject, predicate_type: kind.to_owned(), predicate };
        self.keep(&self.key.sign_statement(&statement).to_bytes())
    }

    /// Signs that somebody has looked at what passed in an emergency; nothing, where nothing is owed, which the patch refuses.
    pub fn emergency_review(&self, patch: &Patch, by: &Actor, note: &str) -> Result<Option<Digest>, Failure> {
        let (Some(owed), Some(candidate), Some(pair)) =
            (&patch.review.afterwards, patch.candidate(), &patch.build.built)
        else {
            return Ok(None);
        };
        let subjects =
            vec![commit_subject("commit", &candidate.commit), digest_subject("artifact", &pair.patch.digest)];
        let predicate = json!({ "patch": patch.id, "emergency": owed, "by": by, "note": note });
        self.attest(subjects, PATCHLINE_EMERGENCY_REVIEW, predicate).map(Some)
    }

    /// Keeps bytes; answers their digest.
    pub fn keep(&self, bytes: &[u8]) -> Result<Digest, Failure> {
        let kept = blocking(|| self.blobs.put(bytes)).map_err(|error| storage(&error))?;
        kept.parse().map_err(|error| Failure::permanent(format!("the store answered {error}")))
    }

    /// Kept text, as that of a diff.
    pub fn text(&self, digest: &Digest) -> Result<String, Failure> {
        let bytes =
            blocking(|| self.blobs.get(digest.as_str(), LARGEST_TEXT)).map_err(|error| storage(&error))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The statement in a kept envelope, if our key signed it and nothing was changed since.
    pub fn verified(&self, envelope: &Digest) -> Result<Statement, Failure> {
        let bytes = blocking(|| self.blobs.get(envelope.as_str(), LARGEST_ENVELOPE))
            .map_err(|error| storage(&error))?;
        let read =
            Envelope::from_bytes(&bytes).and_then(|read| read.verify_statement(&self.key.verifying_key()));
        read.map_err(|error| {
            Failure::permanent(format!("evidence {} does not verify: {error}", envelope.short()))
        })
    }
}

/// A git commit as a subject.
pub fn commit_subject(name: &str, commit: &Commit) -> ResourceDescriptor {
    ResourceDescriptor::git_commit(name, commit.as_str())
}

/// An artifact or a blob as a subject.
pub fn digest_subject(name: &str, digest: &Digest) -> ResourceDescriptor {
    ResourceDescriptor::sha256(name, digest.hex())
}
