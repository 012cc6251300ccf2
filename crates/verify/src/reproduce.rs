//! Runs a reproducer against one artifact, and says whether the problem is there.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use patchline_model::failure::{Failure, FailureClass};
use patchline_model::reproducer::{ByFile, Exchange, How};
use patchline_model::service::{CommandLine, Reproducer};
use patchline_sandbox::foreign::Exit;

use crate::check::{Case, Side};
use crate::http::{Answered, answer, fits, request};
use crate::outcome::Record;
use crate::run::{Run, run};
use crate::tail::last_words;

const DEADLINE: Duration = Duration::from_secs(120);
const OUTPUT_LIMIT: usize = 256 * 1024;
/// Bytes of an answer that are looked at.
const MAX_ANSWER_BYTES: u64 = 1024 * 1024;
const EXCHANGE: &str = include_str!("exchange.sh");
const NOT_STARTED: Exit = Exit::Code(3);
const NOT_WELL: Exit = Exit::Code(4);

/// What is run: an artifact, and where it was built.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    /// As a person knows it, as in `base, run 1`.
    pub(crate) label: &'a str,
    pub(crate) artifact: &'a Path,
    pub(crate) tree: &'a Path,
    /// Whose environment it has.
    pub(crate) side: &'a Side,
}

/// What a reproducer shows of one artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Present,
    Absent,
    /// Neither, and why.
    Neither(String),
}

/// The reproducer and its files are the patch's own on both sides: only the same one tells the two apart. A test is
/// not shown here but by running the suite.
pub(crate) async fn seen(
    reproducer: &Reproducer,
    site: Site<'_>,
    case: &Case,
    record: &mut Record,
) -> Result<Seen, Failure> {
    match &reproducer.how {
        How::Command(words) => {
            let artifact = site.artifact.to_string_lossy();
            let words = words.iter().map(|word| word.replace("{artifact}", &artifact)).collect();
            let finished = run(&case.sandbox, of(reproducer, words, site, case), record).await?;
            Ok(match finished.exit {
                Exit::Code(0) => Seen::Absent,
                Exit::Code(1) => Seen::Present,
                exit => Seen::Neither(exit.to_string()),
            })
        }
        How::File(by) => by_file(reproducer, by, site, case, record).await,
        How::Http(exchanges) => by_http(reproducer, exchanges, site, case, record).await,
        How::Test(_) => Ok(Seen::Neither("a test is run with the suite".to_owned())),
    }
}

fn of<'a>(reproducer: &Reproducer, words: Vec<String>, site: Site<'a>, case: &'a Case) -> Run<'a> {
    Run {
        label: format!("{} on the {}", reproducer.advisory, site.label),
        command: CommandLine(words),
        directory: case.patch.tree.join(&case.service.folder),
        side: site.side,
        writable: Vec::new(),
        readable: vec![case.patch.tree.clone(), site.tree.to_owned()],
        deadline: case.patience.unwrap_or(DEADLINE),
        output_limit: OUTPUT_LIMIT,
        quoted: true,
        shown: None,
    }
}

async fn by_file(
    reproducer: &Reproducer,
    by: &ByFile,
    site: Site<'_>,
    case: &Case,
    record: &mut Record,
) -> Result<Seen, Failure> {
    let file = case.patch.tree.join(&case.service.folder).join(&by.path);
    if !file.is_file() {
        return Ok(Seen::Neither(format!("the patch has no file `{}`", by.path)));
    }
    let file = file.to_string_lossy();
    let mut words = vec![site.artifact.to_string_lossy().into_owned()];
    words.extend(by.arguments.iter().map(|word| word.replace("{file}", &file)));
    let finished = run(&case.sandbox, of(reproducer, words, site, case), record).await?;
    let said = finished.combined().contains(&by.reason);
    Ok(match finished.exit {
        _ if said => Seen::Present,
        Exit::Code(code) if code == by.exit => Seen::Absent,
        exit => Seen::Neither(format!("{exit}, without saying `{}`", by.reason)),
    })
}

async fn by_http(
    reproducer: &Reproducer,
    exchanges: &[Exchange],
    site: Site<'_>,
    case: &Case,
    record: &mut Record,
) -> Result<Seen, Failure> {
    let Some(service) = &case.service.run else {
        return Ok(Seen::Neither("the service has no `[run]`, so nothing can be asked".to_owned()));
    };
    let folder = tempfile::tempdir().map_err(|error| disk(&error))?;
    let health = format!("GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", service.health);
    let written = fs::write(folder.path().join("health"), health).and_then(|()| {
        let requests = exchanges.iter().enumerate();
        requests.into_iter().try_for_each(|(at, exchange)| {
            fs::write(folder.path().join(format!("request-{}", at + 1)), request(exchange))
        })
    });
    written.map_err(|error| disk(&error))?;
    let (port, artifact) = (free_port().map_err(|error| disk(&error))?, site.artifact.to_string_lossy());
    let program = service.program.clone().unwrap_or_else(|| artifact.clone().into_owned());
    let first = ["bash", "-c", EXCHANGE, "exchange", &port.to_string(), &folder.path().to_string_lossy()];
    let mut words: Vec<String> = first.map(str::to_owned).to_vec();
    words.extend([exchanges.len().to_string(), program]);
    words.extend(service.arguments.iter().map(|word| word.replace("{artifact}", &artifact)));
    let mut side = site.side.clone();
    side.environment.extend([
        ("PORT".to_owned(), port.to_string()),
        ("PATCHLINE_ARTIFACT".to_owned(), artifact.into_owned()),
        ("PATCHLINE_VERSION".to_owned(), site.label.to_owned()),
    ]);
    let asked = Run {
        writable: vec![folder.path().to_owned()],
        shown: Some(format!("{} of the running service", count_of(exchanges.len()))),
        side: &side,
        ..of(reproducer, words, site, case)
    };
    let finished = run(&case.sandbox, asked, record).await?;
    match finished.exit {
        Exit::Code(0) => {}
        NOT_STARTED => {
            return Ok(Seen::Neither(format!(
                "the service does not start: {}",
                last_words(&folder.path().join("service.log"))
            )));
        }
        NOT_WELL => return Ok(Seen::Neither("the service does not become healthy".to_owned())),
        exit => return Ok(Seen::Neither(exit.to_string())),
    }
    let answers: Vec<Option<Answered>> = (1..=exchanges.len())
        .map(|number| answer(&bytes_of(&folder.path().join(format!("answer-{number}")))))
        .collect();
    for (exchange, answered) in exchanges.iter().zip(&answers) {
        record.detail(format!("{} {}: {}", exchange.method, exchange.path, told(answered.as_ref())));
    }
    let all = |which: fn(&Exchange) -> &patchline_model::reproducer::Answer| {
        exchanges.iter().zip(&answers).all(|(exchange, answered)| fits(which(exchange), answered.as_ref()))
    };
    Ok(match (all(|exchange| &exchange.base), all(|exchange| &exchange.patch)) {
        (true, false) => Seen::Present,
        (false, true) => Seen::Absent,
        (true, true) => Seen::Neither("its answers fit both sides".to_owned()),
        (false, false) => Seen::Neither(format!(
            "its answers fit neither side: {}",
            answers.iter().map(|answered| told(answered.as_ref())).collect::<Vec<_>>().join(", ")
        )),
    })
}

fn count_of(number: usize) -> String {
    crate::outcome::count(number, "request")
}

fn told(answered: Option<&Answered>) -> String {
    answered.map_or("no answer".to_owned(), |answered| format!("status {}", answered.status))
}

/// Empty where there is no file: then there was no answer.
fn bytes_of(path: &PathBuf) -> Vec<u8> {
    let mut bytes = Vec::new();
    let plain = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    if plain && let Ok(file) = fs::File::open(path) {
        // What can't be read further is judged as far as it goes.
        drop(file.take(MAX_ANSWER_BYTES).read_to_end(&mut bytes));
    }
    bytes
}

/// With namespaces every port is free; without them this one was a moment ago.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn disk(error: &std::io::Error) -> Failure {
    Failure::transient(format!("could not lay out the requests: {error}")).of(FailureClass::Storage)
}
