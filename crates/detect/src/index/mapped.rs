//! A file that is mapped into memory.
//!
//! Whoever looks beyond the end of a mapped file is ended by a signal. Patchline never cuts off a file that others may have
//! mapped: a new one is renamed into its place. For files that somebody else cuts off, the length is asked for before each look; what
//! happens between the two is as much as nobody can rule out.

use std::fs::File;
use std::io;
use std::time::SystemTime;

use memmap2::{Mmap, MmapOptions};

#[derive(Debug)]
pub struct Mapped {
    file: File,
    bytes: Mmap,
}

impl Mapped {
    pub fn new(file: File) -> io::Result<Self> {
        // An empty file can't be mapped; no byte of it is ever looked at.
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?.max(1);
        #[allow(unsafe_code)] // There is no safe way to map a file.
        // SAFETY: the bytes may change under whoever holds them, so they are only copied, and the copy is checked.
        let bytes = unsafe { MmapOptions::new().len(length).map(&file) }?;
        Ok(Self { file, bytes })
    }

    pub fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    pub fn written(&self) -> Option<SystemTime> {
        self.file.metadata().and_then(|metadata| metadata.modified()).ok()
    }

    /// Copies what lies there; an error says that it does not reach so far.
    pub fn read(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        let end = at.checked_add(into.len() as u64).filter(|end| *end <= self.bytes.len() as u64);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        if self.length()? < end {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let at = usize::try_from(at).map_err(io::Error::other)?;
        into.copy_from_slice(&self.bytes[at..at + into.len()]);
        Ok(())
    }
}
