//! Which steps keep what users meet of a regression inside a budget: a first share, growing shares after it, and how long each is watched.
//!
//! No formula is used here either: each ladder that could be suggested is walked by the judge itself on synthetic counts
//! ([`crate::forecast::exposure`]). Which are tried depends on the plan and the traffic and never on the budget, and all are
//! tried in the same order; so a larger budget never gives a smaller share.

use serde::{Deserialize, Serialize};

use crate::forecast::{BadOutlook, Exposure, FEWEST_RUNS, Outlook, Regression, Step, exposure};

/// First shares, from the largest: one that leaves room for a further step.
const FIRST: [f64; 11] = [0.25, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01, 0.005, 0.003, 0.002, 0.001];

/// Shares after the first, those of them that at least double what was there. The last ones are left out where they cost too much:
/// promotion needs its proof whatever the last share is.
const FURTHER: [f64; 4] = [0.01, 0.05, 0.25, 0.5];

/// Steps at least: a first share, and another that is watched before all of the traffic.
const FEWEST_STEPS: usize = 2;

/// How many times as long as in the plan each share is watched.
const TIMES: [f64; 5] = [1.0, 2.0, 4.0, 8.0, 16.0];

/// The part of the time until the deadline that all steps may have together; the proof for promotion needs the rest.
const PART_OF_DEADLINE: f64 = 0.5;

/// A first step in which the canary is asked less often shows nothing.
pub const LEAST_REQUESTS: f64 = 10.0;

/// Steps, and what each regression costs on its way through them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ladder {
    pub steps: Vec<Step>,
    pub exposures: Vec<Exposure>,
}

/// What a budget allows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suggestion {
    /// The largest first share that keeps the budget, with the shortest bakes that do.
    Kept(Ladder),
    /// None does: this is what the smallest share that shows anything costs, watched as long as possible.
    TooSmall(Ladder),
    /// At this traffic even the largest first share shows nothing in time.
    NoTraffic,
}

impl Ladder {
    /// These steps as they are.
    pub fn of(outlook: &Outlook, regressions: &[Regression]) -> Result<Ladder, BadOutlook> {
        let exposures = regressions.iter().map(|regression| exposure(outlook, *regression, outlook.runs()));
        Ok(Ladder { steps: outlook.steps.clone(), exposures: exposures.collect::<Result<_, _>>()? })
    }

    /// Whether each regression stays inside it: in all but one run of twenty, and on average.
    pub fn keeps(&self, failed_requests: f64) -> bool {
        self.exposures.iter().all(|exposure| keeps(exposure, failed_requests))
    }
}

fn keeps(exposure: &Exposure, failed_requests: f64) -> bool {
    exposure.failed_requests.p95.max(exposure.mean_failed_requests) <= failed_requests
}

/// The ladder with the largest first share with which none of the regressions fails more requests than the budget. Traffic, deadline and
/// the judge's settings are the outlook's, and its longest bake is the shortest that is suggested.
pub fn suggestion(
    outlook: &Outlook,
    regressions: &[Regression],
    failed_requests: f64,
) -> Result<Suggestion, BadOutlook> {
    let mut smallest = None;
    for shares in ladders() {
        let watched = watched(outlook, &shares);
        // Who watches longer before the share grows meets less; so where the longest bakes are too much, all are.
        let Some(longest) = watched.last() else { continue };
        if is_kept(longest, regressions, failed_requests)? {
            for ladder in &watched {
                if is_kept(ladder, regressions, failed_requests)? {
                    return Ok(Suggestion::Kept(Ladder::of(ladder, regressions)?));
                }
            }
        }
        smallest = Some(longest.clone());
    }
    match smallest {
        Some(smallest) => Ok(Suggestion::TooSmall(Ladder::of(&smallest, regressions)?)),
        None => Ok(Suggestion::NoTraffic),
    }
}

/// Ends at the first regression that is too much. What is far too much shows in few runs.
fn is_kept(ladder: &Outlook, regressions: &[Regression], failed_requests: f64) -> Result<bool, BadOutlook> {
    for runs in [FEWEST_RUNS, ladder.runs()] {
        for regression in regressions {
            if !keeps(&exposure(ladder, *regression, runs)?, failed_requests) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The shares of all ladders, in the order in which they are preferred: the largest first share, and then the most steps.
fn ladders() -> Vec<Vec<f64>> {
    let whole = |first: f64| {
        let mut shares = vec![first];
        for share in FURTHER {
            if share >= 2.0 * shares[shares.len() - 1] {
                shares.push(share);
            }
        }
        shares
    };
    let shortened = |shares: Vec<f64>| {
        let lengths = (FEWEST_STEPS..=shares.len()).rev();
        lengths.map(|length| shares[..length].to_vec()).collect::<Vec<_>>()
    };
    FIRST.into_iter().map(whole).flat_map(shortened).collect()
}

/// These shares, from the shortest bakes on.
fn watched(outlook: &Outlook, shares: &[f64]) -> Vec<Outlook> {
    let own = outlook.steps.iter().map(|step| step.bake_seconds).fold(1.0, f64::max);
    let most = PART_OF_DEADLINE * outlook.deadline_seconds / shares.len() as f64;
    // What the plan says itself is not too long.
    let bakes = TIMES.map(|times| own * times).into_iter().filter(|bake| *bake <= most.max(own));
    let of = |bake_seconds: f64| Outlook {
        steps: shares.iter().map(|share| Step { share: *share, bake_seconds }).collect(),
        ..outlook.clone()
    };
    let shows = |bake: &f64| shares[0] * outlook.requests_per_second * bake >= LEAST_REQUESTS;
    bakes.filter(shows).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Settings;

    fn outlook() -> Outlook {
        Outlook {
            steps: vec![Step { share: 0.05, bake_seconds: 60.0 }],
            requests_per_second: 50.0,
            base_error_rate: 0.001,
            deadline_seconds: 1800.0,
            settings: Settings { tick_seconds: 10.0, ..Settings::default() },
        }
    }

    fn suggested(failed_requests: f64) -> Suggestion {
        let points = [0.2, 0.02, 0.005];
        let regressions = points.map(|error_points| Regression { error_points, latency_factor: 1.0 });
        suggestion(&outlook(), &regressions, failed_requests).expect("a plan")
    }

    fn first(suggestion: &Suggestion) -> f64 {
        match suggestion {
            Suggestion::Kept(ladder) => ladder.steps[0].share,
            Suggestion::TooSmall(_) | Suggestion::NoTraffic => 0.0,
        }
    }

    #[test]
    fn a_larger_budget_never_gives_a_smaller_share_and_each_is_kept() {
        let budgets = [0.0, 5.0, 15.0, 30.0, 60.0, 200.0, 2000.0];
        let suggestions = budgets.map(suggested);
        let shares: Vec<f64> = suggestions.iter().map(first).collect();
        assert!(shares.is_sorted(), "{shares:?}");
        assert_eq!((shares[0], shares[6]), (0.0, 0.25), "{shares:?}");
        assert!(shares[1..6].iter().any(|share| *share > 0.0 && *share < 0.25), "{shares:?}");
        for (budget, suggestion) in budgets.into_iter().zip(suggestions) {
            if let Suggestion::Kept(ladder) = suggestion {
                assert!(ladder.keeps(budget), "{budget}: {ladder:?}");
                assert!(ladder.steps.len() >= 2, "{ladder:?}");
                assert!(ladder.steps.is_sorted_by(|one, next| one.share < next.share), "{ladder:?}");
                assert!(ladder.steps.iter().map(|step| step.bake_seconds).sum::<f64>() <= 900.0);
            }
        }
    }

    #[test]
    fn a_budget_that_can_not_be_kept_says_what_the_smallest_share_costs() {
        let Suggestion::TooSmall(ladder) = suggested(0.5) else { panic!("half a request is too little") };
        assert!(!ladder.keeps(0.5));
        assert!(ladder.steps[0].share * 50.0 * ladder.steps[0].bake_seconds >= LEAST_REQUESTS);
    }

    #[test]
    fn without_traffic_no_share_shows_anything() {
        let idle = Outlook { requests_per_second: 0.01, ..outlook() };
        assert_eq!(suggestion(&idle, &[], 100.0), Ok(Suggestion::NoTraffic));
    }
}
