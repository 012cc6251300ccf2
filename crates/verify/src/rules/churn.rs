//! What has nothing to do with the fix: code in a fix of dependencies, hunks that change nothing but blanks.

use crate::complaint::{Complaint, Given};
use crate::diff::{File, Hunk, Kind};
use crate::kinds::FileKind;

pub(crate) fn complaints(given: Given<'_>) -> Vec<Complaint> {
    given.diff.files.iter().flat_map(|file| strange(given, file).into_iter().chain(blank(file))).collect()
}

fn strange(given: Given<'_>, file: &File) -> Option<Complaint> {
    let path = file.path();
    let strange = given.is_dependency_fix() && FileKind::of(path) != FileKind::Dependencies;
    strange.then(|| {
        Complaint::unless_meant(
            given,
            path,
            "is neither lockfile nor manifest, and this is a fix of dependencies",
        )
    })
}

fn blank(file: &File) -> Vec<Complaint> {
    // Where blanks mean something, in Python and YAML, they are not noise.
    let meant =
        [".py", ".yml", ".yaml", ".md", ".mk", "Makefile"].iter().any(|end| file.path().ends_with(end));
    let noise = file.hunks.iter().filter(|hunk| !meant && changes_blanks_only(hunk));
    noise
        .map(|hunk| {
            Complaint::told(format!("{}:{}", file.path(), hunk.new_start), "changes nothing but blanks")
        })
        .collect()
}

fn changes_blanks_only(hunk: &Hunk) -> bool {
    let of = |kind: Kind| {
        let lines = hunk.lines.iter().filter(move |line| line.kind == kind);
        lines.flat_map(|line| line.text.chars()).filter(|letter| !letter.is_whitespace()).collect::<String>()
    };
    of(Kind::Removed) == of(Kind::Added)
}
