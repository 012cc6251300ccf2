//! A whole trial as it was drawn, so that several judges see the same.

use patchline_judge::arms::{Arm, Latency};

use crate::world::{Drawn, Look, World};

pub struct Trial {
    pub world: World,
    pub history: Vec<Option<Arm>>,
    pub looks: Vec<Look>,
}

/// Both arms over some looks; both are none where nothing was counted in any of them.
pub type Window = Option<(Arm, Arm)>;

impl Trial {
    pub fn draw(world: &World, seed: u64) -> Trial {
        let mut drawn = Drawn::new(world, seed);
        let looks = std::iter::from_fn(|| drawn.look()).collect();
        Trial { world: *world, history: drawn.history, looks }
    }

    /// What was counted in each span of so many seconds.
    pub fn windows(&self, seconds: u32) -> Vec<Window> {
        let looks = (seconds / self.world.tick).max(1) as usize;
        self.looks.chunks_exact(looks).map(sum).collect()
    }

    /// Canary requests served between two times.
    pub fn canary_requests(&self, from: u32, to: u32) -> u64 {
        let within = self.looks.iter().filter(|look| look.ends > from && look.ends <= to);
        within.map(|look| look.canary_requests).sum()
    }
}

fn sum(looks: &[Look]) -> Window {
    let seen =
        looks.iter().filter_map(|look| Some((look.tick.canary.as_ref()?, look.tick.baseline.as_ref()?)));
    seen.fold(None, |sum: Window, (canary, baseline)| {
        let (mut all_canary, mut all_baseline) = sum.unwrap_or_default();
        all_canary.merge(canary);
        all_baseline.merge(baseline);
        Some((all_canary, all_baseline))
    })
}

/// Quantile `q` in milliseconds, by a straight line within its bucket, as `histogram_quantile` of Prometheus has it.
pub fn quantile(latency: &Latency, q: f64) -> Option<f64> {
    let wanted = q * latency.total() as f64;
    let mut below = 0.0;
    for (bucket, count) in &latency.buckets {
        let count = *count as f64;
        if below + count >= wanted {
            let upper = Latency::upper_micros(*bucket) as f64 / 1000.0;
            let lower =
                bucket.checked_sub(1).map_or(0.0, |before| Latency::upper_micros(before) as f64 / 1000.0);
            return Some(lower + (upper - lower) * (wanted - below) / count);
        }
        below += count;
    }
    None
}
