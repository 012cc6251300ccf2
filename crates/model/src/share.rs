//! A part of the traffic, exact.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A share from 0 to 1 in parts per million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Share(u32);

/// A number outside 0 to 1.
#[derive(Debug, Error, PartialEq)]
#[error("{0} is not a share; shares go from 0 to 1, as in 0.05 for five percent")]
pub struct NotAShare(pub f64);

impl Share {
    pub const NONE: Share = Share(0);
    pub const ALL: Share = Share(1_000_000);

    /// From a fraction, rounded to parts per million.
    pub fn from_fraction(fraction: f64) -> Result<Self, NotAShare> {
        if (0.0..=1.0).contains(&fraction) {
            Ok(Self((fraction * 1e6).round() as u32))
        } else {
            Err(NotAShare(fraction))
        }
    }

    /// Parts per million.
    pub fn ppm(self) -> u32 {
        self.0
    }

    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 1e6
    }

    /// What is left of the whole.
    pub fn rest(self) -> Self {
        Self(1_000_000 - self.0)
    }
}

impl TryFrom<u32> for Share {
    type Error = NotAShare;
    fn try_from(ppm: u32) -> Result<Self, Self::Error> {
        if ppm <= 1_000_000 { Ok(Self(ppm)) } else { Err(NotAShare(f64::from(ppm) / 1e6)) }
    }
}

impl From<Share> for u32 {
    fn from(share: Share) -> Self {
        share.0
    }
}

impl fmt::Display for Share {
    /// As a percentage, as in `5 %` or `12.5 %`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = format!("{:.4}", f64::from(self.0) / 1e4);
        write!(f, "{} %", percent.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::{NotAShare, Share};

    #[test]
    fn a_share_and_its_rest_are_the_whole() {
        let share = Share::from_fraction(0.05).unwrap();
        assert_eq!(share.ppm() + share.rest().ppm(), 1_000_000);
        assert_eq!(share.to_string(), "5 %");
        assert_eq!(Share::from_fraction(0.125).unwrap().to_string(), "12.5 %");
        assert_eq!(Share::ALL.to_string(), "100 %");
    }

    #[test]
    fn what_is_no_share_is_refused() {
        assert_eq!(Share::from_fraction(1.5), Err(NotAShare(1.5)));
        assert!(Share::from_fraction(f64::NAN).is_err());
        assert!(serde_json::from_str::<Share>("1000001").is_err());
    }
}
