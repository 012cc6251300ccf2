//! Gradle itself, in the sandbox. A build's scripts are programs that Gradle runs before it can be asked anything, so they
//! see no home folder, no setting of the user's and nothing of the repository's history, and end at a deadline.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use patchline_model::failure::{Failure, FailureClass};
use patchline_sandbox::foreign::{Exit, Finished, Foreign};
use patchline_sandbox::sandbox::Sandbox;
use tempfile::TempDir;

use crate::dependency::gradle::survey::{Ask, Project, Survey};
use crate::failures::{of_file, of_sandbox};
use crate::message::clean;

/// Read by Gradle beside the build's own scripts.
const SCRIPT: &str = include_str!("survey.gradle");
/// Gradle is asked often and answers soon: what Java does for long runs costs more here than it brings. With the heap that
/// it is given it needs no second process.
const SHORT_RUN: &str = "-Xmx2g -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto";
const DEADLINE: Duration = Duration::from_secs(900);
const LONGEST_LOG: usize = 256 << 10;
const LARGEST: u64 = 64 << 20;
const MOST_PROJECTS: usize = 2000;

/// What Gradle writes when nothing answers.
const UNREACHABLE: [&str; 8] = [
    "Unknown host",
    "UnknownHostException",
    "Connection refused",
    "Connect timed out",
    "connect timed out",
    "Read timed out",
    "Network is unreachable",
    "Temporary failure in name resolution",
];

/// What it writes when a repository wants to know who asks.
const FORBIDDEN: [&str; 3] = ["status code 401", "status code 403", "Username must not be null"];

/// What Gradle is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// It says what it takes by the lockfiles, and what there is besides.
    Look,
    /// It takes what the scripts ask for, and writes that to the lockfiles.
    Lock,
    /// It says what it takes by the lockfiles, without a network.
    Again,
}

pub(crate) struct Gradle {
    sandbox: Sandbox,
    program: PathBuf,
    java: Option<PathBuf>,
    /// Arguments of the user's own.
    settings: Vec<String>,
    worktree: PathBuf,
    /// The build's own folder.
    folder: PathBuf,
    /// What it fetched, and nothing of the user's.
    cache: PathBuf,
    pub(crate) log: String,
}

impl Gradle {
    /// `program` is a path, or a name to be found on `PATH`. The user's home folder and the repository are hidden from it.
    pub(crate) fn new(
        sandbox: &Sandbox,
        program: &Path,
        settings: Vec<String>,
        repository: &Path,
        (worktree, folder): (&Path, &str),
        cache: PathBuf,
    ) -> Self {
        let hidden = sandbox.clone().hiding(repository);
        let java = env::var_os("JAVA_HOME").map(PathBuf::from).filter(|home| home.is_dir());
        Self {
            sandbox: env::home_dir().into_iter().fold(hidden, Sandbox::hiding),
            // What a link in a home folder leads to is seen only where it really lies.
            program: found(program).unwrap_or_else(|| program.to_owned()),
            java: java.or_else(|| home_of(&found(Path::new("java"))?)),
            settings,
            worktree: worktree.to_owned(),
            folder: worktree.join(folder),
            cache,
            log: String::new(),
        }
    }

    /// What Gradle takes for all projects with a lockfile, or its reason, where it refuses.
    pub(crate) async fn survey(&mut self, ask: &Ask, run: Run) -> Result<Result<Survey, String>, Failure> {
        let scratch = self.scratch()?;
        let answers = scratch.path().join("answers");
        let (script, asked) = (scratch.path().join("patchline.gradle"), scratch.path().join("ask.json"));
        let text = serde_json::to_string(ask)
            .map_err(|error| Failure::permanent(format!("could not ask: {error}")))?;
        let written = fs::create_dir(&answers).and_then(|()| fs::write(&script, SCRIPT));
        written.and_then(|()| fs::write(&asked, text)).map_err(|error| of_file("write a question", error))?;
        let shown = |path: &Path| path.display().to_string();
        let mut words = vec![shown(&self.program)];
        let fixed = [
            "patchlineSurvey",
            "--no-daemon",
            "--quiet",
            "--console=plain",
            "--no-watch-fs",
            "--no-build-cache",
            "--no-parallel",
            "--no-configure-on-demand",
            "--no-scan",
            // What the build sets for itself would take another process, or keep the question out of it.
            "-Dorg.gradle.jvmargs=",
            "-Dorg.gradle.configuration-cache=false",
            "-Dorg.gradle.unsafe.configuration-cache=false",
            "-Dorg.gradle.unsafe.isolated-projects=false",
            "-Porg.gradle.java.installations.auto-download=false",
        ];
        words.extend(fixed.map(str::to_owned));
        words.extend(match run {
            Run::Look => None,
            Run::Lock => Some("--write-locks".to_owned()),
            Run::Again => Some("--offline".to_owned()),
        });
        words.extend(self.settings.clone());
        words.extend([
            format!("-Dpatchline.ask={}", shown(&asked)),
            format!("-Dpatchline.answers={}", shown(&answers)),
        ]);
        let places =
            [("--gradle-user-home", self.home()), ("--project-cache-dir", scratch.path().join("project"))];
        let places =
            places.into_iter().chain([("--init-script", script), ("--project-dir", self.folder.clone())]);
        words.extend(places.flat_map(|(name, path)| [name.to_owned(), shown(&path)]));
        let finished = self.run(&words, run != Run::Again).await?;
        if let Err(why) = answer(&finished)? {
            return Ok(Err(why));
        }
        let survey = read(&answers)?;
        if let Some((_, why)) = survey.unresolved().filter(|_| run != Run::Again) {
            reached(why)?;
        }
        Ok(Ok(survey))
    }

    fn home(&self) -> PathBuf {
        self.cache.join("home")
    }

    fn scratch(&self) -> Result<TempDir, Failure> {
        fs::create_dir_all(self.home()).map_err(|error| of_file("make Gradle's cache", error))?;
        let scratch = tempfile::Builder::new().prefix("ask-").tempdir_in(&self.cache);
        scratch.map_err(|error| of_file("make a folder in Gradle's cache", error))
    }

    async fn run(&mut self, words: &[String], network: bool) -> Result<Finished, Failure> {
        let mut environment = BTreeMap::from([("JAVA_OPTS".to_owned(), SHORT_RUN.to_owned())]);
        environment.extend(self.java.iter().map(|home| ("JAVA_HOME".to_owned(), home.display().to_string())));
        let readable = self.java.iter().cloned().chain(home_of(&self.program));
        let foreign = Foreign {
            writable: vec![self.cache.clone(), self.worktree.clone()],
            readable: readable.collect(),
            environment,
            network,
            deadline: DEADLINE,
            ..Foreign::new(words, &self.folder)
        };
        let finished = self.sandbox.run(&foreign).await.map_err(of_sandbox)?;
        let said = clean(&words.join(" "), 2000);
        self.note(&format!("$ {said}\n{}\n{}\n", finished.combined(), finished.ending()));
        Ok(finished)
    }

    fn note(&mut self, text: &str) {
        let room = LONGEST_LOG.saturating_sub(self.log.len());
        let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.log.push_str(&text[..end]);
    }
}

/// Where a program really lies.
fn found(program: &Path) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let named = program.components().count() == 1;
    let folders: Vec<PathBuf> = if named { env::split_paths(&path).collect() } else { vec![PathBuf::new()] };
    folders.into_iter().map(|folder| folder.join(program)).find(|path| path.is_file())?.canonicalize().ok()
}

/// The folder around the `bin` that a program lies in.
fn home_of(program: &Path) -> Option<PathBuf> {
    let bin = program.parent().filter(|bin| bin.ends_with("bin"))?;
    bin.parent().filter(|home| home.parent().is_some()).map(Path::to_owned)
}

fn read(answers: &Path) -> Result<Survey, Failure> {
    let failed = |what: String| {
        Failure::permanent(format!("could not read Gradle's answer: {what}")).of(FailureClass::Tool)
    };
    let mut survey = Survey::default();
    let listed = fs::read_dir(answers).map_err(|error| of_file("list Gradle's answers", error))?;
    for entry in listed.take(MOST_PROJECTS) {
        let entry = entry.map_err(|error| of_file("list Gradle's answers", error))?;
        // Scripts of the build could put anything there.
        let about =
            entry.path().symlink_metadata().map_err(|error| of_file("read Gradle's answer", error))?;
        if !about.is_file() || about.len() > LARGEST {
            return Err(failed("it is no file of a size that can be read".to_owned()));
        }
        let text =
            fs::read_to_string(entry.path()).map_err(|error| of_file("read Gradle's answer", error))?;
        let project: Project = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
        survey.0.insert(project.project.clone(), project);
    }
    Ok(survey)
}

/// Fails where what Gradle said comes from a repository that does not answer as it should.
fn reached(said: &str) -> Result<(), Failure> {
    let says = |words: &[&str]| words.iter().any(|words| said.contains(words));
    if says(&UNREACHABLE) {
        let what = format!("Gradle could not reach a repository: {}", clean(said, 400));
        let hint = "look at the network, at the repositories of the build, and at the proxies in `~/.gradle/gradle.properties`; then try again";
        return Err(Failure::transient(what).of(FailureClass::Network).with_hint(hint));
    }
    if says(&FORBIDDEN) {
        let what = format!("Gradle could not ask a repository: {}", clean(said, 400));
        let hint = "a repository that wants a password or a token can't be asked here";
        return Err(Failure::permanent(what).of(FailureClass::Network).with_hint(hint));
    }
    Ok(())
}

fn answer(finished: &Finished) -> Result<Result<(), String>, Failure> {
    match finished.exit {
        Exit::Code(0) => Ok(Ok(())),
        Exit::Code(_) => {
            let why = reason(finished);
            reached(&why)?;
            Ok(Err(format!("Gradle says: {why}")))
        }
        Exit::Signal(_) | Exit::Deadline => {
            Err(Failure::transient(format!("could not run Gradle: {}", finished.ending())))
        }
    }
}

/// What Gradle says went wrong, in one sentence.
fn reason(finished: &Finished) -> String {
    let said = finished.combined();
    let told = said.split("* What went wrong:").nth(1).and_then(|rest| rest.split("* Try:").next());
    let lines = told.unwrap_or(&said).lines();
    let lines = lines.map(|line| line.trim().trim_start_matches("> ").trim());
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).take(8).collect();
    if lines.is_empty() { "it gave no reason".to_owned() } else { clean(&lines.join(" "), 400) }
}
