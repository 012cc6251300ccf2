//! Where the changelog of a version lies on this machine: in what cargo and Go have unpacked, and in what the fixers for other
//! registries have kept. Nothing is fetched.

use std::env;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use patchline_inventory::version::Scheme;
use patchline_model::package::{Ecosystem, Package};

use crate::changelog::kept::place;
use crate::changelog::named::{LARGEST, rank};
use crate::changelog::sections::{Excerpt, between};

/// Folders of registries that are looked into.
const MOST_FOLDERS: usize = 64;

/// What the changelog of `to` says of the versions since the installed one, with the file's name; nothing where the package
/// ships none, or is not unpacked here. `cache` is what the fixers were given.
pub fn excerpt(cache: &Path, installed: &Package, to: &str) -> Option<(String, Excerpt)> {
    let scheme = Scheme::of(&installed.ecosystem)?;
    let roots = roots(installed, to).into_iter().chain(place(cache, installed, to));
    roots.into_iter().find_map(|root| {
        let (name, text) = changelog(&root)?;
        Some((name, between(&text, scheme, &installed.version, to)?))
    })
}

/// Folders that hold this version unpacked, if they are there.
fn roots(package: &Package, to: &str) -> Vec<PathBuf> {
    // A name that climbs is none.
    let is_plain = |text: &str| !text.split('/').any(|part| part.is_empty() || part == "." || part == "..");
    if !is_plain(&package.name) || !is_plain(to) || to.contains('/') {
        return Vec::new();
    }
    let home = env::home_dir();
    if package.ecosystem == Ecosystem::crates_io() {
        let cargo = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(home?.join(".cargo")));
        let sources = cargo.map(|cargo| cargo.join("registry/src"));
        let registries =
            sources.and_then(|sources| fs::read_dir(sources).ok()).into_iter().flatten().flatten();
        let folder = format!("{}-{to}", package.name);
        return registries.take(MOST_FOLDERS).map(|registry| registry.path().join(&folder)).collect();
    }
    if package.ecosystem.0 == "Go" {
        let version = to.strip_prefix('v').unwrap_or(to);
        let of_path = env::var_os("GOPATH").map(|path| Path::new(&path).join("pkg/mod"));
        let modules = env::var_os("GOMODCACHE").map(PathBuf::from).or(of_path);
        let modules = modules.or_else(|| Some(home?.join("go/pkg/mod")));
        return modules
            .into_iter()
            .map(|root| root.join(format!("{}@v{version}", escaped(&package.name))))
            .collect();
    }
    Vec::new()
}

/// Go keeps a capital letter as `!` and the small one (the module reference, "Module cache").
fn escaped(module: &str) -> String {
    let letter = |letter: char| match letter.is_ascii_uppercase() {
        true => format!("!{}", letter.to_ascii_lowercase()),
        false => letter.to_string(),
    };
    module.chars().map(letter).collect()
}

fn changelog(root: &Path) -> Option<(String, String)> {
    let names = fs::read_dir(root).ok()?.flatten().take(4096);
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let (_, name) = names.filter_map(|name| Some((rank(&name)?, name))).min()?;
    let path = root.join(&name);
    // A link could lead anywhere.
    if !fs::symlink_metadata(&path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(LARGEST).read_to_end(&mut bytes).ok()?;
    Some((name, String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{changelog, escaped, roots};
    use patchline_model::package::{Ecosystem, Package};
    use tempfile::TempDir;

    #[test]
    fn the_first_of_the_usual_names_is_read_and_no_link_is_followed() {
        let folder = TempDir::new().unwrap();
        assert_eq!(changelog(folder.path()), None);
        fs::write(folder.path().join("NEWS"), "news").unwrap();
        fs::write(folder.path().join("changelog_generator.rb"), "no").unwrap();
        assert_eq!(changelog(folder.path()), Some(("NEWS".to_owned(), "news".to_owned())));
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("CHANGELOG.md")).unwrap();
        assert_eq!(changelog(folder.path()), None);
        assert_eq!(changelog(&folder.path().join("missing")), None);
    }

    #[test]
    fn a_name_that_climbs_out_leads_nowhere() {
        let package = |name: &str| Package {
            ecosystem: Ecosystem("Go".to_owned()),
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
        };
        assert_eq!(roots(&package("../../etc"), "1.0.0"), Vec::<std::path::PathBuf>::new());
        assert_eq!(roots(&package("example.org/a"), "../1"), Vec::<std::path::PathBuf>::new());
        assert_eq!(roots(&package("example.org/a"), "1.0.1").len(), 1);
        assert_eq!(escaped("github.com/BurntSushi/toml"), "github.com/!burnt!sushi/toml");
    }
}
