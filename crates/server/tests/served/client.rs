//! A server over made-up patches on a free loopback port, and a small client.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use patchline_conductor::attest::Attestor;
use patchline_conductor::clock;
use patchline_conductor::conductor::Conductor;
use patchline_evidence::{Blobs, SigningKey};
use patchline_ledger::sqlite::Sqlite;
use patchline_ledger::store::Store;
use patchline_model::id::PatchId;
use patchline_model::policy::Policy;
use patchline_server::App;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::scene::Story;

/// Generous: a busy machine is slow, a hanging server is for ever.
pub const DEADLINE: Duration = Duration::from_secs(30);

pub struct Served {
    pub blobs: Blobs,
    pub store: Arc<dyn Store>,
    pub conductor: Arc<Conductor>,
    pub port: u16,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
    _folder: TempDir,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: hyper::HeaderMap,
    pub text: String,
}

impl Served {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&folder.path().join("blobs")).unwrap();
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&folder.path().join("ledger.sqlite")).unwrap());
        let conductor = Conductor::new(Arc::clone(&store), Policy::default());
        let key = SigningKey::load_or_create(&folder.path().join("key")).unwrap();
        let app = App {
            conductor: Arc::clone(&conductor),
            attestor: Attestor::new(blobs.clone(), key),
            blobs: blobs.clone(),
            started: clock::now(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(patchline_server::serve(listener, Arc::new(app), stopped));
        Self { blobs, store, conductor, port, stop: Some(stop), task, _folder: folder }
    }

    /// Keeps a story as a patch.
    pub async fn tell(&self, story: &mut Story) -> PatchId {
        let id = self.store.allocate(&story.title).await.unwrap();
        story.save(self.store.as_ref(), id).await;
        id
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body).await
    }

    /// Sends with these headers; a `host` among them takes the place of the right one.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let response = self.open(method, path, headers, body).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes =
            tokio::time::timeout(DEADLINE, response.into_body().collect()).await.unwrap().unwrap().to_bytes();
        Answer { status, headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    /// Sends, and answers before the body has been read.
    pub async fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Incoming> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", self.host());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
        tokio::time::timeout(DEADLINE, sender.send_request(request)).await.unwrap().unwrap()
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Tells the server to stop and waits until it has.
    pub async fn stop(mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        tokio::time::timeout(DEADLINE, self.task).await.unwrap().unwrap().unwrap();
    }
}

/// Reads a live stream until `found` says of its text so far that it has come.
pub async fn read_until(response: &mut Response<Incoming>, found: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    let read = async {
        while !found(&text) {
            let Some(frame) = response.body_mut().frame().await else { break };
            if let Ok(data) = frame.unwrap().into_data() {
                text.push_str(&String::from_utf8_lossy(&data));
            }
        }
    };
    tokio::time::timeout(DEADLINE, read).await.expect("the stream says it in time");
    text
}
