//! `composer.lock`, as far as choosing versions needs it, and what Composer made of one (<https://getcomposer.org/schema.json>).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::dependency::flat::Required;
use crate::dependency::moved::{Installed, Set};

/// Largest lockfile that is read, in bytes.
pub(crate) const LARGEST: u64 = 32 << 20;
const MOST_PACKAGES: usize = 20_000;

/// Lines that another Composer writes in another way, though nothing of them changes.
const OF_THE_WRITER: [&str; 4] = ["plugin-api-version", "stability-flags", "platform", "platform-dev"];

#[derive(Clone, Debug)]
pub(crate) struct Lockfile {
    packages: BTreeMap<String, Value>,
    /// Everything else.
    head: Map<String, Value>,
}

impl Lockfile {
    /// Why not, in a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut head: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| format!("could not read the lockfile: {error}"))?;
        let mut packages = BTreeMap::new();
        for list in ["packages", "packages-dev"] {
            let Some(Value::Array(list)) = head.remove(list) else { continue };
            for package in list {
                let name = package.get("name").and_then(Value::as_str).map(str::to_ascii_lowercase);
                packages.insert(name.ok_or("could not read the lockfile: a package has no name")?, package);
            }
        }
        if packages.len() > MOST_PACKAGES {
            return Err(format!("the lockfile has more than {MOST_PACKAGES} packages"));
        }
        Ok(Self { packages, head })
    }

    pub(crate) fn set(&self) -> Set {
        self.packages.iter().map(|(name, package)| (name.clone(), installed(name, package))).collect()
    }

    /// What each package asks of PHP.
    pub(crate) fn php(&self) -> impl Iterator<Item = (&str, &str)> {
        self.packages.iter().filter_map(|(name, package)| {
            Some((name.as_str(), package.get("require")?.get("php")?.as_str()?))
        })
    }

    /// Whether the digest of the manifest is another one.
    pub(crate) fn differs_in_hash(&self, other: &Self) -> bool {
        self.head.get("content-hash") != other.head.get("content-hash")
    }

    /// What another lockfile has otherwise, but for packages that moved, and the digest of the manifest.
    pub(crate) fn differs_beside_moves(&self, other: &Self) -> Option<String> {
        let keys = self.head.keys().chain(other.head.keys());
        let mut keys =
            keys.filter(|key| *key != "content-hash" && self.head.get(*key) != other.head.get(*key));
        if let Some(key) = keys.next() {
            return Some(format!("`{key}`"));
        }
        let version = |package: &Value| package.get("version").cloned();
        let mut packages = self.packages.iter().filter(|(name, package)| {
            let now = other.packages.get(*name);
            now.is_some_and(|now| version(now) == version(package) && now != *package)
        });
        packages.next().map(|(name, _)| format!("what it says of `{name}`"))
    }
}

/// A lockfile with the lines about its writer as they were.
pub(crate) fn with_writer_of(text: &str, before: &str) -> String {
    let line_of = |text: &str, key: &str| {
        let start = format!("    \"{key}\": ");
        let found = text.lines().find(|line| line.starts_with(&start)).map(str::to_owned);
        found.filter(|line| is_single(line))
    };
    let mut text = text.to_owned();
    for key in OF_THE_WRITER {
        if let (Some(now), Some(was)) = (line_of(&text, key), line_of(before, key)) {
            let end = |line: &str| if line.ends_with(',') { "," } else { "" };
            let was = format!("{}{}", was.trim_end_matches(','), end(&now));
            text = text.replacen(&format!("\n{now}\n"), &format!("\n{was}\n"), 1);
        }
    }
    text
}

/// Whether the value is all on this line.
fn is_single(line: &str) -> bool {
    let value = line.trim_end_matches(',');
    value.ends_with(['"', ']', '}'])
}

fn installed(name: &str, package: &Value) -> Installed {
    let text = |place: &str| package.pointer(place).and_then(Value::as_str);
    let version = text("/version").unwrap_or_default().to_owned();
    let requires = required(package.get("require"), &version);
    let is_branch = version.starts_with("dev-") || version.ends_with("-dev");
    let fixed = match () {
        () if is_branch => Some(format!("`{name} {version}` is a branch and no version")),
        () if text("/dist/type") == Some("path") => {
            Some(format!("`{name} {version}` does not come from a registry"))
        }
        () => None,
    };
    let places = ["/dist/reference", "/dist/shasum", "/source/reference"];
    let content = places.iter().filter_map(|place| Some(((*place).to_owned(), text(place)?.to_owned())));
    Installed { version, requires, fixed, content: content.collect() }
}

/// Names and ranges, without those of the platform, as `php` and `ext-json`.
pub(crate) fn required(list: Option<&Value>, version: &str) -> Vec<Required> {
    let list = list.and_then(Value::as_object).into_iter().flatten();
    let list = list.filter(|(name, _)| name.contains('/'));
    let read = |(name, range): (&String, &Value)| {
        let range = range.as_str()?.replace("self.version", version);
        Some(Required { name: name.to_ascii_lowercase(), range })
    };
    list.filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{Lockfile, with_writer_of};

    const LOCK: &str = r#"{
    "content-hash": "aa",
    "packages": [{"name": "T/a", "version": "v1.0", "require": {"php": ">=8.1", "ext-x": "*", "t/B": "self.version"},
        "dist": {"type": "zip", "reference": "r", "shasum": ""}}],
    "packages-dev": [{"name": "t/b", "version": "dev-main"}],
    "stability-flags": {},
    "plugin-api-version": "2.6.0"
}
"#;

    #[test]
    fn a_lockfile_says_what_is_installed() {
        let lock = Lockfile::parse(LOCK).unwrap();
        let set = lock.set();
        assert_eq!((set["t/a"].version.as_str(), set["t/a"].requires[0].range.as_str()), ("v1.0", "v1.0"));
        assert_eq!((set["t/a"].requires.len(), set["t/a"].requires[0].name.as_str()), (1, "t/b"));
        assert!(set["t/b"].fixed.as_ref().unwrap().contains("is a branch"));
        assert_eq!(lock.php().collect::<Vec<_>>(), [("t/a", ">=8.1")]);
        assert!(Lockfile::parse("[]").is_err() && Lockfile::parse(r#"{"packages": [{}]}"#).is_err());
    }

    #[test]
    fn what_differs_beside_moves_is_named() {
        let check = |from: &str, to: &str, then: Option<&str>| {
            let (before, after) = (Lockfile::parse(LOCK), Lockfile::parse(&LOCK.replace(from, to)));
            let found = before.unwrap().differs_beside_moves(&after.unwrap());
            assert_eq!(found.as_deref(), then, "{to}");
        };
        check("v1.0", "v1.1", None);
        check("\"aa\"", "\"bb\"", None);
        check("\"r\"", "\"s\"", Some("what it says of `t/a`"));
        check("2.6.0", "2.3.0", Some("`plugin-api-version`"));
    }

    #[test]
    fn who_wrote_it_stays() {
        let other = LOCK.replace("{},", "[],").replace("2.6.0", "2.3.0");
        assert_eq!(with_writer_of(&other, LOCK), LOCK);
        assert_eq!(with_writer_of("{}", LOCK), "{}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(\\{|\\}|\"packages\":|\"platform\": |\\[|\\]|,|\n|    |\"name\":\"a\"|é){0,20}") {
            let _ = Lockfile::parse(&text).map(|lock| lock.set());
            with_writer_of(&text, LOCK);
            with_writer_of(LOCK, &text);
        }
    }
}
