//! Blobs: round trips, refusals by name, and a layout that other tools read.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use patchline_evidence::{Blobs, EvidenceError, Layer, Manifest};
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};
use tempfile::TempDir;

const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const ARTIFACT_TYPE: &str = "application/vnd.patchline.artifact.v1";

fn layout() -> (TempDir, Blobs) {
    let directory = tempfile::tempdir().expect("there is room for a test");
    let blobs = Blobs::open(&directory.path().join("layout")).expect("the directory is ours");
    (directory, blobs)
}

fn manifest(layer: &str) -> Manifest {
    Manifest {
        artifact_type: ARTIFACT_TYPE.to_owned(),
        layers: vec![Layer::new("text/plain", layer, "hello.txt")],
        subject: None,
        annotations: BTreeMap::from([("dev.patchline.change".to_owned(), "P-7".to_owned())]),
    }
}

fn files_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory is there");
    entries.map(|entry| entry.expect("it can be read").path()).collect()
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("the file is there")).expect("it is JSON")
}

/// Damages the blob of `hello`, and expects what `get` then says.
fn check_damaged(damage: impl FnOnce(&Path), expected: &str) {
    let (_directory, blobs) = layout();
    let digest = blobs.put(b"hello").expect("there is room");
    damage(&blobs.path_of(&digest).expect("it was put"));
    let refusal = blobs.get(&digest, 100).expect_err("it was damaged").to_string();
    assert_eq!(refusal, expected);
    assert_eq!(blobs.put(b"hello").expect("it is healed"), digest);
    assert_eq!(blobs.get(&digest, 100).expect("it was healed"), b"hello");
}

fn check_manifest_refused(change: impl FnOnce(&mut Manifest), reference: &str, reason: &str) {
    let (_directory, blobs) = layout();
    let mut manifest = manifest(&blobs.put(b"hello").expect("there is room"));
    change(&mut manifest);
    let refusal = blobs.put_manifest(&manifest, reference).expect_err(reason).to_string();
    assert!(refusal.contains(reason), "`{refusal}` does not say `{reason}`");
    assert!(blobs.references().expect("the index is whole").is_empty());
}

#[test]
fn bytes_come_back_by_their_digest() {
    let (_directory, blobs) = layout();
    assert_eq!(blobs.put(b"hello").unwrap(), HELLO);
    assert_eq!(blobs.put(b"hello").unwrap(), HELLO);
    assert!(blobs.contains(HELLO));
    assert_eq!(blobs.get(HELLO, 5).unwrap(), b"hello");
    assert_eq!(fs::read(blobs.path_of(HELLO).unwrap()).unwrap(), b"hello");
    assert_eq!(blobs.get(&blobs.put(b"").unwrap(), 0).unwrap(), b"");
}

#[test]
fn a_file_is_kept_like_its_bytes() {
    let (directory, blobs) = layout();
    let path = directory.path().join("large");
    let bytes: Vec<u8> =
        (0..1_000_003_u32).map(|number| number.to_le_bytes()[0] ^ number.to_le_bytes()[2]).collect();
    fs::write(&path, &bytes).unwrap();
    let (digest, size) = blobs.put_file(&path).unwrap();
    assert_eq!(size, 1_000_003);
    assert_eq!(blobs.put_file(&path).unwrap(), (digest.clone(), size));
    assert_eq!(blobs.put(&bytes).unwrap(), digest);
    assert!(blobs.get(&digest, size).unwrap() == bytes);
    assert!(files_in(&directory.path().join("layout/.incoming")).is_empty());
}

#[test]
fn a_digest_out_of_form_is_refused_before_it_becomes_a_path() {
    let (_directory, blobs) = layout();
    let short = &HELLO[..HELLO.len() - 1];
    let texts = ["", "sha256:", &HELLO[7..], short, &HELLO.to_uppercase(), "sha256:../../../../etc/passwd"];
    for text in texts {
        assert!(matches!(blobs.get(text, 100), Err(EvidenceError::DigestText { .. })), "{text}");
        assert!(matches!(blobs.path_of(text), Err(EvidenceError::DigestText { .. })), "{text}");
        assert!(!blobs.contains(text));
    }
}

#[test]
fn a_missing_blob_is_named() {
    let (_directory, blobs) = layout();
    let refusal = blobs.get(HELLO, 100).unwrap_err().to_string();
    assert!(refusal.starts_with(&format!("could not find blob {HELLO}")), "{refusal}");
    assert!(matches!(blobs.path_of(HELLO), Err(EvidenceError::BlobMissing { .. })));
    assert!(!blobs.contains(HELLO));
}

#[test]
fn a_truncated_a_tampered_and_an_overlong_blob_are_named_and_healed_by_the_next_put() {
    let hashes_to =
        |size, hex| format!("could not trust blob {HELLO}: its {size} bytes hash to sha256:{hex}");
    let truncated = hashes_to(3, "d6a81f224bbf2f7c22baddbd5d40730eb20cfb0b3d74e10cab61788214caceb1");
    let tampered = hashes_to(5, "187c9bceeb919e1b3e6d20fa50ecabf7d9d50b5343e8f9a3d912abb13929102e");
    let long = format!("could not read blob {HELLO}: 101 bytes, and the limit is 100");
    check_damaged(|path| fs::write(path, b"hel").unwrap(), &truncated);
    check_damaged(|path| fs::write(path, b"jello").unwrap(), &tampered);
    check_damaged(|path| fs::write(path, [b'x'; 101]).unwrap(), &long);
}

#[test]
fn a_blob_over_the_limit_is_not_read() {
    let (_directory, blobs) = layout();
    let digest = blobs.put(b"hello").unwrap();
    assert!(matches!(blobs.get(&digest, 4), Err(EvidenceError::BlobTooLarge { size: 5, limit: 4, .. })));
    assert!(blobs.get(&digest, u64::MAX).is_ok());
}

#[test]
fn what_is_no_plain_file_is_refused_and_not_waited_for() {
    let (directory, blobs) = layout();
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [&pipe, directory.path(), &directory.path().join("nothing")] {
        let refusal = blobs.put_file(path).unwrap_err().to_string();
        assert_eq!(refusal, format!("could not read `{}`", path.display()));
    }
    let place = directory.path().join("layout/blobs/sha256").join(&HELLO[7..]);
    symlink(&pipe, &place).unwrap();
    assert!(blobs.get(HELLO, 100).unwrap_err().to_string().contains(&place.display().to_string()));
    assert_eq!(blobs.put(b"hello").unwrap(), HELLO);
    assert_eq!(blobs.get(HELLO, 100).unwrap(), b"hello");
}

#[test]
fn a_new_layout_is_what_the_specification_asks_for() {
    let (directory, _blobs) = layout();
    let root = directory.path().join("layout");
    assert_eq!(read_json(&root.join("oci-layout")), json!({"imageLayoutVersion": "1.0.0"}));
    let index =
        json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []});
    assert_eq!(read_json(&root.join("index.json")), index);
    assert!(root.join("blobs/sha256").is_dir());
}

#[test]
fn a_manifest_is_what_the_specification_asks_for() {
    let (directory, blobs) = layout();
    let layer = blobs.put(b"hello").unwrap();
    let subject = blobs.put_manifest(&manifest(&layer), "app/v1").unwrap();
    let about = Manifest { subject: Some(subject.clone()), ..manifest(&layer) };
    let digest = blobs.put_manifest(&about, "app/v1.sbom").unwrap();
    let bytes = blobs.get(&digest, 10_000).unwrap();
    let subject_size = blobs.get(&subject, 10_000).unwrap().len();
    let expected = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": ARTIFACT_TYPE,
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "size": 2,
        },
        "layers": [{
            "mediaType": "text/plain", "digest": layer, "size": 5,
            "annotations": {"org.opencontainers.image.title": "hello.txt"},
        }],
        "subject": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": subject, "size": subject_size,
        },
        "annotations": {"dev.patchline.change": "P-7"},
    });
    assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), expected);
    let entry = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": bytes.len(),
        "artifactType": ARTIFACT_TYPE,
        "annotations": {"org.opencontainers.image.ref.name": "app/v1.sbom"},
    });
    assert_eq!(read_json(&directory.path().join("layout/index.json"))["manifests"][1], entry);
}

#[test]
fn the_same_manifest_has_the_same_digest_and_its_name_stands_once() {
    let (_directory, blobs) = layout();
    let manifest = manifest(&blobs.put(b"hello").unwrap());
    let first = blobs.put_manifest(&manifest, "app").unwrap();
    let second = blobs.put_manifest(&manifest, "app").unwrap();
    assert_eq!(first, second);
    assert_eq!(blobs.references().unwrap(), [("app".to_owned(), first)]);
}

#[test]
fn a_name_moves_to_what_it_was_given_last_and_can_be_taken_away() {
    let (_directory, blobs) = layout();
    let old = blobs.put_manifest(&manifest(&blobs.put(b"old").unwrap()), "app").unwrap();
    let new = blobs.put_manifest(&manifest(&blobs.put(b"new").unwrap()), "app").unwrap();
    assert_eq!(blobs.references().unwrap(), [("app".to_owned(), new)]);
    blobs.remove_reference("app").unwrap();
    blobs.remove_reference("never-there").unwrap();
    assert!(blobs.references().unwrap().is_empty());
    assert!(blobs.contains(&old));
}

#[test]
fn a_manifest_that_others_could_not_read_is_refused() {
    let unlike = HELLO.replace("2cf", "3cf");
    check_manifest_refused(|manifest| manifest.layers.clear(), "app", "no layer");
    check_manifest_refused(|manifest| manifest.artifact_type.clear(), "app", "`` is no media type");
    check_manifest_refused(
        |manifest| manifest.layers[0].media_type = "a b/c".to_owned(),
        "app",
        "no media type",
    );
    check_manifest_refused(
        |manifest| manifest.layers[0].digest = unlike.clone(),
        "app",
        "could not find blob",
    );
    check_manifest_refused(|manifest| manifest.subject = Some(unlike.clone()), "app", "could not find blob");
    check_manifest_refused(|manifest| manifest.subject = Some(HELLO.to_owned()), "app", "is not a manifest");
    let long = "a".repeat(256);
    for reference in ["", "-app", "app/", "a//b", "a b", "ä", "../x", "a---b", &long] {
        check_manifest_refused(|_| {}, reference, "is no reference name");
    }
    let many = |manifest: &mut Manifest| manifest.layers = vec![manifest.layers[0].clone(); 30_000];
    check_manifest_refused(many, "app", "and the limit is 4194304");
}

#[test]
fn a_manifest_does_not_vouch_for_a_damaged_layer() {
    let (_directory, blobs) = layout();
    let layer = blobs.put(b"hello").unwrap();
    fs::write(blobs.path_of(&layer).unwrap(), b"hel").unwrap();
    let refusal = blobs.put_manifest(&manifest(&layer), "app").unwrap_err();
    assert!(matches!(refusal, EvidenceError::BlobTampered { size: 3, .. }), "{refusal}");
}

#[test]
fn what_other_tools_wrote_into_the_index_stays() {
    let (directory, blobs) = layout();
    let path = directory.path().join("layout/index.json");
    let foreign = json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": HELLO, "size": 7,
        "platform": {"os": "linux", "architecture": "arm64"}, "urls": ["https://example.com"]});
    fs::write(&path, json!({"schemaVersion": 2, "manifests": [foreign], "later": true}).to_string()).unwrap();
    blobs.put_manifest(&manifest(&blobs.put(b"hello").unwrap()), "app").unwrap();
    let index = read_json(&path);
    assert_eq!(index["manifests"][0], foreign);
    assert_eq!(index["later"], true);
    assert_eq!(blobs.references().unwrap().len(), 1);
}

#[test]
fn a_broken_or_foreign_layout_is_refused_and_left_alone() {
    let (directory, blobs) = layout();
    let root = directory.path().join("layout");
    fs::write(root.join("index.json"), "{").unwrap();
    assert!(matches!(blobs.references(), Err(EvidenceError::Json { .. })));
    assert!(blobs.put_manifest(&manifest(&blobs.put(b"hello").unwrap()), "app").is_err());
    assert_eq!(fs::read_to_string(root.join("index.json")).unwrap(), "{");
    fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    let refusal = Blobs::open(&root).unwrap_err().to_string();
    assert!(refusal.ends_with("its version is 2.0.0, not 1.0.0"), "{refusal}");
}

#[test]
fn eight_threads_that_write_at_once_lose_nothing() {
    let (directory, _blobs) = layout();
    let root = directory.path().join("layout");
    thread::scope(|scope| {
        for writer in 0..8 {
            let blobs = Blobs::open(&root).unwrap();
            scope.spawn(move || {
                for number in 0..20 {
                    let layer = blobs.put(format!("{writer} {number}").as_bytes()).unwrap();
                    assert_eq!(blobs.put(b"shared by all").unwrap().len(), HELLO.len());
                    blobs.put_manifest(&manifest(&layer), &format!("w{writer}/n{number}")).unwrap();
                }
            });
        }
    });
    let blobs = Blobs::open(&root).unwrap();
    let references: BTreeMap<String, String> = blobs.references().unwrap().into_iter().collect();
    assert_eq!(references.len(), 160);
    for (writer, number) in (0..8).flat_map(|writer| (0..20).map(move |number| (writer, number))) {
        let bytes = blobs.get(&references[&format!("w{writer}/n{number}")], 10_000).unwrap();
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        let layer = document["layers"][0]["digest"].as_str().unwrap();
        assert_eq!(blobs.get(layer, 100).unwrap(), format!("{writer} {number}").as_bytes());
    }
    assert!(files_in(&root.join(".incoming")).is_empty());
}

#[test]
fn skopeo_reads_what_was_written() {
    let (directory, blobs) = layout();
    let digest = blobs.put_manifest(&manifest(&blobs.put(b"hello").unwrap()), "app-v1").unwrap();
    let root = directory.path().join("layout");
    let image = format!("oci:{}:app-v1", root.display());
    let skopeo = |arguments: &[&str]| Command::new("skopeo").args(arguments).output();
    // Without `--raw` skopeo asks for an operating system and the like, which no artifact has.
    let output = match skopeo(&["inspect", "--raw", &image]) {
        Ok(output) => output,
        Err(error) => return println!("skipped: skopeo could not be run ({error})"),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, blobs.get(&digest, 10_000).unwrap());
    let copy = directory.path().join("copy");
    let output =
        skopeo(&["--insecure-policy", "copy", &image, &format!("oci:{}:again", copy.display())]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let copied = Blobs::open(&copy).unwrap();
    assert_eq!(copied.references().unwrap(), [("again".to_owned(), digest)]);
    assert_eq!(copied.get(HELLO, 100).unwrap(), b"hello");
}

proptest! {
    // Each case waits for the disk a dozen times.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_index_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (directory, blobs) = layout();
        fs::write(directory.path().join("layout/index.json"), &bytes).unwrap();
        let _ = blobs.references();
        fs::write(directory.path().join("layout/oci-layout"), &bytes).unwrap();
        prop_assert!(Blobs::open(&directory.path().join("layout")).is_err());
    }

    #[test]
    fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..5_000)) {
        let (_directory, blobs) = layout();
        let digest = blobs.put(&bytes).unwrap();
        prop_assert_eq!(blobs.get(&digest, bytes.len() as u64).unwrap(), bytes);
    }
}
