//! `Cargo.lock` in all its formats, whole and broken.

use patchline_inventory::lockfile::cargo::CargoLock;
use patchline_inventory::{Detector, Installed, Neighbours};
use proptest::prelude::{any, prop, proptest};

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn read(text: &str) -> Vec<Installed> {
    let parsed = CargoLock.parse("sub/Cargo.lock", text, &Neighbours::new());
    parsed.unwrap_or_else(|broken| panic!("{broken} in {text}")).installed
}

fn ways(one: &Installed) -> Vec<Vec<&str>> {
    one.paths.iter().map(|way| way.iter().map(|step| &**step).collect()).collect()
}

/// Given this file, reading says exactly this of its place and reason.
fn check_broken(given: &str, then: &str) {
    let broken = CargoLock.parse("Cargo.lock", given, &Neighbours::new()).expect_err("it is broken");
    assert_eq!(broken.to_string(), then, "{given}");
}

fn format_4() -> String {
    format!(
        r#"version = 4

[[package]]
name = "app"
version = "1.0.0"
dependencies = [
 "left",
 "shared 1.0.0",
 "tool",
]

[[package]]
name = "left"
version = "0.3.0"
source = "{REGISTRY}"
checksum = "aa"
dependencies = [
 "shared 2.0.0",
]

[[package]]
name = "shared"
version = "1.0.0"
source = "{REGISTRY}"
checksum = "bb"

[[package]]
name = "shared"
version = "2.0.0"
source = "sparse+https://registry.invalid/"
checksum = "cc"
dependencies = [
 "shared 1.0.0",
]

[[package]]
name = "tool"
version = "0.1.0"
source = "git+https://git.invalid/tool?branch=main#0123456789"
"#
    )
}

#[test]
fn each_package_has_its_line_its_ways_and_its_dependencies() {
    let installed = read(&format_4());
    let lines: Vec<(String, u32)> =
        installed.iter().map(|one| (one.package.to_string(), one.location.line.expect("a line"))).collect();
    let expected = [
        ("app 1.0.0", 4),
        ("left 0.3.0", 13),
        ("shared 1.0.0", 22),
        ("shared 2.0.0", 28),
        ("tool 0.1.0", 37),
    ];
    assert_eq!(lines, expected.map(|(name, line)| (name.to_owned(), line)));
    let shared = &installed[2];
    assert_eq!(shared.location.path, "sub/Cargo.lock");
    assert_eq!(
        ways(shared),
        [vec!["app 1.0.0", "shared 1.0.0"], vec!["app 1.0.0", "left 0.3.0", "shared 2.0.0", "shared 1.0.0"]]
    );
    assert_eq!(installed[1].dependencies, [installed[3].package.clone().into()]);
    assert_eq!(shared.checksum.as_deref(), Some("bb"));
}

#[test]
fn only_what_comes_from_a_registry_is_registered() {
    let registered: Vec<bool> = read(&format_4()).iter().map(|one| one.registered).collect();
    assert_eq!(registered, [false, true, true, false, false], "a company's own registry is not crates.io");
    let sparse = format_4().replace("registry.invalid", concat!("index.", "crates.io"));
    assert!(read(&sparse)[3].registered);
}

#[test]
fn format_1_keeps_checksums_apart_and_names_its_dependencies_in_full() {
    let installed = read(&format!(
        r#"[root]
name = "app"
version = "1.0.0"
dependencies = ["a 1.0.0 ({REGISTRY})", "a 1.0.0", "b 0.1.0 (git+https://git.invalid/b#01)"]

[[package]]
name = "a"
version = "1.0.0"
source = "{REGISTRY}"

[[package]]
name = "a"
version = "1.0.0"

[[package]]
name = "b"
version = "0.1.0"
source = "git+https://git.invalid/b#01"

[metadata]
"checksum a 1.0.0 ({REGISTRY})" = "0123"
"checksum b 0.1.0 (git+https://git.invalid/b#01)" = "<none>"
"#
    ));
    let checksums: Vec<Option<&str>> = installed.iter().map(|one| one.checksum.as_deref()).collect();
    assert_eq!(checksums, [Some("0123"), None, None, None]);
    let app = installed.last().expect("the root package");
    assert_eq!((app.package.name.as_str(), app.dependencies.len(), app.location.line), ("app", 3, Some(2)));
}

#[test]
fn a_git_source_is_found_without_its_commit() {
    let installed = read(
        r#"version = 3
[[package]]
name = "app"
version = "1.0.0"
dependencies = ["b 0.1.0 (git+https://git.invalid/one)"]
[[package]]
name = "b"
version = "0.1.0"
source = "git+https://git.invalid/one#01"
[[package]]
name = "b"
version = "0.1.0"
source = "git+https://git.invalid/two#02"
"#,
    );
    assert_eq!(installed[1].paths.len(), 1);
    assert_eq!(ways(&installed[2]), [["b 0.1.0"]]);
}

#[test]
fn a_replaced_package_is_not_matched_and_leads_to_its_replacement() {
    let installed = read(&format!(
        "[[package]]\nname = \"app\"\nversion = \"1.0.0\"\ndependencies = [\"a 1.0.0 ({REGISTRY})\"]\n\
         [[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"{REGISTRY}\"\nreplace = \"a 1.0.0\"\n\
         [[package]]\nname = \"a\"\nversion = \"1.0.0\"\n"
    ));
    assert!(!installed[1].registered);
    assert_eq!(ways(&installed[2]), [["app 1.0.0", "a 1.0.0", "a 1.0.0"]]);
}

#[test]
fn what_is_broken_is_told_with_line_and_column() {
    check_broken("", "line 1, column 1: it ends without any package");
    assert!(read("version = 4\n").is_empty(), "an empty workspace has no packages");
    check_broken("version = 5\n", "line 1, column 11: its format, version 5, is not one of 1 to 4");
    let head = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n";
    check_broken(&format!("{head}{head}"), "line 5, column 8: a 1.0.0 stands here twice");
    check_broken(
        &format!("{head}dependencies = [\n \"b\",\n]\n"),
        "line 5, column 2: the dependency \"b\" is not among the packages; the file may be cut off",
    );
    check_broken(
        &head.replace("\"a\"", "\"a b\""),
        "line 2, column 8: \"a b\" is neither a name nor a version",
    );
    check_broken(&format!("<<<<<<< ours\n{head}"), "line 1, column 9: a merge conflict is left in it");
    check_broken(
        "[[package]]\nname = \"a\"\nversion = \"1.0",
        "line 3, column 15: invalid basic string, expected `\"`",
    );
    check_broken(
        "[[package]]\nname = \"é\" 1\n",
        "line 2, column 12: unexpected key or value, expected newline, `#`",
    );
    check_broken("[[package]]\nname = \"a\"\n", "line 1, column 1: missing field `version`");
}

#[test]
fn a_file_that_is_cut_off_after_it_named_a_dependency_is_refused() {
    // What no dependency names yet, and the words of the very last package, can be missed by nobody.
    let whole = format_4();
    let first = whole.find("\"left\"").expect("the first dependency");
    let last = whole.rfind("\nversion = \"0.1.0\"").expect("the last package");
    for cut in first..last {
        assert!(CargoLock.parse("Cargo.lock", &whole[..cut], &Neighbours::new()).is_err(), "cut at {cut}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_lockfile_or_refused(text in "(?s).{0,300}") {
        let _ = CargoLock.parse("Cargo.lock", &text, &Neighbours::new());
    }

    #[test]
    fn a_lockfile_with_a_byte_changed_is_read_or_refused(at in any::<prop::sample::Index>(), byte in 0_u8..128) {
        let mut bytes = format_4().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = CargoLock.parse("Cargo.lock", &String::from_utf8(bytes).expect("ASCII"), &Neighbours::new());
    }

    #[test]
    fn any_graph_gives_bounded_ways_that_begin_at_roots(edges in prop::collection::vec(prop::collection::vec(0_usize..12, 0..5), 12)) {
        let mut text = String::new();
        for (node, edges) in edges.iter().enumerate() {
            let names: Vec<String> = edges.iter().map(|edge| format!("\"n{edge}\"")).collect();
            text += &format!("[[package]]\nname = \"n{node}\"\nversion = \"1.0.0\"\ndependencies = [{}]\n", names.join(", "));
        }
        for (node, one) in read(&text).iter().enumerate() {
            assert!((1..=10).contains(&one.paths.len()), "{} ways to n{node}", one.paths.len());
            assert!(one.paths.is_sorted_by_key(Vec::len));
            for way in &one.paths {
                let nodes: Vec<usize> = way.iter().map(|label| label[1..label.len() - 6].parse().expect("a number")).collect();
                assert_eq!(nodes.last(), Some(&node));
                assert!(nodes.windows(2).all(|pair| edges[pair[0]].contains(&pair[1])), "{way:?}");
                assert!((1..nodes.len()).all(|index| !nodes[..index].contains(&nodes[index])), "{way:?}");
            }
        }
    }
}

/// It would be repeated in every path that leads through the package.
#[test]
fn a_name_that_is_too_long_is_refused() {
    let name = "a".repeat(257);
    check_broken(
        &format!("version = 4\n[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\n"),
        "line 3, column 8: a name or version has more than 256 bytes",
    );
}

/// Each dependency is found at once, however many packages share its name: 50,000 of them, twice over, end.
#[test]
fn many_packages_of_one_name_are_told_apart() {
    let mut text =
        String::from("version = 4\n[[package]]\nname = \"app\"\nversion = \"1.0.0\"\ndependencies = [\n");
    (0..50_000).for_each(|number| text += &format!(" \"a 0.0.{number}\",\n"));
    text += "]\n";
    (0..50_000)
        .for_each(|number| text += &format!("[[package]]\nname = \"a\"\nversion = \"0.0.{number}\"\n"));
    assert_eq!(read(&text)[0].dependencies.len(), 50_000);
}
