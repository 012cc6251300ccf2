//! Imports advisories: reads all of them, and only when every one was understood writes what they change: a small file over
//! that of the ecosystem where little came, and a new file in its place where much did.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::error::DetectError;
use crate::index::blocks::Source;
use crate::index::brought::{Brought, Imported};
use crate::index::built_in;
use crate::index::codec::Reader;
use crate::index::file::{self, Beside};
use crate::index::image::Image;
use crate::index::import_times::ImportTimes;
use crate::index::intake::Limits;
use crate::index::make::{PASS, Ties, make};
use crate::index::parcel::head;
use crate::index::roll::Numbers;
use crate::index::shelf::{Shelf, modified};
use crate::index::survey::{Old, Sources};
use patchline_inventory::version::ECOSYSTEMS;

/// Files are made on so many cores; each takes memory.
const MOST_MAKERS: usize = 2;

/// Imports every record of these folders and files into `directory`, over what is there: by id, the newest `modified`
/// wins. Either all of it is taken in, or nothing is.
pub fn import(paths: &[PathBuf], directory: &Path) -> Result<Imported, DetectError> {
    import_within(paths, directory, &Limits::default())
}

/// As `import`, within other limits.
pub fn import_within(paths: &[PathBuf], directory: &Path, limits: &Limits) -> Result<Imported, DetectError> {
    let mut brought = Brought::read(paths, directory, limits)?;
    fs::create_dir_all(directory).map_err(DetectError::write(directory))?;
    let _alone = lock(directory)?;
    take_in(&mut brought, directory, limits, None)?;
    Ok(std::mem::take(&mut brought.imported))
}

/// Takes in what was brought, into the one ecosystem at this place, or else into all of which it speaks. Whoever calls holds
/// the lock.
pub fn take_in(
    brought: &mut Brought,
    directory: &Path,
    limits: &Limits,
    only: Option<usize>,
) -> Result<(), DetectError> {
    let is_meant = |place: usize| only.is_none_or(|only| place == only);
    let mut shelves = Vec::new();
    for (place, (name, _)) in ECOSYSTEMS.iter().enumerate() {
        shelves.push(if is_meant(place) { Shelf::open(directory, name)? } else { None });
    }
    let own = ECOSYSTEMS.iter().position(|(name, _)| *name == built_in::ECOSYSTEM);
    if own.is_some_and(|place| is_meant(place) && brought.touches(place) && shelves[place].is_none()) {
        brought.put(&built_in::records())?;
    }
    let mut changes = Vec::new();
    for (place, shelf) in shelves.iter().enumerate().filter(|(place, _)| is_meant(*place)) {
        changes.extend(change(place, shelf.as_ref(), brought, limits)?);
    }
    // The largest first, so that both cores end together.
    changes.sort_by_key(|change| std::cmp::Reverse(change.size(brought)));
    let made = make_all(&changes, brought, directory)?;
    let folded: Vec<PathBuf> = changes.iter().filter_map(|change| change.folds(directory)).collect();
    // Before they are there: what is noted and does not come is as old as its file says.
    ImportTimes::note(directory, changes.iter().map(|change| ECOSYSTEMS[change.place].0))?;
    for beside in made {
        beside.take_place()?;
    }
    file::sync(directory)?;
    // Should this not be reached, the files below say that they hold it already.
    folded.iter().try_for_each(|path| file::remove(path))?;
    file::remove_earlier(directory)
}

/// What an import does to one ecosystem.
struct Change<'a> {
    place: usize,
    shelf: Option<&'a Shelf>,
    counting: Numbers,
    /// Which records of each file don't go into the new one.
    dropped: Vec<(&'a Image, Numbers)>,
    ties: Ties,
    is_delta: bool,
}

fn change<'a>(
    place: usize,
    shelf: Option<&'a Shelf>,
    brought: &Brought,
    limits: &Limits,
) -> Result<Option<Change<'a>>, DetectError> {
    let Some(shelf) = shelf else {
        let whole = || Change {
            place,
            shelf,
            counting: brought.roll.counting(),
            dropped: Vec::new(),
            ties: Ties::default(),
            is_delta: false,
        };
        return Ok(brought.touches(place).then(whole));
    };
    let before = shelf.delta.as_ref().map_or(0, |delta| delta.header.records);
    let is_little = before + brought.roll.count() as u64 <= limits.delta_records
        && brought.spool(place).size() <= limits.delta_bytes
        && shelf.delta.as_ref().is_none_or(|delta| delta.size() <= limits.delta_bytes)
        && shelf.base.size() >= limits.delta_from;
    if is_little { little(place, shelf, brought) } else { much(place, shelf, brought) }
}

/// Where little came, only what came is looked up below.
fn little<'a>(place: usize, shelf: &'a Shelf, brought: &Brought) -> Result<Option<Change<'a>>, DetectError> {
    let mut counting = brought.roll.counting();
    let mut dropped = Numbers::default();
    let mut gone: BTreeSet<String> = shelf.gone()?.clone();
    let mut changes = false;
    for (id, entry) in brought.roll.all() {
        let below = shelf.base.number(id)?;
        let above = shelf.delta.as_ref().map(|delta| delta.number(id)).transpose()?.flatten();
        let newest = match (&shelf.delta, above, below) {
            (Some(delta), Some(number), _) => Some(modified(delta, number)?),
            (_, None, Some(number)) if !gone.contains(id) => Some(modified(&shelf.base, number)?),
            _ => None,
        };
        if newest.is_some_and(|known| known > entry.modified) {
            counting.remove(entry.number);
            continue;
        }
        above.into_iter().for_each(|number| dropped.add(number));
        let speaks = entry.ecosystems >> place & 1 == 1;
        changes |= speaks || newest.is_some();
        if speaks {
            gone.remove(id);
        } else if below.is_some() {
            gone.insert(id.to_owned());
        }
    }
    if !changes {
        return Ok(None);
    }
    let ties = Ties { over: shelf.base.owner(), folded: 0, gone: gone.into_iter().collect() };
    let dropped = shelf.delta.as_ref().map(|delta| (delta, dropped)).into_iter().collect();
    Ok(Some(Change { place, shelf: Some(shelf), counting, dropped, ties, is_delta: true }))
}

/// Where much came, every record that is there is looked up in what came. That a record left the ecosystem shows here too.
fn much<'a>(place: usize, shelf: &'a Shelf, brought: &Brought) -> Result<Option<Change<'a>>, DetectError> {
    let mut counting = brought.roll.counting();
    let mut changes = brought.touches(place);
    let mut dropped = Vec::new();
    for (layer, image) in shelf.layers().enumerate() {
        let mut numbers = Numbers::default();
        image.each_head(&mut |number, _, bytes| {
            let head = head(&mut Reader(bytes)).map_err(|damaged| image.damaged(damaged))?;
            let entry = brought.roll.get(&head.id);
            if layer == 0 && shelf.hides(&head.id)? {
                numbers.add(number);
            } else if let Some(entry) = entry {
                changes = true;
                if head.modified > entry.modified {
                    counting.remove(entry.number);
                } else {
                    numbers.add(number);
                }
            }
            Ok(())
        })?;
        dropped.push((image, numbers));
    }
    let folded = shelf.delta.as_ref().map_or(0, Image::owner);
    let ties = Ties { over: 0, folded, gone: Vec::new() };
    let change = Change { place, shelf: Some(shelf), counting, dropped, ties, is_delta: false };
    Ok(changes.then_some(change))
}

impl Change<'_> {
    fn ecosystem(&self) -> &'static str {
        ECOSYSTEMS[self.place].0
    }

    fn size(&self, brought: &Brought) -> u64 {
        let old: u64 = self.dropped.iter().map(|(image, _)| image.size()).sum();
        old + brought.spool(self.place).size()
    }

    /// The small file that goes into the new one.
    fn folds(&self, directory: &Path) -> Option<PathBuf> {
        let delta = self.shelf.and_then(|shelf| shelf.delta.as_ref()).filter(|_| !self.is_delta);
        delta.map(|_| file::delta_path(directory, self.ecosystem()))
    }

    fn make(&self, brought: &Brought, directory: &Path) -> Result<Beside, DetectError> {
        let ecosystem = self.ecosystem();
        let place = match self.is_delta {
            true => file::delta_path(directory, ecosystem),
            false => file::path(directory, ecosystem),
        };
        let (beside, out) = Beside::create(place)?;
        let dropped = self.dropped.iter().cloned();
        let sources = Sources {
            ecosystem,
            spool: brought.spool(self.place),
            counting: self.counting.clone(),
            old: dropped.map(|(image, dropped)| Old { image, dropped }).collect(),
        };
        let failed = |error| DetectError::write(beside.partial())(error);
        let (out, _) = make(out, &sources, &self.ties, PASS, &failed)?;
        out.sync_all().map_err(failed)?;
        Ok(beside)
    }
}

/// Makes every file beside the one whose place it is to take.
fn make_all(changes: &[Change<'_>], brought: &Brought, directory: &Path) -> Result<Vec<Beside>, DetectError> {
    let left = Mutex::new(changes.iter());
    let work = || {
        let mut made = Vec::new();
        loop {
            let next = left.lock().expect("no maker panics").next();
            let Some(change) = next else { return Ok(made) };
            made.push(change.make(brought, directory)?);
        }
    };
    let makers = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_MAKERS);
    let makers = makers.min(changes.len());
    if makers < 2 {
        return work();
    }
    let made: Vec<Result<Vec<Beside>, DetectError>> = std::thread::scope(|scope| {
        let makers: Vec<_> = (0..makers).map(|_| scope.spawn(work)).collect();
        makers.into_iter().map(|maker| maker.join().expect("no maker panics")).collect()
    });
    let mut all = Vec::new();
    for made in made {
        all.extend(made?);
    }
    Ok(all)
}

/// The index of what comes with the binary.
pub fn built_in_image() -> Result<Image, DetectError> {
    let path = Path::new("built in");
    let mut brought = Brought::new(path);
    brought.put(&built_in::records())?;
    let place = ECOSYSTEMS.iter().position(|(name, _)| *name == built_in::ECOSYSTEM);
    let sources = Sources {
        ecosystem: built_in::ECOSYSTEM,
        spool: brought.spool(place.expect("it is one of them")),
        counting: brought.roll.counting(),
        old: Vec::new(),
    };
    let failed = |error| DetectError::write(path)(error);
    let (bytes, _) = make(Cursor::new(Vec::new()), &sources, &Ties::default(), PASS, &failed)?;
    Image::open(Source::Memory(bytes.into_inner().into()), path)
}

/// Keeps a second import out until the file is dropped.
pub fn lock(directory: &Path) -> Result<File, DetectError> {
    alone(directory, "import.lock", "another import is under way")
}

/// Holds this file of the folder locked until it is dropped; `otherwise` says who else does.
pub fn alone(directory: &Path, name: &str, otherwise: &str) -> Result<File, DetectError> {
    let path = directory.join(name);
    let file = File::create(&path).map_err(DetectError::write(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(source)) => Err(DetectError::write(&path)(source)),
        Err(TryLockError::WouldBlock) => Err(DetectError::Import {
            name: directory.display().to_string(),
            what: otherwise.to_owned(),
            hint: "wait until it is done, then try again",
        }),
    }
}
