//! Verify: a patch is not a fix until shown.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::rejection::Rejection;
use crate::stage::build::Pair;
use crate::stage::generate::Candidate;

/// What one check said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    pub check: String,
    pub result: CheckResult,
    /// One sentence that a person can act on.
    pub summary: String,
    /// What was shown, line by line: commands, exit codes, durations.
    pub details: Vec<String>,
    /// What each side showed, where the check has two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sides: Option<Sides>,
    /// How long the base took to be healthy again once the patch was told to stop, where that was rehearsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_milliseconds: Option<u64>,
    /// What the check saw the patch do to data that the old version can't undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub irreversible: Option<String>,
    pub evidence: Digest,
    pub milliseconds: u64,
}

/// What the base showed and what the patch did, in a few words each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sides {
    pub base: String,
    pub patch: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    Passed,
    /// Passed, with something a person should see.
    Warned,
    /// There was nothing to check with; said, never counted as passed.
    Skipped,
    Failed,
}

/// All checks of one candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub checks: Vec<Checked>,
}

/// Checks without which nothing is verified.
pub const REQUIRED: [&str; 4] = ["before-after", "suite", "re-scan", "diff"];

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub verdict: Option<Verdict>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Verified {
        verdict: Verdict,
    },
    /// Another candidate is tried: this verdict no longer counts.
    Dropped,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    Check,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub verdict: Verdict,
}

/// Takes the verdict in; one that leaves out a required check is none.
pub fn report(outcome: Outcome) -> Result<Vec<Event>, Rejection> {
    let has = |name: &&str| outcome.verdict.checks.iter().any(|checked| checked.check == **name);
    match REQUIRED.iter().find(|name| !has(name)) {
        Some(missing) => Err(Rejection::Nonsense(format!("the verdict does not speak of `{missing}`"))),
        None => Ok(vec![Event::Verified { verdict: outcome.verdict }]),
    }
}

pub fn evolve(state: &mut State, event: &Event) {
    state.verdict = match event {
        Event::Verified { verdict } => Some(verdict.clone()),
        Event::Dropped => None,
    };
}

pub fn due(_: &Candidate, _: &Pair, state: &State) -> Option<Job> {
    state.verdict.is_none().then_some(Job::Check)
}

impl Verdict {
    /// No check failed.
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|checked| checked.result != CheckResult::Failed)
    }

    /// How long a way back may take, as it was rehearsed.
    pub fn rollback_milliseconds(&self) -> Option<u64> {
        self.checks.iter().find_map(|checked| checked.rollback_milliseconds)
    }

    /// What can't be undone, as the first check that saw it says.
    pub fn irreversible(&self) -> Option<&str> {
        self.checks.iter().find_map(|checked| checked.irreversible.as_deref())
    }

    /// The failed checks, in one line.
    pub fn failures(&self) -> String {
        let failed = self.checks.iter().filter(|checked| checked.result == CheckResult::Failed);
        failed.map(|checked| format!("{}: {}", checked.check, checked.summary)).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::{Checked, Sides};

    #[test]
    fn an_old_record_has_no_sides_and_a_check_with_one_side_writes_none() {
        let old = format!(
            r#"{{"check":"diff","result":"passed","summary":"fine","details":[],"evidence":"sha256:{}","milliseconds":5}}"#,
            "a".repeat(64)
        );
        let read: Checked = serde_json::from_str(&old).unwrap();
        assert_eq!(read.sides, None);
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
        let sides = Some(Sides { base: "shown".to_owned(), patch: "gone".to_owned() });
        let both = Checked { sides, ..read };
        let text = serde_json::to_string(&both).unwrap();
        assert_eq!(serde_json::from_str::<Checked>(&text).unwrap(), both);
    }
}
