//! Reads from a request's headers who takes part and where the user's place is: foreign bytes, never trusted and never kept.

use hyper::HeaderMap;
use hyper::header::{COOKIE, HeaderValue};
use patchline_model::cohort::{Bucket, Cohort, Field, Token};
use patchline_model::stage::traffic::Traffic;

/// A longer key is none: it is hashed for each request.
const LONGEST_KEY: usize = 4_096;

/// Where a request belongs, as far as its headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It takes no part or bears no key, or nobody asks.
    Anywhere,
    Keyed(Bucket),
}

/// The place of a request in this traffic to this service.
pub fn placement(traffic: &Traffic, service: &str, headers: &HeaderMap) -> Placement {
    match traffic {
        Traffic::ByTurns | Traffic::Mirrored(_) => Placement::Anywhere,
        Traffic::ByKey { cohort, .. } => match key(cohort, headers) {
            Some(key) => Placement::Keyed(Bucket::of(service, key)),
            None => Placement::Anywhere,
        },
    }
}

/// The key of a user who takes part.
fn key<'a>(cohort: &Cohort, headers: &'a HeaderMap) -> Option<&'a [u8]> {
    let takes_part = cohort.only.as_ref().is_none_or(|only| {
        value(&only.field, headers)
            .is_some_and(|value| only.values.iter().any(|wanted| wanted.as_bytes() == value))
    });
    let key = value(&cohort.by, headers).filter(|_| takes_part)?;
    (1..=LONGEST_KEY).contains(&key.len()).then_some(key)
}

/// The one value of a header, or the first of a cookie. A header that comes twice says nothing certain.
fn value<'a>(field: &Field, headers: &'a HeaderMap) -> Option<&'a [u8]> {
    match field {
        Field::Header(name) => {
            let mut values = headers.get_all(name.as_str()).iter();
            let first = values.next()?;
            values.next().is_none().then_some(first.as_bytes())
        }
        Field::Cookie(name) => {
            headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).find_map(|pairs| cookie(pairs, name))
        }
    }
}

/// The value of a cookie as it stands in a `Cookie` header (RFC 6265, section 5.4): pairs between semicolons, the name as
/// written, the value to the byte.
fn cookie<'a>(pairs: &'a [u8], name: &Token) -> Option<&'a [u8]> {
    pairs.split(|byte| *byte == b';').find_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (found, value) = (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii());
        (found == name.as_str().as_bytes()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;
    use patchline_model::cohort::Condition;
    use patchline_model::stage::traffic::Others;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn token(text: &str) -> Token {
        text.parse().expect("a token")
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).expect("plain"));
        }
        headers
    }

    fn check(cohort: &Cohort, given: &[(&'static str, &str)], key_is: Option<&str>) {
        let traffic = Traffic::ByKey { cohort: cohort.clone(), others: Others::Stable };
        let expected =
            key_is.map_or(Placement::Anywhere, |key| Placement::Keyed(Bucket::of("shop", key.as_bytes())));
        assert_eq!(placement(&traffic, "shop", &headers(given)), expected, "{given:?}");
    }

    #[test]
    fn a_user_is_known_by_the_cookie_or_the_header() {
        let session = Cohort { by: Field::Cookie(token("session")), only: None };
        check(&session, &[("cookie", "a=1; session=s-7; b=2")], Some("s-7"));
        check(&session, &[("cookie", "a=1"), ("cookie", "session=s-8")], Some("s-8"));
        check(&session, &[("cookie", "Session=s; xsession=s; session")], None);
        check(&session, &[("cookie", "session=")], None);
        check(&session, &[("cookie", "session=a=b")], Some("a=b"));
        check(&session, &[], None);
        let user = Cohort { by: Field::Header(token("X-User")), only: None };
        check(&user, &[("x-user", "ann")], Some("ann"));
        check(&user, &[("x-user", "ann"), ("x-user", "bob")], None);
        check(&user, &[("x-user", &"a".repeat(5_000))], None);
    }

    #[test]
    fn who_takes_no_part_has_no_place() {
        let only =
            Condition { field: Field::Header(token("x-beta")), values: vec!["1".to_owned(), "2".to_owned()] };
        let beta = Cohort { by: Field::Cookie(token("session")), only: Some(only) };
        check(&beta, &[("cookie", "session=s"), ("x-beta", "2")], Some("s"));
        check(&beta, &[("cookie", "session=s"), ("x-beta", "3")], None);
        check(&beta, &[("cookie", "session=s")], None);
        check(&beta, &[("x-beta", "1")], None);
    }

    proptest! {
        #[test]
        fn any_cookie_header_is_read_or_passed_over(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(value) = cookie(&bytes, &token("session")) {
                prop_assert!(!value.contains(&b';'));
                prop_assert!(bytes.windows(7).any(|window| window == b"session"));
            }
        }

        #[test]
        fn a_cookie_among_foreign_ones_is_found_to_the_byte(
            before in "([a-z]{1,7}=[!-:<-~]{0,9}; ?){0,4}",
            value in "[!-:<-~]{1,40}",
            after in "(; ?[a-z]{1,7}=[!-:<-~]{0,9}){0,4}",
        ) {
            let header = format!("{before}__Host-key={value}{after}");
            prop_assert_eq!(cookie(header.as_bytes(), &token("__Host-key")), Some(value.as_bytes()));
        }
    }
}
