//! Binaries: given by themselves, in a root, in an image.

use std::fs;

use patchline_detect::{Advisories, scan};

use crate::elf::{auditable, buildinfo, elf};
use crate::made::{DEBIAN, Made, STATUS, archived, check, check_path, hex, layout, tar, text, written};

const PACKAGES: &str = r#"{"packages": [
    {"name": "app", "version": "1.0.0", "source": "local", "root": true, "dependencies": [1]},
    {"name": "yaml-rust", "version": "0.4.0", "source": "crates.io"}]}"#;

fn rust() -> Vec<u8> {
    elf(&[(".text", b"code"), (".dep-v0", &auditable(PACKAGES))])
}

#[test]
fn a_binary_given_by_itself_is_matched() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app");
    fs::write(&path, rust()).expect("a file");
    let found = scan(&path, &Advisories::built_in()).expect("a scan");
    let [finding] = found.findings.as_slice() else { panic!("{:?}", found.findings) };
    assert_eq!((finding.advisory.as_str(), finding.location.path.as_str()), ("RUSTSEC-2018-0006", "app"));
    assert_eq!(finding.paths, [["app 1.0.0", "yaml-rust 0.4.0"]]);
    fs::write(&path, elf(&[(".text", b"code")])).expect("a file");
    let error = scan(&path, &Advisories::built_in()).expect_err("it says nothing").to_string();
    assert!(error.contains("it is a binary that doesn't say what it was built from"), "{error}");
    fs::write(&path, "some text").expect("a file");
    let error = scan(&path, &Advisories::built_in()).expect_err("it is none").to_string();
    assert!(error.contains("it is no lockfile, image, archive of a root or binary"), "{error}");
}

#[test]
fn a_root_says_the_same_as_a_folder_and_as_an_archive() {
    let (rust, go) =
        (rust(), elf(&[(".go.buildinfo", &buildinfo("go1.22.3", "mod\tx.test/a\tv1.0.0\th1:x="))]));
    let files: [(&str, &[u8]); 4] = [
        ("etc/os-release", DEBIAN.as_bytes()),
        ("var/lib/dpkg/status", STATUS.as_bytes()),
        ("usr/bin/app", &rust),
        ("opt/go", &go),
    ];
    let then = [
        "Debian:12 openssl 3.0.11-1 at var/lib/dpkg/status",
        "Go stdlib 1.22.3 at opt/go",
        "Go x.test/a 1.0.0 at opt/go",
        "crates.io app 1.0.0 at usr/bin/app",
        "crates.io yaml-rust 0.4.0 at usr/bin/app",
    ];
    check(&tar(&files.map(|(path, bytes)| (path, Made::File(bytes)))), &then);
    check_path(written(&files.map(|(path, bytes)| (path.to_owned(), bytes.to_vec()))).path(), &then);
}

#[test]
fn binaries_of_an_ordinary_tree_are_not_looked_at() {
    let folder = written(&[
        ("bin/app".to_owned(), rust()),
        ("etc/x".to_owned(), Vec::new()),
        ("usr/app".to_owned(), rust()),
    ]);
    let found = scan(folder.path(), &Advisories::built_in()).expect("a scan");
    assert!(found.inventory.is_empty());
}

#[test]
fn a_binary_that_a_later_layer_replaces_is_not_there() {
    let low = tar(&[("bin/app", Made::File(&rust())), ("bin/kept", Made::File(&rust()))]);
    let high = tar(&[("bin/app", text("#!/bin/sh\n"))]);
    let name = format!("sha256:{}", hex(&low));
    let then = [
        format!("crates.io app 1.0.0 at {name}/bin/kept"),
        format!("crates.io yaml-rust 0.4.0 at {name}/bin/kept"),
    ];
    let then: Vec<&str> = then.iter().map(String::as_str).collect();
    check(&archived(&layout(&[("amd64", &[low, high])])), &then);
}
