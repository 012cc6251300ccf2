//! yarn itself: which one is here, whether it is the one that keeps this lockfile, and its one command that writes it.

use std::fs;
use std::path::{Path, PathBuf};

use patchline_model::failure::{Failure, FailureClass};
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::node::program::{Program, Ran, environment, leading, wanted_major, wanted_version};
use crate::failures::of_file;

/// Yarn 1 lets whoever starts it stand in for its steps: nothing is fetched, installed or built, only resolved.
const STEPS: &str = "const nothing = async () => {};\nglobal.experimentalYarnHooks = { fetchStep: nothing, linkStep: nothing, pnpStep: nothing, buildStep: nothing, auditStep: nothing };\n";

/// yarn for one folder.
pub(crate) struct Yarn<'a> {
    program: Program<'a>,
    /// The first number of its version.
    pub(crate) major: u32,
    cache: PathBuf,
    /// A file beside the worktree with berry's settings.
    settings: Option<PathBuf>,
    /// What this run alone uses: the folder that yarn 1 takes for that of packages, and what berry remembers.
    scratch: PathBuf,
}

impl<'a> Yarn<'a> {
    /// The yarn of this name or path.
    pub(crate) async fn find(
        sandbox: &'a Sandbox,
        program: &str,
        worktree: &Path,
        folder: &Path,
        cache: &Path,
    ) -> Result<Self, Failure> {
        let environment = environment(&[
            // The one that is here, and none that lies in the project.
            ("YARN_IGNORE_PATH", "1"),
            ("COREPACK_ENABLE_STRICT", "0"),
            ("COREPACK_ENABLE_PROJECT_SPEC", "0"),
            ("COREPACK_ENABLE_DOWNLOAD_PROMPT", "0"),
            ("NO_COLOR", "1"),
        ]);
        let mut program = Program {
            sandbox,
            program: program.to_owned(),
            name: "yarn",
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
            return Err(Failure::permanent(format!("could not read yarn's version: `{version}`"))
                .of(FailureClass::Tool));
        };
        program.folder = folder.to_owned();
        program.writable.push(folder.to_owned());
        Ok(Self { program, major, cache: cache.to_owned(), settings: None, scratch: cache.join("run") })
    }

    /// Whether this yarn keeps lockfiles of this format, none being that of yarn 1, and is the one that the manifest asks
    /// for.
    pub(crate) fn fits(&self, format: Option<u32>, manifest: &str) -> Result<(), Failure> {
        let writer = match format {
            None => 1,
            Some(..=4) => 2,
            Some(5..=7) => 3,
            Some(_) => 4,
        };
        let wanted = wanted_major(manifest, "yarn")
            .filter(|asked| (*asked == 1) == format.is_none())
            .unwrap_or(writer);
        if wanted == self.major {
            return Ok(());
        }
        let package = if wanted == 1 { "yarn" } else { "@yarnpkg/cli-dist" };
        Err(Failure::permanent(format!(
            "the project is one of yarn {wanted}, and yarn {} would write another lockfile",
            self.major
        ))
        .of(FailureClass::Tool)
        .with_hint(format!("put yarn {wanted} on `PATH`, as with `npm install --global {package}@{wanted}`")))
    }

    /// A yarn of the right leading number that still writes another format.
    pub(crate) fn writes_another(&self, format: u32, then: Option<u32>, manifest: &str) -> Failure {
        let then = then.map_or_else(|| "another".to_owned(), |then| then.to_string());
        let version = wanted_version(manifest, "yarn");
        let hint = match version {
            Some(version) => format!("put yarn {version} on `PATH`, as with `npm install --global @yarnpkg/cli-dist@{version}`"),
            None => "put the release of yarn on `PATH` that the project uses, or run `yarn install` with this one first and commit what it changes".to_owned(),
        };
        let (major, text) = (self.major, "`yarn.lock` has format");
        Failure::permanent(format!(
            "{text} {format}, and the yarn {major} that is here would bring it to {then}"
        ))
        .of(FailureClass::Tool)
        .with_hint(hint)
    }

    /// The registry that it asks where nothing is set.
    pub(crate) async fn default_registry(&mut self) -> Result<String, Failure> {
        let setting = if self.major == 1 { "registry" } else { "npmRegistryServer" };
        let folder = std::mem::replace(&mut self.program.folder, self.cache.clone());
        let answer = self.program.default_registry(setting).await;
        self.program.folder = folder;
        answer
    }

    /// Prepares the run: whom to ask, and what of the project's settings holds. `settings` is a file beside the worktree.
    pub(crate) fn set_up(&mut self, registry: &str, settings: PathBuf, kept: &str) -> Result<(), Failure> {
        self.scratch = self.cache.join(settings.file_stem().unwrap_or_default());
        let environment = &mut self.program.environment;
        let mut set = |name: &str, value: String| environment.insert(name.to_owned(), value);
        if self.major == 1 {
            let steps = self.cache.join("steps.cjs");
            fs::write(&steps, STEPS).map_err(|error| of_file("write into yarn's cache", error))?;
            set("NODE_OPTIONS", format!("--require \"{}\"", steps.display()));
            set("YARN_REGISTRY", registry.to_owned());
            return Ok(());
        }
        fs::write(&settings, kept).map_err(|error| of_file("write yarn's settings", error))?;
        let name = settings.file_name().unwrap_or_default().to_string_lossy().into_owned();
        set("YARN_RC_FILENAME", name);
        set("YARN_NPM_REGISTRY_SERVER", registry.to_owned());
        set("YARN_GLOBAL_FOLDER", self.cache.display().to_string());
        set("YARN_INSTALL_STATE_PATH", self.scratch.join("state.gz").display().to_string());
        for (name, value) in [
            ("YARN_ENABLE_GLOBAL_CACHE", "1"),
            ("YARN_ENABLE_TELEMETRY", "0"),
            ("YARN_ENABLE_SCRIPTS", "0"),
            ("YARN_ENABLE_IMMUTABLE_INSTALLS", "0"),
            ("YARN_ENABLE_PROGRESS_BARS", "0"),
            ("YARN_ENABLE_COLORS", "0"),
        ] {
            set(name, value.to_owned());
        }
        if self.major >= 4 {
            set("YARN_ENABLE_CONSTRAINTS_CHECKS", "0".to_owned());
            set("YARN_ENABLE_HARDENED_MODE", "0".to_owned());
        }
        self.program.writable.push(settings.clone());
        self.settings = Some(settings);
        Ok(())
    }

    /// Brings the lockfile in line with the manifests. Its reason, where it refused.
    pub(crate) async fn complete(&mut self) -> Result<Result<(), String>, Failure> {
        let folder = format!("--modules-folder={}", self.scratch.display());
        let cache = format!("--cache-folder={}", self.cache.join("packages").display());
        let registry = format!(
            "--registry={}",
            self.program.environment.get("YARN_REGISTRY").cloned().unwrap_or_default()
        );
        let words: Vec<&str> = match self.major {
            1 => vec![
                "install",
                "--ignore-scripts",
                "--non-interactive",
                "--no-progress",
                "--no-bin-links",
                &folder,
                &cache,
                &registry,
            ],
            _ => vec!["install", "--mode=update-lockfile"],
        };
        // What yarn 1 remembers there of an earlier run would let it do nothing.
        if self.scratch.exists() {
            fs::remove_dir_all(&self.scratch).map_err(|error| of_file("clear yarn's cache", error))?;
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

impl Drop for Yarn<'_> {
    fn drop(&mut self) {
        // What could not be removed is written over by the next run.
        self.settings.iter().for_each(|settings| drop(fs::remove_file(settings)));
        drop(fs::remove_dir_all(&self.scratch));
    }
}

/// Yarn 1 begins its errors with a word; in berry's lines each message has a code, and that of what is merely told is 0.
fn error_line(line: &str) -> Option<&str> {
    if let Some(error) = line.strip_prefix("error ") {
        return Some(error);
    }
    if let Some(error) = line.strip_prefix("Usage Error: ").or_else(|| line.strip_prefix("Internal Error: "))
    {
        return Some(error);
    }
    let rest = line.trim_start_matches(|sign: char| !sign.is_ascii()).trim_start();
    let (code, message) = rest.split_once(": ")?;
    let number = code.strip_prefix("YN")?;
    // Unmet peers, deprecated packages, what was fetched or skipped: said on every run.
    const TOLD: [&str; 12] =
        ["0000", "0002", "0007", "0013", "0019", "0060", "0061", "0062", "0068", "0073", "0085", "0086"];
    (!TOLD.contains(&number))
        .then(|| message.trim_start_matches(|sign: char| !sign.is_ascii() || sign == ' '))
}

#[cfg(test)]
mod tests {
    use super::error_line;

    #[test]
    fn what_either_yarn_marks_as_an_error_is_told() {
        let said = "info visit\nerror Couldn't find any versions for \"a\"\n➤ YN0000: ┌ Resolution step\n➤ YN0082: │ a@npm:^9: No candidates found\n➤ YN0002: │ app lacks b\nUsage Error: no\n";
        let told: Vec<&str> = said.lines().filter_map(error_line).collect();
        assert_eq!(told, ["Couldn't find any versions for \"a\"", "a@npm:^9: No candidates found", "no"]);
    }
}
