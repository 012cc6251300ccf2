//! Small words of the pages: spans, ages, numbers, links, chips. Foreign text is escaped, and links lead to http only.

use maud::{Markup, html};
use patchline_model::digest::Digest;
use patchline_model::time::Timestamp;
use patchline_model::triage::action::Action;
use patchline_model::view::story::Mood;

/// Links made from one text, at most.
const MOST_LINKS: usize = 20;

/// A span as people say it: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`.
pub fn span(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "–".to_owned();
    }
    if seconds < 0.05 {
        return "0 s".to_owned();
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    let (minutes, hours, days) = (whole / 60, whole / 3600, whole / 86_400);
    match (minutes, hours, days) {
        (0, _, _) => format!("{whole} s"),
        (_, 0, _) => format!("{minutes} min {} s", whole % 60),
        (_, _, 0) => format!("{hours} h {} min", minutes % 60),
        (_, _, _) => format!("{days} d {} h", hours % 24),
    }
}

/// A point in time, as `2026-11-21 22:38:05 UTC`, with the exact one for machines.
pub fn time(at: Timestamp) -> Markup {
    html! { (bare_time(at)) " UTC" }
}

/// The same where the reader has been told that it is UTC.
pub fn bare_time(at: Timestamp) -> Markup {
    let exact = at.to_string();
    let shown = exact.get(..19).unwrap_or(&exact).replace('T', " ");
    html! { time datetime=(exact) title=(exact) { (shown) } }
}

/// How long ago, roughly.
pub fn age(at: Timestamp, now: Timestamp) -> String {
    match now.seconds_since(at) {
        seconds if seconds < 5.0 => "just now".to_owned(),
        seconds => format!("{} ago", roughly(seconds)),
    }
}

/// When something is due, seen from now.
pub fn until(due: Timestamp, now: Timestamp) -> String {
    if due < now {
        format!("{} overdue", roughly(now.seconds_since(due)))
    } else {
        format!("due in {}", roughly(due.seconds_since(now)))
    }
}

fn roughly(seconds: f64) -> String {
    let whole = seconds as u64;
    let of = |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min", whole / 60),
        3600..172_800 => format!("{} h", whole / 3600),
        _ => of(whole / 86_400, "day", "days"),
    }
}

/// A whole number with thin spaces between thousands.
pub fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A part of a whole as a percentage; `–` of nothing.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let value = part as f64 / whole as f64 * 100.0;
    if value == 0.0 || value >= 9.995 { format!("{value:.0} %") } else { format!("{value:.2} %") }
}

pub fn bytes(count: u64) -> String {
    match count {
        0..1024 => format!("{count} B"),
        1024..1_048_576 => format!("{:.1} KiB", count as f64 / 1024.0),
        _ => format!("{:.1} MiB", count as f64 / 1_048_576.0),
    }
}

/// A link to a blob.
pub fn evidence(digest: &Digest, text: &str) -> Markup {
    html! { a.evidence href={ "/api/v1/blobs/" (digest) } title=(digest) { (text) } }
}

/// A digest, shortened, that links to its blob.
pub fn digest_link(digest: &Digest) -> Markup {
    html! { a.evidence href={ "/api/v1/blobs/" (digest) } title=(digest) { code { (digest.short()) } } }
}

/// Triage's answer as a chip: text first, colour beside it.
pub fn action_chip(action: Action) -> Markup {
    let class = match action {
        Action::ActNow => "bad",
        Action::Schedule => "warn",
        Action::Watch => "plain",
        Action::NotAffected => "good",
    };
    chip(class, action.words())
}

pub fn chip(class: &str, text: &str) -> Markup {
    html! { span class={ "chip " (class) } { (text) } }
}

/// How a patch ended, as people read it, and how to take it.
pub fn outcome(word: &str) -> (&'static str, &'static str) {
    match word {
        "promoted" => ("good", "promoted"),
        "handed_over" => ("good", "handed over"),
        "nothing_to_do" => ("good", "nothing to do"),
        "rolled_back" => ("warn", "rolled back"),
        _ => ("bad", "abandoned"),
    }
}

pub fn mood_class(mood: Mood) -> &'static str {
    match mood {
        Mood::Plain => "plain",
        Mood::Good => "good",
        Mood::Warn => "warn",
        Mood::Bad => "bad",
    }
}

/// Foreign text, in which addresses that begin with `http://` or `https://` become links. Nothing else does.
pub fn linked(text: &str) -> Markup {
    let mut pieces = Vec::new();
    let mut rest = text;
    while pieces.len() < MOST_LINKS
        && let Some((before, address, after)) = next_address(rest)
    {
        pieces.push((before, address));
        rest = after;
    }
    html! {
        @for (before, address) in pieces {
            (before) a href=(address) rel="noopener noreferrer nofollow" { (address) }
        }
        (rest)
    }
}

fn next_address(text: &str) -> Option<(&str, &str, &str)> {
    let starts = ["https://", "http://"].map(|scheme| text.find(scheme));
    let start = starts.into_iter().flatten().min()?;
    let ends =
        |letter: char| letter.is_whitespace() || letter.is_control() || "<>\"'`()[]{}|\\^".contains(letter);
    let length = text[start..].find(ends).unwrap_or(text.len() - start);
    let address = text[start..start + length].trim_end_matches(['.', ',', ';', ':', '!', '?']);
    Some((&text[..start], address, &text[start + address.len()..]))
}

#[cfg(test)]
mod tests {
    use super::{linked, number, percent, span};
    use proptest::prelude::{prop_assert, proptest};

    #[test]
    fn spans_are_said_as_people_say_them() {
        let said = [0.42, 12.4, 185.0, 7800.0, 273_600.0, f64::NAN, -1.0].map(span);
        assert_eq!(said, ["0.4 s", "12 s", "3 min 5 s", "2 h 10 min", "3 d 4 h", "–", "–"]);
    }

    #[test]
    fn numbers_and_parts_are_readable() {
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(number(7), "7");
        assert_eq!(
            [percent(0, 0), percent(0, 9), percent(1, 200), percent(1, 1)],
            ["–", "0 %", "0.50 %", "100 %"]
        );
    }

    #[test]
    fn only_web_addresses_become_links() {
        let shown = linked("see https://a.example/x?y=1&z, not javascript:alert(1) <b>").into_string();
        assert!(shown.contains("href=\"https://a.example/x?y=1&amp;z\""), "{shown}");
        assert_eq!(shown.matches("href").count(), 1, "{shown}");
        assert!(shown.contains("&lt;b&gt;"), "{shown}");
    }

    proptest! {
        #[test]
        fn whatever_is_linked_stays_text(text in "(https?://|javascript:|[<>\"'& a.]|\\PC){0,40}") {
            let shown = linked(&text).into_string();
            let tags = shown.matches('<').count();
            prop_assert!(tags == 2 * shown.matches("<a href=\"http").count(), "{}", shown);
            let words = shown.replace("</a>", "");
            prop_assert!(!words.contains("javascript:\""));
        }
    }
}
