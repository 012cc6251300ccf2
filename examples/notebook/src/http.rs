//! HTTP/1.1 on a socket: requests are read within limits, responses are written in one piece.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

const HEAD_BYTES: usize = 16 * 1024;
const BODY_BYTES: usize = 1024 * 1024;
const CHUNK_BYTES: usize = 16 * 1024;
const LINGER_BYTES: usize = 8 * BODY_BYTES;
/// How often a waiting read looks up to see the time and the crowd.
const SLICE: Duration = Duration::from_millis(500);
const IDLE: Duration = Duration::from_secs(120);
const REQUEST: Duration = Duration::from_secs(20);
const WRITE: Duration = Duration::from_secs(10);
const LINGER: Duration = Duration::from_secs(2);

pub struct Request {
    pub method: String,
    pub path: String,
    pub query: String,
    pub body: Vec<u8>,
    pub keep_alive: bool,
}

pub struct Response {
    pub status: u16,
    pub content_type: &'static str,
    pub header: Option<(&'static str, String)>,
    pub body: String,
}

/// What a connection holds next.
pub enum Next {
    Request(Request),
    /// Not a request that we take: answer this, then close.
    Refused(Response),
    Gone,
}

pub struct Connection {
    stream: TcpStream,
    /// Read, but not taken yet: the start of a request, or more than one of them.
    buffer: Vec<u8>,
}

struct Head {
    request: Request,
    length: usize,
    expects_continue: bool,
}

enum Broken {
    Gone,
    Refused(Response),
}

impl Response {
    pub fn json(status: u16, body: String) -> Response {
        Response { status, content_type: "application/json", header: None, body }
    }

    pub fn error(status: u16, reason: &str) -> Response {
        Response::json(status, format!("{{\"error\":{}}}", crate::json::quoted(reason)))
    }

    pub fn with(mut self, name: &'static str, value: String) -> Response {
        self.header = Some((name, value));
        self
    }
}

impl Connection {
    pub fn new(stream: TcpStream) -> io::Result<Connection> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SLICE))?;
        stream.set_write_timeout(Some(WRITE))?;
        Ok(Connection { stream, buffer: Vec::new() })
    }

    /// Waits for a request. `crowded` says whether others wait for the worker, so that an idle connection gives way.
    pub fn next(&mut self, crowded: impl Fn() -> bool) -> Next {
        match self.read_request(crowded) {
            Ok(request) => Next::Request(request),
            Err(Broken::Refused(response)) => Next::Refused(response),
            Err(Broken::Gone) => Next::Gone,
        }
    }

    pub fn write(&mut self, response: &Response, keep_alive: bool, with_body: bool) -> io::Result<()> {
        let mut text = format!("HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
        let _ = write!(text, "Content-Type: {}\r\n", response.content_type);
        let _ = write!(text, "Content-Length: {}\r\n", response.body.len());
        let _ = write!(text, "Connection: {}\r\n", if keep_alive { "keep-alive" } else { "close" });
        if let Some((name, value)) = &response.header {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text.push_str("\r\n");
        if with_body {
            text.push_str(&response.body);
        }
        self.stream.write_all(text.as_bytes())
    }

    /// Reads on for a moment after a refusal: closing over unread bytes would take the answer from the client.
    pub fn linger(&mut self) {
        let deadline = Instant::now() + LINGER;
        let mut left = LINGER_BYTES;
        let mut chunk = [0; CHUNK_BYTES];
        if self.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        while left > 0 && Instant::now() < deadline {
            match self.stream.read(&mut chunk) {
                Ok(0) => return,
                Ok(read) => left = left.saturating_sub(read),
                Err(cause) if is_timeout(&cause) => {}
                Err(_) => return,
            }
        }
    }

    fn read_request(&mut self, crowded: impl Fn() -> bool) -> Result<Request, Broken> {
        self.wait_for_first_byte(crowded)?;
        let deadline = Instant::now() + REQUEST;
        let head_bytes = self.read_head(deadline)?;
        let head =
            parse_head(&String::from_utf8_lossy(&self.buffer[..head_bytes])).map_err(Broken::Refused)?;
        let end = head_bytes + head.length;
        if head.expects_continue && self.buffer.len() < end {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").map_err(|_| Broken::Gone)?;
        }
        while self.buffer.len() < end {
            self.read_more(deadline)?;
        }
        let mut request = head.request;
        request.body = self.buffer[head_bytes..end].to_vec();
        self.buffer.drain(..end);
        Ok(request)
    }

    fn wait_for_first_byte(&mut self, crowded: impl Fn() -> bool) -> Result<(), Broken> {
        let since = Instant::now();
        while self.buffer.is_empty() {
            if !self.read_slice()? && (crowded() || since.elapsed() > IDLE) {
                return Err(Broken::Gone);
            }
        }
        Ok(())
    }

    /// Reads up to the empty line and says how long the head is.
    fn read_head(&mut self, deadline: Instant) -> Result<usize, Broken> {
        let mut seen = 0;
        loop {
            let found = self.buffer[seen..].windows(4).position(|window| window == b"\r\n\r\n");
            match found.map(|at| seen + at + 4) {
                Some(bytes) if bytes <= HEAD_BYTES => return Ok(bytes),
                None if self.buffer.len() <= HEAD_BYTES => {}
                _ => return Err(refused(431, "the header is larger than 16 KiB")),
            }
            seen = self.buffer.len().saturating_sub(3);
            self.read_more(deadline)?;
        }
    }

    fn read_more(&mut self, deadline: Instant) -> Result<(), Broken> {
        while Instant::now() < deadline {
            if self.read_slice()? {
                return Ok(());
            }
        }
        Err(refused(408, "the request took too long"))
    }

    /// Whether bytes came within a slice of time.
    fn read_slice(&mut self) -> Result<bool, Broken> {
        let mut chunk = [0; CHUNK_BYTES];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(Broken::Gone),
            Ok(read) => {
                self.buffer.extend_from_slice(&chunk[..read]);
                Ok(true)
            }
            Err(cause) if is_timeout(&cause) => Ok(false),
            Err(_) => Err(Broken::Gone),
        }
    }
}

fn parse_head(text: &str) -> Result<Head, Response> {
    let bad = |reason: &str| Response::error(400, reason);
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let &[method, target, version] = words.as_slice() else { return Err(bad("no valid request line")) };
    let mut keep_alive = match version {
        "HTTP/1.1" => true,
        "HTTP/1.0" => false,
        _ => return Err(Response::error(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")),
    };
    if method.is_empty() || !target.starts_with('/') {
        return Err(bad("no valid request line"));
    }
    let mut length = None;
    let mut expects_continue = false;
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| bad("a header line without a colon"))?;
        if name.is_empty() || name.contains([' ', '\t']) {
            return Err(bad("no valid header name"));
        }
        let value = value.trim_matches([' ', '\t']);
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                let bytes = parse_length(value).ok_or_else(|| bad("no valid Content-Length"))?;
                if length.replace(bytes).is_some_and(|other| other != bytes) {
                    return Err(bad("two Content-Lengths that differ"));
                }
            }
            "transfer-encoding" => return Err(Response::error(411, "send a Content-Length")),
            "connection" if has_word(value, "close") => keep_alive = false,
            "connection" if has_word(value, "keep-alive") => keep_alive = true,
            "expect" if value.eq_ignore_ascii_case("100-continue") => expects_continue = true,
            _ => {}
        }
    }
    if length.is_none() && method == "POST" {
        return Err(Response::error(411, "send a Content-Length"));
    }
    let length = length.unwrap_or(0);
    if length > BODY_BYTES {
        return Err(Response::error(413, "the body is larger than 1 MiB"));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
    Ok(Head {
        request: Request { method, path, query, body: Vec::new(), keep_alive },
        length,
        expects_continue,
    })
}

/// Digits only. What is too long for a number is too large for us as well.
fn parse_length(value: &str) -> Option<usize> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| value.parse().unwrap_or(usize::MAX))
}

fn has_word(value: &str, word: &str) -> bool {
    value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word))
}

fn refused(status: u16, reason: &str) -> Broken {
    Broken::Refused(Response::error(status, reason))
}

fn is_timeout(cause: &io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}
