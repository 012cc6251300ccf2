//! What `Cargo.lock` names: packages, where they come from, and what they depend on.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

use crate::builder::Component;

/// A lockfile longer than this is refused; the largest known ones have less than 1 MiB.
pub(crate) const MAX_BYTES: u64 = 16 * 1024 * 1024;
const MAX_PACKAGES: usize = 50_000;

/// Text that is no lockfile.
#[derive(Debug, Error)]
pub(crate) enum NotALockfile {
    #[error("could not parse the lockfile")]
    Form(#[source] Box<toml::de::Error>),
    #[error("could not take in the lockfile: it names {0} packages, and the limit is {MAX_PACKAGES}")]
    TooMany(usize),
}

/// The packages, sorted by name, version and source.
pub(crate) fn parse(text: &str) -> Result<Vec<Component>, NotALockfile> {
    let lock: Lock = toml::from_str(text).map_err(|error| NotALockfile::Form(Box::new(error)))?;
    let mut packages = lock.package;
    if packages.len() > MAX_PACKAGES {
        return Err(NotALockfile::TooMany(packages.len()));
    }
    packages.sort_by(|left, right| left.key().cmp(&right.key()));
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, package) in packages.iter().enumerate() {
        places.entry(&package.name).or_default().push(place);
    }
    let depends = |package: &Package| {
        let mut found: Vec<usize> =
            package.dependencies.iter().filter_map(|text| resolve(text, &places, &packages)).collect();
        found.sort_unstable();
        found.dedup();
        found
    };
    Ok(packages.iter().map(|package| package.component(depends(package))).collect())
}

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

impl Package {
    fn key(&self) -> (&str, &str, Option<&str>) {
        (&self.name, &self.version, self.source.as_deref())
    }

    fn component(&self, dependencies: Vec<usize>) -> Component {
        let checksum = self.checksum.as_ref().filter(|text| is_sha256(text)).cloned();
        let (name, version) = (self.name.clone(), self.version.clone());
        Component { name, version, source: self.source.clone(), checksum, dependencies }
    }
}

/// Finds what `name`, `name version` or `name version (source)` means: as much as is needed to be unambiguous.
fn resolve(text: &str, places: &BTreeMap<&str, Vec<usize>>, packages: &[Package]) -> Option<usize> {
    let mut words = text.splitn(3, ' ');
    let candidates = places.get(words.next()?)?;
    let version = words.next();
    let source = words.next().map(|word| word.trim_start_matches('(').trim_end_matches(')'));
    let fits = |place: &&usize| {
        let package = &packages[**place];
        version.is_none_or(|version| version == package.version)
            && source.is_none_or(|source| same_source(source, package.source.as_deref().unwrap_or_default()))
    };
    candidates.iter().find(fits).copied()
}

/// A dependency names a git source without the commit that follows the `#`.
fn same_source(named: &str, full: &str) -> bool {
    let plain = |text: &str| text.split('#').next().unwrap_or_default().to_owned();
    plain(named) == plain(full)
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::parse;

    const SUM: &str = "e66366e18dc58b46801afbf2ca7661a9f59cc8c5962c29892b6039b4f86fa992";

    fn lock() -> String {
        format!(
            r#"version = 4
[[package]]
name = "app"
version = "1.0.0"
dependencies = ["one 2.0.0", "two"]

[[package]]
name = "one"
version = "1.0.0"
source = "registry+https://example.org/index"
checksum = "{SUM}"

[[package]]
name = "one"
version = "2.0.0"
source = "git+https://example.org/one?tag=v2#0123456789"

[[package]]
name = "two"
version = "0.1.0"
source = "registry+https://example.org/index"
checksum = "not a checksum"
dependencies = ["one 1.0.0 (registry+https://example.org/index)", "gone"]
"#
        )
    }

    #[test]
    fn each_dependency_is_found_by_as_much_as_it_says() {
        let packages = parse(&lock()).unwrap();
        let names: Vec<String> =
            packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
        assert_eq!(names, ["app 1.0.0", "one 1.0.0", "one 2.0.0", "two 0.1.0"]);
        assert_eq!(packages[0].dependencies, [2, 3]);
        assert_eq!(packages[3].dependencies, [1], "one that is not there is left out");
        assert_eq!(packages[1].checksum.as_deref(), Some(SUM));
        assert_eq!(packages[3].checksum, None, "a checksum out of form is not repeated");
    }

    #[test]
    fn text_that_is_no_lockfile_is_refused() {
        for text in ["[[package]]", "package = 3", "[[package]]\nname = 1\nversion = \"1\""] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("version = 4").unwrap(), []);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), cut in 0_usize..900, extra in "[ -~\n]{0,40}") {
            let _ = parse(&text);
            let whole = lock();
            let _ = parse(&format!("{}{extra}{}", &whole[..cut.min(whole.len())], &whole[cut.min(whole.len())..]));
        }
    }
}
