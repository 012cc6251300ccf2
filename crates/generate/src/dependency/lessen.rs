//! Copies that can't be cleared, moved to versions with fewer known problems on top of what holds: all of them at once, or else
//! in parts.

use std::collections::BTreeSet;

use async_trait::async_trait;
use patchline_model::failure::Failure;

/// Plans that are carried out.
const MOST_TRIES: usize = 12;

/// A package and its version.
pub(crate) type Installed = (String, String);

/// A lockfile with a plan that holds, or none, on top of which more is tried.
#[async_trait]
pub(crate) trait Lessens: Send {
    /// What is left with more than one known problem.
    fn left(&self) -> BTreeSet<Installed>;

    /// Those of them that a plan for all of these would move to versions with fewer.
    async fn lessened(&mut self, packages: &BTreeSet<Installed>) -> Result<BTreeSet<Installed>, Failure>;

    /// Whether a plan that moves these, too, holds and removes more findings than what held before and all of those. Then it is
    /// what holds from now on.
    async fn holds(&mut self, packages: &BTreeSet<Installed>) -> Result<bool, Failure>;
}

pub(crate) async fn lessen(work: &mut dyn Lessens) -> Result<(), Failure> {
    let left = work.left();
    if left.is_empty() {
        return Ok(());
    }
    let all: Vec<Installed> = work.lessened(&left).await?.into_iter().collect();
    let (mut kept, mut parts) = (BTreeSet::new(), vec![all]);
    for _ in 0..MOST_TRIES {
        let Some(part) = parts.pop().filter(|part| !part.is_empty()) else { break };
        let mut tried: BTreeSet<Installed> = kept.clone();
        tried.extend(part.iter().cloned());
        match work.holds(&tried).await? {
            true => kept = tried,
            false if part.len() > 1 => parts.extend(halves(&part)),
            false => {}
        }
    }
    Ok(())
}

/// What is said of a package for which that could not be tried.
pub(crate) fn not_tried(failure: &Failure) -> String {
    format!("; versions with fewer known problems could not be tried: {}", failure.message)
}

/// The two halves of what is more than one, the second first.
pub(crate) fn halves(part: &[Installed]) -> Vec<Vec<Installed>> {
    let (first, second) = part.split_at(part.len().div_ceil(2));
    let both = [second, first].into_iter().filter(|half| !half.is_empty());
    both.map(<[_]>::to_vec).collect()
}

#[cfg(test)]
#[path = "lessen_tests.rs"]
mod tests;
