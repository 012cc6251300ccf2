//! Letting in what was held back, because a person says so.

use std::path::Path;

use crate::error::DetectError;
use crate::index::brought::Brought;
use crate::index::build::{lock, take_in};
use crate::index::file;
use crate::index::intake::Limits;
use crate::osv::record::{LARGEST_RECORD, Record};
use crate::update::run::{alone, place_of};
use crate::update::state::{Updates, held_path};

const WHICH: &str = "`patchline db status` names what is held back";

/// Takes in the record of this id wherever it is held back; gives the ecosystems.
pub fn accept(directory: &Path, id: &str, limits: &Limits) -> Result<Vec<String>, DetectError> {
    let _updating = alone(directory)?;
    let mut updates = Updates::load(directory)?;
    let holds = updates.ecosystems.iter().filter(|(_, followed)| followed.held.contains_key(id));
    let ecosystems: Vec<String> = holds.map(|(name, _)| name.clone()).collect();
    let shown: String = id.chars().filter(|sign| !sign.is_control()).take(60).collect();
    let missing = |what: &str| {
        let what = what.to_owned();
        DetectError::Import { name: shown.clone(), what, hint: WHICH }
    };
    if ecosystems.is_empty() {
        return Err(missing("no record of this id is held back"));
    }
    for ecosystem in &ecosystems {
        let path = held_path(directory, ecosystem, id);
        let length = std::fs::metadata(&path).map_err(DetectError::read(&path))?.len();
        if length > LARGEST_RECORD as u64 {
            return Err(missing("what is held back is too large"));
        }
        let bytes = std::fs::read(&path).map_err(DetectError::read(&path))?;
        let mut brought = Brought::new(directory);
        brought.put_text(&path.display().to_string(), &bytes)?;
        let modified = Record::parse(&bytes).map(|record| record.modified.to_string());
        let _importing = lock(directory)?;
        take_in(&mut brought, directory, limits, Some(place_of(ecosystem)?))?;
        let followed = updates.of(ecosystem);
        followed.held.remove(id);
        // The next snapshot brings it once more.
        modified.into_iter().for_each(|at| drop(followed.accepted.insert(id.to_owned(), at)));
        updates.save(directory)?;
        file::remove(&path)?;
    }
    Ok(ecosystems)
}
