//! The conductor is killed with SIGKILL again and again, at random moments, while patches are rolled out and users
//! send requests. Nothing acknowledged is lost, no effect is doubled, no process is orphaned, no user notices, and each
//! patch ends as if nothing had happened.
#![allow(clippy::unwrap_used, reason = "tests may; clippy sees only the functions that are marked as tests")]

#[path = "kill/chance.rs"]
mod chance;
#[path = "kill/facts.rs"]
mod facts;
#[path = "binary/processes.rs"]
mod processes;
#[path = "binary/project.rs"]
mod project;
#[path = "binary/site.rs"]
mod site;
#[path = "kill/users.rs"]
mod users;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread::sleep;
use std::time::{Duration, Instant};

use chance::Chance;
use facts::{check_nothing_lost, check_story, told};
use patchline_model::id::PatchId;
use patchline_model::patch::Patch;
use patchline_model::share::Share;
use processes::{Guard, wait_until_gone};
use project::{Change, INSTANCES};
use site::{Site, belongs_to_the_service};
use users::{Met, Users};

/// Kills in all, at least.
const KILLS: u32 = 50;

/// Patches of each kind, at least.
const OF_EACH_KIND: u32 = 2;

/// A patch that has not ended after so many kills makes no progress.
const MOST_KILLS_EACH: u32 = 150;

const LOOK_EVERY: Duration = Duration::from_millis(10);

#[test]
fn a_killed_conductor_loses_nothing_doubles_nothing_and_hurts_nobody() {
    let folder = tempfile::Builder::new().prefix("patchline-kill-").tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let _guard = Guard(root.clone());
    let mut story = Story::begin(Site::create(&root));
    let mut number = 0;
    while story.kills < KILLS || number < 2 * OF_EACH_KIND {
        number += 1;
        let is_good = number % 2 == 1;
        let change = story.site.project.change(number, is_good);
        let id = story.site.open(&change);
        let told_of = catch_unwind(AssertUnwindSafe(|| story.take_to_its_end(id, &change)));
        if let Err(panic) = told_of {
            let events = story.site.events(id).unwrap_or_default();
            eprintln!("the story of {id} after {} kills in all:\n{}", story.kills, told(&events));
            eprintln!("what the conductors said:\n{}", story.site.story());
            eprintln!("users: {:?}", story.users.as_ref().map(Users::met));
            resume_unwind(panic);
        }
    }
    story.end(&root);
}

/// Everything that goes on in the test.
struct Story {
    site: Site,
    chance: Chance,
    /// There are users from the moment on when the service first answers.
    users: Option<Users>,
    kills: u32,
    /// Lives in a row in which nothing was written.
    fruitless: u32,
    began: Instant,
}

impl Story {
    fn begin(site: Site) -> Self {
        Self { site, chance: Chance::seeded(), users: None, kills: 0, fruitless: 0, began: Instant::now() }
    }

    /// Starts and kills the conductor until the patch is closed; then holds everything against what it must be.
    fn take_to_its_end(&mut self, id: PatchId, change: &Change) {
        let before = self.met();
        let kills_before = self.kills;
        let mut is_closed = false;
        while !is_closed {
            is_closed = self.run_and_kill(id);
            assert!(self.kills - kills_before < MOST_KILLS_EACH, "{id} makes no progress");
        }
        // Once more over the closed patch: nothing may happen to it any more.
        let closed = self.site.events(id).unwrap();
        self.run_and_kill(id);
        assert_eq!(self.site.events(id).unwrap().len(), closed.len(), "a closed patch has moved");

        check_story(&closed, change.is_good);
        let met = self.met().since(&before);
        let patch = self.site.patch(id);
        self.check_users(&met, &patch, change);
        self.check_world(&patch, change);
        if change.is_good {
            self.site.project.merge(change);
        }
        let (kills, seconds) = (self.kills - kills_before, self.began.elapsed().as_secs_f64());
        let failed: u64 = met.failed.values().sum();
        eprintln!(
            "{seconds:>6.1} s  {id} {}: {kills} kills, {} requests, {failed} failed",
            change.name,
            met.sent()
        );
    }

    /// One life of the conductor: it is killed after a random time, or, every second time, as soon as it has written
    /// something after that time. Answers whether the patch was closed then.
    fn run_and_kill(&mut self, id: PatchId) -> bool {
        // A slow machine gets nothing done in a short life: lives grow while they bear no fruit.
        let slower = 1 + self.fruitless / 5;
        let until = Duration::from_millis(self.chance.between(50, 1500)) * slower;
        let at_next_event = self.chance.between(0, 1) == 1;
        let latest = until + Duration::from_millis(1000) * slower;
        let before = self.site.look_after(id).0;
        let mut conductor = self.site.serve();
        let begun = Instant::now();
        let mut version_then = None;
        loop {
            let (version, _) = self.site.look_after(id);
            self.welcome_users();
            self.site.check_instances(id);
            if begun.elapsed() >= until {
                let then = *version_then.get_or_insert(version);
                if !at_next_event || version > then || begun.elapsed() >= latest {
                    break;
                }
            }
            sleep(LOOK_EVERY);
        }
        let acknowledged = self.site.events(id).unwrap();
        let ended = conductor.try_wait().unwrap();
        assert_eq!(ended, None, "the conductor ended by itself");
        conductor.kill().unwrap();
        conductor.wait().unwrap();
        self.kills += 1;
        check_nothing_lost(&acknowledged, &self.site.events(id).unwrap());
        wait_until_gone(self.site.root(), belongs_to_the_service);
        let (version, is_closed) = self.site.look_after(id);
        self.fruitless = if version > before { 0 } else { self.fruitless + 1 };
        is_closed
    }

    /// Users come as soon as the service answers for the first time, and stay to the end.
    fn welcome_users(&mut self) {
        if self.users.is_none()
            && self.site.observed().is_some_and(|seen| seen.arms.iter().any(|arm| arm.healthy > 0))
        {
            self.users = Some(Users::start(self.site.port));
        }
    }

    fn met(&self) -> Met {
        self.users.as_ref().map(Users::met).unwrap_or_default()
    }

    /// No user has met a failure but those of the bad version, and the ledger has counted every one of them.
    fn check_users(&self, met: &Met, patch: &Patch, change: &Change) {
        let new = patch.rollout.new.as_ref().unwrap();
        let failed: u64 = met.failed.values().sum();
        let by_canary = met.failed.get(&*new.label).copied().unwrap_or(0);
        let words = &met.words;
        assert_eq!(failed, by_canary, "requests failed though no version failed them: {words:?}");
        let review = patch.review.reviewed.as_ref().unwrap();
        assert_eq!(review.failed_by_canary, by_canary, "the ledger counts other failures than the users");
        assert_eq!(review.failed_by_shift, 0, "requests failed by shifting");
        assert_eq!(by_canary > 0, !change.is_good, "{} was failed by {by_canary} requests", change.name);
        assert!(met.good.contains_key(&*new.label), "nobody has met the new version: {met:?}");
    }

    /// What really runs is what the ledger says, and there is one branch for each patch.
    fn check_world(&self, patch: &Patch, change: &Change) {
        let rollout = &patch.rollout;
        let version = if change.is_good { &rollout.new } else { &rollout.stable };
        let observed = self.site.observed().unwrap();
        let arm = observed.arm(&version.as_ref().unwrap().artifact).unwrap();
        assert_eq!((arm.share, arm.instances), (Share::ALL, INSTANCES), "{observed:?}");
        let others = observed.arms.iter().filter(|other| other.artifact != arm.artifact);
        assert_eq!(others.map(|other| other.instances).sum::<u32>(), 0, "{observed:?}");
        assert_eq!(observed.unrouted, 0, "{observed:?}");
        let restarts: u64 =
            observed.arms.iter().filter_map(|arm| arm.counts.as_ref()).map(|it| it.restarts).sum();
        assert_eq!(restarts, 0, "{observed:?}");
        let branches = self.site.project.branches();
        let branch = &patch.candidate().unwrap().branch;
        assert_eq!(branches.iter().filter(|other| *other == branch).count(), 1, "{branches:?}");
        assert_eq!(branches.len() as u64, patch.id.0, "{branches:?}");
    }

    /// The users leave, the service is stopped, and nothing is left.
    fn end(mut self, root: &std::path::Path) {
        let met = self.users.as_mut().map(Users::stop).unwrap_or_default();
        self.site.stop();
        wait_until_gone(root, |_| false);
        eprintln!(
            "{} kills, {} requests, {} failed by bad versions, in {:.1} s; left in the temporary folder: {:?}",
            self.kills,
            met.sent(),
            met.failed.values().sum::<u64>(),
            self.began.elapsed().as_secs_f64(),
            self.site.temporary_files()
        );
    }
}
