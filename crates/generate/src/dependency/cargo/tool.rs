//! Cargo itself, in the sandbox: it tells what the workspace asks for, completes a lockfile and writes it, without the
//! network where that is enough.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use patchline_model::failure::{Failure, FailureClass};
use patchline_sandbox::foreign::{Exit, Finished, Foreign};
use patchline_sandbox::rust::{only_rusts_own_programs, rust_environment, rust_writable};
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::cargo::lock::{self, Lockfile};
use crate::dependency::cargo::reason;
use crate::failures;

const DEADLINE: Duration = Duration::from_secs(300);

/// Bytes kept of all that cargo wrote.
const LONGEST_LOG: usize = 256 << 10;

/// Bytes kept of each stream of one run.
const MOST_OUTPUT: usize = 64 << 10;

/// Bytes kept of what it tells of the workspace.
const MOST_METADATA: usize = 64 << 20;

/// Cargo for one lockfile.
pub(crate) struct Cargo<'a> {
    sandbox: &'a Sandbox,
    worktree: PathBuf,
    pub(crate) folder: PathBuf,
    lockfile: PathBuf,
    pub(crate) log: String,
    /// Whether the network was needed and did not answer.
    pub(crate) unreachable: bool,
}

impl<'a> Cargo<'a> {
    /// The folder of the worktree holds `Cargo.lock`, as an ordinary file: a link would lead cargo out of it.
    pub(crate) fn new(sandbox: &'a Sandbox, worktree: &Path, folder: &str) -> Result<Self, Failure> {
        let (worktree, folder) = (worktree.to_owned(), worktree.join(folder));
        let lockfile = folder.join("Cargo.lock");
        let is_file = lockfile.symlink_metadata().is_ok_and(|found| found.is_file());
        if !is_file {
            return Err(Failure::permanent("could not use `Cargo.lock`: it is not an ordinary file"));
        }
        Ok(Self { sandbox, worktree, folder, lockfile, log: String::new(), unreachable: false })
    }

    /// What the packages of the workspace ask for, as JSON.
    pub(crate) async fn metadata(&mut self) -> Result<String, Failure> {
        let command = ["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"];
        let finished = self.run(&command, true, MOST_METADATA).await?;
        match finished.exit {
            Exit::Code(0) => Ok(finished.stdout),
            Exit::Code(_) | Exit::Signal(_) | Exit::Deadline => Err(Failure::permanent(format!(
                "could not read the manifests: {}",
                reason::reason(&finished.stderr)
            ))
            .of(FailureClass::Input)
            .with_hint("see what `cargo metadata --no-deps` says")),
        }
    }

    /// The Rust that this folder is built with, as in `1.95.0`.
    pub(crate) async fn rust(&mut self) -> Result<String, Failure> {
        let finished = self.run(&["rustc", "--version"], true, MOST_OUTPUT).await?;
        let version = finished.stdout.split_whitespace().nth(1).map(str::to_owned);
        version.filter(|_| finished.exit == Exit::Code(0)).ok_or_else(|| {
            Failure::permanent(format!(
                "could not ask rustc for its version: {}",
                reason::reason(&finished.stderr)
            ))
            .of(FailureClass::Tool)
        })
    }

    /// Brings the lockfile in line with the manifests, and leaves what is in it as it is. What it wrote, where it refused.
    pub(crate) async fn complete(&mut self, offline: bool) -> Result<Result<(), String>, Failure> {
        let words = ["cargo", "update", "--workspace", "--offline"];
        let command = if offline { &words[..] } else { &words[..3] };
        let finished = self.run(command, offline, MOST_OUTPUT).await?;
        match finished.exit {
            Exit::Code(0) => Ok(Ok(())),
            Exit::Code(_) => {
                self.unreachable |= !offline && reason::is_unreachable(&finished.stderr);
                Ok(Err(finished.stderr))
            }
            Exit::Signal(_) | Exit::Deadline => Err(Failure::transient(format!(
                "could not run `{}`: {}",
                command.join(" "),
                finished.ending()
            ))),
        }
    }

    pub(crate) fn text(&self) -> Result<String, Failure> {
        let mut text = String::new();
        let limit = lock::LARGEST as u64 + 1;
        let read = fs::File::open(&self.lockfile).and_then(|file| file.take(limit).read_to_string(&mut text));
        read.map_err(|error| failures::of_file("read `Cargo.lock`", error))?;
        Ok(text)
    }

    pub(crate) fn parsed(&self) -> Result<Lockfile, Failure> {
        Lockfile::parse(&self.text()?).map_err(|error| Failure::permanent(error.to_string()))
    }

    /// Puts the lockfile back as it was at some point.
    pub(crate) fn restore(&self, text: &str) -> Result<(), Failure> {
        fs::write(&self.lockfile, text).map_err(|error| failures::of_file("write `Cargo.lock`", error))
    }

    async fn run(&mut self, command: &[&str], offline: bool, most: usize) -> Result<Finished, Failure> {
        let mut environment = rust_environment();
        environment.extend(only_rusts_own_programs());
        environment.insert("CARGO_NET_RETRY".to_owned(), "1".to_owned());
        environment.insert("CARGO_HTTP_TIMEOUT".to_owned(), "20".to_owned());
        // What comes along is for the Rust that the project is for, where there is such a version.
        environment.insert("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS".to_owned(), "fallback".to_owned());
        let foreign = Foreign {
            // The lockfile alone: nothing else of the worktree can change, whatever the repository's settings run.
            writable: std::iter::once(self.lockfile.clone()).chain(rust_writable()).collect(),
            // Settings, members and path dependencies may lie above the lockfile.
            readable: vec![self.worktree.clone()],
            environment,
            network: !offline,
            deadline: DEADLINE,
            output_limit: most,
            ..Foreign::new(command, &self.folder)
        };
        let finished = self.sandbox.run(&foreign).await.map_err(failures::of_sandbox)?;
        let shown = if most == MOST_OUTPUT { finished.combined() } else { finished.stderr.clone() };
        self.note(&format!("$ {}\n{shown}\n{}\n", command.join(" "), finished.ending()));
        if let Some(missing) = reason::missing_toolchain(&finished.stderr) {
            let hint = "install it with `rustup toolchain install`, or change the repository's `rust-toolchain.toml`";
            let failure = Failure::permanent(format!("could not run cargo: {missing}")).with_hint(hint);
            return Err(failure.of(FailureClass::Tool));
        }
        if let Some(outer) = self.outer_manifest().filter(|outer| finished.stderr.contains(outer)) {
            let message = format!(
                "could not run cargo: it takes `{outer}` for the workspace of `{}`",
                self.folder.display()
            );
            let hint = "keep the folder for worktrees outside of every cargo workspace";
            return Err(Failure::permanent(message).with_hint(hint));
        }
        Ok(finished)
    }

    /// A manifest above the worktree, in which cargo, too, looks for the workspace; there is no way to stop it.
    fn outer_manifest(&self) -> Option<String> {
        let above = self.worktree.ancestors().skip(1).map(|folder| folder.join("Cargo.toml"));
        above.filter(|manifest| manifest.is_file()).map(|manifest| manifest.display().to_string()).next()
    }

    fn note(&mut self, text: &str) {
        let room = LONGEST_LOG.saturating_sub(self.log.len());
        let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.log.push_str(&text[..end]);
    }
}
