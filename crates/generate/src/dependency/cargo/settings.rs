//! Which registry cargo would ask: by its own settings
//! (<https://doc.rust-lang.org/cargo/reference/source-replacement.html>), of which nothing but addresses is read.

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use patchline_inventory::lockfile::cargo::is_crates_io;
use serde::Deserialize;

const LARGEST: u64 = 1 << 20;
/// Sources that replace each other in a row.
const LONGEST_WAY: usize = 16;
/// The default registry's name in settings.
const DEFAULT: &str = "crates-io";

/// What stands in place of the default registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// With `sparse+` before the address.
    Sparse(String),
    /// A registry in a folder.
    Folder(PathBuf),
    /// What can't be asked which versions there are, with why.
    Closed(String),
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Document {
    #[serde(default)]
    source: BTreeMap<String, Source>,
    #[serde(default)]
    registries: BTreeMap<String, Source>,
    #[serde(default)]
    net: Net,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Net {
    offline: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Source {
    replace_with: Option<String>,
    registry: Option<String>,
    index: Option<String>,
    local_registry: Option<PathBuf>,
    directory: Option<PathBuf>,
    git: Option<String>,
}

/// Cargo's settings for a folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// The nearest first, each with the folder that its paths start from.
    files: Vec<(PathBuf, Document)>,
}

impl Settings {
    /// Those of the folder and above it, and at last those of the user.
    pub(crate) fn read(folder: &Path) -> Self {
        let above = folder.ancestors().map(|folder| folder.join(".cargo"));
        let home = env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| env::home_dir().map(|home| home.join(".cargo")));
        let mut folders: Vec<PathBuf> = above.collect();
        folders.extend(home.filter(|home| !folders.contains(home)));
        let found = folders.iter().filter_map(|folder| {
            let text = ["config.toml", "config"].iter().find_map(|name| read(&folder.join(name)))?;
            // What can't be read cargo itself will refuse.
            Some((folder.parent().unwrap_or(folder).to_owned(), toml::from_str(&text).ok()?))
        });
        Self { files: found.collect() }
    }

    pub(crate) fn is_offline(&self) -> bool {
        let said = env::var("CARGO_NET_OFFLINE").ok().map(|said| said == "true");
        said.or_else(|| self.files.iter().find_map(|(_, file)| file.net.offline)).unwrap_or(false)
    }

    /// What answers for the default registry.
    pub(crate) fn place(&self) -> Place {
        let mut name = DEFAULT.to_owned();
        for _ in 0..LONGEST_WAY {
            let replaced =
                self.files.iter().find_map(|(_, file)| file.source.get(&name)?.replace_with.clone());
            match replaced {
                Some(other) => name = other,
                None => return self.place_of(&name),
            }
        }
        Place::Closed("the sources in cargo's settings replace each other without an end".to_owned())
    }

    fn place_of(&self, name: &str) -> Place {
        if name == DEFAULT {
            return Place::Sparse(crates_index::sparse::URL.to_owned());
        }
        let named = self.files.iter().find_map(|(folder, file)| {
            let source = file.source.get(name).or_else(|| file.registries.get(name))?;
            Some((folder, source))
        });
        let closed = |what: &str| {
            Place::Closed(format!(
                "cargo's settings replace the registry by `{name}`, {what}; so what is published is not known"
            ))
        };
        let Some((folder, source)) = named else { return closed("which they do not name") };
        match source.registry.as_ref().or(source.index.as_ref()) {
            Some(address) if address.starts_with("sparse+http") => Place::Sparse(address.clone()),
            Some(_) => closed("a registry that is not read as a sparse index"),
            None => match (&source.local_registry, &source.directory, &source.git) {
                (Some(path), _, _) => Place::Folder(folder.join(path)),
                (None, Some(_), _) => closed("a folder of vendored crates"),
                (None, None, _) => closed("a source that has no index"),
            },
        }
    }
}

/// The registry of a source or an index: empty for the default one.
pub(crate) fn registry_of(source: &str) -> String {
    match is_crates_io(source) || is_crates_io(&format!("registry+{}", source.trim_end_matches(".git"))) {
        true => String::new(),
        false => source.to_owned(),
    }
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(LARGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::{Place, Settings, registry_of};
    use std::path::PathBuf;

    fn check(text: &str, then: &Place) {
        let document = toml::from_str(text).expect("it can be read");
        let settings = Settings { files: vec![(PathBuf::from("/top"), document)] };
        let place = settings.place();
        match (&place, then) {
            (Place::Closed(why), Place::Closed(part)) => assert!(why.contains(part.as_str()), "{why}"),
            (_, _) => assert_eq!(place, *then),
        }
    }

    #[test]
    fn a_replaced_registry_is_followed_where_it_can_be_asked() {
        let closed = |part: &str| Place::Closed(part.to_owned());
        let start = "[source.crates-io]\nreplace-with = \"own\"\n";
        check("", &Place::Sparse(crates_index::sparse::URL.to_owned()));
        check(
            &format!("{start}[source.own]\nregistry = \"sparse+https://x.example/\"\n"),
            &Place::Sparse("sparse+https://x.example/".to_owned()),
        );
        check(
            &format!("{start}[registries.own]\nindex = \"sparse+https://x.example/\"\n"),
            &Place::Sparse("sparse+https://x.example/".to_owned()),
        );
        check(
            &format!("{start}[source.own]\nlocal-registry = \"registry\"\n"),
            &Place::Folder(PathBuf::from("/top/registry")),
        );
        check(&format!("{start}[source.own]\ndirectory = \"vendor\"\n"), &closed("vendored"));
        check(&format!("{start}[source.own]\nregistry = \"https://x.example/git\"\n"), &closed("sparse"));
        check(start, &closed("do not name"));
        check(&format!("{start}[source.own]\nreplace-with = \"crates-io\"\n"), &closed("without an end"));
    }

    #[test]
    fn both_protocols_of_the_default_registry_are_one() {
        for source in [crates_index::sparse::URL, "registry+https://github.com/rust-lang/crates.io-index"] {
            assert_eq!(registry_of(source), "");
        }
        assert_eq!(registry_of("https://github.com/rust-lang/crates.io-index"), "");
        assert_eq!(registry_of("sparse+https://x.example/"), "sparse+https://x.example/");
    }
}
