//! A source file, and where in it lines, columns and offsets are.

use patchline_model::analyzer::Region;

use crate::analyzer::raw::{Span, Unit};

/// A text with the places of its lines. A line ends with `\n`, `\r\n` or `\r`.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) text: String,
    /// Where each line begins, and where its end of line begins.
    lines: Vec<(usize, usize)>,
}

impl Text {
    pub(crate) fn new(text: String) -> Self {
        let bytes = text.as_bytes();
        let (mut lines, mut start, mut at) = (Vec::new(), 0, 0);
        while at < bytes.len() {
            let ends = match bytes[at] {
                b'\n' => 1,
                b'\r' if bytes.get(at + 1) == Some(&b'\n') => 2,
                b'\r' => 1,
                _ => {
                    at += 1;
                    continue;
                }
            };
            lines.push((start, at));
            at += ends;
            start = at;
        }
        lines.push((start, bytes.len()));
        Self { text, lines }
    }

    /// What stands in the line, counted from 1, without its end.
    pub(crate) fn line(&self, number: u32) -> Option<&str> {
        let (start, end) = *self.lines.get(usize::try_from(number).ok()?.checked_sub(1)?)?;
        self.text.get(start..end)
    }

    /// The bytes of a part; none where the file has no such part.
    pub(crate) fn bytes(&self, span: Span) -> Option<(usize, usize)> {
        let (start, end) = match span {
            Span::Lines { line, column, end_line, end_column, unit } => {
                let start = self.offset(line, column.unwrap_or(1), unit)?;
                let end = match end_column {
                    Some(column) => self.offset(end_line, column, unit)?,
                    None => self.lines.get(usize::try_from(end_line).ok()?.checked_sub(1)?)?.1,
                };
                (start, end)
            }
            Span::Offsets { start, length, unit } => {
                let end = start.checked_add(length)?;
                (self.counted(&self.text, start, unit)?, self.counted(&self.text, end, unit)?)
            }
        };
        (start <= end).then_some((start, end))
    }

    /// The same from the beginning of its first line to the end of its last.
    pub(crate) fn whole_lines(&self, span: Span) -> Option<(usize, usize)> {
        let (start, end) = self.bytes(span)?;
        let of = |at: usize| self.lines[self.line_at(at)];
        // What ends where a line begins does not reach into it.
        let last = if end > start && of(end).0 == end { end - 1 } else { end };
        Some((of(start).0, of(last).1))
    }

    /// Lines and columns, counted in code points, of a part in bytes.
    pub(crate) fn region(&self, (start, end): (usize, usize)) -> Option<Region> {
        let place = |at: usize| {
            let line = self.line_at(at);
            let before = self.text.get(self.lines[line].0..at)?;
            Some((u32::try_from(line).ok()? + 1, u32::try_from(before.chars().count()).ok()? + 1))
        };
        let ((line, column), (end_line, end_column)) = (place(start)?, place(end)?);
        Some(Region { line, column, end_line, end_column })
    }

    fn line_at(&self, at: usize) -> usize {
        self.lines.partition_point(|(start, _)| *start <= at).saturating_sub(1)
    }

    /// A place in a line; one past its last letter is its end.
    fn offset(&self, line: u32, column: u32, unit: Unit) -> Option<usize> {
        let (start, _) = *self.lines.get(usize::try_from(line).ok()?.checked_sub(1)?)?;
        let text = self.line(line)?;
        Some(start + self.counted(text, u64::from(column.checked_sub(1)?), unit)?)
    }

    /// The bytes that so many units take; none where that is past the end, or within a letter.
    fn counted(&self, text: &str, number: u64, unit: Unit) -> Option<usize> {
        let width = |letter: char| match unit {
            Unit::Bytes => letter.len_utf8() as u64,
            Unit::CodePoints => 1,
            Unit::Utf16 => letter.len_utf16() as u64,
        };
        if text.is_ascii() || unit == Unit::Bytes {
            let at = usize::try_from(number).ok()?;
            return text.is_char_boundary(at).then_some(at);
        }
        let mut seen = 0;
        for (at, letter) in text.char_indices() {
            if seen >= number {
                return (seen == number).then_some(at);
            }
            seen += width(letter);
        }
        (seen == number).then_some(text.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::Text;
    use crate::analyzer::raw::{Span, Unit};

    const SAMPLE: &str = "ab\näö😀x\r\nlast";

    fn check(span: Span, then: Option<&str>) {
        let text = Text::new(SAMPLE.to_owned());
        assert_eq!(text.bytes(span).map(|(start, end)| &SAMPLE[start..end]), then, "{span:?}");
    }

    fn lines(line: u32, column: u32, end_line: u32, end_column: u32, unit: Unit) -> Span {
        Span::Lines { line, column: Some(column), end_line, end_column: Some(end_column), unit }
    }

    #[test]
    fn columns_are_counted_in_the_unit_that_is_said() {
        check(lines(2, 3, 2, 4, Unit::CodePoints), Some("😀"));
        check(lines(2, 3, 2, 5, Unit::Utf16), Some("😀"));
        check(lines(2, 5, 2, 9, Unit::Bytes), Some("😀"));
        check(lines(2, 3, 2, 4, Unit::Utf16), None);
        check(lines(2, 2, 2, 5, Unit::Bytes), None);
        check(lines(1, 1, 2, 1, Unit::Utf16), Some("ab\n"));
        check(lines(2, 5, 3, 1, Unit::CodePoints), Some("\r\n"));
        check(lines(3, 5, 3, 5, Unit::CodePoints), Some(""));
        check(lines(3, 5, 3, 6, Unit::CodePoints), None);
        check(lines(4, 1, 4, 1, Unit::CodePoints), None);
        check(lines(2, 1, 1, 1, Unit::CodePoints), None);
        check(lines(0, 1, 1, 1, Unit::CodePoints), None);
        check(
            Span::Lines { line: 2, column: None, end_line: 2, end_column: None, unit: Unit::Utf16 },
            Some("äö😀x"),
        );
        check(Span::Offsets { start: 5, length: 2, unit: Unit::Utf16 }, Some("😀"));
        check(Span::Offsets { start: 7, length: 4, unit: Unit::Bytes }, Some("😀"));
        check(Span::Offsets { start: u64::MAX, length: 2, unit: Unit::Bytes }, None);
    }

    #[test]
    fn whole_lines_hold_what_they_touch_and_no_more() {
        let text = Text::new(SAMPLE.to_owned());
        let whole = |span| text.whole_lines(span).map(|(start, end)| &SAMPLE[start..end]);
        assert_eq!(whole(lines(2, 3, 2, 4, Unit::CodePoints)), Some("äö😀x"));
        assert_eq!(whole(lines(1, 2, 2, 1, Unit::CodePoints)), Some("ab"));
        assert_eq!(whole(lines(1, 2, 3, 2, Unit::CodePoints)), Some(SAMPLE));
    }

    proptest! {
        #[test]
        fn no_place_is_outside_of_the_text(
            text in "(?s).{0,60}", a in any::<u32>(), b in 0u32..9, c in 0u32..9, d in 0u32..9, e in 0u64..70, unit in 0usize..3,
        ) {
            let unit = [Unit::Bytes, Unit::CodePoints, Unit::Utf16][unit];
            let known = Text::new(text.clone());
            for span in [lines(b, c, d, a % 9, unit), lines(a, c, d, b, unit), Span::Offsets { start: e, length: u64::from(a), unit },
                Span::Offsets { start: e, length: u64::from(b), unit }] {
                if let Some(bytes) = known.bytes(span) {
                    prop_assert!(text.get(bytes.0..bytes.1).is_some());
                    prop_assert!(known.region(bytes).is_some());
                    let whole = known.whole_lines(span).expect("it has lines");
                    prop_assert!(text.get(whole.0..whole.1).is_some() && whole.0 <= bytes.0);
                }
            }
        }
    }
}
