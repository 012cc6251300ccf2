//! Verify: fails before, passes after; the suites; gone and nothing new; nothing that a patch must not do. A patch is not a fix
//! until shown.

pub mod api_compatibility;
pub mod before_after;
pub mod changes;
pub mod check;
mod compiled;
mod complaint;
mod coverage;
mod diff;
pub mod diff_coverage;
mod difference;
mod facts;
mod format;
mod found;
mod functions;
mod http;
pub mod hunks;
mod kinds;
mod list;
mod looked;
mod manifests;
mod migration;
pub mod migration_lint;
mod moved;
mod newcomers;
mod outcome;
pub mod performance;
mod postgres;
mod promise;
mod proof_test;
mod ratio;
mod readers;
pub mod rehearsal;
mod reports;
mod reproduce;
pub mod rescan;
mod rules;
mod run;
#[cfg(test)]
mod sample;
mod scratch;
mod semver_checks;
mod sql;
mod steadiness;
pub mod suite;
mod table;
mod tail;
mod tested;
mod turns;

pub use check::{Case, Check, Shown, Side};
pub use list::checks;
pub use outcome::test_result;
