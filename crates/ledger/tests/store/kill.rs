//! What was acknowledged is there, whenever the writer is killed.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use patchline_ledger::sqlite::Sqlite;
use patchline_ledger::store::Store as _;
use patchline_model::event::Fact;
use patchline_model::stage::generate;

const KILLS: u64 = 20;

/// Killed and waited for, even when the test fails.
struct Writer(Child);

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The example stands beside the folder of this test.
fn example() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.ancestors().nth(2).expect("tests stand in target/<profile>/deps");
    folder.join("examples/append_forever")
}

#[tokio::test]
async fn everything_acknowledged_is_there_after_a_kill() {
    let program = example();
    assert!(program.exists(), "build it first: cargo build -p patchline-ledger --examples");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let mut acknowledged = 0;
    for round in 0..KILLS {
        let child = Command::new(&program).arg(&path).stdout(Stdio::piped()).spawn().unwrap();
        let mut writer = Writer(child);
        let mut lines = BufReader::new(writer.0.stdout.take().unwrap()).lines();
        // The writer goes on while the line is read, so the kill meets it anywhere in its next appends.
        for _ in 0..(round * 7 % 13) {
            acknowledged = lines.next().expect("it goes on").unwrap().parse().unwrap();
        }
        writer.0.kill().unwrap();
        writer.0.wait().unwrap();
        // What it still said before it died counts; half a line does not.
        for line in lines.map_while(Result::ok) {
            acknowledged = line.parse().map_or(acknowledged, |version: u64| version.max(acknowledged));
        }
        check_whole(&path, acknowledged).await;
    }
    assert!(acknowledged > KILLS, "{acknowledged}");
}

/// Every acknowledged event is there, in order, and no append is there in part.
async fn check_whole(path: &std::path::Path, acknowledged: u64) {
    let store = Sqlite::open(path).unwrap();
    let patch = store.allocate("kill").await.unwrap();
    let events = store.read(patch, 0).await.unwrap();
    assert!(events.len() as u64 >= acknowledged, "{} of {acknowledged} acknowledged are there", events.len());
    assert_eq!(store.patches().await.unwrap(), [(patch, events.len() as u64)]);
    for (index, event) in events.iter().enumerate() {
        let Fact::Generate(generate::Event::NoFix { reasons }) = &event.fact else { panic!("{event:?}") };
        assert_eq!(reasons[0], (index + 1).to_string());
    }
    if let Some(Fact::Generate(generate::Event::NoFix { reasons })) = events.last().map(|event| &event.fact) {
        let (number, size) = reasons[1].split_once(" of ").unwrap();
        assert_eq!(number, size, "the last append is whole");
    }
}
