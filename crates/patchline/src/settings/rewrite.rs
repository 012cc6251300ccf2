//! `[[rewrite]]`: a pattern of one's own and what takes its place. Each is an analyzer that runs ast-grep with this one rule, and
//! so is found, fixed, looked for again and proven as any other finding in code is.

use patchline_model::analyzer::{Analyzer, Format};
use patchline_model::service::Name;
use patchline_model::time::Seconds;
use serde::Deserialize;
use serde_json::json;
use toml::Spanned;

use crate::settings::analyzer::MOST_ANALYZERS;
use crate::settings::caret::Problem;
use crate::settings::value::{inside, parsed, text};

const DEADLINE: Seconds = Seconds(600);
const HINT: &str = "write `language`, `pattern` and `fix`, or `file` with a rule of ast-grep";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewriteSection {
    name: Spanned<String>,
    language: Option<Spanned<String>>,
    pattern: Option<Spanned<String>>,
    /// May be empty: what matches goes.
    fix: Option<Spanned<String>>,
    message: Option<Spanned<String>>,
    files: Option<Spanned<Vec<String>>>,
    file: Option<Spanned<String>>,
    program: Option<Spanned<String>>,
}

/// The analyzers with those that rewrite behind them; both share their names and their number.
pub fn with_rewrites(
    mut analyzers: Vec<Analyzer>,
    sections: &[RewriteSection],
) -> Result<Vec<Analyzer>, Problem> {
    for section in sections {
        let name = &section.name;
        if analyzers.len() >= MOST_ANALYZERS {
            let message = format!("there are more than {MOST_ANALYZERS} analyzers and rewrites");
            return Err(Problem::at(name.span(), message));
        }
        if analyzers.iter().any(|before| before.name == *name.get_ref()) {
            let message = format!("there is another analyzer or rewrite `{}`", name.get_ref());
            return Err(Problem::at(name.span(), message).hint("give each a name of its own"));
        }
        analyzers.push(rewrite(section)?);
    }
    Ok(analyzers)
}

fn rewrite(section: &RewriteSection) -> Result<Analyzer, Problem> {
    let name = parsed::<Name>(&section.name)?.to_string();
    let program =
        section.program.as_ref().map_or(Ok("ast-grep".to_owned()), |program| text(program, "program"))?;
    let mut command = vec![program, "scan".to_owned(), "--format=sarif".to_owned()];
    match (&section.file, &section.language, &section.pattern, &section.fix) {
        (Some(file), None, None, None) if section.message.is_none() && section.files.is_none() => {
            // A rule that does not say how bad it is would be a hint, which nothing fixes.
            command.extend(["--warning".to_owned(), format!("--rule={}", inside(file)?)]);
        }
        (None, Some(language), Some(pattern), Some(fix)) => {
            let message = section
                .message
                .as_ref()
                .map_or(Ok(format!("`{name}` rewrites it")), |message| text(message, "message"))?;
            let mut rule = json!({
                "id": name,
                "language": text(language, "language")?,
                "severity": "warning",
                "message": message,
                "rule": { "pattern": text(pattern, "pattern")? },
                "fix": fix.get_ref(),
            });
            if let Some(files) = &section.files {
                rule["files"] = json!(files.get_ref());
            }
            // JSON is YAML, and nothing of it can end the rule.
            command.push(format!("--inline-rules={rule}"));
        }
        (Some(file), ..) => {
            return Err(Problem::at(file.span(), "with `file` the rule stands in the file alone").hint(HINT));
        }
        (None, ..) => {
            let message = format!("the rewrite `{name}` has no whole rule");
            return Err(Problem::at(section.name.span(), message).hint(HINT));
        }
    }
    Ok(Analyzer {
        name,
        command,
        report: None,
        format: Format::Sarif,
        fix: None,
        network: false,
        deadline: DEADLINE,
    })
}

#[cfg(test)]
mod tests {
    use patchline_model::analyzer::Analyzer;

    use super::{RewriteSection, with_rewrites};

    #[derive(serde::Deserialize)]
    struct File {
        rewrite: Vec<RewriteSection>,
    }

    fn read(text: &str) -> Result<Vec<Analyzer>, String> {
        let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        with_rewrites(Vec::new(), &file.rewrite).map_err(|problem| problem.message)
    }

    const RULE: &str = "language = \"js\"\npattern = 'eval($X)'\nfix = '\"$X\"'\n";

    #[test]
    fn a_rewrite_is_an_analyzer_with_one_rule() {
        let command =
            |text: &str| read(&format!("[[rewrite]]\nname = \"a\"\n{text}")).unwrap()[0].command.join(" ");
        assert_eq!(
            command(&format!("{RULE}files = [\"src/**\"]")),
            r#"ast-grep scan --format=sarif --inline-rules={"files":["src/**"],"fix":"\"$X\"","id":"a","language":"js","message":"`a` rewrites it","rule":{"pattern":"eval($X)"},"severity":"warning"}"#
        );
        assert_eq!(
            command("program = \"sg\"\nfile = \"rules/a.yml\""),
            "sg scan --format=sarif --warning --rule=rules/a.yml"
        );
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for (text, why) in [
            ("", "has no whole rule"),
            ("language = \"js\"\npattern = 'a'", "has no whole rule"),
            ("language = \"js\"\npattern = ' '\nfix = ''", "`pattern` is empty"),
            ("file = \"../a.yml\"", "inside the service's folder"),
            ("file = \"a.yml\"\nfix = ''", "stands in the file alone"),
            (
                "file = \"a.yml\"\n[[rewrite]]\nname = \"a\"\nfile = \"b.yml\"",
                "another analyzer or rewrite `a`",
            ),
            ("rule = 1", "unknown field"),
        ] {
            let told = read(&format!("[[rewrite]]\nname = \"a\"\n{text}")).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
