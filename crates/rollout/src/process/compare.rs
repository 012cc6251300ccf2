//! Whether two answers are the same, pure: status, chosen headers, and the body by a digest that is made as it streams.

use std::fmt;

use hyper::header::HeaderValue;
use hyper::{HeaderMap, StatusCode};
use patchline_model::cohort::Token;
use sha2::{Digest, Sha256};

/// What of a body is compared; what is longer is compared so far.
pub const COMPARED_BYTES: u64 = 1 << 20;

/// What is remembered of an answer: nothing of what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    status: StatusCode,
    headers: Vec<Vec<HeaderValue>>,
    body: [u8; 32],
}

/// An answer whose body is still on its way.
#[derive(Clone, Debug)]
pub struct Seeing {
    status: StatusCode,
    headers: Vec<Vec<HeaderValue>>,
    body: Sha256,
    left: u64,
}

/// How a mirrored answer differs from what the user got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    Unanswered,
    Class(StatusCode, StatusCode),
    Status(StatusCode, StatusCode),
    Header(Token),
    Body,
}

impl Seeing {
    pub fn new(status: StatusCode, headers: &HeaderMap, chosen: &[Token]) -> Seeing {
        let values = |name: &Token| headers.get_all(name.as_str()).iter().cloned().collect();
        let headers = chosen.iter().map(values).collect();
        Seeing { status, headers, body: Sha256::new(), left: COMPARED_BYTES }
    }

    pub fn take_in(&mut self, bytes: &[u8]) {
        let part = usize::try_from(self.left).map_or(bytes, |left| &bytes[..bytes.len().min(left)]);
        self.body.update(part);
        self.left -= part.len() as u64;
    }

    /// Nothing that follows will be compared.
    pub fn is_full(&self) -> bool {
        self.left == 0
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn whole(self) -> Seen {
        Seen { status: self.status, headers: self.headers, body: self.body.finalize().into() }
    }
}

/// The first difference, the gravest first; none of it where the second was not answered is the gravest of all.
pub fn difference(user: &Seen, other: Option<&Seen>, chosen: &[Token]) -> Option<Difference> {
    let Some(other) = other else { return Some(Difference::Unanswered) };
    let (one, two) = (user.status, other.status);
    if one.as_u16() / 100 != two.as_u16() / 100 {
        return Some(Difference::Class(one, two));
    }
    if one != two {
        return Some(Difference::Status(one, two));
    }
    let header =
        chosen.iter().zip(user.headers.iter().zip(&other.headers)).find(|(_, (one, two))| one != two);
    if let Some((name, _)) = header {
        return Some(Difference::Header(name.clone()));
    }
    (user.body != other.body).then_some(Difference::Body)
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Unanswered => f.write_str("no whole answer"),
            Difference::Class(one, two) | Difference::Status(one, two) => {
                write!(f, "status {} and {}", one.as_u16(), two.as_u16())
            }
            Difference::Header(name) => write!(f, "the header `{name}`"),
            Difference::Body => f.write_str("the body"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen() -> Vec<Token> {
        vec!["content-type".parse().expect("a token")]
    }

    fn seen(status: u16, kind: &'static str, parts: &[&[u8]]) -> Seen {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(kind));
        headers.insert("date", HeaderValue::from_str(&format!("{parts:?}")).expect("plain"));
        let mut seeing = Seeing::new(StatusCode::from_u16(status).expect("a status"), &headers, &chosen());
        parts.iter().for_each(|part| seeing.take_in(part));
        seeing.whole()
    }

    fn check(one: &Seen, other: Option<&Seen>, says: Option<&str>) {
        let difference = difference(one, other, &chosen()).map(|difference| difference.to_string());
        assert_eq!(difference.as_deref(), says);
    }

    #[test]
    fn what_differs_first_and_most_gravely_is_said() {
        let user = seen(200, "text/plain", &[b"one", b"two"]);
        check(&user, Some(&seen(200, "text/plain", &[b"onetwo"])), None);
        check(&user, Some(&seen(200, "text/plain", &[b"onetwo!"])), Some("the body"));
        check(&user, Some(&seen(200, "text/html", &[b"!"])), Some("the header `content-type`"));
        check(&user, Some(&seen(204, "text/html", &[])), Some("status 200 and 204"));
        check(&user, Some(&seen(500, "text/plain", &[])), Some("status 200 and 500"));
        check(&user, None, Some("no whole answer"));
        assert!(matches!(
            difference(&user, Some(&seen(500, "text/plain", &[])), &chosen()),
            Some(Difference::Class(..))
        ));
    }

    #[test]
    fn what_lies_beyond_the_limit_is_not_compared() {
        let long = vec![7u8; COMPARED_BYTES as usize];
        let user = seen(200, "text/plain", &[&long, b"one"]);
        check(&user, Some(&seen(200, "text/plain", &[&long, b"two"])), None);
        check(&user, Some(&seen(200, "text/plain", &[&long[1..], b"x", b"one"])), Some("the body"));
    }
}
