//! SQLite: the default ledger. Write-ahead log, `synchronous=FULL`: what was acknowledged is on disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use patchline_model::context::Board;
use patchline_model::event::Event;
use patchline_model::id::PatchId;
use patchline_model::line::{self, Line};
use rusqlite::{
    Connection, ErrorCode, OptionalExtension as _, Row, Transaction, TransactionBehavior, params,
};

use crate::holder;
use crate::record;
use crate::store::{Append, Fence, LeaseRequest, Store, StoreError};

/// How long a writer waits for another process's write.
const BUSY: Duration = Duration::from_secs(20);

/// How long it waits between two tries where SQLite does not wait by itself.
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// The newest schema that is known.
const NEWEST: u32 = 2;

/// The tables, as of schema 1.
const SCHEMA: &str = "
    begin immediate;
    create table if not exists patches (
        id integer primary key autoincrement, key text not null unique, version integer not null default 0);
    create table if not exists events (
        patch integer not null references patches(id), version integer not null, format integer not null,
        body text not null, primary key (patch, version)) without rowid;
    create table if not exists leases (
        name text primary key, holder text not null, epoch integer not null, until integer not null) without rowid;
    create table if not exists locks (name text primary key, patch integer not null) without rowid;
    pragma user_version = 1;
    commit;
";

/// Schema 2 adds the line.
const TO_SCHEMA_2: &str = "
    begin immediate;
    create table if not exists line (
        version integer primary key, format integer not null, body text not null);
    pragma user_version = 2;
    commit;
";

/// A ledger in one file.
#[derive(Clone, Debug)]
pub struct Sqlite {
    path: PathBuf,
    connection: Arc<Mutex<Connection>>,
    /// The line as far as it has been read.
    line: Arc<Mutex<Line>>,
}

impl Sqlite {
    /// Opens the ledger, and makes it if it is not there.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| storage("open", path, source);
        let connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        write_ahead(&connection).map_err(failed)?;
        connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
        connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
        let known: u32 =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
        if known > NEWEST {
            let text = format!("its schema is {known}; this Patchline knows {NEWEST}");
            return Err(StoreError::Storage {
                doing: "open",
                path: path.display().to_string(),
                source: text.into(),
            });
        }
        if known == 0 {
            connection.execute_batch(SCHEMA).map_err(failed)?;
        }
        if known < 2 {
            connection.execute_batch(TO_SCHEMA_2).map_err(failed)?;
        }
        let (connection, line) = (Arc::new(Mutex::new(connection)), Arc::new(Mutex::new(Line::default())));
        Ok(Self { path: path.to_owned(), connection, line })
    }

    /// Runs blocking work on a thread that may block.
    async fn run<T, F>(&self, doing: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (path, connection) = (self.path.clone(), Arc::clone(&self.connection));
        let done = tokio::task::spawn_blocking(move || {
            // A panic inside a transaction rolled it back: the connection is good to use.
            let mut guard: MutexGuard<'_, Connection> =
                connection.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut guard).map_err(|fault| match fault {
                Fault::Answer(error) => error,
                Fault::Sqlite(source) => storage(doing, &path, source),
            })
        });
        done.await.map_err(|source| StoreError::Storage {
            doing,
            path: self.path.display().to_string(),
            source: Box::new(source),
        })?
    }
}

/// What work on a connection can end with.
enum Fault {
    Answer(StoreError),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn storage(doing: &'static str, path: &Path, source: rusqlite::Error) -> StoreError {
    StoreError::Storage { doing, path: path.display().to_string(), source: Box::new(source) }
}

#[async_trait]
impl Store for Sqlite {
    async fn allocate(&self, key: &str) -> Result<PatchId, StoreError> {
        let key = key.to_owned();
        self.run("allocate a patch", move |connection| {
            let transaction = immediate(connection)?;
            // Asking for a key that is there uses up no number.
            transaction.execute(
                "insert into patches (key) select ?1 where not exists (select 1 from patches where key = ?1)",
                params![key],
            )?;
            let id: i64 =
                transaction
                    .query_row("select id from patches where key = ?1", params![key], |row| row.get(0))?;
            transaction.commit()?;
            Ok(PatchId(id.cast_unsigned()))
        })
        .await
    }

    async fn append(&self, append: Append) -> Result<(), StoreError> {
        self.run("append events", move |connection| {
            let transaction = immediate(connection)?;
            append_in(&transaction, &append)?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    async fn read(&self, patch: PatchId, from: u64) -> Result<Vec<Event>, StoreError> {
        self.run("read events", move |connection| {
            let sql =
                "select version, format, body from events where patch = ?1 and version > ?2 order by version";
            let mut statement = connection.prepare_cached(sql)?;
            let after = i64::try_from(from).unwrap_or(i64::MAX);
            let rows = statement.query_map(params![patch.0.cast_signed(), after], kept)?;
            let mut events = Vec::new();
            let mut expected = from;
            for row in rows {
                expected = expected.saturating_add(1);
                let (version, format, body) = row?;
                let read =
                    if version == expected { record::read(format, &body) } else { Err(record::missing()) };
                let event = read.map_err(|source| {
                    Fault::Answer(StoreError::Unreadable { patch, version: expected, source })
                })?;
                events.push(event);
            }
            Ok(events)
        })
        .await
    }

    async fn patches(&self) -> Result<Vec<(PatchId, u64)>, StoreError> {
        self.run("list patches", |connection| {
            let mut statement = connection.prepare_cached("select id, version from patches order by id")?;
            let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
            let pairs = rows
                .map(|row| row.map(|(id, version)| (PatchId(id.cast_unsigned()), version.cast_unsigned())));
            Ok(pairs.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn append_line(&self, expected: u64, events: Vec<line::Event>) -> Result<(), StoreError> {
        self.run("append to the line", move |connection| {
            let transaction = immediate(connection)?;
            check_line(&transaction, expected)?;
            let sql = "insert into line (version, format, body) values (?1, ?2, ?3)";
            for (version, event) in (expected + 1..).zip(&events) {
                let body = record::write_line(event)
                    .map_err(|source| Fault::Answer(StoreError::UnreadableLine { version, source }))?;
                transaction.execute(sql, params![version.cast_signed(), record::FORMAT, body])?;
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    async fn read_line(&self, from: u64) -> Result<Vec<line::Event>, StoreError> {
        self.run("read the line", move |connection| line_in(connection, from)).await
    }

    async fn board(&self) -> Result<Board, StoreError> {
        let line = Arc::clone(&self.line);
        self.run("read the board", move |connection| {
            // One moment for both: a board must not show a lock of now beside a line of before.
            let transaction = connection.transaction()?;
            let locks = locks_in(&transaction)?;
            let mut known = line.lock().unwrap_or_else(PoisonError::into_inner);
            for event in line_in(&transaction, known.version)? {
                *known = line::evolve(std::mem::take(&mut *known), &event);
            }
            Ok(Board { locks, line: known.clone(), ..Board::default() })
        })
        .await
    }

    async fn lease(&self, lease: &LeaseRequest) -> Result<Option<u64>, StoreError> {
        let lease = lease.clone();
        self.run("take a lease", move |connection| {
            let transaction = immediate(connection)?;
            let sql = "select holder, epoch, until from leases where name = ?1";
            let held: Option<(String, i64, i64)> = transaction
                .query_row(sql, params![lease.name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?;
            let epoch = match held {
                None => 1,
                Some((holder, epoch, until)) if holder == lease.holder && until >= lease.now.0 => epoch,
                Some((holder, epoch, until)) if until < lease.now.0 || holder::is_gone(&holder) => epoch + 1,
                Some(_) => return Ok(None),
            };
            let sql = "insert into leases (name, holder, epoch, until) values (?1, ?2, ?3, ?4) on conflict (name)
                       do update set holder = excluded.holder, epoch = excluded.epoch, until = excluded.until";
            transaction.execute(sql, params![lease.name, lease.holder, epoch, lease.until.0])?;
            transaction.commit()?;
            Ok(Some(epoch.cast_unsigned()))
        })
        .await
    }

    async fn release(&self, name: &str, holder: &str) -> Result<(), StoreError> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.run("give a lease back", move |connection| {
            // The row stays, so that the epoch never goes back.
            connection.execute(
                "update leases set until = 0 where name = ?1 and holder = ?2",
                params![name, holder],
            )?;
            Ok(())
        })
        .await
    }

    async fn pulse(&self) -> Result<u64, StoreError> {
        self.run("look for changes", |connection| {
            let others: i64 = connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
            let own = connection.total_changes();
            Ok(others.cast_unsigned().wrapping_mul(1 << 32).wrapping_add(own))
        })
        .await
    }
}

/// Switches to the write-ahead log. SQLite does not wait for others while it switches, so this does.
fn write_ahead(connection: &Connection) -> Result<(), rusqlite::Error> {
    let deadline = Instant::now() + BUSY;
    loop {
        match connection.pragma_update(None, "journal_mode", "wal") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < deadline =>
            {
                std::thread::sleep(BETWEEN_TRIES);
            }
            done => return done,
        }
    }
}

fn immediate(connection: &mut Connection) -> Result<Transaction<'_>, rusqlite::Error> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Version, format and body of a row. What is damaged comes back as text that is no event, so that it can be named.
fn kept(row: &Row<'_>) -> Result<(u64, u32, String), rusqlite::Error> {
    let body = row.get_ref(2)?.as_bytes().unwrap_or_default();
    let format = row.get::<_, u32>(1).unwrap_or_default();
    Ok((row.get::<_, i64>(0)?.cast_unsigned(), format, String::from_utf8_lossy(body).into_owned()))
}

fn locks_in(connection: &Connection) -> Result<BTreeMap<String, PatchId>, Fault> {
    let mut statement = connection.prepare_cached("select name, patch from locks")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    let locks = rows.map(|row| row.map(|(name, patch)| (name, PatchId(patch.cast_unsigned()))));
    Ok(locks.collect::<Result<_, _>>()?)
}

fn line_in(connection: &Connection, from: u64) -> Result<Vec<line::Event>, Fault> {
    let sql = "select version, format, body from line where version > ?1 order by version";
    let mut statement = connection.prepare_cached(sql)?;
    let after = i64::try_from(from).unwrap_or(i64::MAX);
    let mut events = Vec::new();
    for (expected, row) in (from.saturating_add(1)..).zip(statement.query_map(params![after], kept)?) {
        let (version, format, body) = row?;
        let read =
            if version == expected { record::read_line(format, &body) } else { Err(record::missing()) };
        let unreadable = |source| Fault::Answer(StoreError::UnreadableLine { version: expected, source });
        events.push(read.map_err(unreadable)?);
    }
    Ok(events)
}

/// Nothing was held or let go since this version.
fn check_line(transaction: &Transaction<'_>, expected: u64) -> Result<(), Fault> {
    let found: i64 =
        transaction.query_row("select coalesce(max(version), 0) from line", [], |row| row.get(0))?;
    let found = found.cast_unsigned();
    if found == expected {
        return Ok(());
    }
    Err(Fault::Answer(StoreError::LineMoved { expected, found }))
}

/// The patch has had so many events, and no more.
fn check_version(transaction: &Transaction<'_>, patch: PatchId, expected: u64) -> Result<(), Fault> {
    let sql = "select version from patches where id = ?1";
    let mut statement = transaction.prepare_cached(sql)?;
    let found: i64 = statement.query_row(params![patch.0.cast_signed()], |row| row.get(0))?;
    let found = found.cast_unsigned();
    if found == expected {
        return Ok(());
    }
    Err(Fault::Answer(StoreError::Conflict { patch, expected, found }))
}

fn append_in(transaction: &Transaction<'_>, append: &Append) -> Result<(), Fault> {
    let patch = append.patch.0.cast_signed();
    if let Some(fence) = &append.fence {
        check_fence(transaction, fence)?;
    }
    check_version(transaction, append.patch, append.expected)?;
    if let Some(line) = append.grounds.line {
        check_line(transaction, line)?;
    }
    for (other, expected) in &append.grounds.others {
        check_version(transaction, *other, *expected)?;
    }
    if let Some(lock) = &append.takes {
        let sql = "insert into locks (name, patch) values (?1, ?2) on conflict do nothing";
        transaction.execute(sql, params![lock, patch])?;
        let holder: i64 =
            transaction
                .query_row("select patch from locks where name = ?1", params![lock], |row| row.get(0))?;
        if holder != patch {
            let holder = PatchId(holder.cast_unsigned());
            return Err(Fault::Answer(StoreError::Locked { lock: lock.clone(), holder }));
        }
    }
    let sql = "insert into events (patch, version, format, body) values (?1, ?2, ?3, ?4)";
    let mut insert = transaction.prepare_cached(sql)?;
    for (offset, event) in append.events.iter().enumerate() {
        let version = append.expected + 1 + offset as u64;
        let body = record::write(event).map_err(|source| {
            Fault::Answer(StoreError::Unreadable { patch: append.patch, version, source })
        })?;
        insert.execute(params![patch, version.cast_signed(), record::FORMAT, body])?;
    }
    let after = append.expected + append.events.len() as u64;
    transaction
        .execute("update patches set version = ?2 where id = ?1", params![patch, after.cast_signed()])?;
    if let Some(lock) = &append.gives {
        transaction.execute("delete from locks where name = ?1 and patch = ?2", params![lock, patch])?;
    }
    Ok(())
}

fn check_fence(transaction: &Transaction<'_>, fence: &Fence) -> Result<(), Fault> {
    let epoch: Option<i64> = transaction
        .query_row("select epoch from leases where name = ?1", params![fence.name], |row| row.get(0))
        .optional()?;
    match epoch {
        Some(epoch) if epoch.cast_unsigned() == fence.epoch => Ok(()),
        Some(_) | None => Err(Fault::Answer(StoreError::Fenced { name: fence.name.clone() })),
    }
}
