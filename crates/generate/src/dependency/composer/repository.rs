//! A repository of Composer 2 (<https://getcomposer.org/doc/05-repositories.md#composer>): `packages.json` says where the versions
//! of a package are told, which is one document each.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use async_trait::async_trait;
use patchline_connect::{Client, Get, Kind as Fault};
use patchline_model::failure::{Failure, FailureClass};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::OnceCell;

use crate::dependency::composer::lock::required;
use crate::dependency::composer::range::{admits, compare};
use crate::dependency::composer::settings::{Source, fits};
use crate::dependency::composer::version::Version;
use crate::dependency::registered::{Published, Registry};
use crate::failures::of_fetch;

const LARGEST: u64 = 32 << 20;
const MOST_VERSIONS: usize = 20_000;

pub(crate) struct Repositories {
    client: Client,
    /// Asked one after the other, until one has the package.
    sources: Vec<(Source, OnceCell<Root>)>,
    /// Which PHP the project is for.
    php: String,
}

/// `packages.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Root {
    /// With `%package%` for the name.
    metadata_url: Option<String>,
    available_packages: Option<Vec<String>>,
    available_package_patterns: Option<Vec<String>>,
    /// All that there is, where it is little: versions by name.
    #[serde(default)]
    packages: Value,
}

impl Repositories {
    pub(crate) fn new(client: Client, sources: Vec<Source>, php: String) -> Self {
        let sources = sources.into_iter().map(|source| (source, OnceCell::new())).collect();
        Self { client, sources, php }
    }

    async fn root(&self, source: &Source) -> Result<Root, Failure> {
        let url = source
            .address
            .join("packages.json")
            .map_err(|_| Failure::permanent("could not make an address"))?;
        let bytes = match self.fetch(url.as_str()).await? {
            Some(bytes) => bytes,
            None => return Err(nonsense(url.as_str(), "it is not there")),
        };
        let root: Root =
            serde_json::from_slice(&bytes).map_err(|error| nonsense(url.as_str(), &error.to_string()))?;
        let has_packages = root.packages.as_object().is_some_and(|packages| !packages.is_empty());
        match root.metadata_url.is_some() || has_packages {
            true => Ok(root),
            false => {
                Err(nonsense(url.as_str(), "it has no `metadata-url`, as repositories of Composer 2 do"))
            }
        }
    }

    /// None where there is no such thing.
    async fn fetch(&self, url: &str) -> Result<Option<Vec<u8>>, Failure> {
        match self.client.get(&Get::new(url, LARGEST)).await {
            Ok(answer) => Ok(Some(answer.bytes)),
            Err(error) if error.kind == Fault::Missing => Ok(None),
            Err(error) if error.kind == Fault::Forbidden => {
                let hint = "a repository that wants a password or a token can't be asked here: name one that does not, as in `composer config --global repositories.NAME composer ADDRESS`";
                Err(of_fetch(&error).with_hint(hint))
            }
            Err(error) => Err(of_fetch(&error)),
        }
    }

    async fn versions_at(
        &self,
        source: &Source,
        root: &Root,
        name: &str,
    ) -> Result<Vec<Map<String, Value>>, Failure> {
        let address = source.address.as_str();
        if let Some(inline) = root.packages.get(name) {
            return expanded(inline, false).map_err(|what| nonsense(address, &what));
        }
        let is_said = root.available_packages.is_some() || root.available_package_patterns.is_some();
        let is_listed = root.available_packages.iter().flatten().any(|one| one == name);
        let is_of_pattern =
            root.available_package_patterns.iter().flatten().any(|pattern| fits(pattern, name));
        let Some(template) = root.metadata_url.as_ref().filter(|_| !is_said || is_listed || is_of_pattern)
        else {
            return Ok(Vec::new());
        };
        let url = source.address.join(&template.replace("%package%", name)).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| nonsense(address, "its `metadata-url` is no address"))?;
        let Some(bytes) = self.fetch(url.as_str()).await? else { return Ok(Vec::new()) };
        let document: Value =
            serde_json::from_slice(&bytes).map_err(|error| nonsense(url.as_str(), &error.to_string()))?;
        let is_minified = document.get("minified").is_some();
        let versions = document.get("packages").and_then(|packages| packages.get(name));
        let versions = versions.ok_or_else(|| nonsense(url.as_str(), "it does not speak of the package"))?;
        expanded(versions, is_minified).map_err(|what| nonsense(url.as_str(), &what))
    }

    fn published(&self, about: &Map<String, Value>) -> Option<Published> {
        let version = about.get("version")?.as_str()?;
        Version::parse(version).filter(|version| !version.is_preview())?;
        let require = about.get("require");
        let php = require.and_then(|require| require.get("php")).and_then(Value::as_str);
        let php = php.filter(|range| !admits(range, &self.php));
        Some(Published {
            version: version.to_owned(),
            requires: required(require, version),
            barred: php.map(|range| format!("asks for PHP {range}, and {} must do here", self.php)),
        })
    }
}

#[async_trait]
impl Registry for Repositories {
    fn ecosystem(&self) -> &'static str {
        "Packagist"
    }

    async fn published(&self, name: &str) -> Result<Vec<Published>, Failure> {
        let is_of_names = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.' | b'/')
        };
        if name.split('/').count() != 2 || name.contains("..") || !name.bytes().all(is_of_names) {
            return Ok(Vec::new());
        }
        for (source, root) in self.sources.iter().filter(|(source, _)| source.has(name)) {
            let root = root.get_or_try_init(|| self.root(source)).await?;
            let versions = self.versions_at(source, root, name).await?;
            if !versions.is_empty() {
                return Ok(versions.iter().filter_map(|about| self.published(about)).collect());
            }
        }
        Ok(Vec::new())
    }

    fn admits(&self, range: &str, version: &str) -> bool {
        admits(range, version)
    }

    fn compare(&self, left: &str, right: &str) -> Ordering {
        compare(left, right)
    }
}

fn nonsense(url: &str, what: &str) -> Failure {
    Failure::transient(format!("could not read what `{url}` answers: {what}"))
        .of(FailureClass::Network)
        .with_hint(
            "look whether that is a repository of Composer 2, and whether a proxy answers in its place",
        )
}

/// The versions, each with all that is said of it: minified, a version says only what is other than with the one before.
fn expanded(versions: &Value, is_minified: bool) -> Result<Vec<Map<String, Value>>, String> {
    let list: Vec<&Value> = match versions {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => map.values().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err("it has no list of versions".to_owned());
        }
    };
    if list.len() > MOST_VERSIONS {
        return Err(format!("it has more than {MOST_VERSIONS} versions"));
    }
    let mut all = Vec::new();
    // Only what is asked of it is kept: the whole would grow with each version.
    let mut now: BTreeMap<&str, Value> = BTreeMap::new();
    for one in list {
        let one = one.as_object().ok_or("a version says nothing of itself")?;
        if !is_minified {
            now.clear();
        }
        for key in ["version", "require"] {
            match one.get(key) {
                Some(Value::String(text)) if text == "__unset" => drop(now.remove(key)),
                Some(value) => drop(now.insert(key, value.clone())),
                None => {}
            }
        }
        all.push(now.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;
    use serde_json::{Value, json};

    use super::expanded;

    #[test]
    fn minified_versions_say_what_is_other_than_before() {
        let versions = json!([
            {"version": "2.0", "require": {"php": ">=8"}, "license": ["MIT"]},
            {"version": "1.1"},
            {"version": "1.0", "require": "__unset"},
        ]);
        let shown = |is_minified: bool| -> Vec<String> {
            let all = expanded(&versions, is_minified).unwrap();
            all.iter().map(|one| format!("{} {}", one["version"], one.get("require").is_some())).collect()
        };
        assert_eq!(shown(true), ["\"2.0\" true", "\"1.1\" true", "\"1.0\" false"]);
        assert_eq!(shown(false), ["\"2.0\" true", "\"1.1\" false", "\"1.0\" false"]);
        assert!(expanded(&json!("x"), true).is_err() && expanded(&json!([1]), true).is_err());
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(text in "(\\{|\\}|\\[|\\]|\"version\":|\"1\"|,|\"require\":|\"__unset\"){0,20}") {
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                let _ = expanded(&value, true);
            }
        }
    }
}
