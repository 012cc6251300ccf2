//! Numbers and texts as bytes: how everything in an index is written, and read without trust.

use thiserror::Error;

/// What is wrong with bytes that passed their checksum, and so were never written by us like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Damaged(pub &'static str);

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
pub fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

/// Their length, then they.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub fn byte(&mut self) -> Result<u8, Damaged> {
        let (first, rest) = self.0.split_first().ok_or(Damaged("it ends too early"))?;
        self.0 = rest;
        Ok(*first)
    }

    #[inline]
    pub fn number(&mut self) -> Result<u64, Damaged> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Damaged("one of its numbers is too large"))
    }

    #[inline]
    pub fn small(&mut self) -> Result<u32, Damaged> {
        u32::try_from(self.number()?).map_err(|_| Damaged("one of its numbers is too large"))
    }

    /// A number of eight bytes, the lowest first.
    #[inline]
    pub fn eight(&mut self) -> Result<u64, Damaged> {
        let (first, rest) = self.0.split_first_chunk().ok_or(Damaged("it ends too early"))?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*first))
    }

    /// How many things follow, each of at least one byte; so no list is larger than what holds it.
    #[inline]
    pub fn count(&mut self) -> Result<usize, Damaged> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if count > self.0.len() { Err(Damaged("one of its lists is cut off")) } else { Ok(count) }
    }

    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let length = self.count()?;
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        Ok(bytes)
    }

    /// A text of this length.
    #[inline]
    pub fn text_of(&mut self, length: u64) -> Result<&'a str, Damaged> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Damaged("it ends too early"))?;
        self.0 = rest;
        std::str::from_utf8(bytes).map_err(|_| Damaged("one of its texts is not UTF-8"))
    }

    #[inline]
    pub fn text(&mut self) -> Result<&'a str, Damaged> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Damaged("one of its texts is not UTF-8"))
    }
}

/// A key for a text, the same on every machine and for ever: FNV-1a, with its bits mixed at the end so that keys are evenly
/// spread. Two texts may share it; who looks something up compares the text as well.
pub fn key(parts: &[&str]) -> u64 {
    let mut key: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            key = (key ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    key = (key ^ (key >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    key = (key ^ (key >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    key ^ (key >> 33)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::{Reader, key, put_number, put_text};

    #[test]
    fn keys_are_for_ever() {
        assert_eq!(key(&["npm", "lodash"]), key(&["npm", "lodash"]));
        assert_ne!(key(&["npm", "lodash"]), key(&["npml", "odash"]));
        assert_eq!(key(&["crates.io", "yaml-rust"]), 0x5bb2_65d7_789a_4c9b);
    }

    proptest! {
        #[test]
        fn what_was_put_is_read(number: u64, text in ".{0,300}") {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            put_text(&mut bytes, &text);
            let mut reader = Reader(&bytes);
            assert_eq!((reader.number(), reader.text(), reader.is_empty()), (Ok(number), Ok(text.as_str()), true));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut reader = Reader(&bytes);
            while reader.number().is_ok() && reader.text().is_ok() {}
        }
    }
}
