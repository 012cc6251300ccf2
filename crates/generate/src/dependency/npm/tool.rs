//! npm itself: it completes a lockfile and writes it.

use std::path::{Path, PathBuf};

use patchline_model::failure::Failure;
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::node::program::{Program, Ran, environment};

/// npm for one folder.
pub(crate) struct Npm<'a> {
    program: Program<'a>,
}

impl<'a> Npm<'a> {
    /// `lock` is all that it may write, beside what it keeps in `cache` of what it fetched.
    pub(crate) fn new(
        sandbox: &'a Sandbox,
        worktree: &Path,
        folder: &Path,
        lock: PathBuf,
        cache: &Path,
        says_where: bool,
    ) -> Self {
        let mut environment = environment(&[
            ("npm_config_update_notifier", "false"),
            ("npm_config_color", "false"),
            ("npm_config_progress", "false"),
            ("npm_config_loglevel", "error"),
            ("npm_config_fetch_retries", "2"),
            ("npm_config_prefer_offline", "true"),
            // No program of the repository's choosing fetches from git.
            ("npm_config_git", "git"),
        ]);
        environment.insert("npm_config_cache".to_owned(), cache.display().to_string());
        // As it was with the places that packages come from, so it stays.
        let omit = if says_where { "false" } else { "true" };
        environment.insert("npm_config_omit_lockfile_registry_resolved".to_owned(), omit.to_owned());
        let program = Program {
            sandbox,
            program: "npm".to_owned(),
            name: "npm",
            worktree: worktree.to_owned(),
            folder: folder.to_owned(),
            writable: vec![lock, cache.to_owned()],
            environment,
            error_line,
            log: String::new(),
        };
        Self { program }
    }

    /// The registry that npm asks where nothing is set.
    pub(crate) async fn default_registry(&mut self) -> Result<String, Failure> {
        self.program.default_registry("registry").await
    }

    pub(crate) fn set_registry(&mut self, address: &str) {
        self.program.environment.insert("npm_config_registry".to_owned(), address.to_owned());
    }

    /// Brings the lockfile in line with the manifests, in this format. Its reason, where it refused.
    pub(crate) async fn complete(&mut self, format: u64) -> Result<Result<(), String>, Failure> {
        let format = format!("--lockfile-version={format}");
        let words =
            ["install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund", &format];
        Ok(match self.program.run(&words).await? {
            Ran::Well(_) => Ok(()),
            Ran::Refused(reason) => Err(reason),
        })
    }

    pub(crate) fn log(&mut self) -> String {
        std::mem::take(&mut self.program.log)
    }
}

/// What npm marks as an error, without what only points at its own log.
fn error_line(line: &str) -> Option<&str> {
    let line = line.strip_prefix("npm error ").or_else(|| line.strip_prefix("npm ERR! "))?;
    (!line.contains("A complete log of this run")).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::error_line;

    #[test]
    fn what_npm_marks_as_an_error_is_told() {
        let stderr = "npm error code ERESOLVE\nnpm error ERESOLVE could not resolve\nnpm error\nboom\nnpm error A complete log of this run can be found in: /x\n";
        let told: Vec<&str> = stderr.lines().filter_map(error_line).collect();
        assert_eq!(told, ["code ERESOLVE", "ERESOLVE could not resolve"]);
    }
}
