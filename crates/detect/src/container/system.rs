//! The packages of the operating system that lives in a root: its release, its package databases.

use std::collections::BTreeSet;

use patchline_inventory::detector::{Inventory, Unresolved};
use patchline_inventory::os::distribution::{Distribution, Format};
use patchline_inventory::os::package::{self, MOST_PACKAGES, OsPackage};
use patchline_inventory::os::release::Release;
use patchline_inventory::os::rpm::database;
use patchline_inventory::os::{apk, dpkg};

use crate::container::files::{Files, resolve};

const RELEASES: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];
const DPKG: &str = "var/lib/dpkg/status";
/// Where images that were put together without dpkg list what they hold, a file a package.
const DPKG_PARTS: &str = "var/lib/dpkg/status.d";
/// The longer one first: it ends like the other.
const APK: [&str; 2] = ["usr/lib/apk/db/installed", "lib/apk/db/installed"];
const RPM: [&str; 2] = ["var/lib/rpm", "usr/lib/sysimage/rpm"];
/// What rpm's SQLite has not yet put into its file.
const LOG: &str = "-wal";

const LARGEST_RELEASE: u64 = 1 << 20;
/// As large as a database may be; that of a full desktop has about 150 MiB.
pub const LARGEST_DATABASE: u64 = 256 << 20;

/// The folder that is the root of a system which keeps its release or its packages at this path; none when no system does.
pub fn root_of(path: &str) -> Option<&str> {
    let (parent, name) = path.rsplit_once('/')?;
    let whole = RELEASES.iter().chain(&APK).chain([&DPKG]).map(|end| path.strip_suffix(end));
    let part = [&DPKG_PARTS].into_iter().map(|folder| parent.strip_suffix(folder));
    let is_rpm = database::FILES.iter().any(|(file, _)| name.strip_suffix(LOG).unwrap_or(name) == *file);
    let rpm = RPM.iter().filter(|_| is_rpm).map(|folder| parent.strip_suffix(folder));
    let mut roots = whole.chain(part).chain(rpm).flatten();
    roots.find(|root| root.is_empty() || root.ends_with('/')).map(|root| root.trim_end_matches('/'))
}

/// The packages of the system at this root; none when there is no package database.
pub fn read(files: &dyn Files, root: &str) -> Option<Inventory> {
    let mut system =
        System { files, root, seen: BTreeSet::new(), databases: Vec::new(), unresolved: Vec::new() };
    system.read_dpkg();
    system.read_apk();
    system.read_rpm();
    if system.databases.is_empty() && system.unresolved.is_empty() {
        return None;
    }
    let distribution = distribution(files, root);
    let mut inventory = Inventory { installed: Vec::new(), unresolved: system.unresolved };
    for database in system.databases.into_iter().filter(|database| !database.packages.is_empty()) {
        let more = judged(&distribution, database);
        inventory.installed.extend(more.installed);
        inventory.unresolved.extend(more.unresolved);
    }
    Some(inventory)
}

fn distribution(files: &dyn Files, root: &str) -> Result<Distribution, String> {
    for release in RELEASES {
        let Some(path) = resolve(files, root, release) else { continue };
        if let Some(bytes) = files.bytes(&path, LARGEST_RELEASE)? {
            return Distribution::of(&Release::of(&String::from_utf8_lossy(&bytes)));
        }
    }
    Err("there is no `etc/os-release` that says which distribution it is".to_owned())
}

/// The packages of a database as the advisories of the distribution speak of them, or why that can't be said.
fn judged(distribution: &Result<Distribution, String>, database: Database) -> Inventory {
    let Database { path, format, packages } = database;
    let count = packages.len();
    let what = match distribution {
        Ok(distribution) if distribution.format == format => {
            return package::inventory(distribution, &path, packages);
        }
        Ok(distribution) => {
            format!("its {count} packages are not of the kind that {} has", distribution.ecosystem)
        }
        Err(why) => format!("its {count} packages can't be judged: {why}"),
    };
    Inventory { installed: Vec::new(), unresolved: vec![Unresolved::of(&path, what)] }
}

/// What one database says, before it is known which distribution it is of.
struct Database {
    /// As findings name it.
    path: String,
    format: Format,
    packages: Vec<OsPackage>,
}

/// What is read of the system at a root.
struct System<'a> {
    files: &'a dyn Files,
    root: &'a str,
    /// What was read, as the old place of a database may be a link to the new one.
    seen: BTreeSet<String>,
    databases: Vec<Database>,
    unresolved: Vec<Unresolved>,
}

impl System<'_> {
    fn read_dpkg(&mut self) {
        self.read_text(DPKG, Format::Dpkg, dpkg::packages);
        let folder = resolve(self.files, self.root, DPKG_PARTS);
        let names = folder.map(|folder| self.files.names(&folder, MOST_PACKAGES)).unwrap_or_default();
        for name in names.iter().filter(|name| !name.ends_with(".md5sums")) {
            self.read_text(&format!("{DPKG_PARTS}/{name}"), Format::Dpkg, dpkg::packages);
        }
    }

    fn read_apk(&mut self) {
        APK.iter().for_each(|path| self.read_text(path, Format::Apk, apk::packages));
    }

    fn read_text(&mut self, path: &str, format: Format, parse: fn(&str) -> Result<Vec<OsPackage>, String>) {
        let Some((path, bytes)) = self.database(path) else { return };
        match parse(&String::from_utf8_lossy(&bytes)) {
            Ok(packages) => self.databases.push(Database { path, format, packages }),
            Err(why) => self.unresolved.push(Unresolved::of(&path, why)),
        }
    }

    /// In each folder the first file of those that rpm would take; the others are what an upgrade left.
    fn read_rpm(&mut self) {
        for folder in RPM {
            for (name, kind) in database::FILES {
                let Some((path, bytes)) = self.database(&format!("{folder}/{name}")) else { continue };
                match database::read(kind, &bytes) {
                    Ok(read) => {
                        let broken = read.broken.into_iter().map(|what| Unresolved::of(&path, what));
                        self.unresolved.extend(broken);
                        self.read_log(&format!("{folder}/{name}{LOG}"));
                        self.databases.push(Database { path, format: Format::Rpm, packages: read.packages });
                    }
                    Err(why) => self.unresolved.push(Unresolved::of(&path, why)),
                }
                break;
            }
        }
    }

    fn read_log(&mut self, path: &str) {
        if let Some((path, _)) = self.database(path).filter(|(_, bytes)| !bytes.is_empty()) {
            let what = "it holds changes of the database beside it, which were not read";
            self.unresolved.push(Unresolved::of(&path, what));
        }
    }

    /// The name and the bytes of a file that is there and has not been read.
    fn database(&mut self, path: &str) -> Option<(String, Vec<u8>)> {
        let real = resolve(self.files, self.root, path)?;
        let path = self.files.label(&real);
        if !self.seen.insert(real.clone()) {
            return None;
        }
        match self.files.bytes(&real, LARGEST_DATABASE) {
            Ok(bytes) => bytes.map(|bytes| (path, bytes)),
            Err(why) => {
                self.unresolved.push(Unresolved::of(&path, why));
                None
            }
        }
    }
}
