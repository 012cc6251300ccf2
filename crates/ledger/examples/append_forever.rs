//! Appends to a ledger until it is killed, and prints each version that was acknowledged: `append_forever <file>`.

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;

use patchline_ledger::sqlite::Sqlite;
use patchline_ledger::store::{Append, Store as _};
use patchline_model::actor::Actor;
use patchline_model::event::{Event, Fact};
use patchline_model::stage::generate;
use patchline_model::time::Timestamp;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).map(PathBuf::from).ok_or("which file?")?;
    let store = Sqlite::open(&path)?;
    let patch = store.allocate("kill").await?;
    let mut version = store.read(patch, 0).await?.len() as u64;
    loop {
        // One to three events at a time; each says which of how many it is.
        let size = version % 3 + 1;
        let events = (1..=size).map(|number| event(version + number, &format!("{number} of {size}")));
        let events = events.collect();
        store
            .append(Append {
                patch,
                expected: version,
                events,
                fence: None,
                takes: None,
                gives: None,
                grounds: Default::default(),
            })
            .await?;
        version += size;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{version}")?;
        out.flush()?;
    }
}

fn event(version: u64, part: &str) -> Event {
    let reasons = vec![version.to_string(), part.to_owned()];
    let fact = Fact::Generate(generate::Event::NoFix { reasons });
    Event { at: Timestamp(0), by: Actor::Machine, fact }
}
