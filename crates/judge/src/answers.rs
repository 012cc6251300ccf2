//! Answers of a mirror beside those that users got: whether more of them differ than may.
//!
//! Each pair is a number: 1 if only the new version's answer differs, 0 if nothing does. Where the stable version is asked a
//! second time as well, −1 if only its own second answer differs; so noise that both have alike has the mean zero. Against
//! "the mean is at most *m*, whatever came before", `Π (1 + λ (x − m))` is a test supermartingale for each λ that keeps every
//! factor positive (betting on a bounded mean: Waudby-Smith and Ramdas, JRSS B 86, 2024); mixed over a grid of λ it needs no
//! guess of how ill the version is. Promotion needs the same with the signs turned, against "at least *m* + margin".

use serde::{Deserialize, Serialize};

use crate::evidence::{Wealth, log_mean};

/// The stakes, as parts of the largest with which no factor is negative.
const STAKES: [f64; 8] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 0.95];

/// Below it a limit is taken for this when stakes are chosen: where nothing may differ any stake would do.
const LEAST_LIMIT: f64 = 0.01;

/// What is held against a mirror.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerLimits {
    /// The part of the answers that may differ, beyond what the stable version's own differ by; from 0, below 1.
    pub most: f64,
    /// A mirror that differs by so much more is not promoted.
    pub margin: f64,
    /// Whether the stable version is asked a second time: only such pairs count then.
    pub controlled: bool,
}

/// The pairs of a look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    pub pairs: u64,
    /// Pairs in which only the new version's answer differs.
    pub worse: u64,
    /// Pairs in which only the stable version's own second answer differs; 0 without a control.
    pub noise: u64,
    /// The newest difference, to be told.
    pub example: Option<String>,
}

/// Evidence of too many differences, and that there are not too many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerGuard {
    limits: AnswerLimits,
    harm: Wealth,
    alike: [f64; STAKES.len()],
    seen: Answers,
}

impl AnswerGuard {
    pub fn new(limits: AnswerLimits) -> AnswerGuard {
        let harm = Wealth::new(&[1.0; STAKES.len()]);
        AnswerGuard { limits, harm, alike: [0.0; STAKES.len()], seen: Answers::default() }
    }

    /// Takes in a look. Numbers that can't be are left out.
    pub fn observe(&mut self, look: &Answers) {
        let Some(ties) = look.pairs.checked_sub(look.worse.saturating_add(look.noise)) else { return };
        if look.pairs == 0 || (look.noise > 0 && !self.limits.controlled) {
            return;
        }
        let counts = [(1.0, look.worse), (0.0, ties), (-1.0, look.noise)];
        let AnswerLimits { most, margin, controlled } = self.limits;
        let largest = if controlled { 1.0 / (1.0 + most) } else { 1.0 / most.max(LEAST_LIMIT) };
        self.harm.bet(&STAKES.map(|stake| log_product(counts, |x| stake * largest * (x - most))));
        let (worst, floor) = (most + margin, 1.0 - (most + margin).min(0.99));
        for (log, stake) in self.alike.iter_mut().zip(STAKES) {
            *log += log_product(counts, |x| stake * (worst - x) / floor);
        }
        self.seen.pairs = self.seen.pairs.saturating_add(look.pairs);
        self.seen.worse = self.seen.worse.saturating_add(look.worse);
        self.seen.noise = self.seen.noise.saturating_add(look.noise);
        if look.example.is_some() {
            self.seen.example = look.example.clone();
        }
    }

    /// The log of the evidence that more answers differ than may.
    pub fn log(&self) -> f64 {
        self.harm.log()
    }

    /// The log of the evidence that fewer differ than the limit and the margin.
    pub fn alike_log(&self) -> f64 {
        log_mean(&self.alike)
    }

    pub fn pairs(&self) -> u64 {
        self.seen.pairs
    }

    /// In words, with the newest example.
    pub fn reason(&self) -> String {
        let Answers { pairs, worse, noise, example } = &self.seen;
        let beside = if self.limits.controlled {
            format!(" ({noise} of the stable version's own second answers do)")
        } else {
            String::new()
        };
        let most = self.limits.most * 100.0;
        let example = example.as_ref().map(|text| format!(", as in {text}")).unwrap_or_default();
        format!("{worse} of {pairs} mirrored answers differ{beside}, and at most {most} % may{example}")
    }
}

/// The log of the product of `1 + gain(x)` over all pairs.
fn log_product(counts: [(f64, u64); 3], gain: impl Fn(f64) -> f64) -> f64 {
    let counted = counts.into_iter().filter(|(_, count)| *count > 0);
    counted.map(|(x, count)| count as f64 * gain(x).max(-1.0).ln_1p()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(most: f64, controlled: bool) -> AnswerGuard {
        AnswerGuard::new(AnswerLimits { most, margin: 0.01, controlled })
    }

    fn one(x: i32) -> Answers {
        Answers { pairs: 1, worse: u64::from(x == 1), noise: u64::from(x == -1), example: None }
    }

    /// Means of both kinds of evidence after two pairs, each with these chances of 1 and −1.
    fn means(of: &AnswerGuard, worse: f64, noise: f64) -> (f64, f64) {
        let chances = [(1, worse), (0, 1.0 - worse - noise), (-1, noise)];
        let (mut harm, mut alike) = (0.0, 0.0);
        for (first, chance) in chances {
            for (second, after) in chances.into_iter().filter(|(_, after)| chance * after > 0.0) {
                let mut guard = of.clone();
                guard.observe(&one(first));
                guard.observe(&one(second));
                harm += chance * after * guard.log().exp();
                alike += chance * after * guard.alike_log().exp();
            }
        }
        (harm, alike)
    }

    #[test]
    fn the_mean_of_the_evidence_is_one_at_its_limit_and_less_on_the_good_side() {
        for most in [0.0, 0.01, 0.2] {
            let (harm, _) = means(&guard(most, false), most, 0.0);
            assert!((harm - 1.0).abs() < 1e-9, "{most}: {harm}");
            let (_, alike) = means(&guard(most, false), most + 0.01, 0.0);
            assert!((alike - 1.0).abs() < 1e-9, "{most}: {alike}");
            let (harm, _) = means(&guard(most, false), most / 2.0, 0.0);
            assert!(harm <= 1.0 + 1e-9, "{most}: {harm}");
            for noise in [0.01, 0.3] {
                let (harm, _) = means(&guard(most, true), most + noise, noise);
                assert!((harm - 1.0).abs() < 1e-9, "{most} {noise}: {harm}");
                let (_, alike) = means(&guard(most, true), most + 0.01 + noise, noise);
                assert!((alike - 1.0).abs() < 1e-9, "{most} {noise}: {alike}");
            }
        }
    }

    /// Looked at after every pair, for 4,000 pairs, in 500 worlds: a false alarm comes in at most one of a hundred.
    #[test]
    fn however_often_one_looks_a_mirror_at_its_limit_is_rarely_accused() {
        let mut state = 1u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        for (controlled, noise) in [(false, 0.0), (true, 0.05)] {
            let mut alarms = 0;
            for _ in 0..500 {
                let mut guard = guard(0.01, controlled);
                let accused = (0..4_000).any(|_| {
                    let u = draw();
                    let x = if u < 0.01 + noise { 1 } else { -i32::from(u < 0.01 + 2.0 * noise) };
                    guard.observe(&one(x));
                    guard.log() >= 100f64.ln()
                });
                alarms += u32::from(accused);
            }
            // Five are the mean at the very most; more than fifteen come once in ten thousand seeds.
            assert!(alarms <= 15, "{alarms} of 500, controlled: {controlled}");
        }
    }

    #[test]
    fn a_mirror_that_differs_is_found_and_one_that_agrees_is_proven() {
        let mut ill = guard(0.01, false);
        let look = Answers { pairs: 20, worse: 4, noise: 0, example: Some("GET /: body".to_owned()) };
        ill.observe(&look);
        assert!(ill.log() > 100f64.ln(), "{}", ill.log());
        assert!(
            ill.reason().contains("4 of 20") && ill.reason().ends_with("GET /: body"),
            "{}",
            ill.reason()
        );
        let mut well = guard(0.01, true);
        well.observe(&Answers { pairs: 600, worse: 5, noise: 5, example: None });
        assert!(well.log() < 1.0 && well.alike_log() > 1.0, "{} {}", well.log(), well.alike_log());
        let mut well = guard(0.0, false);
        well.observe(&Answers { pairs: 600, worse: 0, noise: 0, example: None });
        assert!(well.alike_log() > 20f64.ln(), "{}", well.alike_log());
        let before = well.clone();
        well.observe(&Answers { pairs: 1, worse: 2, noise: 0, example: None });
        assert_eq!(well, before, "what can't be is left out");
    }
}
