//! A package index (<https://packaging.python.org/en/latest/specifications/simple-repository-api/>, in its JSON form): the files
//! of a package, and what the metadata of one of them says that it requires.

use patchline_connect::{Client, Get, Kind as Fault};
use patchline_inventory::name::normal_in;
use patchline_model::failure::{Failure, FailureClass};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::failures::of_fetch;

const JSON: &str = "application/vnd.pypi.simple.v1+json";
const LARGEST_LIST: u64 = 64 << 20;
const LARGEST_METADATA: u64 = 4 << 20;
const MOST_FILES: usize = 100_000;

/// One file of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) version: String,
    pub(crate) address: String,
    /// In hex.
    pub(crate) sha256: Option<String>,
    pub(crate) python: Option<String>,
    pub(crate) is_yanked: bool,
    pub(crate) is_wheel: bool,
    /// Whether its metadata can be had without it.
    pub(crate) has_metadata: bool,
}

pub(crate) struct Index {
    client: Client,
    /// Asked one after the other, until one has the package.
    addresses: Vec<String>,
}

impl Index {
    pub(crate) fn new(client: Client, addresses: Vec<String>) -> Self {
        Self { client, addresses }
    }

    /// The files of a package by its normal name; none where no index has it.
    pub(crate) async fn files(&self, name: &str) -> Result<Vec<File>, Failure> {
        if name.is_empty() || normal_in("PyPI", name) != name || !name.bytes().all(is_of_names) {
            return Ok(Vec::new());
        }
        for base in &self.addresses {
            let url = format!("{}/{name}/", base.trim_end_matches('/'));
            let get = Get::new(url, LARGEST_LIST).header("accept", JSON);
            let answer = match self.client.get(&get).await {
                Ok(answer) => answer,
                Err(error) if error.kind == Fault::Missing => continue,
                Err(error) => return Err(of_fetch(&error)),
            };
            return read(&answer.bytes, &get.url, name).map_err(|what| {
                Failure::transient(format!("could not read what `{}` answers: {what}", get.url))
                    .of(FailureClass::Network)
                    .with_hint("look whether pip's `index-url` is an index that answers in JSON (PEP 691)")
            });
        }
        Ok(Vec::new())
    }

    /// What the metadata of a file says that it requires, in its own words; none where there is no such metadata.
    pub(crate) async fn requires(&self, file: &File) -> Result<Option<Vec<String>>, Failure> {
        let get = Get::new(format!("{}.metadata", file.address), LARGEST_METADATA);
        match self.client.get(&get).await {
            Ok(answer) => Ok(Some(required(&String::from_utf8_lossy(&answer.bytes)))),
            Err(error) if error.kind == Fault::Missing => Ok(None),
            Err(error) => Err(of_fetch(&error)),
        }
    }
}

fn is_of_names(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

#[derive(Deserialize)]
struct List {
    files: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Listed {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: std::collections::BTreeMap<String, String>,
    requires_python: Option<String>,
    /// Yes, no, or why.
    yanked: Option<Value>,
    core_metadata: Option<Value>,
    dist_info_metadata: Option<Value>,
}

fn read(bytes: &[u8], url: &str, name: &str) -> Result<Vec<File>, String> {
    let list: List = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if list.files.len() > MOST_FILES {
        return Err(format!("it has more than {MOST_FILES} files"));
    }
    let base = Url::parse(url).map_err(|error| error.to_string())?;
    let read = |listed: Listed| {
        let is_said = |value: &Option<Value>| !matches!(value, None | Some(Value::Null | Value::Bool(false)));
        let address = base.join(&listed.url).ok()?;
        matches!(address.scheme(), "http" | "https").then_some(())?;
        Some(File {
            version: version_in(&listed.filename, name)?,
            address: address.as_str().split('#').next().unwrap_or_default().to_owned(),
            sha256: listed.hashes.get("sha256").cloned(),
            python: listed.requires_python.clone().filter(|range| !range.is_empty()),
            is_yanked: is_said(&listed.yanked),
            is_wheel: listed.filename.ends_with(".whl"),
            has_metadata: is_said(&listed.core_metadata) || is_said(&listed.dist_info_metadata),
        })
    };
    Ok(list.files.into_iter().filter_map(read).collect())
}

/// The version in a file's name, as in `name-1.2-py3-none-any.whl` and `name-1.2.tar.gz`.
fn version_in(file: &str, name: &str) -> Option<String> {
    if let Some(stem) = file.strip_suffix(".whl") {
        return stem.split('-').nth(1).map(str::to_owned);
    }
    let endings = [".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz"];
    let stem = endings.iter().find_map(|ending| file.strip_suffix(ending))?;
    // A name may have hyphens, too: the version begins where the rest is the name.
    let mut cuts = stem.match_indices('-').map(|(at, _)| at);
    cuts.find(|at| normal_in("PyPI", &stem[..*at]) == name).map(|at| stem[at + 1..].to_owned())
}

/// The `Requires-Dist` lines in the head of a metadata file.
fn required(text: &str) -> Vec<String> {
    let head = text.lines().take_while(|line| !line.trim().is_empty());
    let mut found: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in head {
        if line.starts_with([' ', '\t']) {
            if let (true, Some(last)) = (is_open, found.last_mut()) {
                last.push(' ');
                last.push_str(line.trim());
            }
            continue;
        }
        let value = line
            .split_once(':')
            .filter(|(key, _)| key.eq_ignore_ascii_case("requires-dist"))
            .map(|(_, value)| value.trim().to_owned());
        is_open = value.is_some();
        found.extend(value);
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::{read, required, version_in};

    #[test]
    fn a_list_says_which_files_there_are() {
        let text = r#"{ "meta": {}, "name": "a-b", "files": [
            { "filename": "a_b-1.0-py3-none-any.whl", "url": "../../files/a_b-1.0-py3-none-any.whl", "hashes": { "sha256": "aa" },
              "requires-python": ">=3.8", "yanked": false, "core-metadata": { "sha256": "bb" } },
            { "filename": "a-b-1.1.tar.gz", "url": "https://x.example/a-b-1.1.tar.gz#sha256=cc", "hashes": {}, "yanked": "broken" },
            { "filename": "a-b-1.2.exe", "url": "file:///etc/passwd", "hashes": {} } ] }"#;
        let files = read(text.as_bytes(), "https://i.example/simple/a-b/", "a-b").unwrap();
        assert_eq!(files.len(), 2);
        assert_eq!(files[0].address, "https://i.example/files/a_b-1.0-py3-none-any.whl");
        assert!(files[0].has_metadata && files[0].is_wheel && !files[0].is_yanked);
        assert_eq!(
            (files[1].version.as_str(), files[1].is_yanked, files[1].has_metadata),
            ("1.1", true, false)
        );
        assert_eq!(files[1].address, "https://x.example/a-b-1.1.tar.gz");
        assert!(read(b"<html>", "https://i.example/", "a").is_err());
    }

    #[test]
    fn versions_stand_in_names_of_files() {
        let check = |file: &str, name: &str, then: Option<&str>| {
            assert_eq!(version_in(file, name).as_deref(), then, "{file}");
        };
        check("Django-4.2-py3-none-any.whl", "django", Some("4.2"));
        check("zope.interface-5.0.0-cp39-cp39-manylinux1_x86_64.whl", "zope-interface", Some("5.0.0"));
        check("dj-database-url-0.5.0.tar.gz", "dj-database-url", Some("0.5.0"));
        check("pytz-2020.1.zip", "pytz", Some("2020.1"));
        check("other-1.0.tar.gz", "pytz", None);
        check("pytz.exe", "pytz", None);
    }

    #[test]
    fn what_is_required_stands_in_the_head() {
        let text = "Metadata-Version: 2.1\nName: a\nRequires-Dist: b (>=1)\nrequires-dist: c>=2 ;\n  extra == 'x'\nLicense: d\n\nRequires-Dist: none\n";
        assert_eq!(required(text), ["b (>=1)", "c>=2 ; extra == 'x'"]);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), file in ".{0,30}", text in ".{0,100}") {
            let _ = read(&bytes, "https://i.example/a/", "a");
            version_in(&file, "a");
            required(&text);
        }
    }
}
