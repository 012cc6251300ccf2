//! The digest of a tag, asked of a registry on loopback that wants a token from everybody.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use patchline_generate::image::registry::digest;
use patchline_model::digest::Digest;

use crate::scene::has;

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

/// A registry that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already needs no more.
        let _ = self.0.kill().and_then(|()| self.0.wait().map(drop));
    }
}

/// Puts an index under a tag into the folder of a registry, as that keeps it.
fn keep(folder: &Path, repository: &str, tag: &str, bytes: &str) -> String {
    let hex = Digest::of(bytes.as_bytes()).hex().to_owned();
    let top = folder.join("docker/registry/v2");
    let manifests = top.join("repositories").join(repository).join("_manifests");
    let write = |path: PathBuf, text: &str| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(top.join("blobs/sha256").join(&hex[..2]).join(&hex).join("data"), bytes);
    let found = format!("sha256:{hex}");
    write(manifests.join("revisions/sha256").join(&hex).join("link"), &found);
    write(manifests.join("tags").join(tag).join("current/link"), &found);
    write(manifests.join("tags").join(tag).join("index/sha256").join(&hex).join("link"), &found);
    found
}

#[tokio::test]
async fn a_real_registry_hands_out_the_index_of_a_tag() {
    if !has("docker-registry") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let index = "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.docker.distribution.manifest.list.v2+json\",\"manifests\":[]}";
    let expected = keep(&folder.path().join("kept"), "a/b", "1.1", index);
    // The system gives the port away and takes it back; the registry takes it then.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = format!(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
        folder.path().join("kept").display()
    );
    fs::write(folder.path().join("settings.yml"), settings).unwrap();
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(folder.path().join("settings.yml"));
    let _running = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    // Until it listens, it is asked again.
    assert_eq!(digest(&format!("{address}/a/b"), "1.1").await.unwrap(), expected);
    let failure = digest(&format!("{address}/a/b"), "1.2").await.expect_err("there is none");
    assert!(failure.message.contains("404"), "{failure:?}");
}
