//! Whether a test fails with the patch or merely now and then: counts of runs on both sides, and an exact test on them.

/// The chance of calling a test newly failing that fails as often on both sides.
pub(crate) const ERROR_RATE: f64 = 0.05;

/// How often one test ran on each side, and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) base_runs: u32,
    pub(crate) base_failures: u32,
    pub(crate) patch_runs: u32,
    pub(crate) patch_failures: u32,
}

impl Counts {
    /// It fails with the patch: each time, and never without it; or shown to be more often than on the base.
    pub(crate) fn fails_with_the_patch(self) -> bool {
        let never_else = self.base_failures == 0 && self.patch_failures == self.patch_runs;
        never_else || self.chance() <= ERROR_RATE + 1e-9
    }

    /// Fisher's exact test, one-sided: the chance of so many of all failures on the patch's side or more, if both
    /// sides fail alike.
    fn chance(self) -> f64 {
        let (runs, failures) = (self.base_runs + self.patch_runs, self.base_failures + self.patch_failures);
        let all = choose(runs, self.patch_runs);
        let most = failures.min(self.patch_runs);
        let ways =
            |on_patch: u32| choose(failures, on_patch) * choose(runs - failures, self.patch_runs - on_patch);
        (self.patch_failures..=most).map(ways).sum::<f64>() / all
    }

    pub(crate) fn text(self) -> String {
        format!(
            "failed in {} of {} runs with the patch and in {} of {} on the base",
            self.patch_failures, self.patch_runs, self.base_failures, self.base_runs
        )
    }
}

/// `n` over `k`; exact for the few runs that there are.
fn choose(n: u32, k: u32) -> f64 {
    if k > n {
        return 0.0;
    }
    (0..k).fold(1.0, |product, at| product * f64::from(n - at) / f64::from(at + 1))
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[track_caller]
    fn check(base: (u32, u32), patch: (u32, u32), fails: bool) {
        let counts =
            Counts { base_failures: base.0, base_runs: base.1, patch_failures: patch.0, patch_runs: patch.1 };
        assert_eq!(counts.fails_with_the_patch(), fails, "{} p={}", counts.text(), counts.chance());
    }

    #[test]
    fn a_test_fails_with_the_patch_when_the_counts_say_so() {
        check((0, 3), (3, 3), true);
        check((0, 1), (1, 1), true);
        check((0, 3), (1, 3), false);
        check((0, 3), (2, 3), false);
        check((1, 3), (3, 3), false);
        check((0, 11), (6, 11), true);
        check((3, 11), (6, 11), false);
        check((3, 21), (15, 21), true);
    }

    #[test]
    fn the_chance_is_that_of_the_hypergeometric_distribution() {
        let counts = Counts { base_failures: 0, base_runs: 3, patch_failures: 3, patch_runs: 3 };
        assert!((counts.chance() - 0.05).abs() < 1e-12);
        let counts = Counts { base_failures: 1, base_runs: 10, patch_failures: 5, patch_runs: 10 };
        assert!((counts.chance() - 0.070_433).abs() < 1e-5, "{}", counts.chance());
    }

    #[test]
    fn alike_sides_are_told_apart_no_more_often_than_stated() {
        // Every outcome of six runs a side that fail with the same chance, each with its weight.
        for tenths in 1..10 {
            let p = f64::from(tenths) / 10.0;
            let weight = |k: u32| super::choose(6, k) * p.powi(k as i32) * (1.0 - p).powi(6 - k as i32);
            let wrong: f64 = (0..=6)
                .flat_map(|base| (0..=6).map(move |patch| (base, patch)))
                .filter(|(base, patch)| {
                    let counts =
                        Counts { base_failures: *base, base_runs: 6, patch_failures: *patch, patch_runs: 6 };
                    counts.chance() <= super::ERROR_RATE
                })
                .map(|(base, patch)| weight(base) * weight(patch))
                .sum();
            assert!(wrong <= super::ERROR_RATE, "{p}: {wrong}");
        }
    }
}
