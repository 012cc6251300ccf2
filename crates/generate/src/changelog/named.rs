//! Which file of a package is its changelog.

/// Longer changelogs are read up to here.
pub(crate) const LARGEST: u64 = 1 << 20;

/// What changelogs are called, without what follows a dot; the first that is there.
const NAMES: [&str; 6] = ["changelog", "changes", "news", "history", "releases", "release_notes"];

/// How likely a file of this name is the changelog, the likeliest first; none for one that is none.
pub(crate) fn rank(file: &str) -> Option<usize> {
    let stem = file.split('.').next()?.to_ascii_lowercase();
    NAMES.iter().position(|name| *name == stem)
}
