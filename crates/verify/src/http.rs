//! Requests as bytes, and what an answer's bytes say (RFC 9112): status and body. No connection is made here.

use patchline_model::reproducer::{Answer, Exchange};

/// More headers than this make an answer that is not read.
const MAX_HEADERS: usize = 200;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// The whole request; after its answer the connection ends.
pub(crate) fn request(exchange: &Exchange) -> String {
    let mut text = format!("{} {} HTTP/1.1\r\n", plain(&exchange.method), plain(&exchange.path));
    let has = |name: &str| exchange.headers.keys().any(|key| key.eq_ignore_ascii_case(name));
    if !has("host") {
        text.push_str("Host: 127.0.0.1\r\n");
    }
    for (name, value) in &exchange.headers {
        text.push_str(&format!("{}: {}\r\n", plain(name), plain(value)));
    }
    if !has("content-length")
        && !has("transfer-encoding")
        && (!exchange.body.is_empty() || exchange.method != "GET")
    {
        text.push_str(&format!("Content-Length: {}\r\n", exchange.body.len()));
    }
    format!("{text}Connection: close\r\n\r\n{}", exchange.body)
}

/// One line stays one line.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| !matches!(letter, '\r' | '\n' | '\0')).collect()
}

/// What the bytes say; none where they are no answer.
pub(crate) fn answer(bytes: &[u8]) -> Option<Answered> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let chunked = lines.take(MAX_HEADERS).any(|line| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        name.eq_ignore_ascii_case("transfer-encoding") && value.to_ascii_lowercase().contains("chunked")
    });
    let body = &bytes[end + 4..];
    if (100..200).contains(&status) {
        return answer(body);
    }
    Some(Answered { status, body: if chunked { dechunked(body) } else { body.to_vec() } })
}

/// The chunks together, as far as they are whole.
fn dechunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = String::from_utf8_lossy(&rest[..end]);
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16).unwrap_or(0);
        rest = &rest[end + 2..];
        let chunk = &rest[..size.min(rest.len())];
        body.extend_from_slice(chunk);
        rest = rest.get(size.saturating_add(2)..).unwrap_or_default();
        if size == 0 {
            break;
        }
    }
    body
}

/// Whether what came back is what is expected.
pub(crate) fn fits(expected: &Answer, answered: Option<&Answered>) -> bool {
    match (expected.status, answered) {
        (None, None) => true,
        (Some(status), Some(answered)) if status == answered.status => {
            let body = String::from_utf8_lossy(&answered.body);
            expected.contains.as_ref().is_none_or(|text| body.contains(text.as_str()))
        }
        (None | Some(_), None | Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use patchline_model::reproducer::{Answer, Exchange};
    use proptest::prelude::{any, prop, proptest};

    use super::{Answered, answer, fits, request};

    fn answered(status: u16, body: &str) -> Option<Answered> {
        Some(Answered { status, body: body.as_bytes().to_vec() })
    }

    #[test]
    fn an_answer_is_read_whichever_way_its_body_comes() {
        assert_eq!(answer(b"HTTP/1.1 500 Oh no\r\nA: b\r\n\r\nboom"), answered(500, "boom"));
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        assert_eq!(answer(chunked), answered(200, "abcde"));
        assert_eq!(answer(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 204 x\r\n\r\n"), answered(204, ""));
        for none in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"] {
            assert_eq!(answer(none), None);
        }
    }

    #[test]
    fn an_expectation_is_a_status_and_a_part_of_the_body() {
        let expected = Answer { status: Some(400), contains: Some("too deep".to_owned()) };
        assert!(fits(&expected, answered(400, "it is too deep").as_ref()));
        assert!(!fits(&expected, answered(500, "it is too deep").as_ref()));
        assert!(!fits(&expected, answered(400, "no").as_ref()));
        let none = Answer { status: None, contains: None };
        assert!(fits(&none, None) && !fits(&none, answered(200, "").as_ref()));
    }

    #[test]
    fn a_request_is_one_request() {
        let answer = || Answer { status: Some(200), contains: None };
        let exchange = Exchange {
            method: "POST".to_owned(),
            path: "/a?b HTTP/1.1\r\nX: y".to_owned(),
            headers: BTreeMap::from([("A".to_owned(), "b\r\n\r\nGET / HTTP/1.1".to_owned())]),
            body: "x".to_owned(),
            base: answer(),
            patch: answer(),
        };
        let text = request(&exchange);
        assert_eq!(text.matches("\r\n\r\n").count(), 1, "{text}");
        assert!(text.ends_with("Content-Length: 1\r\nConnection: close\r\n\r\nx"), "{text}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            answer(&bytes);
            for head in ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 100 C\r\n\r\n"] {
                answer(&[head.as_bytes(), &bytes].concat());
            }
        }
    }
}
