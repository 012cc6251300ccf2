//! Chance from a seed: the same numbers on every machine.

/// `SplitMix64` (Steele, Lea & Flood, OOPSLA 2014).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x2545_F491_4F6C_DD1D))
    }

    /// Between 0 and 1, neither of them.
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        ((mixed >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// By products of uniform numbers where the mean is small, else by the normal approximation.
    pub fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 100.0 {
            return (mean + mean.sqrt() * self.normal() + 0.5).max(0.0) as u64;
        }
        let (limit, mut product, mut count) = ((-mean).exp(), self.unit(), 0);
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// Box and Muller, Annals of Mathematical Statistics 29 (1958).
    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// One or more.
    pub fn geometric(&mut self, mean: f64) -> u64 {
        if mean <= 1.0 { 1 } else { 1 + (self.unit().ln() / (1.0 - 1.0 / mean).ln()) as u64 }
    }

    pub fn waiting(&mut self, mean: f64) -> f64 {
        -mean * self.unit().ln()
    }
}
