//! Remembers a finished build beside its tree, so that after a crash the same request is answered from there.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use patchline_model::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::artifacts::digest_of;
use crate::builder::{Made, Request};

const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The folders of one commit.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) root: PathBuf,
    /// The tree that stays.
    pub(crate) first: PathBuf,
    /// The tree of the second build.
    pub(crate) second: PathBuf,
}

impl Place {
    pub(crate) fn of(request: &Request) -> Self {
        let root = request.work.join(request.commit.as_str());
        Self { first: root.join("a"), second: root.join("b"), root }
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Outside of the trees, so that no build can write it.
    fn marker(&self) -> PathBuf {
        self.root.join("built.json")
    }
}

#[derive(Serialize, Deserialize)]
struct Marker {
    request: Digest,
    made: Made,
}

/// What was made for the same request, if it is still there and unchanged.
pub(crate) fn read(place: &Place, request: &Request) -> Option<Made> {
    let file = fs::File::open(place.marker()).ok()?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    let marker: Marker = serde_json::from_slice(&bytes).ok()?;
    let made = marker.made;
    let same = marker.request == fingerprint(request) && made.tree == place.first;
    let enough = made.second.is_some() || !request.twice;
    let unchanged =
        || digest_of(&made.artifact).is_ok_and(|found| found == (made.digest.clone(), made.bytes));
    (same && enough && unchanged()).then_some(made)
}

/// Written whole or not at all.
pub(crate) fn write(place: &Place, request: &Request, made: &Made) -> io::Result<()> {
    let marker = Marker { request: fingerprint(request), made: made.clone() };
    let bytes = serde_json::to_vec(&marker).expect("the marker has text keys only");
    let passing = place.root.join("built.json.new");
    let mut file = fs::File::create(&passing)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&passing, place.marker())
}

/// A new build begins: what was remembered no longer holds.
pub(crate) fn forget(place: &Place) -> io::Result<()> {
    remove(&place.marker(), |path| fs::remove_file(path))
}

/// Removes a tree, if there is one.
pub(crate) fn clear(tree: &Path) -> io::Result<()> {
    remove(tree, |path| fs::remove_dir_all(path))
}

fn remove(path: &Path, how: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    match how(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What of a request decides what is built.
fn fingerprint(request: &Request) -> Digest {
    let service = &request.service;
    let parts = (&service.build, &service.folder, &request.commit, request.epoch_seconds);
    Digest::of(&serde_json::to_vec(&parts).expect("a request has text keys only"))
}
