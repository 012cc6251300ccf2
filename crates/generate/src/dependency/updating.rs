//! `cargo update` in a sandbox, without the network where that is enough, and the lockfile that it changes.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use patchline_model::failure::{Failure, FailureClass};
use patchline_sandbox::foreign::{Exit, Foreign};
use patchline_sandbox::rust::{only_rusts_own_programs, rust_environment, rust_writable};
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::lockfile::{self, Lockfile};
use crate::dependency::reason;
use crate::failures;

const DEADLINE: Duration = Duration::from_secs(300);

/// Bytes kept of all that cargo wrote.
const LONGEST_LOG: usize = 256 << 10;

/// Where cargo looks first; it looks in the other place when it does not find.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Look {
    /// At what is on this machine: enough for a version that is known by number.
    HereFirst,
    /// At the registry: only it knows what is newest.
    OutFirst,
}

pub(crate) enum Answer {
    Done,
    /// With the reason in one sentence.
    Refused(String),
}

/// One lockfile that is being updated.
pub(crate) struct Updating<'a> {
    sandbox: &'a Sandbox,
    worktree: PathBuf,
    folder: PathBuf,
    lockfile: PathBuf,
    pub(crate) log: String,
    /// Whether the network was needed and did not answer.
    pub(crate) unreachable: bool,
}

impl<'a> Updating<'a> {
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

    /// Runs `cargo update` with these arguments. What it refuses in one place it may do in the other.
    pub(crate) async fn update(&mut self, arguments: &[&str], look: Look) -> Result<Answer, Failure> {
        let places = match look {
            Look::HereFirst => [true, false],
            Look::OutFirst => [false, true],
        };
        let mut refusal = None;
        for offline in places {
            if !offline && self.unreachable {
                continue;
            }
            let Err(stderr) = self.run(arguments, offline).await? else { return Ok(Answer::Done) };
            let silent = !offline && reason::is_unreachable(&stderr);
            self.unreachable |= silent;
            // Of two reasons that of the registry counts: it knows all versions.
            if !silent && (refusal.is_none() || !offline) {
                refusal = Some(reason::reason(&stderr));
            }
        }
        Ok(Answer::Refused(refusal.unwrap_or_else(|| "the network could not be reached".to_owned())))
    }

    pub(crate) fn text(&self) -> Result<String, Failure> {
        let mut text = String::new();
        let limit = lockfile::LARGEST as u64 + 1;
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

    /// What cargo wrote, if it refused.
    async fn run(&mut self, arguments: &[&str], offline: bool) -> Result<Result<(), String>, Failure> {
        let mode: &[&str] = if offline { &["cargo", "update", "--offline"] } else { &["cargo", "update"] };
        let command = [mode, arguments].concat();
        let mut environment = rust_environment();
        environment.extend(only_rusts_own_programs());
        environment.insert("CARGO_NET_RETRY".to_owned(), "1".to_owned());
        environment.insert("CARGO_HTTP_TIMEOUT".to_owned(), "20".to_owned());
        let foreign = Foreign {
            // The lockfile alone: nothing else of the worktree can change, whatever the repository's settings run.
            writable: std::iter::once(self.lockfile.clone()).chain(rust_writable()).collect(),
            // Settings, members and path dependencies may lie above the lockfile.
            readable: vec![self.worktree.clone()],
            environment,
            network: !offline,
            deadline: DEADLINE,
            output_limit: 64 << 10,
            ..Foreign::new(&command, &self.folder)
        };
        let finished = self.sandbox.run(&foreign).await.map_err(failures::of_sandbox)?;
        self.note(&format!("$ {}\n{}\n{}\n", command.join(" "), finished.combined(), finished.ending()));
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
        match finished.exit {
            Exit::Code(0) => Ok(Ok(())),
            Exit::Code(_) => Ok(Err(finished.stderr)),
            Exit::Signal(_) | Exit::Deadline => Err(Failure::transient(format!(
                "could not run `{}`: {}",
                command.join(" "),
                finished.ending()
            ))),
        }
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
