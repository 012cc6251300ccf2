//! `modified_id.csv`: a line a record, `<time>,<id>`, the newest first. Pure.

use std::collections::BTreeMap;

use crate::osv::record::{Moment, is_id};

/// What a feed says that is new.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Ids that changed after the time that was given, each with its last change.
    pub changes: BTreeMap<String, Moment>,
    /// The time of the newest change of all.
    pub newest: Option<Moment>,
}

/// Reads a feed; an error says in which line it is none. The order is not relied upon: a line out of place would hide all
/// that come after it.
pub fn news(text: &[u8], since: Option<Moment>) -> Result<News, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut news = News::default();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = || format!("line {} is not `<time>,<id>`", number + 1);
        let (time, id) = line.trim().split_once(',').ok_or_else(wrong)?;
        let modified = Moment::try_from(time).map_err(|_| wrong())?;
        if !is_id(id) {
            return Err(wrong());
        }
        news.newest = news.newest.max(Some(modified));
        if since.is_none_or(|since| modified > since) {
            let known = news.changes.entry(id.to_owned()).or_insert(modified);
            *known = modified.max(*known);
        }
    }
    Ok(news)
}

/// The ecosystems of `ecosystems.txt`, without their releases, each once.
pub fn ecosystems(text: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
    let names = text.lines().filter_map(|line| line.trim().split(':').next());
    let mut names: Vec<String> = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::{ecosystems, news};
    use crate::osv::record::Moment;

    fn check(given: &str, since: Option<&str>, then: Result<&[&str], &str>) {
        let since = since.map(|time| Moment::try_from(time).expect("a time"));
        let found = news(given.as_bytes(), since);
        let found = found.as_ref().map(|news| news.changes.keys().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(found.map_err(String::as_str), then.map(<[&str]>::to_vec), "{given}");
    }

    #[test]
    fn what_changed_after_the_last_time_is_new() {
        let feed = "2024-03-01T00:00:00.5Z,C-1\n2024-02-01T00:00:00Z,B-1\r\n\n2024-01-01T00:00:00Z,A-1\n";
        check(feed, None, Ok(&["A-1", "B-1", "C-1"]));
        check(feed, Some("2024-02-01T00:00:00Z"), Ok(&["C-1"]));
        check(feed, Some("2024-03-01T00:00:00.5Z"), Ok(&[]));
        check("", None, Ok(&[]));
        check(
            "2024-01-01T00:00:00Z,A-1\n2024-03-01T00:00:00Z,C-1",
            Some("2024-02-01T00:00:00Z"),
            Ok(&["C-1"]),
        );
    }

    #[test]
    fn what_is_no_feed_is_refused_by_its_line() {
        check("<html>", None, Err("line 1 is not `<time>,<id>`"));
        check("2024-03-01T00:00:00Z,C-1\nyesterday,B-1", None, Err("line 2 is not `<time>,<id>`"));
        check("2024-03-01T00:00:00Z,../../x", None, Err("line 1 is not `<time>,<id>`"));
    }

    #[test]
    fn releases_are_no_ecosystems_of_their_own() {
        let text = b"npm\nDebian\nDebian:11\nDebian:12\n\nGo\n";
        assert_eq!(ecosystems(text).expect("names"), ["Debian", "Go", "npm"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_feed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (news(&bytes, None), ecosystems(&bytes));
        }
    }
}
