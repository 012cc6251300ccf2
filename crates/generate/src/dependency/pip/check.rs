//! Whether pip itself can resolve a set: a dry run in the sandbox, of wheels alone, so that no code of any package runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use patchline_inventory::name::normal_in;
use patchline_model::failure::Failure;
use patchline_sandbox::foreign::{Exit, Foreign};
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::python::interpreter::certificates;
use crate::failures::{of_file, of_sandbox};
use crate::message::clean;

const DEADLINE: Duration = Duration::from_secs(300);
const LONGEST_LOG: usize = 256 << 10;

/// pip with what it needs.
pub(crate) struct Pip<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) python: String,
    pub(crate) indexes: Vec<String>,
    /// A folder of ours: what pip fetched lies there, and the file that it reads.
    pub(crate) cache: PathBuf,
    pub(crate) log: String,
}

impl Pip<'_> {
    /// Its reason, where it refuses.
    pub(crate) async fn resolves(&mut self, asked: &str) -> Result<Result<(), String>, Failure> {
        fs::create_dir_all(&self.cache).map_err(|error| of_file("make pip's cache", error))?;
        let folder =
            tempfile::tempdir_in(&self.cache).map_err(|error| of_file("make a folder for pip", error))?;
        let file = folder.path().join("requirements.txt");
        fs::write(&file, asked).map_err(|error| of_file("write what pip is asked", error))?;
        let mut words = vec![
            self.python.clone(),
            "-I".to_owned(),
            "-m".to_owned(),
            "pip".to_owned(),
            "install".to_owned(),
            "--isolated".to_owned(),
            "--dry-run".to_owned(),
            "--ignore-installed".to_owned(),
            "--only-binary=:all:".to_owned(),
            "--no-input".to_owned(),
            "--disable-pip-version-check".to_owned(),
            "--progress-bar=off".to_owned(),
            "--quiet".to_owned(),
            "--retries=2".to_owned(),
            format!("--cache-dir={}", self.cache.display()),
            format!("--requirement={}", file.display()),
        ];
        let mut indexes = self.indexes.iter();
        words.extend(indexes.next().map(|address| format!("--index-url={address}")));
        words.extend(indexes.map(|address| format!("--extra-index-url={address}")));
        let environment: BTreeMap<String, String> = certificates().collect();
        // Alone among its settings: of the others nothing but addresses is read.
        words.extend(environment.get("PIP_CERT").map(|file| format!("--cert={file}")));
        let foreign = Foreign {
            environment,
            writable: vec![self.cache.clone()],
            network: true,
            deadline: DEADLINE,
            output_limit: 64 << 10,
            ..Foreign::new(&words, folder.path())
        };
        let finished = self.sandbox.run(&foreign).await.map_err(of_sandbox)?;
        self.note(&format!("$ {}\n{asked}{}\n{}\n", words.join(" "), finished.combined(), finished.ending()));
        Ok(match finished.exit {
            Exit::Code(0) => Ok(()),
            Exit::Code(_) => Err(reason(&finished.combined())),
            Exit::Signal(_) | Exit::Deadline => {
                Err(format!("pip did not end by itself: {}", finished.ending()))
            }
        })
    }

    pub(crate) fn note(&mut self, text: &str) {
        let room = LONGEST_LOG.saturating_sub(self.log.len());
        let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.log.push_str(&text[..end]);
    }
}

/// The package of which pip finds no wheel that will do, and the one that requires it where that is another, by normal names.
pub(crate) fn without_wheel(reason: &str) -> Vec<String> {
    let is_name = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '_' | '-');
    let after = |words: &str| {
        let rest = reason.split(words).nth(1)?;
        let name = &rest[..rest.find(|sign| !is_name(sign)).unwrap_or(rest.len())];
        (!name.is_empty()).then(|| normal_in("PyPI", name).into_owned())
    };
    let Some(name) = after("No matching distribution found for ") else { return Vec::new() };
    std::iter::once(name).chain(after(" (from ").filter(|from| from != "versions")).collect()
}

/// What pip marks as wrong and who requires what, in one sentence.
fn reason(output: &str) -> String {
    let lines = output.lines().map(str::trim);
    let conflict: Vec<&str> = lines.clone().filter(|line| line.contains(" depends on ")).take(4).collect();
    if !conflict.is_empty() {
        return format!("pip says: {}", clean(&conflict.join("; "), 300));
    }
    let telling = lines.filter_map(|line| line.strip_prefix("ERROR: "));
    // What pip passed over is no reason, and may be long.
    let telling: Vec<&str> =
        telling.filter(|line| !line.starts_with("Ignored the following")).take(2).collect();
    match telling.is_empty() {
        true => format!("pip says: {}", clean(output, 300)),
        false => format!("pip says: {}", clean(&telling.join(" "), 300)),
    }
}

#[cfg(test)]
mod tests {
    use super::{reason, without_wheel};

    #[test]
    fn who_requires_what_is_said_in_one_sentence() {
        let text = "ERROR: Cannot install a==1 and b==2 because these package versions have conflicting dependencies.\n\nThe conflict is caused by:\n    The user requested a==1\n    b 2 depends on a>=3\n";
        assert_eq!(reason(text), "pip says: b 2 depends on a>=3");
        assert_eq!(
            reason("ERROR: No matching distribution found for a\n"),
            "pip says: No matching distribution found for a"
        );
        let missing = reason("ERROR: No matching distribution found for Py_YAML==5.1\n");
        assert_eq!(without_wheel(&missing), ["py-yaml"]);
        let needed = "requirement psycopg2 (from django-heroku) (from versions: none) No matching distribution found for psycopg2";
        assert_eq!(without_wheel(needed), ["psycopg2", "django-heroku"]);
        assert!(without_wheel("pip says: boom").is_empty());
    }
}
