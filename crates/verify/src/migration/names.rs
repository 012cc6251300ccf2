//! What the tools' conventions say of a migration: which way it goes, in which order it comes, whether a transaction is around it.

use std::cmp::Ordering;

/// Comments by which a file says that no transaction is to be around it.
const WITHOUT_TRANSACTION: [&str; 3] = ["no-transaction", "+goose no transaction", "transaction:false"];

/// Comments that begin the way up and the way down in one file (goose, dbmate).
const UP: [&str; 2] = ["+goose up", "migrate:up"];
const DOWN: [&str; 2] = ["+goose down", "migrate:down"];

/// Whether the file takes a migration back: `….down.sql` (golang-migrate, sqlx), `down.sql` (diesel), `U…__….sql` (Flyway).
pub(crate) fn is_down(path: &str) -> bool {
    let name = name_of(path);
    name.ends_with(".down.sql") || name == "down.sql" || flyway(name, 'U').is_some()
}

/// Where the way down of a migration lies, if it is in a file of its own.
pub(crate) fn down_of(path: &str) -> Vec<String> {
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
    let stem = name.strip_suffix(".sql").unwrap_or(name);
    let names = match (stem.strip_suffix(".up"), stem, flyway(name, 'V')) {
        (Some(stem), _, _) => vec![format!("{stem}.down.sql")],
        (None, "up", _) => vec!["down.sql".to_owned()],
        (None, _, Some(rest)) => vec![format!("U{rest}")],
        (None, stem, None) => vec![format!("{stem}.down.sql")],
    };
    let place = |name: String| if folder.is_empty() { name } else { format!("{folder}/{name}") };
    names.into_iter().map(place).collect()
}

/// Whether it is applied again whenever it changes, after all others (Flyway's `R__….sql`).
pub(crate) fn is_repeatable(path: &str) -> bool {
    name_of(path).starts_with("R__")
}

/// Numbers in names count as numbers: `V2` comes before `V10`.
pub(crate) fn order(a: &str, b: &str) -> Ordering {
    let key = |path: &str| (is_repeatable(path), parts(path));
    key(a).cmp(&key(b)).then_with(|| a.cmp(b))
}

/// The way up and the way down of one file, both with the lines of the file, so that what is found has its number.
pub(crate) fn ways(text: &str) -> (String, Option<String>) {
    let (mut up, mut down) = (String::new(), String::new());
    let (mut goes_down, mut has_down) = (false, false);
    for line in text.split_inclusive('\n') {
        let said = comment(line);
        if UP.iter().any(|mark| said.starts_with(mark)) {
            goes_down = false;
        } else if DOWN.iter().any(|mark| said.starts_with(mark)) {
            (goes_down, has_down) = (true, true);
        }
        let (here, there) = if goes_down { (&mut down, &mut up) } else { (&mut up, &mut down) };
        here.push_str(line);
        there.push('\n');
    }
    if has_down { (up, Some(down)) } else { (text.to_owned(), None) }
}

pub(crate) fn is_without_transaction(text: &str) -> bool {
    text.lines().map(comment).any(|said| WITHOUT_TRANSACTION.iter().any(|mark| said.contains(mark)))
}

/// What a line says as a comment, in lower case.
fn comment(line: &str) -> String {
    line.trim_start().strip_prefix("--").map(|said| said.trim().to_ascii_lowercase()).unwrap_or_default()
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn flyway(name: &str, letter: char) -> Option<&str> {
    let rest = name.strip_prefix(letter)?;
    (rest.starts_with(|first: char| first.is_ascii_digit()) && rest.contains("__")).then_some(rest)
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u128),
    Text(String),
}

fn parts(path: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end = rest.find(|letter: char| letter.is_ascii_digit() != digits).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        parts.push(match part.parse() {
            Ok(number) if digits => Part::Number(number),
            _ => Part::Text(part.to_owned()),
        });
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::{down_of, is_down, is_without_transaction, order, ways};

    #[test]
    fn each_tool_s_names_are_known() {
        for (path, down, way_down) in [
            ("db/1_a.up.sql", false, "db/1_a.down.sql"),
            ("1/up.sql", false, "1/down.sql"),
            ("V2__a.sql", false, "U2__a.sql"),
            ("db/1_a.sql", false, "db/1_a.down.sql"),
            ("Users.sql", false, "Users.down.sql"),
            ("db/1_a.down.sql", true, ""),
            ("1/down.sql", true, ""),
            ("U2__a.sql", true, ""),
        ] {
            assert_eq!(is_down(path), down, "{path}");
            assert!(down || down_of(path) == [way_down], "{path}");
        }
        let mut paths = ["R__views.sql", "V10__b.sql", "V2__a.sql", "V2.1__a.sql"];
        paths.sort_by(|a, b| order(a, b));
        assert_eq!(paths, ["V2.1__a.sql", "V2__a.sql", "V10__b.sql", "R__views.sql"]);
    }

    #[test]
    fn one_file_can_hold_both_ways() {
        let (up, down) = ways("-- +goose Up\na;\n-- +goose Down\nb;\n");
        assert_eq!(
            (up.as_str(), down.as_deref()),
            ("-- +goose Up\na;\n\n\n", Some("\n\n-- +goose Down\nb;\n"))
        );
        assert_eq!(ways("a;").1, None);
        assert!(is_without_transaction("-- migrate:up transaction:false\n"));
        assert!(is_without_transaction("-- no-transaction\n") && !is_without_transaction("a;"));
    }
}
