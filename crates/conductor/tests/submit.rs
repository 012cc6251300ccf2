//! Commands through the conductor on a real ledger: asked twice, asked at once, asked again after a bad end.
#![allow(clippy::unwrap_used, reason = "tests may; clippy sees only the functions that are marked as tests")]

use std::sync::Arc;

use patchline_conductor::conductor::Conductor;
use patchline_conductor::turn::SubmitError;
use patchline_ledger::sqlite::Sqlite;
use patchline_model::actor::Actor;
use patchline_model::command::{Ask, Command};
use patchline_model::id::PatchId;
use patchline_model::policy::Policy;
use patchline_model::rejection::Rejection;
use patchline_model::service::{Build, CommandLine, Service, Tier};
use patchline_model::stage::detect::{Opening, Subject, Until};
use patchline_model::stage::terms::Terms;
use patchline_model::stage::{review, rollout};
use tempfile::TempDir;

fn conductor(folder: &TempDir) -> Arc<Conductor> {
    let store = Sqlite::open(&folder.path().join("ledger.sqlite")).unwrap();
    Conductor::new(Arc::new(store), Policy::default())
}

fn opening() -> Opening {
    Opening {
        service: Service {
            name: "small".parse().unwrap(),
            owner: "team-small".to_owned(),
            tier: Tier::try_from(3).unwrap(),
            repository: "/nowhere".to_owned(),
            folder: String::new(),
            build: Build {
                prepare: None,
                command: CommandLine(vec!["true".to_owned()]),
                artifact: "x".to_owned(),
            },
            test: None,
            agents: Vec::new(),
            reproducers: Vec::new(),
            run: None,
            verification: Default::default(),
        },
        base: "a".repeat(40).parse().unwrap(),
        subject: Subject::Scan { only: Vec::new(), reports: Vec::new() },
        until: Until::Verify,
        terms: Terms::default(),
    }
}

fn abort() -> Command {
    let ask = Ask::Review(review::Command::Abort { reason: "no more".to_owned() });
    Command { by: Actor::person("ann"), ask }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_asked_by_many_at_once_is_one_patch() {
    let folder = TempDir::new().unwrap();
    let asked = (0..8).map(|_| {
        let conductor = conductor(&folder);
        tokio::spawn(async move { conductor.open("key", Actor::Machine, opening()).await.unwrap() })
    });
    for id in asked.collect::<Vec<_>>() {
        assert_eq!(id.await.unwrap(), PatchId(1));
    }
    let known = conductor(&folder).patch(PatchId(1)).await.unwrap().unwrap();
    assert_eq!(known.events.len(), 1, "it was opened once");
}

#[tokio::test]
async fn what_another_process_wrote_is_decided_upon() {
    let folder = TempDir::new().unwrap();
    let (one, other) = (conductor(&folder), conductor(&folder));
    let id = one.open("key", Actor::Machine, opening()).await.unwrap();
    assert_eq!(one.patch(id).await.unwrap().unwrap().patch.version, 1);
    assert_eq!(other.submit(id, abort(), None).await.unwrap().len(), 1);
    // What `one` has in memory is behind; the command is refused on what is there now.
    let pause = Ask::Rollout(rollout::Command::Pause { reason: "wait".to_owned() });
    let refused = one.submit(id, Command { by: Actor::person("ann"), ask: pause }, None).await.unwrap_err();
    assert!(matches!(refused, SubmitError::Rejected(Rejection::Ended { .. })), "{refused}");
    assert_eq!(one.patch(id).await.unwrap().unwrap().patch.version, 2);
}

#[tokio::test]
async fn a_question_that_ended_badly_may_be_asked_again_and_one_under_way_is_the_answer() {
    let folder = TempDir::new().unwrap();
    let conductor = conductor(&folder);
    let ask = || conductor.open_again("key", Actor::person("ann"), opening());
    let first = ask().await.unwrap();
    assert_eq!(ask().await.unwrap(), first, "it is under way");
    conductor.submit(first, abort(), None).await.unwrap();
    let second = ask().await.unwrap();
    assert_ne!(second, first);
    assert_eq!(ask().await.unwrap(), second);
}

#[tokio::test]
async fn a_patch_that_was_never_opened_takes_no_command() {
    let folder = TempDir::new().unwrap();
    let refused = conductor(&folder).submit(PatchId(9), abort(), None).await.unwrap_err();
    assert!(matches!(refused, SubmitError::Rejected(Rejection::NotOpen { .. })), "{refused}");
}
