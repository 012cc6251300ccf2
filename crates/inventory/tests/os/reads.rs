//! One of the readers over any bytes, held to its bounds. The tests throw at it, and so do the targets in `fuzz/`.

use patchline_inventory::Inventory;
use patchline_inventory::binary::object;
use patchline_inventory::os::distribution::Distribution;
use patchline_inventory::os::package::{self, OsPackage};
use patchline_inventory::os::release::Release;
use patchline_inventory::os::rpm::database::{Kind, read};
use patchline_inventory::os::rpm::header::Header;
use patchline_inventory::os::{apk, dpkg};

/// How many readers there are.
pub const READERS: u8 = 8;

/// Reads the bytes with this reader, and holds it to its bounds.
pub fn reads(reader: u8, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match reader % READERS {
        0 => listed(dpkg::packages(&text).unwrap_or_default(), bytes),
        1 => listed(apk::packages(&text).unwrap_or_default(), bytes),
        2 => drop(Distribution::of(&Release::of(&text))),
        3 => drop(Header::parse(bytes)),
        4 => listed(read(Kind::Sqlite, bytes).unwrap_or_default().packages, bytes),
        5 => listed(read(Kind::Ndb, bytes).unwrap_or_default().packages, bytes),
        6 => listed(read(Kind::BerkeleyDb, bytes).unwrap_or_default().packages, bytes),
        _ => drop(object::inventory("x", bytes)),
    }
}

/// No package comes from nothing, and what becomes of it is as an inventory must be.
fn listed(packages: Vec<OsPackage>, bytes: &[u8]) {
    assert!(packages.len() <= bytes.len());
    let distribution = Distribution::of(&Release::of("ID=wolfi")).expect("a distribution");
    let count = packages.len();
    let Inventory { installed, unresolved } = package::inventory(&distribution, "db", packages);
    assert_eq!(installed.len() + unresolved.len(), count);
    for one in &installed {
        assert!(!one.package.name.is_empty() && !one.package.version.is_empty());
        assert!(one.package.name.len() <= 256 && one.package.version.len() <= 256);
    }
}
