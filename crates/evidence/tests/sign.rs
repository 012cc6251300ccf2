//! Keys and envelopes: what verifies, what is refused, and who may read a key.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::thread;

use patchline_evidence::sign::STATEMENT_PAYLOAD;
use patchline_evidence::statement::PATCHLINE_DECISION;
use patchline_evidence::{
    Envelope, EvidenceError, ResourceDescriptor, SigningKey, Statement, VerifyingKey, pae,
};
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};

/// The P-256 key of RFC 6979, appendix A.2.5, as PKCS#8.
const KNOWN_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MEECAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEJzAlAgEBBCDJr6nYRbp1FmtcIVdn\n\
    sdaTTlDD2zbomxJ7imIrEg9nIQ==\n\
    -----END PRIVATE KEY-----\n";
/// Making a key costs more than using it.
static ONE_KEY: LazyLock<SigningKey> = LazyLock::new(new_key);
const KEY_PATH: &str = "PATCHLINE_TEST_KEY_PATH";

fn statement() -> Statement {
    let hex = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let subject = vec![ResourceDescriptor::sha256("app.tar", hex)];
    Statement {
        subject,
        predicate_type: PATCHLINE_DECISION.to_owned(),
        predicate: json!({"decision": "APPROVED"}),
    }
}

fn new_key() -> SigningKey {
    SigningKey::generate().expect("the system has randomness")
}

fn write_key(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).expect("the directory is ours");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the file is ours");
}

/// Changes one field of a good envelope and expects that the key no longer vouches for it.
fn check_tampered(pointer: &str, change: impl FnOnce(&str) -> String) {
    let key = new_key();
    let mut document: Value = serde_json::to_value(key.sign_statement(&statement())).expect("it is JSON");
    let field = document.pointer_mut(pointer).expect("the field is there");
    let changed = change(field.as_str().expect("the field is text"));
    assert_ne!(field.as_str(), Some(changed.as_str()), "nothing was changed");
    *field = changed.into();
    let envelope = Envelope::from_bytes(document.to_string().as_bytes()).expect("it still parses");
    assert!(
        matches!(envelope.verify(&key.verifying_key()), Err(EvidenceError::Signature { .. })),
        "{pointer}"
    );
}

#[test]
fn the_encoding_is_that_of_the_dsse_specification() {
    let encoded = pae("http://example.com/HelloWorld", b"hello world");
    assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
    assert_eq!(pae("é", "ü".as_bytes()), "DSSEv1 2 é 2 ü".as_bytes());
}

#[test]
fn what_was_signed_verifies_and_comes_back() {
    let key = new_key();
    let envelope = Envelope::from_bytes(&key.sign_statement(&statement()).to_bytes()).unwrap();
    assert_eq!(envelope.verify(&key.verifying_key()).unwrap(), statement().to_bytes());
    assert_eq!(envelope.verify_statement(&key.verifying_key()).unwrap(), statement());
}

#[test]
fn an_envelope_is_written_as_dsse_wants_it() {
    let key = new_key();
    let document: Value = serde_json::from_slice(&key.sign("text/plain", b"hello").to_bytes()).unwrap();
    let signature = &document["signatures"][0];
    assert_eq!(document["payload"], "aGVsbG8=");
    assert_eq!(document["payloadType"], "text/plain");
    assert_eq!(document["signatures"].as_array().unwrap().len(), 1);
    assert_eq!(signature["keyid"], key.key_id());
    assert!(signature["sig"].as_str().unwrap().starts_with("ME"), "an ASN.1 sequence: {signature}");
}

#[test]
fn signing_twice_says_the_same() {
    let key = new_key();
    assert_eq!(key.sign("text/plain", b"hello"), key.sign("text/plain", b"hello"));
}

#[test]
fn a_changed_payload_type_or_signature_is_refused() {
    check_tampered("/payload", |payload| payload.replacen('e', "f", 1));
    check_tampered("/payload", |payload| payload[4..].to_owned());
    check_tampered("/payloadType", |kind| kind.replace("vnd", "vne"));
    check_tampered("/signatures/0/sig", |sig| {
        new_key().sign(STATEMENT_PAYLOAD, sig.as_bytes()).signatures[0].sig.clone()
    });
    check_tampered("/signatures/0/sig", |_| String::new());
    check_tampered("/signatures/0/sig", |sig| sig[..sig.len() - 4].to_owned());
}

#[test]
fn a_changed_bit_in_any_byte_of_a_signature_is_refused() {
    use base64::Engine;
    let engine = base64::engine::general_purpose::STANDARD;
    let key = new_key();
    let envelope = key.sign("text/plain", b"hello");
    let good = engine.decode(&envelope.signatures[0].sig).unwrap();
    for (at, bit) in (0..good.len()).zip((0..8).cycle()) {
        let mut bad = good.clone();
        bad[at] ^= 1 << bit;
        let mut envelope = envelope.clone();
        envelope.signatures[0].sig = engine.encode(bad);
        assert!(envelope.verify(&key.verifying_key()).is_err(), "bit {bit} of byte {at}");
    }
}

#[test]
fn the_key_id_is_a_hint_and_proves_nothing() {
    let (ours, theirs) = (new_key(), new_key());
    let mut envelope = theirs.sign("text/plain", b"hello");
    let refusal = envelope.verify(&ours.verifying_key()).unwrap_err();
    assert!(matches!(refusal, EvidenceError::OtherKey { .. }), "{refusal}");
    envelope.signatures[0].keyid = ours.key_id().to_owned();
    assert!(envelope.verify(&ours.verifying_key()).is_err());
    envelope.signatures[0].keyid.clear();
    assert!(envelope.verify(&theirs.verifying_key()).is_ok());
}

#[test]
fn a_payload_of_another_type_is_no_statement() {
    let key = new_key();
    let envelope = key.sign("application/json", &statement().to_bytes());
    assert!(envelope.verify(&key.verifying_key()).is_ok());
    let refusal = envelope.verify_statement(&key.verifying_key()).unwrap_err().to_string();
    assert!(refusal.contains("`application/json`"), "{refusal}");
}

#[test]
fn an_envelope_has_exactly_one_signature() {
    let document = serde_json::to_value(new_key().sign_statement(&statement())).unwrap();
    let one = document["signatures"][0].clone();
    for (signatures, count) in [(json!([]), 0), (json!([one, one]), 2)] {
        let mut document = document.clone();
        document["signatures"] = signatures;
        let refusal = Envelope::from_bytes(document.to_string().as_bytes()).unwrap_err().to_string();
        assert_eq!(refusal, format!("could not accept the envelope: it has {count} signatures, not one"));
        assert!(serde_json::from_value::<Envelope>(document).is_err());
    }
}

#[test]
fn base64_may_be_url_safe_and_unpadded() {
    let key = new_key();
    let mut envelope = key.sign("text/plain", &[0xfb, 0xff, 0xfe, 0xff]);
    assert_eq!(envelope.payload, "+//+/w==");
    for payload in ["-__-_w==", "-__-_w", "+//+/w"] {
        envelope.payload = payload.to_owned();
        let read = Envelope::from_bytes(&envelope.to_bytes()).unwrap();
        assert_eq!(read.verify(&key.verifying_key()).unwrap(), [0xfb, 0xff, 0xfe, 0xff], "{payload}");
    }
    for payload in ["+__-_w==", "-__-_w===", "*", "-__-_x=="] {
        envelope.payload = payload.to_owned();
        assert!(Envelope::from_bytes(&envelope.to_bytes()).is_err(), "{payload}");
    }
}

#[test]
fn deep_nesting_and_great_length_are_refused() {
    let deep = format!("{{\"later\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    assert!(Envelope::from_bytes(deep.as_bytes()).is_err());
    let long = vec![b' '; patchline_evidence::sign::MAX_ENVELOPE_BYTES + 1];
    assert!(matches!(Envelope::from_bytes(&long), Err(EvidenceError::TooLarge { .. })));
}

#[test]
fn a_statement_of_full_length_fits_an_envelope() {
    let mut envelope = ONE_KEY.sign_statement(&statement());
    envelope.payload = "AAAA".repeat(patchline_evidence::statement::MAX_STATEMENT_BYTES.div_ceil(3));
    assert!(Envelope::from_bytes(&envelope.to_bytes()).unwrap() == envelope);
}

#[test]
fn a_public_key_survives_its_pem_and_nothing_else_is_one() {
    let key = new_key().verifying_key();
    let pem = key.to_pem();
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{pem}");
    assert_eq!(VerifyingKey::from_pem(&pem).unwrap(), key);
    for text in ["", KNOWN_KEY, &pem.replace('M', "N"), &pem[..pem.len() / 2]] {
        assert!(VerifyingKey::from_pem(text).is_err(), "{text}");
    }
}

#[test]
fn a_key_of_known_bytes_signs_as_rfc_6979_says() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pem");
    write_key(&path, KNOWN_KEY, 0o400);
    let key = SigningKey::load_or_create(&path).unwrap();
    let envelope = key.sign("http://example.com/HelloWorld", b"hello world");
    // Both computed from the standards by an implementation of their own, the key id also by OpenSSL.
    assert_eq!(key.key_id(), "Wnp4zKSg9CDZvGK7Zpw8J1njn3I9OuENy+DwgVoH7NQ=");
    assert_eq!(
        envelope.signatures[0].sig,
        "MEQCIGdpHb7fhorpy3briG0wT+wTtgZEqY6PBLgGMxUume4wAiAFU/Iz2dpxye2mHylosqXrKmb7LgSF3XWGqoui2q/8tA=="
    );
}

#[test]
fn debug_does_not_show_the_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pem");
    write_key(&path, KNOWN_KEY, 0o600);
    let key = SigningKey::load_or_create(&path).unwrap();
    assert_eq!(format!("{key:?}"), format!("SigningKey {{ key_id: {:?}, .. }}", key.key_id()));
}

#[test]
fn a_new_key_is_private_and_stays_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys/inner/builder.pem");
    let key = SigningKey::load_or_create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(SigningKey::load_or_create(&path).unwrap().key_id(), key.key_id());
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left over");
}

#[test]
fn what_a_crash_left_beside_a_key_is_removed_when_the_key_is_made() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(".key.pem.new-1-0-0"), "half a key").unwrap();
    SigningKey::load_or_create(&directory.path().join("key.pem")).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_key_that_others_may_read_is_refused_with_a_hint() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pem");
    for mode in [0o640, 0o604, 0o644, 0o660, 0o601] {
        write_key(&path, KNOWN_KEY, mode);
        let refusal = SigningKey::load_or_create(&path).unwrap_err().to_string();
        assert!(refusal.contains(&format!("mode {mode:04o}")), "{refusal}");
        assert!(refusal.contains(&format!("`chmod 600 {}`", path.display())), "{refusal}");
    }
}

#[test]
fn a_file_that_holds_no_key_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pem");
    for text in ["", "hello", &KNOWN_KEY[..100], &"x".repeat(1 << 20)] {
        write_key(&path, text, 0o600);
        let refusal = SigningKey::load_or_create(&path).unwrap_err().to_string();
        assert!(refusal.contains(&path.display().to_string()), "{refusal}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    let refusal = SigningKey::load_or_create(directory.path()).unwrap_err().to_string();
    assert!(refusal.contains("could not read signing key"), "{refusal}");
}

#[test]
fn threads_that_start_at_once_end_with_the_same_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pem");
    let start = std::sync::Barrier::new(8);
    let ids: Vec<String> = thread::scope(|scope| {
        let one = || {
            start.wait();
            SigningKey::load_or_create(&path).unwrap().key_id().to_owned()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left over");
}

#[test]
fn processes_that_start_at_once_end_with_the_same_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pem");
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_names_its_key", "--ignored", "--nocapture"])
            .env(KEY_PATH, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..4).map(|_| start()).collect();
    let ours = format!("key={}", SigningKey::load_or_create(&path).unwrap().key_id());
    for child in children {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.contains(&ours), "{ours} is not in: {said}");
    }
}

#[test]
#[ignore = "the other half of processes_that_start_at_once_end_with_the_same_key"]
fn child_names_its_key() {
    let path = std::env::var_os(KEY_PATH).expect("the parent says where");
    println!("key={}", SigningKey::load_or_create(Path::new(&path)).unwrap().key_id());
}

#[test]
fn openssl_agrees_with_our_signature() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let key = new_key();
    let envelope = key.sign_statement(&statement());
    let signature = {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.decode(&envelope.signatures[0].sig).unwrap()
    };
    fs::write(at("key.pem"), key.verifying_key().to_pem()).unwrap();
    fs::write(at("sig"), signature).unwrap();
    fs::write(at("pae"), pae(STATEMENT_PAYLOAD, &statement().to_bytes())).unwrap();
    let openssl = Command::new("openssl")
        .current_dir(directory.path())
        .args(["dgst", "-sha256", "-verify", "key.pem", "-signature", "sig", "pae"])
        .output();
    match openssl {
        Ok(output) => assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "Verified OK"),
        Err(error) => println!("skipped: openssl could not be run ({error})"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Envelope::from_bytes(&bytes);
        let _ = VerifyingKey::from_pem(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn an_envelope_with_any_bytes_put_in_never_panics_and_vouches_only_for_what_was_signed(
        at in any::<proptest::sample::Index>(), bytes in proptest::collection::vec(any::<u8>(), 0..6),
    ) {
        let key = &*ONE_KEY;
        let mut written = key.sign("text/plain", b"hello").to_bytes();
        let at = at.index(written.len());
        written.splice(at..(at + bytes.len()).min(written.len()), bytes);
        if let Ok(read) = Envelope::from_bytes(&written) {
            prop_assert_eq!(&Envelope::from_bytes(&read.to_bytes()).unwrap(), &read);
            let believed = read.verify(&key.verifying_key());
            prop_assert!(believed.is_err() || (believed.unwrap(), read.payload_type.as_str()) == (b"hello".to_vec(), "text/plain"));
        }
    }

    #[test]
    fn any_payload_of_any_type_comes_back(kind in any::<String>(), payload in proptest::collection::vec(any::<u8>(), 0..300)) {
        let key = &*ONE_KEY;
        let envelope = key.sign(&kind, &payload);
        let read = Envelope::from_bytes(&envelope.to_bytes()).unwrap();
        prop_assert_eq!(&read, &envelope);
        prop_assert_eq!(read.verify(&key.verifying_key()).unwrap(), payload);
    }
}
