//! Which headers a proxy passes on (RFC 9110, section 7.6), and which it adds.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{
    CONNECTION, EXPECT, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};

use patchline_model::stage::traffic::FlagValue;

/// The label of the version that answered.
pub const VERSION_HEADER: HeaderName = HeaderName::from_static("x-patchline-version");

/// Tells an instance which flags are on for the user, as in `new-parser=on`; ours alone.
pub const FLAG_HEADER: HeaderName = HeaderName::from_static("x-patchline-flag");

/// Tells an instance that nobody will see its answer; ours alone.
pub const MIRROR_HEADER: HeaderName = HeaderName::from_static("x-patchline-mirror");

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Makes a client's headers fit for an instance.
pub fn towards_instance(headers: &mut HeaderMap, client: IpAddr) {
    remove_hop_by_hop(headers);
    // The proxy itself has answered `100-continue` when it read the body.
    headers.remove(EXPECT);
    headers.remove(FLAG_HEADER);
    headers.remove(MIRROR_HEADER);
    let before: Vec<&[u8]> = headers.get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect();
    let client = client.to_string();
    let mut hops = before;
    hops.push(client.as_bytes());
    let value =
        HeaderValue::from_bytes(&hops.join(&b", "[..])).expect("header values joined by commas are one");
    headers.insert(FORWARDED_FOR, value);
}

/// Makes an instance's headers fit for a client.
pub fn towards_client(headers: &mut HeaderMap, label: &str) {
    remove_hop_by_hop(headers);
    if let Ok(label) = HeaderValue::from_str(label) {
        headers.insert(VERSION_HEADER, label);
    }
}

/// What an instance is told of these flags; nothing where there is none.
pub fn told_of(flags: &[FlagValue]) -> Option<HeaderValue> {
    let word = |told: &FlagValue| format!("{}={}", told.flag, if told.is_on { "on" } else { "off" });
    let words: Vec<String> = flags.iter().map(word).collect();
    let value = (!words.is_empty()).then(|| words.join(", "))?;
    HeaderValue::from_str(&value).ok()
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    let always = [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    for name in named.iter().chain(&always) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_one_hop_stay_behind() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, X-Secret"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "websocket"),
            ("expect", "100-continue"),
            ("accept", "text/html"),
            ("x-patchline-flag", "new-parser=on"),
            ("x-patchline-mirror", "1"),
            ("x-forwarded-for", "10.0.0.1"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        towards_instance(&mut headers, IpAddr::from([127, 0, 0, 1]));
        let left: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("plain"))).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        assert_eq!(headers["accept"], "text/html");
        assert_eq!(headers["x-forwarded-for"], "10.0.0.1, 127.0.0.1");
    }

    #[test]
    fn the_answer_names_the_version_whatever_the_instance_says() {
        let mut headers = HeaderMap::new();
        headers.insert(VERSION_HEADER, HeaderValue::from_static("a lie"));
        towards_client(&mut headers, "v2");
        assert_eq!(headers[VERSION_HEADER], "v2");
    }
}
