//! Hundreds of small simulated rollouts from one seed: how often the judge is wrong, and how soon it is right.

use patchline_judge::arms::{Arm, Instances, Latency, Tick};
use patchline_judge::judge::{Decision, Judge, Settings};

const RUNS: u32 = 300;
const TICKS: u32 = 180;

/// A world of 500 requests in a tick of ten seconds, unless said otherwise.
#[derive(Clone, Copy)]
struct World {
    requests: f64,
    share: f64,
    rate: f64,
    worse: f64,
    /// Ticks in which both arms fail by three points more.
    incident: (u32, u32),
    /// Mean number of errors that come together.
    clump: f64,
    /// Milliseconds; the canary's are multiplied by `slower`.
    median: Option<f64>,
    slower: f64,
}

const CLEAN: World = World {
    requests: 500.0,
    share: 0.05,
    rate: 0.001,
    worse: 0.0,
    incident: (0, 0),
    clump: 1.0,
    median: None,
    slower: 1.0,
};

/// A world in which each instance pauses now and then, and all requests that arrive meanwhile wait for the rest of it.
/// The canary is one instance beside three. Looks are of one second.
#[derive(Clone, Copy)]
struct Pausing {
    requests_per_second: f64,
    share: f64,
    /// Mean seconds between pauses of an instance; they last 0.1 to 3 seconds.
    seconds_between: f64,
    /// How many times as often the canary pauses.
    more_often: f64,
    /// What the canary's requests of the first ten seconds take, in units of the usual.
    cold: f64,
    known: bool,
}

const PAUSING: Pausing = Pausing {
    requests_per_second: 50.0,
    share: 0.05,
    seconds_between: 40.0,
    more_often: 1.0,
    cold: 1.0,
    known: false,
};

#[derive(Default, Debug)]
struct Tally {
    rolled_back: u32,
    promoted: u32,
    /// Ticks until rollback, in order.
    ticks: Vec<u32>,
}

impl Tally {
    fn rolled_back(&self) -> f64 {
        f64::from(self.rolled_back) / f64::from(RUNS)
    }

    fn promoted(&self) -> f64 {
        f64::from(self.promoted) / f64::from(RUNS)
    }

    fn median_ticks(&self) -> u32 {
        self.ticks[self.ticks.len() / 2]
    }
}

#[test]
fn a_clean_canary_is_promoted_and_seldom_rolled_back() {
    let tallies: Vec<Tally> = [1, 11, 12, 13].map(|seed| simulate(CLEAN, seed)).into();
    let mean = |part: fn(&Tally) -> f64| tallies.iter().map(part).sum::<f64>() / tallies.len() as f64;
    assert!(mean(Tally::rolled_back) <= 0.01, "{tallies:?}");
    assert!(mean(Tally::promoted) >= 0.97, "{tallies:?}");
}

#[test]
fn a_shared_incident_neither_rolls_back_nor_forbids_promotion() {
    let tally = simulate(World { incident: (10, 28), ..CLEAN }, 2);
    assert!(tally.rolled_back() <= 0.01, "{tally:?}");
    assert!(tally.promoted() >= 0.95, "{tally:?}");
}

#[test]
fn clumped_errors_roll_back_seldom() {
    for (seed, clump) in [(3, 3.0), (8, 1.3), (9, 10.0)] {
        let tally = simulate(World { clump, ..CLEAN }, seed);
        // Two standard errors of so many runs above alpha.
        assert!(tally.rolled_back() <= 0.02, "{clump}: {tally:?}");
    }
}

#[test]
fn a_base_rate_of_one_percent_is_no_fault_and_no_obstacle() {
    let tally = simulate(World { rate: 0.01, ..CLEAN }, 4);
    assert!(tally.rolled_back() <= 0.01, "{tally:?}");
    assert!(tally.promoted() >= 0.6, "{tally:?}");
}

#[test]
fn half_a_point_two_points_and_twenty_points_are_found() {
    for (worse, found, ticks) in [(0.005, 0.92, 45), (0.02, 1.0, 9), (0.2, 1.0, 1)] {
        let tally = simulate(World { worse, ..CLEAN }, 5);
        assert!(tally.rolled_back() >= found, "{worse}: {tally:?}");
        assert!(tally.median_ticks() <= ticks, "{worse}: {} ticks", tally.median_ticks());
    }
}

#[test]
fn a_canary_that_is_worse_by_just_the_margin_is_promoted_less_often_than_beta() {
    for (share, rate, clump) in [(0.05, 0.001, 1.0), (0.05, 0.01, 1.0), (0.5, 0.01, 1.0), (0.05, 0.001, 3.0)]
    {
        let tally = simulate(World { share, rate, clump, worse: 0.005, ..CLEAN }, 6);
        // Two standard errors of so many runs above beta.
        assert!(tally.promoted() <= 0.075, "{share} {rate} {clump}: {tally:?}");
    }
}

#[test]
fn a_slower_canary_is_found_and_an_equal_one_is_promoted() {
    let alike = World { median: Some(50.0), ..CLEAN };
    let tally = simulate(alike, 7);
    assert!(tally.rolled_back() <= 0.01, "{tally:?}");
    assert!(tally.promoted() >= 0.97, "{tally:?}");
    let tally = simulate(World { slower: 1.2, ..alike }, 8);
    assert!(tally.rolled_back() >= 0.99, "{tally:?}");
    assert!(tally.median_ticks() <= 8, "{} ticks", tally.median_ticks());
}

#[test]
fn a_lone_canary_that_pauses_as_often_as_the_others_is_left_alone() {
    let (mut rolled_back, mut runs) = (0, 0);
    for (requests_per_second, share) in [(50.0, 0.05), (50.0, 0.25), (200.0, 0.05), (200.0, 0.25)] {
        for seconds_between in [20.0, 60.0] {
            for known in [false, true] {
                let world = Pausing { requests_per_second, share, seconds_between, known, ..PAUSING };
                rolled_back += pausing(world, 25, 11);
                runs += 25;
            }
        }
    }
    assert!(f64::from(rolled_back) <= 0.01 * f64::from(runs) + 2.0, "{rolled_back} of {runs}");
}

#[test]
fn a_canary_that_pauses_five_times_as_often_is_found() {
    for (requests_per_second, share) in [(50.0, 0.25), (200.0, 0.25)] {
        let world = Pausing {
            requests_per_second,
            share,
            seconds_between: 20.0,
            more_often: 5.0,
            known: true,
            ..PAUSING
        };
        let found = pausing(world, 20, 12);
        assert!(found >= 18, "{requests_per_second} {share}: {found} of 20");
    }
}

#[test]
fn a_cold_start_is_no_harm() {
    let rolled_back = pausing(Pausing { seconds_between: 1e9, cold: 3.0, ..PAUSING }, 60, 13);
    assert!(rolled_back <= 1, "{rolled_back} of 60");
}

#[test]
fn instances_that_join_may_be_cold_and_a_version_that_stays_slow_is_found() {
    let joined = |cold_seconds, is_told| joining(Joining { slower: 6.0, cold_seconds, is_told }, 40, 14);
    let (untold, told) = (joined(15, false), joined(15, true));
    assert!(untold >= 8, "without the number it looks like harm: {untold} of 40");
    assert!(told <= 1, "{told} of 40");
    let slow = joining(Joining { slower: 1.5, cold_seconds: 900, is_told: true }, 40, 15);
    assert!(slow >= 39, "{slow} of 40");
}

/// Every two minutes an instance joins the canary, which answers more slowly while it is cold.
struct Joining {
    slower: f64,
    cold_seconds: usize,
    /// Whether the judge is told how many instances there are.
    is_told: bool,
}

/// How many of the runs of fifteen minutes end with a rollback.
fn joining(world: Joining, runs: u32, seed: u64) -> u32 {
    const EVERY: usize = 120;
    let mut chance = Chance(seed);
    let mut rolled_back = 0;
    for _ in 0..runs {
        let mut judge = Judge::new(Settings { latency: true, ..Settings::default() }).expect("good settings");
        let mut second = |now: usize, is_canary: bool| {
            let mut arm = Arm::default();
            for joined in (0..=now / EVERY).map(|number| number * EVERY) {
                let is_cold = is_canary && joined > 0 && now - joined < world.cold_seconds;
                let slower = if is_cold { world.slower } else { 1.0 };
                for _ in 0..chance.poisson(10.0) {
                    arm.requests += 1;
                    let millis = 50.0 * slower * (0.5 * chance.normal()).exp();
                    arm.latency.record_micros((1000.0 * millis) as u64);
                }
            }
            arm
        };
        rolled_back += u32::from((0..900).any(|now| {
            let (canary, baseline) = (Some(second(now, true)), Some(second(now, false)));
            let canary_instances = world.is_told.then_some(1 + (now / EVERY) as u32);
            let tick = Tick { canary, baseline, canary_instances, ..Tick::default() };
            judge.observe(&tick).decision == Decision::Rollback
        }));
    }
    rolled_back
}

/// How many of the runs of fifteen minutes end with a rollback, after a promotion included.
fn pausing(world: Pausing, runs: u32, seed: u64) -> u32 {
    let mut chance = Chance(seed);
    let mut rolled_back = 0;
    for _ in 0..runs {
        let instances = world.known.then_some(Instances { canary: 1, baseline: 3 });
        let settings = Settings { latency: true, instances, ..Settings::default() };
        let mut judge = Judge::new(settings).expect("good settings");
        let rate = |share: f64, instances: f64| world.requests_per_second * share / instances;
        let often = world.seconds_between / world.more_often;
        let canary = instance(&mut chance, rate(world.share, 1.0), often, world.cold);
        let mut baseline = vec![Arm::default(); canary.len()];
        for _ in 0..3 {
            let one = instance(&mut chance, rate(1.0 - world.share, 3.0), world.seconds_between, 1.0);
            baseline.iter_mut().zip(&one).for_each(|(all, one)| all.merge(one));
        }
        let mut looks = canary.into_iter().zip(baseline);
        let ill = |(canary, baseline)| {
            let tick = Tick { canary: Some(canary), baseline: Some(baseline), ..Tick::default() };
            judge.observe(&tick).decision == Decision::Rollback
        };
        rolled_back += u32::from(looks.any(ill));
    }
    rolled_back
}

/// Fifteen minutes of one instance, second by second.
fn instance(chance: &mut Chance, rate: f64, seconds_between: f64, cold: f64) -> Vec<Arm> {
    const SECONDS: usize = 900;
    let mut seconds = vec![Arm::default(); SECONDS];
    let (mut now, mut pause) = (chance.waiting(1.0 / rate), (0.0, 0.0));
    while now < SECONDS as f64 {
        while pause.1 <= now {
            let begins = pause.1 + chance.waiting(seconds_between);
            pause = (begins, begins + 0.1 + 2.9 * chance.unit());
        }
        let slower = if now < 10.0 { cold } else { 1.0 };
        let wait = if now >= pause.0 { pause.1 - now } else { 0.0 };
        let seconds_taken = 0.05 * slower * (0.5 * chance.normal()).exp() + wait;
        let arm = &mut seconds[now as usize];
        arm.requests += 1;
        arm.latency.record_micros((1e6 * seconds_taken) as u64);
        now += chance.waiting(1.0 / rate);
    }
    seconds
}

fn simulate(world: World, seed: u64) -> Tally {
    let mut chance = Chance(seed);
    let runs = if world.median.is_some() { RUNS / 3 } else { RUNS };
    let mut tally = Tally::default();
    for _ in 0..runs {
        let latency = world.median.is_some();
        let settings = Settings { latency, tick_seconds: 10.0, ..Settings::default() };
        let mut judge = Judge::new(settings).expect("good settings");
        let history: Vec<_> = (0..60).map(|_| Some(arm(&mut chance, &world, false, false))).collect();
        judge.history(&history);
        for tick in 0..TICKS {
            let incident = (world.incident.0..world.incident.1).contains(&tick);
            let canary = arm(&mut chance, &world, true, incident);
            let baseline = arm(&mut chance, &world, false, incident);
            let verdict =
                judge.observe(&Tick { canary: Some(canary), baseline: Some(baseline), ..Tick::default() });
            match verdict.decision {
                Decision::Continue => continue,
                Decision::Promote => tally.promoted += 1,
                Decision::Rollback => {
                    tally.rolled_back += 1;
                    tally.ticks.push(tick + 1);
                }
                Decision::Inconclusive => unreachable!("observe never says so"),
            }
            break;
        }
    }
    tally.rolled_back *= RUNS / runs;
    tally.promoted *= RUNS / runs;
    tally.ticks.sort_unstable();
    tally
}

fn arm(chance: &mut Chance, world: &World, canary: bool, incident: bool) -> Arm {
    let share = if canary { world.share } else { 1.0 - world.share };
    let rate = world.rate + if canary { world.worse } else { 0.0 } + if incident { 0.03 } else { 0.0 };
    let clumps = chance.poisson(world.requests * share * rate / world.clump);
    let errors = (0..clumps).map(|_| chance.geometric(world.clump)).sum();
    let requests = chance.poisson(world.requests * share * (1.0 - rate)) + errors;
    let mut latency = Latency::default();
    if let Some(median) = world.median {
        let median = median * if canary { world.slower } else { 1.0 };
        for _ in 0..requests {
            latency.record_micros((1000.0 * median * (0.5 * chance.normal()).exp()) as u64);
        }
    }
    Arm { requests, errors, latency }
}

/// A linear congruential generator whose upper bits are stirred: the same numbers on every machine.
struct Chance(u64);

impl Chance {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let stirred = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((stirred >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// By waiting times in chunks, so that large means do not underflow.
    fn poisson(&mut self, mean: f64) -> u64 {
        let (mut left, mut count) = (mean, 0);
        while left > 0.0 {
            let (limit, mut product) = ((-left.min(30.0)).exp(), self.unit());
            while product > limit {
                product *= self.unit();
                count += 1;
            }
            left -= 30.0;
        }
        count
    }

    fn waiting(&mut self, mean: f64) -> f64 {
        -mean * self.unit().ln()
    }

    fn geometric(&mut self, mean: f64) -> u64 {
        if mean <= 1.0 { 1 } else { 1 + (self.unit().ln() / (1.0 - 1.0 / mean).ln()) as u64 }
    }

    /// Sum of uniform numbers, near enough to a normal one.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}
