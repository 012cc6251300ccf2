//! The example as a fresh git repository, and what its developers do there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::commands::demo::files::{FILES, SECOND_ACT};
use crate::exit::{Exit, Trouble};

/// Who writes the example and its second act.
pub const DEVELOPER: &str = "Dana Developer <dana@example.com>";

/// The repository of the demo.
pub struct Project {
    folder: PathBuf,
}

impl Project {
    /// Copies the example and commits it.
    pub fn create(folder: &Path) -> Result<Self, Trouble> {
        for (path, text) in FILES {
            let path = folder.join(path);
            let failed = |error: std::io::Error| {
                Trouble::storage(format!("could not write {}: {error}", path.display()))
            };
            fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(failed)?;
            fs::write(&path, text).map_err(failed)?;
        }
        let project = Self { folder: folder.to_owned() };
        project.git(&["init", "--quiet", "--initial-branch=main"], None)?;
        project.commit("Notebook: notes in, summaries out")?;
        Ok(project)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The service team merges what was rolled out.
    pub fn merge(&self, branch: &str) -> Result<(), Trouble> {
        self.git(&["merge", "--quiet", "--ff-only", branch], None).map(|_| ())
    }

    /// A developer's change on a branch of its own: good by every test. Answers its commit; `main` stays checked out.
    pub fn second_act(&self) -> Result<String, Trouble> {
        self.git(&["switch", "--quiet", "--create", "tags-ignore-case"], None)?;
        self.git(&["apply", "--index", "-"], Some(SECOND_ACT))?;
        self.commit("Find tags whatever their case")?;
        let commit = self.git(&["rev-parse", "HEAD"], None)?;
        self.git(&["switch", "--quiet", "main"], None)?;
        Ok(commit.trim().to_owned())
    }

    fn commit(&self, message: &str) -> Result<(), Trouble> {
        self.git(&["add", "--all"], None)?;
        let (name, mail) = DEVELOPER.trim_end_matches('>').split_once(" <").unwrap_or((DEVELOPER, ""));
        let name = format!("user.name={name}");
        let mail = format!("user.email={mail}");
        let words = [
            "-c",
            &name,
            "-c",
            &mail,
            "-c",
            "commit.gpgSign=false",
            "commit",
            "--quiet",
            "--message",
            message,
        ];
        self.git(&words, None).map(|_| ())
    }

    fn git(&self, words: &[&str], input: Option<&str>) -> Result<String, Trouble> {
        use std::io::Write as _;
        let failed =
            |what: String| Trouble::storage(format!("could not prepare the demo's repository: git {what}"));
        let mut command = Command::new("git");
        command.args(["-c", "core.hooksPath=/dev/null", "-c", "core.autocrlf=false"]).args(words);
        command.current_dir(&self.folder).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            Trouble::new(Exit::Tool, format!("could not start git: {error}")).hint("install git")
        })?;
        if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
            pipe.write_all(input.as_bytes()).map_err(|error| failed(error.to_string()))?;
        }
        let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let words = words.first().copied().unwrap_or_default();
        Err(failed(format!("{words}: {}", String::from_utf8_lossy(&output.stderr).trim())))
    }
}
