//! A small project under git with analyzers, and what the binary says of it.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::cargo_project::git;
use crate::run::{Ran, json, patchline, run, text};

pub struct Project {
    folder: TempDir,
}

impl Project {
    /// These files, with settings that have these analyzers.
    pub fn new(analyzers: &str, files: &[(&str, &str)]) -> Self {
        let project = Self { folder: TempDir::new().unwrap() };
        let settings =
            format!("[service]\nname = \"small\"\nowner = \"team-small\"\ntier = 3\n\n{analyzers}");
        for (name, text) in [("patchline.toml", settings.as_str())].iter().chain(files) {
            project.write(name, text);
        }
        git(&project.path(), &["init", "--quiet", "--initial-branch=main"]);
        project.commit();
        project
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn commit(&self) {
        git(&self.path(), &["add", "--all"]);
        git(&self.path(), &["commit", "--quiet", "--message", "A change"]);
    }

    /// Beside the project, in no commit.
    pub fn report(&self, report: &Value) -> String {
        let path = self.folder.path().join("report.sarif");
        fs::write(&path, report.to_string()).unwrap();
        path.display().to_string()
    }

    pub fn run(&self, words: &[&str]) -> Ran {
        let (path, data) = (self.path(), self.folder.path().join("data"));
        let own = ["--data", text(&data)];
        let all: Vec<&str> = own.iter().chain(words).chain(&[text(&path)]).copied().collect();
        run(&mut patchline(&all))
    }

    /// A command that takes no folder.
    #[track_caller]
    pub fn told(&self, words: &[&str], code: i32) -> Ran {
        let data = self.folder.path().join("data");
        let all: Vec<&str> = ["--data", text(&data)].iter().chain(words).copied().collect();
        let ran = run(&mut patchline(&all));
        assert_eq!(ran.code, code, "{}\n{}", ran.out, ran.err);
        ran
    }

    #[track_caller]
    pub fn scanned(&self, words: &[&str]) -> Value {
        let all: Vec<&str> =
            ["scan", "--format", "json", "--fail-on", "never"].iter().chain(words).copied().collect();
        let ran = self.run(&all);
        assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
        json(&ran)
    }

    /// `rule path:line`, for each finding of an analyzer.
    #[track_caller]
    pub fn found(&self, words: &[&str]) -> Vec<String> {
        let scanned = self.scanned(words);
        let findings = scanned["findings"].as_array().unwrap().clone();
        let told = |one: &Value| {
            let id = one["id"].as_str().unwrap();
            format!("{id} {}:{}", one["source"]["path"].as_str().unwrap(), one["source"]["line"])
        };
        findings.iter().map(told).collect()
    }

    /// The one patch of a fix.
    #[track_caller]
    pub fn fixed(&self, words: &[&str], code: i32) -> Value {
        let all: Vec<&str> = ["fix", "--format", "json"].iter().chain(words).copied().collect();
        let ran = self.run(&all);
        assert_eq!(ran.code, code, "{}\n{}", ran.out, ran.err);
        json(&ran)["patches"][0].clone()
    }

    pub fn file(&self, branch: &str, name: &str) -> String {
        git(&self.path(), &["show", &format!("{branch}:{name}")])
    }
}

/// What a check said of a patch.
pub fn check<'a>(patch: &'a Value, name: &str) -> (&'a str, &'a str) {
    let checks = patch["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{patch:#}"));
    (found["verdict"].as_str().unwrap(), found["summary"].as_str().unwrap())
}
