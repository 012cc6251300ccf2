//! Evidence that an auditor can check without us: in-toto statements, signatures and content-addressed bytes.

pub mod blobs;
mod digest;
mod disk;
pub mod error;
pub mod oci;
pub mod sign;
pub mod statement;

pub use blobs::Blobs;
pub use error::EvidenceError;
pub use oci::{Layer, Manifest};
pub use sign::{Envelope, SigningKey, VerifyingKey, pae};
pub use statement::{ResourceDescriptor, Statement};
