//! The text of a digest, `sha256:<hex>`, and how bytes get one.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read};

use sha2::{Digest as _, Sha256};

use crate::error::EvidenceError;

const PREFIX: &str = "sha256:";
const CHUNK_BYTES: usize = 128 * 1024;

/// The digest of these bytes, as `sha256:<hex>`.
pub(crate) fn of(bytes: &[u8]) -> String {
    text(&Sha256::digest(bytes))
}

/// Reads to the end, hands each piece to `sink`, and returns the digest and the number of bytes.
pub(crate) fn of_reader<E>(
    reader: &mut impl Read,
    read_failed: impl FnOnce(io::Error) -> E,
    mut sink: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(String, u64), E> {
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = match reader.read(&mut chunk) {
            Ok(0) => return Ok((text(&hash.finalize()), size)),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(read_failed(error)),
        };
        hash.update(&chunk[..count]);
        sink(&chunk[..count])?;
        size += count as u64;
    }
}

/// The 64 hexadecimal digits of a digest text; anything else is refused, so it is safe as a file name.
pub(crate) fn hex_of(digest: &str) -> Result<&str, EvidenceError> {
    digest
        .strip_prefix(PREFIX)
        .filter(|hex| is_hex(hex, 64))
        .ok_or_else(|| EvidenceError::DigestText { text: shortened(digest) })
}

/// Whether the text is exactly so many lower-case hexadecimal digits.
pub(crate) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Foreign text cut to a length that fits an error message.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(120).collect()
}

fn text(hash: &[u8]) -> String {
    hash.iter().fold(String::from(PREFIX), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}
