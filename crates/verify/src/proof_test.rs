//! A test as a reproducer: it must be there, fail on the base for the stated reason, and pass with the patch.
//!
//! Where the test comes with the patch, it is run on the base's sources with nothing but the test's files taken over.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use patchline_model::failure::{Failure, FailureClass};
use patchline_model::reproducer::ByTest;
use patchline_sandbox::foreign::Exit;

use crate::check::{Case, Side};
use crate::diff::Diff;
use crate::format::Reading;
use crate::kinds::FileKind;
use crate::outcome::{Record, few};
use crate::reproduce::Seen;
use crate::scratch::Scratch;
use crate::table::{Ended, Key};
use crate::tested::{Ran, reading, tested};

/// Larger files are not taken over.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Runs that several tests share.
#[derive(Default)]
pub(crate) struct Runs {
    patch: Vec<Ran>,
    base: BTreeMap<Vec<String>, Vec<Ran>>,
}

/// What a test shows of base and patch, run so often on each.
pub(crate) async fn seen(
    by: &ByTest,
    times: usize,
    runs: &mut Runs,
    case: &Case,
    record: &mut Record,
) -> Result<(Vec<Seen>, Vec<Seen>), Failure> {
    let Some(reading) = reading(case) else {
        let why = || vec![Seen::Neither("the service has no `[test]`, so no test can be run".to_owned())];
        return Ok((why(), why()));
    };
    let files = files_of(by, case);
    if runs.patch.is_empty() {
        let scratch = Scratch::of(&case.patch).await?;
        runs.patch = repeated(times, "patch", &reading, &case.patch, &scratch, case, record).await?;
    }
    if !runs.base.contains_key(&files) {
        let scratch = with_files(&files, case).await?;
        record.detail(match files.as_slice() {
            [] => {
                "the base is tested as it is: the patch brings no file that is a test by its name".to_owned()
            }
            files => format!("the base is tested with {} of the patch taken over", few(files)),
        });
        let ran = repeated(times, "base", &reading, &case.base, &scratch, case, record).await?;
        runs.base.insert(files.clone(), ran);
    }
    let judged = |ran: &[Ran]| ran.iter().map(|ran| in_run(by, ran)).collect();
    Ok((judged(&runs.base[&files]), judged(&runs.patch)))
}

async fn repeated(
    times: usize,
    name: &str,
    reading: &Reading,
    side: &Side,
    scratch: &Scratch,
    case: &Case,
    record: &mut Record,
) -> Result<Vec<Ran>, Failure> {
    let mut all = Vec::with_capacity(times);
    for time in 1..=times {
        let label = format!("{name}, run {time}");
        all.push(tested(reading, &label, side, &scratch.tree(), case, record).await?);
    }
    Ok(all)
}

/// The files of the test: as the settings say, else those of the patch that are tests by their names.
fn files_of(by: &ByTest, case: &Case) -> Vec<String> {
    if !by.files.is_empty() {
        let prefix =
            if case.service.folder.is_empty() { String::new() } else { format!("{}/", case.service.folder) };
        return by.files.iter().map(|file| format!("{prefix}{file}")).collect();
    }
    test_files(case)
}

/// The files of the patch that are tests by their names, before and after.
pub(crate) fn test_files(case: &Case) -> Vec<String> {
    let Ok(diff) = Diff::read(&case.diff) else { return Vec::new() };
    let names = diff.files.into_iter().flat_map(|file| [file.old, file.new]).flatten();
    let mut files: Vec<String> = names.filter(|name| FileKind::of(name) == FileKind::Test).collect();
    files.sort();
    files.dedup();
    files
}

/// The base with these files as the patch has them.
pub(crate) async fn with_files(files: &[String], case: &Case) -> Result<Scratch, Failure> {
    let scratch = Scratch::of(&case.base).await?;
    for file in files {
        let taken =
            contents(&case.patch.tree.join(file)).and_then(|bytes| scratch.set(file, bytes.as_deref()));
        taken.map_err(|error| {
            let text = format!("could not take `{file}` over into the base: {error}");
            Failure::permanent(text).of(FailureClass::Storage)
        })?;
    }
    Ok(scratch)
}

/// None where the patch has no such file.
fn contents(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    match fs::symlink_metadata(path) {
        Err(_) => Ok(None),
        Ok(found) if found.is_file() && found.len() <= MAX_FILE_BYTES => fs::read(path).map(Some),
        Ok(_) => Err(std::io::Error::other("it is not an ordinary file, or too large")),
    }
}

/// What one run of the suite says of the test.
fn in_run(by: &ByTest, ran: &Ran) -> Seen {
    let table = match &ran.table {
        Ok(table) => table,
        Err(why) => return Seen::Neither(format!("the suite can't be read test by test: {why}")),
    };
    let named: Vec<&Key> = table.named(&by.name);
    let key = match named.as_slice() {
        [key] => *key,
        [] if table.tests.is_empty() && ran.exit != Exit::Code(0) => {
            return Seen::Neither(format!(
                "the suite with the test `{}` does not run: {}",
                by.name, ran.ending
            ));
        }
        [] => {
            let hint = "where it comes with the patch, it stands in files of its own that `files` names";
            return Seen::Neither(format!("there is no test `{}` ({hint})", by.name));
        }
        several => {
            let names: Vec<String> = several.iter().map(|key| key.text()).collect();
            return Seen::Neither(format!("`{}` means several tests: {}", by.name, few(&names)));
        }
    };
    // Where the format does not tell what each test says, all that the suite wrote is looked at.
    let said = table.said.get(key).unwrap_or(&ran.output);
    match table.tests.get(key) {
        Some(Ended::Passed) => Seen::Absent,
        Some(Ended::Failed) if said.contains(&by.reason) => Seen::Present,
        Some(Ended::Failed) => {
            Seen::Neither(format!("the test fails for another reason than `{}`", by.reason))
        }
        Some(Ended::Ignored) | None => Seen::Neither(format!("the test `{}` is left out", by.name)),
    }
}
