//! Imports advisories: reads all of them, and only when every one was understood writes a file per ecosystem.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::DetectError;
use crate::index::built_in;
use crate::index::file;
use crate::index::gather::Parcels;
use crate::index::intake::{Intake, Item, Limits};
use crate::index::write::Chosen;
use crate::osv::record::Record;
use patchline_inventory::version::{ECOSYSTEMS, Scheme};

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
    let mut brought = read_all(paths, limits)?;
    fs::create_dir_all(directory).map_err(DetectError::write(directory))?;
    let _alone = lock(directory)?;
    let mut merged = Vec::new();
    for (place, (name, _)) in ECOSYSTEMS.iter().enumerate() {
        let before = file::open(directory, name)?;
        let touched = brought.imported.ecosystems.contains_key(*name);
        if !touched && before.is_none() {
            continue;
        }
        // A file of which nothing came is still read: a record may have left the ecosystem.
        let mut before = before.as_ref().map(file::read_all).transpose()?.unwrap_or_default();
        if *name == built_in::ECOSYSTEM {
            built_in::records().iter().for_each(|record| before.put_unless_older(record));
        }
        // Most imports are of few ecosystems; the files of the others stay as they are.
        if touched || before.all().any(|(id, _)| brought.records.get(id).is_some()) {
            merged.push((place, *name, before));
        }
    }
    for (place, name, before) in &merged {
        let chosen = supersede(*place, before, &brought);
        file::write(directory, name, &chosen)?;
    }
    file::remove_earlier(directory)?;
    Ok(std::mem::take(&mut brought.imported))
}

/// What one import brings.
#[derive(Default)]
struct Brought {
    records: Parcels,
    imported: Imported,
}

/// All records by id, each with only the parts that can be matched. One without such a part is skipped; it stays as an
/// empty record, because it may take the place of an older one.
fn read_all(paths: &[PathBuf], limits: &Limits) -> Result<Brought, DetectError> {
    let mut brought = Brought::default();
    let (records, skipped) = (&mut brought.records, &mut brought.imported.skipped);
    let mut take = |item: Item<'_>| {
        match item {
            Item::Skipped { name, why } => skipped.push((name.to_owned(), why.to_owned())),
            Item::Record { name, bytes } => {
                let mut record = Record::parse(bytes).map_err(|error| not_osv(name, &error))?;
                if let Some(why) = cut_to_kept(&mut record) {
                    skipped.push((name.to_owned(), why));
                }
                records.gather(&record);
            }
        }
        Ok(())
    };
    let mut intake = Intake::new(limits, &mut take);
    for path in paths {
        intake.read(path)?;
    }
    brought.count();
    Ok(brought)
}

impl Brought {
    fn count(&mut self) {
        for (_, parcel) in self.records.all().filter(|(_, parcel)| parcel.is_usable()) {
            self.imported.records += 1;
            self.imported.withdrawn += u64::from(parcel.withdrawn);
            for (place, (name, _)) in ECOSYSTEMS.iter().enumerate() {
                if parcel.speaks_of(place) {
                    *self.imported.ecosystems.entry((*name).to_owned()).or_default() += 1;
                }
            }
        }
    }
}

/// An import over what was there before, for one ecosystem: what is as new or newer wins. A record that no longer speaks
/// of the ecosystem leaves, for what is written holds only what does.
fn supersede<'a>(ecosystem: usize, before: &'a Parcels, brought: &'a Brought) -> Vec<Chosen<'a>> {
    let mut chosen = Vec::new();
    for (id, parcel) in before.all() {
        if brought.records.get(id).is_none_or(|new| new.modified < parcel.modified) {
            chosen.push(Chosen { heap: before, id, parcel });
        }
    }
    for (id, parcel) in brought.records.all().filter(|(_, parcel)| parcel.speaks_of(ecosystem)) {
        if before.get(id).is_none_or(|known| known.modified <= parcel.modified) {
            chosen.push(Chosen { heap: &brought.records, id, parcel });
        }
    }
    chosen.sort_unstable_by_key(|record| record.id);
    chosen
}

/// Takes out what is not kept, and says what that was.
fn cut_to_kept(record: &mut Record<'_>) -> Option<String> {
    if record.affected.is_empty() {
        return Some("it names no package".to_owned());
    }
    let mut left_out: Vec<String> = Vec::new();
    record.affected.retain(|part| {
        let ecosystem = part.package.as_ref().map(|named| &*named.ecosystem);
        let kept = ecosystem.is_some_and(|ecosystem| Scheme::named(ecosystem).is_some());
        let name = ecosystem.unwrap_or("commits without a package");
        if !kept && left_out.len() < 10 && !left_out.iter().any(|known| known == name) {
            left_out.push(name.chars().filter(|character| !character.is_control()).take(60).collect());
        }
        kept
    });
    let whole = if record.affected.is_empty() { "" } else { "in part: " };
    match left_out.is_empty() {
        true => None,
        false => Some(format!("{whole}there is no order here for {}", left_out.join(", "))),
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
