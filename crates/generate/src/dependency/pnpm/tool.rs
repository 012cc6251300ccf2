//! pnpm itself: which one is here, whether it is the one that keeps this lockfile, and its one command that writes it.

use std::path::Path;

use patchline_model::failure::{Failure, FailureClass};
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::node::program::{Program, Ran, environment, leading, wanted_major};

/// pnpm for one folder.
pub(crate) struct Pnpm<'a> {
    program: Program<'a>,
    /// The first number of its version.
    pub(crate) major: u32,
    cache: String,
}

impl<'a> Pnpm<'a> {
    /// The pnpm of this name or path.
    pub(crate) async fn find(
        sandbox: &'a Sandbox,
        program: &str,
        worktree: &Path,
        folder: &Path,
        cache: &Path,
    ) -> Result<Self, Failure> {
        let environment = environment(&[
            // The one that is here, and none that the project would have it fetch.
            ("npm_config_manage_package_manager_versions", "false"),
            ("pnpm_config_manage_package_manager_versions", "false"),
            ("npm_config_package_manager_strict", "false"),
            ("pnpm_config_package_manager_strict", "false"),
            ("pnpm_config_pm_on_fail", "ignore"),
            ("npm_config_update_notifier", "false"),
            ("npm_config_git", "git"),
            ("NO_COLOR", "1"),
        ]);
        let mut program = Program {
            sandbox,
            program: program.to_owned(),
            name: "pnpm",
            worktree: worktree.to_owned(),
            // No settings of the project have a say in which version it is.
            folder: cache.to_owned(),
            writable: vec![cache.to_owned()],
            environment,
            error_line,
            log: String::new(),
        };
        let version = program.ask(&["--version"]).await?;
        let Some(major) = leading(&version) else {
            return Err(Failure::permanent(format!("could not read pnpm's version: `{version}`"))
                .of(FailureClass::Tool));
        };
        program.folder = folder.to_owned();
        program.writable.push(folder.to_owned());
        Ok(Self { program, major, cache: cache.display().to_string() })
    }

    /// Whether this pnpm writes lockfiles of this format as they are, and is the one that the manifest asks for.
    pub(crate) fn fits(&self, format: &str, manifest: &str) -> Result<(), Failure> {
        let writers: &[u32] = match format.split('.').next() {
            Some("9") => &[9, 10, 11],
            Some("6") => &[8],
            _ if format == "5.4" => &[7],
            _ if format == "5.3" => &[6],
            _ => &[],
        };
        let asked = wanted_major(manifest, "pnpm").filter(|asked| writers.contains(asked));
        let fits = asked.map_or(writers.contains(&self.major), |asked| asked == self.major);
        if fits {
            return Ok(());
        }
        let message = format!(
            "`pnpm-lock.yaml` has format {format}{}, and pnpm {} would write another one",
            asked.map(|asked| format!(" and `package.json` asks for pnpm {asked}")).unwrap_or_default(),
            self.major
        );
        let hint = match asked.or(writers.first().copied()) {
            Some(major) => format!("put pnpm {major} on `PATH`, as with `npm install --global pnpm@{major}`"),
            None => "bring the lockfile up to date with a newer pnpm first".to_owned(),
        };
        Err(Failure::permanent(message).of(FailureClass::Tool).with_hint(hint))
    }

    /// The registry that it asks where nothing is set.
    pub(crate) async fn default_registry(&mut self) -> Result<String, Failure> {
        self.program.default_registry("registry").await
    }

    pub(crate) fn set_registry(&mut self, address: &str) {
        self.program.environment.insert("npm_config_registry".to_owned(), address.to_owned());
        self.program.environment.insert("pnpm_config_registry".to_owned(), address.to_owned());
    }

    /// Brings the lockfile in line with the manifests. Its reason, where it refused.
    pub(crate) async fn complete(&mut self, offline: bool) -> Result<Result<(), String>, Failure> {
        let (store, cache) =
            (format!("--store-dir={}/store", self.cache), format!("--cache-dir={}/metadata", self.cache));
        let mut words = vec![
            "install",
            "--lockfile-only",
            "--no-frozen-lockfile",
            "--ignore-scripts",
            "--ignore-pnpmfile",
            &store,
            &cache,
        ];
        if offline {
            words.push("--prefer-offline");
        }
        // Else pnpm would look for one above.
        if !self.program.folder.join("pnpm-workspace.yaml").is_file() {
            words.push("--ignore-workspace");
        }
        Ok(match self.program.run(&words).await? {
            Ran::Well(_) => Ok(()),
            Ran::Refused(reason) => Err(reason),
        })
    }

    pub(crate) fn log(&mut self) -> String {
        std::mem::take(&mut self.program.log)
    }
}

/// pnpm's errors have names.
fn error_line(line: &str) -> Option<&str> {
    let line = line.trim();
    let line = line.strip_prefix("[ERROR] ").unwrap_or(line);
    line.contains("ERR_PNPM_").then_some(line).or_else(|| line.strip_prefix("ERROR"))
}

#[cfg(test)]
mod tests {
    use super::error_line;

    #[test]
    fn an_error_is_what_pnpm_names_so() {
        let said = " WARN  deprecated\n ERR_PNPM_NO_MATCHING_VERSION  No matching version found for a@9\nThis error happened while installing\n ERROR  Unknown option\n";
        let told: Vec<&str> = said.lines().filter_map(error_line).map(str::trim).collect();
        assert_eq!(
            told,
            ["ERR_PNPM_NO_MATCHING_VERSION  No matching version found for a@9", "Unknown option"]
        );
    }
}
