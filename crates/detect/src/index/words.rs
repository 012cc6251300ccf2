//! The words of a file: what the versions of many packages end with, and the names of ecosystems. Each is written once, and
//! called by its number.

use hashbrown::HashMap;

use crate::index::codec::{Damaged, Reader, put_number, put_text};

/// So many that two bytes call any of them.
const MOST: usize = 1 << 13;
/// What was met less often in a sample is not worth its place.
const LEAST_MET: u64 = 3;

/// Words as they are read.
#[derive(Clone, Debug, Default)]
pub struct Words {
    all: String,
    ends: Vec<usize>,
}

/// Words as they are written.
#[derive(Debug, Default)]
pub struct Dictionary {
    places: HashMap<Box<str>, u64>,
    written: Vec<u8>,
}

impl Words {
    pub fn read(bytes: &[u8]) -> Result<Self, Damaged> {
        let (mut words, mut reader) = (Self::default(), Reader(bytes));
        while !reader.is_empty() {
            words.all.push_str(reader.text()?);
            words.ends.push(words.all.len());
        }
        Ok(words)
    }

    /// The next text: one of the words, or one that is written out.
    pub fn text<'a>(&'a self, reader: &mut Reader<'a>) -> Result<&'a str, Damaged> {
        let number = reader.number()?;
        match number & 1 {
            0 => reader.text_of(number >> 1),
            _ => self.word(number >> 1).ok_or(Damaged("it lacks a word that it calls")),
        }
    }

    fn word(&self, place: u64) -> Option<&str> {
        let place = usize::try_from(place).ok()?;
        let end = *self.ends.get(place)?;
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.all.get(start..end)
    }
}

impl Dictionary {
    /// The words that save the most, by how often each text was met in a sample.
    pub fn of(met: HashMap<&str, u64>) -> Self {
        let worth = |(text, count): &(&str, u64)| count * (text.len() as u64).saturating_sub(1);
        let mut met: Vec<(&str, u64)> = met.into_iter().filter(|(_, count)| *count >= LEAST_MET).collect();
        met.retain(|one| worth(one) > 0);
        met.sort_unstable_by(|left, right| worth(right).cmp(&worth(left)).then_with(|| left.0.cmp(right.0)));
        met.truncate(MOST);
        let mut dictionary = Self::default();
        for (place, (text, _)) in met.into_iter().enumerate() {
            put_text(&mut dictionary.written, text);
            dictionary.places.insert(text.into(), place as u64);
        }
        dictionary
    }

    /// Writes a text, or calls it by its number.
    pub fn put(&self, out: &mut Vec<u8>, text: &str) {
        match self.places.get(text) {
            Some(place) => put_number(out, place << 1 | 1),
            None => {
                put_number(out, (text.len() as u64) << 1);
                out.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// All words, as they are read again.
    pub fn written(&self) -> &[u8] {
        &self.written
    }
}

#[cfg(test)]
mod tests {
    use hashbrown::HashMap;
    use proptest::prelude::{any, prop, proptest};

    use super::{Dictionary, Words};
    use crate::index::codec::Reader;

    #[test]
    fn what_is_met_often_is_called_by_a_number() {
        let met = HashMap::from([("-150400.1", 9), ("ubuntu0.1", 8), ("", 99), ("x", 99), ("seldom", 2)]);
        let dictionary = Dictionary::of(met);
        let check = |text: &str, then: &[u8]| {
            let mut out = Vec::new();
            dictionary.put(&mut out, text);
            assert_eq!(out, then, "{text}");
        };
        check("-150400.1", &[1]);
        check("ubuntu0.1", &[3]);
        check("x", &[2, b'x']);
        check("", &[0]);
        check("seldom", &[12, b's', b'e', b'l', b'd', b'o', b'm']);
    }

    proptest! {
        #[test]
        fn texts_read_as_they_were_put(words in prop::collection::vec(".{0,12}", 0..20), texts in prop::collection::vec(".{0,12}", 0..20)) {
            let dictionary = Dictionary::of(words.iter().map(|word| (word.as_str(), 5)).collect());
            let read = Words::read(dictionary.written()).expect("words");
            for text in words.iter().chain(&texts) {
                let mut out = Vec::new();
                dictionary.put(&mut out, text);
                let mut reader = Reader(&out);
                assert_eq!((read.text(&mut reader), reader.is_empty()), (Ok(text.as_str()), true));
            }
        }

        #[test]
        fn any_bytes_are_words_and_texts_or_refused(words in prop::collection::vec(any::<u8>(), 0..60), bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let words = Words::read(&words).unwrap_or_default();
            let mut reader = Reader(&bytes);
            while words.text(&mut reader).is_ok() {}
        }
    }
}
