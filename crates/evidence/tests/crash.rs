//! Blobs when the process dies, other processes write too, or the disk refuses.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use patchline_evidence::{Blobs, Layer, Manifest};
use tempfile::TempDir;

const ROOT: &str = "PATCHLINE_TEST_LAYOUT";
const WRITER: &str = "PATCHLINE_TEST_WRITER";
const LIMIT: u64 = 1 << 20;

fn directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("there is room for a test");
    let root = directory.path().join("layout");
    (directory, root)
}

/// This test binary again, running one of its ignored tests as a process of its own.
fn child(test: &str, root: &Path, writer: usize) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a running test has a path"));
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    command.env(ROOT, root).env(WRITER, writer.to_string()).stdout(Stdio::piped());
    command
}

fn root_of_child() -> PathBuf {
    std::env::var_os(ROOT).expect("the parent says where").into()
}

fn manifest(layer: &str) -> Manifest {
    let layers = vec![Layer::new("text/plain", layer, "note.txt")];
    Manifest { artifact_type: "text/plain".to_owned(), layers, subject: None, annotations: BTreeMap::new() }
}

/// Every blob is what its name says, and every name leads to one.
fn check_whole(root: &Path) -> Blobs {
    let blobs = Blobs::open(root).expect("a crash leaves a layout");
    for entry in fs::read_dir(root.join("blobs/sha256")).expect("it is a layout") {
        let name = entry.expect("it can be read").file_name();
        let digest = format!("sha256:{}", name.to_str().expect("names are digits"));
        blobs.get(&digest, LIMIT).expect("a blob is whole or absent");
    }
    for (_, digest) in blobs.references().expect("the index is whole") {
        blobs.get(&digest, LIMIT).expect("a name leads to a manifest");
    }
    assert_eq!(fs::read_dir(root.join(".incoming")).expect("it is a layout").count(), 0, "rubbish was swept");
    blobs
}

/// Reads so many acknowledgements of the child, then kills it; returns them all.
fn kill_after(mut child: Child, lines: usize) -> Vec<String> {
    let mut output = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let acknowledged = |line: std::io::Result<String>| line.ok()?.strip_prefix("kept ").map(str::to_owned);
    let mut seen: Vec<String> = output.by_ref().filter_map(acknowledged).take(lines).collect();
    child.kill().expect("it is our child");
    child.wait().expect("it is our child");
    seen.extend(output.filter_map(acknowledged));
    seen
}

#[test]
fn a_writer_killed_at_any_moment_loses_nothing_that_it_acknowledged() {
    let (_directory, root) = directory();
    for round in 0..8 {
        let writer = child("child_writes_without_end", &root, round).spawn().unwrap();
        let acknowledged = kill_after(writer, 1 + round * 3);
        assert!(acknowledged.len() > round * 3, "the child died too early");
        let blobs = check_whole(&root);
        let references: BTreeMap<String, String> = blobs.references().unwrap().into_iter().collect();
        for line in acknowledged {
            let (reference, digest) = line.split_once(' ').unwrap();
            assert_eq!(references[reference], digest);
        }
    }
}

#[test]
#[ignore = "the other half of a_writer_killed_at_any_moment_loses_nothing_that_it_acknowledged"]
fn child_writes_without_end() {
    let blobs = Blobs::open(&root_of_child()).unwrap();
    let writer = std::env::var(WRITER).unwrap();
    for number in 0..100_000 {
        let layer = blobs.put(format!("{writer} {number}").repeat(10_000).as_bytes()).unwrap();
        let reference = format!("w{writer}/n{}", number % 50);
        let digest = blobs.put_manifest(&manifest(&layer), &format!("{reference}-{number}")).unwrap();
        println!("kept {reference}-{number} {digest}");
    }
}

#[test]
fn processes_that_create_and_write_at_once_lose_nothing() {
    let (_directory, root) = directory();
    let start = |writer| child("child_writes_ten", &root, writer).spawn().unwrap();
    let writers: Vec<Child> = (0..4).map(start).collect();
    for writer in writers {
        let output = writer.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    assert_eq!(check_whole(&root).references().unwrap().len(), 40);
}

#[test]
#[ignore = "the other half of processes_that_create_and_write_at_once_lose_nothing"]
fn child_writes_ten() {
    let blobs = Blobs::open(&root_of_child()).unwrap();
    let writer = std::env::var(WRITER).unwrap();
    for number in 0..10 {
        let layer = blobs.put(format!("{writer} {number}").as_bytes()).unwrap();
        blobs.put_manifest(&manifest(&layer), &format!("w{writer}/n{number}")).unwrap();
    }
}

#[test]
fn a_blob_is_never_seen_half_written() {
    let (_directory, root) = directory();
    let blobs = Blobs::open(&root).unwrap();
    for round in 0..5 {
        let bytes = vec![round; 2 << 20];
        let digest = Blobs::open(&root.join("elsewhere")).unwrap().put(&bytes).unwrap();
        let place = root.join("blobs/sha256").join(&digest["sha256:".len()..]);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| blobs.put(&bytes).unwrap());
            let first_seen = loop {
                match fs::metadata(&place) {
                    Ok(metadata) => break metadata.len(),
                    Err(_) => assert!(!writer.is_finished() || place.exists(), "the blob was never written"),
                }
            };
            assert_eq!(first_seen, 2 << 20);
        });
    }
}

#[test]
fn what_a_living_writer_has_not_finished_is_not_swept() {
    let (_directory, root) = directory();
    Blobs::open(&root).unwrap();
    let (living, dead) = (root.join(".incoming/new-1-0-0"), root.join(".incoming/new-2-0-0"));
    let writer = fs::File::create(&living).unwrap();
    writer.lock().unwrap();
    fs::write(&dead, "half").unwrap();
    Blobs::open(&root).unwrap();
    assert!(living.exists() && !dead.exists());
    drop(writer);
    assert!(is_swept_in_the_end(&root, &living));
}

/// A child that another test is just starting holds a copy of every open file until it becomes its own program, and with it
/// the lock: so what is let go is swept by one of the next openings, and not always by the first.
fn is_swept_in_the_end(root: &Path, left: &Path) -> bool {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        Blobs::open(root).expect("the layout opens");
        if !left.exists() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

#[test]
fn a_full_disk_and_a_read_only_disk_are_errors_that_name_the_path() {
    let (_directory, root) = directory();
    fs::create_dir(&root).unwrap();
    let program = std::env::current_exe().unwrap();
    let mount =
        "mount -t tmpfs -o size=256k none \"$1\" && exec \"$2\" --exact child_meets_a_bad_disk --ignored";
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", mount, "sh"])
        .args([&root, &program])
        .env(ROOT, &root)
        .output();
    let Ok(output) = output else { return println!("skipped: there is no `unshare`") };
    let said = String::from_utf8_lossy(&output.stdout);
    if !said.contains("running 1 test") {
        return println!("skipped: no file system of its own ({})", String::from_utf8_lossy(&output.stderr));
    }
    assert!(output.status.success(), "{said}");
}

#[test]
#[ignore = "the other half of a_full_disk_and_a_read_only_disk_are_errors_that_name_the_path"]
fn child_meets_a_bad_disk() {
    let root = root_of_child();
    let blobs = Blobs::open(&root).unwrap();
    let small = blobs.put(b"small").unwrap();
    let named = blobs.put_manifest(&manifest(&small), "small").unwrap();

    let full = blobs.put(&[7; 1 << 20]).unwrap_err();
    assert_disk_error(&full, &root, "StorageFull");
    assert_eq!(fs::read_dir(root.join(".incoming")).unwrap().count(), 0, "a failed write leaves nothing");
    blobs.put(b"there is room again").unwrap();

    let remount = Command::new("mount").args(["-o", "remount,ro"]).arg(&root).status().unwrap();
    assert!(remount.success());
    assert_disk_error(&blobs.put(b"new").unwrap_err(), &root, "ReadOnlyFilesystem");
    assert_disk_error(&Blobs::open(&root.join("inner")).unwrap_err(), &root, "ReadOnlyFilesystem");
    assert_disk_error(&blobs.remove_reference("small").unwrap_err(), &root, "ReadOnlyFilesystem");
    let reader = Blobs::open(&root).unwrap();
    assert_eq!(reader.references().unwrap(), [("small".to_owned(), named)]);
    assert_eq!(reader.get(&small, 10).unwrap(), b"small");
}

fn assert_disk_error(error: &patchline_evidence::EvidenceError, root: &Path, kind: &str) {
    let patchline_evidence::EvidenceError::Disk { source, .. } = error else { panic!("{error:?}") };
    assert!(error.to_string().contains(&root.display().to_string()), "{error}");
    assert_eq!(format!("{:?}", source.kind()), kind);
}
