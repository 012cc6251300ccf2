//! Verify: fails before, passes after; the suites; gone and nothing new. A patch is not a fix until shown.

pub mod before_after;
pub mod check;
mod diff;
mod difference;
mod format;
mod list;
mod outcome;
mod readers;
mod reports;
pub mod rescan;
mod run;
#[cfg(test)]
mod sample;
mod steadiness;
pub mod suite;
mod table;
mod tested;

pub use check::{Case, Check, Shown, Side};
pub use list::checks;
pub use outcome::test_result;
