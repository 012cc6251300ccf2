//! Line numbers of offsets.

/// Counts lines from where it last was; what is asked for mostly stands in the order of the file, so that is short.
pub struct Lines<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
}

impl<'a> Lines<'a> {
    pub fn of(text: &'a str) -> Self {
        Self { text, offset: 0, line: 1 }
    }

    /// The line of this byte, from 1.
    pub fn line_of(&mut self, offset: usize) -> u32 {
        let bytes = self.text.as_bytes();
        let newlines = |range| {
            let part: &[u8] = bytes.get::<std::ops::Range<usize>>(range).unwrap_or_default();
            part.iter().filter(|byte| **byte == b'\n').count()
        };
        let offset = offset.min(bytes.len());
        if offset < self.offset {
            self.line -= newlines(offset..self.offset);
        } else {
            self.line += newlines(self.offset..offset);
        }
        self.offset = offset;
        u32::try_from(self.line).unwrap_or(u32::MAX)
    }
}
