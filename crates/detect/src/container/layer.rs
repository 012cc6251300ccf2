//! One layer of an image, or a whole archive: what of it is kept, and what of the layers below it hides.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use patchline_inventory::Inventory;

/// A file that says which packages are in use.
#[derive(Clone, Debug)]
pub enum Kept {
    Whole(Arc<[u8]>),
    /// What a binary says it was built from.
    Binary(Arc<Inventory>),
    /// Why it could not be kept.
    Refused(String),
}

/// What one archive holds. Paths have no `/` at their front.
#[derive(Debug, Default)]
pub struct Layer {
    pub files: BTreeMap<String, Kept>,
    /// Where each link leads.
    pub links: BTreeMap<String, String>,
    /// Other names of a file of the same archive.
    pub twins: Vec<(String, String)>,
    /// What is taken away of the layers below.
    pub gone: BTreeSet<String>,
    /// Folders that hide all that the layers below have in them.
    pub opaque: BTreeSet<String>,
    /// All other files, and folders, each by a number that stands for its path: they may be millions.
    others: HashSet<u64>,
    folders: HashSet<u64>,
    numbers: RandomState,
    /// What was seen and not understood.
    pub odd: BTreeSet<String>,
}

impl Layer {
    /// Forgets what stood at this path before, as unpacking would: the last entry counts.
    pub fn replace(&mut self, path: &str) {
        self.files.remove(path);
        self.links.remove(path);
        self.others.remove(&self.number(path));
    }

    pub fn add_other(&mut self, path: &str) {
        self.others.insert(self.number(path));
    }

    pub fn add_folder(&mut self, path: &str) {
        self.folders.insert(self.number(path));
    }

    /// Whether what a layer below has at this path can't be seen any more.
    pub fn hides(&self, path: &str) -> bool {
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        folders.clone().chain([path]).any(|one| self.gone.contains(one) || self.is_file(one))
            || self.opaque.contains("")
            || folders.into_iter().any(|folder| self.opaque.contains(folder))
            || self.folders.contains(&self.number(path))
    }

    fn is_file(&self, path: &str) -> bool {
        self.files.contains_key(path)
            || self.links.contains_key(path)
            || self.others.contains(&self.number(path))
    }

    fn number(&self, path: &str) -> u64 {
        self.numbers.hash_one(path)
    }
}
