//! What cargo needs of the environment, and no more: found programs, homes, nothing of an outer cargo, no tokens.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Variables that steer how cargo reaches the network; none of them holds a secret.
const PASSED_ON: [&str; 2] = ["CARGO_HTTP_CAINFO", "CARGO_NET_OFFLINE"];

/// The environment in which cargo works as for a person at a terminal. Which toolchain it is, the repository says.
pub fn rust_environment() -> BTreeMap<String, String> {
    let mut environment: BTreeMap<String, String> =
        PASSED_ON.iter().filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?))).collect();
    let mut set = |name: &str, value: String| environment.insert(name.to_owned(), value);
    set("CARGO_TERM_COLOR", "never".to_owned());
    set("CARGO_INCREMENTAL", "0".to_owned());
    // A toolchain that is missing is the user's to install: a build must not, and in the sandbox it could not.
    set("RUSTUP_AUTO_INSTALL", "0".to_owned());

    let outer = env::var("PATH").unwrap_or_default();
    let home = cargo_home();
    let beside = home.as_ref().map(|home| home.join("bin")).filter(|folder| folder.join("cargo").is_file());
    match beside {
        Some(folder) => set("PATH", format!("{}:{outer}", folder.display())),
        None => set("PATH", outer),
    };
    if let Some(home) = home {
        set("CARGO_HOME", home.display().to_string());
    }
    let rustup =
        env::var_os("RUSTUP_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".rustup")));
    if let Some(rustup) = rustup.filter(|path| path.is_dir()) {
        set("RUSTUP_HOME", rustup.display().to_string());
    }
    environment
}

/// For where cargo fetches, with the network and with caches that it may write to: variables that win over the repository's
/// settings, so that no program which those name takes the compiler's place.
pub fn only_rusts_own_programs() -> impl Iterator<Item = (String, String)> {
    let programs = [
        ("RUSTC", "rustc"),
        ("RUSTC_WRAPPER", ""),
        ("RUSTC_WORKSPACE_WRAPPER", ""),
        ("CARGO_NET_GIT_FETCH_WITH_CLI", "false"),
    ];
    programs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// What cargo must be able to change to fetch crates: its caches and their locks, not its settings or programs.
/// They are made where they are missing.
pub fn rust_writable() -> Vec<PathBuf> {
    let Some(home) = cargo_home() else { return Vec::new() };
    let folders = ["registry", "git"].map(|name| home.join(name));
    let files = [".package-cache", ".package-cache-mutate"].map(|name| home.join(name));
    // What can't be made is left out; cargo then says what it misses.
    folders.iter().for_each(|folder| drop(fs::create_dir_all(folder)));
    files.iter().for_each(|file| drop(fs::OpenOptions::new().create(true).append(true).open(file)));
    folders.into_iter().chain(files).filter(|path| path.exists()).collect()
}

/// The first executable file of this name on the search path.
pub(crate) fn find_program(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    let executable = |path: &Path| {
        fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    env::split_paths(path?)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|candidate| executable(candidate))
}

fn cargo_home() -> Option<PathBuf> {
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")))
}

#[cfg(test)]
mod tests {
    use super::{find_program, rust_environment};
    use std::ffi::OsStr;

    #[test]
    fn nothing_of_an_outer_cargo_leaks() {
        let environment = rust_environment();
        assert!(
            std::env::var_os("CARGO_MANIFEST_DIR").is_some(),
            "this test itself runs under an outer cargo"
        );
        assert!(!environment.contains_key("CARGO_MANIFEST_DIR"));
        assert_eq!(environment.get("CARGO_TERM_COLOR").map(String::as_str), Some("never"));
        assert_eq!(environment.get("RUSTUP_AUTO_INSTALL").map(String::as_str), Some("0"));
        assert!(find_program("cargo", environment.get("PATH").map(OsStr::new)).is_some());
    }
}
