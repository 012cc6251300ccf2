//! A data folder with advisories, and scans by it.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::run::{Ran, check, json, patchline, text};

/// Imported advisories.
pub struct Site(TempDir);

impl Site {
    /// With these records, one a line.
    pub fn with(records: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("records.jsonl");
        fs::write(&file, records).unwrap();
        let site = Self(folder);
        check(&mut patchline(&["--data", site.data(), "db", "import", text(&file)]), 0, &[]);
        site
    }

    fn data(&self) -> &str {
        text(self.0.path())
    }

    /// Scans, and checks the exit code.
    #[track_caller]
    pub fn scan(&self, code: i32, arguments: &[&str]) -> Ran {
        self.scan_at(Path::new("/"), code, &[], arguments)
    }

    /// Scans from a folder, and checks the exit code and that standard error speaks of all of this.
    #[track_caller]
    pub fn scan_at(&self, folder: &Path, code: i32, says: &[&str], arguments: &[&str]) -> Ran {
        let all = [&["--data", self.data(), "scan"], arguments].concat();
        check(patchline(&all).current_dir(folder), code, says)
    }

    /// What the JSON of a scan says.
    #[track_caller]
    pub fn value(&self, code: i32, arguments: &[&str]) -> Value {
        json(&self.scan(code, &[&["--format", "json"], arguments].concat()))
    }

    /// The findings as `advisory path:line`.
    #[track_caller]
    pub fn found(&self, code: i32, arguments: &[&str]) -> Vec<String> {
        let value = self.value(code, arguments);
        let findings = value["findings"].as_array().unwrap().iter();
        let said = findings.map(|finding| {
            let source = &finding["source"];
            format!("{} {}:{}", text_of(&finding["id"]), text_of(&source["path"]), source["line"])
        });
        said.collect()
    }
}

/// The text of a value.
#[track_caller]
pub fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}
