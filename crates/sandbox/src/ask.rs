//! One question to git: a clean environment, settings that win over all others, a deadline, and the reason for a no.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::foreign::{Exit, SandboxError};
use crate::git_error::GitError;
use crate::process::{self, Invocation, Limits};
use crate::rust::find_program;

const DEADLINE: Duration = Duration::from_secs(300);

/// Bytes of a diff or of a file; more is an error, for half a diff is no diff.
const LARGEST: usize = 32 << 20;

/// Settings that win over those of the user and of the repository.
const SETTINGS: [&str; 10] = [
    "protocol.allow=never",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "i18n.commitEncoding=UTF-8",
    "advice.detachedHead=false",
];

/// One question to git.
pub(crate) struct Ask {
    pub(crate) purpose: String,
    pub(crate) directory: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) limits: Limits,
}

impl Ask {
    pub(crate) fn new(purpose: &str, directory: &Path, arguments: &[&str]) -> Self {
        Self {
            purpose: purpose.to_owned(),
            directory: directory.to_owned(),
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: environment(),
            limits: Limits::default(),
        }
    }

    /// With an index of its own, so that nobody's checkout is touched.
    pub(crate) fn detached(mut self, git: &Path, scratch: &Path, worktree: &Path) -> Self {
        let index = scratch.join("index");
        for (name, path) in [("GIT_DIR", git), ("GIT_WORK_TREE", worktree), ("GIT_INDEX_FILE", &index)] {
            self.environment.insert(name.to_owned(), path.to_string_lossy().into_owned());
        }
        self
    }

    pub(crate) async fn line(self) -> Result<String, GitError> {
        let bytes = self.bytes().await?;
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned())
    }

    pub(crate) async fn succeeds(self) -> Result<bool, GitError> {
        Ok(self.finish().await?.0 == Exit::Code(0))
    }

    pub(crate) async fn bytes(self) -> Result<Vec<u8>, GitError> {
        let (purpose, directory) = (self.purpose.clone(), self.directory.clone());
        match self.finish().await? {
            (Exit::Code(0), bytes, _) => Ok(bytes),
            (_, _, reason) => Err(GitError::Refused { purpose, hint: hint(&reason, &directory), reason }),
        }
    }

    /// How git ended, what it wrote, and the line that says why.
    pub(crate) async fn finish(self) -> Result<(Exit, Vec<u8>, String), GitError> {
        let purpose = self.purpose;
        let program = find_program("git", env::var_os("PATH").as_deref()).ok_or_else(tool_missing)?;
        let settings = SETTINGS.iter().flat_map(|setting| ["-c".into(), OsString::from(setting)]);
        let invocation = Invocation {
            program,
            arguments: settings.chain(self.arguments).collect(),
            directory: self.directory,
            input: None,
            environment: self.environment,
            limits: self.limits,
            deadline: DEADLINE,
            output_limit: LARGEST,
            scratch: None,
        };
        if !invocation.directory.is_dir() {
            let source = io::ErrorKind::NotFound.into();
            return Err(GitError::Path { purpose, path: invocation.directory, source });
        }
        let ended = process::execute(invocation)
            .await
            .map_err(|source| GitError::Run { purpose: purpose.clone(), source })?;
        if ended.exit == Exit::Deadline {
            return Err(GitError::Deadline { purpose, seconds: DEADLINE.as_secs() });
        }
        if ended.stdout.truncated() {
            return Err(GitError::TooMuch { purpose, limit: LARGEST });
        }
        let reason = reason(&ended.stderr.into_text()).unwrap_or_else(|| ended.exit.to_string());
        Ok((ended.exit, ended.stdout.into_bytes(), reason))
    }
}

/// Nothing of our own environment but where git finds its programs and the user's settings.
fn environment() -> BTreeMap<String, String> {
    let own = ["PATH", "HOME", "XDG_CONFIG_HOME"];
    let fixed = [
        ("LC_ALL", "C.UTF-8"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        // A replaced object would show us another tree than the one that the commit names.
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_NO_LAZY_FETCH", "1"),
    ];
    let kept = own.iter().filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?)));
    kept.chain(fixed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).collect()
}

pub(crate) fn identity(author: &str, epoch_seconds: i64) -> impl Iterator<Item = (String, String)> {
    let (name, mail) = author.split_once('<').unwrap_or((author, ""));
    let clean = |text: &str| text.replace(['<', '>'], "").replace(char::is_control, " ").trim().to_owned();
    let (name, mail, date) = (clean(name), clean(mail), format!("@{epoch_seconds} +0000"));
    let name = if name.is_empty() { mail.clone() } else { name };
    ["AUTHOR", "COMMITTER"].into_iter().flat_map(move |who| {
        [("NAME", name.clone()), ("EMAIL", mail.clone()), ("DATE", date.clone())]
            .map(|(what, value)| (format!("GIT_{who}_{what}"), value))
    })
}

/// The first line that names a fault, else the first line at all.
fn reason(stderr: &str) -> Option<String> {
    let fault = |line: &&str| {
        // Of this one git makes another try, and then says why that failed.
        let passes = line.ends_with("repository lacks the necessary blob to perform 3-way merge.");
        (line.starts_with("fatal: ") || line.starts_with("error: ")) && !passes
    };
    let line = stderr.lines().find(fault).or_else(|| stderr.lines().find(|line| !line.trim().is_empty()))?;
    Some(line.trim_start_matches("fatal: ").trim_start_matches("error: ").chars().take(500).collect())
}

fn hint(reason: &str, directory: &Path) -> Option<String> {
    let directory = directory.display();
    if reason.contains("dubious ownership") {
        return Some(format!(
            "the folder belongs to another user; if you trust it, run `git config --global --add safe.directory {directory}`"
        ));
    }
    let missing = reason.contains("not a git repository");
    missing.then(|| format!("run `git init` in `{directory}`, or name the folder of a git repository"))
}

fn tool_missing() -> GitError {
    match SandboxError::tool_missing("git") {
        SandboxError::ToolMissing { hint, .. } => GitError::ToolMissing { hint },
        other => GitError::ToolMissing { hint: other.to_string() },
    }
}

pub(crate) fn scratch_folder(purpose: &str) -> Result<tempfile::TempDir, GitError> {
    tempfile::Builder::new()
        .prefix("patchline-git-")
        .tempdir()
        .map_err(|source| unusable(purpose, &env::temp_dir(), source))
}

pub(crate) fn refused(purpose: &str, reason: &str) -> GitError {
    GitError::Refused { purpose: purpose.to_owned(), reason: reason.to_owned(), hint: None }
}

pub(crate) fn unusable(purpose: &str, path: &Path, source: io::Error) -> GitError {
    GitError::Path { purpose: purpose.to_owned(), path: path.to_owned(), source }
}

/// Foreign text in an error stays on its line and short.
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn the_reason_is_the_line_that_names_the_fault() {
        assert_eq!(reason("warning: x\nfatal: bad y\n").as_deref(), Some("bad y"));
        assert_eq!(reason("\nPreparing\n").as_deref(), Some("Preparing"));
        let applied = "error: repository lacks the necessary blob to perform 3-way merge.\nFalling back\nerror: patch failed: f:1\n";
        assert_eq!(reason(applied).as_deref(), Some("patch failed: f:1"));
        assert_eq!(reason(""), None);
    }
}
