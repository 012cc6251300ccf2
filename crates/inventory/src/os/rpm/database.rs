//! The packages of an rpm database, whichever kind of file it is.

use std::collections::HashMap;

use crate::os::package::{MOST_PACKAGES, OsPackage, Source};
use crate::os::rpm::header::Header;
use crate::os::rpm::{bdb, ndb, sqlite};

/// The files that may hold the packages, in the order in which rpm came to prefer them.
pub const FILES: [(&str, Kind); 3] =
    [("rpmdb.sqlite", Kind::Sqlite), ("Packages.db", Kind::Ndb), ("Packages", Kind::BerkeleyDb)];

/// rpm's name for the keys that it trusts, which it keeps among the packages.
const KEY: &str = "gpg-pubkey";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Ndb,
    BerkeleyDb,
}

/// What a database holds, and what of it could not be read.
#[derive(Debug, Default, PartialEq)]
pub struct Read {
    pub packages: Vec<OsPackage>,
    pub broken: Vec<String>,
}

/// The packages of a database; an error when it is not of this kind. One header that is broken doesn't hide the others.
pub fn read(kind: Kind, bytes: &[u8]) -> Result<Read, String> {
    match kind {
        Kind::Sqlite => sqlite::headers(bytes).map(|headers| packages(headers.iter().map(Vec::as_slice))),
        Kind::Ndb => ndb::headers(bytes).map(|headers| packages(headers.into_iter())),
        Kind::BerkeleyDb => bdb::headers(bytes).map(|headers| packages(headers.iter().map(Vec::as_slice))),
    }
}

fn packages<'a>(headers: impl Iterator<Item = &'a [u8]>) -> Read {
    const MOST_BROKEN: usize = 100;
    let (mut read, mut broken) = (Vec::new(), Vec::new());
    for (number, bytes) in headers.take(MOST_PACKAGES + 1).enumerate() {
        match Header::parse(bytes) {
            Ok(header) if header.name == KEY => {}
            Ok(header) => read.push(header),
            Err(what) if broken.len() < MOST_BROKEN => {
                broken.push(format!("header {} is broken: {what}", number + 1));
            }
            Err(_) => {}
        }
    }
    let epochs = epochs(&read);
    let packages = read.iter().map(|header| OsPackage {
        name: header.name.clone(),
        version: with_epoch(header.epoch, &header.version_release()),
        source: source(header, &epochs),
        line: None,
    });
    Read { packages: packages.collect(), broken }
}

/// The epochs of the sources, by the name of their file. It doesn't say it, but packages of the source's own version have
/// the source's epoch.
fn epochs(headers: &[Header]) -> HashMap<&str, Option<u32>> {
    let mut epochs = HashMap::new();
    for header in headers {
        let Some(file) = header.source_rpm.as_deref() else { continue };
        let Some((name, version)) = parted(file) else { continue };
        if version == header.version_release() {
            let is_main = header.name == name;
            epochs
                .entry(file)
                .and_modify(|epoch| {
                    if is_main {
                        *epoch = header.epoch
                    }
                })
                .or_insert(header.epoch);
        }
    }
    epochs
}

fn source(header: &Header, epochs: &HashMap<&str, Option<u32>>) -> Source {
    let Some(file) = header.source_rpm.as_deref().filter(|file| !file.is_empty() && *file != "(none)") else {
        return Source::Unknown(
            "it doesn't say what it was built from, and advisories go by that".to_owned(),
        );
    };
    let Some((name, version)) = parted(file) else {
        let file: String = file.chars().take(80).collect();
        return Source::Unknown(format!("{file:?} is no name of a source package"));
    };
    match epochs.get(file) {
        Some(epoch) => Source::Named { name: name.to_owned(), version: with_epoch(*epoch, version) },
        None => Source::Unknown(format!("the epoch of its source, {name} {version}, is not known")),
    }
}

/// Name and `version-release` of `name-version-release.src.rpm`.
fn parted(file: &str) -> Option<(&str, &str)> {
    let stem = file.strip_suffix(".rpm")?;
    let stem = stem.strip_suffix(".src").or_else(|| stem.strip_suffix(".nosrc"))?;
    let release = stem.rfind('-')?;
    let version = stem[..release].rfind('-')?;
    Some((&stem[..version], &stem[version + 1..])).filter(|(name, _)| !name.is_empty())
}

fn with_epoch(epoch: Option<u32>, version: &str) -> String {
    match epoch {
        Some(epoch) if epoch > 0 => format!("{epoch}:{version}"),
        Some(_) | None => version.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::packages;
    use crate::os::package::Source;

    /// A header with a name, an epoch, `version-release` and a source.
    fn header(name: &str, epoch: u32, version: &str, source: &str) -> Vec<u8> {
        let (version, release) = version.split_once('-').expect("both");
        let mut data = Vec::new();
        let mut index = Vec::new();
        for (tag, text) in [(1000_u32, name), (1001, version), (1002, release), (1044, source)] {
            let offset = u32::try_from(data.len()).expect("short");
            for number in [tag, 6, offset, 1] {
                index.extend(number.to_be_bytes());
            }
            data.extend(text.bytes().chain([0]));
        }
        let offset = u32::try_from(data.len()).expect("short");
        for number in [1003_u32, 4, offset, 1] {
            index.extend(number.to_be_bytes());
        }
        data.extend(epoch.to_be_bytes());
        let length = u32::try_from(data.len()).expect("short");
        [&5_u32.to_be_bytes()[..], &length.to_be_bytes(), &index, &data].concat()
    }

    #[track_caller]
    fn check(given: &[Vec<u8>], then: &[&str]) {
        let read = packages(given.iter().map(Vec::as_slice));
        let said = read.packages.iter().map(|one| match &one.source {
            Source::Named { name, version } => format!("{} {} from {name} {version}", one.name, one.version),
            Source::Unknown(why) => format!("{} {}: {why}", one.name, one.version),
            Source::Same => format!("{} {}", one.name, one.version),
        });
        let said: Vec<String> = said.chain(read.broken).collect();
        assert_eq!(said, then);
    }

    #[test]
    fn a_source_has_the_epoch_of_what_bears_its_version() {
        let file = "perl-5.32.1-481.el9.src.rpm";
        check(
            &[header("perl-Errno", 0, "1.30-481.el9", file), header("perl-libs", 4, "5.32.1-481.el9", file)],
            &[
                "perl-Errno 1.30-481.el9 from perl 4:5.32.1-481.el9",
                "perl-libs 4:5.32.1-481.el9 from perl 4:5.32.1-481.el9",
            ],
        );
        check(
            &[header("perl-Errno", 0, "1.30-481.el9", file)],
            &["perl-Errno 1.30-481.el9: the epoch of its source, perl 5.32.1-481.el9, is not known"],
        );
    }

    #[test]
    fn keys_are_no_packages_and_a_broken_header_hides_no_other() {
        let whole = header("a-b", 0, "1-2", "a-b-1-2.src.rpm");
        let cut = whole[..40].to_vec();
        let key = header("gpg-pubkey", 0, "8-5", "(none)");
        let bare = header("c", 0, "1-2", "(none)");
        check(
            &[cut, key, whole, bare],
            &[
                "a-b 1-2 from a-b 1-2",
                "c 1-2: it doesn't say what it was built from, and advisories go by that",
                "header 1 is broken: it ends too early",
            ],
        );
    }
}
