//! What the shipped policy answers: a table of cases, and that taking evidence away never makes an answer better.

use crate::case::{Case, approval, artifact, good, statement};
use patchline_approve::Gate;
use patchline_approve::input::ApprovalFacts;
use patchline_model::digest::Digest;
use patchline_model::stage::approve::Answer;
use patchline_model::stage::generate::{Kind, Move};
use patchline_model::stage::verify::{CheckResult, Checked};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::sample::Index;
use serde_json::json;

fn check(given: &str, when: impl FnOnce(&mut Case), then: &Answer) -> Vec<String> {
    let mut case = good();
    when(&mut case);
    let input = case.input();
    let decide = || Gate::shipped().decide(&input).expect("the shipped policy answers");
    let ruling = decide();
    assert_eq!(ruling.answer, *then, "{given}: {:#?}", ruling.reasons);
    assert_eq!(decide(), ruling, "{given}: the same input, the same ruling");
    ruling.reasons.into_iter().filter(|reason| !reason.holds).map(|reason| reason.text).collect()
}

fn owner() -> Answer {
    Answer::Needs(vec!["owner".to_owned()])
}

fn code(case: &mut Case) {
    case.patch.kind = Kind::Code;
    case.patch.files = vec!["src/main.rs".to_owned()];
    case.patch.moves = Vec::new();
}

fn moves(from: &str, to: &str) -> impl FnOnce(&mut Case) {
    let only =
        Move { package: "yaml".to_owned(), from: Some(from.to_owned()), to: Some(to.to_owned()), rung: None };
    move |case| case.patch.moves = vec![only]
}

#[test]
fn a_small_proven_move_of_a_dependency_passes_by_itself() {
    let broken = check("as it is", |_| {}, &Answer::Allow);
    assert!(broken.is_empty(), "{broken:?}");
    check("at the edge", |case| case.patch.moves = vec![case.patch.moves[0].clone(); 5], &Answer::Allow);
}

#[test]
fn reasons_rest_on_the_evidence_that_was_shown() {
    let case = good();
    let ruling = Gate::shipped().decide(&case.input()).unwrap();
    let rules: Vec<_> = ruling.reasons.iter().map(|reason| reason.rule.as_str()).collect();
    let expected = [
        "finding",
        "generated",
        "provenance",
        "sbom",
        "before-after",
        "suite",
        "re-scan",
        "diff",
        "reproducible",
        "low-risk",
        "approval",
    ];
    assert_eq!(rules, expected);
    for (index, item) in case.evidence.iter().enumerate() {
        assert_eq!(
            ruling.reasons[index].evidence,
            std::slice::from_ref(&item.digest),
            "{}",
            ruling.reasons[index].text
        );
    }
    assert!(ruling.reasons.iter().all(|reason| reason.text.ends_with('.') && !reason.text.contains('\n')));
}

#[test]
fn what_is_not_low_risk_needs_the_owner() {
    check("code", code, &owner());
    check("a config", |case| case.patch.kind = Kind::Config, &owner());
    check("tier 4 does not help", |case| (code(case), case.patch.tier = 4).1, &owner());
    check("another file", |case| case.patch.files.push("build.rs".to_owned()), &owner());
    check("a file that ends alike", |case| case.patch.files = vec!["src/notCargo.lock".to_owned()], &owner());
    check("a folder of that name", |case| case.patch.files = vec!["Cargo.lock/x".to_owned()], &owner());
    check("no files", |case| case.patch.files.clear(), &owner());
    check("no moves", |case| case.patch.moves.clear(), &owner());
    check("six moves", |case| case.patch.moves = vec![case.patch.moves[0].clone(); 6], &owner());
    check("a new package", |case| case.patch.moves[0].from = None, &owner());
    check("a package less", |case| case.patch.moves[0].to = None, &owner());
    check("rebuilt to other bytes", |case| case.patch.reproducible = "different", &owner());
    let lossy = |case: &mut Case| case.patch.forward_only = Some("it drops a column".to_owned());
    let broken = check("forward only", lossy, &owner());
    assert!(broken.iter().any(|text| text.contains("it drops a column")), "{broken:?}");
    check("not rebuilt", |case| case.patch.reproducible = "not_tried", &owner());
    check("no signed word of it", |case| case.set(2, "patchline_rebuilt", json!("different")), &owner());
}

#[test]
fn moves_are_small_inside_their_compatible_range_and_upwards() {
    for (from, to) in [("1.2.3", "1.2.4"), ("1.2.3", "1.9.0"), ("0.4.0", "0.4.1"), ("0.9.0+a-b", "0.9.1+c-d")]
    {
        check(&format!("{from} to {to}"), moves(from, to), &Answer::Allow);
    }
    for (from, to) in [
        ("1.2.3", "2.0.0"),
        ("0.4.9", "0.5.0"),
        ("0.0.1", "0.0.2"),
        ("1.2.4", "1.2.3"),
        ("1.2.3", "1.2.3"),
        ("0.4.0", "1.4.0"),
        ("1.2.3", "1.3.0-alpha"),
        ("1.2.3", "1.3"),
        ("1.2.3", "x"),
        ("", ""),
        ("1.2.10", "1.2.9"),
    ] {
        let why = check(&format!("{from} to {to}"), moves(from, to), &owner());
        assert!(why[0].contains("not a small way up"), "{why:?}");
    }
}

#[test]
fn a_check_that_warned_or_was_skipped_asks_for_a_person() {
    for (result, signed) in [(CheckResult::Warned, "WARNED"), (CheckResult::Skipped, "SKIPPED")] {
        for index in 0..4 {
            check(signed, |case| case.checked(index, result, signed), &owner());
        }
    }
}

#[test]
fn an_optional_check_that_was_skipped_asks_for_nobody_and_one_that_warned_does() {
    let with = |result: CheckResult, signed: &'static str| {
        move |case: &mut Case| {
            let digest = Digest::of(b"hunks");
            let mut statement = case.evidence[7].clone();
            statement.digest = digest.clone();
            statement.predicate = json!({ "patchline_check": "hunks", "result": signed });
            case.evidence.push(statement);
            let hunks =
                Checked { check: "hunks".to_owned(), result, evidence: digest, ..case.checks[3].clone() };
            case.checks.push(hunks);
        }
    };
    check("skipped", with(CheckResult::Skipped, "WARNED"), &Answer::Allow);
    check("passed", with(CheckResult::Passed, "PASSED"), &Answer::Allow);
    check("warned", with(CheckResult::Warned, "WARNED"), &owner());
    check("failed", with(CheckResult::Failed, "FAILED"), &Answer::Deny);
    check(
        "unsigned",
        |case| {
            with(CheckResult::Skipped, "WARNED")(case);
            drop(case.evidence.pop());
        },
        &Answer::Deny,
    );
}

#[test]
fn a_failed_check_denies_whoever_approves() {
    for index in 0..3 {
        let why = check(
            "failed",
            |case| {
                case.checked(index, CheckResult::Failed, "FAILED");
                case.approvals = vec![approval("bob@example.com", "owner", &case.dossier())];
            },
            &Answer::Deny,
        );
        assert!(why[0].contains("failed: all is well."), "{why:?}");
    }
    check(
        "the record says passed, the tester failed",
        |case| case.set(5, "result", json!("FAILED")),
        &Answer::Deny,
    );
    check(
        "the statement of another check",
        |case| case.set(5, "patchline_check", json!("re-scan")),
        &Answer::Deny,
    );
    check(
        "passed and failed under one name",
        |case| {
            let again = Checked { result: CheckResult::Failed, ..case.checks[1].clone() };
            case.checks.push(again);
        },
        &Answer::Deny,
    );
}

#[test]
fn missing_evidence_denies_and_is_named() {
    let sentences = [
        "No signed statement of a detector",
        "No signed statement of a known fixer",
        "No signed provenance",
        "SBOM",
        "`before-after`",
        "`suite`",
        "`re-scan`",
        "`diff`",
    ];
    for (index, sentence) in sentences.into_iter().enumerate() {
        let why = check(sentence, |case| drop(case.evidence.remove(index)), &Answer::Deny);
        assert_eq!(why.len(), 1, "{why:?}");
        assert!(why[0].contains(sentence), "{why:?}");
        check(sentence, |case| case.evidence[index].role = "deployer".to_owned(), &Answer::Deny);
        check(sentence, |case| case.evidence[index].predicate_type = "a:b".to_owned(), &Answer::Deny);
        check(
            sentence,
            |case| case.evidence[index].subjects = vec![format!("sha256:{}", "0".repeat(64))],
            &Answer::Deny,
        );
    }
    check("nothing", |case| case.evidence.clear(), &Answer::Deny);
    for index in 0..3 {
        let why = check("not made", |case| drop(case.checks.remove(index)), &Answer::Deny);
        assert!(why[0].contains("was not made"), "{why:?}");
    }
    check(
        "a check that nobody signed",
        |case| {
            let unsigned = Checked {
                check: "coverage".to_owned(),
                evidence: Digest::of(b"x"),
                ..case.checks[0].clone()
            };
            case.checks.push(unsigned);
        },
        &Answer::Deny,
    );
}

#[test]
fn statements_of_a_strange_shape_are_not_shown() {
    for strange in [json!(null), json!(7), json!("x"), json!([]), json!({}), json!([{ "digest": 7 }])] {
        for (index, field) in [
            (1, "fixer"),
            (2, "runDetails"),
            (2, "buildDefinition"),
            (4, "result"),
            (5, "result"),
            (6, "result"),
        ] {
            check(field, |case| case.set(index, field, strange.clone()), &Answer::Deny);
        }
        check("rebuilt", |case| case.set(2, "patchline_rebuilt", strange.clone()), &owner());
        for index in [1, 2, 4, 5, 6] {
            check("whole", |case| case.evidence[index].predicate = strange.clone(), &Answer::Deny);
        }
        for field in ["id", "resolvedDependencies"] {
            let outer = if field == "id" { "runDetails" } else { "buildDefinition" };
            let inner = if field == "id" {
                json!({ "builder": { "id": strange } })
            } else {
                json!({ "resolvedDependencies": strange })
            };
            check(field, |case| case.set(2, outer, inner), &Answer::Deny);
        }
    }
}

#[test]
fn hands_that_are_not_known_deny() {
    check(
        "another fixer",
        |case| {
            case.patch.fixer = "stranger".to_owned();
            case.set(1, "fixer", json!("stranger"));
        },
        &Answer::Deny,
    );
    let by = |fixer: &'static str| {
        move |case: &mut Case| {
            code(case);
            case.patch.fixer = fixer.to_owned();
            case.set(1, "fixer", json!(fixer));
        }
    };
    check("an agent, whatever its name", by("agent:cargo"), &owner());
    check("a stranger with an agent's name", by("stranger:agent"), &Answer::Deny);
    check(
        "another builder",
        |case| {
            case.set(2, "runDetails", json!({ "builder": { "id": "https://builder.invalid/" } }));
        },
        &Answer::Deny,
    );
    check(
        "built from another commit",
        |case| {
            let other = json!({ "resolvedDependencies": [{ "digest": { "gitCommit": "0".repeat(40) } }] });
            case.set(2, "buildDefinition", other);
        },
        &Answer::Deny,
    );
}

#[test]
fn another_person_over_this_dossier_lets_it_through() {
    let with = |by: &'static str, role: &'static str, stale: bool| {
        move |case: &mut Case| {
            code(case);
            let dossier = if stale { Digest::of(b"before") } else { case.dossier() };
            case.approvals = vec![approval(by, role, &dossier)];
        }
    };
    check("the owner", with("bob@example.com", "owner", false), &Answer::Allow);
    check("another role", with("bob@example.com", "security", false), &owner());
    check("what was shown before", with("bob@example.com", "owner", true), &owner());
    check("the author", with("ann@example.com", "owner", false), &owner());
    check("the author, by name", with("Ann <ann@example.com>", "owner", false), &owner());
    check("the author, in capitals", with(" ANN@Example.com ", "owner", false), &owner());
    check("the author, otherwise named", with("Bob <ann@EXAMPLE.com>", "owner", false), &owner());
    check("nobody", with("  ", "owner", false), &owner());
    check("a machine", with("patchline", "owner", false), &owner());
    check(
        "new evidence",
        |case| {
            with("bob@example.com", "owner", false)(case);
            case.evidence.push(statement(8, "tester", "a:b", vec![artifact()], json!({})));
        },
        &owner(),
    );
}

#[test]
fn one_person_does_not_stand_for_two_roles() {
    let text = include_str!("../../src/default.rego").replace("{\"owner\"}", "{\"owner\", \"security\"}");
    let gate = Gate::from_rego("two.rego", &text).unwrap();
    assert_ne!(gate.digest(), Gate::shipped().digest());
    let ask = |people: &[(&str, &str)]| {
        let mut case = good();
        code(&mut case);
        let dossier = case.dossier();
        case.approvals = people.iter().map(|(by, role)| approval(by, role, &dossier)).collect();
        gate.decide(&case.input()).unwrap().answer
    };
    let needs = |roles: &[&str]| Answer::Needs(roles.iter().map(|role| (*role).to_owned()).collect());
    assert_eq!(ask(&[]), needs(&["owner", "security"]));
    assert_eq!(ask(&[("bob", "owner")]), needs(&["security"]));
    assert_eq!(ask(&[("bob", "owner"), ("Bob", "security")]), needs(&["owner", "security"]));
    assert_eq!(ask(&[("bob", "owner"), ("cat", "security")]), Answer::Allow);
    assert_eq!(ask(&[("bob", "owner"), ("bob", "security"), ("cat", "owner")]), Answer::Allow);
}

#[test]
fn in_an_emergency_one_person_stands_for_all_and_nobody_for_the_proof() {
    let text = include_str!("../../src/default.rego")
        .replace("required_roles := {\"owner\"}", "required_roles := {\"owner\", \"security\"}");
    let gate = Gate::from_rego("two.rego", &text).unwrap();
    let ask = |by: &str, role: &str, reason: &str, spoil: &dyn Fn(&mut Case)| {
        let mut case = good();
        code(&mut case);
        spoil(&mut case);
        let dossier = case.dossier();
        let emergency = Some(reason.to_owned());
        case.approvals = vec![ApprovalFacts { emergency, ..approval(by, role, &dossier) }];
        let ruling = gate.decide(&case.input()).unwrap();
        let passes = ruling.reasons.iter().any(|reason| reason.rule == "emergency" && reason.holds);
        (ruling.answer, passes)
    };
    let nothing = |_: &mut Case| {};
    assert_eq!(ask("bob", "owner", "it is exploited", &nothing), (Answer::Allow, true));
    let refused = [
        ("ann@example.com", "owner", "x"),
        ("bob", "visitor", "x"),
        ("bob", "owner", " "),
        (" ", "owner", "x"),
    ];
    for (by, role, reason) in refused {
        let (answer, passes) = ask(by, role, reason, &nothing);
        assert!(matches!(answer, Answer::Needs(_)) && !passes, "{by} as {role}: {answer:?}");
    }
    let unproven = |case: &mut Case| case.checked(0, CheckResult::Failed, "FAILED");
    assert_eq!(ask("bob", "owner", "it is exploited", &unproven), (Answer::Deny, false));
    let unsigned = |case: &mut Case| drop(case.evidence.remove(0));
    assert_eq!(ask("bob", "owner", "it is exploited", &unsigned), (Answer::Deny, false));
}

/// How good an answer is for the patch.
fn rank(answer: &Answer) -> u8 {
    match answer {
        Answer::Deny => 0,
        Answer::Needs(_) => 1,
        Answer::Allow => 2,
    }
}

fn any_change() -> impl Strategy<Value = Change> {
    let result = prop_oneof![
        Just(CheckResult::Passed),
        Just(CheckResult::Warned),
        Just(CheckResult::Skipped),
        Just(CheckResult::Failed)
    ];
    let signed = prop_oneof![Just("PASSED"), Just("WARNED"), Just("SKIPPED"), Just("FAILED"), Just("")];
    prop_oneof![
        Just(Change::Code),
        any::<Index>().prop_map(Change::Double),
        (0..3_usize, result, signed).prop_map(|(index, result, signed)| Change::Check(index, result, signed)),
        prop_oneof![Just("ann@example.com"), Just("bob"), Just("cat")].prop_map(Change::Approve),
    ]
}

#[derive(Clone, Debug)]
enum Change {
    Code,
    Double(Index),
    Check(usize, CheckResult, &'static str),
    Approve(&'static str),
}

fn changed(changes: &[Change]) -> Case {
    let mut case = good();
    for change in changes {
        match change {
            Change::Code => code(&mut case),
            Change::Double(index) => {
                let item = case.evidence[index.index(case.evidence.len())].clone();
                case.evidence.push(item);
            }
            Change::Check(index, result, signed) => case.checked(*index, *result, signed),
            Change::Approve(by) => case.approvals.push(approval(by, "owner", &Digest::of(b"later"))),
        }
    }
    let dossier = case.dossier();
    case.approvals.iter_mut().for_each(|approval| approval.dossier = dossier.clone());
    case
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn taking_away_evidence_or_an_approval_never_makes_the_answer_better(
        changes in proptest::collection::vec(any_change(), 0..4), index in any::<Index>()
    ) {
        let gate = Gate::shipped();
        let whole = changed(&changes).input();
        let before = gate.decide(&whole).unwrap().answer;
        let mut less = whole.clone();
        less.evidence.remove(index.index(whole.evidence.len()));
        assert!(rank(&gate.decide(&less).unwrap().answer) <= rank(&before), "{changes:?}");
        if !whole.approvals.is_empty() {
            let mut less = whole.clone();
            less.approvals.remove(index.index(whole.approvals.len()));
            assert!(rank(&gate.decide(&less).unwrap().answer) <= rank(&before), "{changes:?}");
        }
    }

    #[test]
    fn without_any_one_of_its_evidence_an_allowed_patch_is_denied(
        kept in proptest::collection::vec(any::<bool>(), 8), is_code in any::<bool>()
    ) {
        let mut case = good();
        if is_code {
            code(&mut case);
            case.approvals = vec![approval("bob", "owner", &case.dossier())];
        }
        let mut input = case.input();
        let mut keep = kept.iter();
        input.evidence.retain(|_| *keep.next().unwrap());
        let all = kept.iter().all(|kept| *kept);
        let then = if all { Answer::Allow } else { Answer::Deny };
        assert_eq!(Gate::shipped().decide(&input).unwrap().answer, then);
    }
}
