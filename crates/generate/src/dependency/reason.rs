//! What cargo wrote when it refused, in one sentence.

/// Longest sentence, in characters.
const LONGEST: usize = 300;

/// What cargo and its network library write when nothing answers. Cargo has no exit code of its own for that.
const UNREACHABLE: [&str; 9] = [
    "could not resolve host",
    "couldn't resolve host",
    "could not connect",
    "couldn't connect",
    "failed to connect",
    "connection refused",
    "timeout was reached",
    "network failure seems to have happened",
    "spurious network error",
];

/// Who requires what, where cargo says so; else its first error.
pub(crate) fn reason(stderr: &str) -> String {
    let sentence =
        conflict(stderr).or_else(|| first_error(stderr)).unwrap_or_else(|| "cargo gave no reason".to_owned());
    crate::message::clean(&sentence, LONGEST)
}

/// Whether it failed because the network could not be reached.
pub(crate) fn is_unreachable(stderr: &str) -> bool {
    let stderr = stderr.to_lowercase();
    UNREACHABLE.iter().any(|words| stderr.contains(words))
}

/// Whether the toolchain that the repository asks for is missing.
pub(crate) fn missing_toolchain(stderr: &str) -> Option<String> {
    let line = stderr.lines().find(|line| line.contains("toolchain") && line.contains("is not installed"))?;
    Some(crate::message::clean(line.trim_start_matches("error: "), LONGEST))
}

fn conflict(stderr: &str) -> Option<String> {
    let requirement =
        stderr.lines().find_map(|line| line.split_once("for the requirement `")?.1.split('`').next())?;
    let by = stderr
        .lines()
        .find_map(|line| line.trim().trim_start_matches("... ").strip_prefix("required by package `"))?;
    let by = by.split('`').next()?;
    let (package, own) = match by.split_once(" (") {
        Some((package, place)) => (package, !place.contains("://") && !place.starts_with("registry")),
        None => (by, false),
    };
    let requirement = requirement.replacen(" = \"", " ", 1).replace('"', "");
    let advice = if own { ": its `Cargo.toml` would have to change" } else { "" };
    Some(format!("`{}` requires `{requirement}`{advice}", package.replacen(" v", " ", 1)))
}

fn first_error(stderr: &str) -> Option<String> {
    let line = stderr.lines().find_map(|line| line.strip_prefix("error: "))?;
    Some(format!("cargo says: {line}"))
}

#[cfg(test)]
mod tests {
    use super::{is_unreachable, missing_toolchain, reason};

    const PINNED: &str = "\
error: failed to select a version for the requirement `inner = \"=0.4.0\"`
candidate versions found which didn't match: 0.4.1
location searched: `/x/registry` index (which is replacing registry `crates-io`)
required by package `parent v1.0.0`
    ... which satisfies dependency `parent = \"^1\"` (locked to 1.0.0) of package `app v0.1.0 (/x)`
";

    #[test]
    fn who_requires_what_is_said_in_one_sentence() {
        assert_eq!(reason(PINNED), "`parent 1.0.0` requires `inner =0.4.0`");
        let own = PINNED.replace("`parent v1.0.0`", "`app v0.1.0 (/x)`");
        assert_eq!(
            reason(&own),
            "`app 0.1.0` requires `inner =0.4.0`: its `Cargo.toml` would have to change"
        );
        assert_eq!(reason("error: no matching package\nrequired by\n"), "cargo says: no matching package");
        assert_eq!(reason(""), "cargo gave no reason");
    }

    #[test]
    fn a_silent_network_is_told_apart() {
        let silent = "warning: spurious network error (1 try remaining): [6] Could not resolve hostname (Could not resolve \
                      host: index)\nerror: failed to get `inner` as a dependency of package `app v0.1.0 (/x)`\n";
        assert!(is_unreachable(silent));
        assert!(!is_unreachable(PINNED));
    }

    #[test]
    fn a_missing_toolchain_is_told_apart() {
        let text = "error: toolchain '1.2.3-x86_64-unknown-linux-gnu' is not installed\nhelp: run\n";
        assert_eq!(
            missing_toolchain(text).as_deref(),
            Some("toolchain '1.2.3-x86_64-unknown-linux-gnu' is not installed")
        );
        assert_eq!(missing_toolchain(PINNED), None);
    }
}
