//! Advisories brought from files: all of it or nothing, and never a bomb.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use patchline_detect::index::build::import_within;
use patchline_detect::index::intake::Limits;
use patchline_detect::{Advisories, Answer, DetectError, Image, Imported, Shelf, import};
use patchline_model::package::{Ecosystem, Package};
use proptest::prelude::{any, prop, proptest};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(&path, bytes).expect("a file");
        path
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("database")
    }

    fn import(&self, paths: &[PathBuf]) -> Imported {
        import(paths, &self.database()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn refused(&self, path: &Path) -> DetectError {
        let error = import(&[path.to_owned()], &self.database()).expect_err("it is refused");
        assert!(!self.database().exists(), "nothing half-done");
        error
    }
}

fn record(id: &str, day: u8, ecosystem: &str, fixed: &str) -> String {
    format!(
        r#"{{"id": "{id}", "modified": "2024-01-{day:02}T00:00:00Z", "affected": [{{"package": {{"ecosystem": "{ecosystem}", "name": "a"}}, "ranges": [{{"type": "SEMVER", "events": [{{"introduced": "0"}}, {{"fixed": "{fixed}"}}]}}]}}]}}"#
    )
}

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        writer.start_file(*name, options).expect("an entry");
        writer.write_all(bytes).expect("bytes");
    }
    writer.finish().expect("a zip").into_inner()
}

fn fixed(advisories: &Advisories) -> Vec<String> {
    let package =
        Package { ecosystem: Ecosystem::crates_io(), name: "a".to_owned(), version: "1.0.0".to_owned() };
    advisories
        .of(&package)
        .expect("an answer")
        .problems
        .iter()
        .flat_map(|problem| problem.fixed.clone())
        .collect()
}

#[test]
fn every_kind_of_source_brings_its_records() {
    let one = record("X-1", 1, "crates.io", "2.0.0");
    let check = |given: &dyn Fn(&Place) -> PathBuf| {
        let place = Place::new();
        let imported = place.import(&[given(&place)]);
        assert_eq!((imported.records, imported.ecosystems.get("crates.io")), (1, Some(&1)));
        let advisories = Advisories::open(&place.database()).expect("a database");
        assert_eq!(fixed(&advisories), ["2.0.0"]);
        assert_eq!((advisories.status().records, advisories.status().only_built_in), (2, false));
        assert_eq!(advisories.status().newest.as_deref(), Some("2024-01-01T00:00:00Z"));
    };
    check(&|place| place.put("one.json", one.as_bytes()));
    check(&|place| place.put("all.jsonl", format!("\n{one}\r\n\n").as_bytes()));
    check(&|place| place.put("all.zip", &zipped(&[("deep/one.json", one.as_bytes())])));
    check(&|place| {
        place.put("folder/deep/one.json", one.as_bytes());
        place.put("folder/readme.md", b"not a record");
        place.folder.path().join("folder")
    });
}

#[test]
fn a_folder_is_read_as_a_mirror_of_the_bucket_lies_there() {
    let place = Place::new();
    let zip = |text: &str| zipped(&[("one.json", text.as_bytes())]);
    place.put("mirror/ecosystems.txt", b"crates.io\nnpm\n");
    place.put("mirror/crates.io/all.zip", &zip(&record("X-1", 1, "crates.io", "2.0.0")));
    place.put("mirror/crates.io/modified_id.csv", b"2024-01-01T00:00:00Z,X-1\n");
    // The same record by itself, and newer.
    place.put("mirror/crates.io/X-1.json", record("X-1", 2, "crates.io", "3.0.0").as_bytes());
    place.put("mirror/npm/all.zip", &zip(&record("X-2", 1, "npm", "2.0.0")));
    place.put("mirror/Go.ZIP", &zip(&record("X-3", 1, "Go", "2.0.0")));
    place.put("mirror/more.jsonl", record("X-4", 1, "PyPI", "2.0.0").as_bytes());
    place.put("mirror/npm/all.zip.part", b"cut off");
    let empty = place.put("mirror/notes.zip", &zipped(&[("readme", b"")]));
    let link = place.folder.path().join("mirror/link.zip");
    std::os::unix::fs::symlink(place.folder.path().join("mirror/Go.ZIP"), &link).expect("a link");
    let imported = place.import(&[place.folder.path().join("mirror")]);
    let ecosystems: Vec<(&str, u64)> =
        imported.ecosystems.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(ecosystems, [("Go", 1), ("PyPI", 1), ("crates.io", 1), ("npm", 1)]);
    assert_eq!(fixed(&Advisories::open(&place.database()).expect("a database")), ["3.0.0"]);
    let (empty, link) = (empty.display().to_string(), link.display().to_string());
    let skipped = [
        (link, "a link; links are not followed".to_owned()),
        (format!("{empty}:readme"), "not a `.json` file".to_owned()),
        (empty, "it holds no records".to_owned()),
    ];
    assert_eq!(imported.skipped, skipped);
}

#[test]
fn a_damaged_zip_in_a_folder_is_named_and_nothing_is_written() {
    let place = Place::new();
    let good = record("X-1", 1, "crates.io", "2.0.0");
    place.put("mirror/crates.io/all.zip", &zipped(&[("X-1.json", good.as_bytes())]));
    let whole = zipped(&[("X-2.json", good.as_bytes())]);
    place.put("mirror/npm/all.zip", &whole[..whole.len() - 9]);
    let error = place.refused(&place.folder.path().join("mirror"));
    assert!(
        error.to_string().contains("/mirror/npm/all.zip`: it is not a zip file, or a damaged one: "),
        "{error}"
    );
}

#[test]
fn an_absent_folder_gives_what_is_built_in() {
    let place = Place::new();
    let advisories = Advisories::open(&place.database()).expect("a database");
    assert_eq!(advisories.status(), Advisories::built_in().status());
    assert!(advisories.status().only_built_in && advisories.status().records == 1);
}

#[test]
fn a_second_import_at_the_same_time_is_refused() {
    let place = Place::new();
    let good = place.put("a.json", record("X-1", 1, "crates.io", "2.0.0").as_bytes());
    place.import(std::slice::from_ref(&good));
    let held = fs::File::open(place.database().join("import.lock")).expect("the lock");
    held.lock().expect("held");
    let error = import(std::slice::from_ref(&good), &place.database()).expect_err("it is refused");
    assert!(error.to_string().ends_with("another import is under way"), "{error}");
    drop(held);
    place.import(&[good]);
}

#[test]
fn a_later_import_is_merged_by_id_and_the_newest_wins() {
    let place = Place::new();
    let lines = |records: &[String]| records.join("\n").into_bytes();
    place.import(&[place.put(
        "1.jsonl",
        &lines(&[record("X-1", 5, "crates.io", "2.0.0"), record("X-2", 5, "crates.io", "3.0.0")]),
    )]);
    place.import(&[place.put(
        "2.jsonl",
        &lines(&[record("X-1", 4, "crates.io", "9.0.0"), record("X-2", 6, "crates.io", "4.0.0")]),
    )]);
    assert_eq!(fixed(&Advisories::open(&place.database()).expect("a database")), ["2.0.0", "4.0.0"]);
    place.import(&[place.put("3.jsonl", &lines(&[record("X-1", 7, "npm", "9.0.0")]))]);
    assert_eq!(fixed(&Advisories::open(&place.database()).expect("a database")), ["4.0.0"]);
}

#[test]
fn a_withdrawn_record_is_counted_and_takes_the_built_in_one_back() {
    let place = Place::new();
    let text = include_str!("../data/RUSTSEC-2018-0006.json").replacen(
        "\"modified\": \"2023",
        "\"withdrawn\": \"2024-01-01T00:00:00Z\", \"modified\": \"2024",
        1,
    );
    let imported = place.import(&[place.put("one.json", text.as_bytes())]);
    assert_eq!((imported.records, imported.withdrawn), (1, 1));
    let package = Package {
        ecosystem: Ecosystem::crates_io(),
        name: "yaml-rust".to_owned(),
        version: "0.4.0".to_owned(),
    };
    assert_eq!(Advisories::built_in().of(&package).expect("an answer").problems.len(), 1);
    assert!(
        Advisories::open(&place.database())
            .expect("a database")
            .of(&package)
            .expect("an answer")
            .problems
            .is_empty()
    );
}

#[test]
fn what_cannot_be_ordered_is_skipped_with_the_reason() {
    let place = Place::new();
    let both = r#"{"id": "X-2", "modified": "2024-01-01T00:00:00Z", "affected": [{"package": {"ecosystem": "crates.io", "name": "a"}, "versions": ["1.0.0"]}, {"package": {"ecosystem": "Linux", "name": "a"}, "versions": ["1"]}]}"#;
    let none = r#"{"id": "X-3", "modified": "2024-01-01T00:00:00Z"}"#;
    let entries = [
        ("1.json", record("X-1", 1, "OSS-Fuzz", "2.0.0")),
        ("2.json", both.to_owned()),
        ("3.json", none.to_owned()),
        ("readme", String::new()),
    ];
    let entries: Vec<(&str, &[u8])> = entries.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    let imported = place.import(&[place.put("all.zip", &zipped(&entries))]);
    let skipped: Vec<String> = imported
        .skipped
        .iter()
        .map(|(name, why)| format!("{} {why}", name.rsplit(':').next().unwrap_or("")))
        .collect();
    assert_eq!(
        skipped,
        [
            "1.json there is no order here for OSS-Fuzz",
            "2.json in part: there is no order here for Linux",
            "3.json it names no package",
            "readme not a `.json` file",
        ]
    );
    assert_eq!((imported.records, imported.ecosystems.len()), (1, 1));
}

#[test]
fn what_is_no_record_is_refused_by_name_and_nothing_is_written() {
    let check = |name: &str, bytes: &[u8], then: &str| {
        let place = Place::new();
        let path = place.put(name, bytes);
        let error = place.refused(&path);
        let said = error.to_string().replace(&place.folder.path().display().to_string(), "");
        assert!(said.starts_with(then), "{said}");
        assert!(error.hint().is_some(), "{said}");
    };
    let good = record("X-1", 1, "crates.io", "2.0.0");
    check("a.json", b"[1]", "could not import `/a.json`: it is not an OSV record: ");
    check(
        "a.json",
        br#"{"name": "x"}"#,
        "could not import `/a.json`: it is not an OSV record: missing field `id`",
    );
    check(
        "a.json",
        good.replace("X-1", "a/b").as_bytes(),
        "could not import `/a.json`: it is not an OSV record: its id is \"a/b\"",
    );
    check(
        "a.json",
        good.replace("T00:00:00Z", "").as_bytes(),
        "could not import `/a.json`: it is not an OSV record: `2024-01-01` is not a time",
    );
    check(
        "a.json",
        good.replace(r#""fixed""#, r#""mended""#).as_bytes(),
        "could not import `/a.json`: it is not an OSV record: unknown variant `mended`",
    );
    check(
        "a.jsonl",
        format!("{good}\n{{").as_bytes(),
        "could not import `/a.jsonl:2`: it is not an OSV record: EOF",
    );
    check("a.jsonl", b"\n", "could not import `/a.jsonl`: it holds no records");
    check("a.zip", b"PK no zip", "could not import `/a.zip`: it is not a zip file, or a damaged one: ");
    check("a.zip", &zipped(&[("readme", b"")]), "could not import `/a.zip`: it holds no records");
    check(
        "a.zip",
        &zipped(&[("1.json", good.as_bytes()), ("2.json", b"{}")]),
        "could not import `/a.zip:2.json`: it is not an OSV record: ",
    );
    check("a.csv", b"", "could not import `/a.csv`: it is not clear what it is");
    let place = Place::new();
    fs::create_dir(place.folder.path().join("empty")).expect("a folder");
    assert!(
        place.refused(&place.folder.path().join("empty")).to_string().ends_with("`: it holds no records")
    );
    assert!(place.refused(&place.folder.path().join("missing")).to_string().starts_with("could not read `"));
}

#[test]
fn a_zip_that_unpacks_without_end_is_refused() {
    let spaces = vec![b' '; 3 << 20];
    let place = Place::new();
    let error = place.refused(&place.put("a.zip", &zipped(&[("a.json", &spaces)])));
    assert!(
        error.to_string().ends_with("a.zip:a.json`: it unpacks to more than 100 times its size"),
        "{error}"
    );
    let too_large = vec![b' '; (4 << 20) + 1];
    let loose = Limits { ratio: u64::MAX, ..Limits::default() };
    let path = place.put("b.zip", &zipped(&[("b.json", &too_large)]));
    let error = import_within(&[path], &place.database(), &loose).expect_err("it is refused");
    assert!(error.to_string().ends_with("b.zip:b.json`: it has more than 4194304 bytes"), "{error}");
}

#[test]
fn a_record_nested_without_end_is_refused_and_ends_nothing() {
    let nested = |depth: usize| {
        let good = record("X-1", 1, "crates.io", "2.0.0");
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        good.replacen('{', &format!(r#"{{"database_specific": {deep}, "#), 1)
    };
    let place = Place::new();
    // What is not used is passed over without a stack, however deep it is.
    place.import(&[place.put("a.json", nested(100_000).as_bytes())]);
    assert_eq!(fixed(&Advisories::open(&place.database()).expect("a database")), ["2.0.0"]);
    let place = Place::new();
    let deep = format!(r#"{{"id": "X-1", "affected": {}"#, "[".repeat(100_000));
    let error = place.refused(&place.put("b.json", deep.as_bytes()));
    assert!(error.to_string().contains("it is not an OSV record"), "{error}");
}

#[test]
fn an_import_ends_at_its_limits() {
    let place = Place::new();
    let good = record("X-1", 1, "crates.io", "2.0.0");
    let path = place.put("a.zip", &zipped(&[("1.json", good.as_bytes()), ("2.json", good.as_bytes())]));
    let check = |limits: Limits, then: &str| {
        let error = import_within(std::slice::from_ref(&path), &place.database(), &limits)
            .expect_err("it is refused");
        assert!(error.to_string().contains(then), "{error}");
        assert!(!place.database().exists(), "nothing half-done");
    };
    check(
        Limits { total: good.len() as u64 + 1, ..Limits::default() },
        "a.zip:2.json`: with it the import has more than",
    );
    check(Limits { entries: 1, ..Limits::default() }, "more than 1 records");
    check(Limits { record: 10, ..Limits::default() }, "a.zip:1.json`: it has more than 10 bytes");
}

/// Everything that can be asked of it, so that all of it was read.
fn everything(directory: &Path) -> Result<Vec<String>, DetectError> {
    let advisories = Advisories::open(directory)?;
    advisories.check()?;
    advisories.sources().flat_map(Shelf::layers).try_for_each(Image::verify)?;
    let package = |version: &str| Package {
        ecosystem: Ecosystem::crates_io(),
        name: "a".to_owned(),
        version: version.to_owned(),
    };
    let answers = ["1.0.0", "2.0.0"].map(|version| advisories.of(&package(version)));
    answers.into_iter().map(|answer| Ok(format!("{:?}", answer?))).collect()
}

#[test]
fn an_import_that_was_changed_or_cut_off_is_refused_by_name_and_never_overwritten() {
    let place = Place::new();
    let good = place.put("a.json", record("X-1", 1, "crates.io", "2.0.0").as_bytes());
    place.import(std::slice::from_ref(&good));
    let stored = place.database().join("crates.io.index");
    let whole = fs::read(&stored).expect("the file");
    let longer = [&whole[..], &[0; 4096]].concat();
    for bytes in [&whole[..whole.len() - 1], &whole[..whole.len() - 4096], &whole[..20], &[], &longer] {
        fs::write(&stored, bytes).expect("a file");
        let advisories = Advisories::open(&place.database()).expect("it is not needed yet");
        let error = advisories.check().expect_err("it is refused");
        let package = |ecosystem: &str| Package {
            ecosystem: Ecosystem(ecosystem.to_owned()),
            name: "a".to_owned(),
            version: "1.0.0".to_owned(),
        };
        let asked = advisories.of(&package("crates.io")).expect_err("it is refused");
        assert_eq!(asked.to_string(), error.to_string());
        assert!(advisories.knows(&Ecosystem::crates_io()), "what can't be used is not unknown");
        assert_eq!(advisories.of(&package("npm")).expect("others do no harm").as_ref(), &Answer::default());
        let start = format!("could not use the advisories in `{}`: it", stored.display());
        assert!(error.to_string().starts_with(&start), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("`patchline db import <files>`")));
        assert!(import(std::slice::from_ref(&good), &place.database()).is_err());
        assert_eq!(fs::read(&stored).expect("the file"), bytes);
    }
}

#[test]
fn no_bit_can_change_unnoticed() {
    let place = Place::new();
    let good = place.put("a.json", record("X-1", 1, "crates.io", "2.0.0").as_bytes());
    place.import(std::slice::from_ref(&good));
    let stored = place.database().join("crates.io.index");
    let mut bytes = fs::read(&stored).expect("the file");
    everything(&place.database()).expect("it is whole");
    // Each block is read for one of the questions, so a change in any of them shows. Some bytes, and each of
    // those that seal a block.
    for at in (0..bytes.len()).filter(|at| at % 31 == 0 || at % 4096 >= 4080) {
        bytes[at] ^= 1 << (at % 8);
        fs::write(&stored, &bytes).expect("a file");
        let error = everything(&place.database()).expect_err("it is noticed");
        assert!(error.to_string().contains("crates.io.index"), "{error}");
        bytes[at] ^= 1 << (at % 8);
    }
}

#[test]
fn a_block_of_another_file_or_place_is_no_block_of_this_one() {
    let place = Place::new();
    let good = place.put("a.json", record("X-1", 1, "crates.io", "2.0.0").as_bytes());
    let other = place.put("b.json", record("X-1", 2, "crates.io", "3.0.0").as_bytes());
    let stored = place.database().join("crates.io.index");
    place.import(std::slice::from_ref(&good));
    let first = fs::read(&stored).expect("the file");
    place.import(std::slice::from_ref(&other));
    let second = fs::read(&stored).expect("the file");
    assert_eq!(first.len(), second.len());
    for block in 1..second.len() / 4096 {
        let here = block * 4096..(block + 1) * 4096;
        let mut mixed = second.clone();
        mixed[here.clone()].copy_from_slice(&first[here.clone()]);
        fs::write(&stored, &mixed).expect("a file");
        assert!(everything(&place.database()).is_err(), "block {block} of the first");
        let mut moved = second.clone();
        moved.copy_within(if block == 1 { 8192..12288 } else { 4096..8192 }, here.start);
        fs::write(&stored, &moved).expect("a file");
        assert!(everything(&place.database()).is_err(), "another block at {block}");
    }
}

#[test]
fn a_file_that_an_earlier_patchline_wrote_is_no_all_clear() {
    let place = Place::new();
    fs::create_dir(place.database()).expect("a folder");
    fs::write(place.database().join("crates.io.jsonl"), "{}\n").expect("a file");
    let error = Advisories::open(&place.database()).expect_err("it is refused");
    assert!(error.to_string().ends_with("it was written by an earlier version of Patchline"), "{error}");
    place.import(&[place.put("a.json", record("X-1", 1, "crates.io", "2.0.0").as_bytes())]);
    assert_eq!(fixed(&Advisories::open(&place.database()).expect("a database")), ["2.0.0"]);
}

#[test]
fn a_file_that_takes_the_place_of_one_in_use_leaves_its_reader_alone() {
    let place = Place::new();
    place.import(&[place.put("a.json", record("X-1", 1, "crates.io", "2.0.0").as_bytes())]);
    let before = Advisories::open(&place.database()).expect("a database");
    assert!(before.check().is_ok(), "it is in use");
    place.import(&[place.put("b.json", record("X-1", 2, "crates.io", "3.0.0").as_bytes())]);
    assert_eq!(fixed(&before), ["2.0.0"]);
    assert_eq!(fixed(&Advisories::open(&place.database()).expect("a database")), ["3.0.0"]);
}

#[test]
fn a_file_cut_off_while_it_is_in_use_is_an_error_and_no_signal() {
    let place = Place::new();
    place.import(&[place.put("a.json", record("X-1", 1, "crates.io", "2.0.0").as_bytes())]);
    let package = |name: &str| Package {
        ecosystem: Ecosystem::crates_io(),
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
    };
    let [unused, opened, asked] = [0; 3].map(|_| Advisories::open(&place.database()).expect("a database"));
    assert!(opened.check().is_ok());
    assert_eq!(asked.of(&package("a")).expect("an answer").problems.len(), 1);
    let stored = fs::File::options().write(true).open(place.database().join("crates.io.index"));
    stored.expect("the file").set_len(4096).expect("it is cut off");
    for advisories in [unused, opened] {
        assert!(advisories.of(&package("a")).expect_err("it is refused").to_string().contains("cut off"));
    }
    // Whoever was told goes on being told so; what was not looked at yet is not to be had.
    assert_eq!(asked.of(&package("a")).expect("an answer").problems.len(), 1);
    let verified = asked.sources().flat_map(Shelf::layers).try_for_each(Image::verify);
    assert!(verified.expect_err("it is refused").to_string().contains("cut off"));
}

#[test]
fn an_index_is_opened_when_a_package_of_its_ecosystem_is_there() {
    let place = Place::new();
    for (id, ecosystem) in [("X-1", "crates.io"), ("X-2", "npm")] {
        place.import(&[place.put("a.json", record(id, 1, ecosystem, "2.0.0").as_bytes())]);
    }
    // Neither of these could be opened, and nobody needs them.
    fs::write(place.database().join("PyPI.index"), "no index").expect("a file");
    fs::create_dir(place.database().join("Go.index")).expect("a folder");
    let advisories = Advisories::open(&place.database()).expect("a database");
    assert_eq!(advisories.consulted().from, ["built in"]);
    assert_eq!(fixed(&advisories), ["2.0.0"]);
    let consulted = advisories.consulted();
    let crates_io = place.database().join("crates.io.index").display().to_string();
    assert_eq!((consulted.from, consulted.only_built_in), (vec![crates_io, "built in".to_owned()], false));
    assert!(advisories.knows(&Ecosystem("Go".to_owned())), "what can't be used is not unknown");
    assert!(advisories.check().is_err());
    assert_eq!(advisories.status().from.len(), 5);
}

proptest! {
    #[test]
    fn any_bytes_are_a_zip_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let place = Place::new();
        let _ = import(&[place.put("a.zip", &bytes)], &place.database());
    }

    #[test]
    fn a_zip_with_bytes_changed_is_read_or_refused(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let place = Place::new();
        let mut bytes = zipped(&[("1.json", record("X-1", 1, "crates.io", "2.0.0").as_bytes()), ("2.json", b"{}")]);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = import(&[place.put("a.zip", &bytes)], &place.database());
    }
}
