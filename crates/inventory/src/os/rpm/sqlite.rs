//! rpm's database from 4.16 on: `rpmdb.sqlite`, a table `Packages` with a header in each row.
//!
//! SQLite reads it from memory, so nothing of it is ever written. What the file itself could make SQLite do is shut off: only
//! a plain table is asked, and a query that goes on and on is stopped.

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, Error, MAIN_DB};

use crate::os::package::MOST_PACKAGES;

const MAGIC: &[u8] = b"SQLite format 3\0";
/// Where a file says who may write and read it: 1 for a rollback journal, 2 for a write-ahead log.
const VERSIONS: std::ops::Range<usize> = 18..20;
/// A header of a package with a hundred thousand files has about 32 MiB.
const LARGEST_HEADER: i32 = 256 << 20;
/// Steps of SQLite's machine, in thousands; a row takes about ten steps.
const MOST_STEPS: u32 = 100_000;

/// The package headers in the file.
pub fn headers(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    if !bytes.starts_with(MAGIC) || bytes.len() < 512 {
        return Err("it is no database of SQLite".to_owned());
    }
    let mut copy = bytes.to_vec();
    // There is no log beside a file in memory, so SQLite would refuse one that says it has one.
    copy[VERSIONS].fill(1);
    read(&copy).map_err(|error| match error {
        Error::QueryReturnedNoRows => "it has no table `Packages`".to_owned(),
        error => error.to_string(),
    })
}

fn read(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let mut connection = Connection::open_in_memory()?;
    connection.deserialize_read_exact(MAIN_DB, bytes, bytes.len(), true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LARGEST_HEADER)?;
    let mut steps = 0;
    let stop = move || {
        steps += 1;
        steps > MOST_STEPS
    };
    connection.progress_handler(1000, Some(stop))?;
    let is_table = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'Packages' AND sql LIKE 'CREATE TABLE %'";
    connection.query_row(is_table, [], |_| Ok(()))?;
    let mut statement = connection.prepare("SELECT blob FROM Packages ORDER BY hnum LIMIT ?1")?;
    let most = i64::try_from(MOST_PACKAGES + 1).unwrap_or(i64::MAX);
    let rows = statement.query_map([most], |row| row.get(0))?;
    // What a file can hold, it holds once: SQLite would hand out a page as often as rows point at it.
    let mut left = bytes.len();
    let mut headers = Vec::new();
    for header in rows {
        let header: Vec<u8> = header?;
        left = left.checked_sub(header.len()).ok_or(Error::InvalidQuery)?;
        headers.push(header);
    }
    Ok(headers)
}
