//! A package manager in the sandbox: it reads the project, asks the registry, and runs no script of any package.

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

/// What these tools write when nothing answers.
const UNREACHABLE: [&str; 10] = [
    "ENOTFOUND",
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "EAI_AGAIN",
    "ERR_SOCKET_TIMEOUT",
    "ERR_PNPM_META_FETCH_FAIL",
    "network request failed",
    "There appears to be trouble with your network connection",
    "RequestError",
];

/// One program for one folder.
pub(crate) struct Program<'a> {
    pub(crate) sandbox: &'a Sandbox,
    /// By its name or its path.
    pub(crate) program: String,
    /// As people call it.
    pub(crate) name: &'static str,
    /// All of it can be read.
    pub(crate) worktree: PathBuf,
    /// Where `package.json` lies.
    pub(crate) folder: PathBuf,
    /// What it may write.
    pub(crate) writable: Vec<PathBuf>,
    pub(crate) environment: BTreeMap<String, String>,
    /// The line of its output that says what went wrong.
    pub(crate) error_line: fn(&str) -> Option<&str>,
    pub(crate) log: String,
}

/// How a run ended.
pub(crate) enum Ran {
    /// With what it wrote to its ordinary stream.
    Well(String),
    /// With its reason in one sentence.
    Refused(String),
}

impl Program<'_> {
    pub(crate) async fn run(&mut self, arguments: &[&str]) -> Result<Ran, Failure> {
        let (program, home) = found(&self.program);
        let words = [&[program.as_str()], arguments].concat();
        let foreign = Foreign {
            writable: self.writable.clone(),
            readable: [self.worktree.clone()].into_iter().chain(home).collect(),
            environment: self.environment.clone(),
            network: true,
            deadline: DEADLINE,
            output_limit: 64 << 10,
            ..Foreign::new(&words, &self.folder)
        };
        let finished = self.sandbox.run(&foreign).await.map_err(failures::of_sandbox)?;
        let (name, output) = (self.name, finished.combined());
        self.note(&format!("$ {name} {}\n{output}\n{}\n", arguments.join(" "), finished.ending()));
        match finished.exit {
            Exit::Code(0) => Ok(Ran::Well(finished.stdout)),
            Exit::Code(_) if UNREACHABLE.iter().any(|word| output.contains(word)) => {
                let text = format!("{name} could not reach the registry: {}", self.reason(&output));
                let hint = format!(
                    "look at the network and at the `registry` that {name} is set to; then try again"
                );
                Err(Failure::transient(text).of(FailureClass::Network).with_hint(hint))
            }
            Exit::Code(_) => Ok(Ran::Refused(self.reason(&output))),
            Exit::Signal(_) | Exit::Deadline => {
                Err(Failure::transient(format!("could not run {name}: {}", finished.ending())))
            }
        }
    }

    /// What it wrote, where it must succeed.
    pub(crate) async fn ask(&mut self, arguments: &[&str]) -> Result<String, Failure> {
        match self.run(arguments).await? {
            Ran::Well(text) => Ok(text.trim().to_owned()),
            Ran::Refused(reason) => {
                let command = format!("{} {}", self.name, arguments.join(" "));
                Err(Failure::permanent(format!("could not run `{command}`: {reason}"))
                    .of(FailureClass::Tool)
                    .with_hint(format!("see what `{command}` says")))
            }
        }
    }

    /// The address of the registry that it asks where nothing is set, by its own setting of this name.
    pub(crate) async fn default_registry(&mut self, setting: &str) -> Result<String, Failure> {
        let address = self.ask(&["config", "get", setting]).await?;
        match address.starts_with("http") {
            true => Ok(address),
            false => Err(Failure::permanent(format!(
                "could not ask {} for its registry: {}",
                self.name,
                clean(&address, 300)
            ))
            .of(FailureClass::Tool)
            .with_hint(format!("see what `{} config get {setting}` says", self.name))),
        }
    }

    fn note(&mut self, text: &str) {
        let room = LONGEST_LOG.saturating_sub(self.log.len());
        let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.log.push_str(&text[..end]);
    }

    /// The lines that it marks as errors, in one sentence.
    fn reason(&self, output: &str) -> String {
        let marked = output.lines().filter_map(|line| (self.error_line)(line)).map(str::trim);
        let lines: Vec<&str> = marked.filter(|line| !line.is_empty()).take(8).collect();
        match lines.is_empty() {
            true => format!("{} gave no reason", self.name),
            false => format!("{} says: {}", self.name, clean(&lines.join(" "), 400)),
        }
    }
}

/// A program that is named by its path, where it really lies, and what lies around it: it reads its own parts.
fn found(program: &str) -> (String, Option<PathBuf>) {
    match Path::new(program).canonicalize().ok().filter(|_| program.contains('/')) {
        Some(real) => {
            let home = real.parent().and_then(Path::parent).map(Path::to_owned);
            (real.display().to_string(), home)
        }
        None => (program.to_owned(), None),
    }
}

/// The search path, and of the user's settings those that say where to ask.
pub(crate) fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::from([("PATH".to_owned(), env::var("PATH").unwrap_or_default())]);
    // Where what is called `yarn` or `pnpm` is corepack, it would fetch the code that it runs.
    found.insert("COREPACK_ENABLE_NETWORK".to_owned(), "0".to_owned());
    // Node does not look where others do for the certificates of a company's own proxy.
    let certificates =
        ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"].into_iter().find_map(|name| env::var(name).ok());
    found.extend(certificates.map(|file| ("NODE_EXTRA_CA_CERTS".to_owned(), file)));
    found.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    found
}

/// The first number of a version.
pub(crate) fn leading(version: &str) -> Option<u32> {
    version.trim().trim_start_matches('v').split('.').next()?.parse().ok()
}

/// The version that `packageManager` of a manifest asks for, as in `pnpm@9.1.0`, without the hash behind it.
pub(crate) fn wanted_version(manifest: &str, tool: &str) -> Option<String> {
    let manifest: serde_json::Value = serde_json::from_str(manifest).ok()?;
    let (name, version) = manifest.get("packageManager")?.as_str()?.split_once('@')?;
    let version = version.split('+').next()?;
    let is_version = version.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    (name == tool && is_version).then(|| version.to_owned())
}

/// The first number of it.
pub(crate) fn wanted_major(manifest: &str, tool: &str) -> Option<u32> {
    leading(&wanted_version(manifest, tool)?)
}
