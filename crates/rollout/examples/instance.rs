//! An instance for the tests: a small server that behaves, or misbehaves, as its environment says.
//!
//! `FAIL_PERMILLE`: so many of 1,000 requests are answered with 500, evenly spread. `DELAY_MS`: before each answer.
//! `CRASH_ON`: this path ends the process without an answer. `STUBBORN`: SIGTERM is ignored. `WITH_CHILD`: a child
//! process is started that never ends. `SICK_WHILE`: unhealthy while this file exists. `SAYS`: what all other paths answer.
//! Paths: `/echo` gives the body back, `/take` its length when it is whole, `/headers` the request's headers, `/env` the environment, `/late` no answer,
//! `/broken` half an answer, `/length` a body of known length, `/much` one of 64 MiB, `/number` a number that no two answers
//! share; all others `ok`.
//! With the arguments `--rules <path>` it serves by the rules in that file, takes them over on SIGHUP, and says in its health
//! answer which it serves. A rule is a line: `answer <text>` for the path `/rules`; `fail` answers everything else with 500;
//! `refuse` is not taken over; `crash` ends the process that takes it over; `stuck` is taken over and then never left.
//! Paths: `/echo` gives the body back, `/take` its length when it is whole, `/headers` the request's headers, `/env` the environment, `/late` no answer,
//! `/broken` half an answer, `/length` a body of known length, `/much` one of 64 MiB; all others `ok`.

use std::convert::Infallible;
use std::env::var;
use std::path::{Path, PathBuf};
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use patchline_model::digest::Digest;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// The rules in force, when there are any, with the digest of their file.
static RULES: RwLock<Option<Rules>> = RwLock::new(None);

#[derive(Clone)]
struct Rules {
    digest: Digest,
    text: String,
}

impl Rules {
    fn read(path: &Path) -> std::io::Result<Rules> {
        let text = std::fs::read_to_string(path)?;
        Ok(Rules { digest: Digest::of(text.as_bytes()), text })
    }

    fn says(&self, rule: &str) -> bool {
        self.text.lines().any(|line| line == rule)
    }

    fn in_force() -> Option<Rules> {
        RULES.read().expect("nobody panics with it").clone()
    }

    fn take_over(self) {
        *RULES.write().expect("nobody panics with it") = Some(self);
    }
}

/// Takes the rules over whenever it is told to.
async fn follow(path: PathBuf, mut told: Signal) {
    while told.recv().await.is_some() {
        let Ok(rules) = Rules::read(&path) else { continue };
        if rules.says("crash") {
            std::process::exit(71);
        }
        let is_stuck = Rules::in_force().is_some_and(|rules| rules.says("stuck"));
        if !is_stuck && !rules.says("refuse") {
            rules.take_over();
        }
    }
}

static REQUESTS: AtomicU64 = AtomicU64::new(0);

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port: u16 = var("PORT").ok().and_then(|port| port.parse().ok()).expect("PORT is given");
    if var("WITH_CHILD").is_ok() {
        let _ = std::process::Command::new("sleep").arg("100000").spawn()?;
    }
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--rules") {
        let path = PathBuf::from(arguments.next().expect("the path of the rules is given"));
        let told = signal(SignalKind::hangup())?;
        Rules::read(&path)?.take_over();
        tokio::spawn(follow(path, told));
    }
    let mut ignored = if var("STUBBORN").is_ok() { Some(signal(SignalKind::terminate())?) } else { None };
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    eprintln!("listening on {port}");
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await
        });
        if let Some(signal) = &mut ignored {
            let _ = tokio::time::timeout(Duration::ZERO, signal.recv()).await;
        }
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    if path == "/healthz" {
        let is_sick = var("SICK_WHILE").is_ok_and(|file| Path::new(&file).exists());
        let mut health = if is_sick {
            text(StatusCode::SERVICE_UNAVAILABLE, "sick")
        } else {
            text(StatusCode::OK, "well")
        };
        if let Some(rules) = Rules::in_force() {
            let digest = rules.digest.as_str().parse().expect("a digest is plain");
            health.headers_mut().insert("x-patchline-artifact", digest);
        }
        return Ok(health);
    }
    if var("CRASH_ON").is_ok_and(|crash| crash == path) {
        std::process::exit(70);
    }
    if let Some(delay) = number("DELAY_MS") {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    if let Some(rules) = Rules::in_force() {
        let answer = rules.text.lines().find_map(|line| line.strip_prefix("answer "));
        if path == "/rules" {
            return Ok(text(StatusCode::OK, answer.unwrap_or_default()));
        }
        if rules.says("fail") {
            return Ok(text(StatusCode::INTERNAL_SERVER_ERROR, "by the rules"));
        }
    }
    let request_number = REQUESTS.fetch_add(1, Ordering::Relaxed);
    let failures = |requests: u64| requests * number("FAIL_PERMILLE").unwrap_or(0) / 1000;
    if failures(request_number + 1) > failures(request_number) {
        return Ok(text(StatusCode::INTERNAL_SERVER_ERROR, "as told"));
    }
    Ok(match path.as_str() {
        "/echo" => Response::new(request.into_body().map_err(std::io::Error::other).boxed_unsync()),
        "/headers" => text(StatusCode::OK, &format!("{:?}", request.headers())),
        "/env" => text(StatusCode::OK, &format!("{:?}", std::env::vars().collect::<Vec<_>>())),
        "/late" => std::future::pending().await,
        "/broken" => {
            let parts = [Ok(Frame::data(Bytes::from_static(b"half"))), Err(std::io::Error::other("as told"))];
            // The pause lets the first part out before the second one breaks the connection.
            let parts = futures_util::stream::iter(parts).then(|part| async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                part
            });
            Response::new(BodyExt::boxed_unsync(StreamBody::new(parts)))
        }
        "/take" => match request.into_body().collect().await {
            Ok(body) => text(StatusCode::OK, &body.to_bytes().len().to_string()),
            Err(_) => text(StatusCode::BAD_REQUEST, "not whole"),
        },
        "/much" => {
            let parts = (0..64).map(|_| Ok(Frame::data(Bytes::from(vec![b'x'; 1 << 20]))));
            Response::new(BodyExt::boxed_unsync(StreamBody::new(futures_util::stream::iter(parts))))
        }
        "/length" => text(StatusCode::OK, "twelve bytes"),
        "/number" => text(StatusCode::OK, &format!("{request_number} of {}", std::process::id())),
        _ => text(StatusCode::OK, &var("SAYS").unwrap_or_else(|_| "ok".to_owned())),
    })
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    let body = Full::from(text.to_owned()).map_err(|never: Infallible| match never {}).boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer
}

fn number(name: &str) -> Option<u64> {
    var(name).ok()?.parse().ok()
}
