//! The example service, as it lies in `examples/notebook`: the demo carries it along.

/// Every file of the example with its path.
pub const FILES: &[(&str, &str)] = &[
    (".gitignore", include_str!("../../../../../examples/notebook/.gitignore")),
    ("Cargo.lock", include_str!("../../../../../examples/notebook/Cargo.lock")),
    ("Cargo.toml", include_str!("../../../../../examples/notebook/Cargo.toml")),
    ("README.md", include_str!("../../../../../examples/notebook/README.md")),
    ("patchline.toml", include_str!("../../../../../examples/notebook/patchline.toml")),
    ("src/api.rs", include_str!("../../../../../examples/notebook/src/api.rs")),
    ("src/bin/reproduce.rs", include_str!("../../../../../examples/notebook/src/bin/reproduce.rs")),
    ("src/document.rs", include_str!("../../../../../examples/notebook/src/document.rs")),
    ("src/http.rs", include_str!("../../../../../examples/notebook/src/http.rs")),
    ("src/json.rs", include_str!("../../../../../examples/notebook/src/json.rs")),
    ("src/main.rs", include_str!("../../../../../examples/notebook/src/main.rs")),
    ("src/note.rs", include_str!("../../../../../examples/notebook/src/note.rs")),
    ("src/pool.rs", include_str!("../../../../../examples/notebook/src/pool.rs")),
    ("src/store.rs", include_str!("../../../../../examples/notebook/src/store.rs")),
    ("tests/service.rs", include_str!("../../../../../examples/notebook/tests/service.rs")),
];

/// The change of the second act.
pub const SECOND_ACT: &str = include_str!("../../../../../examples/notebook/second-act.patch");

/// What ordinary users send.
pub const LOAD: &str = include_str!("../../../../../examples/notebook/load.json");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::FILES;

    #[test]
    fn the_demo_carries_every_source_file_of_the_example() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/notebook");
        let carried: BTreeSet<String> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        let mut missing = Vec::new();
        for folder in ["src", "src/bin", "tests"] {
            for entry in std::fs::read_dir(example.join(folder)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let path = format!("{folder}/{name}");
                if name.ends_with(".rs") && !carried.contains(&path) {
                    missing.push(path);
                }
            }
        }
        assert_eq!(missing, Vec::<String>::new());
    }
}
