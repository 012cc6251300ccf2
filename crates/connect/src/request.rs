//! What is asked for: an address, headers, and how much may come.

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Failed, FetchError, Kind};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Get {
    pub url: String,
    /// Sent as they are; such as `accept` or `authorization`.
    pub headers: Vec<(String, String)>,
    /// A larger body is refused.
    pub most_bytes: u64,
    /// Asked in one try, and the cache has nothing to do with it.
    pub is_once: bool,
}

impl Get {
    pub fn new(url: impl Into<String>, most_bytes: u64) -> Self {
        Self { url: url.into(), headers: Vec::new(), most_bytes, is_once: false }
    }

    /// For what is good to have, and wanted once: one try, whose answer is neither looked for in the cache nor put there.
    pub fn once(mut self) -> Self {
        self.is_once = true;
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn header_map(&self) -> Result<HeaderMap, FetchError> {
        header_map(&self.url, &self.headers)
    }
}

/// A question with a body. Not printed: neither body nor headers are anybody else's business.
#[derive(Clone, PartialEq, Eq)]
pub struct Post {
    pub url: String,
    /// Sent as they are.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// A larger answer is refused.
    pub most_bytes: u64,
}

impl Post {
    /// A body in JSON.
    pub fn json(url: impl Into<String>, body: Vec<u8>, most_bytes: u64) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { url: url.into(), headers, body, most_bytes }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn header_map(&self) -> Result<HeaderMap, FetchError> {
        header_map(&self.url, &self.headers)
    }
}

fn header_map(url: &str, headers: &[(String, String)]) -> Result<HeaderMap, FetchError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let wrong = || Failed::new(Kind::Usage, format!("`{name}` is no header")).of(&shown(url));
        let mut text = HeaderValue::from_str(value).map_err(|_| wrong())?;
        text.set_sensitive(true);
        map.append(HeaderName::try_from(name.as_str()).map_err(|_| wrong())?, text);
    }
    Ok(map)
}

/// An address that can be asked.
pub fn address(text: &str) -> Result<Url, FetchError> {
    let usage = |what: &str| Failed::new(Kind::Usage, what).of(&shown(text));
    let url = Url::parse(text).map_err(|_| usage("it is no address"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(usage("it is no address of HTTP or HTTPS"));
    }
    Ok(url)
}

/// An address as it may be shown: without user and password, on one line, and not without end.
pub fn shown(text: &str) -> String {
    let text = match Url::parse(text) {
        Ok(mut url) => {
            // What has no host has neither.
            let _ = url.set_username("").and_then(|()| url.set_password(None));
            url.to_string()
        }
        Err(_) => text.to_owned(),
    };
    text.chars().filter(|sign| !sign.is_control()).take(300).collect()
}
