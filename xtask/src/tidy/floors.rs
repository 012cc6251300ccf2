//! Floors: a crate depends on lower floors only, never sideways, never up.

use std::fmt;

use crate::tidy::fault::Fault;
use crate::tidy::manifest::{Dependency, Kind};
use crate::tidy::sources::{Crate, Sources};

/// The house, from the ground up.
const FLOORS: [&[&str]; 6] = [
    &["model", "judge", "evidence", "sandbox", "connect"],
    &["inventory"],
    &["ledger", "detect", "generate", "build", "verify", "approve", "rollout", "review"],
    &["conductor"],
    &["server"],
    &["patchline"],
];

/// The highest floor that the test kit may build upon.
const HIGHEST_FOR_TESTKIT: usize = 4;

const RULE: &str = "floors";

/// Where a crate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Floor {
    /// Counted from 1.
    Number(usize),
    Testkit,
    Xtask,
}

pub fn check(sources: &Sources) -> Vec<Fault> {
    sources.crates.iter().flat_map(check_crate).collect()
}

fn check_crate(checked: &Crate) -> Vec<Fault> {
    let manifest = format!("{}/Cargo.toml", checked.folder);
    let Some(floor) = floor_of(&checked.name) else {
        let what = format!("`{}` stands on no floor", checked.name);
        let hint =
            "give it a floor in xtask/src/tidy/floors.rs, or move the code to the crate where it belongs";
        return vec![Fault::new(RULE, &manifest, 1, what, hint)];
    };
    let mut faults: Vec<Fault> = check_name(checked, &manifest).into_iter().collect();
    for dependency in &checked.manifest.dependencies {
        faults.extend(check_dependency(&checked.name, floor, dependency, &manifest));
    }
    faults
}

fn check_name(checked: &Crate, manifest: &str) -> Option<Fault> {
    let expected = package_of(&checked.name);
    let found = checked.manifest.package.as_ref()?;
    (*found != expected).then(|| {
        let what = format!("the package in `{}` is called `{found}`", checked.folder);
        Fault::new(RULE, manifest, 1, what, format!("call it `{expected}`, as its folder"))
    })
}

fn check_dependency(name: &str, floor: Floor, dependency: &Dependency, manifest: &str) -> Option<Fault> {
    let target_name = crate_of(&dependency.package)?;
    let fault = |what: String, hint: &str| Some(Fault::new(RULE, manifest, dependency.line, what, hint));
    let Some(target) = floor_of(target_name) else {
        let what = format!("depends on `{}`, which stands on no floor", dependency.package);
        return fault(what, "name a crate of the house");
    };
    if may_depend(floor, target, dependency.kind) {
        return None;
    }
    match (floor, target) {
        (Floor::Xtask, _) => fault(
            format!("xtask depends on `{target_name}`"),
            "xtask imports none of ours, so that it builds when they do not",
        ),
        (_, Floor::Testkit) => fault(
            format!("`{name}` depends on the test kit outside its tests"),
            "move it to `[dev-dependencies]`",
        ),
        (_, Floor::Xtask) => fault(format!("`{name}` depends on xtask"), "nothing depends on xtask"),
        (_, Floor::Number(_)) => fault(
            format!("`{name}` ({floor}) depends on `{target_name}` ({target})"),
            "import from lower floors only; what both need goes down a floor, what joins them goes up",
        ),
    }
}

fn may_depend(floor: Floor, target: Floor, kind: Kind) -> bool {
    match (floor, target) {
        (Floor::Xtask, _) | (_, Floor::Xtask) => false,
        (Floor::Testkit, Floor::Testkit) => false,
        (Floor::Testkit, Floor::Number(below)) => below <= HIGHEST_FOR_TESTKIT,
        (Floor::Number(_), Floor::Testkit) => kind == Kind::Dev,
        (Floor::Number(above), Floor::Number(below)) => below < above,
    }
}

fn floor_of(name: &str) -> Option<Floor> {
    match name {
        "testkit" => Some(Floor::Testkit),
        "xtask" => Some(Floor::Xtask),
        _ => FLOORS.iter().position(|floor| floor.contains(&name)).map(|below| Floor::Number(below + 1)),
    }
}

/// The crate's name within the house, if the package is one of ours.
fn crate_of(package: &str) -> Option<&str> {
    match package {
        "patchline" | "xtask" => Some(package),
        _ => package.strip_prefix("patchline-"),
    }
}

fn package_of(name: &str) -> String {
    match name {
        "patchline" | "xtask" => name.to_owned(),
        _ => format!("patchline-{name}"),
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "floor {number}"),
            Self::Testkit => f.write_str("dev only"),
            Self::Xtask => f.write_str("beside the house"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::planted::{Planted, assert_caught, manifest};

    /// Given a crate and its tables of dependencies, sees what is caught.
    #[track_caller]
    fn check_tables(name: &str, tables: &str, expected: &[(&str, &str)]) {
        let path = format!("crates/{name}/Cargo.toml");
        let planted = Planted::sound().with(&path, &manifest(name, tables));
        assert_caught(&check(&planted.sources()), expected);
    }

    #[test]
    fn a_sound_workspace_has_no_fault() {
        assert_caught(&check(&Planted::sound().sources()), &[]);
    }

    #[test]
    fn an_import_from_below_is_fine() {
        check_tables("conductor", "[dependencies]\npatchline-detect = { path = \"..\" }\n", &[]);
    }

    #[test]
    fn an_import_sideways_is_caught() {
        let place = "crates/verify/Cargo.toml:5";
        check_tables(
            "verify",
            "[dependencies]\npatchline-detect.workspace = true\n",
            &[(place, "(floor 3)")],
        );
    }

    #[test]
    fn an_import_upwards_is_caught_also_in_build_and_dev_and_target_tables() {
        for table in
            ["dependencies", "build-dependencies", "dev-dependencies", "target.'cfg(unix)'.dependencies"]
        {
            let tables = format!("[{table}]\npatchline-server.workspace = true\n");
            check_tables("ledger", &tables, &[("crates/ledger/Cargo.toml:5", "`server` (floor 5)")]);
        }
    }

    #[test]
    fn an_import_under_another_name_is_caught() {
        let tables = "[dependencies]\nshort = { package = \"patchline-conductor\", path = \"..\" }\n";
        check_tables("detect", tables, &[("crates/detect/Cargo.toml:5", "`conductor` (floor 4)")]);
    }

    #[test]
    fn the_test_kit_serves_tests_only() {
        check_tables("detect", "[dev-dependencies]\npatchline-testkit.workspace = true\n", &[]);
        let place = "crates/detect/Cargo.toml:5";
        check_tables(
            "detect",
            "[dependencies]\npatchline-testkit.workspace = true\n",
            &[(place, "outside its tests")],
        );
    }

    #[test]
    fn the_test_kit_builds_on_four_floors_and_no_more() {
        check_tables("testkit", "[dependencies]\npatchline-conductor.workspace = true\n", &[]);
        let place = "crates/testkit/Cargo.toml:5";
        check_tables(
            "testkit",
            "[dependencies]\npatchline-server.workspace = true\n",
            &[(place, "(floor 5)")],
        );
    }

    #[test]
    fn a_crate_without_a_floor_is_caught() {
        check_tables("helpers", "", &[("crates/helpers/Cargo.toml:1", "stands on no floor")]);
        let place = "crates/detect/Cargo.toml:5";
        check_tables(
            "detect",
            "[dependencies]\npatchline-helpers = \"1\"\n",
            &[(place, "stands on no floor")],
        );
    }

    #[test]
    fn a_package_that_is_not_called_as_its_folder_is_caught() {
        let planted = Planted::sound().with("crates/judge/Cargo.toml", &manifest("verdict", ""));
        assert_caught(
            &check(&planted.sources()),
            &[("crates/judge/Cargo.toml:1", "is called `patchline-verdict`")],
        );
    }

    #[test]
    fn xtask_imports_none_of_ours() {
        let text = "[package]\nname = \"xtask\"\n[dev-dependencies]\npatchline-model.workspace = true\n";
        let planted = Planted::sound().with("xtask/Cargo.toml", text);
        assert_caught(&check(&planted.sources()), &[("xtask/Cargo.toml:4", "xtask depends on `model`")]);
    }
}
