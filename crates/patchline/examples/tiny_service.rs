//! The smallest service that can be good or bad: an HTTP server whose behaviour is the last line of its own executable.
//!
//! The line is `behaviour fail_permille=50 …`: so many of a thousand requests are answered with 500, by counting. The
//! health check is never among them. With `leak_kib=1024` each such request leaves so much memory behind, up to 64 MiB in all; with
//! `lives_ms=300` the process ends by itself after that time. Without such a line every request is answered with 200.
//!
//! On SIGHUP it becomes the executable that `PATCHLINE_ARTIFACT` leads to, as the same process; its health answer says
//! which one it is.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use patchline_model::digest::Digest;
use tokio::signal::unix::{SignalKind, signal};

/// The behaviour lies within so many bytes of the end.
const TAIL: u64 = 4096;

/// Longest request line or header line.
const LONGEST_LINE: u64 = 16 * 1024;

/// Longest body.
const LONGEST_BODY: u64 = 1024 * 1024;

/// Set for a program whose standard input is the port that it listens on.
const HANDED_OVER: &str = "TINY_SERVICE_LISTENS_ON";

/// However long it runs, it leaks no more than this.
const MOST_LEAKED: u64 = 64 * 1024 * 1024;

static LEAKED: AtomicU64 = AtomicU64::new(0);

static ANSWERED: AtomicU64 = AtomicU64::new(0);

fn main() -> io::Result<()> {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(8080);
    let tail = tail_of_own_executable()?;
    let fail_permille = number(&tail, "fail_permille=");
    let leak_bytes = number(&tail, "leak_kib=") * 1024;
    let lives_ms = number(&tail, "lives_ms=");
    if lives_ms > 0 {
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(lives_ms));
            std::process::exit(70);
        });
    }
    let artifact = Digest::of(&std::fs::read("/proc/self/exe")?);
    let listener = listener(port)?;
    // Before the first answer: whoever has heard of this program may tell it to become another.
    become_another_when_told(listener.try_clone()?)?;
    for stream in listener.incoming() {
        // A user who gives up before the answer ends that connection, and not the service.
        let Ok(stream) = stream else { continue };
        let artifact = artifact.clone();
        let serve = move || drop(serve(&stream, fail_permille, leak_bytes, &artifact));
        // While another thread becomes the next program the kernel starts no thread (`EAGAIN`). That connection is closed;
        // a process that panicked here would be gone, and its listener with it.
        if let Err(error) = std::thread::Builder::new().spawn(serve) {
            eprintln!("a connection is closed, for which no thread can be started: {error}");
        }
    }
    Ok(())
}

/// The port of the program before, as its standard input; a port that was closed meanwhile might be somebody else's.
fn listener(port: u16) -> io::Result<TcpListener> {
    match std::env::var_os(HANDED_OVER) {
        Some(_) => Ok(TcpListener::from(io::stdin().as_fd().try_clone_to_owned()?)),
        None => TcpListener::bind((Ipv4Addr::LOCALHOST, port)),
    }
}

/// The listener goes on to the next program, so that nobody is turned away meanwhile.
fn become_another_when_told(listener: TcpListener) -> io::Result<()> {
    let Some(artifact) = std::env::var_os("PATCHLINE_ARTIFACT") else { return Ok(()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut told = runtime.block_on(async { signal(SignalKind::hangup()) })?;
    std::thread::spawn(move || {
        while runtime.block_on(told.recv()).is_some() {
            let error = match listener.try_clone() {
                Ok(handed) => {
                    let handed = Stdio::from(OwnedFd::from(handed));
                    Command::new(&artifact).env(HANDED_OVER, "stdin").stdin(handed).exec()
                }
                Err(error) => error,
            };
            eprintln!("could not become {}: {error}", artifact.to_string_lossy());
        }
    });
    Ok(())
}

fn tail_of_own_executable() -> io::Result<String> {
    let mut file = File::open("/proc/self/exe")?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The number behind a word of the behaviour; none is zero.
fn number(tail: &str, word: &str) -> u64 {
    let line = tail.lines().rev().find_map(|line| line.strip_prefix("behaviour ")).unwrap_or_default();
    let found = line.split_whitespace().find_map(|text| text.strip_prefix(word));
    found.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Keeps so much memory for ever, and touches it, or it would not be resident.
fn leak(bytes: u64) {
    if LEAKED.fetch_add(bytes, Ordering::Relaxed) < MOST_LEAKED {
        std::mem::forget(vec![1u8; usize::try_from(bytes).unwrap_or(0)]);
    }
}

/// One connection, kept alive until the other side closes it.
fn serve(stream: &TcpStream, fail_permille: u64, leak_bytes: u64, artifact: &Digest) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(path) = request(&mut reader)? {
        if path != "/healthz" {
            leak(leak_bytes);
        }
        let status = if path == "/healthz" || !fails(fail_permille) { "200 OK" } else { "500 Oh No" };
        let says = format!("x-patchline-artifact: {artifact}\r\ncontent-length: 3");
        writer.write_all(format!("HTTP/1.1 {status}\r\n{says}\r\n\r\nok\n").as_bytes())?;
    }
    Ok(())
}

/// The path of the next request, read to its end; nothing when the connection is at its end.
fn request(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<String>> {
    let first = line(reader)?;
    let Some(path) = first.split(' ').nth(1) else { return Ok(None) };
    let mut body = 0;
    loop {
        let header = line(reader)?.to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(length) = header.strip_prefix("content-length:") {
            body = length.trim().parse().unwrap_or(0).min(LONGEST_BODY);
        }
    }
    io::copy(&mut reader.by_ref().take(body), &mut io::sink())?;
    Ok(Some(path.to_owned()))
}

fn line(reader: &mut BufReader<&TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    reader.by_ref().take(LONGEST_LINE).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

/// Evenly spread: of a thousand requests in a row exactly `permille` fail.
fn fails(permille: u64) -> bool {
    let number = ANSWERED.fetch_add(1, Ordering::Relaxed) % 1000;
    number * permille / 1000 != (number + 1) * permille / 1000
}
