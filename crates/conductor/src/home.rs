//! Where Patchline keeps its things: one folder with the ledger, the blobs, the key and the work in progress.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use patchline_model::digest::Digest;
use patchline_model::id::PatchId;
use patchline_model::service::Name;

/// The data folder and what lies where in it.
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// Makes the folder, readable for its owner alone, if it is not there.
    pub fn open(root: &Path) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        let root = root.canonicalize()?;
        let probe = root.join(format!(".writable-{}", std::process::id()));
        fs::write(&probe, b"")?;
        fs::remove_file(&probe)?;
        Ok(Self { root })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn ledger(&self) -> PathBuf {
        self.root.join("ledger.sqlite")
    }

    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub fn key(&self) -> PathBuf {
        self.root.join("key.pem")
    }

    /// What was fetched and can be fetched again.
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    pub fn advisories(&self) -> PathBuf {
        self.root.join("advisories")
    }

    /// Work in progress of one patch: worktrees, exported trees.
    pub fn work(&self, patch: PatchId) -> PathBuf {
        self.root.join("work").join(patch.to_string())
    }

    /// Built trees of a service, by commit.
    pub fn builds(&self, service: &Name) -> PathBuf {
        self.root.join("builds").join(service.as_str())
    }

    /// The folder from which a version runs.
    pub fn release(&self, artifact: &Digest) -> PathBuf {
        self.root.join("releases").join(artifact.hex())
    }

    /// Control sockets, state and logs of running services.
    pub fn sites(&self) -> PathBuf {
        self.root.join("sites")
    }
}
