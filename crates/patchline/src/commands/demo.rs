//! `demo`: a real vulnerability goes all the way, and a bad patch comes back by itself, on a real service under load.

mod files;
mod load;
mod project;
mod summary;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use patchline_conductor::establish::{bring_up, first_version, run_and_target, site};
use patchline_conductor::projection::Known;
use patchline_conductor::schedule::head;
use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::failure::Failure;
use patchline_model::id::PatchId;
use patchline_model::service::Service;
use patchline_model::stage::approve;
use patchline_model::stage::detect::{Opening, Subject, Until};
use patchline_model::stage::terms::Terms;
use patchline_model::view::story::Mood;
use serde_json::json;
use tokio::sync::watch;

use crate::cli::{DemoArguments, Format};
use crate::commands::demo::load::Load;
use crate::commands::demo::project::{DEVELOPER, Project};
use crate::commands::demo::summary::{Summary, summary};
use crate::commands::follow::{Stopped, follow};
use crate::commands::serve::{ended, listen, serve_pages};
use crate::exit::{Exit, Trouble};
use crate::settings;
use crate::terminal::{Teller, note, say};
use crate::wire::{self, Works};

/// The person who approves in the demo.
const REVIEWER: &str = "Robin Reviewer <robin@example.com>";

/// The demo's stage: where everything plays, and who is on it.
struct Set {
    works: Arc<Works>,
    project: Project,
    service: Service,
    teller: Teller,
}

pub async fn run(arguments: DemoArguments) -> Result<Exit, Trouble> {
    let folder = tempfile::Builder::new().prefix("patchline-demo-").tempdir();
    let folder =
        folder.map_err(|error| Trouble::storage(format!("could not make a temporary folder: {error}")))?;
    let listener = listen(arguments.listen).await?;
    let mut end = Box::pin(ended());
    let interrupted = || Trouble::new(Exit::Found, "the demo was interrupted");
    let mut set = tokio::select! {
        set = prepare(folder.path(), arguments.format) => set?,
        () = &mut end => return Err(interrupted()),
    };
    let (stop, stopped) = watch::channel(false);
    let driven = tokio::spawn(set.works.driver().run(None, stopped.clone()));
    let pages =
        arguments.serve.then(|| serve_pages(listener, &set.works, stopped)).transpose()?.map(tokio::spawn);

    let played = tokio::select! {
        played = play(&mut set) => played,
        () = &mut end => Err(interrupted()),
    };
    let told = played.and_then(|(summaries, load)| close(&arguments, &summaries, &load));
    if arguments.serve && told.is_ok() {
        note("the pages stay up; Ctrl-C ends the demo");
        end.await;
    }
    stop.send_replace(true);
    let _ = driven.await;
    if let Some(pages) = pages {
        pages.abort();
    }
    let is_down = take_down(&set).await;
    if arguments.keep || !is_down {
        note(&format!("kept: {}", folder.keep().display()));
    }
    told
}

async fn prepare(folder: &Path, format: Format) -> Result<Set, Trouble> {
    let mut teller = Teller::new(format == Format::Table);
    teller.heading("Patchline demo: one patch goes all the way, one comes back by itself");
    let project = Project::create(&folder.join("notebook"))?;
    let service = settings::service(project.folder()).await?;
    let works = Arc::new(wire::works(wire::home(Some(&folder.join("data")))?)?);
    teller.tell(
        "prepare",
        Mood::Plain,
        &format!("a fresh repository with the example service in {}", folder.display()),
    );
    teller.tell("prepare", Mood::Plain, &format!("sandbox: {}", works.hands.sandbox.isolation()));
    Ok(Set { works, project, service, teller })
}

/// What users met, counted by the users themselves.
struct Met {
    sent: u64,
    failed: u64,
    seconds: f64,
}

async fn play(set: &mut Set) -> Result<(Vec<Summary>, Met), Trouble> {
    let began = Instant::now();
    let address = run_base(set).await?;
    let mut load = Load::start(address, files::LOAD)?;
    let acts = async {
        let first = first_act(set).await?;
        set.teller.tell("load", Mood::Plain, &met(&load));
        let second = second_act(set).await?;
        Ok::<_, Trouble>(vec![first, second])
    };
    let summaries = acts.await;
    load.stop().await;
    set.teller.tell("load", Mood::Plain, &met(&load));
    let met = Met { sent: load.sent(), failed: load.failed(), seconds: began.elapsed().as_secs_f64() };
    Ok((summaries?, met))
}

fn met(load: &Load) -> String {
    format!("users have sent {} requests so far; {} of them failed", load.sent(), load.failed())
}

/// The base version really runs, several instances behind the proxy.
async fn run_base(set: &mut Set) -> Result<SocketAddr, Trouble> {
    let commit = head(&set.service).await?;
    let (hands, conductor) = (&set.works.hands, &set.works.conductor);
    let build = first_version(hands, conductor, &set.service, &commit);
    let version =
        with_progress(&mut set.teller, "building the version that runs in production", build).await?;
    let up = bring_up(hands, conductor, &set.service, &version);
    let observed = with_progress(&mut set.teller, "starting its instances", up).await?;
    let address = observed.address.unwrap_or_default();
    let healthy: u32 = observed.arms.iter().map(|arm| arm.healthy).sum();
    let text =
        format!("{} {} runs: {healthy} instances behind http://{address}", set.service.name, version.label);
    set.teller.tell("prepare", Mood::Good, &text);
    address.parse().map_err(|_| Trouble::storage(format!("the proxy has no address: `{address}`")))
}

async fn with_progress<T>(teller: &mut Teller, text: &str, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(std::time::Duration::from_millis(250)) => teller.doing("prepare", text),
        }
    }
}

async fn first_act(set: &mut Set) -> Result<Summary, Trouble> {
    set.teller.heading("First act: a published vulnerability");
    let opening = Opening {
        service: set.service.clone(),
        base: head(&set.service).await?,
        subject: Subject::Scan { only: Vec::new(), reports: Vec::new() },
        until: Until::Rollout,
        terms: Terms::default(),
    };
    let id = set.works.conductor.open("demo:first-act", Actor::Machine, opening).await?;
    let known = follow_to_end(set, id).await?;
    if let Some(candidate) = known.patch.candidate() {
        set.project.merge(&candidate.branch)?;
        set.teller.tell("after", Mood::Plain, &format!("the team merges {} into main", candidate.branch));
    }
    Ok(summary(&known))
}

async fn second_act(set: &mut Set) -> Result<Summary, Trouble> {
    set.teller.heading("Second act: a change that passes every test and fails one real request in twenty");
    let commit = set.project.second_act()?;
    let commit = commit.parse().map_err(|error| Trouble::storage(format!("git answered {error}")))?;
    let opening = Opening {
        service: set.service.clone(),
        base: head(&set.service).await?,
        subject: Subject::Change {
            title: "Find tags whatever their case".to_owned(),
            report: "tags-ignore-case".to_owned(),
            answers: Vec::new(),
            commit,
            author: DEVELOPER.to_owned(),
        },
        until: Until::Rollout,
        terms: Terms::default(),
    };
    let id = set.works.conductor.open("demo:second-act", Actor::person(DEVELOPER), opening).await?;
    let known = follow_to_end(set, id).await?;
    Ok(summary(&known))
}

/// Follows a patch; where the policy wants a person, the demo's reviewer approves what is shown.
async fn follow_to_end(set: &mut Set, id: PatchId) -> Result<Arc<Known>, Trouble> {
    let mut seen = 0;
    loop {
        match follow(&set.works.conductor, id, &mut set.teller, &mut seen).await? {
            Stopped::Closed(known) => return Ok(known),
            Stopped::NeedsApproval(known) => approve_as_reviewer(set, &known).await?,
        }
    }
}

async fn approve_as_reviewer(set: &Set, known: &Known) -> Result<(), Trouble> {
    let Some(decision) = &known.patch.approve.decision else { return Ok(()) };
    let approve::Answer::Needs(roles) = &decision.answer else { return Ok(()) };
    for role in roles {
        let ask = Ask::Approve(approve::Command::Approve {
            role: role.clone(),
            dossier: decision.dossier.clone(),
            comment: "every check passed; the canary will tell (the demo's reviewer, by script)".to_owned(),
        });
        set.works
            .conductor
            .submit(known.patch.id, Command { by: Actor::person(REVIEWER), ask }, None)
            .await?;
    }
    Ok(())
}

fn close(arguments: &DemoArguments, summaries: &[Summary], met: &Met) -> Result<Exit, Trouble> {
    match arguments.format {
        Format::Json => say(&json!({ "patches": summaries }).to_string()),
        Format::Table => closing(summaries, met),
    }
    let outcomes: Vec<&str> = summaries.iter().map(|summary| summary.outcome.as_str()).collect();
    if outcomes == ["promoted", "rolled_back"] {
        return Ok(Exit::Done);
    }
    Err(Trouble::new(
        Exit::Found,
        format!("the demo should end promoted and rolled_back, but ended {}", outcomes.join(" and ")),
    ))
}

fn closing(summaries: &[Summary], met: &Met) {
    say("");
    say("Summary");
    for summary in summaries {
        say(&format!("  {}  {}  {}", summary.id, summary.outcome.replace('_', " "), summary.title));
        let stages: Vec<String> = patchline_model::id::Stage::ALL
            .iter()
            .filter_map(|stage| {
                summary.stages.get(stage.name()).map(|seconds| format!("{stage} {seconds:.1}"))
            })
            .collect();
        say(&format!("       seconds: {}", stages.join(", ")));
        say(&format!(
            "       detect to the gate's first word, by machine alone: {:.1} s",
            summary.machine_seconds
        ));
        if let Some(seconds) = summary.rollback_seconds {
            say(&format!("       from the verdict until the bad version had no share: {seconds:.2} s"));
        }
        say(&format!(
            "       requests during the rollout {}, failed by the new version {}, failed by shifting {}",
            summary.requests_total, summary.requests_failed_by_canary, summary.requests_failed_by_shift
        ));
    }
    say(&format!(
        "  users sent {} requests and saw {} failures, all in {:.1} s",
        met.sent, met.failed, met.seconds
    ));
}

/// Stops the proxy and the instances: the demo leaves nothing running, or says that it could not.
async fn take_down(set: &Set) -> bool {
    let taken = async {
        let (run, target) = run_and_target(&set.works.hands, &set.service)?;
        target.stop(&site(&set.works.hands, &set.service, run, &[])?).await
    };
    let taken: Result<(), Failure> = taken.await;
    if let Err(failure) = &taken {
        note(&format!("notice: could not stop the demo's service: {failure}"));
        note("hint: `patchline down --data FOLDER/data FOLDER/notebook` tries again");
    }
    taken.is_ok()
}
