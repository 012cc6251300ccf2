//! Private registries, mirrors, and what is said where nobody can tell which is which.

use std::fs;

use patchline_detect::{Advisories, import, scan_from};
use patchline_model::scanning::Sources;

const RECORD: &str = r#"{"id": "TEST-1", "modified": "2024-01-01T00:00:00Z", "affected": [
    {"package": {"ecosystem": "npm", "name": "tool"}, "versions": ["1.0.0"]},
    {"package": {"ecosystem": "npm", "name": "@corp/tool"}, "versions": ["1.0.0"]},
    {"package": {"ecosystem": "PyPI", "name": "tool"}, "versions": ["1.0.0"]},
    {"package": {"ecosystem": "RubyGems", "name": "tool"}, "versions": ["1.0.0"]},
    {"package": {"ecosystem": "Pub", "name": "tool"}, "versions": ["1.0.0"]},
    {"package": {"ecosystem": "crates.io", "name": "tool"}, "versions": ["1.0.0"]}]}"#;

fn known(hosts: &[&str]) -> std::collections::BTreeSet<String> {
    hosts.iter().map(|host| (*host).to_owned()).collect()
}

/// Given files, and what the settings say of hosts: which packages are found, and what is said of them or of a host.
#[track_caller]
fn check(files: &[(&str, &str)], mirrors: &[&str], private: &[&str], found: &[&str], said: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let (tree, record) = (folder.path().join("tree"), folder.path().join("record.jsonl"));
    for (path, text) in files {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, text).expect("a file");
    }
    fs::write(&record, RECORD.replace('\n', "")).expect("a file");
    import(&[record], &folder.path().join("database")).expect("an import");
    let advisories = Advisories::open(&folder.path().join("database")).expect("a database");
    let sources = Sources { mirrors: known(mirrors), private: known(private) };
    let scan = scan_from(&tree, &advisories, &sources).unwrap_or_else(|error| panic!("{error}"));
    let is_matched = |one: &patchline_inventory::Installed| {
        one.registered && one.package.version == "1.0.0" && one.package.name.ends_with("tool")
    };
    assert_eq!(
        scan.inventory.iter().filter(|one| is_matched(one)).count(),
        found.len(),
        "what is of a registry is matched"
    );
    let names: Vec<&str> = scan
        .findings
        .iter()
        .filter_map(|finding| finding.package.as_ref().map(|package| package.name.as_str()))
        .collect();
    assert_eq!(names, found, "{files:?}");
    let words: Vec<&str> = scan.unresolved.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(words.len(), said.len(), "{words:#?}");
    for (word, part) in words.iter().zip(said) {
        assert!(word.contains(part), "`{part}` is not in `{word}`");
    }
}

/// `tool` from one host and others from another.
fn npm(host: &str) -> String {
    let package = |name: &str, host: &str| {
        format!(
            r#""node_modules/{name}": {{ "version": "1.0.0", "resolved": "https://{host}/{name}/-/x-1.0.0.tgz" }}"#
        )
    };
    let packages = [package("tool", host), package("a", "npm.invalid"), package("b", "npm.invalid")];
    format!(
        r#"{{ "lockfileVersion": 3, "packages": {{ "": {{ "name": "web" }}, {} }} }}"#,
        packages.join(", ")
    )
}

#[test]
fn what_all_comes_from_one_host_is_public_whatever_the_host() {
    check(&[("package-lock.json", &npm("npm.invalid"))], &[], &[], &["tool"], &[]);
}

#[test]
fn where_hosts_differ_all_is_matched_and_the_rarer_one_is_named() {
    let lock = npm("npm.corp.invalid");
    let lock = ("package-lock.json", lock.as_str());
    check(
        &[lock],
        &[],
        &[],
        &["tool"],
        &["1 packages come from `npm.corp.invalid` and others from elsewhere"],
    );
    check(&[lock], &["npm.corp.invalid"], &[], &["tool"], &[]);
    check(
        &[lock],
        &[],
        &["npm.corp.invalid"],
        &[],
        &["tool 1.0.0: it comes from a private registry (`npm.corp.invalid`)"],
    );
    // The one from which most comes is as private as the settings say.
    let said =
        ["`npm.corp.invalid` and others from elsewhere", "a 1.0.0: it comes from", "b 1.0.0: it comes from"];
    check(&[lock], &[], &["npm.invalid"], &["tool"], &said);
}

#[test]
fn a_scope_with_a_registry_of_its_own_is_private() {
    let pnpm = "lockfileVersion: '9.0'\npackages:\n  '@corp/tool@1.0.0': {}\n  tool@1.0.0: {}\n";
    let npmrc = "@corp:registry=https://npm.corp.invalid/\n";
    let files = [("pnpm-lock.yaml", pnpm), (".npmrc", npmrc)];
    check(
        &files,
        &[],
        &[],
        &["tool"],
        &["@corp/tool 1.0.0: it comes from a private registry (`npm.corp.invalid`)"],
    );
    check(&files, &["npm.corp.invalid"], &[], &["@corp/tool", "tool"], &[]);
    check(&files[..1], &[], &[], &["@corp/tool", "tool"], &[]);
}

#[test]
fn other_lockfiles_name_their_sources_too() {
    let poetry = "[[package]]\nname = \"a\"\nversion = \"1\"\n[[package]]\nname = \"tool\"\nversion = \"1.0.0\"\n\
                  [package.source]\ntype = \"legacy\"\nurl = \"https://pypi.corp.invalid/simple\"\nreference = \"corp\"\n";
    let uv = "version = 1\n[[package]]\nname = \"a\"\nversion = \"1\"\nsource = { registry = \"https://pypi.invalid/simple\" }\n\
              [[package]]\nname = \"b\"\nversion = \"1\"\nsource = { registry = \"https://pypi.invalid/simple\" }\n\
              [[package]]\nname = \"tool\"\nversion = \"1.0.0\"\nsource = { registry = \"https://pypi.corp.invalid/simple\" }\n";
    let pipfile = r#"{ "_meta": { "sources": [ { "name": "corp", "url": "https://pypi.corp.invalid/simple" } ] },
        "default": { "a": { "version": "==1" }, "tool": { "version": "==1.0.0", "index": "corp" } } }"#;
    let gems = "GEM\n  remote: https://gems.invalid/\n  specs:\n    a (1.0)\n    b (1.0)\n\n\
                GEM\n  remote: https://gems.corp.invalid/\n  specs:\n    tool (1.0.0)\n\nPLATFORMS\n  ruby\n";
    let hosted = |name: &str, version: &str, host: &str| {
        format!(
            "  {name}:\n    dependency: transitive\n    description:\n      name: {name}\n      url: \"https://{host}\"\n    source: hosted\n    version: \"{version}\"\n"
        )
    };
    let pub_lock = [
        "packages:\n".to_owned(),
        hosted("a", "1.0.0", "pub.invalid"),
        hosted("b", "1.0.0", "pub.invalid"),
        hosted("tool", "1.0.0", "pub.corp.invalid"),
    ]
    .concat();
    let bun = r#"{ "lockfileVersion": 1, "workspaces": { "": { "name": "web" } }, "packages": {
        "a": ["a@1.0.0", "", {}, "x"], "tool": ["tool@1.0.0", "https://npm.corp.invalid/tool/-/tool-1.0.0.tgz", {}, "x"] } }"#;
    let rows = [
        ("poetry.lock", poetry, "pypi.corp.invalid"),
        ("uv.lock", uv, "pypi.corp.invalid"),
        ("Pipfile.lock", pipfile, "pypi.corp.invalid"),
        ("Gemfile.lock", gems, "gems.corp.invalid"),
        ("pubspec.lock", &pub_lock, "pub.corp.invalid"),
        ("bun.lock", bun, "npm.corp.invalid"),
    ];
    for (path, text, host) in rows {
        check(&[(path, text)], &[], &[], &["tool"], &[&format!("1 packages come from `{host}`")]);
        check(&[(path, text)], &[], &[host], &[], &["it comes from a private registry"]);
    }
    let requirements = "--index-url https://pypi.invalid/simple\n--extra-index-url https://pypi.corp.invalid/simple\ntool==1.0.0\n";
    check(&[("requirements.txt", requirements)], &[], &[], &["tool"], &["it names a further index"]);
}

#[test]
fn a_crate_of_another_registry_is_unresolved_unless_that_is_a_mirror() {
    let lock = "version = 4\n[[package]]\nname = \"tool\"\nversion = \"1.0.0\"\nsource = \"sparse+https://crates.corp.invalid/\"\n";
    check(
        &[("Cargo.lock", lock)],
        &[],
        &[],
        &[],
        &["tool 1.0.0: it comes from a private registry (`crates.corp.invalid`)"],
    );
    check(&[("Cargo.lock", lock)], &["crates.corp.invalid"], &[], &["tool"], &[]);
    let index = "registry+https://github.com/rust-lang/crates.io-index";
    let replaced = format!(
        "version = 4\n[[package]]\nname = \"tool\"\nversion = \"1.0.0\"\nsource = \"{index}\"\nreplace = \"tool 1.0.0\"\n\n\
         [[package]]\nname = \"tool\"\nversion = \"1.0.0\"\n"
    );
    check(&[("Cargo.lock", &replaced)], &[], &[], &[], &[]);
}
