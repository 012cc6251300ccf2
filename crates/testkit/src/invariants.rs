//! The watch over a world: its own picture of every patch, checked against each event, each order and each target.

pub mod account;
pub mod bound;
pub mod control;
pub mod exposed;
pub mod named;
pub mod order;
pub mod paper;
pub mod pauses;
pub mod picture;
pub mod place;
pub mod queue;
pub mod road;
pub mod seen;
pub mod walk;
pub mod watched;

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::Arc;

use patchline_model::command::{Ask, Command};
use patchline_model::context::{Board, Context};
use patchline_model::digest::{Commit, Digest};
use patchline_model::event::{Event, Fact};
use patchline_model::id::{JobId, PatchId};
use patchline_model::job::{Due, Job};
use patchline_model::line;
use patchline_model::patch::Patch;
use patchline_model::pipeline::due::due;
use patchline_model::pipeline::evolve::evolve;
use patchline_model::pipeline::survey::survey;
use patchline_model::service::Run;
use patchline_model::share::Share;
use patchline_model::stage::phase::Phase;
use patchline_model::stage::plan::{Arm, Desired, Plan, Strategy};
use patchline_model::stage::set::Standing;
use patchline_model::stage::{review, rollout};
use patchline_model::time::Timestamp;

use crate::breach::{Breach, hold};
use crate::invariants::account::Account;
use crate::invariants::bound::{is_past_switch, standing};
use crate::invariants::picture::Picture;
use crate::invariants::queue::Queue;
use crate::invariants::seen::Seen;
use crate::scene::Scene;
use crate::target::Target;

/// Beyond the plan's own deadline, in milliseconds: so long may a rollback go on before somebody is called.
const PATIENCE_MILLIS: u64 = 60_000;

pub struct Watch {
    patches: BTreeMap<PatchId, Patch>,
    /// Every job that stored events ever asked for.
    owed: BTreeMap<JobId, (Job, Option<Commit>, Option<usize>)>,
    accounts: BTreeMap<PatchId, Account>,
    /// The version that each service runs while nobody moves it.
    rest: Vec<Digest>,
    /// What all patches say, as the loop sees it, and without locks and fences.
    pub board: Board,
    free: Board,
    log: order::Log,
    queue: Queue,
    /// What people hold.
    held: Picture,
}

/// What was appended, and why.
pub struct Appended<'a> {
    pub scene: &'a Scene,
    pub target: &'a Target,
    pub patch: PatchId,
    pub command: &'a Command,
    pub events: &'a [Event],
    /// Events of this patch that the ledger holds now.
    pub stored: u64,
    pub elapsed: u64,
    /// The board that it was decided on, where others have written since.
    pub decided_on: Option<&'a Board>,
}

impl Watch {
    pub fn new(scene: &Scene) -> Self {
        Self {
            patches: scene.patches.iter().map(|planned| (planned.id, Patch::new(planned.id))).collect(),
            owed: BTreeMap::new(),
            accounts: BTreeMap::new(),
            rest: scene.services.iter().map(|place| place.stable.artifact.clone()).collect(),
            board: Board { zones: scene.zones.clone(), ..Board::default() },
            free: Board::default(),
            log: order::Log::default(),
            queue: Queue::default(),
            held: Picture::default(),
        }
    }

    pub fn patch(&self, id: PatchId) -> &Patch {
        &self.patches[&id]
    }

    pub fn patches(&self) -> impl Iterator<Item = &Patch> + Clone {
        self.patches.values()
    }

    /// Takes in what somebody stopped, froze or let go.
    pub fn held(&mut self, events: &[line::Event]) {
        events.iter().for_each(|event| self.held.takes(event));
    }

    /// Takes in what the ledger stored.
    pub fn appended(&mut self, entry: Appended<'_>) -> Result<(), Breach> {
        let id = entry.patch;
        let mut patch = self.patches.remove(&id).unwrap_or_else(|| Patch::new(id));
        let expected = patch.version + entry.events.len() as u64;
        hold(entry.stored == expected, "events only grow, and versions are dense", id, || {
            format!("{} events are stored, {expected} were acknowledged", entry.stored)
        })?;
        self.answered(&patch, entry.command, entry.decided_on)?;
        for (index, event) in entry.events.iter().enumerate() {
            let after = evolve(patch.clone(), event);
            let (planned, rest) = (entry.scene.planned(id), &entry.events[index + 1..]);
            let account = self.accounts.get(&id);
            let still_millis = account.map_or(0, |account| account.still_millis(event.at));
            let seen = Seen {
                follows_a_look: entry.events[..index].iter().any(is_look),
                stands_still: account.is_some_and(|account| account.still_since.is_some()),
                still_millis,
                watched: account.map(|account| &account.watched),
                pauses: account.map(|account| &account.pauses),
                scene: entry.scene,
                held: &self.held,
                planned,
                command: entry.command,
                before: &patch,
                event,
                after: &after,
                rest,
                target: entry.target,
            };
            paper::check(seen)?;
            control::check(seen)?;
            if let Fact::Rollout(fact) = &event.fact {
                walk::check(seen, fact)?;
                self.recalled(&entry, &after, fact)?;
                bound::check(seen, fact, self.truth(entry.scene, id))?;
                let begins = matches!(fact, rollout::Event::Started { .. });
                // Decided on another picture, it is held against none of the two.
                if begins && entry.decided_on.is_none() {
                    self.queue.check(seen, entry.elapsed, self.patches.values())?;
                }
                self.ordered(&entry, &after, fact)?;
                self.replaces(&after, fact)?;
                self.account(&entry, &after, event, fact);
            }
            if let Fact::Review(review::Event::Retried { .. }) = &event.fact {
                self.accounts.remove(&id);
            }
            patch = after;
        }
        if let Some(account) = self.accounts.get_mut(&id) {
            account.counts(entry.events);
            account.check(&patch, entry.target)?;
        }
        self.queue.takes(&patch, entry.elapsed);
        self.patches.insert(id, patch);
        let told = survey(BTreeMap::new(), self.patches());
        self.free = Board { fences: BTreeMap::new(), hotfixes: BTreeMap::new(), ..told.clone() };
        let (locks, line, zones) = (&mut self.board.locks, &mut self.board.line, &mut self.board.zones);
        let (locks, line, zones) = (take(locks), take(line), take(zones));
        self.board = Board { locks, line, zones, ..told };
        self.remember_owed(id)
    }

    /// Takes in what the ledger says of locks and holds; of the rest the patches tell.
    pub fn read(&mut self, stored: &Board) {
        self.board.locks.clone_from(&stored.locks);
        if self.board.line.version != stored.line.version {
            self.board.line = stored.line.clone();
        }
    }

    /// The end of the world: no set is left half taken back.
    pub fn nothing_is_left(&self, scene: &Scene) -> Result<(), Breach> {
        let patches = |id: PatchId| self.patch(id);
        self.log.nothing_is_left(&order::Others { scene, patches, rest: &self.rest })
    }

    fn ordered(&mut self, entry: &Appended<'_>, after: &Patch, fact: &rollout::Event) -> Result<(), Breach> {
        let scene = entry.scene;
        if !scene.planned(after.id).in_set {
            return Ok(());
        }
        let mut log = std::mem::take(&mut self.log);
        let patches = |id: PatchId| if id == after.id { after } else { &self.patches[&id] };
        let checked = log.check(&order::Others { scene, patches, rest: &self.rest }, after.id, fact);
        self.log = log;
        checked
    }

    /// Who takes another's place begins when that one has ended, or has got through.
    fn replaces(&self, after: &Patch, fact: &rollout::Event) -> Result<(), Breach> {
        let rollout::Event::Started { .. } = fact else { return Ok(()) };
        let older = after.opening.as_ref().and_then(|opening| opening.terms.supersedes);
        // What was tried again meanwhile waits for this one, and begins nothing.
        let is_again = |older: &Patch| older.rollout.phase == Phase::Idle && older.review.retries > 0;
        let stands = older.map(|older| self.patch(older)).filter(|it| !it.has_ended() && !is_again(it));
        let invariant = "a patch begins after the one whose place it takes has ended";
        hold(stands.is_none(), invariant, after.id, || format!("{:?} has not", stands.map(|it| it.id)))
    }

    fn truth(&self, scene: &Scene, id: PatchId) -> bound::Truth {
        let account = self.accounts.get(&id);
        bound::Truth {
            from: scene.no_return(id),
            shared: account.is_some_and(|account| account.shared),
            accepted: account.is_some_and(|account| account.accepted),
        }
    }

    /// What is taken back after its promotion is what runs.
    fn recalled(&self, entry: &Appended<'_>, after: &Patch, fact: &rollout::Event) -> Result<(), Breach> {
        let rollout::Event::Recalled { .. } = fact else { return Ok(()) };
        let rest = &self.rest[entry.scene.planned(after.id).service];
        let ours = after.rollout.new.as_ref().is_some_and(|new| new.artifact == *rest);
        hold(ours, "only the version that runs is taken back", after.id, || format!("{rest} runs"))
    }

    fn account(&mut self, entry: &Appended<'_>, after: &Patch, event: &Event, fact: &rollout::Event) {
        if let rollout::Event::Started { stable, new, .. } = fact {
            self.accounts.insert(after.id, Account::open(entry.target, stable, new));
        }
        if let Some(account) = self.accounts.get_mut(&after.id) {
            account.takes(entry.target, after, event, entry.elapsed, fact);
        }
        let rests = match fact {
            rollout::Event::Promoted => &after.rollout.new,
            rollout::Event::RolledBack => &after.rollout.stable,
            _ => &None,
        };
        if let Some(version) = rests {
            self.rest[entry.scene.planned(after.id).service] = version.artifact.clone();
        }
    }

    fn remember_owed(&mut self, patch: PatchId) -> Result<(), Breach> {
        let patch = &self.patches[&patch];
        // What a set asks of its member follows from the others as well, and is asked of nobody. Who does not know of it
        // yet may ask for what the patch alone would owe.
        let follows = |(_, job): &(JobId, Job)| *job == Job::Rollout(rollout::Job::Follow);
        let with_set = owed(&self.free, patch).filter(|owed| !follows(owed));
        let Some((id, job)) = with_set.or_else(|| owed(&unbound(&self.free), patch)) else { return Ok(()) };
        let commit = patch.candidate().map(|candidate| candidate.commit.clone());
        // Only the gate is asked about approvals.
        let gate = matches!(job, Job::Approve(_)).then_some(patch.approve.approvals.len());
        let asks = (job, commit, gate);
        let before = self.owed.entry(id).or_insert_with(|| asks.clone());
        hold(*before == asks, "a job's id is never used for another job", patch.id, || {
            format!("{id} was {before:?} and is {asks:?}")
        })
    }

    /// An answer leads to events only if its job was owed by what is stored.
    fn answered(&self, patch: &Patch, command: &Command, decided_on: Option<&Board>) -> Result<(), Breach> {
        let Ask::Report { job, .. } = &command.ask else { return Ok(()) };
        let owed = |board: &Board| owed(board, patch).map(|(id, _)| id);
        let mut boards = [&self.free, &self.board].into_iter().chain(decided_on);
        let is_owed = boards.any(|board| owed(board) == Some(*job));
        hold(is_owed, "an answer counts once, and only while it is owed", patch.id, || {
            format!("the answer to {job} counted while {:?} was owed", owed(&self.board))
        })
    }

    /// A job is about to be handed out.
    pub fn dispatched(&self, id: JobId, job: &Job, target: &Target) -> Result<(), Breach> {
        if let Job::Rollout(rollout::Job::Reconcile { desired, look }) = job {
            let patch = self.patch(id.patch);
            let says = |holds: bool, invariant: &'static str| {
                hold(holds, invariant, id.patch, || format!("{id} asks for {:?}", shares(desired)))
            };
            let state = &patch.rollout;
            if let (Some(stable), Some(new), Some(plan)) = (&state.stable, &state.new, &state.plan) {
                let asked =
                    |artifact: &Digest| desired.arms.iter().find(|arm| arm.version.artifact == *artifact);
                // Another driver may still ask for what was owed before, when another patch has the service even; the
                // target refuses it.
                let is_newest = owed(&self.free, patch).is_some_and(|(owed, _)| owed == id);
                let kept = |arm: &Arm| keeps(plan, arm.instances, arm.share);
                let kept = asked(&stable.artifact).is_some_and(kept);
                if is_newest {
                    let is_kept = state.phase == Phase::Finishing && state.paused.is_some();
                    says(!is_kept, "what a person pauses keeps the old version that is left")?;
                    // Once promoted, it was everybody's.
                    let led = state.had_all() || road::is_led(plan, standing(&state.phase), &desired.traffic);
                    says(
                        led,
                        "who takes no part stays with the stable version, and copies are sent as planned",
                    )?;
                    let told = desired.arms.iter().all(|arm| road::is_told(plan, arm, &new.artifact));
                    says(told, "a flag is on in the new version alone")?;
                    let whole = asked(&new.artifact).is_none_or(|arm| arm.instances >= plan.instances);
                    says(
                        whole || !road::is_flag(plan),
                        "a flag's instances are whole before its first user",
                    )?;
                }
                // What was asked for before a recall was asked for when the old version had gone.
                let is_overtaken = state.had_all() && !is_newest;
                let kept = kept || is_past_switch(patch) || is_overtaken;
                says(kept, "stable is never without capacity")?;
                named::asked(patch, plan, desired)?;
                if desired.in_place {
                    let all: u32 = desired.arms.iter().map(|arm| arm.instances).sum();
                    says(all == plan.instances, "in place, both versions together are the plan's instances")?;
                }
                let share = asked(&new.artifact).map_or(Share::NONE, |arm| arm.share);
                let there = target.arm(&new.artifact).map_or(0, |arm| arm.instances);
                let greatest = self.accounts.get(&id.patch).map_or(Share::NONE, |account| account.greatest);
                let sized = !road::sizes_the_new(plan) || road::carry(plan, there, share);
                // Named instances leave no room: those that stand before the last batch carry everything.
                let decided = is_decided(&state.phase) && named::has_names(plan);
                let ready = ((share <= greatest || decided) && sized)
                    || there >= plan.instances
                    || state.is_going_back();
                says(ready || !is_newest, "capacity comes before weight")?;

                if is_newest {
                    let armed = *look || !is_judged(&state.phase);
                    says(armed, "the judge is armed while both versions serve")?;
                    let held = *standing(&state.phase) != Phase::Baking || share <= greatest;
                    says(held, "the hold-back stays with the old version")?;
                }
                if is_newest && state.is_going_back() {
                    let there = |artifact: &Digest| target.arm(artifact).map_or(0, |arm| arm.instances);
                    let back = asked(&stable.artifact);
                    let wanted = named::wanted_back(plan, state.left.as_ref().map_or(0, |left| left.stable));
                    let whole = back.is_some_and(|arm| arm.instances >= wanted);
                    says(whole, "on the way back every stable instance is wanted again")?;
                    let whole = there(&stable.artifact) >= plan.instances;
                    // In place no instance goes, and the share follows what is converted back.
                    let last = whole
                        || desired.in_place
                        || named::has_names(plan)
                        || asked(&new.artifact).is_some_and(|arm| arm.instances >= there(&new.artifact));
                    says(last, "on the way back the bad version goes last")?;
                    let carried = desired.in_place
                        || back.is_some_and(|arm| road::carry(plan, there(&stable.artifact), arm.share));
                    says(carried, "on the way back stable takes what it can carry, and no more")?;
                }
            }
        }
        let now = |board: &Board| owed(board, self.patch(id.patch)) == Some((id, job.clone()));
        let known = self.owed.get(&id).is_some_and(|(owed, ..)| owed == job)
            || now(&self.board)
            || now(&self.free)
            || *job == Job::Rollout(rollout::Job::Follow);
        hold(known, "what is asked of the world follows from stored events", id.patch, || {
            format!("{id} asks for {job:?}")
        })
    }

    /// Looks at what really runs.
    pub fn looked_at(
        &self,
        scene: &Scene,
        service: usize,
        target: &Target,
        elapsed: u64,
    ) -> Result<(), Breach> {
        let moves = |patch: &&Patch| {
            patch.rollout.plan.is_some() && !patch.has_ended() && scene.planned(patch.id).service == service
        };
        let moving: Vec<&Patch> = self.patches().filter(moves).collect();
        match moving[..] {
            [] => self.rests(scene, service, target),
            [patch] => self.moves(patch, target, elapsed),
            [one, other, ..] => Err(Breach::new(
                "one rollout at a time for each service",
                other.id,
                format!("{} moves it too", one.id),
            )),
        }
    }

    fn rests(&self, scene: &Scene, service: usize, target: &Target) -> Result<(), Breach> {
        let rest = &self.rest[service];
        let alone = target.arms().all(|arm| arm.version.artifact == *rest || arm.instances == 0);
        let place = &scene.services[service];
        let wanted = place.service.run.as_ref().map_or(0, |run| run.plan.instances);
        let whole = target.arm(rest).is_some_and(|arm| arm.share == Share::ALL && arm.instances >= wanted);
        let last = self.patches.values().rfind(|patch| scene.planned(patch.id).service == service);
        let id = last.map_or(PatchId(0), |patch| patch.id);
        hold(alone && whole, "between rollouts one version serves everything, with its capacity", id, || {
            format!("{:?}", target.arms().collect::<Vec<_>>())
        })
    }

    fn moves(&self, patch: &Patch, target: &Target, elapsed: u64) -> Result<(), Breach> {
        let says = |holds: bool, invariant: &'static str| {
            hold(holds, invariant, patch.id, || {
                format!("{:?} in {:?}", target.arms().collect::<Vec<_>>(), patch.rollout.phase)
            })
        };
        let state = &patch.rollout;
        let (Some(stable), Some(new), Some(plan)) = (&state.stable, &state.new, &state.plan) else {
            return Ok(());
        };
        let Some(account) = self.accounts.get(&patch.id) else { return Ok(()) };
        let kept = target.arm(&stable.artifact).is_some_and(|arm| keeps(plan, arm.instances, arm.share));
        let carried =
            target.arm(&stable.artifact).is_none_or(|arm| road::carry(plan, arm.instances, arm.share));
        let returns = state.had_all() && state.phase == Phase::RollingBack && carried;
        says(kept || returns || is_past_switch(patch), "stable is never without capacity")?;
        place::check(patch, plan, target)?;
        named::check(patch, plan, target)?;
        says(target.excess == 0, "no version serves more than its share while another is ill")?;
        let there = target.arm(&new.artifact);
        let share = there.map_or(Share::NONE, |arm| arm.share);
        let decided = is_decided(&state.phase);
        // A rollback may find the share still in force that the switch gave; it only may not keep it.
        let below = share <= account.greatest || decided || state.phase == Phase::RollingBack;
        says(below, "no share above the plan's step")?;
        let confirmed = state.rollback_confirmed.is_some();
        says(!confirmed || share == Share::NONE, "a share once taken back is not given again")?;
        let deadline = plan.start_deadline.0 * 1000 + PATIENCE_MILLIS;
        let late = account.back_since.is_some_and(|since| elapsed > since + deadline);
        says(!late || state.paged, "a rollback ends in stable, or pages")
    }
}

/// Instances and share of each version, to tell.
fn shares(desired: &Desired) -> Vec<(&str, u32, Share)> {
    desired.arms.iter().map(|arm| (arm.version.artifact.short(), arm.instances, arm.share)).collect()
}

/// The stable version has what its share needs; where the plan leaves it whole, all of its instances.
fn keeps(plan: &Plan, instances: u32, share: Share) -> bool {
    let whole = match &plan.strategy {
        Strategy::Rolling(_) => instances > 0,
        Strategy::Hot(_) => true,
        Strategy::Canary(_) | Strategy::BlueGreen(_) | Strategy::Flag(_) | Strategy::Shadow(_) => {
            instances >= plan.instances
        }
    };
    whole && road::carry(plan, instances, share)
}

/// Phases in which users may meet both versions and nothing is decided for good.
fn is_judged(phase: &Phase) -> bool {
    matches!(standing(phase), Phase::Filling { .. } | Phase::Watching { .. } | Phase::Growing | Phase::Baking)
}

/// The promotion is decided, and the new version takes everything.
fn is_decided(phase: &Phase) -> bool {
    matches!(standing(phase), Phase::Switching | Phase::Finishing)
}

/// The same board, on which no set asks anything of anybody.
fn unbound(board: &Board) -> Board {
    let mut board = board.clone();
    board.replaced.clear();
    board.under_way.clear();
    board.hotfixes.clear();
    for member in board.sets.values_mut().flat_map(|set| set.members.values_mut()) {
        (member.standing, member.returns) = (Standing::Covered, 0);
    }
    board
}

/// What stored events ask for, whatever the time and whoever else is under way.
fn owed(board: &Board, patch: &Patch) -> Option<(JobId, Job)> {
    let policy = Default::default();
    let cx = Context { now: Timestamp(i64::MAX), policy: &policy, board };
    let has_windows = |run: &Run| !run.windows.is_empty();
    let run = patch.opening.as_ref().and_then(|opening| opening.service.run.as_ref());
    let waits = patch.rollout.plan.is_none() && run.is_some_and(has_windows);
    let owed = if waits { due(cx, &at_any_time(patch.clone())) } else { due(cx, patch) };
    match owed {
        Due::Job(id, job) => Some((id, job)),
        Due::Wake(_) | Due::Nothing => None,
    }
}

fn is_look(event: &Event) -> bool {
    matches!(event.fact, Fact::Rollout(rollout::Event::Looked { .. }))
}

fn at_any_time(mut patch: Patch) -> Patch {
    if let Some(run) = patch.opening.as_mut().and_then(|opening| Arc::make_mut(opening).service.run.as_mut())
    {
        run.windows.clear();
    }
    patch
}

/// The same events give the same patch.
pub fn replays(watched: &Patch, replayed: &Patch) -> Result<(), Breach> {
    hold(replayed == watched, "a patch read back is the patch as it was", watched.id, || {
        format!("version {} instead of {}", replayed.version, watched.version)
    })
}
