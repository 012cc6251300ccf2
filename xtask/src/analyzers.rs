//! Real analyzers for tests, in a folder of their own below the target folder, brought by pip and npm.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::probe;

const DEADLINE: Duration = Duration::from_secs(600);

/// What comes together: the programs, and what they are called where they come from.
struct Bundle {
    folder: &'static str,
    programs: &'static str,
    packages: &'static [&'static str],
    /// Where the programs lie in the folder.
    bin: &'static str,
    /// The one by which the bundle is known to be there.
    program: &'static str,
    bring: fn(&Path, &[&str]) -> Vec<Command>,
}

const BUNDLES: [Bundle; 2] = [
    Bundle {
        folder: "python",
        programs: "semgrep and ruff",
        packages: &["semgrep", "ruff"],
        bin: "bin",
        program: "semgrep",
        bring: by_pip,
    },
    Bundle {
        folder: "node",
        programs: "eslint and ast-grep",
        packages: &["eslint", "@ast-grep/cli"],
        bin: "node_modules/.bin",
        program: "ast-grep",
        bring: by_npm,
    },
];

/// Brings what is missing, or only looks. Returns what tests have to do without.
pub fn bring(root: &Path, only_look: bool) -> Vec<String> {
    let tools = folder(root);
    let mut skipped = Vec::new();
    for bundle in BUNDLES
        .iter()
        .filter(|bundle| !tools.join(bundle.folder).join(bundle.bin).join(bundle.program).exists())
    {
        if only_look {
            skipped.push(format!("tests that need {}: they are not here", bundle.programs));
            continue;
        }
        println!("== parts: installing {}", bundle.programs);
        if let Err(why) = bundle.install(&tools.join(bundle.folder)) {
            skipped.push(format!("{} could not be installed: {why:#}", bundle.programs));
        }
    }
    skipped
}

/// Beside what tests may write to, so that they find it without being told.
fn folder(root: &Path) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |set| root.join(set));
    target.join("tools")
}

impl Bundle {
    fn install(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        for command in (self.bring)(folder, self.packages) {
            let answer = probe::ask(command, DEADLINE)?;
            if !answer.status.success() {
                let line = answer.text.lines().rev().find(|line| !line.trim().is_empty());
                bail!("{}", line.unwrap_or("no reason was given"));
            }
        }
        Ok(())
    }
}

fn by_pip(folder: &Path, packages: &[&str]) -> Vec<Command> {
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(folder);
    let mut install = Command::new(folder.join("bin/python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
    vec![make, install]
}

fn by_npm(folder: &Path, packages: &[&str]) -> Vec<Command> {
    let mut install = Command::new("npm");
    install.args(["install", "--no-audit", "--no-fund", "--no-save", "--prefix"]).arg(folder).args(packages);
    vec![install]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_asked_for_by_name_and_land_in_a_folder_of_their_own() {
        let shown = |bundle: &Bundle| -> Vec<String> {
            let commands = (bundle.bring)(Path::new("/tools/it"), bundle.packages);
            commands.iter().map(|command| format!("{command:?}").replace('"', "")).collect()
        };
        assert_eq!(
            shown(&BUNDLES[0]),
            [
                "python3 -m venv /tools/it",
                "/tools/it/bin/python -m pip install --quiet --disable-pip-version-check semgrep ruff",
            ]
        );
        assert_eq!(
            shown(&BUNDLES[1]),
            ["npm install --no-audit --no-fund --no-save --prefix /tools/it eslint @ast-grep/cli"]
        );
    }

    #[test]
    fn what_can_t_be_brought_says_why() {
        let nothing: fn(&Path, &[&str]) -> Vec<Command> = |_, _| vec![Command::new("false")];
        let bundle = Bundle { bring: nothing, ..BUNDLES[0] };
        let why = bundle.install(&std::env::temp_dir()).expect_err("`false` fails");
        assert_eq!(why.to_string(), "no reason was given");
    }
}
