//! From what a policy answered to a ruling: exact about yes, strict about the rest, bounded.

use std::collections::BTreeSet;

use patchline_model::digest::Digest;
use patchline_model::stage::approve::{Answer, Reason};
use serde_json::{Map, Value};

const MOST_REASONS: usize = 200;
const MOST_ROLES: usize = 16;
const LONGEST_ROLE: usize = 100;
/// In characters; longer text is cut.
const LONGEST_TEXT: usize = 2000;

/// What the policy says, with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    pub answer: Answer,
    pub reasons: Vec<Reason>,
}

impl Ruling {
    /// Reads `allow`, `deny`, `needs` and `reasons`; what is absent is undefined. A patch is let through only by
    /// `deny` that is false, `needs` that is empty and `allow` that is true. `known` is the evidence that was shown:
    /// no reason rests on other. Errors say what is wrong with the answer.
    pub fn read(package: &Map<String, Value>, known: &[&Digest]) -> Result<Self, String> {
        let truth = |rule: &str| match package.get(rule) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(*truth)),
            Some(_) => Err(format!("`{rule}` is neither true nor false")),
        };
        let (allow, deny) = (truth("allow")?, truth("deny")?);
        let needs = package.get("needs").map(roles).transpose()?;
        let mut reasons = match package.get("reasons") {
            None => Vec::new(),
            Some(list) => read_reasons(list, known)?,
        };
        let answer = match (deny, needs, allow) {
            (Some(false), Some(roles), _) if !roles.is_empty() => Answer::Needs(roles),
            (Some(false), Some(_), Some(true)) => Answer::Allow,
            (_, _, _) => Answer::Deny,
        };
        if answer == Answer::Deny && reasons.iter().all(|reason| reason.holds) {
            reasons.push(no_reason());
        }
        Ok(Self { answer, reasons })
    }
}

/// A deny that nobody explains is the policy's fault, and says so.
fn no_reason() -> Reason {
    Reason {
        rule: "policy".to_owned(),
        holds: false,
        text: "The policy does not allow this and gives no reason.".to_owned(),
        evidence: Vec::new(),
    }
}

fn roles(value: &Value) -> Result<Vec<String>, String> {
    let list = value.as_array().ok_or("`needs` is not a set of roles")?;
    if list.len() > MOST_ROLES {
        return Err(format!("`needs` has more than {MOST_ROLES} roles"));
    }
    let role = |value: &Value| match value.as_str() {
        Some(role) if !role.trim().is_empty() && role.len() <= LONGEST_ROLE => Ok(role.to_owned()),
        Some(_) => Err(format!("a role in `needs` is empty or longer than {LONGEST_ROLE} bytes")),
        None => Err("a role in `needs` is not text".to_owned()),
    };
    list.iter().map(role).collect()
}

fn read_reasons(value: &Value, known: &[&Digest]) -> Result<Vec<Reason>, String> {
    let list = value.as_array().ok_or("`reasons` is not a list")?;
    if list.len() > MOST_REASONS {
        return Err(format!("`reasons` has more than {MOST_REASONS} entries"));
    }
    list.iter().map(|entry| read_reason(entry, known)).collect()
}

fn read_reason(entry: &Value, known: &[&Digest]) -> Result<Reason, String> {
    let mut reason: Reason = serde_json::from_value(entry.clone())
        .map_err(|error| format!("an entry of `reasons` is none: {error}"))?;
    if let Some(digest) = reason.evidence.iter().find(|digest| !known.contains(digest)) {
        return Err(format!("the rule `{}` rests on {digest}, which was not shown", cut(&reason.rule)));
    }
    let mut named = BTreeSet::new();
    reason.evidence.retain(|digest| named.insert(digest.clone()));
    reason.rule = cut(&reason.rule);
    reason.text = cut(&reason.text);
    Ok(reason)
}

fn cut(text: &str) -> String {
    if text.chars().nth(LONGEST_TEXT).is_none() {
        return text.to_owned();
    }
    text.chars().take(LONGEST_TEXT).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use patchline_model::stage::approve::Answer;
    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
    use serde_json::{Map, Value, json};

    use super::Ruling;

    fn check(given: Value, then: &Answer) {
        let Value::Object(package) = given else { panic!("a package is an object") };
        assert_eq!(Ruling::read(&package, &[]).unwrap().answer, *then, "{package:?}");
    }

    #[test]
    fn only_three_right_words_let_a_patch_through() {
        check(json!({ "allow": true, "deny": false, "needs": [] }), &Answer::Allow);
        let needs = Answer::Needs(vec!["owner".to_owned()]);
        check(json!({ "allow": false, "deny": false, "needs": ["owner"] }), &needs);
        check(json!({ "allow": true, "deny": false, "needs": ["owner"] }), &needs);
        for given in [
            json!({}),
            json!({ "allow": true }),
            json!({ "allow": true, "needs": [] }),
            json!({ "allow": true, "deny": false }),
            json!({ "allow": true, "deny": true, "needs": [] }),
            json!({ "allow": false, "deny": false, "needs": [] }),
            json!({ "deny": false, "needs": [] }),
            json!({ "deny": true, "needs": ["owner"] }),
        ] {
            check(given, &Answer::Deny);
        }
    }

    #[test]
    fn a_deny_always_has_a_reason_that_does_not_hold() {
        let ruling = Ruling::read(&Map::new(), &[]).unwrap();
        assert!(ruling.reasons.iter().any(|reason| !reason.holds));
    }

    #[test]
    fn answers_of_another_shape_are_errors() {
        for (given, then) in [
            (json!({ "allow": "yes" }), "neither true nor false"),
            (json!({ "needs": "owner" }), "not a set"),
            (json!({ "needs": [" "] }), "empty"),
            (json!({ "needs": [1] }), "not text"),
            (json!({ "needs": vec!["r"; 17] }), "more than 16"),
            (json!({ "reasons": [{}] }), "missing field"),
            (json!({ "reasons": vec![json!({}); 201] }), "more than 200"),
            (
                json!({ "reasons": [{ "rule": "r", "holds": true, "text": "", "evidence": [format!("sha256:{}", "a".repeat(64))] }] }),
                "was not shown",
            ),
        ] {
            let Value::Object(package) = given else { panic!("a package is an object") };
            let error = Ruling::read(&package, &[]).unwrap_err();
            assert!(error.contains(then), "{error}");
        }
    }

    fn any_word() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
            "[a-z]{0,3}".prop_map(Value::from),
            Just(json!([])),
            Just(json!(["owner"])),
            Just(json!({})),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_answered_allow_takes_all_three_words(
            words in proptest::collection::btree_map("allow|deny|needs|reasons", any_word(), 0..5)
        ) {
            let package: Map<String, Value> = words.into_iter().collect();
            let allows = Ruling::read(&package, &[]).is_ok_and(|ruling| ruling.answer == Answer::Allow);
            let words = ["allow", "deny", "needs"].map(|word| package.get(word).cloned());
            let right = words == [Some(json!(true)), Some(json!(false)), Some(json!([]))];
            assert!(!allows || right, "{package:?}");
        }
    }
}
