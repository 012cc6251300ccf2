//! What can be deployed, and how: repository, owner, tier, build, tests, run and rollout plan.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::agent::Agent;
use crate::reproducer::How;
use crate::stage::budget::Slo;
use crate::stage::plan::Plan;
use crate::verification::Verification;
use crate::window::Window;

/// A service's name: lower-case letters, digits and `-`, at most 63, beginning with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Text that can't name a service or an environment.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a name; names are lower-case letters, digits and `-`, begin with a letter, and have at most 63 characters"
)]
pub struct NotAName(pub String);

/// How much hangs on a service: 1 is critical, 4 internal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Tier(u8);

/// A number that is no tier.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0} is not a tier; tiers go from 1 (critical) to 4 (internal)")]
pub struct NotATier(pub u8);

/// A deployable thing, as its `patchline.toml` described it when the patch was opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    pub name: Name,
    pub owner: String,
    pub tier: Tier,
    /// Absolute path of the git repository.
    pub repository: String,
    /// Folder of the service inside the repository; empty for the top.
    pub folder: String,
    pub build: Build,
    pub test: Option<CommandLine>,
    pub reproducers: Vec<Reproducer>,
    /// How one instance runs and how a patch gets onto all of them; a service without it ends after verification.
    pub run: Option<Run>,
    #[serde(default, skip_serializing_if = "Verification::is_usual")]
    pub verification: Verification,
    /// Who may be asked, in this order, for what no fixer can do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Agent>,
}

/// A program and its arguments; never a shell string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandLine(pub Vec<String>);

/// How the artifact is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Fetches what the build needs; may use the network. Everything after it may not.
    pub prepare: Option<CommandLine>,
    /// Empty where nothing is compiled: then the artifact is an archive of the service's folder.
    pub command: CommandLine,
    /// The file that the build leaves, relative to the service's folder.
    pub artifact: String,
}

impl Build {
    /// Whether the source itself is what is shipped.
    pub fn is_source(&self) -> bool {
        self.command.0.is_empty()
    }
}

/// Shows one problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reproducer {
    /// The advisory or the report that it shows.
    pub advisory: String,
    #[serde(flatten)]
    pub how: How,
}

/// How one instance runs, and the rollout plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub environment: Name,
    /// The target that makes the world match, as in `process`.
    pub target: String,
    /// What runs, where the artifact is something that it reads; else the artifact itself runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// `{artifact}` stands for the path at which an instance finds the artifact in force.
    pub arguments: Vec<String>,
    /// What tells an instance to take the artifact in force over.
    #[serde(default, skip_serializing_if = "ReloadSignal::is_usual")]
    pub reload_signal: ReloadSignal,
    /// Path that answers 200 when an instance can take requests.
    pub health: String,
    /// Loopback port on which the service is reached; 0 for any.
    pub port: u16,
    pub plan: Plan,
    /// When a routine rollout may begin or grow; none: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// What users are promised; without it no error budget is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<Slo>,
}

/// The signals that services use to take over what has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ReloadSignal {
    #[default]
    SigHup,
    SigUsr1,
    SigUsr2,
}

impl ReloadSignal {
    pub fn is_usual(&self) -> bool {
        *self == ReloadSignal::default()
    }
}

impl Service {
    /// What the patch must hold alone while it moves the service: one rollout at a time.
    pub fn lock(&self) -> Option<String> {
        self.run.as_ref().map(|run| [self.name.as_str(), "/", run.environment.as_str()].concat())
    }

    /// The reproducer for any of these names of a finding.
    pub fn reproducer<'a>(&'a self, names: &[&str]) -> Option<&'a Reproducer> {
        self.reproducers.iter().find(|reproducer| names.contains(&reproducer.advisory.as_str()))
    }
}

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if begins && text.len() <= 63 && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAName(text.chars().take(80).collect()))
        }
    }
}

impl TryFrom<String> for Name {
    type Error = NotAName;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Tier {
    pub fn number(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Tier {
    type Error = NotATier;
    fn try_from(number: u8) -> Result<Self, Self::Error> {
        if (1..=4).contains(&number) { Ok(Self(number)) } else { Err(NotATier(number)) }
    }
}

impl From<Tier> for u8 {
    fn from(tier: Tier) -> Self {
        tier.0
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tier {}", self.0)
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, NotATier, Tier};

    #[test]
    fn names_are_plain() {
        assert!("notebook-2".parse::<Name>().is_ok());
        for text in ["", "2nd", "Notebook", "a/b", "a b", "../x"] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
    }

    #[test]
    fn there_are_four_tiers() {
        assert!(Tier::try_from(4).is_ok());
        assert_eq!(Tier::try_from(0), Err(NotATier(0)));
    }
}
