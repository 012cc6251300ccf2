//! All advisories of one ecosystem: a file of all of them, and a small one over it with what came later. What is in the
//! upper one takes the place of what is below, record by record.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;
use std::time::SystemTime;

use crate::error::DetectError;
use crate::index::codec::Reader;
use crate::index::file;
use crate::index::image::{HINT, Image};
use crate::index::parcel::head;
use crate::osv::record::Moment;

#[derive(Debug)]
pub struct Shelf {
    pub base: Image,
    pub delta: Option<Image>,
    gone: OnceLock<BTreeSet<String>>,
}

impl Shelf {
    pub fn new(base: Image, delta: Option<Image>) -> Self {
        Self { base, delta, gone: OnceLock::new() }
    }

    /// What is kept of the ecosystem; none where nothing is. Nothing but the first blocks is read.
    pub fn open(directory: &Path, ecosystem: &str) -> Result<Option<Self>, DetectError> {
        let base = file::open(&file::path(directory, ecosystem), ecosystem)?;
        let delta = file::open(&file::delta_path(directory, ecosystem), ecosystem)?;
        let alone = |delta: &Image| {
            let what = "it belongs to another file than the one that it lies over".to_owned();
            DetectError::Advisories { path: delta.path.clone(), what, hint: HINT }
        };
        match (base, delta) {
            (None, None) => Ok(None),
            (None, Some(delta)) => Err(alone(&delta)),
            (Some(base), None) => Ok(Some(Self::new(base, None))),
            (Some(base), Some(delta)) if delta.header.over == base.owner() => {
                Ok(Some(Self::new(base, Some(delta))))
            }
            // It went into the file below, and whoever did that was ended before it was taken away.
            (Some(base), Some(delta)) if base.header.folded == delta.owner() => {
                Ok(Some(Self::new(base, None)))
            }
            (Some(_), Some(delta)) => Err(alone(&delta)),
        }
    }

    /// The files from below.
    pub fn layers(&self) -> impl DoubleEndedIterator<Item = &Image> {
        [Some(&self.base), self.delta.as_ref()].into_iter().flatten()
    }

    /// When something was last taken in; none for what comes with the binary.
    pub fn imported(&self) -> Option<SystemTime> {
        self.layers().filter_map(Image::imported).max()
    }

    /// Whether the upper file has another word on this record of the lower one.
    pub fn hides(&self, id: &str) -> Result<bool, DetectError> {
        match &self.delta {
            Some(delta) => Ok(self.gone()?.contains(id) || delta.number(id)?.is_some()),
            None => Ok(false),
        }
    }

    /// Ids that have left the ecosystem since the lower file was made.
    pub fn gone(&self) -> Result<&BTreeSet<String>, DetectError> {
        if let Some(gone) = self.gone.get() {
            return Ok(gone);
        }
        let gone = self.delta.as_ref().map(Image::gone).transpose()?.unwrap_or_default();
        Ok(self.gone.get_or_init(|| gone.into_iter().collect()))
    }

    /// Records that count. Those that the upper file hides are still counted below, so it is a little too much.
    pub fn records(&self) -> u64 {
        self.layers().map(|image| image.header.records).sum()
    }
}

/// When the record of this number was last changed.
pub fn modified(image: &Image, number: u32) -> Result<Moment, DetectError> {
    let bytes = image.head(number)?;
    let mut reader = Reader(&bytes);
    let head = reader.number().and_then(|_| head(&mut reader));
    head.map(|head| head.modified).map_err(|damaged| image.damaged(damaged))
}
