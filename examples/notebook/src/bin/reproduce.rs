//! Shows whether a build of the service has a bug: `reproduce [--case nesting|tags] <notebook binary>`.
//!
//! Exit codes: 0 the bug is not there, 1 it is, 2 something else went wrong. One line says what happened.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const NESTING: usize = 50_000;
const DEADLINE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);
const RESPONSE_BYTES: u64 = 1024 * 1024;
const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;

enum Verdict {
    Fixed(String),
    Broken(String),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        [binary] | ["--case", "nesting", binary] => Service::start(binary).and_then(deep_nesting),
        ["--case", "tags", binary] => Service::start(binary).and_then(tags_ignore_case),
        _ => Err("usage: reproduce [--case nesting|tags] <notebook binary>".to_owned()),
    };
    let (code, line) = match result {
        Ok(Verdict::Fixed(line)) => (0, format!("fixed: {line}")),
        Ok(Verdict::Broken(line)) => (1, format!("reproduced: {line}")),
        Err(line) => (2, format!("unexpected: {line}")),
    };
    let _ = writeln!(io::stdout(), "{line}");
    ExitCode::from(code)
}

/// RUSTSEC-2018-0006: deep nesting in a document exhausts the stack of the thread that parses it, and so ends the process.
fn deep_nesting(mut service: Service) -> Result<Verdict, String> {
    service.must_be_healthy()?;
    match service.request("POST", "/render", &"[".repeat(NESTING)) {
        Ok((400, _)) => {
            service.must_be_healthy()?;
            Ok(Verdict::Fixed(format!("{NESTING} open brackets are answered with 400 and /healthz with ok")))
        }
        Ok((status, body)) => Err(format!("{NESTING} open brackets are answered with {status}: {body}")),
        Err(cause) => match service.death() {
            Some(status) if matches!(status.signal(), Some(SIGABRT | SIGSEGV)) => Ok(Verdict::Broken(
                format!("{NESTING} open brackets: {cause}, the process died by {}", name_of(status)),
            )),
            Some(status) => Err(format!("{cause}, the process ended by {}", name_of(status))),
            None => Err(format!("{cause}, but the process lives")),
        },
    }
}

/// Bug report: a search for `release` misses what is tagged `Release`.
fn tags_ignore_case(service: Service) -> Result<Verdict, String> {
    service.must_be_healthy()?;
    let found = |tag: &str| match service.request("GET", &format!("/notes?tag={tag}"), "") {
        Ok((200, body)) => Ok(body.contains("\"Ship it\"")),
        Ok((status, body)) => Err(format!("the search was answered with {status}: {body}")),
        Err(cause) => Err(format!("could not search: {cause}")),
    };
    match service.request("POST", "/notes", "title: Ship it\ntags: [Release]\n") {
        Ok((201, _)) => {}
        Ok((status, body)) => return Err(format!("the note was answered with {status}: {body}")),
        Err(cause) => return Err(format!("could not send the note: {cause}")),
    }
    if !found("Release")? {
        return Err("a search for `Release` misses the note tagged `Release`".to_owned());
    }
    match found("release")? {
        true => Ok(Verdict::Fixed("a search for `release` finds the note tagged `Release`".to_owned())),
        false => Ok(Verdict::Broken("a search for `release` misses the note tagged `Release`".to_owned())),
    }
}

/// The running service; it is killed when this goes.
struct Service {
    child: Child,
    address: SocketAddr,
}

impl Service {
    fn start(binary: &str) -> Result<Service, String> {
        let mut child = Command::new(binary)
            .env_clear()
            .env("PORT", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|cause| format!("could not start `{binary}`: {cause}"))?;
        let stdout = child.stdout.take();
        let mut service = Service { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let (sender, receiver) = mpsc::channel();
        // The thread holds the pipe open until the service is gone.
        thread::spawn(move || {
            let Some(mut stdout) = stdout.map(BufReader::new) else { return };
            let mut line = String::new();
            let _ = stdout.by_ref().take(1000).read_line(&mut line);
            let _ = sender.send(line);
            let _ = io::copy(&mut stdout, &mut io::sink());
        });
        let line = receiver.recv_timeout(DEADLINE).unwrap_or_default();
        service.address = line
            .rsplit(' ')
            .next()
            .and_then(|address| address.trim().parse().ok())
            .ok_or_else(|| format!("`{binary}` did not say where it listens"))?;
        Ok(service)
    }

    fn must_be_healthy(&self) -> Result<(), String> {
        match self.request("GET", "/healthz", "") {
            Ok((200, body)) if body == "ok" => Ok(()),
            Ok((status, body)) => Err(format!("/healthz answers {status}: {body}")),
            Err(cause) => Err(format!("/healthz does not answer: {cause}")),
        }
    }

    /// The status and the body of the answer.
    fn request(&self, method: &str, path: &str, body: &str) -> Result<(u16, String), String> {
        let text = self.exchange(method, path, body).map_err(|cause| format!("connection lost ({cause})"))?;
        let (head, body) = text.split_once("\r\n\r\n").ok_or("connection lost before an answer")?;
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or("no HTTP answer")?;
        Ok((status, body.to_owned()))
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        stream.write_all(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes())?;
        let mut text = String::new();
        stream.take(RESPONSE_BYTES).read_to_string(&mut text)?;
        Ok(text)
    }

    /// How the process ended, if it ends in time.
    fn death(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(PAUSE);
        }
        None
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn name_of(status: ExitStatus) -> String {
    match status.signal() {
        Some(SIGABRT) => "SIGABRT".to_owned(),
        Some(SIGSEGV) => "SIGSEGV".to_owned(),
        _ => status.to_string(),
    }
}
