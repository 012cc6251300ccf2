//! Reads the unified diff that git writes (git-diff, "generating patch text with -p"): files, hunks, lines.

use std::iter::Peekable;

/// Larger diffs are not looked at line by line.
pub(crate) const MAX_BYTES: usize = 32 * 1024 * 1024;
const MAX_FILES: usize = 20_000;

/// Everything that a patch changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Diff {
    pub(crate) files: Vec<File>,
}

/// What it does with one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct File {
    /// The path before; none for a file that is new.
    pub(crate) old: Option<String>,
    /// The path after; none for a file that is taken away.
    pub(crate) new: Option<String>,
    /// The mode after, in octal, where the diff says it.
    pub(crate) mode: Option<String>,
    pub(crate) binary: bool,
    pub(crate) hunks: Vec<Hunk>,
}

/// Lines that change together, with what stands around them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hunk {
    /// The first line, counted from 1; 0 where there is none.
    pub(crate) old_start: usize,
    pub(crate) new_start: usize,
    pub(crate) lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    /// Whether the file's last line ends here without a newline.
    pub(crate) unended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Kept,
    Removed,
    Added,
}

impl Diff {
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("the diff is larger than {MAX_BYTES} bytes"));
        }
        let mut diff = Self::default();
        let mut lines = text.split_inclusive('\n').map(bare).peekable();
        while let Some(line) = lines.next() {
            let Some(names) = line.strip_prefix("diff --git ") else { continue };
            if diff.files.len() >= MAX_FILES {
                return Err(format!("the diff names more than {MAX_FILES} files"));
            }
            let mut file = File::default();
            let mut named = both(names);
            let (mut comes, mut goes) = (false, false);
            while let Some(line) = lines.next_if(|line| !line.starts_with("diff --git ")) {
                if let Some(head) = line.strip_prefix("@@ -") {
                    file.hunks.push(
                        hunk(head, &mut lines)
                            .ok_or_else(|| format!("the diff can't be read at `{}`", cut(line)))?,
                    );
                } else if let Some(mode) = line.strip_prefix("new file mode ") {
                    (comes, file.mode) = (true, Some(mode.to_owned()));
                } else if line.starts_with("deleted file mode ") {
                    goes = true;
                } else if let Some(mode) = line.strip_prefix("new mode ") {
                    file.mode = Some(mode.to_owned());
                } else if let Some((_, mode)) =
                    line.strip_prefix("index ").and_then(|rest| rest.split_once(' '))
                {
                    file.mode.get_or_insert_with(|| mode.to_owned());
                } else if let Some(name) =
                    line.strip_prefix("rename from ").or_else(|| line.strip_prefix("copy from "))
                {
                    named.0 = Some(unquoted(name));
                } else if let Some(name) =
                    line.strip_prefix("rename to ").or_else(|| line.strip_prefix("copy to "))
                {
                    named.1 = Some(unquoted(name));
                } else if let Some(name) = line.strip_prefix("--- ") {
                    named.0 = after_side(name, "a/").or(named.0);
                } else if let Some(name) = line.strip_prefix("+++ ") {
                    named.1 = after_side(name, "b/").or(named.1);
                } else if line == "GIT binary patch" || line.starts_with("Binary files ") {
                    file.binary = true;
                }
            }
            file.old = named.0.filter(|_| !comes);
            file.new = named.1.filter(|_| !goes);
            diff.files.push(file);
        }
        Ok(diff)
    }
}

impl File {
    /// The path by which a person knows it.
    pub(crate) fn path(&self) -> &str {
        self.new.as_deref().or(self.old.as_deref()).unwrap_or_default()
    }

    pub(crate) fn added(&self) -> impl Iterator<Item = (usize, &str)> {
        self.hunks.iter().flat_map(Hunk::added)
    }
}

impl Hunk {
    /// The lines that it adds, with their numbers in the file after it.
    pub(crate) fn added(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut number = self.new_start;
        self.lines.iter().filter_map(move |line| {
            let at = number;
            number = number.saturating_add(usize::from(line.kind != Kind::Removed));
            (line.kind == Kind::Added).then_some((at, line.text.as_str()))
        })
    }

    /// The file as it would be without this hunk, given the file with it; none where that is not what the hunk says.
    pub(crate) fn taken_out(&self, text: &str) -> Option<String> {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let here: Vec<&Line> = self.lines.iter().filter(|line| line.kind != Kind::Removed).collect();
        // Where nothing is left the number is that of the line before.
        let start = if here.is_empty() { self.new_start } else { self.new_start.checked_sub(1)? };
        let end = start.checked_add(here.len()).filter(|end| *end <= lines.len())?;
        let same = lines[start..end].iter().zip(&here).all(|(line, known)| bare(line) == known.text);
        let before = self.lines.iter().filter(|line| line.kind != Kind::Added);
        same.then(|| {
            let mut text = lines[..start].concat();
            for line in before {
                text.push_str(&line.text);
                if !line.unended {
                    text.push('\n');
                }
            }
            text + &lines[end..].concat()
        })
    }
}

fn bare(line: &str) -> &str {
    line.strip_suffix('\n').unwrap_or(line)
}

fn cut(line: &str) -> String {
    line.chars().take(80).collect()
}

/// The lines of one hunk, as many as its head says.
fn hunk<'a>(head: &str, lines: &mut Peekable<impl Iterator<Item = &'a str>>) -> Option<Hunk> {
    let (old, rest) = head.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let range = |text: &str| -> Option<(usize, usize)> {
        let (start, length) = text.split_once(',').unwrap_or((text, "1"));
        Some((start.parse().ok()?, length.parse().ok()?))
    };
    let ((old_start, mut old_left), (new_start, mut new_left)) = (range(old)?, range(new)?);
    let mut hunk = Hunk { old_start, new_start, lines: Vec::new() };
    while old_left > 0 || new_left > 0 {
        let line = lines.next()?;
        let (kind, text) = match line.split_at_checked(1) {
            Some((" ", text)) => (Kind::Kept, text),
            Some(("-", text)) => (Kind::Removed, text),
            Some(("+", text)) => (Kind::Added, text),
            Some(_) | None => return None,
        };
        if kind != Kind::Added {
            old_left = old_left.checked_sub(1)?;
        }
        if kind != Kind::Removed {
            new_left = new_left.checked_sub(1)?;
        }
        let unended = lines.next_if(|next| next.starts_with('\\')).is_some();
        hunk.lines.push(Line { kind, text: text.to_owned(), unended });
    }
    Some(hunk)
}

/// Both names of `a/… b/…`, where they can be told apart: they are quoted, or the same.
fn both(names: &str) -> (Option<String>, Option<String>) {
    if names.starts_with('"') {
        let split = names.find("\" \"").map(|at| (&names[..=at], &names[at + 2..]));
        return match split {
            Some((old, new)) => (after_side(old, "a/"), after_side(new, "b/")),
            None => (None, None),
        };
    }
    let middle = names.len() / 2;
    match (names.get(..middle), names.get(middle + 1..)) {
        (Some(old), Some(new)) => (after_side(old, "a/"), after_side(new, "b/")),
        _ => (None, None),
    }
}

fn after_side(name: &str, side: &str) -> Option<String> {
    // Git ends a name that holds blanks with a tab.
    unquoted(name.trim_end_matches('\t')).strip_prefix(side).map(str::to_owned)
}

/// Without the quotes and escapes that git gives to unusual names.
fn unquoted(name: &str) -> String {
    let Some(inner) = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return name.to_owned();
    };
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let octal =
            rest.get(..3).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        let (byte, used) = match (octal, rest.first()) {
            (Some(byte), _) => (byte, 3),
            (None, Some(b'n')) => (b'\n', 1),
            (None, Some(b't')) => (b'\t', 1),
            (None, Some(b'r')) => (b'\r', 1),
            (None, Some(other)) => (*other, 1),
            (None, None) => (b'\\', 0),
        };
        bytes.push(byte);
        rest = &rest[used..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::{Diff, Kind};

    const DIFF: &str = "diff --git a/src/lib.rs b/src/lib.rs
index 83db48f84ec878fbfb30b46d16630e944e34f205..bf269f4 100644
--- a/src/lib.rs
+++ b/src/lib.rs
@@ -1,3 +1,4 @@ fn x() {
 a
-b
+B
+C
 d
\\ No newline at end of file
diff --git a/old name b/new name
similarity index 100%
rename from old name
rename to new name
diff --git \"a/\\303\\244.txt\" \"b/\\303\\244.txt\"
new file mode 100755
index 0000000..83db48f
--- /dev/null
+++ \"b/\\303\\244.txt\"
@@ -0,0 +1 @@
+-- x
diff --git a/gone b/gone
deleted file mode 100644
index 83db48f..0000000
--- a/gone
+++ /dev/null
@@ -1 +0,0 @@
-x
diff --git a/logo.png b/logo.png
new file mode 100644
index 0000000..83db48f
GIT binary patch
literal 3
KcmZ?wbhEHb
";

    #[test]
    fn files_hunks_and_lines_are_read() {
        let diff = Diff::read(DIFF).unwrap();
        let names: Vec<_> =
            diff.files.iter().map(|file| (file.old.as_deref(), file.new.as_deref())).collect();
        let expected = [
            (Some("src/lib.rs"), Some("src/lib.rs")),
            (Some("old name"), Some("new name")),
            (None, Some("ä.txt")),
            (Some("gone"), None),
            (None, Some("logo.png")),
        ];
        assert_eq!(names, expected);
        assert_eq!(diff.files[0].added().collect::<Vec<_>>(), [(2, "B"), (3, "C")]);
        assert_eq!(diff.files[2].mode.as_deref(), Some("100755"));
        assert!(diff.files[4].binary);
        let kinds: Vec<Kind> = diff.files[0].hunks[0].lines.iter().map(|line| line.kind).collect();
        assert_eq!(kinds, [Kind::Kept, Kind::Removed, Kind::Added, Kind::Added, Kind::Kept]);
    }

    #[test]
    fn a_hunk_is_taken_out_of_the_file_that_has_it() {
        let diff = Diff::read(DIFF).unwrap();
        let hunk = &diff.files[0].hunks[0];
        assert_eq!(hunk.taken_out("a\nB\nC\nd").as_deref(), Some("a\nb\nd"));
        assert_eq!(hunk.taken_out("a\nX\nC\nd"), None, "it is another file");
        assert_eq!(hunk.taken_out("a\n"), None);
        let only_removes = "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -2 +1,0 @@\n-b\n";
        let diff = Diff::read(only_removes).unwrap();
        assert_eq!(diff.files[0].hunks[0].taken_out("a\nc\n").as_deref(), Some("a\nb\nc\n"));
    }

    #[test]
    fn a_hunk_that_is_not_whole_is_refused() {
        let text = "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1,9 +1,9 @@\n a\n";
        assert!(Diff::read(text).unwrap_err().contains("@@ -1,9"));
        let huge = "diff --git a/f b/f\n@@ -1,18446744073709551615 +1,99 @@\n a\n";
        assert!(Diff::read(huge).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(
            noise in any::<String>(),
            cuts in prop::collection::vec((0..DIFF.len(), 0..DIFF.len()), 0..8),
            file in any::<String>(),
        ) {
            let piece = |(a, b): &(usize, usize)| {
                String::from_utf8_lossy(&DIFF.as_bytes()[*a.min(b)..*a.max(b)]).into_owned()
            };
            let text = cuts.iter().map(piece).chain([noise]).collect::<Vec<_>>().concat();
            if let Ok(diff) = Diff::read(&text) {
                for hunk in diff.files.iter().flat_map(|file| &file.hunks) {
                    let _ = hunk.taken_out(&file);
                    hunk.added().for_each(drop);
                }
            }
        }
    }
}
