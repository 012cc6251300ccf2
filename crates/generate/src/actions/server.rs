//! The server that actions come from: which one it is, and what tags a repository there has.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use patchline_model::failure::{Failure, FailureClass};
use patchline_sandbox::foreign::{Exit, Foreign};
use patchline_sandbox::git::Git;
use patchline_sandbox::sandbox::Sandbox;
use url::Url;

use crate::actions::tags::Tags;
use crate::failures::{of_file, of_git, of_sandbox};
use crate::message::clean;

/// By this the runners of workflows say where they are.
pub(crate) const VARIABLE: &str = "GITHUB_SERVER_URL";
const DEADLINE: Duration = Duration::from_secs(120);
/// Of a list that is longer the middle would be missing.
const LARGEST: usize = 32 << 20;

/// What git writes when nothing answers.
const UNREACHABLE: [&str; 6] = [
    "Could not resolve",
    "Failed to connect",
    "Couldn't connect",
    "Connection refused",
    "timed out",
    "Connection reset",
];

/// No other way to a repository, no question to anybody, and nobody's settings.
const WORDS: [&str; 14] = [
    "git",
    "-c",
    "protocol.allow=never",
    "-c",
    "protocol.https.allow=always",
    "-c",
    "protocol.http.allow=always",
    "-c",
    "protocol.file.allow=always",
    "-c",
    "credential.helper=",
    "ls-remote",
    "--tags",
    "--",
];

/// Where the repositories of actions lie, below `owner/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server(String);

impl Server {
    /// The one that is named, or else the host that the service's own repository was cloned from.
    pub(crate) async fn of(named: Option<&str>, repository: &Path) -> Result<Option<Self>, Failure> {
        let own = match named {
            Some(_) => None,
            None => Git::at(repository).origin().await.map_err(of_git)?,
        };
        Ok(named.and_then(address).or_else(|| host(own.as_deref()?)).map(Self))
    }

    /// The tags of `owner/name`, or why they can't be had.
    pub(crate) async fn tags(
        &self,
        name: &str,
        sandbox: &Sandbox,
        directory: &Path,
        log: &mut String,
    ) -> Result<Result<Tags, String>, Failure> {
        if !is_name(name) {
            return Ok(Err(format!("`{}` is no name of a repository", clean(name, 100))));
        }
        fs::create_dir_all(directory).map_err(|error| of_file("make a folder for git", error))?;
        let address = format!("{}/{name}", self.0);
        let words: Vec<String> =
            WORDS.iter().map(|word| (*word).to_owned()).chain([address.clone()]).collect();
        let settings = [
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            // Not the repository that the folder may lie in.
            ("GIT_CEILING_DIRECTORIES", "/"),
            ("GIT_DIR", "/dev/null"),
        ];
        let environment: BTreeMap<String, String> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let foreign = Foreign {
            readable: address
                .strip_prefix("file://")
                .map(PathBuf::from)
                .filter(|path| path.exists())
                .into_iter()
                .collect(),
            environment,
            network: true,
            deadline: DEADLINE,
            output_limit: LARGEST,
            ..Foreign::new(&words, directory)
        };
        let finished = sandbox.run(&foreign).await.map_err(of_sandbox)?;
        log.push_str(&format!("$ git ls-remote --tags {address}\n{}\n", finished.ending()));
        let said = clean(&finished.stderr, 300);
        match finished.exit {
            Exit::Code(0) if finished.truncated => {
                Ok(Err(format!("`{name}` has more tags than can be read")))
            }
            Exit::Code(0) => Ok(Ok(Tags::of(&finished.stdout))),
            Exit::Code(_) if UNREACHABLE.iter().any(|words| said.contains(words)) => {
                let failure =
                    Failure::transient(format!("could not ask {} for the tags of `{name}`: {said}", self.0));
                Err(failure
                    .of(FailureClass::Network)
                    .with_hint(format!("look at the network and at `{VARIABLE}`")))
            }
            Exit::Code(_) => Ok(Err(format!("git can't list the tags of `{name}` at {}: {said}", self.0))),
            Exit::Signal(_) | Exit::Deadline => {
                let what = format!("could not list the tags of `{name}`: git was {}", finished.ending());
                Err(Failure::transient(what).of(FailureClass::Network))
            }
        }
    }
}

/// An address without a password, of a kind that git reads without a program.
fn address(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let fits = is_plain && matches!(url.scheme(), "https" | "http" | "file");
    fits.then(|| text.trim_end_matches('/').to_owned())
}

/// The web address of the host that an address of a repository names; one that is reached by SSH is taken to answer there, too.
fn host(origin: &str) -> Option<String> {
    if let Ok(url) = Url::parse(origin) {
        let name = url.host_str().filter(|name| !name.is_empty())?;
        return match (url.scheme(), url.port()) {
            (scheme @ ("https" | "http"), Some(port)) => Some(format!("{scheme}://{name}:{port}")),
            (scheme @ ("https" | "http"), None) => Some(format!("{scheme}://{name}")),
            ("ssh" | "git+ssh", _) => Some(format!("https://{name}")),
            _ => None,
        };
    }
    // As in `git@host:owner/name.git`.
    let (before, _) = origin.split_once(':').filter(|(before, _)| !before.contains('/'))?;
    let name = before.rsplit('@').next().filter(|name| name.contains('.'))?;
    Url::parse(&format!("https://{name}")).ok().map(|_| format!("https://{name}"))
}

/// `owner/name`, made of what such names are made of.
fn is_name(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    name.split_once('/').is_some_and(|(owner, name)| is_part(owner) && is_part(name))
}

#[cfg(test)]
mod tests {
    use super::{address, host, is_name};

    #[test]
    fn the_host_of_the_own_repository_is_that_of_the_actions() {
        for (origin, then) in [
            ("https://forge.example/a/b.git", Some("https://forge.example")),
            ("https://ada:secret@forge.example:8443/a/b", Some("https://forge.example:8443")),
            ("git@forge.example:a/b.git", Some("https://forge.example")),
            ("ssh://git@forge.example:22/a/b", Some("https://forge.example")),
            ("/srv/git/b.git", None),
            ("file:///srv/git/b.git", None),
            ("../b:c", None),
            ("ext::sh -c x", None),
        ] {
            assert_eq!(host(origin).as_deref(), then, "{origin}");
        }
        for (given, then) in [
            ("https://forge.example/", Some("https://forge.example")),
            ("https://a:b@forge.example", None),
            ("ext::sh -c x", None),
            ("--upload-pack=x", None),
        ] {
            assert_eq!(address(given).as_deref(), then, "{given}");
        }
        assert!(
            is_name("actions/check-out_1.x") && !is_name("a/../b") && !is_name("a/..") && !is_name("-a/b")
        );
    }
}
