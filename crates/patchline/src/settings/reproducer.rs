//! `[[reproducer]]`: a command, a test, a file or requests that show a problem.

use std::collections::BTreeMap;

use patchline_model::reproducer::{Answer, ByFile, ByTest, Exchange, How};
use patchline_model::service::Reproducer;
use serde::Deserialize;
use toml::Spanned;

use crate::settings::caret::Problem;
use crate::settings::value::{command, inside, text};

/// Requests of one reproducer.
const MOST_REQUESTS: usize = 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReproducerSection {
    advisory: Spanned<String>,
    command: Option<Spanned<Vec<String>>>,
    test: Option<Spanned<String>>,
    /// Of a test.
    files: Option<Vec<Spanned<String>>>,
    file: Option<Spanned<String>>,
    /// Of a file.
    arguments: Option<Spanned<Vec<String>>>,
    exit: Option<Spanned<i32>>,
    /// Of a test or a file.
    reason: Option<Spanned<String>>,
    http: Option<Spanned<Vec<ExchangeSection>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExchangeSection {
    method: Option<Spanned<String>>,
    path: Spanned<String>,
    #[serde(default)]
    headers: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    body: String,
    base: Spanned<AnswerSection>,
    patch: Spanned<AnswerSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerSection {
    status: Option<Spanned<u16>>,
    contains: Option<Spanned<String>>,
    #[serde(default)]
    no_answer: bool,
}

pub fn reproducer(section: &ReproducerSection, runs: bool) -> Result<Reproducer, Problem> {
    let advisory = text(&section.advisory, "advisory")?;
    let how = match (&section.command, &section.test, &section.file, &section.http) {
        (Some(words), None, None, None) => How::Command(command(words)?.0),
        (None, Some(name), None, None) => How::Test(ByTest {
            name: text(name, "test")?,
            reason: reason(section, name)?,
            files: section.files.iter().flatten().map(inside).collect::<Result<_, _>>()?,
        }),
        (None, None, Some(path), None) => How::File(ByFile {
            path: inside(path)?,
            arguments: arguments(section.arguments.as_ref())?,
            reason: reason(section, path)?,
            exit: section.exit.as_ref().map_or(0, |exit| *exit.get_ref()),
        }),
        (None, None, None, Some(_)) if !runs => {
            let message = "requests need a `[run]` section: it says how the service is started";
            return Err(Problem::at(section.advisory.span(), message));
        }
        (None, None, None, Some(requests)) => How::Http(exchanges(requests)?),
        _ => {
            let message = "a reproducer is one of `command`, `test`, `file` and `http`";
            return Err(Problem::at(section.advisory.span(), message));
        }
    };
    strangers(section, &how)?;
    Ok(Reproducer { advisory, how })
}

/// A key of another kind of reproducer would be read by nobody.
fn strangers(section: &ReproducerSection, how: &How) -> Result<(), Problem> {
    let (test, file) = (matches!(how, How::Test(_)), matches!(how, How::File(_)));
    let keys = [
        ("files", section.files.as_ref().map(|_| section.advisory.span()).filter(|_| !test), "test"),
        ("arguments", section.arguments.as_ref().map(Spanned::span).filter(|_| !file), "file"),
        ("exit", section.exit.as_ref().map(Spanned::span).filter(|_| !file), "file"),
        ("reason", section.reason.as_ref().map(Spanned::span).filter(|_| !test && !file), "test` or a `file"),
    ];
    match keys.into_iter().find_map(|(key, span, of)| Some((key, span?, of))) {
        Some((key, span, of)) => {
            Err(Problem::at(span, format!("`{key}` belongs to a reproducer with a `{of}`")))
        }
        None => Ok(()),
    }
}

fn reason(section: &ReproducerSection, at: &Spanned<String>) -> Result<String, Problem> {
    match &section.reason {
        Some(reason) => text(reason, "reason"),
        None => {
            let message =
                "it needs a `reason`: what stands in the output when it fails because of the problem";
            Err(Problem::at(at.span(), message).hint("as in reason = \"index out of bounds\""))
        }
    }
}

fn arguments(written: Option<&Spanned<Vec<String>>>) -> Result<Vec<String>, Problem> {
    let Some(written) = written else { return Ok(vec!["{file}".to_owned()]) };
    if written.get_ref().iter().any(|word| word.contains("{file}")) {
        return Ok(written.get_ref().clone());
    }
    Err(Problem::at(written.span(), "`arguments` must name `{file}`"))
}

fn exchanges(written: &Spanned<Vec<ExchangeSection>>) -> Result<Vec<Exchange>, Problem> {
    let sections = written.get_ref();
    if !(1..=MOST_REQUESTS).contains(&sections.len()) {
        return Err(Problem::at(written.span(), format!("`http` holds 1 to {MOST_REQUESTS} requests")));
    }
    let exchanges: Vec<Exchange> = sections.iter().map(exchange).collect::<Result<_, _>>()?;
    if exchanges.iter().all(|exchange| exchange.base == exchange.patch) {
        let message = "both sides are expected to answer alike, so nothing would be shown";
        return Err(Problem::at(written.span(), message));
    }
    Ok(exchanges)
}

fn exchange(section: &ExchangeSection) -> Result<Exchange, Problem> {
    let method = section.method.as_ref().map_or("GET", |method| method.get_ref().as_str());
    if let Some(written) = &section.method
        && (method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()))
    {
        return Err(Problem::at(written.span(), format!("`{method}` is not a method, as `POST` is")));
    }
    let path = section.path.get_ref();
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if !path.starts_with('/') || !plain(path) {
        return Err(Problem::at(section.path.span(), "`path` begins with `/` and holds no blanks"));
    }
    for (name, value) in &section.headers {
        let one_line = value.get_ref().bytes().all(|byte| (b' '..0x7f).contains(&byte));
        if name.is_empty() || !plain(name) || name.contains(':') || !one_line {
            return Err(Problem::at(value.span(), format!("`{name}` is no header of one line")));
        }
    }
    let headers = section.headers.iter().map(|(name, value)| (name.clone(), value.get_ref().clone()));
    Ok(Exchange {
        method: method.to_owned(),
        path: path.clone(),
        headers: headers.collect(),
        body: section.body.clone(),
        base: answer(&section.base)?,
        patch: answer(&section.patch)?,
    })
}

fn answer(written: &Spanned<AnswerSection>) -> Result<Answer, Problem> {
    let section = written.get_ref();
    let contains = section.contains.as_ref().map(|contains| text(contains, "contains")).transpose()?;
    match (&section.status, section.no_answer, &contains) {
        (Some(status), false, _) if (200..600).contains(status.get_ref()) => {
            Ok(Answer { status: Some(*status.get_ref()), contains })
        }
        (Some(status), false, _) => Err(Problem::at(status.span(), "a status lies between 200 and 599")),
        (None, true, None) => Ok(Answer { status: None, contains: None }),
        _ => {
            let message =
                "an answer is a `status`, with a text that it `contains` or without, or `no_answer = true`";
            Err(Problem::at(written.span(), message))
        }
    }
}

#[cfg(test)]
mod tests {
    use patchline_model::reproducer::How;

    use super::{ReproducerSection, reproducer};

    fn read(text: &str) -> Result<How, String> {
        let text = format!("advisory = \"R-1\"\n{text}");
        let section: ReproducerSection = toml::from_str(&text).map_err(|error| error.message().to_owned())?;
        reproducer(&section, true).map(|read| read.how).map_err(|problem| problem.message)
    }

    #[test]
    fn there_are_four_kinds() {
        assert!(matches!(read("command = [\"sh\"]"), Ok(How::Command(_))));
        let test = read("test = \"keeps\"\nreason = \"boom\"\nfiles = [\"tests/a.rs\"]");
        assert!(matches!(test, Ok(How::Test(by)) if by.files.len() == 1));
        let file = read("file = \"poc/1\"\nreason = \"overflow\"\nexit = 2");
        assert!(matches!(file, Ok(How::File(by)) if by.arguments == ["{file}"] && by.exit == 2));
        let http = read("http = [{ path = \"/a\", base = { no_answer = true }, patch = { status = 400 } }]");
        assert!(matches!(http, Ok(How::Http(all)) if all[0].method == "GET"));
    }

    #[test]
    fn what_could_show_nothing_is_refused() {
        let request = |rest: &str| format!("http = [{{ {rest}, patch = {{ status = 400 }} }}]");
        for (text, words) in [
            (String::new(), "one of `command`"),
            ("command = [\"sh\"]\ntest = \"a\"".to_owned(), "one of `command`"),
            ("test = \"a\"".to_owned(), "needs a `reason`"),
            ("command = [\"sh\"]\nreason = \"a\"".to_owned(), "belongs to a reproducer with a `test`"),
            ("file = \"../a\"\nreason = \"a\"".to_owned(), "inside the service's folder"),
            ("file = \"a\"\nreason = \"a\"\narguments = [\"x\"]".to_owned(), "must name `{file}`"),
            ("http = []".to_owned(), "1 to 16 requests"),
            (request("path = \"/a\", base = { status = 400 }"), "answer alike"),
            (request("path = \"a\", base = { status = 500 }"), "begins with `/`"),
            (request("path = \"/\", method = \"get\", base = { status = 500 }"), "not a method"),
            (request("path = \"/\", base = { status = 99 }"), "between 200 and 599"),
            (request("path = \"/\", base = { }"), "or `no_answer"),
            (request("path = \"/\", headers = { a = \"b\\nc\" }, base = { status = 500 }"), "no header"),
        ] {
            let why = read(&text).unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
    }
}
