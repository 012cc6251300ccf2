//! ESLint's own JSON (<https://eslint.org/docs/latest/use/formatters/#json>): unlike its SARIF it has the fixes.

use patchline_model::analyzer::Level;
use serde::Deserialize;

use crate::analyzer::raw::{
    Address, Change, LONGEST_MESSAGE, LONGEST_NAME, MOST_RESULTS, Raw, RawFix, Report, Span, Unit, plain,
};

const TOOL: &str = "ESLint";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    file_path: String,
    messages: Vec<Message>,
    #[serde(default)]
    suppressed_messages: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    rule_id: Option<String>,
    severity: u8,
    #[serde(default)]
    fatal: bool,
    message: String,
    line: Option<u32>,
    column: Option<u32>,
    end_line: Option<u32>,
    end_column: Option<u32>,
    fix: Option<Fix>,
}

#[derive(Deserialize)]
struct Fix {
    range: (u64, u64),
    text: String,
}

pub(crate) fn read(bytes: &[u8]) -> Result<Report, String> {
    let files: Vec<File> =
        serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON of ESLint: {error}"))?;
    let mut report = Report::default();
    for file in files {
        report.suppressed += file.suppressed_messages.len();
        let address =
            Address { uri: format!("file://{}", file.file_path.replace('%', "%25")), ..Address::default() };
        for message in file.messages {
            if message.fatal {
                // A file that it can't read is one of which it says nothing.
                let what =
                    plain(&format!("{TOOL}: {}: {}", file.file_path, message.message), LONGEST_MESSAGE);
                report.troubles.push(what);
            } else if report.results.len() >= MOST_RESULTS {
                return Err(format!("it has more than {MOST_RESULTS} results"));
            } else {
                report.results.push(raw(message, &address));
            }
        }
    }
    Ok(report)
}

fn raw(message: Message, address: &Address) -> Raw {
    let Message { rule_id, severity, fatal: _, message, line, column, end_line, end_column, fix } = message;
    let span = line.map(|line| Span::Lines {
        line,
        column,
        end_line: end_line.unwrap_or(line),
        // It may say where something begins and no more.
        end_column: end_column.or(column),
        unit: Unit::Utf16,
    });
    let fix = fix.and_then(|fix| {
        let length = fix.range.1.checked_sub(fix.range.0)?;
        let span = Span::Offsets { start: fix.range.0, length, unit: Unit::Utf16 };
        let changes = vec![Change { address: address.clone(), span, text: fix.text }];
        Some(RawFix { summary: String::new(), changes, whole_lines: false })
    });
    Raw {
        tool: TOOL.to_owned(),
        rule: rule_id.map_or("unnamed".to_owned(), |rule| plain(&rule, LONGEST_NAME)),
        level: if severity >= 2 { Level::Error } else { Level::Warning },
        severity_tenths: None,
        message: plain(&message, LONGEST_MESSAGE),
        address: Some(address.clone()),
        sha256: None,
        span,
        prints: Vec::new(),
        fix,
        is_new: None,
    }
}
