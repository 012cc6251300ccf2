//! The stations of a rollout's way: what stands there, and what must have passed before it goes on.

use serde::{Deserialize, Serialize};

use crate::cohort::{Cohort, Token};
use crate::share::Share;
use crate::stage::plan::{Smoke, WatchedEnd};
use crate::stage::traffic::Mirror;
use crate::time::Seconds;

/// The whole way of one plan, whatever its strategy: what the walk, the pages and the checks go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// Instances of the stable version before and of the new one after.
    pub instances: u32,
    /// So many healthy instances of one version carry all of the traffic.
    pub whole: u32,
    /// In order, at least one. After the last the evidence, or a person, promotes.
    pub stations: Vec<Station>,
    /// The bake between the promotion and the switch.
    pub end: Option<WatchedEnd>,
    /// Whose requests the stations' shares are parts of; all requests, where there is none.
    pub cohort: Option<Cohort>,
    /// The flag that is on in the new version.
    pub flag: Option<Token>,
    /// Instances stay and change their version: none is started beside them, and none goes.
    pub in_place: bool,
    /// Where instances have names.
    pub order: Option<Ordered>,
}

/// Instances with names, in the order in which they are replaced: the new version has the first of them, the old one the
/// last, forward and back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    pub names: Vec<Token>,
    /// So many are replaced at once, back as well.
    pub batch: u32,
}

/// A place where the rollout stays for its bake, watched by the judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Station {
    /// Instances of the stable version, from the moment the station is made ready.
    pub stable: u32,
    /// Instances of the new version. They are healthy before the share rises.
    pub new: u32,
    /// The new version's share while its instances start.
    pub share_before: Share,
    /// The new version's share once they are healthy.
    pub share: Share,
    pub bake: Seconds,
    /// After the bake a person must open the way.
    pub gate: bool,
    /// After bake and gate this must succeed against one of the new instances. Only where no user meets them yet.
    pub smoke: Option<Smoke>,
    /// Requests are sent to the new version as well, while it is watched.
    pub mirror: Option<Mirror>,
}

/// What stood when a rollback was decided. `stable` grows as instances come back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    pub stable: u32,
    pub new: u32,
    pub share: Share,
}

/// A part of a whole, rounded down to parts per million.
pub fn part(of: u32, whole: u32) -> Share {
    let whole = whole.max(1);
    let ppm = u64::from(of.min(whole)) * u64::from(Share::ALL.ppm()) / u64::from(whole);
    Share::try_from(u32::try_from(ppm).unwrap_or(0)).unwrap_or(Share::NONE)
}

/// The healthy instances that it takes to carry a share, where `whole` of them carry everything.
pub fn carriers(share: Share, whole: u32) -> u32 {
    // Shares are rounded by less than one part per million for each instance.
    let load = (u64::from(share.ppm()) * u64::from(whole)).saturating_sub(u64::from(whole));
    u32::try_from(load.div_ceil(u64::from(Share::ALL.ppm()))).unwrap_or(u32::MAX)
}

impl Course {
    /// The share that so many healthy instances can carry.
    pub fn carried_by(&self, instances: u32) -> Share {
        part(instances, self.whole)
    }

    /// The healthy instances that it takes to carry a share.
    pub fn carriers(&self, share: Share) -> u32 {
        carriers(share, self.whole)
    }

    /// The first names, which the new version has, or the last ones, which the old one has.
    pub fn names(&self, instances: u32, is_new: bool) -> &[Token] {
        let names = self.order.as_ref().map_or(&[][..], |order| &order.names);
        let count = names.len().min(instances as usize);
        if is_new { &names[..count] } else { &names[names.len() - count..] }
    }

    /// A station; past the last one, the last one.
    pub fn station(&self, step: usize) -> Option<&Station> {
        self.stations.get(step).or(self.stations.last())
    }

    pub fn is_last(&self, step: usize) -> bool {
        step + 1 >= self.stations.len()
    }

    /// Whether the station needs other instances than the one before it: they come first, and the share after them.
    pub fn must_fill(&self, step: usize) -> bool {
        let before = step.checked_sub(1).and_then(|before| self.stations.get(before));
        let here = self.stations.get(step);
        let differ =
            |(before, here): (&Station, &Station)| (before.stable, before.new) != (here.stable, here.new);
        before.zip(here).is_some_and(differ)
    }
}

#[cfg(test)]
mod tests {
    use super::{Course, part};
    use crate::share::Share;

    #[test]
    fn what_instances_carry_and_what_a_share_takes_fit_together() {
        for whole in 1..=64 {
            let stations = Vec::new();
            let course = Course {
                instances: whole,
                whole,
                stations,
                end: None,
                cohort: None,
                flag: None,
                in_place: false,
                order: None,
            };
            for instances in 0..=whole {
                let share = course.carried_by(instances);
                assert_eq!(course.carriers(share), instances, "{instances} of {whole}");
                assert_eq!(
                    course.carriers(share.rest()),
                    whole - instances,
                    "the rest of {instances} of {whole}"
                );
            }
        }
        assert_eq!(part(5, 0), Share::ALL);
    }
}
