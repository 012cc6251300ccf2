//! Verify: fails before, passes after; the suites; gone and nothing new. A patch is not a fix until shown.

pub mod before_after;
mod cargo_test;
pub mod check;
mod list;
mod outcome;
pub mod rescan;
mod run;
#[cfg(test)]
mod sample;
pub mod suite;

pub use check::{Case, Check, Shown, Side};
pub use list::checks;
pub use outcome::test_result;
