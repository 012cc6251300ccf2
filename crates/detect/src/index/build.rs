//! Imports advisories: reads all of them, and only when every one was understood writes a file per ecosystem.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use patchline_model::package::Ecosystem;
use serde::{Deserialize, Serialize};

use crate::error::DetectError;
use crate::index::file::{self, KEPT};
use crate::index::intake::{Intake, Item, Limits};
use crate::index::merge::{Records, gather, supersede, within};
use crate::osv::record::Record;

const NOT_OSV: &str = "give OSV records only (https://ossf.github.io/osv-schema/), one JSON object each";

/// What an import brought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Distinct records that can be matched, the withdrawn ones included.
    pub records: u64,
    /// What was left out, whole or in part, each with the reason.
    pub skipped: Vec<(String, String)>,
    /// Those of the records that their database took back: kept, never reported.
    pub withdrawn: u64,
    /// Records by ecosystem.
    pub ecosystems: BTreeMap<String, u64>,
}

/// Imports every record of these folders and files into `directory`, over what is there: by id, the newest `modified`
/// wins. Either all of it is taken in, or nothing is.
pub fn import(paths: &[PathBuf], directory: &Path) -> Result<Imported, DetectError> {
    import_within(paths, directory, &Limits::default())
}

/// As `import`, within other limits.
pub fn import_within(paths: &[PathBuf], directory: &Path, limits: &Limits) -> Result<Imported, DetectError> {
    let mut imported = Imported::default();
    let records = read_all(paths, limits, &mut imported.skipped)?;
    fs::create_dir_all(directory).map_err(DetectError::write(directory))?;
    let _alone = lock(directory)?;
    let mut changed = Vec::new();
    for name in KEPT {
        let ecosystem = Ecosystem(name.to_owned());
        let before = file::read(directory, &ecosystem)?;
        let mut stored = before.clone().unwrap_or_default();
        supersede(&mut stored, &records, &ecosystem);
        if before.unwrap_or_default() != stored {
            changed.push((ecosystem.clone(), stored));
        }
        let brought =
            records.values().filter(|record| !within(record, &ecosystem).affected.is_empty()).count();
        if brought > 0 {
            imported.ecosystems.insert(ecosystem.0, brought as u64);
        }
    }
    for (ecosystem, stored) in changed {
        file::write(directory, &ecosystem, &stored)?;
    }
    let usable = || records.values().filter(|record| !record.affected.is_empty());
    imported.records = usable().count() as u64;
    imported.withdrawn = usable().filter(|record| record.withdrawn.is_some()).count() as u64;
    Ok(imported)
}

/// All records by id, each with only the parts that can be matched. One without such a part is skipped; it stays as an
/// empty record, because it may take the place of an older one.
fn read_all(
    paths: &[PathBuf],
    limits: &Limits,
    skipped: &mut Vec<(String, String)>,
) -> Result<Records, DetectError> {
    let mut records = Records::new();
    let mut take = |item: Item<'_>| {
        match item {
            Item::Skipped { name, why } => skipped.push((name.to_owned(), why.to_owned())),
            Item::Record { name, bytes } => {
                let mut record = Record::parse(bytes).map_err(|error| not_osv(name, &error))?;
                if let Some(why) = cut_to_kept(&mut record) {
                    skipped.push((name.to_owned(), why));
                }
                gather(&mut records, record);
            }
        }
        Ok(())
    };
    let mut intake = Intake::new(limits, &mut take);
    for path in paths {
        intake.read(path)?;
    }
    Ok(records)
}

/// Takes out what is not kept, and says what that was.
fn cut_to_kept(record: &mut Record) -> Option<String> {
    if record.affected.is_empty() {
        return Some("it names no package".to_owned());
    }
    let mut left_out: Vec<String> = Vec::new();
    record.affected.retain(|part| {
        let ecosystem = part.package.as_ref().map(|named| &named.ecosystem);
        let kept = ecosystem.is_some_and(|ecosystem| KEPT.contains(&ecosystem.0.as_str()));
        let name = ecosystem.map_or("commits without a package", |ecosystem| ecosystem.0.as_str());
        if !kept && left_out.len() < 10 && !left_out.iter().any(|known| known == name) {
            left_out.push(name.chars().filter(|character| !character.is_control()).take(60).collect());
        }
        kept
    });
    let whole = if record.affected.is_empty() { "" } else { "in part: " };
    match left_out.is_empty() {
        true => None,
        false => Some(format!("{whole}advisories of {} are not kept here yet", left_out.join(", "))),
    }
}

fn not_osv(name: &str, error: &dyn std::error::Error) -> DetectError {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    DetectError::Import { name: name.to_owned(), what: format!("{error}{cause}"), hint: NOT_OSV }
}

/// Keeps a second import out until the file is dropped.
fn lock(directory: &Path) -> Result<File, DetectError> {
    let path = directory.join("import.lock");
    let file = File::create(&path).map_err(DetectError::write(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(source)) => Err(DetectError::write(&path)(source)),
        Err(TryLockError::WouldBlock) => Err(DetectError::Import {
            name: directory.display().to_string(),
            what: "another import is under way".to_owned(),
            hint: "wait until it is done, then try again",
        }),
    }
}
