//! Given a file and its neighbours, what is read of it, a line for each package.

use patchline_inventory::detector::Kind;
use patchline_inventory::detectors::DETECTORS;
use patchline_inventory::{Detector, Inventory, Neighbours};

/// Reads the file with the detector that claims it.
pub fn read(path: &str, text: &str, neighbours: &[(&str, &str)]) -> Result<Inventory, String> {
    let claims = |detector: &&&dyn Detector| Kind::claims(detector.kind(), path);
    let detector = DETECTORS.iter().find(claims).unwrap_or_else(|| panic!("nobody reads {path}"));
    let neighbours: Neighbours =
        neighbours.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let asked = detector.neighbours(path, text);
    assert!(neighbours.is_empty() || asked.iter().any(|asked| neighbours.contains_key(asked)), "{asked:?}");
    detector.parse(path, text, &neighbours).map_err(|broken| broken.to_string())
}

/// Each package as `line name version relation scope`, with `elsewhere` when it is of no registry, then what is unresolved
/// as `line name: why`.
#[track_caller]
pub fn check(path: &str, text: &str, neighbours: &[(&str, &str)], then: &[&str]) {
    let inventory = read(path, text, neighbours).unwrap_or_else(|error| panic!("{path}: {error}"));
    let line = |line: Option<u32>| line.map_or("-".to_owned(), |line| line.to_string());
    let mut said: Vec<String> = Vec::new();
    for one in &inventory.installed {
        let elsewhere = if one.registered { "" } else { " elsewhere" };
        let (relation, scope) = (format!("{:?}", one.relation), format!("{:?}", one.scope));
        said.push(
            format!("{} {} {relation} {scope}{elsewhere}", line(one.location.line), one.package)
                .to_lowercase(),
        );
        assert!(!one.paths.is_empty(), "{} comes in by no way", one.package);
    }
    for one in &inventory.unresolved {
        said.push(format!("{} {}: {}", line(one.line), one.package.as_deref().unwrap_or("-"), one.what));
    }
    assert_eq!(said, then, "{path}");
}

/// The ways by which a package comes in.
#[track_caller]
pub fn check_ways(path: &str, text: &str, name: &str, then: &[&str]) {
    let inventory = read(path, text, &[]).unwrap_or_else(|error| panic!("{path}: {error}"));
    let one = inventory.installed.iter().find(|one| one.package.name == name).expect("it is there");
    let ways: Vec<String> = one.paths.iter().map(|way| way.join(" > ")).collect();
    assert_eq!(ways, then, "{path}");
}

#[track_caller]
pub fn check_broken(path: &str, text: &str, then: &str) {
    assert_eq!(read(path, text, &[]).expect_err("it is broken"), then, "{path}");
}
