//! Bundler itself, in the sandbox, in a folder of its own: it sees a `Gemfile` of ours and the lockfile, and nothing of the
//! repository.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use patchline_model::failure::{Failure, FailureClass};
use patchline_sandbox::foreign::{Exit, Foreign};
use patchline_sandbox::sandbox::Sandbox;
use tempfile::TempDir;

use crate::dependency::bundler::lock::LARGEST;
use crate::dependency::bundler::settings::Mirrors;
use crate::failures::{of_file, of_sandbox};
use crate::message::clean;

const DEADLINE: Duration = Duration::from_secs(300);
const LONGEST_LOG: usize = 256 << 10;

/// What Bundler writes when a source does not answer as it should.
const UNREACHABLE: [&str; 5] = [
    "Could not reach host",
    "Could not fetch specs from",
    "Network error",
    "Net::OpenTimeout",
    "Retrying fetcher",
];

/// What it writes when a source wants to know who asks.
const FORBIDDEN: [&str; 3] =
    ["Authentication is required", "Bad username or password", "Access token could not be authenticated"];

pub(crate) struct Bundler<'a> {
    sandbox: &'a Sandbox,
    mirrors: Mirrors,
    scratch: TempDir,
    cache: PathBuf,
    /// Whether the lockfile is for any Ruby, among others.
    pub(crate) is_for_ruby: bool,
    pub(crate) log: String,
}

impl<'a> Bundler<'a> {
    pub(crate) fn new(
        sandbox: &'a Sandbox,
        mirrors: Mirrors,
        work: &Path,
        cache: PathBuf,
    ) -> Result<Self, Failure> {
        fs::create_dir_all(&cache).map_err(|error| of_file("make a cache", error))?;
        let scratch =
            tempfile::tempdir_in(work).map_err(|error| of_file("make a folder for Bundler", error))?;
        Ok(Self { sandbox, mirrors, scratch, cache, is_for_ruby: false, log: String::new() })
    }

    /// The version of the Ruby that Bundler runs with.
    pub(crate) async fn ruby(&mut self) -> Result<String, Failure> {
        let finished = self.run(&["ruby", "-e", "print RUBY_VERSION"], false).await?;
        match finished {
            (Exit::Code(0), version) => Ok(version.trim().to_owned()),
            (_, said) => {
                Err(Failure::permanent(format!("could not ask ruby for its version: {}", clean(&said, 300)))
                    .of(FailureClass::Tool)
                    .with_hint("see whether `ruby --version` works"))
            }
        }
    }

    /// Brings a lockfile in line with a `Gemfile`, and takes platforms out of it. Its reason, where it refuses.
    pub(crate) async fn lock(
        &mut self,
        gemfile: &str,
        lockfile: &str,
        without: &BTreeSet<String>,
    ) -> Result<Result<String, String>, Failure> {
        let place = self.scratch.path().join("Gemfile.lock");
        let written = fs::write(self.scratch.path().join("Gemfile"), gemfile);
        written
            .and_then(|()| fs::write(&place, lockfile))
            .map_err(|error| of_file("write a lockfile", error))?;
        let mut words = vec!["bundle", "lock"];
        if !without.is_empty() {
            words.push("--remove-platform");
            words.extend(without.iter().map(String::as_str));
        }
        let (exit, output) = self.run(&words, true).await?;
        let says = |what: &[&str]| what.iter().any(|words| output.contains(words));
        match exit {
            Exit::Code(0) => {
                let length = fs::metadata(&place).map_or(0, |found| found.len());
                if length > LARGEST {
                    return Err(Failure::permanent(format!(
                        "Bundler wrote a lockfile of more than {LARGEST} bytes"
                    )));
                }
                fs::read_to_string(&place).map(Ok).map_err(|error| of_file("read the lockfile", error))
            }
            Exit::Code(_) if says(&FORBIDDEN) => {
                Err(Failure::permanent(format!("Bundler could not ask a source: {}", reason(&output)))
                    .of(FailureClass::Network)
                    .with_hint("a source that wants a password or a token can't be asked here"))
            }
            Exit::Code(_) if says(&UNREACHABLE) => {
                Err(Failure::transient(format!("Bundler could not reach a source: {}", reason(&output)))
                    .of(FailureClass::Network)
                    .with_hint("look at the network and at the sources of the `Gemfile`; then try again"))
            }
            Exit::Code(_) => Ok(Err(format!("Bundler says: {}", reason(&output)))),
            Exit::Signal(_) | Exit::Deadline => {
                Err(Failure::transient(format!("could not run `{}`: {exit}", words.join(" "))))
            }
        }
    }

    async fn run(&mut self, words: &[&str], network: bool) -> Result<(Exit, String), Failure> {
        let foreign = Foreign {
            writable: vec![self.scratch.path().to_owned(), self.cache.clone()],
            environment: self.environment(),
            network,
            deadline: DEADLINE,
            output_limit: 64 << 10,
            ..Foreign::new(words, self.scratch.path())
        };
        let finished = self.sandbox.run(&foreign).await.map_err(of_sandbox)?;
        let output = finished.combined();
        self.note(&format!("$ {}\n{output}\n{}\n", words.join(" "), finished.ending()));
        Ok((finished.exit, output))
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let place = |name: &str| self.scratch.path().join(name).display().to_string();
        let cache = self.cache.display().to_string();
        let fixed = [
            ("BUNDLE_GEMFILE", place("Gemfile").as_str()),
            ("BUNDLE_APP_CONFIG", place(".bundle").as_str()),
            ("BUNDLE_USER_HOME", cache.as_str()),
            ("BUNDLE_IGNORE_CONFIG", "1"),
            // Where any Ruby is a platform of the lockfile, this machine is no other one.
            ("BUNDLE_FORCE_RUBY_PLATFORM", if self.is_for_ruby { "true" } else { "false" }),
            // The Bundler that is here, and not another one that it would fetch.
            ("BUNDLE_VERSION", "system"),
            ("BUNDLE_FROZEN", "false"),
            ("BUNDLE_PLUGINS", "false"),
            ("BUNDLE_DISABLE_VERSION_CHECK", "true"),
            ("BUNDLE_RETRY", "1"),
            ("BUNDLE_TIMEOUT", "20"),
            ("BUNDLE_SILENCE_ROOT_WARNING", "true"),
            ("PATH", &env::var("PATH").unwrap_or_default()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let certificates = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), env::var(name).ok()?)));
        fixed.into_iter().chain(certificates).chain(self.mirrors.0.clone()).collect()
    }

    fn note(&mut self, text: &str) {
        let room = LONGEST_LOG.saturating_sub(self.log.len());
        let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.log.push_str(&text[..end]);
    }
}

/// What it gives as its reason, in one sentence.
fn reason(output: &str) -> String {
    let noise =
        ["Fetching ", "Resolving dependencies", "Writing lockfile", "Don't run Bundler as root", "Retrying "];
    let lines = output.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !noise.iter().any(|start| line.starts_with(start)));
    let lines: Vec<&str> = lines.take(8).collect();
    if lines.is_empty() { "it gave no reason".to_owned() } else { clean(&lines.join(" "), 400) }
}
