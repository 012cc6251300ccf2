//! npm itself, in the sandbox: it completes a lockfile and writes it, and runs no script of any package.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use patchline_model::failure::{Failure, FailureClass};
use patchline_sandbox::foreign::{Exit, Foreign};
use patchline_sandbox::sandbox::Sandbox;

use crate::failures;
use crate::message::clean;

const DEADLINE: Duration = Duration::from_secs(600);
const LONGEST_LOG: usize = 256 << 10;

/// What npm writes when nothing answers.
const UNREACHABLE: [&str; 7] = [
    "ENOTFOUND",
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "EAI_AGAIN",
    "ERR_SOCKET_TIMEOUT",
    "network request failed",
];

/// npm for one folder.
pub(crate) struct Npm<'a> {
    pub(crate) sandbox: &'a Sandbox,
    /// All of it can be read.
    pub(crate) worktree: PathBuf,
    /// Where `package.json` lies.
    pub(crate) folder: PathBuf,
    /// Files that it may write.
    pub(crate) writable: Vec<PathBuf>,
    /// What it keeps of what it fetched.
    pub(crate) cache: PathBuf,
    pub(crate) registry: String,
    /// Whether the lockfile says where each package comes from: as it was, so it stays.
    pub(crate) says_where: bool,
    pub(crate) log: String,
}

impl Npm<'_> {
    /// The registry that npm asks where nothing is set.
    pub(crate) async fn default_registry(sandbox: &Sandbox) -> Result<String, Failure> {
        let foreign = Foreign {
            environment: plain(),
            deadline: Duration::from_secs(60),
            ..Foreign::new(&["npm", "config", "get", "registry"], Path::new("/"))
        };
        let finished = sandbox.run(&foreign).await.map_err(failures::of_sandbox)?;
        let address = finished.stdout.trim().to_owned();
        match finished.succeeded() && address.starts_with("http") {
            true => Ok(address),
            false => Err(Failure::permanent(format!(
                "could not ask npm for its registry: {}",
                clean(&finished.combined(), 300)
            ))
            .of(FailureClass::Tool)
            .with_hint("see what `npm config get registry` says")),
        }
    }

    /// Brings the lockfile in line with the manifests, in this format. Its reason, where it refused.
    pub(crate) async fn complete(&mut self, format: u64) -> Result<Result<(), String>, Failure> {
        let format = format!("--lockfile-version={format}");
        let words =
            ["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund", &format];
        let mut environment = plain();
        environment.insert("npm_config_registry".to_owned(), self.registry.clone());
        environment.insert("npm_config_cache".to_owned(), self.cache.display().to_string());
        let omit = if self.says_where { "false" } else { "true" };
        environment.insert("npm_config_omit_lockfile_registry_resolved".to_owned(), omit.to_owned());
        environment.insert("npm_config_prefer_offline".to_owned(), "true".to_owned());
        let foreign = Foreign {
            writable: self.writable.iter().cloned().chain([self.cache.clone()]).collect(),
            readable: vec![self.worktree.clone()],
            environment,
            network: true,
            deadline: DEADLINE,
            output_limit: 64 << 10,
            ..Foreign::new(&words, &self.folder)
        };
        let finished = self.sandbox.run(&foreign).await.map_err(failures::of_sandbox)?;
        self.note(&format!("$ {}\n{}\n{}\n", words.join(" "), finished.combined(), finished.ending()));
        match finished.exit {
            Exit::Code(0) => Ok(Ok(())),
            Exit::Code(_) if UNREACHABLE.iter().any(|word| finished.stderr.contains(word)) => {
                let text = format!("npm could not reach the registry: {}", reason(&finished.stderr));
                let hint = "look at the network and at npm's `registry` and `proxy`; then try again";
                Err(Failure::transient(text).of(FailureClass::Network).with_hint(hint))
            }
            Exit::Code(_) => Ok(Err(reason(&finished.stderr))),
            Exit::Signal(_) | Exit::Deadline => {
                Err(Failure::transient(format!("could not run npm: {}", finished.ending())))
            }
        }
    }

    fn note(&mut self, text: &str) {
        let room = LONGEST_LOG.saturating_sub(self.log.len());
        let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.log.push_str(&text[..end]);
    }
}

/// What npm needs to run and to say what it means.
fn plain() -> BTreeMap<String, String> {
    let pairs = [
        ("PATH", env::var("PATH").unwrap_or_default()),
        ("npm_config_update_notifier", "false".to_owned()),
        ("npm_config_color", "false".to_owned()),
        ("npm_config_progress", "false".to_owned()),
        ("npm_config_loglevel", "error".to_owned()),
        ("npm_config_fetch_retries", "2".to_owned()),
        // No program of the repository's choosing fetches from git.
        ("npm_config_git", "git".to_owned()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The lines that npm marks as errors, in one sentence, without those that only point at its own log.
fn reason(stderr: &str) -> String {
    let marked = stderr.lines().filter_map(|line| {
        line.strip_prefix("npm error ").or_else(|| line.strip_prefix("npm ERR! ")).map(str::trim)
    });
    let telling = marked.filter(|line| !line.is_empty() && !line.contains("A complete log of this run"));
    let lines: Vec<&str> = telling.take(8).collect();
    match lines.is_empty() {
        true => "npm gave no reason".to_owned(),
        false => format!("npm says: {}", clean(&lines.join(" "), 400)),
    }
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn what_npm_says_is_one_sentence() {
        let stderr = "npm error code ERESOLVE\nnpm error ERESOLVE could not resolve\nnpm error\nnpm error A complete log of this run can be found in: /x\n";
        assert_eq!(reason(stderr), "npm says: code ERESOLVE ERESOLVE could not resolve");
        assert_eq!(reason("boom"), "npm gave no reason");
    }
}
