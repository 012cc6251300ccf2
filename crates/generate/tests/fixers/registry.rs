//! The digest of a tag, asked of a registry on loopback that wants a token from everybody.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use patchline_generate::image::registry::digest;
use patchline_model::digest::Digest;

const INDEX: &str = "{\"schemaVersion\":2,\"manifests\":[]}";

/// Answers until the test's process ends.
fn registry() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().flatten().for_each(|stream| answer(&stream, address)));
    address
}

fn answer(mut stream: &TcpStream, address: SocketAddr) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned)).unwrap_or_default();
    let headers: Vec<String> =
        lines.take_while(|line| !line.is_empty()).map(|line| line.to_lowercase()).collect();
    let wants_index =
        headers.iter().any(|line| line.starts_with("accept: ") && line.contains("oci.image.index"));
    let has_token = headers.contains(&"authorization: bearer t-1".to_owned());
    let (status, body) = match path.as_str() {
        "/token?service=s&scope=repository%3Aa%2Fb%3Apull" => ("200 OK", "{\"token\":\"t-1\"}"),
        "/v2/a/b/manifests/1.1" if has_token && wants_index => ("200 OK", INDEX),
        "/v2/a/b/manifests/1.1" => ("401 Unauthorized", "{}"),
        _ => ("404 Not Found", "{}"),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nwww-authenticate: Bearer realm=\"http://{address}/token\",service=\"s\"\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // Who asks may have gone.
    let _ = stream.write_all(head.as_bytes());
}

#[tokio::test]
async fn a_tag_has_the_digest_of_the_bytes_that_the_registry_hands_out() {
    let address = registry();
    let found = digest(&format!("{address}/a/b"), "1.1").await.unwrap();
    assert_eq!(found, format!("sha256:{}", Digest::of(INDEX.as_bytes()).hex()));
    let failure = digest(&format!("{address}/a/b"), "1.2").await.expect_err("there is none");
    assert!(failure.message.contains("404"), "{failure:?}");
    let failure = digest("rust", "1.1").await.expect_err("no registry");
    assert!(failure.message.contains("does not say which registry"), "{failure:?}");
}
