//! What a registry has published (<https://doc.rust-lang.org/cargo/reference/registry-index.html>): a file a crate, a line a
//! version. It is the index that cargo itself asks, in its own cache, over HTTP, or in a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crates_index::{Crate, DependencyKind, HashKind, SparseIndex};
use futures_util::{StreamExt as _, stream};
use patchline_connect::{Client, Get, Kind as Fault};
use patchline_model::failure::{Failure, FailureClass};
use semver::Version;

use crate::dependency::cargo::range;
use crate::dependency::cargo::settings::{Place, registry_of};
use crate::dependency::market::{Kind, Requirement};
use crate::failures::{of_fetch, of_file};

const LARGEST: u64 = 64 << 20;
/// Entries that are asked for at the same time; the client has a limit of its own for each host.
const AT_ONCE: usize = 32;
const MOST_RELEASES: usize = 50_000;
/// Requirements of one version that are read.
const MOST_REQUIREMENTS: usize = 2_000;

/// One published version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) version: Version,
    /// In hex.
    pub(crate) checksum: String,
    pub(crate) is_yanked: bool,
    /// The oldest Rust that it says it is for.
    pub(crate) rust: Option<String>,
    /// Without those of its own tests.
    pub(crate) requirements: Vec<Requirement>,
}

/// A crate of a registry. `registry` is the address of its index, and empty for the default one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) registry: String,
    pub(crate) name: String,
}

impl Name {
    /// As the graph calls it: the bare name, and for what is not from the default registry with where it is from.
    pub(crate) fn key(&self) -> String {
        match self.registry.as_str() {
            "" => self.name.clone(),
            registry => format!("{} ({registry})", self.name),
        }
    }

    pub(crate) fn of_key(key: &str) -> Self {
        match key.strip_suffix(')').and_then(|key| key.split_once(" (")) {
            Some((name, registry)) => Self { registry: registry.to_owned(), name: name.to_owned() },
            None => Self { registry: String::new(), name: key.to_owned() },
        }
    }
}

/// How new an answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// What a version requires never changes: what was kept is as good.
    Any,
    /// Only the registry knows what is newest. Where it can't be reached, what cargo kept must do.
    Now,
}

pub(crate) struct Index {
    client: Client,
    /// In place of the default registry.
    place: Place,
    is_offline: bool,
    /// The network did not answer; it is not asked again.
    is_silent: AtomicBool,
}

impl Index {
    pub(crate) fn new(client: Client, place: Place, is_offline: bool) -> Self {
        Self { client, place, is_offline, is_silent: AtomicBool::new(false) }
    }

    /// The releases of these crates, the lowest version first; of one that the registry does not have, none.
    pub(crate) async fn published(
        &self,
        names: &BTreeSet<Name>,
        age: Age,
    ) -> Result<BTreeMap<Name, Vec<Published>>, Failure> {
        let asked: Vec<Name> = names.iter().cloned().collect();
        let mut answers = stream::iter(asked).map(|name| self.one(name, age)).buffer_unordered(AT_ONCE);
        let mut found = BTreeMap::new();
        while let Some(answer) = answers.next().await {
            let (name, releases) = answer?;
            found.insert(name, releases);
        }
        Ok(found)
    }

    async fn one(&self, name: Name, age: Age) -> Result<(Name, Vec<Published>), Failure> {
        // Nothing but a name is asked for.
        let is_name = name.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            && (1..=128).contains(&name.name.len());
        let sparse = match (&self.place, name.registry.as_str()) {
            _ if !is_name => None,
            (Place::Folder(folder), "") => {
                let entry = folder.join("index").join(relative(&name.name));
                let bytes = read_file(&entry)?;
                return Ok((name.clone(), read(&name, &bytes)));
            }
            (Place::Sparse(address), "") => Some(address.as_str()),
            (_, other) => Some(other),
        };
        // A registry that is no sparse index is not read.
        let index =
            sparse.and_then(|sparse| SparseIndex::from_url_with_hash_kind(sparse, &HashKind::Stable).ok());
        let Some(index) = index else { return Ok((name, Vec::new())) };
        let kept = || index.crate_from_cache(&name.name).ok().map(|found| releases(&name, &found));
        let may_ask = !self.is_offline && !self.is_silent.load(Ordering::Relaxed);
        if let Some(kept) = (age == Age::Any || !may_ask).then(kept).flatten() {
            return Ok((name, kept));
        }
        if self.is_offline {
            return Ok((name, Vec::new()));
        }
        let Some(url) = index.crate_url(&name.name) else { return Ok((name, Vec::new())) };
        let get = Get::new(url, LARGEST).header("accept", "text/plain").header("cargo-protocol", "version=1");
        match self.client.get(&get).await {
            Ok(answer) => Ok((name.clone(), read(&name, &answer.bytes))),
            Err(error) if matches!(error.kind, Fault::Missing) => Ok((name, Vec::new())),
            // One that wants to know who asks is not asked again, and its crates stay where they are.
            Err(error) if matches!(error.kind, Fault::Forbidden) && !name.registry.is_empty() => {
                Ok((name, Vec::new()))
            }
            Err(error) if matches!(error.kind, Fault::Unreachable | Fault::TooSlow) => {
                self.is_silent.store(true, Ordering::Relaxed);
                match kept() {
                    Some(kept) => Ok((name, kept)),
                    None => Err(silent(&of_fetch(&error).message)),
                }
            }
            Err(error) => Err(of_fetch(&error)),
        }
    }
}

pub(crate) fn silent(what: &str) -> Failure {
    let message = format!("could not look for versions, for the network could not be reached ({what})");
    let hint = "connect to the network, or fetch the fixed version once with `cargo fetch`";
    Failure::transient(message).with_hint(hint).of(FailureClass::Network)
}

/// Where a registry keeps the file of a crate.
fn relative(name: &str) -> PathBuf {
    let name = name.to_ascii_lowercase();
    let folder = match name.len() {
        1 => PathBuf::from("1"),
        2 => PathBuf::from("2"),
        3 => Path::new("3").join(&name[..1]),
        _ => Path::new(&name[..2]).join(&name[2..4]),
    };
    folder.join(name)
}

/// An empty one for what is not there.
fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(of_file("read the local registry", error)),
    }
}

/// Line by line: what can't be read is of a newer cargo, or broken, and not there for this one, as cargo itself does it.
fn read(name: &Name, bytes: &[u8]) -> Vec<Published> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).take(MOST_RELEASES);
    sorted(
        lines
            .filter_map(|line| Crate::from_slice(line).ok())
            .flat_map(|found| releases(name, &found))
            .collect(),
    )
}

fn releases(name: &Name, found: &Crate) -> Vec<Published> {
    sorted(
        found.versions().iter().take(MOST_RELEASES).filter_map(|version| published(name, version)).collect(),
    )
}

fn sorted(mut releases: Vec<Published>) -> Vec<Published> {
    releases.sort_by(|left, right| left.version.cmp(&right.version));
    releases
}

fn published(name: &Name, version: &crates_index::Version) -> Option<Published> {
    let needed = version.dependencies().iter().filter(|one| one.kind() != DependencyKind::Dev);
    let required = needed.take(MOST_REQUIREMENTS).map(|one| {
        // Nothing is said of a registry that is the same one.
        let registry = match one.registry() {
            None => name.registry.clone(),
            Some(index) => registry_of(index),
        };
        let kind = if one.is_optional() { Kind::Feature } else { Kind::Normal };
        let called = Name { registry, name: one.crate_name().to_owned() }.key();
        Requirement { called, range: one.requirement().to_owned(), kind }
    });
    Some(Published {
        version: Version::parse(version.version()).ok()?,
        checksum: version.checksum().iter().map(|byte| format!("{byte:02x}")).collect(),
        is_yanked: version.is_yanked(),
        rust: version.rust_version().map(str::to_owned),
        requirements: merged(required.collect()),
    })
}

/// A crate that is asked for several times, as for several platforms, is asked for within all of these ranges at once,
/// unless they are of different lines, and so of two copies.
fn merged(required: Vec<Requirement>) -> Vec<Requirement> {
    let mut merged: Vec<Requirement> = Vec::new();
    for one in required {
        let same = merged.iter_mut().find(|known| {
            known.called == one.called
                && matches!((range::floor(&known.range), range::floor(&one.range)),
                    (Some(left), Some(right)) if !range::is_major(&left, &right))
        });
        match same {
            Some(known) => {
                if known.range != one.range {
                    known.range = format!("{}, {}", known.range, one.range);
                }
                if one.kind == Kind::Normal {
                    known.kind = Kind::Normal;
                }
            }
            None => merged.push(one),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::{Name, read, relative};

    fn line(version: &str, needs: &str) -> String {
        format!(
            r#"{{"name":"a","vers":"{version}","deps":[{needs}],"cksum":"{}","features":{{}},"yanked":false,"rust_version":"1.60"}}"#,
            "ab".repeat(32)
        )
    }

    fn need(name: &str, range: &str, rest: &str) -> String {
        format!(
            r#"{{"name":"{name}","req":"{range}","features":[],"default_features":true,"target":null,{rest}}}"#
        )
    }

    #[test]
    fn releases_come_in_order_with_what_they_require() {
        let needs = [
            need("b", "^1", r#""optional":false,"kind":"normal""#),
            need("b", "^1.2", r#""optional":false,"kind":"build""#),
            need("b_old", "^0.3", r#""optional":false,"kind":"normal","package":"b""#),
            need("c", "^2", r#""optional":true,"kind":"normal""#),
            need("d", "^3", r#""optional":false,"kind":"dev""#),
            need("e", "^4", r#""optional":false,"kind":"normal","registry":"sparse+https://x.example/""#),
        ];
        let text = format!("{}\nrubbish\n{}\n", line("1.10.0", &needs.join(",")), line("1.9.0", ""));
        let found = read(&Name::of_key("a"), text.as_bytes());
        let shown: Vec<String> = found
            .iter()
            .map(|one| {
                let required = one.requirements.iter();
                let required: Vec<String> = required
                    .map(|required| format!("{} {} {:?}", required.called, required.range, required.kind))
                    .collect();
                format!("{} {}", one.version, required.join("; "))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "1.9.0 ",
                "1.10.0 b ^1, ^1.2 Normal; b ^0.3 Normal; c ^2 Feature; e (sparse+https://x.example/) ^4 Normal"
            ]
        );
        assert_eq!((found[0].rust.as_deref(), found[0].checksum.len()), (Some("1.60"), 64));
    }

    #[test]
    fn a_name_of_another_registry_is_kept_apart() {
        for key in ["a", "a (sparse+https://x.example/)"] {
            assert_eq!(Name::of_key(key).key(), key);
        }
        let places = ["a", "ab", "abc", "Abcd"].map(|name| relative(name).display().to_string());
        assert_eq!(places, ["1/a", "2/ab", "3/a/abc", "ab/cd/abcd"]);
    }

    proptest! {
        #[test]
        fn whatever_a_registry_answers_is_read_or_passed_over(bytes: Vec<u8>, text in any::<String>(), at in any::<prop::sample::Index>()) {
            let name = Name::of_key("a");
            let good = line("1.0.0", &need("b", "^1", r#""optional":false"#));
            let cut = at.index(good.len());
            let bent = format!("{}{text}{}", &good[..cut], &good[cut..]);
            let _ = (read(&name, &bytes), read(&name, text.as_bytes()), read(&name, bent.as_bytes()));
        }
    }
}
