//! Binaries that say what they were built from.

use patchline_inventory::binary::object;

use crate::elf::{auditable, buildinfo, elf, old_buildinfo};

pub const PACKAGES: &str = r#"{"packages": [
    {"name": "app", "version": "1.0.0", "source": "local", "root": true, "dependencies": [1]},
    {"name": "time", "version": "0.1.40", "source": "crates.io"}]}"#;
pub const MODULES: &str = "path\texample.test/app\nmod\texample.test/app\t(devel)\t\n\
    dep\tgolang.org/x/text\tv0.3.7\th1:x=\ndep\texample.test/old\tv1.0.0\n=>\texample.test/new\tv1.2.0\th1:y=\n\
    dep\texample.test/here\tv0.0.0\n=>\t./here\t(devel)\t\nbuild\t-compiler=gc\n";

#[track_caller]
fn check(given: &[u8], then: Option<&[&str]>) {
    let said = object::inventory("bin/app", given).map(|inventory| {
        let installed = inventory.installed.iter().map(|one| {
            let ecosystem = &one.package.ecosystem;
            format!("{ecosystem} {}{}", one.package, if one.registered { "" } else { ", of no registry" })
        });
        let unresolved = inventory.unresolved.iter();
        let name =
            |name: &Option<String>| name.as_deref().map(|name| format!("{name}: ")).unwrap_or_default();
        let unresolved = unresolved.map(|one| format!("? {}{}", name(&one.package), one.what));
        installed.chain(unresolved).collect::<Vec<String>>()
    });
    let then = then.map(|lines| lines.iter().map(ToString::to_string).collect::<Vec<String>>());
    assert_eq!(said, then);
}

#[test]
fn a_binary_that_says_nothing_is_none() {
    check(b"#!/bin/sh\n", None);
    check(b"\x7fELF and no more", None);
    check(&elf(&[(".text", b"code")]), None);
}

#[test]
fn rust_and_go_are_read() {
    let rust = auditable(PACKAGES);
    check(
        &elf(&[(".text", b"code"), (".dep-v0", &rust)]),
        Some(&["crates.io app 1.0.0, of no registry", "crates.io time 0.1.40"]),
    );
    let go = [
        "Go stdlib 1.22.3",
        "Go example.test/app (devel), of no registry",
        "Go golang.org/x/text 0.3.7",
        "Go example.test/new 1.2.0",
        "? ./here: it was replaced by a folder, whose version is not known",
    ];
    check(&elf(&[(".go.buildinfo", &buildinfo("go1.22.3 X:boringcrypto", MODULES))]), Some(&go));
    check(&elf(&[(".go.buildinfo", &old_buildinfo("go1.22.3", MODULES))]), Some(&go));
}

#[test]
fn what_a_binary_says_and_cannot_be_read_is_told() {
    check(
        &elf(&[(".dep-v0", b"no zlib")]),
        Some(&[
            "? it has dependencies that `cargo auditable` wrote, and they could not be read: they don't unpack: corrupt deflate stream",
        ]),
    );
    check(
        &elf(&[(".go.buildinfo", &buildinfo("devel go1.23-abcdef", "mod\tx.test/a\tv1.0.0\th1:x="))]),
        Some(&[
            "Go x.test/a 1.0.0",
            "? stdlib: it was built by \"devel go1.23-abcdef\", which is no release of Go",
        ]),
    );
    check(
        &elf(&[(".go.buildinfo", &buildinfo("go1.22.3", ""))]),
        Some(&[
            "Go stdlib 1.22.3",
            "? it was built without modules; what is in it beside the standard library is not told",
        ]),
    );
    let mut outside = old_buildinfo("go1.16", MODULES);
    outside[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    check(
        &elf(&[(".go.buildinfo", &outside)]),
        Some(&[
            "? it has build information of Go, and they could not be read: it points to what is not in the file",
        ]),
    );
}
