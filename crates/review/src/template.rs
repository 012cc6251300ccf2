//! Templates of texts: `{{name}}` stands for a value. A heading under which nothing is left goes with it.

use std::fmt::Write as _;

/// Larger templates are refused.
pub const LARGEST: usize = 64 << 10;

/// Longest text that is made, in bytes: forges take 65,536 characters.
const LONGEST: usize = 60_000;

/// Why a template is none, with the line where that shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub line: usize,
    pub message: String,
}

/// The text with a value for each placeholder.
pub fn fill(template: &str, values: &[(&str, String)]) -> Result<String, Wrong> {
    if template.len() > LARGEST {
        return Err(Wrong { line: 1, message: format!("a template has at most {LARGEST} bytes") });
    }
    let mut text = String::new();
    for (index, line) in template.lines().enumerate() {
        let wrong = |message: String| Wrong { line: index + 1, message };
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, behind) =
                after.split_once("}}").ok_or_else(|| wrong("`{{` without `}}` on its line".to_owned()))?;
            let name = name.trim();
            let value = values.iter().find(|(known, _)| *known == name).ok_or_else(|| {
                let known = values.iter().map(|(known, _)| format!("`{{{{{known}}}}}`"));
                let shown: String = name.chars().take(60).collect();
                let known = known.collect::<Vec<_>>().join(", ");
                wrong(format!("`{{{{{shown}}}}}` is no placeholder; there are {known}"))
            })?;
            text.push_str(before);
            text.push_str(&value.1);
            rest = behind;
        }
        // Writing to a text can't fail.
        let _ = writeln!(text, "{rest}");
    }
    Ok(bounded(&without_empty(&text)))
}

/// Headings with nothing before the next one of their depth, or a higher one, are left out; so are blank lines in a row.
fn without_empty(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut kept: Vec<&str> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let says_something = depth(line).is_none_or(|own| {
            let below = lines.iter().skip(index + 1);
            let below = below.take_while(|line| depth(line).is_none_or(|depth| depth > own));
            below.into_iter().any(|line| !line.trim().is_empty() && depth(line).is_none())
        });
        let is_second_blank = line.trim().is_empty() && kept.last().is_none_or(|last| last.trim().is_empty());
        if says_something && !is_second_blank {
            kept.push(line);
        }
    }
    kept.join("\n").trim_end().to_owned() + "\n"
}

fn depth(line: &str) -> Option<usize> {
    let depth = line.bytes().take_while(|byte| *byte == b'#').count();
    ((1..=6).contains(&depth) && line[depth..].starts_with(' ')).then_some(depth)
}

/// Whole lines, as many as there is room for.
fn bounded(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= LONGEST).last().unwrap_or(0);
    let whole = text.get(..end).and_then(|cut| cut.rfind('\n')).unwrap_or(0);
    format!(
        "{}\n\nWhat follows was too long and is left out.\n",
        text.get(..whole).unwrap_or_default().trim_end()
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{LONGEST, Wrong, fill};

    fn filled(template: &str) -> Result<String, Wrong> {
        let values =
            [("title", "Update a".to_owned()), ("left", String::new()), ("two", "- x\n- y".to_owned())];
        fill(template, &values)
    }

    #[test]
    fn placeholders_are_filled_and_headings_over_nothing_go() {
        let template =
            "# {{ title }}\n\n## Left\n\n{{left}}\n\n## Two\n\n{{two}}\n\n## Over\n\n### Nothing\n";
        assert_eq!(filled(template), Ok("# Update a\n\n## Two\n\n- x\n- y\n".to_owned()));
        assert_eq!(filled("a {{title}}, {{title}} } }} {\n"), Ok("a Update a, Update a } }} {\n".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_said_by_line_and_name() {
        let wrong = filled("fine\n{{titel}}\n").unwrap_err();
        assert_eq!(wrong.line, 2);
        assert!(
            wrong.message.starts_with("`{{titel}}` is no placeholder; there are `{{title}}`, "),
            "{wrong:?}"
        );
        assert_eq!(filled("{{title\n}}").unwrap_err().message, "`{{` without `}}` on its line");
        assert!(filled(&"x".repeat(70_000)).is_err());
    }

    #[test]
    fn a_value_is_not_read_as_a_template_and_the_whole_is_bounded() {
        let values = [("a", "{{a}}".to_owned()), ("long", "ö line\n".repeat(20_000))];
        assert_eq!(fill("{{a}}", &values), Ok("{{a}}\n".to_owned()));
        let text = fill("{{long}}", &values).unwrap();
        assert!(text.len() < LONGEST + 100 && text.ends_with("left out.\n"));
    }

    proptest! {
        #[test]
        fn any_template_is_filled_or_refused(text in any::<String>(), marked in "[{}a-z# \n]{0,60}") {
            for text in [text, marked] {
                if let Ok(text) = filled(&text) {
                    assert!(text.len() < LONGEST + 100);
                }
            }
        }
    }
}
