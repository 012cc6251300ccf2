//! Tests that stood before the patch still stand, and assert no less.

use crate::complaint::{Complaint, Given};
use crate::functions::{TestFunction, tests_in};

/// The tests of one file on both sides.
struct Both {
    path: String,
    before: Vec<TestFunction>,
    after: Vec<TestFunction>,
}

pub(crate) fn complaints(given: Given<'_>) -> Vec<Complaint> {
    let files: Vec<Both> =
        given.diff.files.iter().map(|file| both(given, file.old.as_deref(), file.new.as_deref())).collect();
    // A test may have moved to another file of the patch.
    let all_after: Vec<&TestFunction> = files.iter().flat_map(|file| &file.after).collect();
    let all_before: Vec<&TestFunction> = files.iter().flat_map(|file| &file.before).collect();
    let mut complaints = Vec::new();
    for file in &files {
        for test in &file.before {
            let same = file.after.iter().find(|after| after.name == test.name);
            let moved = || all_after.iter().copied().find(|after| after.name == test.name);
            let renamed = || {
                let new = |after: &TestFunction| !all_before.iter().any(|before| before.name == after.name);
                all_after.iter().copied().find(|after| after.body == test.body && new(after))
            };
            match same.or_else(moved).or_else(renamed) {
                None => complaints
                    .push(Complaint::refused(&file.path, format!("takes the test `{}` away", test.name))),
                Some(after) => complaints.extend(weaker(&file.path, test, after)),
            }
        }
    }
    complaints
}

fn both(given: Given<'_>, old: Option<&str>, new: Option<&str>) -> Both {
    let tests = |side, path: Option<&str>| {
        let path = path?;
        Some(tests_in(path, &given.text(side, path)?))
    };
    Both {
        path: new.or(old).unwrap_or_default().to_owned(),
        before: tests(&given.case.base, old).unwrap_or_default(),
        after: tests(&given.case.patch, new).unwrap_or_default(),
    }
}

fn weaker(path: &str, before: &TestFunction, after: &TestFunction) -> Option<Complaint> {
    let place = format!("{path} {}", before.name);
    if after.idle > before.idle {
        return Some(Complaint::refused(
            place,
            "is made to assert what can't fail, or to end before it asserts",
        ));
    }
    if after.assertions < before.assertions {
        let why = format!("asserts less than before: {} instead of {}", after.assertions, before.assertions);
        return Some(Complaint::refused(place, why));
    }
    if after.exact < before.exact {
        let why = format!(
            "compares less exactly than before: {} comparisons instead of {}",
            after.exact, before.exact
        );
        return Some(Complaint::refused(place, why));
    }
    let changed =
        after.body != before.body && after.name == before.name && after.assertions == before.assertions;
    changed.then(|| {
        Complaint::told(place, "stood before and is changed: see that it still expects what it should")
    })
}
