//! SQLite: the suite, and files that are not as they should be.

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;

use patchline_ledger::sqlite::Sqlite;
use patchline_ledger::store::{Store, StoreError};
use patchline_model::line::Line;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::conformance::{Place, append, conformance, event, stopped};

fn place() -> Place {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("ledger.sqlite");
    let open = move || -> Arc<dyn Store> {
        // The folder goes when the place goes.
        let _folder = &folder;
        Arc::new(Sqlite::open(&path).expect("it opens"))
    };
    Place { open: Box::new(open) }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_is_a_store() {
    conformance(place).await;
}

/// A ledger of three events, closed.
async fn written() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("ledger.sqlite");
    let store = Sqlite::open(&path).unwrap();
    let patch = store.allocate("a").await.unwrap();
    store.append(append(patch, 0, &["one", "two", "three"])).await.unwrap();
    drop(store);
    (folder, path)
}

fn check_not_opened(path: &Path, then: &str) {
    let error = Sqlite::open(path).expect_err("it must not open");
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    let message = format!("{error}: {cause}");
    assert!(message.contains(&path.display().to_string()) && message.contains(then), "{message}");
}

#[test]
fn a_file_that_is_no_ledger_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "not a database, but long enough to be looked at ".repeat(50)).unwrap();
    let before = std::fs::read(&path).unwrap();
    check_not_opened(&path, "not a database");
    assert_eq!(std::fs::read(&path).unwrap(), before, "it is left as it was");
    check_not_opened(folder.path(), "could not open");
    check_not_opened(&folder.path().join("missing/ledger.sqlite"), "could not open");
}

#[test]
fn a_folder_that_can_not_be_written_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o500)).unwrap();
    if std::fs::write(folder.path().join("probe"), "").is_ok() {
        eprintln!("skipped: this user may write into every folder");
        return;
    }
    check_not_opened(&folder.path().join("ledger.sqlite"), "could not open");
}

#[tokio::test]
async fn a_ledger_of_a_newer_patchline_is_left_alone() {
    let (_folder, path) = written().await;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 3).unwrap();
    check_not_opened(&path, "its schema is 3");
    let version: u32 =
        Connection::open(&path).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 3);
}

/// What was written before there was a line is read as it was, and the line begins empty.
#[tokio::test]
async fn a_ledger_of_schema_1_gets_a_line() {
    let (_folder, path) = written().await;
    let older = Connection::open(&path).unwrap();
    older.execute_batch("drop table line; pragma user_version = 1;").unwrap();
    drop(older);
    let store = Sqlite::open(&path).unwrap();
    let patch = store.patches().await.unwrap()[0].0;
    assert_eq!(store.read(patch, 0).await.unwrap(), [event("one"), event("two"), event("three")]);
    assert_eq!(store.board().await.unwrap().line, Line::default());
    store.append_line(0, vec![stopped("late")]).await.unwrap();
    assert_eq!(Sqlite::open(&path).unwrap().read_line(0).await.unwrap(), [stopped("late")]);
}

#[tokio::test]
async fn a_damaged_line_is_named_and_lets_nothing_pass() {
    for damage in ["update line set body = '{}' where version = 2", "delete from line where version = 2"] {
        let (_folder, path) = written().await;
        let store = Sqlite::open(&path).unwrap();
        store.append_line(0, ["1", "2", "3"].map(stopped).to_vec()).await.unwrap();
        drop(store);
        Connection::open(&path).unwrap().execute(damage, []).unwrap();
        let error = Sqlite::open(&path).unwrap().board().await.unwrap_err();
        assert!(matches!(error, StoreError::UnreadableLine { version: 2, .. }), "{damage}: {error:?}");
    }
}

#[tokio::test]
async fn a_damaged_event_is_named_and_the_rest_can_be_read() {
    for (damage, version) in [
        ("update events set body = 'x' where version = 2", 2),
        ("update events set body = '{}' where version = 2", 2),
        ("update events set body = x'ff00' where version = 3", 3),
        ("update events set format = 99 where version = 1", 1),
        ("delete from events where version = 2", 2),
        ("delete from events where version = 1", 1),
    ] {
        let (_folder, path) = written().await;
        Connection::open(&path).unwrap().execute(damage, []).unwrap();
        let store = Sqlite::open(&path).unwrap();
        let patch = store.patches().await.unwrap()[0].0;
        let error = store.read(patch, 0).await.unwrap_err();
        let named = matches!(error, StoreError::Unreadable { patch: named, version: at, .. } if (named, at) == (patch, version));
        assert!(named, "{damage}: {error:?}");
        let other = store.allocate("other").await.unwrap();
        store.append(append(other, 0, &["fine"])).await.unwrap();
        assert_eq!(store.read(other, 0).await.unwrap(), [event("fine")]);
    }
}

#[test]
fn many_may_open_a_new_ledger_at_once() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        std::thread::scope(|scope| {
            let opened: Vec<_> = (0..8).map(|_| scope.spawn(|| Sqlite::open(&path).map(drop))).collect();
            for thread in opened {
                thread.join().unwrap().unwrap();
            }
        });
    }
}
