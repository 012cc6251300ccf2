//! The service as its clients see it: the real binary on a free port, and a plain socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

struct Service {
    child: Child,
    address: String,
}

impl Service {
    fn start() -> Service {
        let mut child = Command::new(env!("CARGO_BIN_EXE_notebook"))
            .env("PORT", "0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        Service { child, address }
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client { stream: BufReader::new(stream) }
    }

    fn check(&self, request: (&str, &str, &str), status: u16, part: &str) {
        let answer = self.connect().ask(request);
        assert_eq!(answer.status, status, "{request:?} {}", answer.body);
        assert!(answer.body.contains(part), "{request:?} {}", answer.body);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client {
    stream: BufReader<TcpStream>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Client {
    fn ask(&mut self, (method, path, body): (&str, &str, &str)) -> Answer {
        let length = body.len();
        self.send(&format!("{method} {path} HTTP/1.1\r\nHost: n\r\nContent-Length: {length}\r\n\r\n{body}"));
        self.answer()
    }

    fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn answer(&mut self) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.stream.read_line(&mut head).unwrap() > 0, "the connection ended: {head}");
        }
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.stream.read_exact(&mut body).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: String::from_utf8(body).unwrap() }
    }

    fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0; 1]), Ok(0))
    }
}

#[test]
fn it_is_healthy() {
    let service = Service::start();
    let answer = service.connect().ask(("GET", "/healthz", ""));
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
}

#[test]
fn a_note_is_created_and_read_back() {
    let service = Service::start();
    let note = "title: Tea\nbody: Black, two minutes\ntags: [kitchen, tea]\n";
    service.check(
        ("POST", "/notes", note),
        201,
        r#"{"id":2,"tags":["kitchen","tea"],"title":"Tea","words":3}"#,
    );
    service.check(("GET", "/notes/2", ""), 200, r#""body":"Black, two minutes""#);
    service.check(("GET", "/notes/1", ""), 200, "How to use this notebook");
    service.check(("GET", "/notes/3", ""), 404, "no such note");
}

#[test]
fn notes_are_found_by_tag_and_by_the_start_of_the_title() {
    let service = Service::start();
    service.check(("POST", "/notes", "{title: Tea, tags: [kitchen]}"), 201, "Tea");
    service.check(("POST", "/notes", "{title: Bread and butter, tags: [kitchen]}"), 201, "Bread");
    service.check(("POST", "/notes", "{title: Bicycle, tags: [street, red paint]}"), 201, "Bicycle");
    service.check(("GET", "/notes?tag=kitchen", ""), 200, r#"{"notes":[{"id":3,"#);
    service.check(("GET", "/notes?tag=red%20paint", ""), 200, r#"{"notes":[{"id":4,"#);
    service.check(("GET", "/notes?title=Bread+and", ""), 200, r#"{"notes":[{"id":3,"#);
    service.check(("GET", "/notes?tag=street&title=Bread", ""), 200, r#"{"notes":[]}"#);
    service.check(("GET", "/notes?tag=%zz", ""), 400, "not well encoded");
    service.check(("GET", "/notes?colour=red", ""), 400, "colour");
}

#[test]
fn yaml_is_rendered_as_canonical_json() {
    let service = Service::start();
    service.check(
        ("POST", "/render", "b: [1, 2.50, ~]\na: yes it is\n"),
        200,
        r#"{"a":"yes it is","b":[1,2.5,null]}"#,
    );
}

#[test]
fn what_is_no_note_is_a_bad_request() {
    let service = Service::start();
    service.check(("POST", "/notes", "title: [not closed"), 400, "not YAML");
    service.check(("POST", "/notes", ""), 400, "one YAML document");
    service.check(("POST", "/notes", "- a list\n"), 400, "needs a `title`");
    service.check(("POST", "/notes", "title: Tea\ntags: tea\n"), 400, "`tags`");
    service.check(("POST", "/render", "a: 1\n---\nb: 2\n"), 400, "one YAML document");
    service.check(("GET", "/healthz", ""), 200, "ok");
}

#[test]
fn unknown_paths_and_methods_are_refused() {
    let service = Service::start();
    service.check(("GET", "/nowhere", ""), 404, "nothing here");
    service.check(("GET", "/notes/first", ""), 404, "nothing here");
    service.check(("DELETE", "/notes/1", ""), 405, "method");
    let answer = service.connect().ask(("PUT", "/notes", ""));
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains("Allow: GET, HEAD, POST\r\n"), "{}", answer.head);
}

#[test]
fn a_body_over_the_limit_is_refused_and_the_answer_arrives() {
    let service = Service::start();
    let mut client = service.connect();
    let answer = client.ask(("POST", "/notes", &"x".repeat(1024 * 1024 + 1)));
    assert_eq!(answer.status, 413, "{}", answer.body);
    assert!(client.is_closed());
}

#[test]
fn a_malformed_request_is_refused() {
    let service = Service::start();
    for (text, status) in [
        ("nonsense\r\n\r\n", 400),
        ("GET /healthz HTTP/1.1\r\nno colon\r\n\r\n", 400),
        ("POST /notes HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST /notes HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ("POST /notes HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        ("GET /healthz HTTP/3.0\r\n\r\n", 505),
    ] {
        let mut client = service.connect();
        client.send(text);
        assert_eq!(client.answer().status, status, "{text}");
        assert!(client.is_closed(), "{text}");
    }
    let mut client = service.connect();
    client.send(&format!("GET /healthz HTTP/1.1\r\nLong: {}\r\n\r\n", "x".repeat(20_000)));
    assert_eq!(client.answer().status, 431);
}

#[test]
fn one_connection_carries_many_requests() {
    let service = Service::start();
    let mut client = service.connect();
    for _ in 0..3 {
        let answer = client.ask(("GET", "/healthz", ""));
        assert_eq!(answer.status, 200);
        assert!(answer.head.contains("Connection: keep-alive\r\n"), "{}", answer.head);
    }
    let get = "GET /notes/1 HTTP/1.1\r\nHost: n\r\n";
    client.send(&format!("{get}\r\n{get}Connection: close\r\n\r\n"));
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.answer().status, 200);
    assert!(client.is_closed());
}

#[test]
fn a_client_that_asks_before_it_sends_is_told_to_go_on() {
    let service = Service::start();
    let mut client = service.connect();
    client.send("POST /render HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    let mut line = String::new();
    client.stream.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    client.stream.read_line(&mut line).unwrap();
    client.send("[42]");
    assert_eq!(client.answer().body, "[42]");
}

#[test]
fn idle_connections_do_not_keep_others_out() {
    let service = Service::start();
    let mut idle: Vec<Client> = (0..80).map(|_| service.connect()).collect();
    for client in &mut idle {
        client.send("GET /healthz HTTP/1.1\r\n\r\n");
    }
    for client in &mut idle {
        assert_eq!(client.answer().status, 200);
    }
    service.check(("GET", "/healthz", ""), 200, "ok");
}
