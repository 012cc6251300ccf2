//! Who may ask at all. The server listens on loopback without sign-in; so a page from elsewhere, in the browser of
//! somebody on this machine, must reach nothing: neither by a name that points here (DNS rebinding) nor by a form
//! (cross-site request forgery).

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;

/// Largest request body.
pub const MOST_BODY_BYTES: usize = 64 * 1024;

/// How long any answer but a live stream may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// Nothing from outside, nothing inline, nobody frames us.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Refuses strangers, and says to browsers what a page may do.
pub async fn guard(request: Request, next: Next) -> Response {
    let mut response = match refuse(request.method(), request.uri(), request.headers()) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// No answer takes for ever.
pub async fn deadline(request: Request, next: Next) -> Response {
    match tokio::time::timeout(DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "could not answer in time")
            .with_hint("the ledger may be busy; ask again")
            .into_response(),
    }
}

fn refuse(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Problem> {
    let Some(host) = host(uri, headers) else {
        return Some(Problem::bad_request("the request names no host, or more than one"));
    };
    if !is_loopback(host) {
        return Some(
            Problem::new(StatusCode::FORBIDDEN, "this server answers to loopback names only")
                .with_hint("use `localhost` or `127.0.0.1` as the host"),
        );
    }
    if method == Method::GET || method == Method::HEAD {
        return None;
    }
    if !is_same_origin(host, headers) {
        return Some(Problem::new(StatusCode::FORBIDDEN, "the request comes from a page of another origin"));
    }
    if !is_json(headers) {
        let text = "requests that change something carry `Content-Type: application/json`";
        return Some(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    None
}

/// The one host that the request is for.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let mut named = headers.get_all(header::HOST).iter();
    match (named.next(), named.next(), uri.authority()) {
        (Some(host), None, None) => host.to_str().ok(),
        (Some(host), None, Some(authority)) => host.to_str().ok().filter(|host| *host == authority.as_str()),
        (None, _, Some(authority)) => Some(authority.as_str()),
        (Some(_), Some(_), _) | (None, _, None) => None,
    }
}

/// `localhost` or a loopback address, with or without a port.
fn is_loopback(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => (address, rest),
        None => host.find(':').map_or((host, ""), |colon| host.split_at(colon)),
    };
    let port_is_plain =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let is_near = name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    port_is_plain && is_near
}

/// Whether a browser says that the request comes from our own page. Programs say nothing, and may ask.
fn is_same_origin(host: &str, headers: &HeaderMap) -> bool {
    let origin_fits = headers.get_all(header::ORIGIN).iter().all(|origin| {
        origin
            .to_str()
            .ok()
            .and_then(|origin| origin.strip_prefix("http://"))
            .is_some_and(|from| from == host)
    });
    let site_fits = headers
        .get_all("sec-fetch-site")
        .iter()
        .all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
    origin_fits && site_fits
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("");
    kind.trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::is_loopback;
    use axum::http::Uri;
    use proptest::prelude::{prop_assert, proptest};

    #[test]
    fn loopback_names_are_let_in() {
        for host in ["localhost", "LocalHost:80", "127.0.0.1", "127.9.9.9:65535", "[::1]", "[::1]:8080"] {
            assert!(is_loopback(host), "{host}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[::2]",
            "localhost:",
            "localhost:99999",
            "localhost:80:80",
            "user@localhost",
            "0.0.0.0",
            "[::1]x",
            "[::1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    proptest! {
        /// What a URL parser takes for the host is what was let in.
        #[test]
        fn whatever_is_let_in_names_this_machine(
            host in "(localhost|LOCALHOST|127\\.0\\.0\\.1|\\[::1\\]|10\\.0\\.0\\.1|evil)[.:@/\\[\\]a-z0-9]{0,6}"
        ) {
            if is_loopback(&host) {
                let parsed: Uri = format!("http://{host}/").parse().expect("what is let in is a host");
                let name = parsed.host().unwrap_or("").to_ascii_lowercase();
                let is_near = ["localhost", "[::1]"].contains(&name.as_str()) || name.starts_with("127.0.0.1");
                prop_assert!(is_near, "{name}");
                prop_assert!(!name.chars().any(|letter| letter.is_alphabetic()) || name == "localhost");
            }
        }
    }
}
