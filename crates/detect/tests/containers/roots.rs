//! Roots: folders and archives in which an operating system lives.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use patchline_detect::{Advisories, import, scan};

use crate::made::{ALPINE, DEBIAN, LOCK, Made, STATUS, check, check_path, gzip, tar, text, written};

fn files(files: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

const INSTALLED: &str = "P:ssl_client\nV:1.36.1-r29\no:busybox\n\n";

#[test]
fn a_root_may_be_the_folder_or_lie_below_it() {
    let root = |prefix: &str| {
        let paths = ["etc/os-release", "var/lib/dpkg/status", "app/package-lock.json"];
        let texts = [DEBIAN, STATUS, LOCK];
        let named = paths.iter().zip(texts);
        named.map(|(path, text)| (format!("{prefix}{path}"), text.as_bytes().to_vec())).collect::<Vec<_>>()
    };
    let then = ["npm a 1.0.0 at app/package-lock.json", "Debian:12 openssl 3.0.11-1 at var/lib/dpkg/status"];
    check_path(written(&root("")).path(), &then);
    let then =
        ["npm a 1.0.0 at x/y/app/package-lock.json", "Debian:12 openssl 3.0.11-1 at x/y/var/lib/dpkg/status"];
    check_path(written(&root("x/y/")).path(), &then);
}

#[test]
fn a_root_without_etc_is_one_and_its_usr_is_none() {
    let folder = written(&files(&[("usr/lib/os-release", ALPINE), ("usr/lib/apk/db/installed", INSTALLED)]));
    check_path(folder.path(), &["Alpine:v3.20 busybox 1.36.1-r29 at usr/lib/apk/db/installed"]);
}

#[test]
fn links_of_a_root_lead_within_it_and_never_out() {
    let outside = written(&files(&[("status", STATUS), ("os-release", DEBIAN)]));
    let folder = written(&files(&[("usr/lib/os-release", ALPINE), ("usr/lib/apk/db/installed", INSTALLED)]));
    let root = folder.path();
    fs::create_dir_all(root.join("etc")).expect("a folder");
    fs::create_dir_all(root.join("var/lib/dpkg")).expect("a folder");
    // Absolute, as some distributions have it: for who lives in the root.
    symlink("/usr/lib/os-release", root.join("etc/os-release")).expect("a link");
    symlink("usr/lib", root.join("lib")).expect("a link");
    symlink(outside.path().join("status"), root.join("var/lib/dpkg/status")).expect("a link");
    check_path(root, &["Alpine:v3.20 busybox 1.36.1-r29 at usr/lib/apk/db/installed"]);
    fs::remove_file(root.join("etc/os-release")).expect("gone");
    fs::remove_file(root.join("usr/lib/os-release")).expect("gone");
    let up = Path::new("../../../../../../..").join(outside.path().strip_prefix("/").expect("absolute"));
    symlink(up.join("os-release"), root.join("etc/os-release")).expect("a link");
    let why =
        "its 1 packages can't be judged: there is no `etc/os-release` that says which distribution it is";
    check_path(root, &[&format!("? usr/lib/apk/db/installed: {why}")]);
}

#[test]
fn links_that_go_round_end() {
    let folder = written(&files(&[("etc/x", ""), ("usr/x", "")]));
    symlink("b", folder.path().join("etc/a")).expect("a link");
    symlink("a", folder.path().join("etc/b")).expect("a link");
    symlink("etc/a", folder.path().join("var")).expect("a link");
    let scan = scan(folder.path(), &Advisories::built_in()).expect("a scan");
    assert!(scan.inventory.is_empty() && scan.unresolved[0].what.starts_with("there is no lockfile here"));
}

#[test]
fn a_distribution_without_ecosystem_is_named_and_not_guessed() {
    let kali = "ID=kali\nID_LIKE=debian\nPRETTY_NAME=\"Kali GNU/Linux Rolling\"\n";
    let folder = written(&files(&[("etc/os-release", kali), ("var/lib/dpkg/status", STATUS)]));
    let why = "its 1 packages can't be judged: advisories have no ecosystem for Kali GNU/Linux Rolling";
    check_path(folder.path(), &[&format!("? var/lib/dpkg/status: {why}")]);
}

#[test]
fn a_database_of_another_kind_is_not_judged_as_one_of_the_distribution() {
    let folder = written(&files(&[
        ("etc/os-release", DEBIAN),
        ("var/lib/dpkg/status", STATUS),
        ("lib/apk/db/installed", INSTALLED),
    ]));
    let then = [
        "Debian:12 openssl 3.0.11-1 at var/lib/dpkg/status",
        "? lib/apk/db/installed: its 1 packages are not of the kind that Debian:12 has",
    ];
    check_path(folder.path(), &then);
}

#[test]
fn an_archive_of_a_root_is_read_packed_or_not() {
    let distroless = "Package: tzdata\nVersion: 2024a-0+deb12u1\n";
    let bytes = tar(&[
        ("./", Made::Folder),
        ("./usr/lib/os-release", text(DEBIAN)),
        ("./etc/os-release", Made::Link("../usr/lib/os-release")),
        ("./var/lib/dpkg/status.d/tzdata", text(distroless)),
        ("./var/lib/dpkg/status.d/tzdata.md5sums", text("0 usr/share/x\n")),
        ("./app/package-lock.json", text(LOCK)),
        ("./app/node_modules/x/package-lock.json", text(LOCK)),
    ]);
    let then = [
        "Debian:12 tzdata 2024a-0+deb12u1 at var/lib/dpkg/status.d/tzdata",
        "npm a 1.0.0 at app/package-lock.json",
    ];
    check(&bytes, &then);
    check(&gzip(&bytes), &then);
    // Two members of gzip are one stream.
    let (left, right) = bytes.split_at(bytes.len() / 2);
    check(&[gzip(left), gzip(right)].concat(), &then);
}

#[test]
fn a_long_name_another_name_and_a_name_that_leads_out() {
    let long = format!("{}/package-lock.json", "folder/".repeat(30).trim_end_matches('/'));
    let deep = format!("{}/package-lock.json", "d/".repeat(70).trim_end_matches('/'));
    let mut bytes = tar(&[
        (&long, text(LOCK)),
        ("twin/package-lock.json", Made::Twin(&long)),
        ("lost/package-lock.json", Made::Twin("elsewhere")),
        (&deep, text(LOCK)),
        ("xx/package-lock.json", text(LOCK)),
    ]);
    // The builder makes no such name, so the last one is changed, with its checksum.
    let at = bytes.windows(4).rposition(|four| four == b"xx/p").expect("the name");
    bytes[at..at + 2].copy_from_slice(b"..");
    let sum = bytes[at..at + 148]
        .iter()
        .chain(&bytes[at + 156..at + 512])
        .map(|byte| u32::from(*byte))
        .sum::<u32>();
    let sum = format!("{:06o}\0 ", sum + 8 * 32);
    bytes[at + 148..at + 156].copy_from_slice(sum.as_bytes());
    check(
        &bytes,
        &[
            &format!("npm a 1.0.0 at {long}"),
            "npm a 1.0.0 at twin/package-lock.json",
            "? .: its entry \"../package-lock.json\" leads out of it and was not looked at",
            &format!("? {deep}: it lies more than 64 folders deep and was not looked at"),
            "? lost/package-lock.json: it is another name of \"elsewhere\", which was not kept",
        ],
    );
}

#[test]
fn a_finding_names_the_source_the_release_and_what_to_upgrade() {
    let record = |id: &str, ecosystem: &str| {
        format!(
            r#"{{"id": "{id}", "modified": "2024-05-06T07:08:09Z", "summary": "s", "affected": [{{"package": {{"ecosystem": "{ecosystem}", "name": "openssl"}}, "ranges": [{{"type": "ECOSYSTEM", "events": [{{"introduced": "0"}}, {{"fixed": "3.0.13-1"}}]}}]}}]}}"#
        )
    };
    let records = [record("DSA-1-1", "Debian:12"), record("DSA-2-1", "Debian:11")].join("\n");
    let folder = written(&files(&[
        ("in.jsonl", &records),
        ("root/etc/os-release", DEBIAN),
        ("root/var/lib/dpkg/status", STATUS),
    ]));
    let database = folder.path().join("database");
    import(&[folder.path().join("in.jsonl")], &database).expect("an import");
    let advisories = Advisories::open(&database).expect("advisories");
    let found = scan(&folder.path().join("root"), &advisories).expect("a scan");
    let [finding] = found.findings.as_slice() else { panic!("{:?}", found.findings) };
    assert_eq!(finding.advisory, "DSA-1-1");
    assert_eq!(finding.paths, [["libssl3 3.0.11-1"]]);
    assert_eq!(finding.fixed, ["3.0.13-1"]);
    assert_eq!(finding.location.line, Some(1));
    assert!(found.unresolved.is_empty());
}

#[test]
fn an_advisory_that_is_filed_under_several_streams_is_found_once() {
    let streams = ["enterprise_linux:9::appstream", "enterprise_linux:9::crb"];
    let affected = streams.map(|stream| {
        format!(
            r#"{{"package": {{"ecosystem": "Red Hat:{stream}", "name": "bash"}}, "ranges": [{{"type": "ECOSYSTEM", "events": [{{"introduced": "0"}}, {{"fixed": "0:5.2-1.el9"}}]}}]}}"#
        )
    });
    let record = format!(
        r#"{{"id": "RHSA-2024:1", "modified": "2024-05-06T07:08:09Z", "summary": "s", "affected": [{}]}}"#,
        affected.join(",")
    );
    let rhel = "ID=\"rhel\"\nVERSION_ID=\"9.4\"\nCPE_NAME=\"cpe:/o:redhat:enterprise_linux:9::baseos\"\n";
    let mut made = files(&[("in.jsonl", &record), ("root/etc/os-release", rhel)]);
    made.push(("root/usr/lib/sysimage/rpm/Packages.db".to_owned(), ndb_of_bash()));
    let folder = written(&made);
    fs::create_dir_all(folder.path().join("root/var/lib")).expect("a folder");
    symlink("../../usr/lib/sysimage/rpm", folder.path().join("root/var/lib/rpm")).expect("a link");
    let database = folder.path().join("database");
    import(&[folder.path().join("in.jsonl")], &database).expect("an import");
    let advisories = Advisories::open(&database).expect("advisories");
    let found = scan(&folder.path().join("root"), &advisories).expect("a scan");
    let [finding] = found.findings.as_slice() else { panic!("{:?}", found.findings) };
    assert_eq!((finding.advisory.as_str(), finding.fixed.len()), ("RHSA-2024:1", 1));
    assert_eq!(finding.location.path, "usr/lib/sysimage/rpm/Packages.db");
}

/// rpm's `Packages.db` with one package, `bash-5.1-6.el9`.
fn ndb_of_bash() -> Vec<u8> {
    let word = |number: usize| u32::try_from(number).expect("small").to_le_bytes();
    let big = |number: usize| u32::try_from(number).expect("small").to_be_bytes();
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (tag, text) in [(1000, "bash"), (1001, "5.1"), (1002, "6.el9"), (1044, "bash-5.1-6.el9.src.rpm")] {
        index.extend([big(tag), big(6), big(data.len()), big(1)].concat());
        data.extend(text.bytes().chain([0]));
    }
    let header = [&big(4)[..], &big(data.len()), &index, &data].concat();
    let mut slots = [&b"RpmP"[..], &word(0), &word(1), &word(1), &[0; 16]].concat();
    slots.extend([&b"Slot"[..], &word(1), &word(256), &word(1)].concat());
    while slots.len() < 4096 {
        slots.extend([&b"Slot"[..], &[0; 12]].concat());
    }
    [&slots[..], b"BlbS", &word(1), &word(0), &word(header.len()), &header].concat()
}
