//! The commands of a build and their environment, as values: what makes two folders give the same bytes.

use std::collections::BTreeMap;
use std::path::Path;

use patchline_model::service::{Build, CommandLine};

/// The folders that a compiler is told to write as if they were these.
const SOURCE: &str = "/source";
const CARGO: &str = "/cargo";

/// What runs once before the build and may use the network.
pub(crate) fn prepare(build: &Build) -> Option<CommandLine> {
    let fetch = || CommandLine(["cargo", "fetch", "--locked"].map(str::to_owned).to_vec());
    build.prepare.clone().or_else(|| is_cargo(&build.command).then(fetch))
}

/// The build command; one whose artifacts are to be discovered says what it made.
pub(crate) fn build(build: &Build) -> CommandLine {
    let mut words = build.command.0.clone();
    if discovers(build) {
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        words.insert(end, "--message-format=json-render-diagnostics".to_owned());
    }
    CommandLine(words)
}

/// Whether the artifacts are whatever the build says it made.
pub(crate) fn discovers(build: &Build) -> bool {
    build.artifact.is_empty()
}

/// Only `cargo build` can say what it made.
pub(crate) fn can_discover(build: &Build) -> bool {
    is_cargo(&build.command) && build.command.0.iter().skip(1).any(|word| word == "build" || word == "b")
}

pub(crate) fn is_cargo(command: &CommandLine) -> bool {
    command.0.first().is_some_and(|program| program.rsplit('/').next() == Some("cargo"))
}

/// What the plain environment lacks for a build in this tree.
///
/// `rust_flags` is the variable that adds to the project's own flags instead of replacing them.
pub(crate) fn environment(
    tree: &Path,
    cargo_home: Option<&Path>,
    epoch_seconds: i64,
    rust_flags: &str,
) -> BTreeMap<String, String> {
    let mut flags = vec![format!("--remap-path-prefix={}={SOURCE}", tree.display())];
    flags.extend(cargo_home.map(|home| format!("--remap-path-prefix={}={CARGO}", home.display())));
    let spaced = flags.iter().any(|flag| flag.contains(char::is_whitespace));
    let (name, flags) = match spaced {
        true => ("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}")),
        false => (rust_flags, flags.join(" ")),
    };
    let pairs = [
        ("SOURCE_DATE_EPOCH", epoch_seconds.to_string()),
        ("CARGO_INCREMENTAL", "0".to_owned()),
        ("CARGO_NET_OFFLINE", "true".to_owned()),
        ("CARGO_TERM_COLOR", "never".to_owned()),
        ("LC_ALL", "C".to_owned()),
        ("TZ", "UTC".to_owned()),
        (name, flags),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Which variable adds flags, given the cargo configurations that apply and the compiler's host. Flags for targets
/// win over those for all builds, so they are added where the project has its own. `RUSTFLAGS` would replace both.
pub(crate) fn rust_flags(configurations: &[String], host: &str) -> String {
    let for_targets = |text: &String| {
        let table: toml::Table = toml::from_str(text).unwrap_or_default();
        let targets = table.get("target").and_then(toml::Value::as_table);
        targets.is_some_and(|targets| targets.values().any(|target| target.get("rustflags").is_some()))
    };
    match configurations.iter().any(for_targets) {
        true => format!("CARGO_TARGET_{}_RUSTFLAGS", host.to_uppercase().replace(['-', '.'], "_")),
        false => "CARGO_BUILD_RUSTFLAGS".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use patchline_model::service::{Build, CommandLine};

    use super::{build, can_discover, environment, prepare, rust_flags};

    fn line(text: &str) -> CommandLine {
        CommandLine(text.split(' ').map(str::to_owned).collect())
    }

    fn with(command: &str, artifact: &str) -> Build {
        Build { prepare: None, command: line(command), artifact: artifact.to_owned() }
    }

    #[test]
    fn cargo_fetches_by_itself_and_says_what_it_made() {
        let cargo = with("cargo build --release -- x", "");
        assert_eq!(prepare(&cargo), Some(line("cargo fetch --locked")));
        assert_eq!(
            build(&cargo),
            line("cargo build --release --message-format=json-render-diagnostics -- x")
        );
        assert!(can_discover(&cargo));
        let make = with("make all", "program");
        assert_eq!(prepare(&make), None);
        assert_eq!(build(&make), line("make all"));
        assert!(!can_discover(&make));
    }

    #[test]
    fn flags_are_added_to_those_of_the_project() {
        let all = "[build]\nrustflags = [\"--cfg\", \"x\"]".to_owned();
        let some = "[target.'cfg(unix)']\nrustflags = \"-g\"".to_owned();
        assert_eq!(rust_flags(&[], "x86_64-unknown-linux-gnu"), "CARGO_BUILD_RUSTFLAGS");
        assert_eq!(
            rust_flags(std::slice::from_ref(&all), "x86_64-unknown-linux-gnu"),
            "CARGO_BUILD_RUSTFLAGS"
        );
        let name = "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS";
        assert_eq!(rust_flags(&[all, some], "x86_64-unknown-linux-gnu"), name);
    }

    #[test]
    fn a_folder_with_a_space_is_still_one_flag() {
        let flags = environment(Path::new("/my work/a"), None, 7, "CARGO_BUILD_RUSTFLAGS");
        assert_eq!(flags["CARGO_ENCODED_RUSTFLAGS"], "--remap-path-prefix=/my work/a=/source");
        assert_eq!(flags["SOURCE_DATE_EPOCH"], "7");
        let flags = environment(Path::new("/w/a"), Some(Path::new("/c")), 7, "CARGO_BUILD_RUSTFLAGS");
        let expected = "--remap-path-prefix=/w/a=/source --remap-path-prefix=/c=/cargo";
        assert_eq!(flags["CARGO_BUILD_RUSTFLAGS"], expected);
    }
}
