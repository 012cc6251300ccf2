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
}

impl Get {
    pub fn new(url: impl Into<String>, most_bytes: u64) -> Self {
        Self { url: url.into(), headers: Vec::new(), most_bytes }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn header_map(&self) -> Result<HeaderMap, FetchError> {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let wrong = || Failed::new(Kind::Usage, format!("`{name}` is no header")).of(&shown(&self.url));
            let mut text = HeaderValue::from_str(value).map_err(|_| wrong())?;
            text.set_sensitive(true);
            map.append(HeaderName::try_from(name.as_str()).map_err(|_| wrong())?, text);
        }
        Ok(map)
    }
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
