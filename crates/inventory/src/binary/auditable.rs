//! What `cargo auditable` writes into binaries: a list of packages as JSON, compressed with zlib.
//! <https://github.com/rust-secure-code/cargo-auditable/blob/master/PARSING.md>

use std::io::Read;

use flate2::read::ZlibDecoder;
use serde::Deserialize;

use crate::detector::{Inventory, Scope};
use crate::lockfile::assembly::{Graph, MOST_PACKAGES, Node};

/// Bytes of JSON; a thousand packages take about 100 KiB.
const LARGEST: u64 = 16 << 20;

#[derive(Deserialize)]
struct List {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: String,
    kind: Option<String>,
    #[serde(default)]
    dependencies: Vec<usize>,
    #[serde(default)]
    root: bool,
}

/// The packages that the section of the binary at this path lists.
pub fn inventory(path: &str, section: &[u8]) -> Result<Inventory, String> {
    let mut json = Vec::new();
    let mut unpacked = ZlibDecoder::new(section).take(LARGEST + 1);
    unpacked.read_to_end(&mut json).map_err(|error| format!("they don't unpack: {error}"))?;
    if json.len() as u64 > LARGEST {
        return Err("they unpack to more than 16 MiB".to_owned());
    }
    let list: List =
        serde_json::from_slice(&json).map_err(|error| format!("they are not as they should be: {error}"))?;
    let count = list.packages.len();
    if count > MOST_PACKAGES {
        return Err(format!("they are more than {MOST_PACKAGES}"));
    }
    let mut graph = Graph::of("crates.io", json.len());
    for package in &list.packages {
        graph.add(Node {
            is_own: package.root,
            // Every package but those for builds is in the binary.
            scope: Some(if package.kind.as_deref() == Some("build") { Scope::Build } else { Scope::Normal }),
            registered: package.source == "crates.io",
            source: Some(package.source.clone()),
            name: package.name.clone(),
            version: package.version.clone(),
            ..Node::default()
        });
    }
    for (number, package) in list.packages.iter().enumerate() {
        if package.dependencies.iter().any(|needed| *needed >= count) {
            return Err(format!("{:?} needs a package that is not in the list", package.name));
        }
        graph.join(number, package.dependencies.iter().copied());
    }
    Ok(graph.inventory(path))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::inventory;

    fn packed(json: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(json).expect("written");
        encoder.finish().expect("packed")
    }

    #[track_caller]
    fn check(json: &str, then: Result<&[&str], &str>) {
        let read = inventory("bin/app", &packed(json.as_bytes()));
        let said = read.map(|read| {
            let one = |one: &crate::Installed| {
                format!("{} {:?} {:?} {}", one.package, one.relation, one.scope, one.registered)
            };
            read.installed.iter().map(one).collect::<Vec<String>>()
        });
        let then = then.map(|lines| lines.iter().map(ToString::to_string).collect::<Vec<String>>());
        match (said, then) {
            (Err(said), Err(then)) => assert!(said.contains(then), "{said}"),
            (said, then) => assert_eq!(said, then.map_err(ToOwned::to_owned)),
        }
    }

    #[test]
    fn packages_are_listed_with_who_needs_them() {
        check(
            r#"{"packages": [
                {"name": "app", "version": "1.0.0", "source": "local", "root": true, "dependencies": [1, 2, 3]},
                {"name": "libc", "version": "0.2.1", "source": "crates.io"},
                {"name": "cc", "version": "1.0.1", "source": "crates.io", "kind": "build", "dependencies": [1]},
                {"name": "fork", "version": "2.0.0", "source": "git"}]}"#,
            Ok(&[
                "app 1.0.0 Own Normal false",
                "libc 0.2.1 Direct Normal true",
                "cc 1.0.1 Direct Build true",
                "fork 2.0.0 Direct Normal false",
            ]),
        );
    }

    #[test]
    fn what_is_broken_or_too_large_is_an_error() {
        check("{}", Err("missing field `packages`"));
        check(
            r#"{"packages": [{"name": "a", "version": "1.0.0", "source": "local", "dependencies": [7]}]}"#,
            Err("\"a\" needs a package that is not in the list"),
        );
        let bomb = packed(&vec![b' '; 17 << 20]);
        assert_eq!(inventory("x", &bomb), Err("they unpack to more than 16 MiB".to_owned()));
        assert!(inventory("x", b"no zlib").is_err());
    }
}
