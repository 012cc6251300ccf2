//! Who meets a new version first: users told apart by a key, the same user always in the same place.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::share::Share;

/// Characters of a name.
const LONGEST_NAME: usize = 100;

/// The name of a header, a cookie or a flag: a token of RFC 9110, section 5.6.2, of at most 100 characters. The text is shared:
/// whatever is desired names it again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token(Arc<str>);

/// Text that can't name a header, a cookie or a flag.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a name; names are 1 to {LONGEST_NAME} letters, digits, or characters of `!#$%&'*+-.^_`|~`"
)]
pub struct NotAToken(pub String);

/// A place in a request that holds a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    Header(Token),
    Cookie(Token),
}

/// The users whom a rollout may choose from, and how it knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cohort {
    /// Its value is the key of a user.
    pub by: Field,
    /// Who takes part; everybody with a key where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Condition>,
}

/// Holds for a request in which the field has one of these values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    pub field: Field,
    pub values: Vec<String>,
}

/// The place of a user among all, in parts per million. It is the same for ever, so a share that grows only adds users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket(u32);

impl Bucket {
    /// The first eight bytes of SHA-256 over the service's name, a zero byte and the key, read as a big-endian part of
    /// 2^64, in parts per million, rounded down.
    pub fn of(service: &str, key: &[u8]) -> Self {
        let hash =
            Sha256::new().chain_update(service.as_bytes()).chain_update([0]).chain_update(key).finalize();
        let first = hash.iter().take(8).fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
        let ppm = (u128::from(first) * u128::from(Share::ALL.ppm())) >> 64;
        Self(u32::try_from(ppm).expect("a part of a million fits"))
    }

    /// Whether the user belongs to the share.
    pub fn is_within(self, share: Share) -> bool {
        self.0 < share.ppm()
    }

    pub fn ppm(self) -> u32 {
        self.0
    }
}

impl Token {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(NotAToken(text.chars().take(LONGEST_NAME).collect()))
        }
    }
}

impl TryFrom<String> for Token {
    type Error = NotAToken;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Token> for String {
    fn from(token: Token) -> Self {
        token.as_str().to_owned()
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field::Header(name) => write!(f, "header `{name}`"),
            Field::Cookie(name) => write!(f, "cookie `{name}`"),
        }
    }
}

impl fmt::Display for Cohort {
    /// As in `users by the cookie `session`, those whose header `x-beta` is 1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "users by the {}", self.by)?;
        match &self.only {
            Some(only) => write!(f, ", those whose {} is {}", only.field, only.values.join(" or ")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::{Bucket, Share, Token};

    /// Known answers, so that no change moves users unnoticed; reckoned with another program.
    #[test]
    fn a_users_place_is_the_same_for_ever() {
        for (service, key, ppm) in KNOWN {
            assert_eq!(Bucket::of(service, key.as_bytes()).ppm(), ppm, "{service} {key}");
        }
    }

    const KNOWN: [(&str, &str, u32); 3] =
        [("shop", "ann", 739268), ("shop", "bob", 511662), ("notebook", "ann", 647300)];

    /// A count of `n` keys strays by more than five standard deviations once in a million tries.
    #[test]
    fn many_keys_get_the_share_exactly_but_for_chance() {
        let keys = 200_000u32;
        for ppm in [1_000, 50_000, 137_000, 500_000, 950_000] {
            let share = Share::try_from(ppm).unwrap();
            for service in ["shop", "notebook"] {
                let within = (0..keys)
                    .filter(|key| Bucket::of(service, format!("user-{key}").as_bytes()).is_within(share));
                let (count, part) = (within.count() as f64, share.fraction());
                let (mean, n) = (f64::from(keys) * part, f64::from(keys));
                let deviation = (n * part * (1.0 - part)).sqrt();
                assert!((count - mean).abs() < 5.0 * deviation, "{count} of {keys} for {share}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_share_that_grows_only_adds_users(key in proptest::collection::vec(any::<u8>(), 0..80), ppm in 0u32..1_000_000, more in 0u32..1_000_000) {
            let (less, more) = (ppm.min(more), ppm.max(more));
            let bucket = Bucket::of("shop", &key);
            let is_within = |ppm| bucket.is_within(Share::try_from(ppm).expect("a share"));
            prop_assert!(!is_within(less) || is_within(more));
            prop_assert!(bucket.is_within(Share::ALL) && !bucket.is_within(Share::NONE));
        }
    }

    #[test]
    fn names_are_tokens() {
        assert!("x-user".parse::<Token>().is_ok() && "__Host-session".parse::<Token>().is_ok());
        for text in ["", "a b", "a=b", "a;b", "ü", "a\r\n", &"a".repeat(101)] {
            assert!(text.parse::<Token>().is_err(), "{text}");
        }
    }
}
