//! What a path holds, when it is no lockfile and no ordinary folder: an image, an archive of a root, a binary.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use patchline_inventory::binary::object;
use patchline_inventory::detector::{Inventory, Unresolved};
use patchline_model::failure::in_full;
use sha2::{Digest, Sha256};

use crate::container::archive::{self, Blobs, Stored, Summed};
use crate::container::budget::{Budget, Refused};
use crate::container::contents;
use crate::container::image::{self, Store, summed};
use crate::container::layer::Layer;
use crate::container::tree::Tree;
use crate::container::unpack::{self, Peeked, SNIFFED, unpacked};
use crate::container::wanted::LARGEST_BINARY;
use crate::error::DetectError;
use crate::ordinary;

const LARGEST_DOCUMENT: u64 = 8 << 20;

/// What the container at this path holds; none when it is none.
pub fn inventory(path: &Path) -> Result<Option<Inventory>, DetectError> {
    let refused = |refused: Refused| DetectError::Scan { path: path.to_owned(), what: refused.0 };
    let found = if path.is_dir() { layout(path) } else { file(path)? };
    let mut inventory = match found.map_err(refused)? {
        Some(inventory) => inventory,
        None => return Ok(None),
    };
    if inventory.installed.is_empty() && inventory.unresolved.is_empty() {
        let what =
            "there is no package database, no lockfile and no binary in it that says what it was built from";
        inventory.unresolved.push(Unresolved::of(".", what));
    }
    Ok(Some(inventory))
}

type Found = Result<Option<Inventory>, Refused>;

fn file(path: &Path) -> Result<Found, DetectError> {
    let file = ordinary::open(path)?;
    let mut source = Peeked::new(BufReader::new(file));
    let start = source.peek(SNIFFED).map_err(DetectError::read(path))?;
    if object::is_likely(start) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        return Ok(binary(&name, source));
    }
    Ok(stream(&mut source, &Budget::default()))
}

/// What a stream holds: an image, or the root of a system, packed or not; none when it is neither.
pub fn stream(source: &mut dyn Read, budget: &Budget) -> Result<Option<Inventory>, Refused> {
    unpacked(source, budget, |stream| {
        let mut stream = Peeked::new(stream);
        match unpack::is_tar(stream.peek(SNIFFED)?) {
            true => tarred(&mut stream, budget).map(Some),
            false => Ok(None),
        }
    })
}

fn binary(name: &str, source: impl Read) -> Found {
    let mut bytes = Vec::new();
    source.take(LARGEST_BINARY + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_BINARY {
        return Err(Refused(format!("it is a binary of more than {} MiB", LARGEST_BINARY >> 20)));
    }
    let what = "it is a binary that doesn't say what it was built from; Go's do, and Rust's when `cargo auditable` builds them";
    object::inventory(name, &bytes).map(Some).ok_or_else(|| Refused(what.to_owned()))
}

/// An image, or a root.
fn tarred(stream: &mut dyn Read, budget: &Budget) -> Result<Inventory, Refused> {
    let mut blobs = Blobs::default();
    let root = archive::read(stream, budget, Some(&mut blobs))?;
    if let Some(inventory) = image::inventory(&mut blobs, budget)? {
        return Ok(inventory);
    }
    let mut inventory = contents::of(&Tree::of([(&root, "")].into_iter(), budget)?);
    inventory.unresolved.extend(root.odd.iter().map(|what| Unresolved::of(".", what.as_str())));
    Ok(inventory)
}

/// An OCI layout that lies on the disk, or what was saved and unpacked.
fn layout(path: &Path) -> Found {
    let is_there = |name: &str| path.join(name).is_file();
    if !is_there("oci-layout") || !is_there("index.json") {
        return Ok(None);
    }
    let budget = Budget::default();
    image::inventory(&mut Layout { path: path.to_owned(), budget: &budget, layers: BTreeMap::new() }, &budget)
}

struct Layout<'a> {
    path: PathBuf,
    budget: &'a Budget,
    layers: BTreeMap<String, Stored<Layer>>,
}

impl Layout<'_> {
    /// A blob; none when there is none. A link that stands for one is followed, for it is named by a digest.
    fn open(&self, path: &str) -> Result<Option<Summed<File>>, Refused> {
        let path = self.path.join(path);
        if !path.exists() {
            return Ok(None);
        }
        let file = ordinary::open(&path).map_err(|error| Refused(in_full(&error)))?;
        Ok(Some(Summed { inner: file, sum: Sha256::new() }))
    }
}

impl Store for Layout<'_> {
    fn document(&mut self, path: &str) -> Result<Option<Stored<Vec<u8>>>, Refused> {
        let Some(mut source) = self.open(path)? else { return Ok(None) };
        let mut content = Vec::new();
        source.by_ref().take(LARGEST_DOCUMENT + 1).read_to_end(&mut content)?;
        match content.len() as u64 > LARGEST_DOCUMENT {
            true => Err(Refused(format!("its document `{path}` is larger than 8 MiB"))),
            false => Ok(Some(Stored { digest: source.digest(), content })),
        }
    }

    fn layer(&mut self, path: &str) -> Result<Option<()>, Refused> {
        if self.layers.contains_key(path) {
            return Ok(Some(()));
        }
        let Some(mut source) = self.open(path)? else { return Ok(None) };
        let budget = self.budget;
        let content = unpacked(&mut source, budget, |stream| archive::read(stream, budget, None))?;
        let digest = source.digest();
        summed(path, &digest)?;
        self.layers.insert(path.to_owned(), Stored { digest, content });
        Ok(Some(()))
    }

    fn get(&self, path: &str) -> Option<(&Layer, &str)> {
        self.layers.get(path).map(|stored| (&stored.content, stored.digest.as_str()))
    }
}
