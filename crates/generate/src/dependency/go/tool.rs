//! Go itself, in the sandbox: it fetches through the proxy that its own settings name, and runs no code of any module.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use patchline_model::failure::{Failure, FailureClass};
use patchline_sandbox::foreign::{Exit, Finished, Foreign};
use patchline_sandbox::sandbox::Sandbox;
use serde::Deserialize;

use crate::failures::{of_file, of_sandbox};
use crate::message::clean;

const DEADLINE: Duration = Duration::from_secs(600);
const LONGEST_LOG: usize = 256 << 10;

/// Settings that say where modules come from. An address with a password is not passed on.
const PASSED_ON: [&str; 7] =
    ["GOPROXY", "GOPRIVATE", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "GOINSECURE", "GOVCS"];

/// What Go writes when nothing answers.
const UNREACHABLE: [&str; 5] =
    ["dial tcp", "no such host", "connection refused", "i/o timeout", "TLS handshake timeout"];

/// Go's settings as the user has them, in so far as they say where modules come from.
pub(crate) fn settings() -> BTreeMap<String, String> {
    let known = PASSED_ON.iter().filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?)));
    let mut settings: BTreeMap<String, String> = known.filter(|(_, value)| !value.contains('@')).collect();
    let file = env::var_os("GOENV").map(PathBuf::from);
    let home = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(env::home_dir()?.join(".config")));
    let file = file.or_else(|| Some(home?.join("go/env")));
    let text = file.and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        if PASSED_ON.contains(&name) && !value.contains('@') {
            settings.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    settings
}

/// Go for one module.
pub(crate) struct Go<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) settings: BTreeMap<String, String>,
    /// All of it can be read.
    pub(crate) worktree: PathBuf,
    /// Where `go.mod` lies.
    pub(crate) folder: PathBuf,
    /// What it fetched and built, and nothing of the user's.
    pub(crate) cache: PathBuf,
    pub(crate) log: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    path: String,
    #[serde(default)]
    versions: Vec<String>,
    error: Option<Fault>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Fault {
    err: String,
}

/// The versions of a module, the lowest first, or why they can't be had.
pub(crate) type Versions = Result<Vec<String>, String>;

impl Go<'_> {
    /// States these versions in `go.mod`. `go get` would do more: it takes in what the module's own packages need, whether
    /// or not anybody uses them.
    pub(crate) async fn require(
        &mut self,
        steps: &BTreeMap<String, String>,
    ) -> Result<Result<(), String>, Failure> {
        let wanted = steps.iter().map(|(name, version)| format!("-require={name}@v{version}"));
        let words: Vec<String> = ["go", "mod", "edit"].map(str::to_owned).into_iter().chain(wanted).collect();
        let finished = self.run(&words, &self.folder.clone()).await?;
        self.answer(&finished)
    }

    /// Loads all packages of the module with what they need, which brings `go.mod` and `go.sum` in line; with `in_part`, as
    /// far as that goes.
    pub(crate) async fn load(&mut self, in_part: bool) -> Result<Result<(), String>, Failure> {
        let part: &[&str] = if in_part { &["-e"] } else { &[] };
        let words =
            [&["go", "list"], part, &["-deps", "-test", "-f={{if .Error}}{{.Error}}{{end}}", "./..."]]
                .concat();
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        let finished = self.run(&words, &self.folder.clone()).await?;
        self.answer(&finished)
    }

    /// Puts `go.mod` and `go.sum` in order.
    pub(crate) async fn tidy(&mut self) -> Result<Result<(), String>, Failure> {
        let finished = self.run(&["go", "mod", "tidy"].map(str::to_owned), &self.folder.clone()).await?;
        self.answer(&finished)
    }

    /// What there is of modules; what is withdrawn is not among it.
    pub(crate) async fn versions(&mut self, names: &[String]) -> Result<BTreeMap<String, Versions>, Failure> {
        let wanted = names.iter().map(|name| format!("{name}@latest"));
        let words = ["go", "list", "-m", "-e", "-versions", "-json=Path,Versions,Error"].map(str::to_owned);
        let words: Vec<String> = words.into_iter().chain(wanted).collect();
        // Outside of the module: its own requirements are no matter here.
        let finished = self.run(&words, &self.cache.clone()).await?;
        if let Err(why) = self.answer(&finished)? {
            return Err(Failure::permanent(why).of(FailureClass::Tool));
        }
        let listed = serde_json::Deserializer::from_str(&finished.stdout).into_iter::<Listed>();
        let mut found = BTreeMap::new();
        for one in listed {
            let one =
                one.map_err(|error| Failure::permanent(format!("could not read what Go lists: {error}")))?;
            let versions = match one.error {
                Some(Fault { err }) if is_unreachable(&err) => return Err(unreachable(&err)),
                Some(Fault { err }) => Err(format!("Go says of `{}`: {}", one.path, clean(&err, 300))),
                None => Ok(one.versions),
            };
            found.insert(one.path, versions);
        }
        Ok(found)
    }

    async fn run(&mut self, words: &[String], directory: &Path) -> Result<Finished, Failure> {
        fs::create_dir_all(&self.cache).map_err(|error| of_file("make Go's cache", error))?;
        let below = |name: &str| self.cache.join(name).display().to_string();
        let mut environment = self.settings.clone();
        let fixed = [
            ("PATH", env::var("PATH").unwrap_or_default()),
            ("GOENV", "off".to_owned()),
            ("GOFLAGS", "-mod=mod -modcacherw".to_owned()),
            ("GOTOOLCHAIN", "local".to_owned()),
            ("GOWORK", "off".to_owned()),
            ("GOPATH", below("path")),
            ("GOMODCACHE", below("modules")),
            ("GOCACHE", below("build")),
        ];
        environment.extend(fixed.map(|(name, value)| (name.to_owned(), value)));
        let files = ["go.mod", "go.sum"].map(|name| self.folder.join(name));
        let foreign = Foreign {
            writable: files.into_iter().filter(|file| file.exists()).chain([self.cache.clone()]).collect(),
            readable: vec![self.worktree.clone()],
            environment,
            network: true,
            deadline: DEADLINE,
            output_limit: 16 << 20,
            ..Foreign::new(words, directory)
        };
        let finished = self.sandbox.run(&foreign).await.map_err(of_sandbox)?;
        let shown = clean(&words.join(" "), 2000);
        self.note(&format!("$ {shown}\n{}\n{}\n", finished.stderr.trim_end(), finished.ending()));
        Ok(finished)
    }

    fn answer(&self, finished: &Finished) -> Result<Result<(), String>, Failure> {
        match finished.exit {
            Exit::Code(0) => Ok(Ok(())),
            Exit::Code(_) if is_unreachable(&finished.stderr) => Err(unreachable(&finished.stderr)),
            Exit::Code(_) => Ok(Err(format!("Go says: {}", reason(&finished.stderr)))),
            Exit::Signal(_) | Exit::Deadline => {
                Err(Failure::transient(format!("could not run Go: {}", finished.ending())))
            }
        }
    }

    fn note(&mut self, text: &str) {
        let room = LONGEST_LOG.saturating_sub(self.log.len());
        let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.log.push_str(&text[..end]);
    }
}

fn is_unreachable(said: &str) -> bool {
    UNREACHABLE.iter().any(|words| said.contains(words))
}

fn unreachable(said: &str) -> Failure {
    let hint = "look at the network and at `go env GOPROXY`; then try again";
    let failure = Failure::transient(format!("Go could not reach its proxy: {}", reason(said)));
    failure.of(FailureClass::Network).with_hint(hint)
}

/// What Go writes besides what it is doing, in one sentence.
fn reason(stderr: &str) -> String {
    let is_noise = |line: &&str| {
        line.is_empty()
            || ["go: downloading ", "go: upgraded ", "go: added "].iter().any(|start| line.starts_with(start))
    };
    let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !is_noise(line)).take(4).collect();
    match lines.is_empty() {
        true => "it gave no reason".to_owned(),
        false => clean(&lines.join("; "), 400),
    }
}
