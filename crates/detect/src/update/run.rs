//! An update: for each ecosystem a snapshot, where there is none yet or too much has changed, and else what changed since the
//! last time. What was taken in is there before it is noted that it was; so an update that ends anywhere is taken up again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::task::JoinSet;
use zip::ZipArchive;

use crate::error::DetectError;
use crate::index::brought::Brought;
use crate::index::build::{self, lock, take_in};
use crate::index::file;
use crate::index::intake::Limits;
use crate::index::shelf::{Shelf, modified};
use crate::osv::record::{LARGEST_RECORD, Moment, Record};
use crate::update::feed;
use crate::update::hold;
use crate::update::mirror::{Fetched, Mirror};
use crate::update::state::{Followed, Held, Updates, held_path};
use patchline_inventory::version::ECOSYSTEMS;

const LARGEST_FEED: u64 = 256 << 20;
const LARGEST_SNAPSHOT: u64 = 8 << 30;
/// With more changes than this a snapshot is fetched instead.
const MOST_CHANGES: usize = 2000;
/// Bytes of all changed records, which are held in memory.
const MOST_BYTES: usize = 256 << 20;
/// Requests that are under way at once, at most; the client has a limit for each host as well.
const AT_ONCE: usize = 16;

/// What an update did to one ecosystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Updated {
    pub ecosystem: String,
    /// Whether all of it was fetched.
    pub snapshot: bool,
    /// Records that were fetched and can be matched.
    pub records: u64,
    /// Records that the feed names and the mirror does not have.
    pub missing: u64,
    /// Changes that the mirror's snapshot does not have yet and that are too many to be fetched one by one: the next update
    /// takes them.
    pub behind: usize,
    /// What was held back in this update.
    pub held: Vec<(String, Held)>,
}

/// Which ecosystems an update is of, when nobody says: those that are there, or, when none is, all that the mirror lists and
/// that have an order here.
pub async fn ecosystems(directory: &Path, mirror: &Mirror) -> Result<Vec<String>, DetectError> {
    let known = || ECOSYSTEMS.iter().map(|(name, _)| (*name).to_owned());
    let there: Vec<String> = known().filter(|name| file::path(directory, name).exists()).collect();
    if !there.is_empty() {
        return Ok(there);
    }
    let path = "ecosystems.txt";
    let text = mirror.bytes(path, 1 << 20).await?;
    let listed = feed::ecosystems(&text).map_err(|what| mirror.nonsense(path, what))?;
    let listed: Vec<String> = known().filter(|name| listed.contains(name)).collect();
    if listed.is_empty() {
        Err(mirror.nonsense(path, "it lists no ecosystem that is known here"))
    } else {
        Ok(listed)
    }
}

/// Updates one ecosystem.
pub async fn update(
    directory: &Path,
    mirror: &Mirror,
    ecosystem: &str,
    limits: &Limits,
) -> Result<Updated, DetectError> {
    let place = place_of(ecosystem)?;
    fs::create_dir_all(directory).map_err(DetectError::write(directory))?;
    let _updating = alone(directory)?;
    let mut updates = Updates::load(directory)?;
    let mut updating = Updating { directory, mirror, ecosystem, place, limits, updates: &mut updates };
    let updated = updating.run().await?;
    let followed = updates.of(ecosystem);
    followed.mirror = mirror.name();
    followed.at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    updates.save(directory)?;
    Ok(updated)
}

/// Keeps a second update out until the file is dropped.
pub fn alone(directory: &Path) -> Result<File, DetectError> {
    build::alone(directory, "update.lock", "another update is under way")
}

/// The place of an ecosystem among those that have an order.
pub fn place_of(ecosystem: &str) -> Result<usize, DetectError> {
    let place = ECOSYSTEMS.iter().position(|(name, _)| *name == ecosystem);
    place.ok_or_else(|| DetectError::Import {
        name: ecosystem.chars().filter(|sign| !sign.is_control()).take(60).collect(),
        what: "the versions of this ecosystem have no order here".to_owned(),
        hint: "give an ecosystem by its OSV name and without a release, as in `PyPI` or `Debian`",
    })
}

struct Updating<'a> {
    directory: &'a Path,
    mirror: &'a Mirror,
    ecosystem: &'a str,
    place: usize,
    limits: &'a Limits,
    updates: &'a mut Updates,
}

impl Updating<'_> {
    async fn run(&mut self) -> Result<Updated, DetectError> {
        let mut updated = Updated {
            ecosystem: self.ecosystem.to_owned(),
            snapshot: false,
            records: 0,
            missing: 0,
            behind: 0,
            held: Vec::new(),
        };
        let path = format!("{}/modified_id.csv", self.ecosystem);
        let text = self.mirror.bytes(&path, LARGEST_FEED).await?;
        let since = match Shelf::open(self.directory, self.ecosystem)? {
            Some(_) => self.since()?,
            None => None,
        };
        let nonsense = |what| self.mirror.nonsense(&path, what);
        let mut news = feed::news(&text, since).map_err(nonsense)?;
        let mut snapshot = None;
        let mut reached = news.newest.or(since);
        if since.is_none() || self.unknown(&news)?.len() > MOST_CHANGES {
            snapshot = self.snapshot(&mut updated, news.newest).await?;
            // The snapshot may be older than the feed.
            news = feed::news(&text, snapshot).map_err(nonsense)?;
            // What it does not have either, and the feed names no more, is no record.
            self.updates.of(self.ecosystem).missing.clear();
        }
        let changed = self.unknown(&news)?;
        if changed.len() <= MOST_CHANGES {
            self.delta(changed, &mut updated).await?;
        } else {
            // Only what is there counts as seen.
            reached = snapshot;
            updated.behind = changed.len();
        }
        self.updates.of(self.ecosystem).newest = reached.map(String::from);
        Ok(updated)
    }

    fn since(&self) -> Result<Option<Moment>, DetectError> {
        let followed = self.updates.ecosystems.get(self.ecosystem);
        let newest = followed.and_then(|followed| followed.newest.as_deref());
        // What can't be read is as good as nothing: a snapshot follows.
        Ok(newest.and_then(|newest| Moment::try_from(newest).ok()))
    }

    /// Those changes that are not there yet, and what the mirror did not have the last time.
    fn unknown(&self, news: &feed::News) -> Result<Vec<String>, DetectError> {
        let shelf = Shelf::open(self.directory, self.ecosystem)?;
        let followed = self.updates.ecosystems.get(self.ecosystem);
        let mut unknown = Vec::new();
        for (id, at) in &news.changes {
            let held = followed.and_then(|followed| followed.held.get(id));
            let mut is_known = held.is_some_and(|held| held.modified == at.to_string());
            for image in shelf.iter().flat_map(Shelf::layers) {
                let number = image.number(id)?;
                is_known |= number
                    .map(|number| modified(image, number))
                    .transpose()?
                    .is_some_and(|known| known >= *at);
            }
            if !is_known {
                unknown.push(id.clone());
            }
        }
        let owed = followed.into_iter().flat_map(|followed| &followed.missing);
        unknown.extend(owed.filter(|id| !news.changes.contains_key(*id)).cloned());
        Ok(unknown)
    }

    /// Fetches all of it. Gives the time up to which its records are known to be there.
    async fn snapshot(
        &mut self,
        updated: &mut Updated,
        fed: Option<Moment>,
    ) -> Result<Option<Moment>, DetectError> {
        let path = format!("{}/all.zip", self.ecosystem);
        let to = self.directory.join("incoming").join(format!("{}.zip", self.ecosystem));
        let Fetched::At { path: zip, tag } = self.mirror.file(&path, &to, LARGEST_SNAPSHOT, None).await?
        else {
            return Err(self.mirror.nonsense(&path, "it says unchanged to who knows nothing"));
        };
        let read = Brought::read(std::slice::from_ref(&zip), self.directory, self.limits);
        let mut brought = match read {
            Ok(brought) => brought,
            Err(error) => {
                // What arrived whole and is none is not to be taken up again.
                file::remove(&to)?;
                return Err(error);
            }
        };
        let texts = |id: &str| text_in(&zip, id);
        self.take(&mut brought, updated, &texts)?;
        updated.snapshot = true;
        let newest = brought.roll.all().map(|(_, entry)| entry.modified).filter(|at| at.is_known()).max();
        self.updates.of(self.ecosystem).snapshot = tag;
        file::remove(&to)?;
        Ok(newest.min(fed))
    }

    /// Fetches what changed.
    async fn delta(&mut self, changed: Vec<String>, updated: &mut Updated) -> Result<(), DetectError> {
        if changed.is_empty() {
            return Ok(());
        }
        let mut brought = Brought::new(self.directory);
        let mut texts = BTreeMap::new();
        let mut missing = BTreeSet::new();
        let mut bytes = 0;
        let mut left = changed.into_iter();
        let mut under_way = JoinSet::new();
        loop {
            while under_way.len() < AT_ONCE
                && let Some(id) = left.next()
            {
                let (mirror, path) = (self.mirror.clone(), format!("{}/{id}.json", self.ecosystem));
                under_way.spawn(async move {
                    let fetched = mirror.bytes_if_there(&path, LARGEST_RECORD as u64).await;
                    (id, path, fetched)
                });
            }
            let Some(done) = under_way.join_next().await else { break };
            let (id, path, fetched) = done.expect("no fetch panics");
            let Some(text) = fetched? else {
                missing.insert(id);
                continue;
            };
            let record = Record::parse(&text);
            if !record.is_ok_and(|record| *record.id == *id) {
                return Err(self.mirror.nonsense(&path, "it is not the OSV record of this id"));
            }
            bytes += text.len();
            if bytes > MOST_BYTES {
                let what = format!("what changed has more than {MOST_BYTES} bytes");
                return Err(self.mirror.nonsense(self.ecosystem, what));
            }
            texts.insert(id, text);
        }
        for (id, text) in &texts {
            brought.put_text(id, text)?;
        }
        let texts = |id: &str| Ok(texts.get(id).cloned().unwrap_or_default());
        self.take(&mut brought, updated, &texts)?;
        updated.missing = missing.len() as u64;
        self.updates.of(self.ecosystem).missing = missing;
        Ok(())
    }

    /// Takes in what was brought, but for what is held back.
    fn take(
        &mut self,
        brought: &mut Brought,
        updated: &mut Updated,
        text_of: &dyn Fn(&str) -> Result<Vec<u8>, DetectError>,
    ) -> Result<(), DetectError> {
        let _importing = lock(self.directory)?;
        let followed = self.updates.of(self.ecosystem);
        let shelf = Shelf::open(self.directory, self.ecosystem)?;
        let held = match &shelf {
            Some(shelf) => hold::held(shelf, brought, self.place, followed)?,
            None => Vec::new(),
        };
        for (id, _) in &held {
            keep_text(self.directory, self.ecosystem, id, &text_of(id)?)?;
            brought.roll.leave_out(id);
        }
        // Another word on what was held back takes its place.
        let ended: Vec<String> = followed
            .held
            .iter()
            .filter(|(id, known)| {
                let entry = brought.roll.get(id);
                entry.is_some_and(|entry| entry.modified.to_string() >= known.modified)
            })
            .map(|(id, _)| id.clone())
            .collect();
        let place = self.place;
        let entries = brought.roll.all().filter(|(_, entry)| entry.ecosystems >> place & 1 == 1);
        for (id, _) in entries {
            // Of what the snapshot before this had as well, each is counted once.
            let is_counted = updated.snapshot && shelf.as_ref().is_some_and(|shelf| has(shelf, id));
            updated.records += u64::from(!is_counted);
        }
        take_in(brought, self.directory, self.limits, Some(place))?;
        note(self.directory, self.ecosystem, followed, &held, &ended)?;
        updated.held.extend(held);
        Ok(())
    }
}

/// Whether a record is there; of a file that can't be read, the next step says so.
fn has(shelf: &Shelf, id: &str) -> bool {
    shelf.layers().any(|image| image.number(id).is_ok_and(|number| number.is_some()))
}

fn note(
    directory: &Path,
    ecosystem: &str,
    followed: &mut Followed,
    held: &[(String, Held)],
    ended: &[String],
) -> Result<(), DetectError> {
    for id in ended {
        followed.held.remove(id);
        file::remove(&held_path(directory, ecosystem, id))?;
    }
    followed.held.extend(held.iter().cloned());
    Ok(())
}

/// Keeps the text of a record that is held back, so that it can be let in without asking for it again.
fn keep_text(directory: &Path, ecosystem: &str, id: &str, text: &[u8]) -> Result<(), DetectError> {
    let path = held_path(directory, ecosystem, id);
    let folder = path.parent().unwrap_or(directory);
    fs::create_dir_all(folder).map_err(DetectError::write(folder))?;
    fs::write(&path, text).map_err(DetectError::write(&path))
}

/// The text of a record in a snapshot.
fn text_in(zip: &Path, id: &str) -> Result<Vec<u8>, DetectError> {
    let file = File::open(zip).map_err(DetectError::read(zip))?;
    let damaged = |error: zip::result::ZipError| DetectError::read(zip)(error.into());
    let mut archive = ZipArchive::new(file).map_err(damaged)?;
    let entry = archive.by_name(&format!("{id}.json")).map_err(damaged)?;
    let mut bytes = Vec::new();
    entry.take(LARGEST_RECORD as u64 + 1).read_to_end(&mut bytes).map_err(DetectError::read(zip))?;
    Ok(bytes)
}
