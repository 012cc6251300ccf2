//! Looking back: how long everything took, what users met, the release note, and the numbers for a monitoring system.

pub mod markdown;
pub mod metrics;
pub mod notes;
pub mod steps;
pub mod times;

pub use metrics::{Metric, MetricKind, metrics, prometheus};
pub use notes::release_note;
pub use times::{Facts, look_back};
