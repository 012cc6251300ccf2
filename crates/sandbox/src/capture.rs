//! What is kept of a stream: all of it, or its first and its last half when it is longer than the limit.

use std::collections::VecDeque;

use tokio::io::{AsyncRead, AsyncReadExt};

/// A bounded memory of a stream.
#[derive(Debug)]
pub(crate) struct Capture {
    first: Vec<u8>,
    last: VecDeque<u8>,
    limit: usize,
    left_out: u64,
}

impl Capture {
    pub(crate) fn new(limit: usize) -> Self {
        Self { first: Vec::new(), last: VecDeque::new(), limit, left_out: 0 }
    }

    /// Reads until the stream ends. An unreadable stream ends there.
    pub(crate) async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin)) {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            self.push(&buffer[..length]);
        }
    }

    pub(crate) fn truncated(&self) -> bool {
        self.left_out > 0
    }

    /// The bytes, with nothing in place of what was left out.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.first;
        bytes.extend(self.last);
        bytes
    }

    /// The text, with a line that says how much was left out.
    pub(crate) fn into_text(self) -> String {
        if !self.truncated() {
            return String::from_utf8_lossy(&self.into_bytes()).into_owned();
        }
        let last: Vec<u8> = self.last.into();
        let (first, last) = (String::from_utf8_lossy(&self.first), String::from_utf8_lossy(&last));
        format!("{first}\n[… {} bytes left out …]\n{last}", self.left_out)
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = (self.limit - self.limit / 2).saturating_sub(self.first.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.first.extend_from_slice(first);
        self.last.extend(rest);
        let excess = self.last.len().saturating_sub(self.limit / 2);
        self.last.drain(..excess);
        self.left_out += excess as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::Capture;
    use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

    fn kept(chunks: &[Vec<u8>], limit: usize) -> Capture {
        let mut capture = Capture::new(limit);
        chunks.iter().for_each(|chunk| capture.push(chunk));
        capture
    }

    #[test]
    fn the_first_and_the_last_half_are_kept() {
        let capture = kept(&[b"abcdef".to_vec(), b"ghijk".to_vec()], 4);
        assert!(capture.truncated());
        assert_eq!(capture.into_text(), "ab\n[… 7 bytes left out …]\njk");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_stream_outgrows_its_limit(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20),
            limit in 0_usize..200,
        ) {
            let whole = chunks.concat();
            let capture = kept(&chunks, limit);
            prop_assert_eq!(capture.truncated(), whole.len() > limit);
            let left_out = capture.left_out as usize;
            let bytes = capture.into_bytes();
            prop_assert!(bytes.len() <= limit);
            prop_assert_eq!(bytes.len() + left_out, whole.len());
            prop_assert!(whole.starts_with(&bytes[..bytes.len() - bytes.len().min(limit / 2)]));
            prop_assert!(whole.ends_with(&bytes[bytes.len() - bytes.len().min(limit / 2)..]));
        }
    }
}
