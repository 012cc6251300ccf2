//! Pages: pure functions from patches and events to HTML, and the two handlers that serve them.

pub mod act;
pub mod board;
pub mod change;
pub mod chart;
pub mod decision;
pub mod findings;
pub mod held;
pub mod layout;
pub mod proof;
pub mod rollout;
pub mod scale;
pub mod series;
pub mod show;
pub mod story;
pub mod timeline;
pub mod words;
