//! Compares two schemas as `pg_dump --schema-only` writes them.

use std::collections::BTreeMap;

/// What stands in one and not in the other, in a few words; none where both are the same schema.
///
/// The order of a table's columns is left out: a column that comes back comes last.
pub(crate) fn difference(before: &str, after: &str) -> Option<String> {
    let (before, after) = (lines(before), lines(after));
    let missing = |from: &BTreeMap<String, usize>, of: &BTreeMap<String, usize>| {
        from.iter().find(|(line, times)| of.get(*line).unwrap_or(&0) < times).map(|(line, _)| line.clone())
    };
    let gone = missing(&before, &after).map(|line| format!("`{line}` is not there again"));
    gone.or_else(|| missing(&after, &before).map(|line| format!("`{line}` is still there")))
}

/// Each line that says something, with the statement that it belongs to, and how often it stands there.
fn lines(text: &str) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    let mut within = String::new();
    for line in text.lines().map(str::trim_end) {
        // psql's own commands, among them a key that differs each time.
        if line.is_empty() || line.starts_with("--") || line.starts_with('\\') {
            continue;
        }
        let line = line.strip_suffix(',').unwrap_or(line);
        let said = if line.starts_with([' ', ')']) && !within.is_empty() {
            format!("{within} … {}", line.trim_start())
        } else {
            within = line.trim_end_matches(" (").to_owned();
            line.to_owned()
        };
        *lines.entry(said).or_default() += 1;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn what_differs_is_named_and_the_order_of_columns_is_not() {
        let table = |columns: &str| {
            format!("\\restrict {}\n-- Name: a\n\nCREATE TABLE public.a (\n{columns}\n);\n", columns.len())
        };
        let both = table("    b integer,\n    c text");
        assert_eq!(difference(&both, &table("    c text,\n    b integer")), None);
        let why = difference(&both, &table("    b integer")).unwrap();
        assert_eq!(why, "`CREATE TABLE public.a … c text` is not there again");
        let index = format!("{both}CREATE INDEX i ON public.a USING btree (b);\n");
        assert_eq!(
            difference(&both, &index).unwrap(),
            "`CREATE INDEX i ON public.a USING btree (b);` is still there"
        );
    }
}
