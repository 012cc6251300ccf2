//! Foreign text inside Markdown: it stays text. No tags, headings, links or mentions that somebody else wrote.
//!
//! Rules: <https://spec.commonmark.org/0.31.2/> and the autolinks that forges add to it.

/// Longest foreign text that is shown, in characters.
const LONGEST: usize = 500;

/// One line of foreign text, as Markdown that shows the same words and nothing else. What stands between single
/// backticks stays a code span.
pub fn line(text: &str) -> String {
    let text = tidy(text);
    let parts: Vec<&str> = text.split('`').collect();
    let pairs = parts.len() % 2 == 1;
    let spans = parts.iter().skip(1).step_by(2).all(|part| !part.trim().is_empty());
    if !(pairs && spans) {
        return escaped(&text, true);
    }
    let part = |(index, part): (usize, &&str)| {
        if index % 2 == 1 { format!("`{part}`") } else { escaped(part, index == 0) }
    };
    parts.iter().enumerate().map(part).collect()
}

/// Text in which no letter means anything to Markdown.
fn escaped(text: &str, begins_line: bool) -> String {
    let text: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let opening = opening(&text).filter(|_| begins_line);
    for (index, &letter) in text.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| text.get(index)).copied();
        let after = text.get(index + 1).copied();
        if Some(index) == opening || is_markup(before, letter, after, text.get(index + 2).copied()) {
            out.push('\\');
        }
        out.push(letter);
        let is_mention = letter == '@' && after.is_some_and(char::is_alphanumeric);
        let is_number = matches!(letter, '#' | '!') && after.is_some_and(|after| after.is_ascii_digit());
        let is_short =
            letter == '-' && after.is_some_and(|after| after.is_ascii_digit()) && follows_gh(&text, index);
        if is_mention || is_number || is_short {
            // Forges read mentions, and issues that a merge closes, out of the shown text, where a backslash is gone: break
            // the word instead.
            out.push('\u{200b}');
        }
    }
    out
}

/// `GH-12` is another way to name an issue.
fn follows_gh(text: &[char], dash: usize) -> bool {
    let before = dash.checked_sub(2).and_then(|start| text.get(start..dash));
    before.is_some_and(|two| two.iter().collect::<String>().eq_ignore_ascii_case("gh"))
}

/// Foreign text as a code span; empty when there is nothing to show.
pub fn code(text: &str) -> String {
    let text = tidy(text);
    if text.is_empty() {
        return text;
    }
    // A code span ends at as many backticks as it began with.
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// On one line, without what can't be seen, and not too long.
fn tidy(text: &str) -> String {
    let visible = text.chars().take(LONGEST * 8).map(|letter| if is_hidden(letter) { ' ' } else { letter });
    let visible: String = visible.collect();
    let joined = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    if joined.chars().nth(LONGEST).is_none() {
        return joined;
    }
    joined.chars().take(LONGEST).chain(['…']).collect()
}

/// Controls, and the marks that reorder or hide text.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Where the sign stands that would make the line a heading, a list, a quote, a rule or a fence.
fn opening(text: &[char]) -> Option<usize> {
    let digits = text.iter().take_while(|letter| letter.is_ascii_digit()).count();
    match text.get(digits) {
        Some('#' | '+' | '-' | '=' | '>' | '~') if digits == 0 => Some(0),
        Some('.' | ')') if digits > 0 && text.get(digits + 1).is_none_or(|after| *after == ' ') => {
            Some(digits)
        }
        _ => None,
    }
}

/// Whether the letter would mean something here.
fn is_markup(before: Option<char>, letter: char, after: Option<char>, then: Option<char>) -> bool {
    let inside_word = before.is_some_and(char::is_alphanumeric) && after.is_some_and(char::is_alphanumeric);
    match letter {
        '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '~' | '|' | '$' => true,
        '_' => !inside_word,
        '&' => after.is_some_and(|after| after == '#' || after.is_ascii_alphanumeric()),
        ':' => after == Some('/') && then == Some('/'),
        '.' => matches!(before, Some('w' | 'W')),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{code, line};

    fn check(given: &str, then: &str) {
        assert_eq!(line(given), then, "{given:?}");
    }

    #[test]
    fn plain_words_stay_as_they_are() {
        check(
            "uncontrolled recursion in yaml-rust 0.4.0 (snake_case & more)",
            "uncontrolled recursion in yaml-rust 0.4.0 (snake_case & more)",
        );
    }

    #[test]
    fn markup_is_shown_and_not_obeyed() {
        check("<script>alert(1)</script>", "\\<script\\>alert(1)\\</script\\>");
        check("# Fake heading", "\\# Fake heading");
        check("good\n\n# Fake heading\n", "good # Fake heading");
        check("---", "\\---");
        check("1. one", "1\\. one");
        check("2026) x", "2026\\) x");
        check("0.4.1 is fixed", "0.4.1 is fixed");
        check("`a<b` and <b>", "`a<b` and \\<b\\>");
        check("one ` only", "one \\` only");
        check("``two``", "\\`\\`two\\`\\`");
        check("[text](https://example.com)", "\\[text\\](https\\://example.com)");
        check("![image](x)", "!\\[image\\](x)");
        check("**bold** _it_", "\\*\\*bold\\*\\* \\_it\\_");
        check("&lt;b&gt; &#60;", "\\&lt;b\\&gt; \\&#\u{200b}60;");
        check("www.example.com", "www\\.example.com");
        check("@everyone", "@\u{200b}everyone");
        check("closes #12, GH-3 and o/r!4", "closes #\u{200b}12, GH-\u{200b}3 and o/r!\u{200b}4");
        check("a\u{202e}b\u{0}c", "a b c");
    }

    #[test]
    fn a_code_span_holds_its_backticks() {
        assert_eq!(code("Cargo.lock:12"), "`Cargo.lock:12`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("``"), "``` `` ```");
        assert_eq!(code(" \n"), "");
    }

    #[test]
    fn long_text_is_cut() {
        assert!(line(&"x".repeat(1_000_000)).chars().count() <= 501);
    }

    /// The letters that no backslash precedes.
    fn bare(text: &str) -> Vec<char> {
        let mut bare = Vec::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => drop(letters.next()),
                other => bare.push(other),
            }
        }
        bare
    }

    /// What stands outside of code spans, which begin and end with a backtick that no backslash precedes.
    fn without_spans(text: &str) -> String {
        let mut out = String::new();
        let (mut inside, mut escaped) = (false, false);
        for letter in text.chars() {
            if letter == '`' && !escaped {
                inside = !inside;
            } else if !inside {
                out.push(letter);
            }
            escaped = letter == '\\' && !escaped && !inside;
        }
        assert!(!inside, "a code span is left open in {text:?}");
        out
    }

    proptest! {
        #[test]
        fn no_text_becomes_a_tag_a_link_or_a_second_line(text in r"[a-c#<>\[\]()!`*_~|&;:/\\\-+=. \n\r\t0-9@\PC]{0,60}") {
            let shown = line(&text);
            let bare = bare(&without_spans(&shown));
            assert!(!bare.iter().any(|letter| "<>[]`*~|\n\r".contains(*letter)), "{shown:?}");
            assert!(!matches!(bare.first(), Some('#' | '+' | '-' | '=' | '>')) || shown.starts_with(['\\', '`']), "{shown:?}");
            let visible =
                |text: &str| text.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect::<String>();
            assert_eq!(visible(&shown), visible(&text), "no word is lost");
        }

        #[test]
        fn a_code_span_closes_where_it_should(text in r"[ab` \n<]{0,20}") {
            let span = code(&text);
            if !span.is_empty() {
                let fence = span.chars().take_while(|letter| *letter == '`').count();
                let runs: Vec<usize> = span.split(|letter| letter != '`').map(str::len).filter(|run| *run == fence).collect();
                assert_eq!(runs.len(), 2, "{span:?}");
                assert!(!span.contains('\n'));
            }
        }
    }
}
