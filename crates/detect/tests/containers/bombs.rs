//! What an archive may not take.

use std::io::{self, Read};

use patchline_detect::container::budget::{Budget, Refused};
use patchline_detect::container::open::stream;

use crate::made::{LOCK, Made, STATUS, archived, check_refused, gzip, layout, tar, text};

#[track_caller]
fn check(bytes: &[u8], budget: Budget, then: &str) {
    let Err(Refused(what)) = stream(&mut &bytes[..], &budget) else { panic!("it is not refused") };
    assert_eq!(what, then);
}

#[test]
fn what_unpacks_to_far_more_than_its_size_is_refused_by_name() {
    let zeros = vec![0; 24 << 20];
    let bomb = gzip(&tar(&[("zeros", Made::File(&zeros))]));
    check_refused(&bomb, "it unpacks to more than 250 times its size");
    let layer = archived(&layout(&[("amd64", &[bomb])]));
    check_refused(&layer, "it unpacks to more than 250 times its size");
}

#[test]
fn bytes_entries_and_what_is_kept_have_an_end() {
    let bytes = tar(&[
        ("a", text("x")),
        ("app/package-lock.json", text(LOCK)),
        ("var/lib/dpkg/status", text(STATUS)),
    ]);
    check(&bytes, Budget::of(1000, 100, 10_000), "it unpacks to more than 64 GiB");
    check(&bytes, Budget::of(100_000, 2, 10_000), "it has more than 5000000 entries");
    let kept = "its databases, lockfiles and lists of modules together have more than 1 GiB";
    check(&bytes, Budget::of(100_000, 100, 120), kept);
}

#[test]
fn a_name_without_end_is_never_read_into_memory() {
    let mut header = tar::Header::new_gnu();
    header.set_path("././@LongLink").expect("a path");
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(8 << 30);
    header.set_cksum();
    let mut endless = header.as_bytes().chain(io::repeat(b'x'));
    let Err(Refused(what)) = stream(&mut endless, &Budget::default()) else { panic!("it is not refused") };
    assert_eq!(what, "an entry has a name or attributes of more than 64 KiB");
}

#[test]
fn a_file_with_a_lockfile_s_name_and_no_end_is_not_kept() {
    let mut header = tar::Header::new_gnu();
    header.set_path("package-lock.json").expect("a path");
    header.set_size(65 << 20);
    header.set_cksum();
    let mut long = header.as_bytes().chain(io::repeat(0)).take(512 + (65 << 20) + 1024);
    let read = stream(&mut long, &Budget::default()).expect("an answer").expect("an archive");
    assert_eq!(read.unresolved[0].what, "it is larger than 64 MiB");
}
