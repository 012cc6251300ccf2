//! `gradle.lockfile`, and before Gradle 7 a file for each configuration in `gradle/dependency-locks/`
//! (<https://docs.gradle.org/current/userguide/dependency_locking.html>).

use crate::detector::{Broken, Detector, Inventory, Kind, Neighbours, Scope};
use crate::lockfile::assembly::{Graph, Node};

/// Reads the lockfiles of Gradle.
pub struct GradleLock;

impl Detector for GradleLock {
    fn kind(&self) -> &'static Kind {
        &Kind {
            files: &["gradle.lockfile", "buildscript-gradle.lockfile", "gradle/dependency-locks/*.lockfile"],
            manifest: None,
            hint: "restore the file from version control, or make a new one with `gradle dependencies --write-locks`",
            is_fixed: false,
        }
    }

    fn parse(&self, path: &str, text: &str, _: &Neighbours) -> Result<Inventory, Broken> {
        let mut graph = Graph::of("Maven", text.len());
        let configuration = configuration(path);
        let mut offset = 0;
        for (index, raw) in text.split_inclusive('\n').enumerate() {
            let at = offset;
            offset += raw.len();
            let line = raw.trim();
            if line.is_empty() || line.starts_with('#') || line.starts_with("empty=") {
                continue;
            }
            let parts = match configuration {
                Some(configuration) => Some((line, configuration)),
                None => line.split_once('='),
            };
            let package = parts.and_then(|(package, uses)| Some((package.rsplit_once(':')?, uses)));
            let fits = |name: &str, version: &str| name.contains(':') && !version.contains('=');
            let Some(((name, version), uses)) = package.filter(|((name, version), _)| fits(name, version))
            else {
                let what = match configuration {
                    Some(_) => "this is not `group:artifact:version`",
                    None => "this is not `group:artifact:version=configurations`",
                };
                return Err(Broken::at(text, at, what));
            };
            let is_test = |one: &str| one.to_ascii_lowercase().starts_with("test");
            let scope = if uses.split(',').all(is_test) { Scope::Test } else { Scope::Normal };
            let line = u32::try_from(index + 1).unwrap_or(u32::MAX);
            graph.add(Node { scope: Some(scope), ..Node::registered(name, version, line) });
        }
        Ok(graph.inventory(path))
    }
}

/// The configuration that a file of the older kind is of; none for one that tells the configurations in each line.
fn configuration(path: &str) -> Option<&str> {
    let (folder, name) = path.rsplit_once('/')?;
    (folder.rsplit('/').next() == Some("dependency-locks")).then(|| name.trim_end_matches(".lockfile"))
}
