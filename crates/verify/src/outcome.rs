//! What a check showed, put together line by line, and as an in-toto predicate.

use std::fmt::Display;

use patchline_model::digest::Digest;
use patchline_model::stage::verify::{CheckResult, Sides};
use serde_json::{Value, json};

use crate::check::Shown;

const MAX_LOG_BYTES: usize = 4 * 1024 * 1024;
const MAX_DETAILS: usize = 500;
/// More names than this are counted, not named.
const MAX_NAMES: usize = 20_000;

/// Grows while a check looks. The worst that was said becomes the result.
#[derive(Debug, Default)]
pub(crate) struct Record {
    details: Vec<String>,
    log: String,
    passed: Vec<String>,
    warned: Vec<String>,
    failed: Vec<String>,
    skipped: Vec<String>,
    why_failed: Option<String>,
    sides: Option<Sides>,
    irreversible: Option<String>,
}

impl Record {
    pub(crate) fn pass(&mut self, name: &str, why: impl Display) {
        self.passed.push(name.to_owned());
        self.detail(format!("{name}: {why}"));
    }

    pub(crate) fn warn(&mut self, name: &str, why: impl Display) {
        self.warned.push(name.to_owned());
        self.detail(format!("{name}: {why}"));
    }

    /// There was nothing to look with.
    pub(crate) fn skip(&mut self, name: &str, why: impl Display) {
        self.skipped.push(name.to_owned());
        self.detail(format!("{name}: {why}"));
    }

    pub(crate) fn fail(&mut self, name: &str, why: impl Display) {
        self.failed.push(name.to_owned());
        let line = format!("{name}: {why}");
        self.why_failed.get_or_insert_with(|| line.clone());
        self.detail(line);
    }

    /// Names alone, for those that need no line each.
    pub(crate) fn passed(&mut self, names: impl IntoIterator<Item = String>) {
        self.passed.extend(names);
    }

    pub(crate) fn detail(&mut self, line: String) {
        if self.details.len() < MAX_DETAILS {
            self.details.push(line);
        } else if self.details.len() == MAX_DETAILS {
            self.details.push("…".to_owned());
        }
    }

    /// What each side showed, in a few words.
    pub(crate) fn sides(&mut self, base: impl Into<String>, patch: impl Into<String>) {
        self.sides = Some(Sides { base: base.into(), patch: patch.into() });
    }

    /// Running the base again would not undo this. The first reason stands.
    pub(crate) fn irreversible(&mut self, why: String) {
        self.irreversible.get_or_insert(why);
    }

    pub(crate) fn log(&mut self, text: &str) {
        let mut room = MAX_LOG_BYTES.saturating_sub(self.log.len()).min(text.len());
        while !text.is_char_boundary(room) {
            room -= 1;
        }
        self.log.push_str(&text[..room]);
    }

    pub(crate) fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// What nothing could look at.
    pub(crate) fn skipped(&self) -> &[String] {
        &self.skipped
    }

    pub(crate) fn has_warned(&self) -> bool {
        !self.warned.is_empty()
    }

    /// Nothing was judged.
    pub(crate) fn is_empty(&self) -> bool {
        self.passed.is_empty() && self.warned.is_empty() && self.failed.is_empty() && self.skipped.is_empty()
    }

    /// Passed, warned, failed.
    pub(crate) fn names(&self) -> (&[String], &[String], &[String]) {
        (&self.passed, &self.warned, &self.failed)
    }

    /// The first failure, with its name in front.
    pub(crate) fn why_failed(&self) -> Option<&str> {
        self.why_failed.as_deref()
    }

    pub(crate) fn shown(self, summary: String) -> Shown {
        let result = match (self.has_failed(), self.skipped.is_empty(), self.has_warned()) {
            (true, _, _) => CheckResult::Failed,
            (false, false, _) => CheckResult::Skipped,
            (false, true, true) => CheckResult::Warned,
            (false, true, false) => CheckResult::Passed,
        };
        let Self { details, log, passed, mut warned, failed, skipped, why_failed: _, sides, irreversible } =
            self;
        warned.extend(skipped);
        Shown {
            result,
            summary,
            details,
            sides,
            rollback_milliseconds: None,
            irreversible,
            log,
            passed,
            warned,
            failed,
        }
    }
}

/// The predicate `https://in-toto.io/attestation/test-result/v0.1`.
///
/// `configuration` names what was run with what: the log, the artifacts, the lockfile. The format knows no skipped
/// check, so one is a warning that says so.
pub fn test_result(check: &str, shown: &Shown, configuration: &[(&str, &Digest)]) -> Value {
    let mut warned = shown.warned.clone();
    let result = match shown.result {
        CheckResult::Passed => "PASSED",
        CheckResult::Warned => "WARNED",
        CheckResult::Failed => "FAILED",
        CheckResult::Skipped => {
            warned.push(format!("{check} (skipped)"));
            "WARNED"
        }
    };
    let configuration: Vec<Value> = configuration
        .iter()
        .map(|(name, digest)| json!({ "name": name, "digest": { "sha256": digest.hex() } }))
        .collect();
    json!({
        "result": result,
        "configuration": configuration,
        "passedTests": bounded(&shown.passed),
        "warnedTests": bounded(&warned),
        "failedTests": bounded(&shown.failed),
        "patchline_check": check,
        "patchline_summary": shown.summary,
        "patchline_details": shown.details,
        "patchline_sides": shown.sides,
    })
}

fn bounded(names: &[String]) -> Vec<String> {
    let more = names.len().saturating_sub(MAX_NAMES);
    let rest = (more > 0).then(|| format!("… and {more} more"));
    names.iter().take(MAX_NAMES).cloned().chain(rest).collect()
}

/// A few names in one line, and how many there are besides.
pub(crate) fn few(names: &[String]) -> String {
    const FEW: usize = 5;
    let shown: Vec<String> = names.iter().take(FEW).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(FEW) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `1 test`, `2 tests`
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use patchline_model::digest::Digest;
    use patchline_model::stage::verify::CheckResult;

    use super::{Record, few, test_result};

    #[test]
    fn the_worst_that_was_said_is_the_result() {
        let mut record = Record::default();
        record.pass("a", "fine");
        assert_eq!(record.shown(String::new()).result, CheckResult::Passed);
        let mut record = Record::default();
        record.warn("a", "odd");
        record.skip("b", "nobody looked");
        let shown = record.shown(String::new());
        assert_eq!((shown.result, shown.warned.len()), (CheckResult::Skipped, 2));
        let mut record = Record::default();
        record.warn("a", "odd");
        record.fail("b", "wrong");
        let shown = record.shown("bad".to_owned());
        assert_eq!(shown.result, CheckResult::Failed);
        let predicate = test_result("suite", &shown, &[("log", &Digest::of(b"x"))]);
        assert_eq!(predicate["result"], "FAILED");
        assert_eq!(predicate["warnedTests"][0], "a");
        assert_eq!(predicate["failedTests"][0], "b");
        assert_eq!(predicate["configuration"][0]["digest"]["sha256"], Digest::of(b"x").hex());
    }

    #[test]
    fn a_skipped_check_is_a_warning_that_says_so() {
        let mut shown = Record::default().shown("no tests".to_owned());
        shown.result = CheckResult::Skipped;
        let predicate = test_result("suite", &shown, &[]);
        assert_eq!(predicate["result"], "WARNED");
        assert_eq!(predicate["warnedTests"][0], "suite (skipped)");
    }

    #[test]
    fn details_and_log_are_bounded() {
        let mut record = Record::default();
        (0..2000).for_each(|number| record.detail(number.to_string()));
        (0..3).for_each(|_| record.log(&"é".repeat(1024 * 1024)));
        let shown = record.shown(String::new());
        assert_eq!(shown.details.len(), 501);
        assert!(shown.log.len() <= 4 * 1024 * 1024);
        let names: Vec<String> = (0..7).map(|number| number.to_string()).collect();
        assert_eq!(few(&names), "`0`, `1`, `2`, `3`, `4` and 2 more");
    }
}
