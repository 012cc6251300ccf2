//! The error budget: what a service may fail, how fast it burns, and whether a rollout may begin meanwhile.
//!
//! The burn rate over a window is its error ratio as a multiple of what the objective allows. A pair of windows burns
//! when both do: the long one says that it matters, the short one that it still goes on (Google's SRE workbook,
//! "Alerting on SLOs", method 6).

use serde::{Deserialize, Serialize};

use crate::stage::plan::Counts;
use crate::time::Seconds;

/// What users are promised: this part of the requests, over this period.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slo {
    pub availability: f64,
    pub period: Seconds,
}

/// What was counted of the whole service until a rollout began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// How far back anything is known.
    pub minutes: u64,
    /// The newest so many seconds, each window with its counts.
    pub windows: Vec<Window>,
    /// Requests and errors of the last minutes, one by one, oldest first: at most [`MOST_INTERVALS`].
    pub intervals: Vec<(u64, u64)>,
    /// Failed requests that the plan may cost before a bad version is taken back, as the judge foretells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pub seconds: u64,
    pub requests: u64,
    pub errors: u64,
}

/// Minutes that are kept one by one in the ledger.
pub const MOST_INTERVALS: usize = 60;

/// Long window, short window, and the burn rate above which the pair burns.
pub const PAIRS: [(u64, u64, f64); 3] =
    [(3_600, 300, 14.4), (6 * 3_600, 1_800, 6.0), (3 * 86_400, 6 * 3_600, 1.0)];

/// Fewer errors than these in the long window say nothing about a rate.
const LEAST_ERRORS: u64 = 10;

/// With less history than this nothing is said about what is left of the budget.
const LEAST_MINUTES: u64 = 60;

/// Looks, about one a second, over which a canary's own burn is taken; a fifth of them is the short window.
const CANARY_LOOKS: usize = 300;

/// The burn rate at which a person would be paged.
const PAGE: f64 = 14.4;

impl Slo {
    /// The part of the requests that may fail.
    fn allowance(self) -> f64 {
        (1.0 - self.availability).max(f64::MIN_POSITIVE)
    }

    pub fn burn(self, requests: u64, errors: u64) -> f64 {
        if requests == 0 { 0.0 } else { errors as f64 / requests as f64 / self.allowance() }
    }
}

impl History {
    pub fn window(&self, seconds: u64) -> Window {
        let known = self.windows.iter().find(|window| window.seconds == seconds);
        known.copied().unwrap_or_default()
    }

    /// Why a routine rollout may not begin; nothing: it may.
    pub fn objection(&self, slo: Slo) -> Option<String> {
        let burn = |window: Window| slo.burn(window.requests, window.errors);
        let burning = PAIRS.iter().find_map(|&(long, short, most)| {
            let (longer, shorter) = (self.window(long), self.window(short));
            let burns = longer.errors >= LEAST_ERRORS && burn(longer) > most && burn(shorter) > most;
            burns.then(|| {
                format!(
                    "the error budget burns {:.1} times too fast over {} and {:.1} times over {}, and {most} is the most",
                    burn(longer),
                    span(long),
                    burn(shorter),
                    span(short)
                )
            })
        });
        let left = self.left(slo);
        let spent = || {
            let (left, exposure) = (left?, self.exposure?);
            (left < exposure).then(|| {
                format!("the error budget has {left:.0} failed requests left, and this plan may cost {exposure:.0}")
            })
        };
        let objection = burning.or_else(spent)?;
        let left = left.map(|left| format!("; {left:.0} failed requests are left of the period's budget"));
        Some(format!("{objection}{}", left.filter(|_| !objection.contains("left")).unwrap_or_default()))
    }

    /// Failed requests that are left of the period's budget, if the traffic stays as it was; what failed before anything
    /// was counted is not in it.
    fn left(&self, slo: Slo) -> Option<f64> {
        if self.minutes < LEAST_MINUTES {
            return None;
        }
        let longest = self.window(PAIRS[2].0);
        let counted = (self.minutes * 60).min(longest.seconds).max(1) as f64;
        let of_period = longest.requests as f64 * (slo.period.0 as f64 / counted);
        Some(of_period * slo.allowance() - longest.errors as f64)
    }
}

/// Why a canary's own requests keep it where it is, though it may be no worse than the stable version: both are ill.
pub fn canary_burns<'a>(
    slo: Slo,
    looks: impl DoubleEndedIterator<Item = Option<&'a Counts>>,
) -> Option<String> {
    let newest: Vec<(u64, u64)> = looks
        .rev()
        .take(CANARY_LOOKS)
        .map(|counts| counts.map_or((0, 0), |counts| (counts.requests, counts.errors)))
        .collect();
    let over = |looks: usize| {
        let sum = |(requests, errors): (u64, u64), (more, failed): &(u64, u64)| {
            (requests.saturating_add(*more), errors.saturating_add(*failed))
        };
        newest.iter().take(looks).fold((0, 0), sum)
    };
    let short = newest.len().div_ceil(5);
    let ((requests, errors), (fewer, newer)) = (over(newest.len()), over(short));
    let (long_burn, short_burn) = (slo.burn(requests, errors), slo.burn(fewer, newer));
    let burns = errors >= LEAST_ERRORS && long_burn > PAGE && short_burn > PAGE;
    burns.then(|| {
        format!(
            "the new version's own requests burn the error budget {long_burn:.1} times too fast over {} looks and \
             {short_burn:.1} times over {short}, and {PAGE} is the most",
            newest.len()
        )
    })
}

fn span(seconds: u64) -> String {
    match seconds {
        0..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::{History, PAIRS, Slo, Window, canary_burns};
    use crate::stage::plan::Counts;
    use crate::time::Seconds;

    const SLO: Slo = Slo { availability: 0.999, period: Seconds(30 * 86_400) };

    /// 10 requests a second for three days; so many of a thousand fail in each window.
    fn history(per_mille: [u64; 5]) -> History {
        let seconds = [300, 1_800, 3_600, 6 * 3_600, 3 * 86_400];
        let window = |(seconds, per_mille)| Window {
            seconds,
            requests: seconds * 10,
            errors: seconds * 10 * per_mille / 1000,
        };
        let windows = seconds.into_iter().zip(per_mille).map(window).collect();
        History { minutes: 3 * 1_440, windows, intervals: Vec::new(), exposure: None }
    }

    #[test]
    fn a_pair_burns_when_both_of_its_windows_do() {
        let says = |per_mille, words: Option<&str>| {
            let told = history(per_mille).objection(SLO);
            assert_eq!(told.is_some(), words.is_some(), "{per_mille:?}: {told:?}");
            assert!(
                words.is_none_or(|words| told.as_deref().is_some_and(|told| told.contains(words))),
                "{told:?}"
            );
        };
        says([0, 0, 0, 0, 0], None);
        says([15, 0, 15, 0, 0], Some("15.0 times too fast over 1 h and 15.0 times over 5 min"));
        says([14, 0, 14, 0, 0], None);
        says([15, 0, 0, 0, 0], None);
        says([0, 0, 15, 0, 0], None);
        says([0, 7, 0, 7, 0], Some("over 6 h and 7.0 times over 30 min"));
        says([0, 0, 0, 2, 2], Some("over 3 d and 2.0 times over 6 h"));
        says([0, 0, 0, 2, 2], Some("left of the period's budget"));
    }

    #[test]
    fn what_is_not_known_is_no_block_and_few_errors_are_no_rate() {
        assert_eq!(History::default().objection(SLO), None);
        let few = Window { seconds: 3_600, requests: 20, errors: 9 };
        let some = Window { seconds: 300, requests: 5, errors: 5 };
        let history = History { minutes: 10, windows: vec![few, some], ..History::default() };
        assert_eq!(history.objection(SLO), None);
        assert_eq!(PAIRS.map(|(long, short, _)| long / short), [12, 12, 12]);
    }

    #[test]
    fn a_plan_that_costs_more_than_is_left_waits() {
        // 25.92 million requests in the period, of which 25,920 may fail; 2,592 or fewer have.
        let calm = |exposure| History { exposure: Some(exposure), ..history([0, 0, 0, 0, 0]) };
        assert_eq!(calm(25_900.0).objection(SLO), None);
        let told = calm(26_000.0).objection(SLO).expect("it is too much");
        assert!(told.contains("25920 failed requests left") && told.contains("26000"), "{told}");
        let new = History { minutes: 59, ..calm(26_000.0) };
        assert_eq!(new.objection(SLO), None, "too little is known");
    }

    #[test]
    fn a_canary_that_is_as_ill_as_the_rest_burns_on_its_own_requests() {
        let look = |errors| Some(Counts { requests: 20, errors, ..Counts::default() });
        let burns = |looks: &[Option<Counts>]| canary_burns(SLO, looks.iter().map(Option::as_ref)).is_some();
        assert!(burns(&vec![look(1); 60]));
        assert!(!burns(&vec![look(0); 60]));
        assert!(!burns(&vec![look(1); 9]), "too few errors to say so");
        let over = [vec![look(1); 40], vec![look(0); 30]].concat();
        assert!(!burns(&over), "it is over");
        let long_ago = [vec![look(20); 40], vec![look(0); 300]].concat();
        assert!(!burns(&long_ago), "what lies far back does not count");
        assert!(!burns(&[]) && !burns(&vec![None; 60]));
    }
}
