//! `get`: a small body into memory, from the cache where the server says that it is still the same.

use reqwest::header::{ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use reqwest::{Response, StatusCode, Url};

use crate::cache::{self, Cached};
use crate::checksum::{Arrived, Said};
use crate::client::Client;
use crate::error::{Failed, FetchError, Kind};
use crate::request::{Get, address, shown};
use crate::tries::Tries;

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub bytes: Vec<u8>,
    pub etag: Option<String>,
    /// The server said that what was kept is still what it has.
    pub from_cache: bool,
}

impl Client {
    /// Fetches the whole body. With a cache, what is there is asked about by its ETag, and sent again only if it changed.
    pub async fn get(&self, get: &Get) -> Result<Answer, FetchError> {
        let url = address(&get.url)?;
        let headers = get.header_map()?;
        let place = self.settings().cache.as_ref().filter(|_| !get.is_once);
        let place = place.map(|folder| cache::place(folder, get));
        // What can't be read is not there: it is fetched again, and written anew.
        let kept =
            place.as_deref().and_then(cache::read).filter(|kept| kept.bytes.len() as u64 <= get.most_bytes);
        let mut tries = Tries::new(self.settings());
        let answer = loop {
            match tries.attempt(self.get_once(get, &url, &headers, kept.as_ref())).await {
                Ok(answer) => break answer,
                Err(failed) if get.is_once => return Err(failed.of(&shown(&get.url))),
                Err(failed) => tries.again(failed).await.map_err(|failed| failed.of(&shown(&get.url)))?,
            }
        };
        if let (Some(place), Some(folder)) = (&place, &self.settings().cache) {
            let kept = match (&answer.etag, answer.from_cache) {
                (_, true) => cache::touch(place),
                (Some(etag), false) => {
                    let cached = Cached { etag: etag.clone(), bytes: answer.bytes.clone() };
                    cache::write(folder, place, &cached, self.settings().cache_bytes)
                }
                (None, false) => Ok(()),
            };
            kept.map_err(|error| Failed::storage(place, error).of(&shown(&get.url)))?;
        }
        Ok(answer)
    }

    async fn get_once(
        &self,
        get: &Get,
        url: &Url,
        headers: &HeaderMap,
        kept: Option<&Cached>,
    ) -> Result<Answer, Failed> {
        let mut headers = headers.clone();
        if let Some(etag) = kept.and_then(|kept| HeaderValue::from_str(&kept.etag).ok()) {
            headers.insert(IF_NONE_MATCH, etag);
        }
        let (mut response, _permit) = self.send(url, headers).await?;
        match (response.status(), kept) {
            (StatusCode::OK, _) => {}
            (StatusCode::NOT_MODIFIED, Some(kept)) => {
                let (bytes, etag) = (kept.bytes.clone(), Some(kept.etag.clone()));
                return Ok(Answer { bytes, etag, from_cache: true });
            }
            (status, _) => {
                let what = format!("the server answered {status}, which nobody asked for");
                return Err(Failed::new(Kind::Nonsense, what));
            }
        }
        let bytes = body(&mut response, get.most_bytes).await?;
        Ok(Answer { bytes, etag: etag(&response), from_cache: false })
    }
}

/// The whole body, compared with what its headers say of it.
pub(crate) async fn body(response: &mut Response, most: u64) -> Result<Vec<u8>, Failed> {
    let said = Said::of(response.headers(), response.content_length());
    let mut bytes = Vec::new();
    let mut arrived = Arrived::default();
    while let Some(chunk) = next(response, &arrived, &said, most).await? {
        arrived.take(&chunk);
        bytes.extend_from_slice(&chunk);
    }
    arrived.compare(&said)?;
    Ok(bytes)
}

/// The next piece of a body, unless the whole would be larger than is allowed.
pub(crate) async fn next(
    response: &mut Response,
    arrived: &Arrived,
    said: &Said,
    most: u64,
) -> Result<Option<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]> + use<>>, Failed> {
    let too_large = || Failed::new(Kind::TooLarge, format!("it has more than {most} bytes"));
    if said.bytes.is_some_and(|bytes| bytes > most) {
        return Err(too_large());
    }
    let chunk = response.chunk().await?;
    match &chunk {
        Some(chunk) if arrived.bytes + chunk.len() as u64 > most => Err(too_large()),
        _ => Ok(chunk),
    }
}

pub(crate) fn etag(response: &Response) -> Option<String> {
    let etag = response.headers().get(ETAG)?.to_str().ok()?;
    (etag.len() <= 512).then(|| etag.to_owned())
}
