//! `serve`: the conductor, the API and the pages, for the services that are named.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use patchline_conductor::clock;
use patchline_conductor::establish::{bring_up, first_version, run_and_target, site};
use patchline_conductor::grouping::Grouping;
use patchline_conductor::owners::rules_at;
use patchline_conductor::schedule::{Round, head, scan_and_open};
use patchline_model::failure::Failure;
use patchline_model::id::{PatchId, Stage};
use patchline_model::service::Service;
use patchline_model::share::Share;
use patchline_model::stage::plan::Observed;
use patchline_server::App;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::ServeArguments;
use crate::exit::Exit;
use crate::exit::Trouble;
use crate::settings;
use crate::terminal::{note, say};
use crate::wire::{self, Works};

/// How often a running service is looked at, and a start that failed is tried again.
const CHECK: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_secs(10);

pub async fn run(arguments: ServeArguments, data: Option<PathBuf>) -> Result<Exit, Trouble> {
    let (mut services, mut groupings) = (Vec::new(), Vec::new());
    for folder in &arguments.services {
        services.push(settings::service(folder).await?);
        groupings.push(settings::fixing(folder)?.grouping);
    }
    let works = Arc::new(wire::works(wire::home(data.as_deref())?)?);
    let listener = listen(arguments.listen).await?;
    let (stop, stopped) = watch::channel(false);
    let pages = tokio::spawn(serve_pages(listener, &works, stopped.clone())?);
    let conductor = Arc::clone(&works.conductor);
    let watched = tokio::spawn(async move { conductor.watch_ledger().await });
    let mut driven = tokio::spawn(works.driver().run(None, stopped));
    let told = tokio::spawn(tell_changes(Arc::clone(&works)));
    for (service, grouping) in services.clone().into_iter().zip(groupings) {
        let works = Arc::clone(&works);
        tokio::spawn(async move { look_after(&works, &service, grouping, arguments.interval).await });
    }
    tokio::select! {
        () = ended() => {}
        // It ends by itself only when it broke: pages over patches that nobody drives would be a lie.
        _ = &mut driven => return Err(Trouble::storage("the driver ended; start `patchline serve` again")),
    }
    told.abort();
    say_what_stays(&works, &services).await;
    stop.send_replace(true);
    watched.abort();
    let _ = driven.await;
    let _ = tokio::time::timeout(Duration::from_secs(2), pages).await;
    Ok(Exit::Done)
}

/// Opens the port, or says who can't have it and what to do.
pub async fn listen(address: std::net::SocketAddr) -> Result<TcpListener, Trouble> {
    TcpListener::bind(address).await.map_err(|error| {
        Trouble::storage(format!("could not listen on {address}: {error}"))
            .hint("another process may use the port; choose one with `--listen 127.0.0.1:PORT`, or 0 for any")
    })
}

/// The pages and the API on this port; says where they are.
pub fn serve_pages(
    listener: TcpListener,
    works: &Works,
    mut stop: watch::Receiver<bool>,
) -> Result<impl Future<Output = ()> + use<>, Trouble> {
    let address = listener.local_addr().map_err(|error| Trouble::storage(error.to_string()))?;
    note(&format!("pages and API at http://{address}/"));
    let app = App {
        conductor: Arc::clone(&works.conductor),
        blobs: works.hands.attestor.blobs().clone(),
        attestor: works.hands.attestor.clone(),
        started: clock::now(),
    };
    Ok(async move {
        let stopped = async move {
            let _ = stop.wait_for(|stop| *stop).await;
        };
        if let Err(error) = patchline_server::serve(listener, Arc::new(app), stopped).await {
            note(&format!("notice: the pages ended: {error}"));
        }
    })
}

/// One line for each thing that a patch begins to do, and what a person can do where one is waited for.
async fn tell_changes(works: Arc<Works>) {
    let mut changes = works.conductor.subscribe();
    let mut told: BTreeMap<PatchId, String> = BTreeMap::new();
    loop {
        changes.mark_unchanged();
        // What can't be read now is told at the next change; the driver says what is wrong with the ledger.
        for card in works.conductor.cards().await.unwrap_or_default() {
            if told.insert(card.id, card.doing.clone()).as_ref() == Some(&card.doing) {
                continue;
            }
            say(&format!("{}  {}  {}: {}", card.id, card.service, card.stage, card.doing));
            if card.waits_for_person && card.stage == Stage::Approve {
                say(&format!(
                    "hint: `patchline explain {0}`, then `patchline approve {0} --by NAME`",
                    card.id
                ));
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// What the end of this process means for users.
async fn say_what_stays(works: &Works, services: &[Service]) {
    if services.iter().any(|service| service.run.is_some()) {
        note("stopping; instances and their proxies go on running, and the next start takes them over");
    }
    for known in works.conductor.patches().await.unwrap_or_default() {
        let patch = &known.patch;
        if !patch.has_ended() && patch.allowed_share() > Share::NONE && patch.rollout.plan.is_some() {
            let (id, share) = (patch.id, patch.allowed_share());
            note(&format!(
                "warning: {id} keeps {share} of the requests, and nobody judges it until `serve` runs again"
            ));
            note(&format!("hint: `patchline abort {id} --by NAME` takes it back"));
        }
    }
}

/// Keeps one service running and scanned. What fails is said and tried again at the next round.
async fn look_after(works: &Works, service: &Service, grouping: Grouping, interval: u64) {
    let interval = Duration::from_secs(interval);
    let mut is_up = false;
    let mut scanned: Option<Instant> = None;
    let (mut told, mut old) = (Vec::new(), None);
    loop {
        let kept = if is_up { keep_up(works, service).await } else { start(works, service).await };
        is_up = is_up || kept.is_ok();
        tell(service, kept);
        if scanned.is_none_or(|scanned| scanned.elapsed() >= interval) {
            tell(service, tell_unread(service, &mut told).await);
            tell(service, scan(works, service, grouping, &mut old).await);
            scanned = Some(Instant::now());
        }
        tokio::time::sleep(if is_up { CHECK } else { RETRY }).await;
    }
}

fn tell(service: &Service, done: Result<(), Failure>) {
    let Err(failure) = done else { return };
    note(&format!("notice: {}: {failure}", service.name));
    if let Some(hint) = failure.hint {
        note(&format!("hint: {hint}"));
    }
}

/// Starts the service where nothing of it runs; takes over what runs.
async fn start(works: &Works, service: &Service) -> Result<(), Failure> {
    if service.run.is_none() || observe(works, service).await?.is_some() {
        return Ok(());
    }
    let commit = head(service).await?;
    let version = first_version(&works.hands, &works.conductor, service, &commit).await?;
    let observed = bring_up(&works.hands, &works.conductor, service, &version).await?;
    let address = observed.address.unwrap_or_default();
    say(&format!("{} runs {} at http://{address}", service.name, version.label));
    Ok(())
}

/// Looking is enough: a host that was killed is replaced, and its successor takes the instances over.
async fn keep_up(works: &Works, service: &Service) -> Result<(), Failure> {
    if service.run.is_some() {
        observe(works, service).await?;
    }
    Ok(())
}

async fn observe(works: &Works, service: &Service) -> Result<Option<Observed>, Failure> {
    let (run, target) = run_and_target(&works.hands, service)?;
    target.observe(&site(&works.hands, service, run, &[])?).await
}

/// Says what of the owners of the checked-out commit can't be read, once for as long as that is the same.
async fn tell_unread(service: &Service, told: &mut Vec<String>) -> Result<(), Failure> {
    let (_, unread) = rules_at(service, &head(service).await?).await?;
    if unread != *told {
        unread.iter().for_each(|line| note(&format!("notice: {}: {line}", service.name)));
        *told = unread;
    }
    Ok(())
}

/// Looks for what is to be fixed. That advisories are old is said once for as long as that is the same.
async fn scan(
    works: &Works,
    service: &Service,
    grouping: Grouping,
    old: &mut Option<String>,
) -> Result<(), Failure> {
    let Round { warning, .. } = scan_and_open(&works.hands, &works.conductor, service, grouping).await?;
    if warning != *old {
        warning.iter().for_each(|line| note(&format!("warning: {}: {line}", service.name)));
        *old = warning;
    }
    Ok(())
}

/// Ends at Ctrl-C, at SIGTERM, and when the terminal is closed.
pub async fn ended() {
    let both = (signal(SignalKind::terminate()), signal(SignalKind::hangup()));
    match both {
        (Ok(mut terminate), Ok(mut hangup)) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        }
        (_, _) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
