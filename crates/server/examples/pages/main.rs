//! Serves the pages over made-up patches on a free port, to look at them: `cargo run -p patchline-server --example
//! pages`. One rollout goes on while you look.

mod scene;

use std::sync::Arc;
use std::time::Duration;

use patchline_conductor::attest::Attestor;
use patchline_conductor::clock;
use patchline_conductor::conductor::Conductor;
use patchline_evidence::{Blobs, SigningKey};
use patchline_ledger::sqlite::Sqlite;
use patchline_ledger::store::Store;
use patchline_model::id::Stage;
use patchline_model::policy::Policy;
use patchline_model::stage::approve::Answer;
use patchline_model::stage::rollout::Tick;
use patchline_model::time::Timestamp;
use patchline_server::App;
use scene::{HIGH, MEDIUM, Story, shadow};

#[tokio::main]
#[allow(clippy::print_stdout)] // An example speaks to the terminal.
async fn main() -> std::io::Result<()> {
    let folder = tempfile::tempdir()?;
    let blobs = Blobs::open(&folder.path().join("blobs")).map_err(std::io::Error::other)?;
    let store: Arc<dyn Store> =
        Arc::new(Sqlite::open(&folder.path().join("ledger.sqlite")).map_err(std::io::Error::other)?);
    for (index, mut story) in finished(&blobs).into_iter().chain(waiting(&blobs)).enumerate() {
        let id = store.allocate(&format!("story {index}")).await.map_err(std::io::Error::other)?;
        story.save(store.as_ref(), id).await;
    }
    let conductor = Conductor::new(Arc::clone(&store), Policy::default());
    let key = SigningKey::load_or_create(&folder.path().join("key")).map_err(std::io::Error::other)?;
    let app = App {
        conductor: Arc::clone(&conductor),
        attestor: Attestor::new(blobs.clone(), key),
        blobs: blobs.clone(),
        started: clock::now(),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/", listener.local_addr()?);
    tokio::select! {
        served = patchline_server::serve(listener, Arc::new(app), std::future::pending()) => served,
        () = conductor.watch_ledger() => Ok(()),
        () = running(store, &blobs) => Ok(()),
    }
}

fn ago(seconds: i64) -> Timestamp {
    Timestamp(clock::now().0 - seconds * 1000)
}

/// One promoted, one taken back.
fn finished(blobs: &Blobs) -> Vec<Story> {
    let mut good = Story::new("Move smallvec 0.6.9 to 0.6.10", ago(86_400), blobs);
    good.opened("ledger-api", 2).found("RUSTSEC-2019-0009", "smallvec", "Double free in `grow`", HIGH);
    good.proposed().built().verified().decided(Answer::Allow).started();
    good.step(0).looks(30, 800.0, 0.05, 0.002, 0.002).step(1).looks(30, 800.0, 0.25, 0.002, 0.002);
    good.step(2).looks(30, 800.0, 0.5, 0.002, 0.0015).promoted();
    let mut bad = Story::new("Ignore case when tags are looked up", ago(7200), blobs);
    bad.opened("notebook", 1).found(
        "tags-ignore-case",
        "notebook",
        "Tags that differ in case alone are lost",
        MEDIUM,
    );
    bad.proposed().built().verified().decided(Answer::Needs(vec!["owner".to_owned()]));
    bad.approved("Bob <bob@example.com>", "owner").decided(Answer::Allow).started();
    bad.step(0).looks(14, 640.0, 0.05, 0.003, 0.003);
    for _ in 0..4 {
        bad.look(Tick::default());
    }
    bad.looks(12, 640.0, 0.05, 0.003, 0.003).step(1).looks(7, 640.0, 0.25, 0.003, 0.13).taken_back();
    let mut shadowed = Story::new("Move time 0.1.43 to 0.1.45", ago(600), blobs);
    shadowed.opened_by("painter", 3, shadow()).found(
        "RUSTSEC-2020-0071",
        "time",
        "Segfault when the zone is read",
        MEDIUM,
    );
    shadowed.proposed().built().verified().decided(Answer::Allow).started();
    shadowed.step(0).shadows(40, 120, 0).shadows(12, 120, 20);
    vec![good, bad, shadowed]
}

/// One in every stage before the rollout.
fn waiting(blobs: &Blobs) -> Vec<Story> {
    let overflow = "Uncontrolled recursion leads to a stack overflow when a deeply nested document is read";
    let mut asks = Story::new("Move yaml-rust 0.4.0 to 0.4.1", ago(900), blobs);
    asks.opened("notebook", 1).found("RUSTSEC-2018-0006", "yaml-rust", overflow, HIGH);
    asks.proposed()
        .built()
        .verified()
        .decided(Answer::Needs(vec!["owner".to_owned(), "security".to_owned()]));
    let mut proves = Story::new("Move time 0.1.42 to 0.1.45", ago(80), blobs);
    proves
        .opened("billing", 1)
        .found("RUSTSEC-2020-0071", "time", "Segfault when the zone is read", MEDIUM)
        .proposed()
        .built();
    let mut falters = Story::new("Move regex 1.5.4 to 1.5.5", ago(60), blobs);
    falters.opened("search", 3).found("RUSTSEC-2022-0013", "regex", "Slow to compile when untrusted", HIGH);
    falters.proposed().faltered(Stage::Build, "could not fetch the dependencies: connection reset");
    let mut seeks = Story::new("x", ago(20), blobs);
    seeks.opened("mailer", 4).found(
        "RUSTSEC-2021-0078",
        "hyper",
        "Lenient parsing of `Content-Length`",
        MEDIUM,
    );
    let mut scans = Story::new("x", ago(3), blobs);
    scans.opened("gateway", 1);
    vec![asks, proves, falters, seeks, scans]
}

/// A rollout that has been under way for a while and goes on, one look a second.
async fn running(store: Arc<dyn Store>, blobs: &Blobs) {
    let mut story = Story::new("Move yaml-rust 0.4.0 to 0.4.1 in the archive", ago(139), blobs);
    story.opened("archive", 2).found(
        "RUSTSEC-2018-0006",
        "yaml-rust",
        "Stack overflow in deeply nested documents",
        HIGH,
    );
    story.proposed().built().verified().decided(Answer::Allow).started().step(0);
    story.looks(40, 500.0, 0.05, 0.004, 0.004).step(1).looks(15, 500.0, 0.25, 0.004, 0.005);
    let id = store.allocate("running").await.expect("the ledger takes it");
    loop {
        story.save(store.as_ref(), id).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        story.at = Timestamp(clock::now().0 - 1010);
        story.looks(1, 500.0, 0.25, 0.004, 0.005);
    }
}
