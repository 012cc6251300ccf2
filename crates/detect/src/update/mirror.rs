//! Where advisories are fetched from: an address that has the layout of the public bucket, or a folder that has it.
//!
//! `ecosystems.txt`, and for each ecosystem a folder with `all.zip`, `modified_id.csv` and `<ID>.json`
//! (<https://google.github.io/osv.dev/data/>).

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use patchline_connect::{Client, Download, Get, Kind};

use crate::error::DetectError;

/// The public bucket of OSV.dev.
pub const PUBLIC: &str = "https://osv-vulnerabilities.storage.googleapis.com";

const LOOK: &str =
    "look whether it has the layout of the public OSV bucket, and whether a proxy answers in its place";

/// Where to fetch from.
#[derive(Clone, Debug)]
pub enum Mirror {
    Folder(PathBuf),
    Web { client: Client, base: String },
}

/// A file of the mirror, where it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// It is the one that is known.
    Unchanged,
    /// What it is known by the next time.
    At { path: PathBuf, tag: Option<String> },
}

impl Mirror {
    /// What a person gave: an address or a folder.
    pub fn of(text: &str, client: Client) -> Self {
        match text.starts_with("https://") || text.starts_with("http://") {
            true => Mirror::Web { client, base: text.trim_end_matches('/').to_owned() },
            false => Mirror::Folder(PathBuf::from(text)),
        }
    }

    /// Where it is, without credentials.
    pub fn name(&self) -> String {
        match self {
            Mirror::Folder(path) => path.display().to_string(),
            Mirror::Web { base, .. } => patchline_connect::request::shown(base),
        }
    }

    /// A small file.
    pub async fn bytes(&self, path: &str, most: u64) -> Result<Vec<u8>, DetectError> {
        match self {
            Mirror::Folder(folder) => {
                let path = folder.join(path);
                let mut bytes = Vec::new();
                let file = File::open(&path).map_err(DetectError::read(&path))?;
                file.take(most + 1).read_to_end(&mut bytes).map_err(DetectError::read(&path))?;
                match bytes.len() as u64 > most {
                    true => {
                        Err(nonsense(&path.display().to_string(), format!("it has more than {most} bytes")))
                    }
                    false => Ok(bytes),
                }
            }
            Mirror::Web { client, base } => {
                Ok(client.get(&Get::new(format!("{base}/{path}"), most)).await?.bytes)
            }
        }
    }

    /// As `bytes`; none when there is no such file.
    pub async fn bytes_if_there(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>, DetectError> {
        match self.bytes(path, most).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(DetectError::Fetch(error)) if error.kind == Kind::Missing => Ok(None),
            Err(DetectError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A large file, which may be fetched to this place.
    pub async fn file(
        &self,
        path: &str,
        to: &Path,
        most: u64,
        known: Option<&str>,
    ) -> Result<Fetched, DetectError> {
        match self {
            Mirror::Folder(folder) => {
                let path = folder.join(path);
                let data = fs::metadata(&path).map_err(DetectError::read(&path))?;
                let at = data.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                let tag = at.map(|at| format!("{}-{}", data.len(), at.as_nanos()));
                match known.is_some() && known == tag.as_deref() {
                    true => Ok(Fetched::Unchanged),
                    false => Ok(Fetched::At { path, tag }),
                }
            }
            Mirror::Web { client, base } => {
                let get = Get::new(format!("{base}/{path}"), most);
                match client.download(&get, to, known).await? {
                    Download::Unchanged => Ok(Fetched::Unchanged),
                    Download::Whole { etag, .. } => Ok(Fetched::At { path: to.to_owned(), tag: etag }),
                }
            }
        }
    }

    /// What it sent makes no sense.
    pub fn nonsense(&self, path: &str, what: impl Into<String>) -> DetectError {
        nonsense(&format!("{}/{path}", self.name().trim_end_matches('/')), what)
    }
}

fn nonsense(from: &str, what: impl Into<String>) -> DetectError {
    DetectError::Mirror { from: from.to_owned(), what: what.into(), hint: LOOK }
}
