//! One place in a text that names an image, and the bytes of its tag and digest.

use std::ops::Range;

/// Where an image is named. What is not there has no range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// As it is written, without tag and digest.
    pub(crate) name: String,
    pub(crate) tag: Option<Range<usize>>,
    pub(crate) digest: Option<Range<usize>>,
    /// Where a tag goes that was not there, with the colon before it.
    pub(crate) end_of_name: usize,
    /// Whether the tag is a YAML scalar by itself without quotes, which must not read as a number.
    pub(crate) is_plain_scalar: bool,
}

impl Site {
    /// `name:tag@digest`, which begins at this byte; none where it is put together from variables.
    pub(crate) fn of(word: &str, at: usize) -> Option<Self> {
        if word.is_empty() || word.contains(['$', '{', '}']) || word.contains(char::is_whitespace) {
            return None;
        }
        let (tagged, digest) =
            word.split_once('@').map_or((word, None), |(tagged, digest)| (tagged, Some(digest)));
        // A colon before the last slash is that of a port.
        let colon = tagged.rfind(':').filter(|colon| tagged.rfind('/').is_none_or(|slash| slash < *colon));
        let name = colon.map_or(tagged, |colon| &tagged[..colon]);
        let end = at + tagged.len();
        Some(Self {
            name: name.to_owned(),
            tag: colon.map(|colon| at + colon + 1..end),
            digest: digest.map(|digest| end + 1..end + 1 + digest.len()),
            end_of_name: at + name.len(),
            is_plain_scalar: false,
        })
    }
}

/// The lines of a text without their ends, each with the byte at which it begins.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').scan(0, |offset, raw| {
        let start = *offset;
        *offset += raw.len();
        Some((start, raw.trim_end_matches(['\n', '\r'])))
    })
}
