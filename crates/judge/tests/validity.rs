//! That the evidence is honest: exact enumeration of small worlds, and properties over any counts.

use std::collections::BTreeMap;

use patchline_judge::arms::{Arm, BUCKETS, Latency, Tick};
use patchline_judge::errors::{Table, log_moment};
use patchline_judge::gauge::{GaugeSettings, Gauges, Unit};
use patchline_judge::incidents::{BothIncidents, Incidents};
use patchline_judge::judge::{BadSettings, Data, Decision, Judge, Settings};
use patchline_judge::latency::log_e_ranks;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use proptest::strategy::Strategy;

fn choose(n: u64, k: u64) -> f64 {
    (0..k).fold(1.0, |product, i| product * (n - i) as f64 / (i + 1) as f64)
}

/// Mean of `e` at odds ratio `alternative` in a world where the true odds ratio is `truth`.
fn mean_of_e(canary: u64, baseline: u64, events: u64, alternative: f64, truth: f64) -> f64 {
    let support = events.saturating_sub(baseline)..=events.min(canary);
    let weight = |j: u64| choose(canary, j) * choose(baseline, events - j) * truth.powi(j as i32);
    let total: f64 = support.clone().map(weight).sum();
    let e = |j: u64| Table::new(canary, j, baseline, events - j).log_e(alternative.ln()).exp();
    support.map(|j| weight(j) / total * e(j)).sum()
}

#[test]
fn the_mean_of_the_error_evidence_is_one_if_both_arms_are_alike_and_less_if_the_canary_is_better() {
    for (canary, baseline) in (1..9).flat_map(|c| (1..9).map(move |b| (c, b))) {
        for events in 0..=canary + baseline {
            for odds in [1.5, 6.0, 400.0] {
                let alike = mean_of_e(canary, baseline, events, odds, 1.0);
                assert!((alike - 1.0).abs() < 1e-9, "{canary} {baseline} {events} {odds}: {alike}");
                let better = mean_of_e(canary, baseline, events, odds, 0.5);
                assert!(better <= 1.0 + 1e-9, "{canary} {baseline} {events} {odds}: {better}");
            }
        }
    }
}

#[test]
fn the_mean_of_the_rank_evidence_is_at_most_one_over_all_ways_to_draw_the_canary() {
    for pooled in [vec![3, 1, 4, 1], vec![1, 1, 1, 1, 1, 1, 1, 1], vec![9], vec![1, 7, 2]] {
        let requests: Vec<usize> =
            pooled.iter().enumerate().flat_map(|(bucket, count)| vec![bucket; *count]).collect();
        for size in 1..requests.len() as u32 {
            let draws = (0u32..1 << requests.len()).filter(|draw| draw.count_ones() == size);
            let (mut sum, mut count) = ([0.0; 5], 0.0);
            for draw in draws {
                let mut arms = [[0u64; BUCKETS as usize]; 2];
                for (at, bucket) in requests.iter().enumerate() {
                    arms[(draw >> at & 1) as usize][*bucket] += 1;
                }
                let log_e = log_e_ranks(&arms[1], &arms[0]);
                sum.iter_mut().zip(log_e).for_each(|(sum, log_e)| *sum += log_e.exp());
                count += 1.0;
            }
            assert!(sum.iter().all(|sum| sum / count <= 1.0 + 1e-9), "{pooled:?} {size}: {sum:?} {count}");
        }
    }
}

#[test]
fn a_billion_requests_are_judged_without_a_billion_steps() {
    let table = Table::new(1 << 31, 1 << 25, 1 << 31, 1 << 25);
    for odds in [1.01, 2.0, 400.0] {
        let log_e = table.log_e(f64::ln(odds));
        assert!(log_e.is_finite() && log_e < 1.0, "{odds}: {log_e}");
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for alpha in [0.0, 1.0, -0.1, f64::NAN, f64::INFINITY] {
        let refused = Judge::new(Settings { alpha, ..Settings::default() }).expect_err("no share");
        assert!(matches!(refused, BadSettings::NotBetweenZeroAndOne { name: "alpha", .. }));
    }
    assert!(Judge::new(Settings { latency_margin: f64::NAN, ..Settings::default() }).is_err());
}

#[test]
fn a_rollback_is_for_good() {
    let mut judge = judge(false);
    let ill = tick((100, 50), (900, 1));
    judge.observe(&ill);
    assert_eq!(judge.observe(&ill).decision, Decision::Rollback);
    for _ in 0..200 {
        assert_eq!(judge.observe(&tick((100, 0), (900, 1))).decision, Decision::Rollback);
    }
}

#[test]
fn a_burst_of_errors_in_one_look_may_be_one_client_and_bursts_in_two_are_not() {
    for errors in [3, 10, 60] {
        let mut judge = judge(false);
        let ill = tick((100, errors), (900, 0));
        assert_eq!(judge.observe(&ill).decision, Decision::Continue, "{errors}");
        assert!((0..2).any(|_| judge.observe(&ill).decision == Decision::Rollback), "{errors}");
    }
}

#[test]
fn a_promoted_canary_stays_watched() {
    let mut judge = judge(false);
    let mut last = Decision::Continue;
    for _ in 0..60 {
        last = judge.observe(&tick((100, 0), (900, 1))).decision;
    }
    assert_eq!(last, Decision::Promote);
    assert!((0..5).any(|_| judge.observe(&tick((100, 20), (900, 1))).decision == Decision::Rollback));
}

#[test]
fn no_promotion_before_the_bake_or_without_latency_where_it_is_guarded() {
    let settings = Settings { minimum_ticks: 80, ..Settings::default() };
    let mut baking = Judge::new(settings).expect("good settings");
    let mut blind = judge(true);
    for looked in 1..=79 {
        let good = tick((100, 0), (900, 1));
        assert_eq!(baking.observe(&good).decision, Decision::Continue, "tick {looked}");
        assert_eq!(blind.observe(&good).decision, Decision::Continue, "tick {looked}");
    }
    assert_eq!(baking.observe(&tick((100, 0), (900, 1))).decision, Decision::Promote);
    assert_eq!(blind.conclude().decision, Decision::Inconclusive);
}

#[test]
fn an_incident_that_hits_both_arms_alike_cancels() {
    let mut judge = judge(false);
    for _ in 0..20 {
        judge.observe(&tick((100, 0), (900, 1)));
    }
    for _ in 0..20 {
        let verdict = judge.observe(&tick((100, 30), (900, 270)));
        assert_ne!(verdict.decision, Decision::Rollback, "{verdict:?}");
        assert!(verdict.guards[0].log_evidence < 0.5, "{verdict:?}");
    }
}

#[test]
fn a_split_that_is_not_the_plans_is_no_harm_and_no_promotion() {
    let mut judge = judge(false);
    for _ in 0..60 {
        let tick = Tick { planned_share: Some(0.5), ..tick((100, 0), (900, 1)) };
        let verdict = judge.observe(&tick);
        assert_eq!(verdict.data, Data::WrongSplit, "{verdict:?}");
        assert_eq!(verdict.decision, Decision::Continue, "{verdict:?}");
    }
    assert_eq!(judge.observe(&Tick::default()).data, Data::WrongSplit);
}

#[test]
fn missing_data_is_a_state_of_its_own() {
    let mut judge = judge(false);
    assert_eq!(judge.observe(&Tick::default()).data, Data::Missing);
    assert_eq!(judge.observe(&tick((100, 0), (900, 1))).data, Data::Sound);
}

#[test]
fn latency_of_the_warm_up_is_no_evidence_but_its_errors_are() {
    let settings = Settings { latency: true, warm_up_seconds: 8.0, ..Settings::default() };
    let mut judge = Judge::new(settings).expect("good settings");
    let arm = |micros, requests| {
        let latency = Latency::from(vec![(Latency::bucket_of(micros), requests)]);
        Some(Arm { requests, errors: 0, latency })
    };
    for looked in 1..=12 {
        let slow = Tick { canary: arm(90_000, 50), baseline: arm(50_000, 450), ..Tick::default() };
        let evidence = judge.observe(&slow).guards[1].log_evidence;
        assert_eq!(evidence.abs() > 1e-9, looked > 8, "look {looked}: {evidence}");
    }
    let mut ill = self::judge(true);
    assert!((0..3).any(|_| ill.observe(&tick((100, 50), (900, 1))).decision == Decision::Rollback));
}

proptest! {
    #[test]
    fn more_of_the_events_on_the_canary_is_more_evidence(
        canary in 1u64..3000, baseline in 1u64..3000, events in 1u64..500, odds in 1.1f64..400.0
    ) {
        let events = events.min(canary + baseline - 1);
        let (least, most) = (events.saturating_sub(baseline), events.min(canary));
        let log_e = |j: u64| Table::new(canary, j, baseline, events - j).log_e(odds.ln());
        prop_assert!((least..most).all(|j| log_e(j) < log_e(j + 1)));
    }

    #[test]
    fn a_sample_drawn_without_return_is_below_hoeffdings_bound(
        canary in 1u64..1_000_000, baseline in 1u64..1_000_000, share in 0.0f64..1.0, odds in 1.1f64..400.0
    ) {
        let all = (canary + baseline) as f64;
        let events = (share * all) as u64;
        let weight = canary as f64 / all;
        let moment = log_moment(canary, baseline, events, odds.ln());
        prop_assert!(moment <= events as f64 * (1.0 - weight + weight * odds).ln() + 1e-6);
        // Jensen: the mean of θ^J is at least θ to the mean of J.
        prop_assert!(moment >= events as f64 * weight * odds.ln() - 1e-6);
    }

    #[test]
    fn what_is_missing_is_no_evidence(
        ticks in proptest::collection::vec(any_tick(), 1..20), gaps in proptest::collection::vec(0usize..4, 20)
    ) {
        let (mut whole, mut holed) = (judge(true), judge(true));
        for (tick, gaps) in ticks.iter().zip(gaps) {
            for gap in 0..gaps {
                let mut missing = tick.clone();
                if gap % 2 == 0 { missing.canary = None } else { missing.baseline = None }
                holed.observe(&missing);
            }
            let (whole, holed) = (whole.observe(tick), holed.observe(tick));
            prop_assert_eq!(&whole.guards, &holed.guards);
            prop_assert_eq!(&whole.promotion, &holed.promotion);
            prop_assert_eq!(whole.decision, holed.decision);
        }
    }

    #[test]
    fn the_same_ticks_give_the_same_bytes(ticks in proptest::collection::vec(any_tick(), 1..20)) {
        let run = || {
            let mut judge = judge(true);
            let verdicts: Vec<_> = ticks.iter().map(|tick| judge.observe(tick)).collect();
            serde_json::to_string(&(verdicts, judge)).expect("verdicts are JSON")
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn any_counts_give_numbers(
        counts in proptest::collection::vec(any::<[u64; 4]>(), 1..8), shift in 0u32..64
    ) {
        let mut judge = judge(true);
        for [a, b, c, d] in counts {
            let arm = |requests: u64, errors| Arm {
                requests: requests >> shift,
                errors,
                latency: Latency::from(vec![(errors as u16, requests >> shift)]),
            };
            let verdict = judge.observe(&Tick { canary: Some(arm(a, b)), baseline: Some(arm(c, d)), ..Tick::default() });
            prop_assert!(verdict.guards.iter().all(|guard| !guard.log_evidence.is_nan()));
            prop_assert!(!verdict.promotion.log_evidence.is_nan());
        }
    }
}

fn judge(latency: bool) -> Judge {
    Judge::new(Settings { latency, ..Settings::default() }).expect("good settings")
}

fn tick(canary: (u64, u64), baseline: (u64, u64)) -> Tick {
    let arm = |(requests, errors)| Some(Arm { requests, errors, latency: Latency::default() });
    Tick { canary: arm(canary), baseline: arm(baseline), ..Tick::default() }
}

fn any_arm() -> impl Strategy<Value = Arm> {
    let latency = proptest::collection::vec((0u16..BUCKETS, 0u64..50), 0..8);
    (0u64..500, 0u64..50, latency).prop_map(|(requests, errors, pairs)| Arm {
        requests,
        errors,
        latency: Latency::from(pairs),
    })
}

fn any_tick() -> impl Strategy<Value = Tick> {
    (any_arm(), any_arm()).prop_map(|(canary, baseline)| Tick {
        canary: Some(canary),
        baseline: Some(baseline),
        ..Tick::default()
    })
}

#[test]
fn crashes_and_leaks_of_the_canary_are_harm_and_what_is_not_watched_is_none() {
    let incidents = |canary, baseline| {
        let of = |count, exposure| Incidents { count, exposure };
        Some(BothIncidents { canary: of(canary, 1.0), baseline: of(baseline, 3.0) })
    };
    let crashing = Tick { incidents: incidents(1, 0), ..tick((100, 0), (900, 1)) };
    let watching = Settings { incidents: true, ..Settings::default() };
    let mut judge = Judge::new(watching.clone()).expect("good settings");
    let verdict = (0..12).map(|_| judge.observe(&crashing)).last().expect("some looks");
    assert_eq!(verdict.decision, Decision::Rollback, "{verdict:?}");
    assert!(verdict.reason.contains("12 times in 0.00"), "{}", verdict.reason);
    let mut blind = self::judge(false);
    assert!((0..12).all(|_| blind.observe(&crashing).decision != Decision::Rollback));
    let mut sound = Judge::new(watching).expect("good settings");
    let alike = Tick { incidents: incidents(1, 3), ..tick((100, 0), (900, 1)) };
    assert!((0..300).all(|_| sound.observe(&alike).decision != Decision::Rollback));
}

#[test]
fn a_gauge_beyond_the_limit_of_the_user_is_harm_at_once_and_one_beyond_its_margin_is_in_time() {
    let settings = |limit| {
        let memory = GaugeSettings { unit: Unit::Plain, slack: 0.0, limit, ..GaugeSettings::memory(0.5) };
        Settings { gauges: BTreeMap::from([("memory".to_owned(), memory)]), ..Settings::default() }
    };
    let leaking = |look: u32| {
        let wave = |at: u32| (at.to_string(), 100.0 + f64::from((look * 7 + at * 13) % 31));
        let gauges = Gauges {
            canary: BTreeMap::from([("9".to_owned(), 100.0 + 4.0 * f64::from(look))]),
            baseline: (0..3).map(wave).collect(),
        };
        Tick { gauges: BTreeMap::from([("memory".to_owned(), gauges)]), ..tick((100, 0), (900, 1)) }
    };
    let first = |limit| {
        let mut judge = Judge::new(settings(limit)).expect("good settings");
        let taken_back = (0..400).map(|look| (look, judge.observe(&leaking(look))));
        taken_back.into_iter().find(|(_, verdict)| verdict.decision == Decision::Rollback).expect("it leaks")
    };
    let (limited, free) = (first(Some(250.0)), first(None));
    assert!(limited.0 < 50 && limited.1.reason.contains("memory is beyond its limit"), "{limited:?}");
    assert!(free.0 > limited.0 && free.0 < 150, "{free:?}");
    assert!(free.1.reason.contains("memory is beyond the margin of 50 %"), "{free:?}");
    let waits = Judge::new(settings(None))
        .map(|mut judge| (0..60).map(|look| judge.observe(&leaking(look))).last().expect("some looks"));
    let waits = waits.expect("good settings");
    assert_eq!(waits.decision, Decision::Continue, "what is beyond its margin is not promoted: {waits:?}");
    let refused = Settings {
        gauges: BTreeMap::from([("cpu".to_owned(), GaugeSettings::cpu(-0.5))]),
        ..Settings::default()
    };
    assert!(matches!(Judge::new(refused), Err(BadSettings::NotPositive { name: "margin", .. })));
}

#[test]
fn a_gauge_that_is_needed_holds_the_promotion_back_until_both_arms_were_read() {
    let memory = GaugeSettings { needed: true, ..GaugeSettings::memory(0.5) };
    let settings =
        Settings { gauges: BTreeMap::from([("memory".to_owned(), memory)]), ..Settings::default() };
    let mut judge = Judge::new(settings).expect("good settings");
    let blind = tick((100, 0), (900, 1));
    let waits = (0..200).map(|_| judge.observe(&blind)).last().expect("some looks");
    assert_eq!(waits.decision, Decision::Continue, "{waits:?}");
    assert!(waits.reason.contains("the memory of a warm instance of each version"), "{}", waits.reason);
    let one = || BTreeMap::from([("1".to_owned(), 1e8)]);
    let gauges = BTreeMap::from([("memory".to_owned(), Gauges { canary: one(), baseline: one() })]);
    let read = Tick { gauges, ..blind };
    let promoted = (1..=100).find(|_| judge.observe(&read).decision == Decision::Promote);
    assert!(promoted.is_some_and(|looks| looks > 30), "only warm instances count: {promoted:?}");
}

#[test]
fn of_a_wrong_split_only_harm_is_concluded_errors_and_crashes_count() {
    let split = |canary: (u64, u64), baseline: (u64, u64)| Tick {
        planned_share: Some(0.05),
        ..tick(canary, baseline)
    };
    let settings = Settings { incidents: true, ..Settings::default() };
    let mut judge = Judge::new(settings).expect("good settings");
    let last = |judge: &mut Judge, looks: u32, tick: &Tick| {
        (0..looks).map(|_| judge.observe(tick)).last().expect("some looks")
    };
    let wrong = last(&mut judge, 5, &split((50, 0), (50, 0)));
    assert_eq!((wrong.decision, wrong.data), (Decision::Continue, Data::WrongSplit), "{wrong:?}");
    let well = last(&mut judge, 300, &split((50, 1), (50, 1)));
    assert_eq!((well.decision, well.data), (Decision::Continue, Data::WrongSplit), "{well:?}");
    assert!(well.reason.contains("the split is not what was asked for"), "{}", well.reason);
    let ill = last(&mut judge.clone(), 30, &split((50, 40), (50, 0)));
    assert_eq!((ill.decision, ill.data), (Decision::Rollback, Data::WrongSplit), "{ill:?}");
    assert!(ill.reason.contains("the canary fails more often"), "{}", ill.reason);
    let mut mended = judge.clone();
    let right = last(&mut mended, 60, &split((5, 0), (95, 0)));
    assert_eq!((right.decision, right.data), (Decision::Continue, Data::Sound), "{right:?}");
    assert_eq!(last(&mut mended, 60, &split((5, 3), (95, 0))).decision, Decision::Rollback);
    let of = |count, exposure| Incidents { count, exposure };
    let incidents = Some(BothIncidents { canary: of(1, 1.0), baseline: of(0, 3.0) });
    let crashing = last(&mut judge, 12, &Tick { incidents, ..split((50, 0), (50, 0)) });
    assert_eq!(crashing.decision, Decision::Rollback, "{crashing:?}");
}
