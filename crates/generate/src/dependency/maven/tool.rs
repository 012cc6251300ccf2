//! Maven itself, in the sandbox: it resolves through the repositories that its own settings name, and of all plugins only its
//! dependency plugin runs, which reads poms and no code.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use patchline_model::failure::{Failure, FailureClass};
use patchline_sandbox::foreign::{Exit, Finished, Foreign};
use patchline_sandbox::sandbox::Sandbox;
use tempfile::TempDir;

use crate::dependency::maven::settings::{Settings, element};
use crate::dependency::maven::shelf::published;
use crate::dependency::maven::tree::{Module, Tree, parse};
use crate::failures::{of_file, of_sandbox};
use crate::message::clean;

/// One that Maven 3.2.5 and later can run.
const TREE: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:tree";
/// A range that no version is in: Maven asks its repositories what there is, and reads no pom of it.
const NOTHING: &str = "[99999999999,)";
/// Maven is asked often and answers soon: what Java does for long runs costs more here than it brings.
const SHORT_RUN: &str = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC";
const DEADLINE: Duration = Duration::from_secs(600);
const LONGEST_LOG: usize = 256 << 10;
const LARGEST: u64 = 64 << 20;

/// What Maven writes when nothing answers.
const UNREACHABLE: [&str; 7] = [
    "Unknown host",
    "UnknownHostException",
    "Connection refused",
    "Connect timed out",
    "Read timed out",
    "Network is unreachable",
    "Temporary failure in name resolution",
];

/// What Maven writes when the plugin, or what that needs, can't be had.
const WITHOUT_PLUGIN: [&str; 2] =
    ["Plugin org.apache.maven.plugins:maven-dependency-plugin", "No plugin found for prefix"];

pub(crate) struct Maven<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) settings: Settings,
    /// All of it can be read.
    pub(crate) worktree: PathBuf,
    /// What it fetched, and nothing of the user's.
    pub(crate) cache: PathBuf,
    /// Properties that the project sets on the command line.
    pub(crate) properties: Vec<String>,
    /// Of the project: identifiers and addresses.
    pub(crate) repositories: BTreeSet<(String, String)>,
    pub(crate) log: String,
}

/// A project of one dependency, with its version.
pub(crate) type Probe = (String, String);

impl Maven<'_> {
    /// What Maven takes for the project of this pom and its modules, or its reason why it can't.
    pub(crate) async fn tree(
        &mut self,
        pom: &Path,
        is_offline: bool,
    ) -> Result<Result<Tree, String>, Failure> {
        let scratch = self.scratch()?;
        let (finished, text) = self.run(pom, scratch.path(), is_offline).await?;
        if let Err(why) = answer(&finished)? {
            return Ok(Err(why));
        }
        let failed = |what: String| Failure::permanent(format!("could not read Maven's tree: {what}"));
        parse(&text).map(Ok).map_err(|what| failed(what).of(FailureClass::Tool))
    }

    /// The versions that the repositories have of these packages.
    pub(crate) async fn published(
        &mut self,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        let probes: Vec<Probe> = names.iter().map(|name| (name.clone(), NOTHING.to_owned())).collect();
        let scratch = self.scratch()?;
        let pom = self.probe(scratch.path(), &probes)?;
        let (finished, _) = self.run(&pom, scratch.path(), false).await?;
        // That nothing is in the range is what was asked for.
        let is_told = finished.stdout.contains("No versions available for");
        if !is_told && let Err(why) = answer(&finished)? {
            return Err(Failure::permanent(why).of(FailureClass::Tool));
        }
        let mut found = BTreeMap::new();
        for name in names {
            found.insert(name.clone(), self.versions(name)?);
        }
        Ok(found)
    }

    /// What each of these takes when it is alone; none where Maven can't resolve it.
    pub(crate) async fn alone(&mut self, probes: &[Probe]) -> Result<Vec<Option<Module>>, Failure> {
        let scratch = self.scratch()?;
        let pom = self.probe(scratch.path(), probes)?;
        let (finished, text) = self.run(&pom, scratch.path(), false).await?;
        // One that can't be resolved is no reason to give up on the others.
        if text.is_empty()
            && let Err(why) = answer(&finished)?
        {
            return Err(Failure::permanent(why).of(FailureClass::Tool));
        }
        let mut tree = parse(&text)
            .map_err(|what| Failure::permanent(format!("could not read Maven's tree: {what}")))?;
        Ok((0..probes.len()).map(|index| tree.remove(&format!("probe:probe-{index}"))).collect())
    }

    /// Whether Maven found the pom of this version.
    pub(crate) fn has_pom(&self, name: &str, version: &str) -> bool {
        let Some((group, artifact)) = name.split_once(':') else { return false };
        let folder = self.repository().join(group.replace('.', "/")).join(artifact).join(version);
        folder.join(format!("{artifact}-{version}.pom")).is_file()
    }

    /// What the repositories said of a package, as Maven keeps it.
    fn versions(&self, name: &str) -> Result<Vec<String>, Failure> {
        let Some((group, artifact)) = name.split_once(':') else { return Ok(Vec::new()) };
        let folder = self.repository().join(group.replace('.', "/")).join(artifact);
        let mut versions = Vec::new();
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let file = entry.file_name().to_string_lossy().into_owned();
            let is_told = file.starts_with("maven-metadata-") && file.ends_with(".xml");
            if !is_told || entry.metadata().is_ok_and(|about| about.len() > LARGEST) {
                continue;
            }
            let text =
                fs::read_to_string(entry.path()).map_err(|error| of_file("read Maven's cache", error))?;
            let failed = |what: String| {
                Failure::transient(format!("could not read what a repository says of `{name}`: {what}"))
                    .of(FailureClass::Network)
            };
            versions.extend(published(&text).map_err(failed)?);
        }
        Ok(versions)
    }

    fn repository(&self) -> PathBuf {
        self.cache.join("repository")
    }

    fn scratch(&self) -> Result<TempDir, Failure> {
        for folder in [self.repository(), self.cache.join("empty")] {
            fs::create_dir_all(folder).map_err(|error| of_file("make Maven's cache", error))?;
        }
        let scratch = tempfile::Builder::new().prefix("ask-").tempdir_in(&self.cache);
        scratch.map_err(|error| of_file("make a folder in Maven's cache", error))
    }

    /// A project with a module for each probe; its pom.
    fn probe(&self, folder: &Path, probes: &[Probe]) -> Result<PathBuf, Failure> {
        let write =
            |path: &Path, text: String| fs::write(path, text).map_err(|error| of_file("write a pom", error));
        let mut repositories = String::new();
        for (id, url) in &self.repositories {
            element(&mut repositories, "repository", &[("id", id), ("url", url)]);
        }
        let head = |artifact: &str| {
            format!(
                "<project><modelVersion>4.0.0</modelVersion><groupId>probe</groupId><artifactId>{artifact}</artifactId><version>1</version>"
            )
        };
        let mut modules = String::new();
        for (index, (name, version)) in probes.iter().enumerate() {
            let Some((group, artifact)) = name.split_once(':') else { continue };
            let mut text = head(&format!("probe-{index}"));
            text.push_str(&format!("<repositories>{repositories}</repositories>\n<dependencies>\n"));
            let parts = [("groupId", group), ("artifactId", artifact), ("version", version)];
            element(&mut text, "dependency", &parts);
            text.push_str("</dependencies></project>\n");
            let file = format!("probe-{index}.xml");
            write(&folder.join(&file), text)?;
            modules.push_str(&format!("<module>{file}</module>"));
        }
        let pom = folder.join("pom.xml");
        write(
            &pom,
            format!("{}<packaging>pom</packaging><modules>{modules}</modules></project>\n", head("probes")),
        )?;
        Ok(pom)
    }

    async fn run(
        &mut self,
        pom: &Path,
        scratch: &Path,
        is_offline: bool,
    ) -> Result<(Finished, String), Failure> {
        let (settings, tree) = (scratch.join("settings.xml"), scratch.join("tree.tgf"));
        fs::write(&settings, self.settings.written()).map_err(|error| of_file("write settings", error))?;
        let shown = |path: &Path| path.display().to_string();
        let mut words: Vec<String> = ["mvn", "-B", "-q", "-fae", TREE].map(str::to_owned).to_vec();
        words.extend(is_offline.then(|| "-o".to_owned()));
        words.extend(self.properties.clone());
        words.extend(["-s".to_owned(), shown(&settings), "-f".to_owned(), shown(pom)]);
        words.extend([
            format!("-Dmaven.repo.local={}", shown(&self.repository())),
            format!("-DoutputFile={}", shown(&tree)),
            "-DoutputType=tgf".to_owned(),
            "-DappendOutput=true".to_owned(),
            "-Dstyle.color=never".to_owned(),
        ]);
        let mut environment = BTreeMap::from([
            // A `.mvn` folder may load code: Maven is told of an empty place.
            ("MAVEN_BASEDIR".to_owned(), shown(&self.cache.join("empty"))),
            ("MAVEN_SKIP_RC".to_owned(), "true".to_owned()),
            ("MAVEN_OPTS".to_owned(), SHORT_RUN.to_owned()),
        ]);
        environment.extend(env::var("JAVA_HOME").ok().map(|home| ("JAVA_HOME".to_owned(), home)));
        let mut readable = vec![self.worktree.clone()];
        readable.extend(self.settings.folders().into_iter().filter(|folder| folder.exists()));
        let foreign = Foreign {
            writable: vec![self.cache.clone()],
            readable,
            environment,
            network: !is_offline,
            deadline: DEADLINE,
            ..Foreign::new(&words, &self.cache)
        };
        let finished = self.sandbox.run(&foreign).await.map_err(of_sandbox)?;
        let said = clean(&words.join(" "), 2000);
        self.note(&format!("$ {said}\n{}\n{}\n", finished.combined(), finished.ending()));
        if let Exit::Signal(_) | Exit::Deadline = finished.exit {
            return Err(Failure::transient(format!("could not run Maven: {}", finished.ending())));
        }
        let size = fs::metadata(&tree).map_or(0, |about| about.len());
        if size > LARGEST {
            return Err(Failure::permanent(format!("Maven's tree has more than {LARGEST} bytes")));
        }
        let text = if size == 0 { Ok(String::new()) } else { fs::read_to_string(&tree) };
        Ok((finished, text.map_err(|error| of_file("read Maven's tree", error))?))
    }

    fn note(&mut self, text: &str) {
        let room = LONGEST_LOG.saturating_sub(self.log.len());
        let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.log.push_str(&text[..end]);
    }
}

fn answer(finished: &Finished) -> Result<Result<(), String>, Failure> {
    let said = &finished.stdout;
    let says = |words: &[&str]| words.iter().any(|words| said.contains(words));
    match finished.exit {
        Exit::Code(0) => Ok(Ok(())),
        Exit::Code(_) if says(&UNREACHABLE) => {
            let hint = "look at the network and at the mirrors in Maven's `settings.xml`; then try again";
            let what = format!("Maven could not reach a repository: {}", reason(finished));
            Err(Failure::transient(what).of(FailureClass::Network).with_hint(hint))
        }
        Exit::Code(_) if says(&WITHOUT_PLUGIN) => {
            let hint = "a repository or mirror in Maven's `settings.xml` must have it, and what it needs";
            let what = format!("Maven's dependency plugin can't be had: {}", reason(finished));
            Err(Failure::permanent(what).of(FailureClass::Tool).with_hint(hint))
        }
        Exit::Code(_) => Ok(Err(format!("Maven says: {}", reason(finished)))),
        Exit::Signal(_) | Exit::Deadline => {
            Err(Failure::transient(format!("could not run Maven: {}", finished.ending())))
        }
    }
}

/// What Maven writes besides how it can be run again, in one sentence.
fn reason(finished: &Finished) -> String {
    let lines = finished.stdout.lines().chain(finished.stderr.lines());
    let lines = lines.filter_map(|line| {
        let line = line.trim().strip_prefix("[ERROR]").unwrap_or(line).trim();
        let line = line.split(" -> [Help").next().unwrap_or(line);
        let is_noise = line.is_empty()
            || [
                "To see the full",
                "Re-run Maven",
                "For more information",
                "[Help",
                "After correcting",
                "mvn <args>",
                "[WARNING]",
            ]
            .iter()
            .any(|start| line.starts_with(start));
        (!is_noise).then_some(line)
    });
    let lines: Vec<&str> = lines.take(3).collect();
    if lines.is_empty() { "it gave no reason".to_owned() } else { clean(&lines.join("; "), 400) }
}
