//! Agents: programs and models that a service lets change its code, and how much each may change.

use serde::{Deserialize, Serialize};

use crate::stage::safety::fits;
use crate::time::Seconds;

/// What stands before an agent's name in a candidate's `fixer`.
pub const FIXER: &str = "agent:";

/// What no agent changes unless its `paths` say so: what the build server runs, what decides about patches.
const KEPT_FOLDERS: [&str; 4] = [".circleci", ".buildkite", ".woodpecker", ".ci"];
const KEPT_FILES: [&str; 9] = [
    "patchline.toml",
    "*.rego",
    ".git*",
    "Jenkinsfile*",
    "azure-pipelines.y*ml",
    "bitbucket-pipelines.y*ml",
    ".travis.y*ml",
    ".drone.y*ml",
    ".woodpecker.y*ml",
];

/// Somebody who may be asked for a change, and its budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// As that of a service.
    pub name: String,
    #[serde(flatten)]
    pub way: Way,
    /// How long it may take, with all its rounds.
    pub seconds: Seconds,
    /// Files that it may change, at most.
    pub files: u32,
    /// Lines that it may add and take away, together.
    pub lines: u32,
    /// Patterns of paths that it may change, seen from the service's folder; none: all but what decides about patches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

/// How it is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    Command(ByCommand),
    Endpoint(Endpoint),
}

/// A program that edits the files of its working directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByCommand {
    pub command: Vec<String>,
    #[serde(default)]
    pub network: bool,
    /// Absolute paths that it needs and that are hidden otherwise, as where it is installed below the user's home.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readable: Vec<String>,
}

/// A model behind a chat-completions endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub url: String,
    pub model: String,
    /// The environment variable that holds the key; the key itself is never kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// Tokens of all rounds, those of the prompts included.
    pub tokens: u64,
}

impl Agent {
    /// As it stands in a candidate.
    pub fn fixer(&self) -> String {
        format!("{FIXER}{}", self.name)
    }

    /// Whether it may change this file, a path from the repository's top. `folder` is where the service lies in it.
    pub fn may_change(&self, folder: &str, path: &str) -> bool {
        let within = match folder {
            "" => Some(path),
            folder => path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')),
        };
        let Some(within) = within else { return false };
        if within.split('/').any(|name| name.eq_ignore_ascii_case(".git")) {
            return false;
        }
        if !self.paths.is_empty() {
            return self.paths.iter().any(|pattern| fits(pattern, within));
        }
        let (folders, name) = within.rsplit_once('/').unwrap_or(("", within));
        let kept_folder = |name: &str| KEPT_FOLDERS.contains(&name) || name.starts_with(".git");
        !folders.split('/').any(kept_folder) && !KEPT_FILES.iter().any(|pattern| fits(pattern, name))
    }
}

#[cfg(test)]
mod tests {
    use super::{Agent, ByCommand, Way};
    use crate::time::Seconds;

    fn agent(paths: &[&str]) -> Agent {
        Agent {
            name: "mender".to_owned(),
            way: Way::Command(ByCommand {
                command: vec!["mend".to_owned()],
                network: false,
                readable: Vec::new(),
            }),
            seconds: Seconds(600),
            files: 10,
            lines: 400,
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }
    }

    #[track_caller]
    fn check(paths: &[&str], folder: &str, may: &[&str], may_not: &[&str]) {
        let agent = agent(paths);
        for path in may {
            assert!(agent.may_change(folder, path), "{path}");
        }
        for path in may_not {
            assert!(!agent.may_change(folder, path), "{path}");
        }
    }

    #[test]
    fn an_agent_changes_code_and_not_what_decides_about_it() {
        check(
            &[],
            "",
            &["src/a.rs", "a", "docs/git.md", "tests/Jenkins.txt"],
            &[
                ".github/workflows/ci.yml",
                "x/.gitlab-ci.yml",
                ".gitattributes",
                "x/.git/config",
                ".GIT/hooks/a",
                "patchline.toml",
                "web/patchline.toml",
                "policies/gate.rego",
                "Jenkinsfile",
                ".ci/run",
            ],
        );
        check(&["src/**"], "web", &["web/src/a/b.js"], &["src/a.js", "web/a.js", "webb/src/a.js", "web"]);
        check(&["**"], "", &["patchline.toml"], &["a/.git/config"]);
    }

    #[test]
    fn an_agent_is_read_back_as_it_was_written() {
        let written = serde_json::to_string(&agent(&["src/**"])).unwrap();
        assert!(written.contains(r#""command":{"command":["mend"]"#), "{written}");
        assert_eq!(serde_json::from_str::<Agent>(&written).unwrap(), agent(&["src/**"]));
    }
}
