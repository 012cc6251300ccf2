//! Streams that may be packed: by gzip, by zstd, or not at all.

use std::cell::Cell;
use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use crate::container::budget::{Budget, Counted, Metered, Refused};

const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
/// The last three bytes of the mark of what a zstd stream says to others; the first is `5` and any digit.
const SKIPPED: &[u8] = b"\x2a\x4d\x18";
/// What is looked at to tell what a stream is: the head of a tar's first entry.
pub const SNIFFED: usize = 512;
const BUFFER: usize = 64 << 10;

/// Hands the unpacked stream to `read`.
pub fn unpacked<T>(
    packed: &mut dyn Read,
    budget: &Budget,
    read: impl FnOnce(&mut dyn Read) -> Result<T, Refused>,
) -> Result<T, Refused> {
    let count = Cell::new(0);
    let mut source = Peeked::new(BufReader::with_capacity(BUFFER, Counted::new(packed, &count)));
    let start = source.peek(ZSTD.len())?.to_vec();
    let mut stream: Box<dyn Read + '_> = if start.starts_with(GZIP) {
        Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, source)))
    } else if is_packed(&start) {
        Box::new(Frames::Between(Some(Box::new((source, FrameDecoder::new())))))
    } else {
        Box::new(source)
    };
    let mut metered = Metered::new(&mut stream, budget, &count);
    read(&mut metered)
}

/// Whether this is the head of a tar's entry.
pub fn is_tar(start: &[u8]) -> bool {
    start.get(257..262) == Some(b"ustar")
}

/// Whether what begins so is packed.
pub fn is_packed(start: &[u8]) -> bool {
    start.starts_with(GZIP) || start.starts_with(ZSTD) || start.get(1..4) == Some(SKIPPED)
}

/// A stream that can be looked at before it is read.
pub struct Peeked<R> {
    front: Vec<u8>,
    inner: R,
}

impl<R: Read> Peeked<R> {
    pub fn new(inner: R) -> Self {
        Self { front: Vec::new(), inner }
    }

    /// The next bytes, or as many of them as there are.
    pub fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        let missing = count.saturating_sub(self.front.len()) as u64;
        self.inner.by_ref().take(missing).read_to_end(&mut self.front)?;
        Ok(&self.front)
    }
}

impl<R: Read> Read for Peeked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.front.is_empty() {
            return self.inner.read(buffer);
        }
        let count = buffer.len().min(self.front.len());
        buffer[..count].copy_from_slice(&self.front[..count]);
        self.front.drain(..count);
        Ok(count)
    }
}

/// The frames of a zstd stream, one after the other, with one decoder for all. Those that are for others are skipped.
enum Frames<R: Read> {
    Between(Option<Box<(Peeked<R>, FrameDecoder)>>),
    Within(Box<StreamingDecoder<Peeked<R>, FrameDecoder>>),
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Frames::Within(decoder) = self {
                let read = decoder.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
            }
            match std::mem::replace(self, Frames::Between(None)) {
                Frames::Within(decoder) => *self = Frames::Between(Some(Box::new(decoder.into_parts()))),
                Frames::Between(None) => return Ok(0),
                Frames::Between(Some(between)) => {
                    let (mut source, decoder) = *between;
                    let start = source.peek(4)?;
                    if start.is_empty() {
                        return Ok(0);
                    }
                    *self = if start.get(1..4) == Some(SKIPPED) {
                        skip_frame(&mut source)?;
                        Frames::Between(Some(Box::new((source, decoder))))
                    } else {
                        let decoder = StreamingDecoder::new_with_decoder(source, decoder);
                        Frames::Within(Box::new(decoder.map_err(io::Error::other)?))
                    };
                }
            }
        }
    }
}

fn skip_frame(source: &mut impl Read) -> io::Result<()> {
    let mut head = [0; 8];
    source.read_exact(&mut head)?;
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    io::copy(&mut source.take(u64::from(length)), &mut io::sink())?;
    Ok(())
}
