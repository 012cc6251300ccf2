//! SARIF 2.1.0 (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/>): results, rules, suppressions, baselines, fixes. What is
//! not known here is passed over.

use std::collections::BTreeMap;

use patchline_model::analyzer::Level;
use serde::Deserialize;
use serde_json::Value;

use crate::analyzer::raw::{
    Address, Change, LONGEST_MESSAGE, LONGEST_NAME, MOST_RESULTS, Raw, RawFix, Report, Span, Unit, plain,
};

/// Bases that lie within another.
const DEEPEST_BASES: usize = 8;
const MOST_TROUBLES: usize = 20;

#[derive(Deserialize)]
struct Log {
    version: Option<String>,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    #[serde(default)]
    invocations: Vec<Invocation>,
    column_kind: Option<String>,
    #[serde(default)]
    original_uri_base_ids: BTreeMap<String, Location>,
    #[serde(default)]
    artifacts: Vec<Artifact>,
    results: Option<Vec<Found>>,
}

#[derive(Deserialize)]
struct Tool {
    driver: Component,
    #[serde(default)]
    extensions: Vec<Component>,
}

#[derive(Deserialize)]
struct Component {
    name: String,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    short_description: Option<Message>,
    full_description: Option<Message>,
    #[serde(default)]
    message_strings: BTreeMap<String, Message>,
    default_configuration: Option<Configuration>,
    #[serde(default)]
    properties: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Configuration {
    level: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: Option<bool>,
    #[serde(default)]
    tool_execution_notifications: Vec<Notification>,
    #[serde(default)]
    tool_configuration_notifications: Vec<Notification>,
}

#[derive(Deserialize)]
struct Notification {
    level: Option<String>,
    message: Option<Message>,
}

#[derive(Default, Deserialize)]
struct Message {
    text: Option<String>,
    id: Option<String>,
    #[serde(default)]
    arguments: Vec<String>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    uri: Option<String>,
    uri_base_id: Option<String>,
    index: Option<i64>,
}

#[derive(Deserialize)]
struct Artifact {
    location: Option<Location>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    rule_id: Option<String>,
    rule_index: Option<i64>,
    rule: Option<RuleReference>,
    kind: Option<String>,
    level: Option<String>,
    #[serde(default)]
    message: Message,
    #[serde(default)]
    locations: Vec<Place>,
    #[serde(default)]
    fingerprints: BTreeMap<String, String>,
    #[serde(default)]
    partial_fingerprints: BTreeMap<String, String>,
    #[serde(default)]
    suppressions: Vec<Suppression>,
    baseline_state: Option<String>,
    #[serde(default)]
    fixes: Vec<Fix>,
    #[serde(default)]
    properties: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RuleReference {
    id: Option<String>,
    index: Option<i64>,
    tool_component: Option<ComponentReference>,
}

#[derive(Deserialize)]
struct ComponentReference {
    index: Option<i64>,
}

#[derive(Deserialize)]
struct Suppression {
    status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    physical_location: Option<Physical>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Option<Location>,
    region: Option<Region>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: Option<i64>,
    start_column: Option<i64>,
    end_line: Option<i64>,
    end_column: Option<i64>,
    char_offset: Option<i64>,
    char_length: Option<i64>,
    byte_offset: Option<i64>,
    byte_length: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fix {
    description: Option<Message>,
    #[serde(default)]
    artifact_changes: Vec<ArtifactChange>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactChange {
    artifact_location: Location,
    #[serde(default)]
    replacements: Vec<Replacement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Replacement {
    deleted_region: Region,
    inserted_content: Option<Content>,
}

#[derive(Deserialize)]
struct Content {
    text: Option<String>,
}

/// What is known of how a tool counts, where its report does not say it.
struct Dialect {
    unit: Unit,
    /// The new text of a fix is that of all lines which the old one touches.
    fixes_whole_lines: bool,
}

/// Reads a report; what is wrong with it is said with line and column.
pub(crate) fn read(bytes: &[u8]) -> Result<Report, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let log: Log = serde_json::from_slice(bytes).map_err(|error| format!("it is no SARIF: {error}"))?;
    match log.version.as_deref() {
        Some("2.1.0") => {}
        Some(other) => return Err(format!("it is of version {}; 2.1.0 can be read", plain(other, 20))),
        None => return Err("it is no SARIF: it has no `version`".to_owned()),
    }
    let mut report = Report::default();
    for run in &log.runs {
        run.tell(&mut report)?;
    }
    Ok(report)
}

impl Run {
    fn tell(&self, report: &mut Report) -> Result<(), String> {
        let tool = plain(&self.tool.driver.name, LONGEST_NAME);
        if tool.is_empty() {
            return Err("a tool in it has no name".to_owned());
        }
        for invocation in &self.invocations {
            report.troubles.extend(invocation.troubles().into_iter().map(|what| format!("{tool}: {what}")));
        }
        report.troubles.truncate(MOST_TROUBLES);
        let Some(results) = &self.results else {
            report.troubles.push(format!("{tool}: the report has no results, not even none"));
            return Ok(());
        };
        for found in results {
            if report.results.len() >= MOST_RESULTS {
                return Err(format!("it has more than {MOST_RESULTS} results"));
            }
            if found.is_suppressed() {
                report.suppressed += 1;
            } else if found.counts() {
                report.results.push(self.raw(&tool, found));
            }
        }
        Ok(())
    }

    fn raw(&self, tool: &str, found: &Found) -> Raw {
        let rule = self.rule(found);
        let reference = found.rule.as_ref().and_then(|rule| rule.id.as_ref());
        let id = found.rule_id.as_ref().or(reference).or(rule.map(|rule| &rule.id));
        let physical = found.locations.iter().find_map(|place| place.physical_location.as_ref());
        let location = physical.and_then(|physical| physical.artifact_location.as_ref());
        let dialect = self.dialect();
        let stated = found.level.as_ref().or(rule
            .and_then(|rule| rule.default_configuration.as_ref())
            .and_then(|configuration| configuration.level.as_ref()));
        let severity = |properties: &BTreeMap<String, Value>| severity(properties.get("security-severity")?);
        Raw {
            tool: tool.to_owned(),
            rule: id
                .map(|id| plain(id, LONGEST_NAME))
                .filter(|id| !id.is_empty())
                .unwrap_or("unnamed".to_owned()),
            level: match (found.kind.as_deref(), stated.map(String::as_str)) {
                (Some("open" | "review"), _) => Level::Note,
                (_, Some("error")) => Level::Error,
                (_, Some("note")) => Level::Note,
                (_, Some("none")) => Level::None,
                (_, _) => Level::Warning,
            },
            severity_tenths: severity(&found.properties).or(rule.and_then(|rule| severity(&rule.properties))),
            message: plain(&message(&found.message, rule), LONGEST_MESSAGE),
            address: location.and_then(|location| self.address(location)),
            sha256: location.and_then(|location| self.sha256(location)),
            span: physical.and_then(|physical| physical.region?.span(dialect.unit)),
            prints: prints(&found.partial_fingerprints, &found.fingerprints),
            fix: found.fixes.first().and_then(|fix| self.fix(fix, &dialect)),
            is_new: found.baseline_state.as_deref().map(|state| matches!(state, "new" | "updated")),
        }
    }

    fn rule(&self, found: &Found) -> Option<&Rule> {
        let reference = found.rule.as_ref();
        let component = reference.and_then(|rule| rule.tool_component.as_ref()?.index);
        let component = match component.map(usize::try_from) {
            Some(Ok(index)) => self.tool.extensions.get(index)?,
            Some(Err(_)) | None => &self.tool.driver,
        };
        let index = found.rule_index.or(reference.and_then(|rule| rule.index));
        let by_index = index.and_then(|index| component.rules.get(usize::try_from(index).ok()?));
        let id = found.rule_id.as_ref().or(reference.and_then(|rule| rule.id.as_ref()));
        by_index.or_else(|| component.rules.iter().find(|rule| Some(&rule.id) == id))
    }

    fn dialect(&self) -> Dialect {
        let tool = self.tool.driver.name.to_ascii_lowercase();
        let is_semgrep = tool.starts_with("semgrep") || tool.starts_with("opengrep");
        let unit = match self.column_kind.as_deref() {
            Some("unicodeCodePoints") => Unit::CodePoints,
            Some(_) => Unit::Utf16,
            None if is_semgrep => Unit::Bytes,
            None if tool == "ruff" || tool == "ast-grep" => Unit::CodePoints,
            None => Unit::Utf16,
        };
        Dialect { unit, fixes_whole_lines: is_semgrep }
    }

    /// By its own URI, or by that of the artifact that it names.
    fn address(&self, location: &Location) -> Option<Address> {
        let by_index = || self.artifact(location).and_then(|artifact| artifact.location.as_ref());
        let location = if location.uri.is_some() { location } else { by_index()? };
        let (mut bases, mut next) = (Vec::new(), location.uri_base_id.as_ref());
        let mut depth = 0;
        while let Some(base) = next.and_then(|name| self.original_uri_base_ids.get(name)) {
            depth += 1;
            if depth > DEEPEST_BASES {
                return None;
            }
            bases.extend(base.uri.clone());
            next = base.uri_base_id.as_ref();
        }
        bases.reverse();
        let roots = self.original_uri_base_ids.values().filter_map(|base| base.uri.clone());
        let roots = roots.filter(|uri| uri.starts_with("file:") || uri.starts_with('/')).take(DEEPEST_BASES);
        Some(Address { uri: location.uri.clone()?, bases, roots: roots.collect() })
    }

    fn artifact(&self, location: &Location) -> Option<&Artifact> {
        self.artifacts.get(usize::try_from(location.index?).ok()?)
    }

    fn sha256(&self, location: &Location) -> Option<String> {
        let same = |artifact: &&Artifact| {
            artifact.location.as_ref().is_some_and(|one| one.uri.is_some() && one.uri == location.uri)
        };
        let artifact = self.artifact(location).or_else(|| {
            // Only where it says so at all: there may be as many artifacts as results.
            self.artifacts.iter().filter(|artifact| !artifact.hashes.is_empty()).find(same)
        })?;
        artifact.hashes.get("sha-256").map(|sum| sum.to_ascii_lowercase())
    }

    /// None where a part of it is not understood: half a fix is none.
    fn fix(&self, fix: &Fix, dialect: &Dialect) -> Option<RawFix> {
        let mut raw =
            RawFix { summary: String::new(), changes: Vec::new(), whole_lines: dialect.fixes_whole_lines };
        let summary = fix.description.as_ref().and_then(|message| message.text.as_deref());
        raw.summary = plain(summary.unwrap_or_default(), LONGEST_MESSAGE);
        for change in &fix.artifact_changes {
            let address = self.address(&change.artifact_location)?;
            for replacement in &change.replacements {
                let text = match &replacement.inserted_content {
                    Some(content) => content.text.clone()?,
                    None => String::new(),
                };
                let span = replacement.deleted_region.span(dialect.unit)?;
                raw.changes.push(Change { address: address.clone(), span, text });
            }
        }
        (!raw.changes.is_empty()).then_some(raw)
    }
}

impl Found {
    /// Accepted, which it is where nothing is said.
    fn is_suppressed(&self) -> bool {
        let accepted = |one: &Suppression| matches!(one.status.as_deref(), None | Some("accepted"));
        self.suppressions.iter().any(accepted)
    }

    /// Whether it says that something is wrong, now.
    fn counts(&self) -> bool {
        let is_wrong = matches!(self.kind.as_deref(), None | Some("fail" | "open" | "review"));
        is_wrong && self.baseline_state.as_deref() != Some("absent")
    }
}

impl Invocation {
    fn troubles(&self) -> Vec<String> {
        let all = self.tool_execution_notifications.iter().chain(&self.tool_configuration_notifications);
        let bad = all.filter(|one| matches!(one.level.as_deref(), None | Some("warning" | "error")));
        let text = |one: &Notification| {
            let text = one.message.as_ref().and_then(|message| message.text.as_deref());
            plain(text.unwrap_or("something went wrong, and the report does not say what"), LONGEST_MESSAGE)
        };
        let mut troubles: Vec<String> = bad.take(MOST_TROUBLES).map(text).collect();
        if self.execution_successful == Some(false) && troubles.is_empty() {
            troubles.push("the report says that it was not successful".to_owned());
        }
        troubles
    }
}

impl Region {
    fn span(self, unit: Unit) -> Option<Span> {
        self.by_bytes().or_else(|| self.by_lines(unit)).or_else(|| self.by_letters(unit))
    }

    /// Bytes can't be misread, so they come first.
    fn by_bytes(self) -> Option<Span> {
        let (start, length) = (number(self.byte_offset)?, number(self.byte_length).unwrap_or(0));
        let is_whole = self.byte_length.is_some() || self.start_line.is_none();
        is_whole.then_some(Span::Offsets { start, length, unit: Unit::Bytes })
    }

    fn by_lines(self, unit: Unit) -> Option<Span> {
        let small = |value: Option<i64>| value.map(u32::try_from).transpose().ok();
        let line = small(self.start_line)??;
        let end_line = small(self.end_line)?.unwrap_or(line);
        let (column, end_column) = (small(self.start_column)?, small(self.end_column)?);
        Some(Span::Lines { line, column, end_line, end_column, unit })
    }

    fn by_letters(self, unit: Unit) -> Option<Span> {
        let (start, length) = (number(self.char_offset)?, number(self.char_length).unwrap_or(0));
        // Where columns are counted in bytes by custom, offsets over a whole file are still letters.
        let unit = if unit == Unit::Bytes { Unit::CodePoints } else { unit };
        Some(Span::Offsets { start, length, unit })
    }
}

fn number(value: Option<i64>) -> Option<u64> {
    u64::try_from(value?).ok()
}

fn severity(value: &Value) -> Option<u8> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 100")]
    (0.0..=10.0).contains(&number).then(|| (number * 10.0).round() as u8)
}

/// What tools write where they know none, as `requires login`, is a sentence and no fingerprint.
fn prints(partial: &BTreeMap<String, String>, whole: &BTreeMap<String, String>) -> Vec<String> {
    let known = |(name, value): (&String, &String)| {
        let is_one = !value.is_empty() && value.len() <= 1024 && !value.contains(char::is_whitespace);
        is_one.then(|| format!("{name}={value}"))
    };
    let prints: Vec<String> = partial.iter().filter_map(known).collect();
    if prints.is_empty() { whole.iter().filter_map(known).collect() } else { prints }
}

/// The text, with arguments in their places, or what the rule is about.
fn message(message: &Message, rule: Option<&Rule>) -> String {
    let of_rule = |id: &String| rule?.message_strings.get(id)?.text.as_ref();
    let text = message.text.as_ref().or_else(|| message.id.as_ref().and_then(of_rule));
    let Some(text) = text else {
        let about = rule.and_then(|rule| rule.short_description.as_ref().or(rule.full_description.as_ref()));
        return about.and_then(|about| about.text.clone()).unwrap_or_default();
    };
    let mut text = text.chars().take(LONGEST_MESSAGE * 4).collect::<String>();
    for (number, argument) in message.arguments.iter().enumerate().take(10) {
        let argument: String = argument.chars().take(LONGEST_MESSAGE).collect();
        text = text.replace(&format!("{{{number}}}"), &argument).chars().take(LONGEST_MESSAGE * 4).collect();
    }
    text
}
