//! Spools: what an import brings, by ecosystem, in memory while it is little and in a file without a name when it is not. So
//! an import takes as much memory for a hundred records as for a million.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::error::DetectError;

/// Bytes that are held back until they are written.
const HELD: usize = 1 << 20;
/// Before each piece: the number of its record, and its length.
const FRAME: usize = 8;

/// Takes a piece with the number of its record.
pub type TakePiece<'t> = &'t mut dyn FnMut(u32, &[u8]) -> Result<(), DetectError>;

/// Pieces in the order in which they were put.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    held: Vec<u8>,
    file: Option<File>,
    written: u64,
}

impl Spool {
    /// The folder is needed only once there is much.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), held: Vec::new(), file: None, written: 0 }
    }

    /// Bytes in all.
    pub fn size(&self) -> u64 {
        self.written + self.held.len() as u64
    }

    pub fn put(&mut self, number: u32, piece: &[u8]) -> Result<(), DetectError> {
        if self.held.len() + FRAME + piece.len() > HELD && !self.held.is_empty() {
            self.flush().map_err(DetectError::write(&self.folder))?;
        }
        self.held.extend_from_slice(&number.to_le_bytes());
        // A record has four megabytes at most, and what is kept of it is shorter.
        self.held.extend_from_slice(&(piece.len() as u32).to_le_bytes());
        self.held.extend_from_slice(piece);
        Ok(())
    }

    /// Hands over every piece with the number of its record.
    pub fn each(&self, take: TakePiece<'_>) -> Result<(), DetectError> {
        let mut buffer: Vec<u8> = Vec::new();
        let mut at = 0;
        while let Some(file) = self.file.as_ref().filter(|_| at < self.written) {
            let more = HELD.min(usize::try_from(self.written - at).unwrap_or(HELD));
            let before = buffer.len();
            buffer.resize(before + more, 0);
            file.read_exact_at(&mut buffer[before..], at).map_err(DetectError::read(&self.folder))?;
            at += more as u64;
            let rest = hand_over(&buffer, take)?;
            buffer.drain(..buffer.len() - rest);
        }
        hand_over(&self.held, take).map(|_| ())
    }

    fn flush(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(nameless(&self.folder)?),
        };
        file.write_all(&self.held)?;
        self.written += self.held.len() as u64;
        self.held.clear();
        Ok(())
    }
}

/// Hands over the whole pieces, and says how many bytes are left of one that is cut off.
fn hand_over(mut bytes: &[u8], take: TakePiece<'_>) -> Result<usize, DetectError> {
    let four = |bytes: &[u8], at: usize| {
        u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    };
    while bytes.len() >= FRAME {
        let end = FRAME + four(bytes, 4) as usize;
        let Some(piece) = bytes.get(FRAME..end) else { break };
        take(four(bytes, 0), piece)?;
        bytes = &bytes[end..];
    }
    Ok(bytes.len())
}

/// A file that is gone when it is closed, however the process ends.
fn nameless(folder: &Path) -> io::Result<File> {
    fs::create_dir_all(folder)?;
    for number in 0_u32.. {
        let path = folder.join(format!("import-{}-{number}.spool", std::process::id()));
        match File::options().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => {
                fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    unreachable!("there are not so many files")
}

#[cfg(test)]
mod tests {
    use super::{HELD, Spool};

    #[test]
    fn pieces_come_back_in_their_order_whether_they_were_written_or_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spool = Spool::new(folder.path());
        let lengths = [0, 1, HELD / 2, HELD, 3, HELD + 7, HELD / 3, HELD / 3, HELD / 3, 9];
        for (number, length) in lengths.into_iter().enumerate() {
            spool.put(number as u32, &vec![number as u8; length]).expect("it is put");
        }
        let mut seen = Vec::new();
        let mut take = |number: u32, piece: &[u8]| {
            assert!(piece.iter().all(|byte| u32::from(*byte) == number));
            seen.push((number as usize, piece.len()));
            Ok(())
        };
        spool.each(&mut take).expect("they come");
        assert_eq!(seen, lengths.into_iter().enumerate().collect::<Vec<_>>());
        assert!(spool.written > 0, "some of it was written");
        assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0);
    }
}
