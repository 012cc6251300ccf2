//! Composer itself, in the sandbox, in a folder of its own: it sees `composer.json` and `composer.lock`, and nothing else of the
//! repository; neither scripts nor plugins run.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use patchline_model::failure::{Failure, FailureClass};
use patchline_sandbox::foreign::{Exit, Finished, Foreign};
use patchline_sandbox::sandbox::Sandbox;
use tempfile::TempDir;

use crate::dependency::composer::lock::LARGEST;
use crate::dependency::composer::settings::users_own;
use crate::failures::{of_file, of_sandbox};
use crate::message::clean;

const DEADLINE: Duration = Duration::from_secs(300);
const LONGEST_LOG: usize = 256 << 10;

/// What Composer writes when a repository does not answer as it should.
const UNREACHABLE: [&str; 4] =
    ["could not be downloaded", "could not be fully loaded", "curl error", "failed to open stream"];

pub(crate) struct Composer<'a> {
    sandbox: &'a Sandbox,
    scratch: TempDir,
    cache: PathBuf,
    pub(crate) log: String,
}

impl<'a> Composer<'a> {
    pub(crate) fn new(
        sandbox: &'a Sandbox,
        work: &Path,
        cache: PathBuf,
        manifest: &str,
    ) -> Result<Self, Failure> {
        fs::create_dir_all(&cache).map_err(|error| of_file("make a cache", error))?;
        let scratch =
            tempfile::tempdir_in(work).map_err(|error| of_file("make a folder for Composer", error))?;
        let made = fs::create_dir(scratch.path().join("home"))
            .and_then(|()| fs::write(scratch.path().join("home/config.json"), users_own()))
            .and_then(|()| fs::write(scratch.path().join("composer.json"), manifest));
        made.map_err(|error| of_file("make a folder for Composer", error))?;
        Ok(Self { sandbox, scratch, cache, log: String::new() })
    }

    /// The repositories that it asks, as JSON.
    pub(crate) async fn repositories(&mut self) -> Result<String, Failure> {
        let finished = self.run(&["composer", "config", "repositories", "--no-plugins"], false).await?;
        match finished.exit {
            Exit::Code(0) => Ok(finished.stdout),
            Exit::Code(_) | Exit::Signal(_) | Exit::Deadline => {
                let said = reason(&finished.combined());
                let text = format!("could not ask Composer for its repositories: {said}");
                let hint = "see what `composer config repositories` says";
                Err(Failure::permanent(text).of(FailureClass::Tool).with_hint(hint))
            }
        }
    }

    /// The version of the PHP that is here.
    pub(crate) async fn php(&mut self) -> Result<String, Failure> {
        let finished = self.run(&["php", "-n", "-r", "echo PHP_VERSION;"], false).await?;
        match finished.exit {
            Exit::Code(0) => {
                Ok(finished.stdout.trim().split(['-', '+']).next().unwrap_or_default().to_owned())
            }
            Exit::Code(_) | Exit::Signal(_) | Exit::Deadline => {
                Err(Failure::permanent("could not ask php for its version")
                    .of(FailureClass::Tool)
                    .with_hint("see whether `php --version` works"))
            }
        }
    }

    /// Moves these packages of a lockfile to exactly these versions, and leaves all others. Its reason, where it refuses.
    pub(crate) async fn update(
        &mut self,
        manifest: &str,
        lockfile: &str,
        steps: &BTreeMap<String, String>,
    ) -> Result<Result<String, String>, Failure> {
        let place = self.scratch.path().join("composer.lock");
        let written = fs::write(self.scratch.path().join("composer.json"), manifest);
        written
            .and_then(|()| fs::write(&place, lockfile))
            .map_err(|error| of_file("write a lockfile", error))?;
        // What extensions this machine has is no matter of the lockfile; which PHP it is for, the versions were chosen by.
        let fixed = [
            "composer",
            "update",
            "--no-install",
            "--no-scripts",
            "--no-plugins",
            "--no-progress",
            "--ignore-platform-reqs",
        ];
        let with = steps.iter().map(|(name, to)| format!("--with={name}:{to}"));
        let words: Vec<String> = fixed
            .map(str::to_owned)
            .into_iter()
            .chain(with)
            .chain(["--".to_owned()])
            .chain(steps.keys().cloned())
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let finished = self.run(&words, true).await?;
        let output = finished.combined();
        let says = |what: &[&str]| what.iter().any(|words| output.contains(words));
        match finished.exit {
            Exit::Code(0) => {
                let length = fs::metadata(&place).map_or(0, |found| found.len());
                if length > LARGEST {
                    return Err(Failure::permanent(format!(
                        "Composer wrote a lockfile of more than {LARGEST} bytes"
                    )));
                }
                fs::read_to_string(&place).map(Ok).map_err(|error| of_file("read the lockfile", error))
            }
            Exit::Code(_) if says(&UNREACHABLE) => {
                Err(Failure::transient(format!("Composer could not reach a repository: {}", reason(&output)))
                    .of(FailureClass::Network)
                    .with_hint("look at the network and at the repositories of the project; then try again"))
            }
            Exit::Code(_) => Ok(Err(format!("Composer says: {}", reason(&output)))),
            Exit::Signal(_) | Exit::Deadline => {
                Err(Failure::transient(format!("could not run composer: {}", finished.ending())))
            }
        }
    }

    async fn run(&mut self, words: &[&str], network: bool) -> Result<Finished, Failure> {
        let foreign = Foreign {
            writable: vec![self.scratch.path().to_owned(), self.cache.clone()],
            environment: self.environment(),
            network,
            deadline: DEADLINE,
            output_limit: 64 << 10,
            ..Foreign::new(words, self.scratch.path())
        };
        let finished = self.sandbox.run(&foreign).await.map_err(of_sandbox)?;
        self.note(&format!("$ {}\n{}\n{}\n", words.join(" "), finished.combined(), finished.ending()));
        Ok(finished)
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let fixed = [
            ("COMPOSER_HOME", self.scratch.path().join("home").display().to_string()),
            ("COMPOSER_CACHE_DIR", self.cache.display().to_string()),
            ("COMPOSER_ALLOW_SUPERUSER", "1".to_owned()),
            ("COMPOSER_NO_INTERACTION", "1".to_owned()),
            ("COMPOSER_NO_AUDIT", "1".to_owned()),
            ("PATH", env::var("PATH").unwrap_or_default()),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        let certificates = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), env::var(name).ok()?)));
        fixed.into_iter().chain(certificates).collect()
    }

    fn note(&mut self, text: &str) {
        let room = LONGEST_LOG.saturating_sub(self.log.len());
        let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.log.push_str(&text[..end]);
    }
}

/// What it gives as its reason, in one sentence.
fn reason(output: &str) -> String {
    let noise = [
        "Composer is operating",
        "Loading composer repositories",
        "Updating dependencies",
        "Warning: Accessing",
        "Your requirements could not be resolved",
        "Problem ",
        "Use the option --with-all-dependencies",
        "update [",
        "In ",
    ];
    let lines = output.lines().map(|line| line.trim().trim_start_matches("- "));
    let lines = lines.filter(|line| !line.is_empty() && !noise.iter().any(|start| line.starts_with(start)));
    let lines: Vec<&str> = lines.take(8).collect();
    if lines.is_empty() { "it gave no reason".to_owned() } else { clean(&lines.join(" "), 400) }
}
