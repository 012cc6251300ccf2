//! Content-addressed bytes on disk, in an OCI image layout that other tools read.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::digest;
use crate::disk::{self, Incoming};
use crate::error::EvidenceError;
use crate::oci::{self, Descriptor, Index, Manifest};

const DIRECTORY_MODE: u32 = 0o777;
const FILE_MODE: u32 = 0o666;
/// Passing files stand in the layout itself, so that publishing one is a rename within one file system.
const INCOMING: &str = ".incoming";
const PREFIX: &str = "new-";
const LOCK: &str = ".lock";

/// An image layout in a directory: `oci-layout`, `index.json`, `blobs/sha256/<hex>`.
///
/// Any number of threads and processes may use one directory at once. When a call returns `Ok`, what it wrote
/// is on disk; a crash leaves each blob whole or absent.
#[derive(Clone, Debug)]
pub struct Blobs {
    root: PathBuf,
}

impl Blobs {
    /// Opens the layout, and creates it where there is none. An existing one is only read, so it may lie on a
    /// read-only disk; what crashed writers left behind is swept away where that is possible.
    pub fn open(root: &Path) -> Result<Self, EvidenceError> {
        let blobs = Self { root: root.to_path_buf() };
        if !blobs.is_complete() {
            blobs.create()?;
        }
        blobs.check_version()?;
        disk::sweep(&blobs.root.join(INCOMING), PREFIX);
        Ok(blobs)
    }

    /// Keeps these bytes and returns their digest, `sha256:<hex>`. A damaged blob of that digest is healed.
    pub fn put(&self, bytes: &[u8]) -> Result<String, EvidenceError> {
        let digest = digest::of(bytes);
        let target = self.place_of(&digest)?;
        if is_intact(&target, &digest, bytes.len() as u64)? {
            disk::sync_existing(&target)?;
            return Ok(digest);
        }
        let mut incoming = self.incoming()?;
        incoming.write(bytes)?;
        incoming.replace(&target)?;
        Ok(digest)
    }

    /// Keeps the bytes of a file, read once and piece by piece; returns their digest and number.
    pub fn put_file(&self, path: &Path) -> Result<(String, u64), EvidenceError> {
        let mut source = disk::open_plain(path).map_err(disk::failed("read", path))?;
        let mut incoming = self.incoming()?;
        let (digest, size) =
            digest::of_reader(&mut source, disk::failed("read", path), |piece| incoming.write(piece))?;
        let target = self.place_of(&digest)?;
        if is_intact(&target, &digest, size)? {
            disk::sync_existing(&target)?;
        } else {
            incoming.replace(&target)?;
        }
        Ok((digest, size))
    }

    /// The bytes of a blob, hashed again. Refused by name: a digest text out of form, a blob that is missing,
    /// longer than the limit, or not what its name says.
    pub fn get(&self, digest: &str, limit: u64) -> Result<Vec<u8>, EvidenceError> {
        let (file, path) = self.open_blob(digest)?;
        let size = file.metadata().map_err(disk::failed("inspect", &path))?.len();
        let mut bytes = Vec::new();
        if size <= limit {
            let mut bounded = file.take(limit.saturating_add(1));
            bounded.read_to_end(&mut bytes).map_err(disk::failed("read", &path))?;
        }
        let size = size.max(bytes.len() as u64);
        if size > limit {
            return Err(EvidenceError::BlobTooLarge { digest: digest.to_owned(), size, limit });
        }
        check_digest(digest, digest::of(&bytes), size)?;
        Ok(bytes)
    }

    /// Where a blob lies, if it is there. Its bytes are not looked at: see [`Blobs::get`].
    pub fn path_of(&self, digest: &str) -> Result<PathBuf, EvidenceError> {
        let path = self.place_of(digest)?;
        if path.is_file() { Ok(path) } else { Err(self.missing(digest)) }
    }

    pub fn contains(&self, digest: &str) -> bool {
        self.path_of(digest).is_ok()
    }

    /// Writes an artifact manifest and lets `reference` mean it in `index.json`, in place of what it meant
    /// before. The same input gives the same digest, which is returned. The blobs it speaks of must be here.
    pub fn put_manifest(&self, manifest: &Manifest, reference: &str) -> Result<String, EvidenceError> {
        oci::check(manifest, reference)?;
        let config = Descriptor::empty(&self.put(oci::EMPTY)?);
        let mut layers = Vec::with_capacity(manifest.layers.len());
        for layer in &manifest.layers {
            layers.push(Descriptor::layer(layer, self.checked_size(&layer.digest)?));
        }
        let subject = manifest.subject.as_deref().map(|digest| self.subject(digest)).transpose()?;
        let bytes = oci::manifest_bytes(manifest, config, layers, subject);
        let size = bytes.len() as u64;
        if size > oci::MAX_MANIFEST_BYTES {
            return Err(oci::refused(format!("{size} bytes, and the limit is {}", oci::MAX_MANIFEST_BYTES)));
        }
        let digest = self.put(&bytes)?;
        let entry = Descriptor::manifest(&manifest.artifact_type, &digest, size);
        self.change_index(|index| index.set(reference, entry))?;
        Ok(digest)
    }

    /// Every name in the index, with the digest it means.
    pub fn references(&self) -> Result<Vec<(String, String)>, EvidenceError> {
        Ok(self.read_index()?.references())
    }

    /// Forgets a name; the blobs stay. A name that is not there is no error.
    pub fn remove_reference(&self, reference: &str) -> Result<(), EvidenceError> {
        self.change_index(|index| index.remove(reference))
    }

    fn is_complete(&self) -> bool {
        self.marker_path().is_file() && self.index_path().is_file() && self.blob_directory().is_dir()
    }

    fn create(&self) -> Result<(), EvidenceError> {
        disk::create_directories(&self.blob_directory(), DIRECTORY_MODE)?;
        disk::create_directories(&self.root.join(INCOMING), DIRECTORY_MODE)?;
        let _lock = disk::lock(&self.root.join(LOCK))?;
        if !self.index_path().exists() {
            self.write_file(&self.index_path(), &Index::new().to_bytes())?;
        }
        if !self.marker_path().exists() {
            self.write_file(&self.marker_path(), oci::LAYOUT.as_bytes())?;
        }
        Ok(())
    }

    fn check_version(&self) -> Result<(), EvidenceError> {
        let marker = disk::read_bounded(&self.marker_path(), oci::MAX_MANIFEST_BYTES)?;
        let reason = match oci::layout_version(&marker) {
            Some(version) if version == oci::LAYOUT_VERSION => return Ok(()),
            Some(version) => {
                format!("its version is {}, not {}", digest::shortened(&version), oci::LAYOUT_VERSION)
            }
            None => "its `oci-layout` file states no version".to_owned(),
        };
        Err(EvidenceError::Layout { root: self.root.clone(), reason })
    }

    /// Reads, changes and replaces the index under the layout's lock. Unchanged, it is not written.
    fn change_index(&self, change: impl FnOnce(&mut Index)) -> Result<(), EvidenceError> {
        let _lock = disk::lock(&self.root.join(LOCK))?;
        let before = self.read_index()?;
        let mut after = before.clone();
        change(&mut after);
        if after == before {
            return disk::sync_directory(&self.root);
        }
        let bytes = after.to_bytes();
        if bytes.len() as u64 > oci::MAX_INDEX_BYTES {
            let reason = format!("its index would pass {} bytes", oci::MAX_INDEX_BYTES);
            return Err(EvidenceError::Layout { root: self.root.clone(), reason });
        }
        self.write_file(&self.index_path(), &bytes)
    }

    fn read_index(&self) -> Result<Index, EvidenceError> {
        Index::from_bytes(&disk::read_bounded(&self.index_path(), oci::MAX_INDEX_BYTES)?)
    }

    fn write_file(&self, path: &Path, bytes: &[u8]) -> Result<(), EvidenceError> {
        let mut incoming = self.incoming()?;
        incoming.write(bytes)?;
        incoming.replace(path)
    }

    fn incoming(&self) -> Result<Incoming, EvidenceError> {
        let directory = self.root.join(INCOMING);
        disk::create_directories(&directory, DIRECTORY_MODE)?;
        Incoming::create(&directory, PREFIX, FILE_MODE)
    }

    fn subject(&self, digest: &str) -> Result<Descriptor, EvidenceError> {
        let bytes = self.get(digest, oci::MAX_MANIFEST_BYTES)?;
        let media_type = oci::media_type_of(&bytes)
            .ok_or_else(|| oci::refused(format!("its subject {digest} is not a manifest")))?;
        Ok(Descriptor::new(&media_type, digest, bytes.len() as u64))
    }

    /// The size of a blob that is what its name says.
    fn checked_size(&self, digest: &str) -> Result<u64, EvidenceError> {
        let (mut file, path) = self.open_blob(digest)?;
        let (found, size) = digest::of_reader(&mut file, disk::failed("read", &path), |_| Ok(()))?;
        check_digest(digest, found, size)?;
        Ok(size)
    }

    fn open_blob(&self, digest: &str) -> Result<(File, PathBuf), EvidenceError> {
        let path = self.place_of(digest)?;
        match disk::open_plain(&path) {
            Ok(file) => Ok((file, path)),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(self.missing(digest)),
            Err(error) => Err(disk::failed("read", &path)(error)),
        }
    }

    fn missing(&self, digest: &str) -> EvidenceError {
        EvidenceError::BlobMissing { digest: digest.to_owned(), root: self.root.clone() }
    }

    fn place_of(&self, digest: &str) -> Result<PathBuf, EvidenceError> {
        Ok(self.blob_directory().join(digest::hex_of(digest)?))
    }

    fn blob_directory(&self) -> PathBuf {
        self.root.join("blobs").join("sha256")
    }

    fn index_path(&self) -> PathBuf {
        self.root.join("index.json")
    }

    fn marker_path(&self) -> PathBuf {
        self.root.join("oci-layout")
    }
}

/// Whether these very bytes lie there already. Length first: a crash of the disk shortens, and hashing costs.
fn is_intact(path: &Path, digest: &str, size: u64) -> Result<bool, EvidenceError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.len() == size => {}
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(disk::failed("inspect", path)(error)),
    }
    let mut file = disk::open_plain(path).map_err(disk::failed("read", path))?;
    let (found, _) = digest::of_reader(&mut file, disk::failed("read", path), |_| Ok(()))?;
    Ok(found == digest)
}

fn check_digest(digest: &str, found: String, size: u64) -> Result<(), EvidenceError> {
    if found == digest {
        return Ok(());
    }
    Err(EvidenceError::BlobTampered { digest: digest.to_owned(), found, size })
}
