//! The three kinds of rpm's database: whole, broken, and made to do harm.

use patchline_inventory::os::package::Source;
use patchline_inventory::os::rpm::database::{Kind, Read, read};
use rusqlite::{Connection, MAIN_DB};

use crate::rpmdb::{bdb, header, ndb, sqlite};

pub fn headers() -> Vec<Vec<u8>> {
    vec![
        header("openssl-libs", 1, "3.0.7-24.el9", "openssl-3.0.7-24.el9.src.rpm"),
        header("bash", 0, "5.1.8-6.el9", "bash-5.1.8-6.el9.src.rpm"),
        header("gpg-pubkey", 0, "8483c65d-5ccc5b19", "(none)"),
    ]
}

pub fn said(read: &Read) -> Vec<String> {
    let one = |one: &patchline_inventory::os::package::OsPackage| match &one.source {
        Source::Named { name, version } => format!("{} {} from {name} {version}", one.name, one.version),
        Source::Same => format!("{} {}", one.name, one.version),
        Source::Unknown(why) => format!("{} {}: {why}", one.name, one.version),
    };
    read.packages.iter().map(one).chain(read.broken.iter().cloned()).collect()
}

#[track_caller]
fn check(kind: Kind, bytes: &[u8], then: Result<&[&str], &str>) {
    match (read(kind, bytes), then) {
        (Ok(read), Ok(then)) => assert_eq!(said(&read), then),
        (Err(why), Err(then)) => assert!(why.contains(then), "{why}"),
        (read, then) => panic!("{read:?} is not {then:?}"),
    }
}

const WHOLE: &[&str] =
    &["openssl-libs 1:3.0.7-24.el9 from openssl 1:3.0.7-24.el9", "bash 5.1.8-6.el9 from bash 5.1.8-6.el9"];

#[test]
fn each_kind_of_database_says_the_same() {
    check(Kind::Sqlite, &sqlite(&headers()), Ok(WHOLE));
    check(Kind::Ndb, &ndb(&headers()), Ok(WHOLE));
    check(Kind::BerkeleyDb, &bdb(&headers(), false), Ok(WHOLE));
    check(Kind::BerkeleyDb, &bdb(&headers(), true), Ok(WHOLE));
}

#[test]
fn a_file_of_another_kind_is_refused() {
    check(Kind::Sqlite, &ndb(&headers()), Err("it is no database of SQLite"));
    check(Kind::Ndb, &sqlite(&headers()), Err("it is no package database of rpm"));
    check(Kind::BerkeleyDb, &sqlite(&headers()), Err("it is no hash of Berkeley DB"));
}

#[test]
fn a_chain_that_goes_round_ends() {
    let mut bytes = bdb(&headers(), false);
    // The first overflow page is followed by itself.
    let page = 2 * 512;
    bytes[page + 16..page + 20].copy_from_slice(&2_u32.to_le_bytes());
    check(Kind::BerkeleyDb, &bytes, Err("the chain from page 2 on is broken"));
}

#[test]
fn packages_that_lie_upon_each_other_are_refused() {
    let mut bytes = ndb(&[header("a", 0, "1-1", "a-1-1.src.rpm")]);
    // Each slot points at the one package, so that a small file would be as many large ones.
    let slot = bytes[32..48].to_vec();
    bytes[32..4096].chunks_exact_mut(16).for_each(|other| other.copy_from_slice(&slot));
    check(Kind::Ndb, &bytes, Err("its packages lie upon each other"));
}

#[test]
fn a_view_in_place_of_the_table_is_never_asked() {
    let mut connection = Connection::open_in_memory().expect("SQLite");
    let endless =
        "CREATE VIEW Packages AS WITH RECURSIVE n(hnum) AS (SELECT 1 UNION ALL SELECT hnum + 1 FROM n)
                   SELECT hnum, zeroblob(100000000) AS blob FROM n";
    connection.execute_batch(endless).expect("a view");
    let bytes = connection.serialize(MAIN_DB).expect("bytes").to_vec();
    check(Kind::Sqlite, &bytes, Err("it has no table `Packages`"));
}

#[test]
fn rows_that_are_computed_are_no_longer_than_the_file() {
    let mut connection = Connection::open_in_memory().expect("SQLite");
    let computed = "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB AS (zeroblob(50000000)))";
    connection.execute_batch(computed).expect("a table");
    connection.execute_batch("INSERT INTO Packages (hnum) VALUES (1), (2), (3)").expect("rows");
    let bytes = connection.serialize(MAIN_DB).expect("bytes").to_vec();
    assert!(read(Kind::Sqlite, &bytes).is_err());
}
