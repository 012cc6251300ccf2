//! Statements: what is written, what is read back, and what is refused.

use std::collections::BTreeMap;

use patchline_evidence::statement::{MAX_PREDICATE_DEPTH, PATCHLINE_DECISION, TEST_RESULT};
use patchline_evidence::{ResourceDescriptor, Statement};
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Value, json};

const HEX: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

fn statement(predicate: Value) -> Statement {
    let subject = vec![ResourceDescriptor::sha256("app.tar", HEX)];
    Statement { subject, predicate_type: TEST_RESULT.to_owned(), predicate }
}

/// Changes one field of a good statement and expects a refusal that says why.
fn check_refused(pointer: &str, value: Value, reason: &str) {
    let mut document: Value = serde_json::from_slice(&statement(json!({})).to_bytes()).expect("it is JSON");
    *document.pointer_mut(pointer).expect("the field is there") = value;
    let refusal = Statement::from_bytes(document.to_string().as_bytes()).expect_err(pointer).to_string();
    assert!(refusal.contains(reason), "{pointer}: `{refusal}` does not say `{reason}`");
}

fn nested(levels: u32) -> Value {
    (0..levels).fold(Value::Null, |inner, _| json!({ "in": inner }))
}

#[test]
fn a_statement_is_written_as_in_toto_wants_it() {
    let bytes = statement(json!({"result": "PASSED"})).to_bytes();
    let expected = format!(
        "{{\"_type\":\"https://in-toto.io/Statement/v1\",\
         \"subject\":[{{\"name\":\"app.tar\",\"digest\":{{\"sha256\":\"{HEX}\"}}}}],\
         \"predicateType\":\"https://in-toto.io/attestation/test-result/v0.1\",\
         \"predicate\":{{\"result\":\"PASSED\"}}}}"
    );
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

#[test]
fn every_field_of_a_descriptor_has_its_camel_case_name() {
    let descriptor = ResourceDescriptor {
        name: None,
        uri: Some("pkg:cargo/ring@0.17".to_owned()),
        content: Some("aGk=".to_owned()),
        download_location: Some("file:///a".to_owned()),
        media_type: Some("text/plain".to_owned()),
        annotations: BTreeMap::from([("patchline_logIndex".to_owned(), json!(7))]),
        ..ResourceDescriptor::git_commit("", &HEX[..40])
    };
    let expected = json!({"uri": "pkg:cargo/ring@0.17", "digest": {"gitCommit": &HEX[..40]}, "content": "aGk=",
        "downloadLocation": "file:///a", "mediaType": "text/plain", "annotations": {"patchline_logIndex": 7}});
    assert_eq!(serde_json::to_value(descriptor).unwrap(), expected);
}

#[test]
fn a_digest_may_carry_its_algorithm() {
    let prefixed = ResourceDescriptor::sha256("app.tar", &format!("sha256:{HEX}"));
    assert_eq!(prefixed, ResourceDescriptor::sha256("app.tar", HEX));
}

#[test]
fn unknown_fields_are_ignored_and_a_predicate_may_be_absent() {
    let text = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","later":1,
        "subject":[{{"digest":{{"sha256":"{HEX}"}},"later":[]}}],"predicateType":"{PATCHLINE_DECISION}"}}"#
    );
    let read = Statement::from_bytes(text.as_bytes()).unwrap();
    assert_eq!(read.predicate, Value::Null);
    assert_eq!(Statement::from_bytes(&read.to_bytes()).unwrap(), read);
}

#[test]
fn what_is_no_statement_is_refused_with_the_reason() {
    let twins = json!([ResourceDescriptor::sha256("a", HEX), ResourceDescriptor::sha256("a", HEX)]);
    let same_place = json!([{"uri": "u", "digest": {"x": "1"}}, {"uri": "u", "digest": {"x": "2"}}]);
    check_refused("/_type", json!("https://in-toto.io/Statement/v0.1"), "its type is");
    check_refused("/subject", json!([]), "no subject");
    check_refused("/subject", twins, "two subjects are called `a`");
    check_refused("/subject", same_place, "two subjects are called `u`");
    check_refused("/subject/0/digest", json!({}), "no digest");
    check_refused("/subject/0/digest/sha256", json!(HEX.to_uppercase()), "no sha256 digest");
    check_refused("/subject/0/digest/sha256", json!(&HEX[1..]), "no sha256 digest");
    check_refused("/subject/0/digest", json!({"gitCommit": "abc"}), "no gitCommit digest");
    check_refused("/predicateType", json!("decision"), "not a URI");
    check_refused("/predicate", json!("text"), "not an object");
}

#[test]
fn broken_json_is_refused() {
    let good = statement(json!({})).to_bytes();
    let twice = String::from_utf8(good.clone()).unwrap().replacen('{', r#"{"predicateType":"a:b","#, 1);
    for bytes in [&good[..good.len() - 1], &[&good[..], b"{}"].concat(), b"", b"\xff", twice.as_bytes()] {
        assert!(Statement::from_bytes(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn nesting_has_a_limit() {
    assert!(Statement::from_bytes(&statement(nested(MAX_PREDICATE_DEPTH)).to_bytes()).is_ok());
    assert!(statement(nested(MAX_PREDICATE_DEPTH + 1)).check().is_err());
    assert!(Statement::from_bytes(&statement(nested(MAX_PREDICATE_DEPTH + 1)).to_bytes()).is_err());
}

#[test]
fn nesting_that_would_overflow_the_stack_is_refused_while_parsing() {
    let (open, close) = ("[".repeat(1_000_000), "]".repeat(1_000_000));
    let text = String::from_utf8(statement(json!({"deep": "here"})).to_bytes()).unwrap();
    let deep = text.replace("\"here\"", &format!("{open}{close}"));
    assert!(Statement::from_bytes(deep.as_bytes()).is_err());
}

#[test]
fn length_has_a_limit() {
    let long = vec![b' '; patchline_evidence::statement::MAX_STATEMENT_BYTES + 1];
    let refusal = Statement::from_bytes(&long).unwrap_err().to_string();
    assert_eq!(refusal, "could not read the statement: 33554433 bytes, and the limit is 33554432");
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_statement_that_passes_its_check_reads_back_the_same(
        name in any::<Option<String>>(),
        place in any::<Option<String>>(),
        fields in proptest::collection::btree_map(any::<String>(), any_value(), 0..5),
    ) {
        let subject = ResourceDescriptor { name, uri: place, ..ResourceDescriptor::sha256("", HEX) };
        let predicate = Value::Object(fields.into_iter().collect());
        let written = Statement { subject: vec![subject], predicate_type: TEST_RESULT.to_owned(), predicate };
        written.check().unwrap();
        let bytes = written.to_bytes();
        let read = Statement::from_bytes(&bytes).unwrap();
        prop_assert_eq!(read.to_bytes(), bytes);
        prop_assert_eq!(read, written);
    }

    #[test]
    fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Statement::from_bytes(&bytes);
    }

    #[test]
    fn a_statement_with_any_bytes_put_in_never_panics(
        at in any::<proptest::sample::Index>(), bytes in proptest::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut statement = statement(json!({"a": [1, {"b": "c"}]})).to_bytes();
        let at = at.index(statement.len());
        statement.splice(at..(at + bytes.len()).min(statement.len()), bytes);
        if let Ok(read) = Statement::from_bytes(&statement) {
            prop_assert_eq!(Statement::from_bytes(&read.to_bytes()).unwrap(), read);
        }
    }
}
