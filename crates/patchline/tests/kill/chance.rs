//! A small generator of chance with a seed, so that a run can be repeated.

/// SplitMix64.
pub struct Chance(u64);

impl Chance {
    /// From `PATCHLINE_KILL_SEED`, else from the clock. The seed is printed.
    pub fn seeded() -> Self {
        let named = std::env::var("PATCHLINE_KILL_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = named.unwrap_or_else(|| {
            let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
            u64::try_from(since.as_nanos() % 1_000_000_000).unwrap_or_default()
        });
        eprintln!("PATCHLINE_KILL_SEED={seed}");
        Self(seed)
    }

    /// A number from `least` to `most`.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
