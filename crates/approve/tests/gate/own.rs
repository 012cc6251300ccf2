//! A policy of one's own: what is refused when it is loaded, and that a typing error never lets a patch through.

use crate::case::good;
use patchline_approve::{Gate, PolicyError};
use patchline_model::stage::approve::Answer;
use std::error::Error as _;

const SHIPPED: &str = include_str!("../../src/default.rego");

fn message(error: &PolicyError) -> String {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    format!("{error}: {cause}")
}

fn check_refused(given: &str, then: &[&str]) {
    let Err(error) = Gate::from_rego("own.rego", given) else { panic!("{given} was taken") };
    let message = message(&error);
    assert!(then.iter().all(|part| message.contains(part)), "{message}");
}

#[test]
fn a_syntax_error_says_file_and_line() {
    check_refused(
        "package patchline.gate\n\nallow if {\n",
        &["could not read the policy own.rego", "own.rego:4"],
    );
    check_refused("package patchline.gate\nallow if inptu.x == 1\n", &["own.rego:2", "inptu"]);
    check_refused("", &["own.rego"]);
}

#[test]
fn what_is_no_gate_is_refused() {
    check_refused("package other\nimport rego.v1\nallow := false", &["data.other", "data.patchline.gate"]);
    let rules = ["allow := false", "deny := true", "needs := []", "reasons := []"];
    for (index, name) in ["allow", "deny", "needs", "reasons"].into_iter().enumerate() {
        let kept: Vec<_> =
            rules.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, rule)| *rule).collect();
        let text = format!("package patchline.gate\nimport rego.v1\n{}\n", kept.join("\n"));
        check_refused(&text, &["own.rego is no gate", &format!("it does not define `{name}`")]);
    }
    let text = format!("package patchline.gate\nimport rego.v1\n{}\n", rules.join("\n")).replace("[]", "7");
    check_refused(&text, &["own.rego is no gate", "not a set"]);
}

#[test]
fn a_policy_that_counts_violations_is_refused() {
    let text = "package patchline.gate
        import rego.v1
        violations contains \"failed\" if { some check in input.checks; check.result == \"failed\" }
        allow if count(violations) == 0
        default deny := false
        needs := []
        reasons := []";
    check_refused(text, &["it allows when it is shown", "denies unless shown"]);
}

#[test]
fn tools_that_reach_outside_are_not_there() {
    for call in
        ["http.send({\"method\": \"get\", \"url\": \"http://127.0.0.1/\"})", "time.now_ns()", "opa.runtime()"]
    {
        let text = format!(
            "package patchline.gate\nimport rego.v1\nallow if {call}\ndeny := true\nneeds := []\nreasons := []"
        );
        check_refused(&text, &["own.rego:3"]);
    }
}

#[test]
fn a_typing_error_in_any_word_of_the_shipped_policy_never_allows_more() {
    // What each input field is called, once misspelt: undefined is not shown.
    for word in [
        "input.evidence",
        "input.checks",
        "input.patch.artifact",
        "input.patch.commit",
        "input.patch.base",
        "item.role",
        "item.predicate_type",
        "item.subjects",
        "item.predicate.fixer",
        "item.predicate.result",
        "input.patch.kind",
        "input.patch.files",
        "input.patch.moves",
        "move.from",
        "move.to",
        "check.result",
        "item.predicate.patchline_rebuilt",
        "input.patch.reproducible",
    ] {
        assert!(SHIPPED.contains(word), "{word}");
        let text = SHIPPED.replace(word, &format!("{word}x"));
        let answer = Gate::from_rego("typo.rego", &text).and_then(|gate| gate.decide(&good().input()));
        assert!(!answer.is_ok_and(|ruling| ruling.answer == Answer::Allow), "{word}");
    }
}

#[test]
fn a_rule_that_gives_two_answers_or_never_ends_is_an_error() {
    let text = "package patchline.gate
        import rego.v1
        default deny := true
        deny := false if input.dossier
        default allow := false
        allow := true if input.dossier
        allow := false if input.patch.title
        needs := []
        reasons := []";
    let gate = Gate::from_rego("two.rego", text).unwrap();
    assert!(matches!(gate.decide(&good().input()), Err(PolicyError::Evaluate { .. })));
    let text = "package patchline.gate
        import rego.v1
        deny := false
        default allow := false
        allow if { input.dossier; some a in numbers.range(1, 2000); some b in numbers.range(1, 2000); some c in numbers.range(1, 2000); a + b + c < 0 }
        needs := []
        reasons := []";
    let gate = Gate::from_rego("long.rego", text).unwrap();
    let error = gate.decide(&good().input()).unwrap_err();
    assert!(message(&error).contains("time limit"), "{}", message(&error));
}

#[test]
fn a_gate_of_ones_own_decides() {
    let text = "package patchline.gate
        import rego.v1
        default deny := true
        deny := false if input.patch.service == \"notebook\"
        default allow := false
        needs contains \"release\" if input.patch.tier == 1
        reasons := [{\"rule\": \"tier\", \"holds\": false, \"text\": \"Tier 1.\", \"evidence\": []}]";
    let gate = Gate::from_rego("own.rego", text).unwrap();
    let ruling = gate.decide(&good().input()).unwrap();
    assert_eq!(ruling.answer, Answer::Needs(vec!["release".to_owned()]));
    assert_eq!(ruling.reasons[0].text, "Tier 1.");
    let mut case = good();
    case.patch.service = "other".to_owned();
    assert_eq!(gate.decide(&case.input()).unwrap().answer, Answer::Deny);
}
