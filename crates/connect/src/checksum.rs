//! What a server says of a whole body, compared with what arrived. Object stores send `x-goog-hash: crc32c=…`; its length
//! every server says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;

use crate::error::{Failed, Kind};

/// What arrived so far of a body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrived {
    pub bytes: u64,
    crc32c: u32,
}

impl Arrived {
    pub fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.crc32c = crc32c::crc32c_append(self.crc32c, bytes);
    }

    /// Compares what arrived with what the headers of an answer said of the whole.
    pub fn compare(&self, said: &Said) -> Result<(), Failed> {
        if said.bytes.is_some_and(|bytes| bytes != self.bytes) {
            let what = format!("{} bytes arrived, not the {} announced", self.bytes, said.bytes.unwrap_or(0));
            return Err(Failed::new(Kind::Nonsense, what).passing());
        }
        if said.crc32c.is_some_and(|sum| sum != self.crc32c) {
            let what = "what arrived does not have the checksum that the server announced";
            return Err(Failed::new(Kind::Nonsense, what).passing());
        }
        Ok(())
    }
}

/// What the headers say of a whole body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub bytes: Option<u64>,
    pub crc32c: Option<u32>,
}

impl Said {
    /// `bytes` is what is known of the length, from `Content-Length` or `Content-Range`.
    pub fn of(headers: &HeaderMap, bytes: Option<u64>) -> Self {
        // A store that unpacks on the way sums up what it stores and not what it sends.
        let as_stored = !headers.contains_key("content-encoding")
            && headers
                .get("x-goog-stored-content-encoding")
                .is_none_or(|encoding| encoding.as_bytes() == b"identity");
        let mut sums = headers.get_all("x-goog-hash").iter().filter_map(|value| value.to_str().ok());
        let crc32c = sums.find_map(|sums| sums.split(',').find_map(crc32c_of)).filter(|_| as_stored);
        Self { bytes, crc32c }
    }
}

fn crc32c_of(sum: &str) -> Option<u32> {
    let bytes = STANDARD.decode(sum.trim().strip_prefix("crc32c=")?).ok()?;
    bytes.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue};

    use super::{Arrived, Said};

    fn said(headers: &[(&'static str, &'static str)]) -> Option<u32> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        Said::of(&map, None).crc32c
    }

    #[test]
    fn a_sum_is_read_as_object_stores_write_it() {
        let mut arrived = Arrived::default();
        arrived.take(b"1234");
        arrived.take(b"56789");
        // The check value of CRC-32C.
        assert_eq!(arrived.crc32c, 0xe306_9283);
        assert_eq!(said(&[("x-goog-hash", "crc32c=4waSgw==")]), Some(0xe306_9283));
        assert_eq!(
            said(&[("x-goog-hash", "md5=ABCD"), ("x-goog-hash", "crc32c=4waSgw==")]),
            Some(0xe306_9283)
        );
        assert_eq!(said(&[("x-goog-hash", "md5=ABCD,crc32c=4waSgw==")]), Some(0xe306_9283));
        assert_eq!(said(&[("x-goog-hash", "crc32c=!")]), None);
        assert_eq!(said(&[("x-goog-hash", "crc32c=4waSgw=="), ("content-encoding", "gzip")]), None);
    }
}
