//! Chance from a seed: the same seed gives the same world, on every machine.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub struct Chance {
    state: u64,
}

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A generator of its own for one thing, so that asking twice gives the same.
    pub fn of(seed: u64, parts: &[u64]) -> Self {
        parts
            .iter()
            .fold(Self::new(seed), |chance, part| Self::new(chance.clone().bits() ^ part.rotate_left(17)))
    }

    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to and without `limit`; 0 when the limit is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.bits() % limit }
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// From 0 up to and without 1.
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn pick<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(things.len() as u64)).unwrap_or(0);
        &things[index]
    }

    /// How many of `count` requests fail at this rate: Poisson where failures are rare, normal where they are many.
    pub fn failures(&mut self, count: u64, rate: f64) -> u64 {
        let mean = count as f64 * rate;
        let drawn = if mean > 30.0 {
            let spread = (mean * (1.0 - rate)).sqrt();
            let normal: f64 = (0..12).map(|_| self.fraction()).sum::<f64>() - 6.0;
            (mean + spread * normal).round().max(0.0) as u64
        } else {
            let (limit, mut product, mut drawn) = ((-mean).exp(), self.fraction(), 0);
            while product > limit {
                product *= self.fraction();
                drawn += 1;
            }
            drawn
        };
        drawn.min(count)
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;

    #[test]
    fn failures_come_at_their_rate() {
        let mut chance = Chance::new(1);
        for rate in [0.001, 0.05, 0.5] {
            let failed: u64 = (0..2000).map(|_| chance.failures(300, rate)).sum();
            let seen = failed as f64 / 600_000.0;
            assert!((seen - rate).abs() < 0.05 * rate + 0.0005, "{rate}: {seen}");
        }
        assert_eq!(chance.failures(100, 0.0), 0);
        assert_eq!(chance.failures(100, 1.0), 100);
    }

    #[test]
    fn the_same_parts_give_the_same_chance() {
        assert_eq!(Chance::of(7, &[1, 2]).bits(), Chance::of(7, &[1, 2]).bits());
        assert_ne!(Chance::of(7, &[1, 2]).bits(), Chance::of(7, &[2, 1]).bits());
    }
}
