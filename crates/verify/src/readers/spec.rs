//! Reads the `spec` reporter of node's test runner: `✔ name (0.6ms)`, groups opened by `▶ name`, two blanks a level.

use crate::table::{Ended, Rows, Table};

const MAX_LEVEL: usize = 32;

pub(crate) fn read(stdout: &str) -> Table {
    let mut rows = Rows::new(true);
    let mut groups: Vec<String> = Vec::new();
    for line in stdout.lines() {
        // What follows says again what failed.
        if line.starts_with("✖ failing tests") {
            break;
        }
        let inner = line.trim_start_matches(' ');
        let level = (line.len() - inner.len()) / 2;
        if level >= MAX_LEVEL {
            continue;
        }
        let marks = [
            ("✔ ", Some(Ended::Passed)),
            ("✖ ", Some(Ended::Failed)),
            ("﹣ ", Some(Ended::Ignored)),
            ("▶ ", None),
        ];
        let Some((ended, rest)) =
            marks.iter().find_map(|(mark, ended)| Some((*ended, inner.strip_prefix(mark)?)))
        else {
            continue;
        };
        let (name, timed, left_out) = parts(rest);
        match ended {
            // A group that ends is written like one that begins, with its time.
            None if timed => groups.truncate(level),
            None => {
                groups.truncate(level);
                groups.resize(level, String::new());
                groups.push(name.to_owned());
            }
            Some(_) if groups.get(level).is_some_and(|group| group == name) => groups.truncate(level),
            Some(ended) => {
                groups.truncate(level);
                let path: Vec<&str> = groups.iter().map(String::as_str).chain([name]).collect();
                let ended = if left_out { Ended::Ignored } else { ended };
                rows.add("", &path.join(" > "), ended, "");
            }
        }
    }
    rows.finish()
}

/// The name, whether a time follows it, and whether it was left out.
fn parts(rest: &str) -> (&str, bool, bool) {
    let (rest, left_out) = match rest.rfind(" # ") {
        Some(at) if ["SKIP", "TODO"].iter().any(|word| rest[at + 3..].starts_with(word)) => {
            (&rest[..at], true)
        }
        Some(_) | None => (rest, false),
    };
    let time = rest.strip_suffix("ms)").and_then(|rest| rest.rsplit_once(" ("));
    match time {
        Some((name, number)) if number.parse::<f64>().is_ok() => (name, true, left_out),
        Some(_) | None => (rest, false, left_out),
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn groups_are_told_from_tests_whichever_way_their_end_is_written() {
        let twenty = "✔ adds (0.6ms)\n✖ fails (0.6ms)\n  AssertionError\n﹣ skipped (0.1ms) # SKIP\n✔ todo one (0.1ms) # TODO
▶ group\n  ✔ inner (0.08ms)\n  ▶ deep\n    ✔ leaf (0.1ms)\n  ▶ deep (0.2ms)\n\n▶ group (1.0ms)\n\nℹ tests 6\n✖ failing tests:\n✖ fails (0.6ms)\n";
        let newer = twenty.replace("▶ group (1.0ms)", "✔ group (1.0ms)").replace("▶ deep (", "✔ deep (");
        let expected = [
            "adds Passed",
            "fails Failed",
            "group > deep > leaf Passed",
            "group > inner Passed",
            "skipped Ignored",
            "todo one Ignored",
        ];
        for text in [twenty.to_owned(), newer] {
            let table = read(&text);
            let lines: Vec<String> =
                table.tests.iter().map(|(key, ended)| format!("{} {ended:?}", key.name)).collect();
            assert_eq!(lines, expected);
        }
    }
}
