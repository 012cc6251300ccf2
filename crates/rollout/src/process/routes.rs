//! The table that the proxy chooses from and the supervisor changes: arms, their shares in force, their instances.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hyper::header::HeaderValue;
use patchline_model::cohort::Bucket;
use patchline_model::share::Share;
use patchline_model::stage::traffic::{Others, Traffic};
use tokio::sync::Notify;
use tokio::time::timeout_at;

use crate::process::balance::{Balance, Claim, Round, primary, shares_in_force};
use crate::process::cohort::Placement;
use crate::process::counters::Counters;
use crate::process::spec::WHOLE_PPM;
use crate::process::upstream::Upstream;

/// Where there are a stable version and a new one, they stand in this order.
const STABLE: usize = 0;
const NEW: usize = 1;

/// One arm as it should be routed to.
#[derive(Clone, Debug)]
pub struct Route {
    pub counters: Arc<Counters>,
    pub share_ppm: u32,
    /// Healthy instances that it takes to carry the share.
    pub carriers: u32,
    pub healthy: Vec<Arc<Upstream>>,
    /// What its instances are told of flags.
    pub flags: Option<HeaderValue>,
}

/// The table in force. A change is seen by every request that is chosen for after it.
#[derive(Debug)]
pub struct Routes {
    table: Mutex<Table>,
    /// Someone who waits for an instance may look again.
    changed: Notify,
    /// The supervisor should look at an instance.
    pub suspected: Notify,
    unrouted: AtomicU64,
}

#[derive(Debug)]
struct Table {
    arms: Vec<Arm>,
    traffic: Arc<Traffic>,
    balance: Balance,
    random: u64,
}

#[derive(Debug)]
struct Arm {
    route: Route,
    round: Round,
}

/// An instance chosen for one request; counts as in flight until dropped.
#[derive(Debug)]
pub struct Pick {
    pub counters: Arc<Counters>,
    pub upstream: Arc<Upstream>,
    pub flags: Option<HeaderValue>,
    /// Whether chance alone led here, so that it can be compared with the other arm.
    pub is_compared: bool,
    /// Of the first arm, which a mirror copies.
    pub is_stable: bool,
}

impl Pick {
    fn new(arm: &Arm, upstream: &Arc<Upstream>, is_compared: bool, is_stable: bool) -> Pick {
        let Route { counters, flags, .. } = &arm.route;
        counters.begin();
        upstream.begin();
        let (counters, upstream) = (Arc::clone(counters), Arc::clone(upstream));
        Pick { counters, upstream, flags: flags.clone(), is_compared, is_stable }
    }
}

impl Drop for Pick {
    fn drop(&mut self) {
        self.counters.end();
        self.upstream.end();
    }
}

/// Where a request failed before, so that its second try goes elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub version: String,
    pub instance: u64,
    pub is_compared: bool,
}

impl Routes {
    pub fn new(seed: u64) -> Routes {
        Routes {
            table: Mutex::new(Table {
                arms: Vec::new(),
                traffic: Arc::new(Traffic::ByTurns),
                balance: Balance::new(&[]),
                random: seed,
            }),
            changed: Notify::new(),
            suspected: Notify::new(),
            unrouted: AtomicU64::new(0),
        }
    }

    /// Puts other routes in force, at once. Exactness of the shares begins anew only where shares in force change.
    pub fn set(&self, routes: Vec<Route>, traffic: &Traffic) {
        let mut table = self.lock();
        if *table.traffic != *traffic {
            table.traffic = Arc::new(traffic.clone());
        }
        let before = std::mem::take(&mut table.arms);
        let same_arms = before.len() == routes.len()
            && before
                .iter()
                .zip(&routes)
                .all(|(arm, route)| arm.route.counters.version == route.counters.version);
        let rounds = before.iter().map(|arm| arm.round).chain(std::iter::repeat(Round::default()));
        table.arms = if same_arms {
            routes.into_iter().zip(rounds).map(|(route, round)| Arm { route, round }).collect()
        } else {
            routes.into_iter().map(|route| Arm { route, round: Round::default() }).collect()
        };
        table.balance_again(same_arms);
        for upstream in before.iter().flat_map(|arm| &arm.route.healthy) {
            if !table.routes_to(upstream.instance) {
                upstream.set_open(false);
            }
        }
        for (position, arm) in table.arms.iter().enumerate() {
            let is_open = table.balance.share_ppm(position) > 0 || table.mirror() == Some(position);
            arm.route.healthy.iter().for_each(|upstream| upstream.set_open(is_open));
        }
        drop(table);
        self.changed.notify_waiters();
    }

    /// An instance for a request, as soon as there is one; `None` when there was none until `until`. A second try goes
    /// elsewhere if it can, or else to the same instance, provided that the supervisor has put it back. A request whose
    /// turn was nobody's waits for the primary arm: were it to draw again at each change, a canary would get them all.
    pub async fn take(&self, place: Placement, failed: Option<&Failed>, until: Instant) -> Option<Pick> {
        let mut waits = false;
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let whose_turn = || self.lock().by_placement(place, waits);
            if let Some(pick) = failed.and_then(|failed| self.elsewhere(failed)).or_else(whose_turn) {
                return Some(pick);
            }
            waits = true;
            timeout_at(until.into(), changed).await.ok()?;
        }
    }

    /// How requests find their arm now.
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.lock().traffic)
    }

    /// Whether this one is drawn, by chance, with a chance of this share.
    pub fn is_drawn(&self, share: Share) -> bool {
        self.lock().draw() % u64::from(WHOLE_PPM) < u64::from(share.ppm())
    }

    /// An instance of the arm that answers copies.
    pub fn of_mirror(&self) -> Option<Pick> {
        let mut table = self.lock();
        table.mirror().and_then(|arm| table.pick(arm, None, false))
    }

    /// An instance of the arm that users are answered by, for the control of a copy.
    pub fn of_stable(&self) -> Option<Pick> {
        let mut table = self.lock();
        table.mirror().and_then(|_| table.pick(STABLE, None, false))
    }

    /// An instance other than where the request failed before: of the same arm if it has another one, or else of the
    /// primary arm.
    pub fn elsewhere(&self, failed: &Failed) -> Option<Pick> {
        self.lock().elsewhere(failed)
    }

    /// Takes an instance out that could not be connected to, until the supervisor has looked at it.
    pub fn suspect(&self, upstream: &Upstream) {
        upstream.suspect();
        let mut table = self.lock();
        for arm in &mut table.arms {
            arm.route.healthy.retain(|healthy| healthy.instance != upstream.instance);
        }
        table.balance_again(true);
        drop(table);
        upstream.set_open(false);
        self.suspected.notify_one();
        self.changed.notify_waiters();
    }

    /// The share in force of a version.
    pub fn share_ppm(&self, version: &str) -> u32 {
        let table = self.lock();
        let position = table.arms.iter().position(|arm| arm.route.counters.version == version);
        position.map_or(0, |position| table.balance.share_ppm(position))
    }

    pub fn count_unrouted(&self) {
        self.unrouted.fetch_add(1, Ordering::Relaxed);
    }

    pub fn unrouted(&self) -> u64 {
        self.unrouted.load(Ordering::Relaxed)
    }

    /// A copy was not sent, because as many as may be were under way.
    pub fn count_over_limit(&self) {
        if let Some(pick) = self.of_mirror() {
            pick.counters.mirrored(|mirrored| mirrored.over_limit += 1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn balance_again(&mut self, same_arms: bool) {
        let claims: Vec<Claim> = self
            .arms
            .iter()
            .map(|arm| Claim {
                share_ppm: arm.route.share_ppm,
                healthy: u32::try_from(arm.route.healthy.len()).unwrap_or(u32::MAX),
                carriers: arm.route.carriers,
            })
            .collect();
        let shares = shares_in_force(&claims, self.primary());
        let is_same =
            same_arms && shares.iter().enumerate().all(|(arm, share)| self.balance.share_ppm(arm) == *share);
        if !is_same {
            self.balance = Balance::new(&shares);
        }
    }

    /// Where a request goes from its place; once it `waits`, chance is not asked again: what was nobody's is the primary's.
    fn by_placement(&mut self, place: Placement, waits: bool) -> Option<Pick> {
        let traffic = Arc::clone(&self.traffic);
        let (arm, is_compared) = match (&*traffic, place) {
            (Traffic::ByKey { .. }, Placement::Keyed(bucket)) => self.by_bucket(bucket),
            (Traffic::ByKey { others: Others::Stable, .. }, Placement::Anywhere) => (STABLE, false),
            (
                Traffic::ByTurns | Traffic::ByKey { others: Others::ByTurns, .. } | Traffic::Mirrored(_),
                Placement::Anywhere,
            )
            | (Traffic::ByTurns | Traffic::Mirrored(_), Placement::Keyed(_)) => {
                let arm = if waits { self.primary()? } else { self.by_turns()? };
                // Of mirrored requests the pairs are compared, and nothing else.
                (arm, !matches!(*traffic, Traffic::Mirrored(_)))
            }
        };
        self.pick(arm, None, is_compared)
    }

    /// The new version has the lower part of the places, as far as its healthy instances carry its share. Who belongs there
    /// and does not fit is served by the stable version, and that is no fair comparison.
    fn by_bucket(&self, bucket: Bucket) -> (usize, bool) {
        if bucket.ppm() < self.balance.share_ppm(NEW) {
            return (NEW, true);
        }
        let wanted = self.arms.get(NEW).map_or(0, |arm| arm.route.share_ppm);
        (STABLE, bucket.ppm() >= wanted)
    }

    fn by_turns(&mut self) -> Option<usize> {
        let draw = self.draw();
        self.balance.choose(draw)
    }

    fn elsewhere(&mut self, failed: &Failed) -> Option<Pick> {
        let same = self.arms.iter().position(|arm| arm.route.counters.version == failed.version);
        let same = same.filter(|arm| self.balance.share_ppm(*arm) > 0);
        let by_turns = *self.traffic == Traffic::ByTurns;
        same.into_iter().chain(self.primary()).find_map(|arm| {
            let is_compared = failed.is_compared && (by_turns || Some(arm) == same);
            self.pick(arm, Some(failed.instance), is_compared)
        })
    }

    fn pick(&mut self, arm: usize, but_not: Option<u64>, is_compared: bool) -> Option<Pick> {
        let upstream = self.arms.get_mut(arm)?.next(but_not)?;
        Some(Pick::new(&self.arms[arm], &upstream, is_compared, arm == STABLE))
    }

    /// Whose is what the others can't carry: the arm with the greatest share, and among users with keys the stable one.
    fn primary(&self) -> Option<usize> {
        match &*self.traffic {
            Traffic::ByTurns | Traffic::Mirrored(_) => {
                primary(self.arms.iter().map(|arm| arm.route.share_ppm))
            }
            Traffic::ByKey { .. } => (!self.arms.is_empty()).then_some(STABLE),
        }
    }

    /// The arm that copies go to.
    fn mirror(&self) -> Option<usize> {
        match &*self.traffic {
            Traffic::Mirrored(_) => Some(NEW),
            Traffic::ByTurns | Traffic::ByKey { .. } => None,
        }
    }

    fn routes_to(&self, instance: u64) -> bool {
        self.arms.iter().any(|arm| arm.route.healthy.iter().any(|healthy| healthy.instance == instance))
    }

    /// SplitMix64 (Steele, Lea, Flood, 2014): even enough to place requests, and cheap.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Arm {
    fn next(&mut self, but_not: Option<u64>) -> Option<Arc<Upstream>> {
        let healthy = &self.route.healthy;
        for _ in 0..healthy.len() {
            let upstream = &healthy[self.round.choose(healthy.len())?];
            if Some(upstream.instance) != but_not {
                return Some(Arc::clone(upstream));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(version: &str, share_ppm: u32, instances: &[u64]) -> Route {
        let healthy = instances.iter().map(|instance| Upstream::new(*instance, 1)).collect();
        Route { counters: Counters::new(version, version), share_ppm, carriers: 1, healthy, flags: None }
    }

    fn taken(routes: &Routes, times: usize) -> Vec<String> {
        let one = || {
            routes
                .lock()
                .by_placement(Placement::Anywhere, false)
                .map_or_else(|| "none".to_owned(), |pick| pick.counters.version.clone())
        };
        (0..times).map(|_| one()).collect()
    }

    #[test]
    fn no_request_is_chosen_for_an_arm_once_its_share_is_gone() {
        let routes = Routes::new(1);
        routes.set(vec![route("stable", 400_000, &[1]), route("bad", 600_000, &[2])], &Traffic::ByTurns);
        assert!(taken(&routes, 10).contains(&"bad".to_owned()));
        let bad = routes
            .elsewhere(&Failed { version: "stable".to_owned(), instance: 1, is_compared: true })
            .expect("bad is left");
        assert!(bad.upstream.is_open());
        let still_there = Route {
            counters: Arc::clone(&bad.counters),
            share_ppm: 0,
            carriers: 0,
            healthy: vec![Arc::clone(&bad.upstream)],
            flags: None,
        };
        routes.set(vec![route("stable", 1_000_000, &[1]), still_there], &Traffic::ByTurns);
        assert!(!bad.upstream.is_open(), "what was chosen before must look once more");
        assert_eq!(taken(&routes, 10), vec!["stable"; 10]);
        assert_eq!((bad.upstream.in_flight(), bad.counters.in_flight()), (1, 1));
    }

    #[test]
    fn a_second_try_goes_to_another_instance_of_the_same_arm_first() {
        let routes = Routes::new(1);
        routes.set(vec![route("one", 900_000, &[1, 2]), route("two", 100_000, &[3])], &Traffic::ByTurns);
        let failed = Failed { version: "one".to_owned(), instance: 1, is_compared: true };
        let pick = routes.elsewhere(&failed).expect("there is another one");
        assert_eq!(pick.upstream.instance, 2);
        let of_minor = Failed { version: "two".to_owned(), instance: 3, is_compared: true };
        assert_eq!(routes.elsewhere(&of_minor).expect("the primary arm").counters.version, "one");
        routes.suspect(&Upstream::new(2, 1));
        assert!(routes.elsewhere(&failed).is_none(), "a minor arm does not take what the primary can't");
    }

    #[tokio::test]
    async fn while_stable_is_ill_the_canary_keeps_its_share_and_the_others_wait_for_stable() {
        let routes = Arc::new(Routes::new(1));
        let ill = || vec![route("stable", 900_000, &[]), route("canary", 100_000, &[3])];
        routes.set(ill(), &Traffic::ByTurns);
        let served = taken(&routes, 100).into_iter().filter(|arm| arm == "canary").count();
        assert_eq!(served, 10);
        let waiting: Vec<_> = (0..50)
            .map(|_| {
                let routes = Arc::clone(&routes);
                let until = Instant::now() + std::time::Duration::from_secs(60);
                tokio::spawn(async move { routes.take(Placement::Anywhere, None, until).await })
            })
            .collect();
        for _ in 0..50 {
            tokio::task::yield_now().await;
            routes.set(ill(), &Traffic::ByTurns);
        }
        routes.set(vec![route("stable", 900_000, &[1]), route("canary", 100_000, &[3])], &Traffic::ByTurns);
        let mut canary = 0;
        for taken in waiting {
            let pick = taken.await.expect("the task ends").expect("stable is back");
            canary += usize::from(pick.counters.version == "canary");
        }
        assert!(canary <= 6, "{canary} of 50, and 5 are its share");
    }

    #[tokio::test]
    async fn a_request_waits_for_an_instance_and_not_for_ever() {
        let routes = Arc::new(Routes::new(1));
        let soon = Instant::now() + std::time::Duration::from_millis(20);
        assert!(routes.take(Placement::Anywhere, None, soon).await.is_none());
        let waiting = tokio::spawn({
            let routes = Arc::clone(&routes);
            async move {
                routes
                    .take(Placement::Anywhere, None, Instant::now() + std::time::Duration::from_secs(60))
                    .await
            }
        });
        tokio::task::yield_now().await;
        routes.set(vec![route("one", 1_000_000, &[1])], &Traffic::ByTurns);
        assert!(waiting.await.expect("the task ends").is_some());
    }
}
