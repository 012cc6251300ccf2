//! Hunks: each code hunk of the patch is taken out alone; without one that is needed, something no longer passes.
//!
//! And all of them at once: a test that came with the patch and passes without its code shows nothing.

use std::fs;
use std::time::{Duration, Instant};

use patchline_model::failure::Failure;
use patchline_model::reproducer::How;
use patchline_model::service::Reproducer;
use patchline_model::stage::safety::fits;
use patchline_model::stage::verify::CheckResult;
use patchline_model::verification::Strictness;
use patchline_sandbox::foreign::Exit;

use crate::check::{Case, Check, Shown};
use crate::diff::{Diff, File, Hunk};
use crate::difference::compare;
use crate::format::Reading;
use crate::kinds::FileKind;
use crate::outcome::{Record, count, few};
use crate::proof_test::{test_files, with_files};
use crate::reproduce::{Seen, Site, seen};
use crate::run::{Run, run};
use crate::scratch::Scratch;
use crate::table::{Ended, Key, Table};
use crate::tested::{Ran, reading, tested};

/// Hunks that are taken out, and how long all of it may take; what is left then is told.
const MOST_HUNKS: usize = 20;
const TOTAL: Duration = Duration::from_secs(30 * 60);
const BUILD_DEADLINE: Duration = Duration::from_secs(15 * 60);
const BUILD_OUTPUT: usize = 4 * 1024 * 1024;

/// Takes hunks out.
#[derive(Clone, Copy, Debug)]
pub struct Hunks;

/// What is done again without a hunk.
struct Proof<'a> {
    case: &'a Case,
    scratch: Scratch,
    reproducers: Vec<&'a Reproducer>,
    suite: Option<Reading>,
    /// How the suite ends with every hunk.
    whole: Option<Ran>,
}

/// What is left of the proof.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    Everything,
    /// What no longer passes.
    Not(String),
}

#[async_trait::async_trait]
impl Check for Hunks {
    fn name(&self) -> &'static str {
        "hunks"
    }

    async fn check(&self, case: &Case) -> Result<Shown, Failure> {
        let begun = Instant::now();
        let skipped =
            |why: &str| Ok(Shown { result: CheckResult::Skipped, ..Record::default().shown(why.to_owned()) });
        let diff = match Diff::read(&case.diff) {
            Ok(diff) => diff,
            Err(why) => return skipped(&format!("no hunk is taken out: {why}")),
        };
        let hunks: Vec<(&File, usize, &Hunk)> =
            diff.files.iter().filter(|file| is_code(file, case)).flat_map(each).collect();
        if hunks.is_empty() {
            return skipped("the patch changes no code, so there is no hunk to take out");
        }
        let mut record = Record::default();
        let Some(mut proof) = Proof::of(case).await? else {
            return skipped("neither a reproducer nor a suite could tell whether a hunk is needed");
        };
        if let Left::Not(why) = proof.reproduced("patch with every hunk", &mut record).await? {
            record.warn("proof", format!("in a copy of the tree the proof does not repeat: {why}"));
            return Ok(record.shown(format!("no hunk was taken out: in a copy of the tree {why}")));
        }
        let mut unneeded = Vec::new();
        let mut tried = 0;
        for (file, number, hunk) in hunks.iter().take(MOST_HUNKS) {
            if begun.elapsed() > TOTAL {
                break;
            }
            tried += 1;
            let name = format!("{} hunk {number} (line {})", file.path(), hunk.new_start);
            match proof.without(file, hunk, &name, &mut record).await? {
                Some(Left::Not(why)) => record.pass(&name, format!("needed: without it {why}")),
                Some(Left::Everything) => unneeded.push(name),
                None => record.detail(format!("{name}: could not be taken out alone")),
            }
        }
        for name in &unneeded {
            let why = "everything still passes without it";
            match case.service.verification.unneeded_hunks {
                Strictness::Warn => record.warn(name, why),
                Strictness::Refuse => record.fail(name, why),
            }
        }
        let idle = proof.tests_that_pass_without_code(&diff, &mut record).await?;
        idle.iter().for_each(|name| {
            record.warn(name, "came with the patch and passes without its code: it shows nothing of the fix")
        });
        let mut summary = match unneeded.as_slice() {
            [] => format!("each of {} is needed", count(tried, "code hunk")),
            names => format!("everything still passes without {}", few(names)),
        };
        if tried < hunks.len() {
            let cut = format!("{} of {} were tried, within the limits", tried, count(hunks.len(), "hunk"));
            record.warn("limits", &cut);
            summary.push_str(&format!("; {cut}"));
        }
        if !idle.is_empty() {
            summary.push_str(&format!("; {} came with the patch and passes without its code", few(&idle)));
        }
        Ok(record.shown(summary))
    }
}

/// A migration is tried by a check of its own: no suite shows that a statement of it is needed.
fn is_code(file: &File, case: &Case) -> bool {
    let path = file.path();
    let seen = path.strip_prefix(&case.service.folder).unwrap_or(path).trim_start_matches('/');
    let migrations = case.service.verification.migrations.iter().flat_map(|migrations| &migrations.files);
    !file.binary
        && FileKind::of(path) == FileKind::Code
        && !migrations.into_iter().any(|pattern| fits(pattern, seen))
}

/// Each hunk with its file and its number in it.
fn each(file: &File) -> impl Iterator<Item = (&File, usize, &Hunk)> {
    file.hunks.iter().enumerate().map(move |(at, hunk)| (file, at + 1, hunk))
}

impl<'a> Proof<'a> {
    async fn of(case: &'a Case) -> Result<Option<Self>, Failure> {
        let removed = case.findings.iter().filter(|finding| case.candidate.removes.contains(&finding.id));
        let mut reproducers: Vec<&Reproducer> = removed
            .filter_map(|finding| {
                let names: Vec<&str> =
                    [&finding.advisory].into_iter().chain(&finding.aliases).map(String::as_str).collect();
                case.service.reproducer(&names)
            })
            // A test is part of the suite; an archive of the source is not made again here.
            .filter(|reproducer| !matches!(reproducer.how, How::Test(_)) && !case.service.build.is_source())
            .collect();
        reproducers.dedup();
        let suite = reading(case);
        if reproducers.is_empty() && suite.is_none() {
            return Ok(None);
        }
        let scratch = Scratch::of(&case.patch).await?;
        Ok(Some(Self { case, scratch, reproducers, suite, whole: None }))
    }

    /// The proof without one hunk; none where the hunk does not fit the file. The suite is asked last: it takes longest.
    async fn without(
        &mut self,
        file: &File,
        hunk: &Hunk,
        name: &str,
        record: &mut Record,
    ) -> Result<Option<Left>, Failure> {
        let path = file.path();
        let with = match &file.new {
            Some(_) => fs::read_to_string(self.scratch.tree().join(path)).ok(),
            None => Some(String::new()),
        };
        let Some(with) = with else { return Ok(None) };
        let Some(without) = hunk.taken_out(&with) else { return Ok(None) };
        let without = (file.old.is_some()).then_some(without.as_bytes());
        let with = file.new.as_ref().map(|_| with.as_bytes());
        let label = format!("patch without {name}");
        if self.scratch.set(path, without).is_err() {
            return Ok(None);
        }
        let mut left = self.reproduced(&label, record).await?;
        self.put_back(path, with)?;
        if left == Left::Everything && self.suite.is_some() {
            self.test_whole(record).await?;
            self.put_back(path, without)?;
            left = self.tested(&label, record).await?;
            self.put_back(path, with)?;
        }
        Ok(Some(left))
    }

    fn put_back(&self, path: &str, contents: Option<&[u8]>) -> Result<(), Failure> {
        let back = self.scratch.set(path, contents);
        back.map_err(|error| Failure::transient(format!("could not put `{path}` back into a copy: {error}")))
    }

    /// Builds the copy as it is now, and asks the reproducers.
    async fn reproduced(&self, label: &str, record: &mut Record) -> Result<Left, Failure> {
        let (case, tree) = (self.case, self.scratch.tree());
        if self.reproducers.is_empty() {
            return Ok(Left::Everything);
        }
        let build = Run {
            label: format!("build of the {label}"),
            command: case.service.build.command.clone(),
            directory: tree.join(&case.service.folder),
            side: &case.patch,
            writable: vec![tree.clone()],
            readable: Vec::new(),
            deadline: case.patience.unwrap_or(BUILD_DEADLINE),
            output_limit: BUILD_OUTPUT,
            quoted: false,
            shown: None,
        };
        let finished = run(&case.sandbox, build, record).await?;
        if !finished.succeeded() {
            return Ok(Left::Not(format!("it does not build: {}", finished.ending())));
        }
        let artifact = self.scratch.place(&case.patch, &case.patch.artifact);
        for reproducer in &self.reproducers {
            let site = Site { label, artifact: &artifact, tree: &tree, side: &case.patch };
            match seen(reproducer, site, case, record).await? {
                Seen::Absent => {}
                Seen::Present => return Ok(Left::Not(format!("{} is there again", reproducer.advisory))),
                Seen::Neither(why) => return Ok(Left::Not(format!("{}: {why}", reproducer.advisory))),
            }
        }
        Ok(Left::Everything)
    }

    /// How the suite ends in the copy with every hunk; asked once.
    async fn test_whole(&mut self, record: &mut Record) -> Result<(), Failure> {
        if let (Some(reading), None) = (&self.suite, &self.whole) {
            let (case, tree) = (self.case, self.scratch.tree());
            let ran = tested(reading, "patch with every hunk", &case.patch, &tree, case, record).await?;
            self.whole = Some(ran);
        }
        Ok(())
    }

    async fn tested(&self, label: &str, record: &mut Record) -> Result<Left, Failure> {
        let (Some(reading), Some(whole)) = (&self.suite, &self.whole) else { return Ok(Left::Everything) };
        let ran = tested(reading, label, &self.case.patch, &self.scratch.tree(), self.case, record).await?;
        Ok(of_suite(whole, &ran))
    }

    /// Tests that the base has not, and that pass on it with nothing of the patch but its test files.
    async fn tests_that_pass_without_code(
        &self,
        diff: &Diff,
        record: &mut Record,
    ) -> Result<Vec<String>, Failure> {
        let (Some(reading), files) = (&self.suite, test_files(self.case)) else { return Ok(Vec::new()) };
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let (case, base) = (self.case, &self.case.base);
        let alone = with_files(&[], case).await?;
        let before = tested(reading, "base", base, &alone.tree(), case, record).await?;
        let taken_over = with_files(&files, case).await?;
        let after =
            tested(reading, "base with the tests of the patch", base, &taken_over.tree(), case, record)
                .await?;
        let (Ok(before), Ok(after)) = (&before.table, &after.table) else { return Ok(Vec::new()) };
        let mut difference = compare(before, after);
        difference.find_renamed(diff);
        Ok(difference.new.iter().map(Key::text).collect())
    }
}

/// Which tests pass with every hunk and not without this one.
fn of_suite(whole: &Ran, without: &Ran) -> Left {
    match (&whole.table, &without.table) {
        (Ok(whole), Ok(without)) => {
            let lost: Vec<String> = passing(whole)
                .filter(|key| without.ended(key) != Some(Ended::Passed))
                .map(|key| key.text())
                .collect();
            match lost.as_slice() {
                [] => Left::Everything,
                lost => Left::Not(format!(
                    "{} of the suite no longer pass: {}",
                    count(lost.len(), "test"),
                    few(lost)
                )),
            }
        }
        (Ok(_) | Err(_), Ok(_) | Err(_)) if whole.exit == without.exit || whole.exit != Exit::Code(0) => {
            Left::Everything
        }
        (Ok(_) | Err(_), Ok(_) | Err(_)) => Left::Not(format!("the suite fails: {}", without.ending)),
    }
}

fn passing(table: &Table) -> impl Iterator<Item = &Key> {
    table.tests.iter().filter(|(_, ended)| **ended == Ended::Passed).map(|(key, _)| key)
}
