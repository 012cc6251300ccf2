//! Cargo as a child of ours, without what the cargo above us left in the environment.

use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};

/// What `cargo run` sets for the program it starts. What people set for cargo (`CARGO_HOME`, `CARGO_TARGET_DIR`,
/// `CARGO_NET_…`, `CARGO_TERM_…`) stays.
const SET_BY_CARGO: [&str; 9] = [
    "CARGO",
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
    "CARGO_MAKEFLAGS",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_TARGET_TMPDIR",
    "OUT_DIR",
];
const SET_BY_CARGO_PREFIXES: [&str; 4] = ["CARGO_BIN_EXE_", "CARGO_CFG_", "CARGO_FEATURE_", "CARGO_PKG_"];

/// The same cargo that started us, in the folder.
pub fn command(folder: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(folder);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_set_by_cargo) {
            command.env_remove(name);
        }
    }
    command
}

/// A child's exit code as ours; 1 if a signal ended it.
pub fn exit_code(status: ExitStatus) -> ExitCode {
    ExitCode::from(exit_number(status))
}

pub fn exit_number(status: ExitStatus) -> u8 {
    status.code().map_or(1, |code| u8::try_from(code).unwrap_or(1))
}

fn is_set_by_cargo(name: &str) -> bool {
    SET_BY_CARGO.contains(&name) || SET_BY_CARGO_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_set_goes_and_what_people_set_stays() {
        for gone in
            ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION_MAJOR", "CARGO_BIN_EXE_patchline"]
        {
            assert!(is_set_by_cargo(gone), "{gone}");
        }
        for kept in
            ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_NET_OFFLINE", "CARGO_TERM_COLOR", "CARGO_BUILD_JOBS"]
        {
            assert!(!is_set_by_cargo(kept), "{kept}");
        }
    }

    #[test]
    fn the_child_does_not_see_our_package() {
        assert!(std::env::var_os("CARGO_PKG_NAME").is_some(), "cargo sets it for tests");
        let command = command(Path::new("."));
        let removed: Vec<_> =
            command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        assert!(removed.contains(&std::ffi::OsStr::new("CARGO_PKG_NAME")), "{removed:?}");
    }
}
