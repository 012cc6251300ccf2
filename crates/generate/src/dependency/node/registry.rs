//! npm's registry (<https://github.com/npm/registry/blob/main/docs/REGISTRY-API.md>): which versions of a package there
//! are, and what each requires.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use patchline_connect::{Client, Get, Kind as Fault};
use patchline_model::failure::{Failure, FailureClass};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::changelog::kept::{Archive, Archives, LARGEST_ARCHIVE};
use crate::dependency::market::{Kind, Release, Requirement};
use crate::dependency::node::range::parsed;
use crate::dependency::node::settings::Addresses;
use crate::failures::of_fetch;

/// The short form of a package's document: without what installing does not need.
const SHORT: &str = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8";
const LARGEST: u64 = 64 << 20;
/// Documents that are asked for at the same time; the client has a limit of its own for each host.
const AT_ONCE: usize = 16;
const MOST_RELEASES: usize = 50_000;

pub(crate) struct Registry {
    client: Client,
    addresses: Addresses,
    /// Where nothing else is said.
    main: String,
}

impl Registry {
    pub(crate) fn new(client: Client, addresses: Addresses, main: &str) -> Self {
        Self { client, addresses, main: main.to_owned() }
    }

    /// The address of a package's document; a scope's slash is part of the name.
    fn address(&self, name: &str) -> String {
        let scope = name.split_once('/').map(|(scope, _)| scope);
        let base = scope.and_then(|scope| self.addresses.scoped.get(scope)).unwrap_or(&self.main);
        format!("{}/{}", base.trim_end_matches('/'), name.replace('/', "%2f"))
    }

    /// The releases of these packages; of one that the registry does not have, none.
    pub(crate) async fn releases(
        &self,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Vec<Release>>, Failure> {
        let (asked, other): (Vec<String>, Vec<String>) =
            names.iter().cloned().partition(|name| is_name(name));
        let mut answers = stream::iter(asked).map(|name| self.releases_of(name)).buffer_unordered(AT_ONCE);
        // A name that is none has no releases.
        let mut found: BTreeMap<String, Vec<Release>> =
            other.into_iter().map(|name| (name, Vec::new())).collect();
        while let Some(answer) = answers.next().await {
            let (name, releases) = answer?;
            found.insert(name, releases);
        }
        Ok(found)
    }

    async fn releases_of(&self, name: String) -> Result<(String, Vec<Release>), Failure> {
        let get = Get::new(self.address(&name), LARGEST).header("accept", SHORT);
        let answer = match self.client.get(&get).await {
            Ok(answer) => answer,
            Err(error) if error.kind == Fault::Missing => return Ok((name, Vec::new())),
            Err(error) => return Err(of_fetch(&error)),
        };
        match read(&answer.bytes) {
            Ok(releases) => Ok((name, releases)),
            Err(what) => Err(nonsense(&get.url, &what)),
        }
    }

    /// All that is said of one version; none where it is there no more.
    pub(crate) async fn published(
        &self,
        name: &str,
        version: &str,
    ) -> Result<Option<Map<String, Value>>, Failure> {
        if !is_name(name) {
            return Ok(None);
        }
        let get = Get::new(format!("{}/{version}", self.address(name)), LARGEST);
        match self.client.get(&get).await {
            Ok(answer) => {
                let said = serde_json::from_slice(&answer.bytes);
                said.map(Some).map_err(|error| nonsense(&get.url, &error.to_string()))
            }
            Err(error) if error.kind == Fault::Missing => Ok(None),
            Err(error) => Err(of_fetch(&error)),
        }
    }

    /// All that is said of one version.
    pub(crate) async fn manifest(&self, name: &str, version: &str) -> Result<Map<String, Value>, Failure> {
        let said = self.published(name, version).await?;
        said.ok_or_else(|| {
            let text = format!("the registry lists `{name} {version}`, and has nothing to say of it");
            Failure::permanent(text).of(FailureClass::Network)
        })
    }
}

#[async_trait]
impl Archives for Registry {
    async fn archive(&self, name: &str, version: &str) -> Result<Option<Archive>, Failure> {
        if !is_name(name) {
            return Ok(None);
        }
        let manifest = self.manifest(name, version).await?;
        let Some(url) = manifest.get("dist").and_then(|dist| dist.get("tarball")).and_then(Value::as_str)
        else {
            return Ok(None);
        };
        let answer = self.client.get(&Get::new(url, LARGEST_ARCHIVE).once()).await;
        Ok(Some(Archive::TarGz(answer.map_err(|error| of_fetch(&error))?.bytes)))
    }
}

fn nonsense(url: &str, what: &str) -> Failure {
    Failure::transient(format!("could not read what `{url}` answers: {what}"))
        .of(FailureClass::Network)
        .with_hint("look whether npm's `registry` is set to a registry")
}

/// A name that a registry can be asked for.
fn is_name(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~!'()*".contains(&byte))
    };
    match name.strip_prefix('@').map(|scoped| scoped.split_once('/')) {
        Some(Some((scope, name))) => plain(scope) && plain(name),
        Some(None) => false,
        None => plain(name),
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    versions: BTreeMap<String, Version>,
}

/// Whatever one version says of itself: old ones were published before anybody looked whether it is of the right form,
/// and one of them must not keep the others from being read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    #[serde(default)]
    dependencies: Value,
    #[serde(default)]
    optional_dependencies: Value,
    #[serde(default)]
    peer_dependencies: Value,
    #[serde(default)]
    peer_dependencies_meta: Value,
    /// A list, or a bare yes for all that it requires.
    #[serde(default, alias = "bundledDependencies")]
    bundle_dependencies: Option<Value>,
    /// A text, or a bare yes or no.
    #[serde(default)]
    deprecated: Option<Value>,
}

/// The releases in a document, the lowest version first.
fn read(bytes: &[u8]) -> Result<Vec<Release>, String> {
    let document: Document = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if document.versions.len() > MOST_RELEASES {
        return Err(format!("it has more than {MOST_RELEASES} versions"));
    }
    let read = |(text, version): (String, Version)| Some((parsed(&text)?, release(text, version)));
    let mut releases: Vec<_> = document.versions.into_iter().filter_map(read).collect();
    releases.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(releases.into_iter().map(|(_, release)| release).collect())
}

fn release(text: String, version: Version) -> Release {
    let is_withdrawn = version.deprecated.as_ref().is_some_and(|said| match said {
        Value::String(text) => !text.is_empty(),
        Value::Bool(said) => *said,
        _ => false,
    });
    let is_preview = parsed(&text).is_none_or(|parsed| parsed.is_prerelease());
    let optional = entries(version.optional_dependencies);
    let meta = entries(version.peer_dependencies_meta);
    let is_forced =
        |name: &String| meta.get(name).and_then(|meta| meta.get("optional")) != Some(&Value::Bool(true));
    let normal = entries(version.dependencies).into_iter();
    // What is optional stands among the others, too.
    let normal = normal.filter(|(name, _)| !optional.contains_key(name)).map(|one| (one, Kind::Normal));
    let peers = entries(version.peer_dependencies).into_iter();
    let peers = peers.map(|one| {
        let kind = if is_forced(&one.0) { Kind::Peer } else { Kind::OptionalPeer };
        (one, kind)
    });
    let all = normal.chain(peers).collect::<Vec<_>>().into_iter();
    let all = all.chain(optional.clone().into_iter().map(|one| (one, Kind::Optional)));
    let all: Vec<_> = all.collect();
    let bundles = match version.bundle_dependencies {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::Bool(true)) => all.iter().map(|((called, _), _)| called.clone()).collect(),
        _ => Vec::new(),
    };
    let requirements = all.into_iter().filter_map(|((called, range), kind)| {
        Some(Requirement { called, range: range.as_str()?.to_owned(), kind })
    });
    let (usable, requirements) = (!is_withdrawn && !is_preview, requirements.collect());
    Release { version: text, usable, requirements, bundles }
}

/// What is no map names no package (`"dependencies": []` of 2010).
fn entries(said: Value) -> BTreeMap<String, Value> {
    match said {
        Value::Object(entries) => entries.into_iter().collect(),
        _ => BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{is_name, read};

    #[test]
    fn releases_come_in_order_with_what_they_require() {
        let text = r#"{ "versions": {
            "1.10.0": { "dependencies": { "b": "^1.0.0", "c": "1" }, "optionalDependencies": { "c": "1" } },
            "1.9.0": { "deprecated": "use another", "peerDependencies": { "d": "2", "e": "3" },
                       "peerDependenciesMeta": { "e": { "optional": true } } },
            "2.0.0-rc.1": { "deprecated": false }, "nonsense": {} } }"#;
        let releases = read(text.as_bytes()).expect("it is a document");
        let shown: Vec<String> = releases
            .iter()
            .map(|one| {
                let required: Vec<String> = one
                    .requirements
                    .iter()
                    .map(|required| format!("{} {} {:?}", required.called, required.range, required.kind))
                    .collect();
                format!("{} {} {}", one.version, one.usable, required.join(", "))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "1.9.0 false d 2 Peer, e 3 OptionalPeer",
                "1.10.0 true b ^1.0.0 Normal, c 1 Optional",
                "2.0.0-rc.1 false "
            ]
        );
    }

    #[test]
    fn a_version_that_lists_nothing_keeps_no_other_from_being_read() {
        let text = r#"{ "versions": {
            "1.0.0": { "dependencies": [], "peerDependencies": "", "optionalDependencies": null },
            "1.1.0": { "dependencies": { "b": "1", "c": false } } } }"#;
        let releases = read(text.as_bytes()).expect("it is a document");
        let required: Vec<usize> = releases.iter().map(|release| release.requirements.len()).collect();
        assert_eq!(required, [0, 1]);
    }

    #[test]
    fn nothing_but_a_name_is_asked_for() {
        assert!(is_name("a") && is_name("@a/b") && is_name("socket.io"));
        assert!(
            !is_name("../x") && !is_name("@a") && !is_name("a/b") && !is_name("a?b") && !is_name("@a/b/c")
        );
    }

    proptest! {
        #[test]
        fn whatever_a_registry_answers_is_read_or_refused(bytes: Vec<u8>, text in any::<String>()) {
            let _ = (read(&bytes), read(text.as_bytes()));
            let _ = read(serde_json::json!({ "versions": { "1.0.0": { "dependencies": { text: null } } } }).to_string().as_bytes());
        }
    }
}
