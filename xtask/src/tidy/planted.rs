//! A tiny workspace in a temporary folder, in which tests plant a fault and see that it is caught.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::tidy::fault::Fault;
use crate::tidy::sources::Sources;

pub struct Planted(TempDir);

impl Planted {
    /// A sound workspace: `model`, and `detect` on top of it.
    pub fn sound() -> Self {
        let planted = Self(tempfile::tempdir().unwrap());
        planted
            .with("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n")
            .with("crates/model/Cargo.toml", &manifest("model", "[dependencies]\nserde.workspace = true\n"))
            .with("crates/model/src/lib.rs", "//! Nouns.\npub mod id;\n")
            .with("crates/model/src/id.rs", "//! Ids.\npub struct Id(u64);\n")
            .with(
                "crates/detect/Cargo.toml",
                &manifest("detect", "[dependencies]\npatchline-model.workspace = true\n"),
            )
            .with("crates/detect/src/lib.rs", "//! Scans.\npub mod scan;\npub mod walk;\n")
            .with("crates/detect/src/walk.rs", "//! Files.\npub struct Walk;\n")
            .with("crates/detect/src/scan.rs", "//! Scan.\nuse crate::walk::Walk;\npub struct Scan(Walk);\n")
    }

    /// The workspace with one file more, or another one in its place.
    pub fn with(self, path: &str, text: &str) -> Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    pub fn sources(&self) -> Sources {
        Sources::read(self.0.path()).unwrap()
    }
}

pub fn manifest(name: &str, rest: &str) -> String {
    format!("[package]\nname = \"patchline-{name}\"\n\n{rest}")
}

/// Sees that exactly these faults are found, each given as `path:line` and some of its words.
#[track_caller]
pub fn assert_caught(faults: &[Fault], expected: &[(&str, &str)]) {
    let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), expected.len(), "found: {shown:#?}");
    for (fault, (place, words)) in faults.iter().zip(expected) {
        assert_eq!(format!("{}:{}", fault.path, fault.line), *place, "found: {shown:#?}");
        assert!(fault.what.contains(words), "`{}` does not say `{words}`", fault.what);
    }
}
