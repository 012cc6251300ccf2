//! Changelogs of new versions, taken out of the archives that a registry has of them and kept where [`super::shipped`] looks.
//! What can't be had is no fault of the change: it is said in the log, and the text of the pull request goes without.

use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use flate2::read::MultiGzDecoder;
use patchline_model::failure::Failure;
use patchline_model::package::Package;

use crate::changelog::named::{LARGEST, rank};

/// A larger archive is not fetched for its changelog.
pub(crate) const LARGEST_ARCHIVE: u64 = 32 << 20;
/// What is unpacked of one, how many entries are looked at, and how many of them are taken.
const MOST_UNPACKED: u64 = 256 << 20;
const MOST_ENTRIES: usize = 50_000;
const MOST_TAKEN: usize = 16;
/// Packages of one change whose archives are fetched, and how long that may take in all.
const MOST_PACKAGES: usize = 20;
const LONGEST: Duration = Duration::from_secs(60);

/// An archive of one version of a package.
pub(crate) enum Archive {
    /// `NAME/…` in a compressed tar, as of npm.
    TarGz(Vec<u8>),
    /// RubyGems': a tar, in which `data.tar.gz` has the files.
    Gem(Vec<u8>),
}

/// Where archives can be had.
#[async_trait]
pub(crate) trait Archives: Send + Sync {
    /// None where there is no such archive, or none that would have a changelog.
    async fn archive(&self, name: &str, version: &str) -> Result<Option<Archive>, Failure>;
}

/// Where the changelog of this version is kept; none for a name that climbs.
pub(crate) fn place(cache: &Path, package: &Package, version: &str) -> Option<PathBuf> {
    let is_plain = |text: &str| !text.split('/').any(|part| part.is_empty() || part.starts_with('.'));
    let is_safe = is_plain(&package.name) && is_plain(version) && !version.contains('/');
    let name = format!("{}@{version}", package.name);
    is_safe.then(|| cache.join("changelogs").join(&package.ecosystem.0).join(name))
}

/// Fetches and keeps what is not there yet, for packages that go to these versions. What there is to say of that.
pub(crate) async fn keep(cache: &Path, archives: &dyn Archives, updates: &[(Package, String)]) -> String {
    let mut log = String::new();
    let fetched = async {
        for (package, version) in updates.iter().take(MOST_PACKAGES) {
            let Some(place) = place(cache, package, version).filter(|place| !place.exists()) else {
                continue;
            };
            let said = match archives.archive(&package.name, version).await {
                Ok(Some(archive)) => store(&place, changelog(&archive)).err().map(|error| error.to_string()),
                Ok(None) => None,
                Err(failure) => Some(failure.to_string()),
            };
            if let Some(said) = said {
                log.push_str(&format!("no changelog of {} {version}: {said}\n", package.name));
            }
        }
    };
    if tokio::time::timeout(LONGEST, fetched).await.is_err() {
        log.push_str("fetching changelogs was given up after a minute\n");
    }
    log
}

/// An empty folder says that there is none.
fn store(place: &Path, changelog: Option<(String, Vec<u8>)>) -> std::io::Result<()> {
    let parent = place.parent().unwrap_or(place);
    fs::create_dir_all(parent)?;
    let made = tempfile::TempDir::new_in(parent)?;
    if let Some((name, bytes)) = changelog {
        fs::write(made.path().join(name), bytes)?;
    }
    // Another process may have been first; then its own stays.
    match fs::rename(made.path(), place) {
        Err(_) if place.exists() => Ok(()),
        renamed => renamed,
    }
}

/// The changelog in an archive, with its name.
fn changelog(archive: &Archive) -> Option<(String, Vec<u8>)> {
    match archive {
        Archive::TarGz(bytes) => in_tar(MultiGzDecoder::new(bytes.as_slice()), 2),
        Archive::Gem(bytes) => {
            let data = entries(Cursor::new(bytes), |path| path == Path::new("data.tar.gz"));
            in_tar(MultiGzDecoder::new(data.into_iter().next()?.1.as_slice()), 1)
        }
    }
}

/// The best of those so deep in a tar.
fn in_tar(tar: impl Read, depth: usize) -> Option<(String, Vec<u8>)> {
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let ranked = |path: &Path| rank(&name(path)?).map(|rank| (rank, name(path)));
    let is_it = |path: &Path| {
        path.components().filter(|part| part.as_os_str() != ".").count() == depth && ranked(path).is_some()
    };
    let found = entries(tar, is_it).into_iter().min_by_key(|(path, _)| ranked(path));
    found.and_then(|(path, bytes)| Some((name(&path)?, bytes)))
}

/// The ordinary files of a tar that are wanted, as far as they can be read.
fn entries(tar: impl Read, is_wanted: impl Fn(&Path) -> bool) -> Vec<(PathBuf, Vec<u8>)> {
    let mut archive = tar::Archive::new(tar.take(MOST_UNPACKED));
    let mut found = Vec::new();
    for entry in archive.entries().into_iter().flatten().take(MOST_ENTRIES) {
        let Ok(mut entry) = entry else { break };
        let Some(path) = entry.path().ok().map(|path| path.into_owned()) else { continue };
        if !entry.header().entry_type().is_file() || !is_wanted(&path) || found.len() >= MOST_TAKEN {
            continue;
        }
        // The files of a gem are the largest that is wanted.
        let mut bytes = Vec::new();
        let most = if path == Path::new("data.tar.gz") { LARGEST_ARCHIVE } else { LARGEST };
        if entry.by_ref().take(most).read_to_end(&mut bytes).is_ok() {
            found.push((path, bytes));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use patchline_model::package::{Ecosystem, Package};
    use proptest::prelude::{any, prop, proptest};
    use tempfile::TempDir;

    use super::{Archive, changelog, place, store};

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, path, *bytes).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_changelog_at_the_top_of_an_archive_is_taken() {
        let check = |files: &[(&str, &[u8])], then: Option<(&str, &[u8])>| {
            let found = changelog(&Archive::TarGz(compressed(&tar(files))));
            let found = found.as_ref().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
            assert_eq!(found, then, "{files:?}");
        };
        let all: [(&str, &[u8]); 4] = [
            ("package/HISTORY.md", b"old"),
            ("package/CHANGELOG.md", b"new"),
            ("package/lib/changes.txt", b"deep"),
            ("package/index.js", b"code"),
        ];
        check(&all, Some(("CHANGELOG.md", b"new")));
        check(&all[2..], None);
        check(&all[..1], Some(("HISTORY.md", b"old")));
        let gem = tar(&[("metadata.gz", b"-"), ("data.tar.gz", &compressed(&tar(&[("NEWS", b"gem")])))]);
        assert_eq!(changelog(&Archive::Gem(gem)), Some(("NEWS".to_owned(), b"gem".to_vec())));
    }

    #[test]
    fn what_is_kept_lies_in_the_cache_and_nowhere_else() {
        let folder = TempDir::new().unwrap();
        let package = |name: &str| Package {
            ecosystem: Ecosystem("npm".to_owned()),
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
        };
        let kept = place(folder.path(), &package("@a/b"), "1.0.1").unwrap();
        assert_eq!(kept, folder.path().join("changelogs/npm/@a/b@1.0.1"));
        for _ in 0..2 {
            store(&kept, Some(("NEWS".to_owned(), b"said".to_vec()))).unwrap();
        }
        assert_eq!(std::fs::read(kept.join("NEWS")).unwrap(), b"said");
        assert_eq!(std::fs::read_dir(kept.parent().unwrap()).unwrap().count(), 1, "nothing else is left");
        for (name, version) in
            [("../b", "1"), ("a//b", "1"), ("/a", "1"), ("a", "../1"), ("a", "1/2"), ("", "1")]
        {
            assert_eq!(place(Path::new("/cache"), &package(name), version), None, "{name} {version}");
        }
    }

    proptest! {
        #[test]
        fn whatever_an_archive_holds_is_read_or_left(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let broken = |with: &[u8]| [with, &bytes].concat();
            let whole = tar(&[("a/NEWS", &bytes), ("data.tar.gz", &bytes)]);
            for bytes in [bytes.clone(), compressed(&bytes), compressed(&broken(&whole[..512])), whole] {
                let _ = (changelog(&Archive::TarGz(bytes.clone())), changelog(&Archive::Gem(bytes)));
            }
        }
    }
}
