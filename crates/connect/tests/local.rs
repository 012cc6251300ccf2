//! Fetching from a server of this machine that is slow, down, cut off, running in circles, or too generous.

#[path = "local/server.rs"]
mod server;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use patchline_connect::{Client, Download, FetchError, Get, Kind, Post, Settings};
use server::{Reply, Server, answer, bytes};
use tempfile::TempDir;

const BODY: &[u8] = b"a body of some length, which is sent in parts";

fn quick() -> Settings {
    Settings { wait: Duration::ZERO, silence: Duration::from_millis(200), ..Settings::default() }
}

#[track_caller]
fn client(settings: Settings) -> Client {
    Client::new(settings).expect("a client")
}

#[tokio::main(flavor = "current_thread")]
async fn get(client: &Client, url: &str) -> Result<patchline_connect::Answer, FetchError> {
    client.get(&Get::new(url, 1000)).await
}

#[tokio::main(flavor = "current_thread")]
async fn download(client: &Client, url: &str, to: &std::path::Path) -> Result<Download, FetchError> {
    client.download(&Get::new(url, 1000), to, None).await
}

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("deep/file.zip");
    (folder, to)
}

/// Given what a server answers, sees how fetching ends: its kind, and a part of what is said.
#[track_caller]
fn check(given: impl Fn(usize) -> Reply + Send + Sync + 'static, kind: Kind, said: &str, asked: usize) {
    let server = Server::new(move |_, number| given(number));
    let error = get(&client(quick()), &server.url("/x")).expect_err("it is refused");
    assert_eq!(error.kind, kind, "{error}");
    assert!(error.to_string().starts_with(&format!("could not fetch `{}`: ", server.url("/x"))), "{error}");
    assert!(error.to_string().contains(said), "{error}");
    assert_eq!(server.asked().len(), asked);
}

#[test]
fn what_is_there_is_fetched_with_the_headers_that_were_given() {
    let server = Server::new(|_, _| answer("200 OK", &[("etag", "\"1\"")], BODY));
    let request = Get::new(server.url("/x"), 1000).header("accept", "application/json");
    let fetch = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let answer = fetch.block_on(client(quick()).get(&request)).expect("an answer");
    assert_eq!((answer.bytes.as_slice(), answer.etag.as_deref()), (BODY, Some("\"1\"")));
    let asked = &server.asked()[0];
    assert_eq!(asked.header("accept"), Some("application/json"));
    assert!(asked.header("user-agent").is_some_and(|agent| agent.starts_with("patchline/")));
}

#[tokio::main(flavor = "current_thread")]
async fn post(settings: Settings, post: Post) -> Result<Vec<u8>, FetchError> {
    client(settings).post(&post).await
}

#[test]
fn a_question_is_answered_within_the_same_limits() {
    let server = Server::new(|_, number| match number {
        0 => answer("503 Busy", &[], b""),
        _ => answer("200 OK", &[], BODY),
    });
    let question = |path: &str| {
        Post::json(server.url(path), b"{}".to_vec(), 1000).header("authorization", "Bearer secret")
    };
    assert_eq!(post(quick(), question("/x")).expect("an answer"), BODY);
    let asked = &server.asked()[1];
    assert_eq!(asked.header("content-length"), Some("2"), "its body was sent");
    assert_eq!(asked.header("content-type"), Some("application/json"));
    assert_eq!(asked.header("authorization"), Some("Bearer secret"));

    let refused = |reply: fn() -> Reply, settings: Settings, most: u64, kind: Kind| {
        let server = Server::new(move |_, _| reply());
        let question =
            Post::json(server.url("/x"), b"{}".to_vec(), most).header("authorization", "Bearer secret");
        let error = post(settings, question).expect_err("it is refused");
        assert_eq!(error.kind, kind, "{error}");
        assert!(!format!("{error:?} {error}").contains("secret"), "{error:?}");
        server.asked().len()
    };
    assert_eq!(refused(|| answer("200 OK", &[], BODY), quick(), 10, Kind::TooLarge), 1);
    assert_eq!(refused(|| answer("401 No", &[], b"secret"), quick(), 1000, Kind::Forbidden), 1);
    let here = Settings { redirects: 0, ..quick() };
    let away = || answer("307 There", &[("location", "http://127.0.0.1:9/")], b"");
    assert_eq!(refused(away, here, 1000, Kind::Nonsense), 1, "what is asked goes nowhere else");
    let silent = Settings { tries: 1, ..quick() };
    assert_eq!(refused(|| Reply::Silence(Vec::new()), silent, 1000, Kind::TooSlow), 1);
}

#[test]
fn what_may_pass_is_tried_again_and_what_may_not_is_told_at_once() {
    check(|_| answer("404 Not Found", &[], b""), Kind::Missing, "answered 404", 1);
    check(|_| answer("403 Forbidden", &[], b""), Kind::Forbidden, "answered 403", 1);
    check(|_| answer("418 I'm a teapot", &[], b""), Kind::Nonsense, "answered 418", 1);
    check(|_| answer("304 Not Modified", &[], b""), Kind::Nonsense, "which nobody asked for", 1);
    check(
        |_| answer("503 Busy", &[], b""),
        Kind::Unreachable,
        "answered 503 Service Unavailable (tried 4 times)",
        4,
    );
    check(|_| Reply::Bytes(b"hello\r\n\r\n".to_vec()), Kind::Unreachable, "tried 4 times", 4);
    check(|_| Reply::Bytes(Vec::new()), Kind::Unreachable, "tried 4 times", 4);
    let server = Server::new(|_, number| match number {
        0 => answer("429 Too Many Requests", &[("retry-after", "0")], b""),
        1 => Reply::Bytes(bytes("200 OK", &[], BODY, 100)),
        _ => answer("200 OK", &[], BODY),
    });
    assert_eq!(get(&client(quick()), &server.url("/x")).expect("an answer").bytes, BODY);
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn an_answer_that_is_cut_off_or_changed_is_none() {
    check(|_| Reply::Bytes(bytes("200 OK", &[], BODY, 100)), Kind::Unreachable, "the answer broke off", 4);
    let wrong = ("x-goog-hash", "crc32c=AAAAAA==");
    check(move |_| answer("200 OK", &[wrong], BODY), Kind::Nonsense, "does not have the checksum", 4);
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    check(|_| Reply::Silence(Vec::new()), Kind::TooSlow, "fell silent (tried 4 times)", 4);
    check(|_| Reply::Silence(bytes("200 OK", &[], BODY, 100)), Kind::TooSlow, "fell silent", 4);
    let server = Server::new(|_, _| Reply::Silence(Vec::new()));
    let impatient = Settings { deadline: Duration::from_millis(100), ..Settings::default() };
    let error = get(&client(impatient), &server.url("/x")).expect_err("it is given up");
    assert!(error.to_string().ends_with("it was not done within 0.1 s"), "{error}");
}

#[test]
fn nobody_at_the_port_is_said() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let error = get(&client(quick()), &format!("http://{free}/x")).expect_err("nobody is there");
    assert_eq!(error.kind, Kind::Unreachable);
    assert!(error.to_string().contains("onnection refused"), "{error}");
    assert!(error.hint().contains("HTTPS_PROXY"));
}

#[test]
fn redirects_are_followed_and_circles_are_left() {
    check(
        |_| answer("302 Found", &[("location", "/again")], b""),
        Kind::Nonsense,
        "redirects more than 5 times",
        6,
    );
    let server = Server::new(|asked, _| match asked.path.as_str() {
        "/x" => answer("302 Found", &[("location", "/y")], b""),
        _ => answer("200 OK", &[], BODY),
    });
    assert_eq!(get(&client(quick()), &server.url("/x")).expect("an answer").bytes, BODY);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_kept() {
    check(|_| answer("200 OK", &[], &[0; 1001]), Kind::TooLarge, "it has more than 1000 bytes", 1);
    // Nothing announces how much comes.
    let endless = [b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".as_slice(), &[0; 4000]].concat();
    check(move |_| Reply::Bytes(endless.clone()), Kind::TooLarge, "it has more than 1000 bytes", 1);
    let server = Server::new(|_, _| answer("200 OK", &[("etag", "\"1\"")], &[0; 1001]));
    let (folder, to) = place();
    download(&client(quick()), &server.url("/x"), &to).expect_err("it is refused");
    assert!(!to.exists() && !folder.path().join("deep/file.zip.partial").exists());
}

#[test]
fn what_is_no_address_is_refused_and_a_password_is_not_shown() {
    for (given, then) in [
        ("somewhere", "could not fetch `somewhere`: it is no address"),
        ("file:///etc/passwd", "could not fetch `file:///etc/passwd`: it is no address of HTTP or HTTPS"),
    ] {
        let error = get(&client(quick()), given).expect_err("it is refused");
        assert_eq!((error.to_string().as_str(), error.kind), (then, Kind::Usage));
    }
    let server = Server::new(|_, _| answer("404 Not Found", &[], b""));
    let secret = server.url("/x").replace("http://", "http://me:secret@");
    let error = get(&client(quick()), &secret).expect_err("it is not there");
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
}

#[test]
fn with_a_cache_an_unchanged_answer_is_not_sent_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { cache: Some(folder.path().join("cache")), ..quick() };
    let server = Server::new(|asked, _| match asked.header("if-none-match") {
        Some("\"1\"") => answer("304 Not Modified", &[], b""),
        _ => answer("200 OK", &[("etag", "\"1\"")], BODY),
    });
    let client = client(settings);
    let check = |from_cache: bool| {
        let answer = get(&client, &server.url("/x")).expect("an answer");
        assert_eq!((answer.bytes.as_slice(), answer.from_cache), (BODY, from_cache));
    };
    check(false);
    check(true);
    for entry in std::fs::read_dir(folder.path().join("cache")).expect("the cache") {
        let path = entry.expect("an entry").path();
        let mut bytes = std::fs::read(&path).expect("a file");
        *bytes.last_mut().expect("a byte") ^= 1;
        std::fs::write(&path, bytes).expect("a file");
    }
    check(false);
    check(true);
}

#[test]
fn a_cache_does_not_grow_without_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { cache: Some(folder.path().to_owned()), cache_bytes: 2000, ..quick() };
    let server = Server::new(|_, _| answer("200 OK", &[("etag", "\"1\"")], &[1; 600]));
    let client = client(settings);
    for number in 0..6 {
        get(&client, &server.url(&format!("/{number}"))).expect("an answer");
    }
    let kept = std::fs::read_dir(folder.path()).expect("the cache");
    let bytes: u64 = kept.map(|entry| entry.expect("an entry").metadata().expect("a size").len()).sum();
    assert!((600..=2000).contains(&bytes), "{bytes}");
}

/// Answers as an object store does: the whole, or from where it is asked for.
fn ranged(asked: &server::Asked, etag: &str, body: &[u8]) -> Reply {
    let from = asked.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    match from.filter(|_| asked.header("if-range") == Some(etag)).map(|from| from.parse::<usize>()) {
        Some(Ok(from)) => {
            let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
            answer("206 Partial Content", &[("etag", etag), ("content-range", &range)], &body[from..])
        }
        _ => answer("200 OK", &[("etag", etag)], body),
    }
}

#[test]
fn a_download_that_broke_off_is_taken_up_where_it_ended() {
    let server = Server::new(|asked, number| match number {
        0 => Reply::Bytes(bytes("200 OK", &[("etag", "\"1\"")], &BODY[..10], BODY.len())),
        _ => ranged(asked, "\"1\"", BODY),
    });
    let (_folder, to) = place();
    let once = client(Settings { tries: 1, ..quick() });
    download(&once, &server.url("/x"), &to).expect_err("it broke off");
    assert!(!to.exists());
    let done = download(&once, &server.url("/x"), &to).expect("it is whole");
    let then = Download::Whole { bytes: BODY.len() as u64, etag: Some("\"1\"".to_owned()), resumed: 10 };
    assert_eq!((done, std::fs::read(&to).expect("the file").as_slice()), (then, BODY));
    assert_eq!(server.asked()[1].header("range"), Some("bytes=10-"));
    let left = std::fs::read_dir(to.parent().expect("a folder")).expect("a listing").count();
    assert_eq!(left, 1, "nothing is left beside it");
}

#[test]
fn what_changed_meanwhile_is_fetched_anew() {
    let other = b"another body";
    let server = Server::new(move |asked, number| match number {
        0 => Reply::Bytes(bytes("200 OK", &[("etag", "\"1\"")], &BODY[..10], BODY.len())),
        _ => ranged(asked, "\"2\"", other),
    });
    let (_folder, to) = place();
    download(&client(quick()), &server.url("/x"), &to).expect("it is whole");
    assert_eq!(std::fs::read(&to).expect("the file"), other);
}

#[test]
fn a_part_that_was_not_asked_for_is_thrown_away() {
    let server = Server::new(|asked, number| match (number, asked.header("range")) {
        (0, _) => Reply::Bytes(bytes("200 OK", &[("etag", "\"1\"")], &BODY[..10], BODY.len())),
        (1, Some(_)) => answer("206 Partial Content", &[("content-range", "bytes 3-5/45")], b"abc"),
        (2, Some(_)) => answer("416 Range Not Satisfiable", &[], b""),
        _ => answer("200 OK", &[("etag", "\"1\"")], BODY),
    });
    let (_folder, to) = place();
    download(&client(quick()), &server.url("/x"), &to).expect("it is whole");
    assert_eq!(std::fs::read(&to).expect("the file"), BODY);
    assert_eq!(server.asked()[2].header("range"), None, "what was in doubt is asked for anew");
}

#[test]
fn a_resumed_download_is_compared_with_the_sum_of_the_whole() {
    let server = Server::new(|_, number| match number {
        0 => Reply::Bytes(bytes("200 OK", &[("etag", "\"1\"")], b"1234", 9)),
        1 => {
            let headers = [("content-range", "bytes 4-8/9"), ("x-goog-hash", "crc32c=4waSgw==")];
            answer("206 Partial Content", &headers, b"XXXXX")
        }
        _ => answer("200 OK", &[("x-goog-hash", "crc32c=4waSgw==")], b"123456789"),
    });
    let (_folder, to) = place();
    download(&client(quick()), &server.url("/x"), &to).expect("it is whole");
    assert_eq!(std::fs::read(&to).expect("the file"), b"123456789");
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn what_is_known_is_not_fetched_again() {
    let server = Server::new(|asked, _| match asked.header("if-none-match") {
        Some("\"1\"") => answer("304 Not Modified", &[], b""),
        _ => answer("200 OK", &[("etag", "\"1\"")], BODY),
    });
    let (_folder, to) = place();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = client(quick());
    let done = runtime.block_on(client.download(&Get::new(server.url("/x"), 1000), &to, Some("\"1\"")));
    assert_eq!(done.expect("an answer"), Download::Unchanged);
    assert!(!to.exists());
}

#[test]
fn a_host_is_asked_no_more_at_once_than_it_may_be() {
    static NOW: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let server = Server::new(|_, _| {
        MOST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::yield_now();
        NOW.fetch_sub(1, Ordering::SeqCst);
        answer("200 OK", &[], BODY)
    });
    let client = client(Settings { per_host: 2, ..quick() });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (client, request) = (client.clone(), Get::new(server.url("/x"), 1000));
            all.spawn(async move { client.get(&request).await });
        }
        for answer in all.join_all().await {
            assert_eq!(answer.expect("an answer").bytes, BODY);
        }
    });
    assert_eq!(server.asked().len(), 20);
    assert!(MOST.load(Ordering::SeqCst) <= 2, "{MOST:?}");
}

#[test]
#[ignore = "`a_proxy_of_the_environment_is_asked` runs it with a proxy"]
fn by_proxy() {
    let client = client(Settings { tries: 1, ..quick() });
    assert_eq!(get(&client, "http://patchline.invalid/x").expect("an answer").bytes, BODY);
    let error = get(&client, "https://patchline.invalid/x").expect_err("the proxy lets nobody through");
    assert_eq!(error.kind, Kind::Unreachable, "{error}");
}

#[test]
fn a_proxy_of_the_environment_is_asked() {
    let server = Server::new(|asked, _| match asked.path.as_str() {
        "http://patchline.invalid/x" => answer("200 OK", &[], BODY),
        _ => answer("403 Forbidden", &[], b""),
    });
    let mut child = std::process::Command::new(std::env::current_exe().expect("this test"));
    child.args(["--exact", "by_proxy", "--ignored"]).env_clear();
    child.env("http_proxy", server.url("/")).env("HTTPS_PROXY", server.url("/"));
    let output = child.output().expect("it ran");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let asked: Vec<String> = server.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(asked, ["http://patchline.invalid/x", "patchline.invalid:443"]);
}
