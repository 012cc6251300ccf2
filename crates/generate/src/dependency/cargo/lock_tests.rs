//! Small lockfiles, read and changed.

use proptest::prelude::{ProptestConfig, any, prop, proptest};

use crate::dependency::cargo::lock::{Lockfile, Put, with_versions};

const LOCK: &str = r#"version = 4

[[package]]
name = "app"
version = "0.1.0"
dependencies = ["inner 0.4.0", "inner 0.5.0", "outer"]

[[package]]
name = "inner"
version = "0.4.0"
source = "registry"
checksum = "00"

[[package]]
name = "inner"
version = "0.5.0"
source = "registry"
checksum = "01"

[[package]]
name = "outer"
version = "1.0.0"
source = "registry"
checksum = "02"
dependencies = [
 "inner 0.4.0",
]
"#;

#[test]
fn each_package_leads_to_the_copy_that_it_names() {
    let edges = Lockfile::parse(LOCK).expect("it is a lockfile").edges();
    assert_eq!(edges, [vec![1, 2, 3], vec![], vec![], vec![1]]);
}

#[test]
fn what_changes_is_left_to_cargo_and_all_else_stays() {
    let lock = Lockfile::parse(LOCK).expect("it is a lockfile");
    let to = |version: &str| Some((version.to_owned(), "ff".to_owned()));
    let moved =
        with_versions(LOCK, &[Put { package: &lock.packages[3], to: to("1.1.0") }], &[]).expect("it is read");
    let expected = LOCK
        .replace(", \"outer\"]", "]")
        .replace("1.0.0", "1.1.0")
        .replace("\"02\"", "\"ff\"")
        .replace("dependencies = [\n \"inner 0.4.0\",\n]\n", "");
    assert_eq!(moved, expected);
    let gone = with_versions(LOCK, &[Put { package: &lock.packages[1], to: None }], &[]).expect("it is read");
    let left = Lockfile::parse(&gone).expect("it is a lockfile");
    assert_eq!(left.packages.len(), 3);
    assert_eq!(left.edges(), [vec![1, 2], vec![], vec![]]);
}

#[test]
fn format_1_has_its_checksums_apart() {
    let source = "source = \"registry\"\n";
    let old = format!(
        "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n{source}\n[metadata]\n\"checksum a 1.0.0 (registry)\" = \"00\"\n"
    );
    let lock = Lockfile::parse(&old).expect("it is a lockfile");
    assert_eq!((lock.format, lock.packages[0].checksum.as_deref()), (1, Some("00")));
    let put = Put { package: &lock.packages[0], to: Some(("1.0.1".to_owned(), "11".to_owned())) };
    let moved = with_versions(&old, &[put], &[]).expect("it is read");
    assert_eq!(moved, old.replace("1.0.0", "1.0.1").replace("\"00\"", "\"11\""));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn foreign_text_is_read_or_refused(text in any::<String>(), at in any::<prop::sample::Index>(), end in any::<prop::sample::Index>()) {
        let cut = |at: &prop::sample::Index| {
            let at = at.index(LOCK.len());
            (0..=at).rev().find(|at| LOCK.is_char_boundary(*at)).unwrap_or(0)
        };
        let bent = format!("{}{text}{}", &LOCK[..cut(&at)], &LOCK[cut(&end)..]);
        for text in [text, bent] {
            if let Ok(read) = Lockfile::parse(&text) {
                read.edges();
                let puts: Vec<Put<'_>> = read.packages.iter().map(|package| Put { package, to: None }).collect();
                let _ = with_versions(&text, &puts, &[]);
            }
        }
    }
}
