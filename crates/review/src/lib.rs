//! Looking back: how long everything took, what users met, the release note, and the numbers for a monitoring system.

pub mod markdown;
pub mod metrics;
pub mod notes;
pub mod pull_request;
pub mod steps;
pub mod template;
pub mod times;

pub use metrics::{Metric, MetricKind, metrics, prometheus};
pub use notes::release_note;
pub use pull_request::pull_request;
pub use times::{Facts, look_back};
