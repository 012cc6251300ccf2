//! Which plans are tried for fewer problems, and what is kept of them.

use std::collections::BTreeSet;

use async_trait::async_trait;
use patchline_model::failure::Failure;

use crate::dependency::lessen::{Installed, Lessens, MOST_TRIES, lessen};

/// Plans hold unless they move one of the bad packages.
#[derive(Default)]
struct Tries {
    left: BTreeSet<Installed>,
    hopeless: BTreeSet<Installed>,
    bad: BTreeSet<Installed>,
    tried: Vec<String>,
}

#[async_trait]
impl Lessens for Tries {
    fn left(&self) -> BTreeSet<Installed> {
        self.left.clone()
    }

    async fn lessened(&mut self, packages: &BTreeSet<Installed>) -> Result<BTreeSet<Installed>, Failure> {
        Ok(packages.difference(&self.hopeless).cloned().collect())
    }

    async fn holds(&mut self, packages: &BTreeSet<Installed>) -> Result<bool, Failure> {
        self.tried.push(packages.iter().map(|(name, _)| name.as_str()).collect());
        Ok(packages.is_disjoint(&self.bad))
    }
}

async fn check(left: &str, hopeless: &str, bad: &str, then: &[&str]) {
    let all = |names: &str| names.chars().map(|name| (name.to_string(), "1.0.0".to_owned())).collect();
    let mut tries = Tries { left: all(left), hopeless: all(hopeless), bad: all(bad), ..Tries::default() };
    lessen(&mut tries).await.expect("nothing fails here");
    assert_eq!(tries.tried, then);
}

#[tokio::test]
async fn all_are_tried_at_once_and_in_halves_where_that_does_not_hold() {
    check("abc", "", "", &["abc"]).await;
    check("abc", "b", "", &["ac"]).await;
    check("abcd", "", "c", &["abcd", "ab", "abcd", "abc", "abd"]).await;
}

#[tokio::test]
async fn nothing_is_tried_where_nothing_would_move_and_not_without_end() {
    check("", "", "", &[]).await;
    check("abc", "abc", "", &[]).await;
    let all = "abcdefghijklmnopqrstuvwxyz";
    let mut tries = Tries {
        left: all.chars().map(|name| (name.to_string(), String::new())).collect(),
        ..Tries::default()
    };
    tries.bad = tries.left.clone();
    lessen(&mut tries).await.expect("nothing fails here");
    assert_eq!(tries.tried.len(), MOST_TRIES);
}
