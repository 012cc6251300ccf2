//! Which version holds which share, with how many instances, in each phase of any course.
//!
//! Capacity comes before weight, both ways. Forward, the new version gets its instances a phase before it gets the share
//! that needs them, and the stable version keeps what its share needs until the end. Back, the bad version loses at once
//! what the stable instances that are there can carry, the rest as stable instances come back, and its own instances go
//! last.

use crate::cohort::Cohort;
use crate::share::Share;
use crate::stage::phase::Phase;
use crate::stage::plan::{Arm, Desired, Version};
use crate::stage::traffic::{FlagValue, Others, Traffic};
use crate::strategy::station::{Course, Left, Station};

/// How far the rollout has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    pub phase: &'a Phase,
    /// The step that was entered last; its share stays in force while the new version grows.
    pub reached: usize,
    /// What stood when the way back began.
    pub left: Option<&'a Left>,
    /// It is taken back after its promotion.
    pub was_promoted: bool,
}

/// What the world should look like.
pub fn desired(course: &Course, stable: &Version, new: &Version, progress: Progress<'_>) -> Desired {
    // Exactly as it was.
    if let Phase::Halted { from } = progress.phase {
        return desired(course, stable, new, Progress { phase: from, ..progress });
    }
    let mut view = View { course, stable, new, traffic: Traffic::ByTurns };
    let step = match progress.phase {
        Phase::Preparing => 0,
        Phase::Filling { step } | Phase::Watching { step } => *step,
        Phase::Idle
        | Phase::Growing
        | Phase::Baking
        | Phase::Switching
        | Phase::Finishing
        | Phase::Promoted
        | Phase::Recalling
        | Phase::RollingBack
        | Phase::Retiring
        | Phase::RolledBack
        | Phase::Halted { .. } => progress.reached,
    };
    // A plan without a single station has nothing to hold the new version against, and never gives it a share.
    let Some(station) = course.station(step) else { return view.only(stable) };
    // On its way back from everybody a version is no cohort's any more: the old one is not even there at first.
    let by_turns = progress.was_promoted;
    view.traffic = if by_turns { Traffic::ByTurns } else { traffic(course, station, progress.phase) };
    // Two never have one name, so where instances have names no more of them can stand before the old ones go.
    let grown = if course.order.is_some() { station.new } else { course.instances.max(station.new) };
    let carriers = course.instances.min(grown);
    let hold_back = course.end.as_ref().map_or(Share::NONE, |end| end.hold_back);
    match progress.phase {
        Phase::Idle | Phase::RolledBack | Phase::Halted { .. } => view.only(stable),
        Phase::Preparing if course.in_place => view.both(course.instances, 0, Share::NONE, 0),
        Phase::Preparing => view.both(station.stable, station.new, Share::NONE, 0),
        // The share is the target's upper bound: it follows each conversion that an instance has confirmed.
        Phase::Filling { .. } if course.in_place => {
            view.both(station.stable, station.new, station.share, station.new)
        }
        Phase::Filling { step } => {
            let before = step.checked_sub(1).and_then(|before| course.station(before));
            let carriers = before.map_or(0, |before| before.new);
            view.both(station.stable, station.new, station.share_before, carriers)
        }
        Phase::Watching { .. } => view.both(station.stable, station.new, station.share, station.new),
        Phase::Growing | Phase::Switching if course.in_place => {
            view.both(0, course.instances, Share::ALL, course.instances)
        }
        Phase::Growing => view.both(station.stable, grown, station.share, station.new),
        Phase::Baking => view.both(station.stable, grown, hold_back.rest(), carriers),
        Phase::Switching => view.both(station.stable, grown, Share::ALL, carriers),
        Phase::Finishing | Phase::Promoted | Phase::Recalling => view.only(new),
        Phase::RollingBack => view.back(&left(progress, station)),
        Phase::Retiring => {
            let left = left(progress, station);
            if left.stable < course.instances { view.back(&left) } else { view.only(stable) }
        }
    }
}

/// A cohort holds until the promotion. The watched end is for everybody: who has no key comes by turns, and who has one goes
/// where the key says.
fn traffic(course: &Course, station: &Station, phase: &Phase) -> Traffic {
    let by_key = |cohort: &Cohort, others| Traffic::ByKey { cohort: cohort.clone(), others };
    match (phase, &course.cohort, &station.mirror) {
        (Phase::Baking, Some(cohort), _) => by_key(&Cohort { only: None, ..cohort.clone() }, Others::ByTurns),
        (
            Phase::Preparing
            | Phase::Filling { .. }
            | Phase::Watching { .. }
            | Phase::Growing
            | Phase::RollingBack
            | Phase::Retiring,
            Some(cohort),
            _,
        ) => by_key(cohort, Others::Stable),
        (Phase::Watching { .. }, None, Some(mirror)) => Traffic::Mirrored(mirror.clone()),
        (
            Phase::Idle
            | Phase::Switching
            | Phase::Finishing
            | Phase::Promoted
            | Phase::Recalling
            | Phase::RolledBack
            | Phase::Halted { .. },
            Some(_),
            _,
        )
        | (_, None, _) => Traffic::ByTurns,
    }
}

fn left(progress: Progress<'_>, station: &Station) -> Left {
    let whole = || Left { stable: station.stable, new: station.new, share: station.share };
    progress.left.cloned().unwrap_or_else(whole)
}

struct View<'a> {
    course: &'a Course,
    stable: &'a Version,
    new: &'a Version,
    traffic: Traffic,
}

impl View<'_> {
    /// One version alone has no other to be told from.
    fn only(self, version: &Version) -> Desired {
        let instances = self.course.instances;
        Desired {
            arms: vec![self.arm(version, instances, Share::ALL, instances)],
            in_place: false,
            traffic: Traffic::ByTurns,
        }
    }

    fn both(self, stable: u32, new: u32, share: Share, carriers: u32) -> Desired {
        let rest = share.rest();
        let needed = self.course.carriers(rest).min(stable);
        let arms =
            vec![self.arm(self.stable, stable, rest, needed), self.arm(self.new, new, share, carriers)];
        Desired { arms, in_place: self.course.in_place, traffic: self.traffic }
    }

    /// Every stable instance is wanted again; the bad version keeps what those that are there can't carry. Where instances
    /// stay, each that is converted back carries at once what it carried, so nothing is said of the share on the way.
    fn back(self, left: &Left) -> Desired {
        let course = self.course;
        if course.in_place {
            return self.both(course.instances, 0, Share::NONE, 0);
        }
        let share = left.share.min(course.carried_by(left.stable).rest());
        let Some(order) = &course.order else {
            return self.both(course.instances, left.new, share, course.carriers(share).min(left.new));
        };
        // The one that was replaced last goes first, and its old instance comes when it has gone.
        let stable = (left.stable + order.batch).min(course.instances);
        let new = left.new.min(course.instances - stable);
        self.both(stable, new, share, course.carriers(share).min(new))
    }

    fn arm(&self, version: &Version, instances: u32, share: Share, carriers: u32) -> Arm {
        let is_on = version.artifact == self.new.artifact;
        let flags = self.course.flag.iter().map(|flag| FlagValue { flag: flag.clone(), is_on }).collect();
        let names = self.course.names(instances, is_on).to_vec();
        Arm { version: version.clone(), instances, share, carriers, flags, names }
    }
}
