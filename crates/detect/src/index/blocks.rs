//! A file in blocks that check themselves: each ends in a checksum of what it holds, where it stands and whose it is.
//!
//! The file is mapped (`mapped.rs`). Of it only the blocks that a question needs are looked at: they are copied, and no copy is
//! used before its checksum was compared. So a file of a hundred megabytes opens at once, and a damaged part is found when it
//! would matter.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::SystemTime;

use crc32fast::Hasher;

use crate::index::mapped::Mapped;

/// Bytes of a block in the file.
pub const BLOCK: usize = 4096;
/// Bytes of content in a block: a multiple of sixteen, so that no key lies in two.
pub const CONTENT: usize = BLOCK - TRAILER;
/// Whose block it is, which one, and the checksum of everything before.
const TRAILER: usize = 8 + 4 + 4;

/// Some bytes of the content: the block where they begin, counted from 0, and their length. They lie in one piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Section {
    pub block: u64,
    pub length: u64,
}

/// Why bytes could not be had.
#[derive(Debug)]
pub enum Refused {
    Io(io::Error),
    Damaged,
}

/// Writes content as blocks.
pub struct Writer<W> {
    out: W,
    owner: u64,
    block: u64,
    content: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes on from this block.
    pub fn new(out: W, owner: u64, block: u64) -> Self {
        Self { out, owner, block, content: Vec::with_capacity(BLOCK) }
    }

    pub fn block(&self) -> u64 {
        self.block
    }

    pub fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CONTENT - self.content.len()));
            self.content.extend_from_slice(now);
            bytes = later;
            if self.content.len() == CONTENT {
                self.end_block()?;
            }
        }
        Ok(())
    }

    /// Fills the last block up with zeros, so that what follows begins with a block.
    pub fn align(&mut self) -> io::Result<()> {
        if self.content.is_empty() { Ok(()) } else { self.end_block() }
    }

    pub fn into_inner(self) -> W {
        self.out
    }

    fn end_block(&mut self) -> io::Result<()> {
        let mut block = std::mem::take(&mut self.content);
        block.resize(CONTENT, 0);
        block.extend_from_slice(&self.owner.to_le_bytes());
        let number =
            u32::try_from(self.block).map_err(|_| io::Error::other("it would have too many blocks"))?;
        block.extend_from_slice(&number.to_le_bytes());
        block.extend_from_slice(&checksum(&block).to_le_bytes());
        self.out.write_all(&block)?;
        self.block += 1;
        block.clear();
        self.content = block;
        Ok(())
    }
}

/// Where blocks lie.
#[derive(Clone, Debug)]
pub enum Source {
    File(Arc<Mapped>),
    Memory(Arc<[u8]>),
}

impl Source {
    pub fn length(&self) -> io::Result<u64> {
        match self {
            Source::File(mapped) => mapped.length(),
            Source::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// When it was written; none for what never was.
    pub fn written(&self) -> Option<SystemTime> {
        match self {
            Source::File(mapped) => mapped.written(),
            Source::Memory(_) => None,
        }
    }

    fn read(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        match self {
            Source::File(mapped) => mapped.read(into, at),
            Source::Memory(bytes) => {
                let start = usize::try_from(at).map_err(io::Error::other)?;
                let part = bytes.get(start..).and_then(|rest| rest.get(..into.len()));
                into.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }

    /// The content of the first block, and whose file it is.
    pub fn first(&self) -> Result<(Vec<u8>, u64), Refused> {
        let mut block = vec![0; BLOCK];
        self.read(&mut block, 0).map_err(Refused::from)?;
        let owner = owner(&block);
        check(&block, owner, 0)?;
        block.truncate(CONTENT);
        Ok((block, owner))
    }

    /// This many bytes of content, `skip` bytes after the beginning of the block. Every block that they touch is checked.
    pub fn content(&self, owner: u64, block: u64, skip: u64, length: usize) -> Result<Vec<u8>, Refused> {
        let content = CONTENT as u64;
        let first = block + skip / content;
        let skip = (skip % content) as usize;
        let blocks = (skip + length).div_ceil(CONTENT);
        let mut bytes = vec![0; blocks * BLOCK];
        self.read(&mut bytes, first.checked_mul(BLOCK as u64).ok_or(Refused::Damaged)?)?;
        for place in 0..blocks {
            check(&bytes[place * BLOCK..(place + 1) * BLOCK], owner, first + place as u64)?;
            bytes.copy_within(place * BLOCK..place * BLOCK + CONTENT, place * CONTENT);
        }
        bytes.truncate(skip + length);
        bytes.drain(..skip);
        Ok(bytes)
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Refused::Damaged,
            _ => Refused::Io(error),
        }
    }
}

fn check(block: &[u8], owner: u64, number: u64) -> Result<(), Refused> {
    let (sealed, seal) = block.split_at(BLOCK - 4);
    let right = checksum(sealed).to_le_bytes() == *seal
        && self::owner(block) == owner
        && u64::from(u32::from_le_bytes(four(&sealed[CONTENT + 8..]))) == number;
    if right { Ok(()) } else { Err(Refused::Damaged) }
}

fn owner(block: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&block[CONTENT..CONTENT + 8]);
    u64::from_le_bytes(bytes)
}

fn four(bytes: &[u8]) -> [u8; 4] {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[..4]);
    four
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(bytes);
    hasher.finalize()
}
