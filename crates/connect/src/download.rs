//! `download`: a large body into a file, taken up again where it broke off, also by another process another day. The file
//! takes its place only when it is whole.

use std::fs;
use std::io::{self, Read as _, SeekFrom};
use std::path::{Path, PathBuf};

use reqwest::header::{CONTENT_RANGE, HeaderMap, HeaderValue, IF_NONE_MATCH, IF_RANGE, RANGE};
use reqwest::{Response, StatusCode, Url};
use serde::{Deserialize, Serialize};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

use crate::checksum::{Arrived, Said};
use crate::client::Client;
use crate::error::{Failed, FetchError, Kind};
use crate::get::{etag, next};
use crate::request::{Get, address, shown};
use crate::tries::Tries;

/// How a download ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Download {
    /// The server has what is known already; no file was written.
    Unchanged,
    /// The file is there, whole. `resumed` bytes of it were there before.
    Whole { bytes: u64, etag: Option<String>, resumed: u64 },
}

/// Of what a partial file is the beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    url: String,
    etag: String,
}

impl Client {
    /// Fetches into this file. Beside it, `.partial` holds what has arrived until it is whole. With `known`, an ETag, nothing
    /// is fetched if that is what the server still has.
    pub async fn download(&self, get: &Get, to: &Path, known: Option<&str>) -> Result<Download, FetchError> {
        let url = address(&get.url)?;
        let headers = get.header_map()?;
        let partial = Partial::of(to);
        let mut tries = Tries::new(self.settings());
        let done = loop {
            match tries.attempt(self.download_once(get, &url, &headers, &partial, known)).await {
                Ok(done) => break done,
                Err(failed) => tries.again(failed).await.map_err(|failed| failed.of(&shown(&get.url)))?,
            }
        };
        if matches!(done, Download::Whole { .. }) {
            partial.finish(to).map_err(|failed| failed.of(&shown(&get.url)))?;
        }
        Ok(done)
    }

    async fn download_once(
        &self,
        get: &Get,
        url: &Url,
        headers: &HeaderMap,
        partial: &Partial,
        known: Option<&str>,
    ) -> Result<Download, Failed> {
        let mut headers = headers.clone();
        let (mut arrived, begun) = partial.begun(url, get.most_bytes)?;
        match (&begun, known.and_then(|known| HeaderValue::from_str(known).ok())) {
            (Some(etag), _) => {
                headers.insert(
                    RANGE,
                    HeaderValue::from_str(&format!("bytes={}-", arrived.bytes)).expect("ASCII"),
                );
                headers.insert(IF_RANGE, etag.clone());
            }
            (None, Some(known)) => {
                headers.insert(IF_NONE_MATCH, known);
            }
            (None, None) => {}
        }
        let (mut response, _permit) = self.send(url, headers).await?;
        let total = match response.status() {
            StatusCode::OK => {
                arrived = Arrived::default();
                response.content_length()
            }
            StatusCode::PARTIAL_CONTENT if begun.is_some() => match range(&response) {
                Some((first, total)) if first == arrived.bytes => total,
                _ => {
                    partial.remove()?;
                    let what = "the server sent another part than was asked for";
                    return Err(Failed::new(Kind::Nonsense, what).passing());
                }
            },
            StatusCode::RANGE_NOT_SATISFIABLE if begun.is_some() => {
                // What is there is all of it, or of something else; in doubt it is fetched anew.
                partial.remove()?;
                let what = "the server no longer has what was begun";
                return Err(Failed::new(Kind::Nonsense, what).passing());
            }
            StatusCode::NOT_MODIFIED if begun.is_none() && known.is_some() => return Ok(Download::Unchanged),
            status => {
                let what = format!("the server answered {status}, which nobody asked for");
                return Err(Failed::new(Kind::Nonsense, what));
            }
        };
        let (said, etag, resumed) = (Said::of(response.headers(), total), etag(&response), arrived.bytes);
        let mut file = partial.open(url, resumed, etag.as_deref()).await?;
        let written = async {
            while let Some(chunk) = next(&mut response, &arrived, &said, get.most_bytes).await? {
                file.write_all(&chunk).await.map_err(|error| Failed::storage(&partial.body, error))?;
                arrived.take(&chunk);
            }
            Ok(())
        };
        let written: Result<(), Failed> = written.await;
        // What has arrived counts for the next try, however this one ended.
        let kept = async {
            file.flush().await?;
            file.sync_all().await
        };
        kept.await.map_err(|error| Failed::storage(&partial.body, error))?;
        if let Err(unsound) = written.and_then(|()| arrived.compare(&said)) {
            if matches!(unsound.kind, Kind::Nonsense | Kind::TooLarge) {
                partial.remove()?;
            }
            return Err(unsound);
        }
        Ok(Download::Whole { bytes: arrived.bytes, etag, resumed })
    }
}

/// What has arrived of a file, and of what it is the beginning.
struct Partial {
    body: PathBuf,
    origin: PathBuf,
}

impl Partial {
    fn of(to: &Path) -> Self {
        let beside = |end: &str| {
            let mut name = to.file_name().unwrap_or_default().to_owned();
            name.push(end);
            to.with_file_name(name)
        };
        Self { body: beside(".partial"), origin: beside(".partial.origin") }
    }

    /// What is there of this address, with the ETag to ask on with. Nothing where it isn't known of what it is.
    fn begun(&self, url: &Url, most: u64) -> Result<(Arrived, Option<HeaderValue>), Failed> {
        let nothing = (Arrived::default(), None);
        let Ok(Ok(origin)) = fs::read(&self.origin).map(|bytes| serde_json::from_slice::<Origin>(&bytes))
        else {
            return Ok(nothing);
        };
        // A weak ETag does not say that the bytes are the same.
        let etag = HeaderValue::from_str(&origin.etag).ok().filter(|_| !origin.etag.starts_with("W/"));
        let (Some(etag), true) = (etag, origin.url == shown(url.as_str())) else { return Ok(nothing) };
        let mut file = match fs::File::open(&self.body) {
            Ok(file) => file,
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(nothing),
            Err(error) => return Err(Failed::storage(&self.body, error)),
        };
        let mut arrived = Arrived::default();
        let mut buffer = vec![0; 256 << 10];
        loop {
            match file.read(&mut buffer).map_err(|error| Failed::storage(&self.body, error))? {
                0 => break,
                length => arrived.take(&buffer[..length]),
            }
        }
        Ok(if arrived.bytes == 0 || arrived.bytes > most { nothing } else { (arrived, Some(etag)) })
    }

    /// Opens it behind these bytes. Whose beginning it is, is written down before the first byte is.
    async fn open(&self, url: &Url, behind: u64, etag: Option<&str>) -> Result<File, Failed> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| Failed::storage(&path, error)
        };
        if behind == 0 {
            if let Some(parent) = self.body.parent() {
                fs::create_dir_all(parent).map_err(at(parent))?;
            }
            self.remove()?;
            if let Some(etag) = etag {
                let origin = Origin { url: shown(url.as_str()), etag: etag.to_owned() };
                let text = serde_json::to_vec(&origin).expect("texts are JSON");
                fs::write(&self.origin, text).map_err(at(&self.origin))?;
            }
        }
        let mut options = File::options();
        let file = options.write(true).create(true).truncate(false).open(&self.body).await;
        let mut file = file.map_err(at(&self.body))?;
        file.seek(SeekFrom::Start(behind)).await.map_err(at(&self.body))?;
        Ok(file)
    }

    fn finish(&self, to: &Path) -> Result<(), Failed> {
        fs::rename(&self.body, to).map_err(|error| Failed::storage(to, error))?;
        self.remove()
    }

    fn remove(&self) -> Result<(), Failed> {
        for path in [&self.body, &self.origin] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Failed::storage(path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The first byte of a part and the length of the whole: `bytes 5-9/10`.
fn range(response: &Response) -> Option<(u64, Option<u64>)> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.parse().ok()?, total.parse().ok()))
}
