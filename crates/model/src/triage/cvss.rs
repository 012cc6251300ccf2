//! CVSS base scores from vectors (3.0, 3.1 and 4.0, by FIRST's specifications, through the `cvss` crate).

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A base score with where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// 0.0 to 10.0.
    pub value: f64,
    /// `none`, `low`, `medium`, `high`, `critical`.
    pub rating: String,
    pub vector: String,
}

/// Longest vector read; real ones stay under 200 bytes.
const LONGEST_VECTOR: usize = 512;

/// The base score of a vector; `None` when it can't be read, which is not a low score.
pub fn score(vector: &str) -> Option<Score> {
    let vector = vector.trim();
    if vector.len() > LONGEST_VECTOR {
        return None;
    }
    let parsed = cvss::Cvss::from_str(vector).ok()?;
    let value = (parsed.score() * 10.0).round() / 10.0;
    Some(Score { value, rating: rating(value).to_owned(), vector: vector.to_owned() })
}

/// The qualitative rating of CVSS 3 and 4 (specification §5, table "Qualitative severity rating scale").
fn rating(value: f64) -> &'static str {
    match value {
        v if v >= 9.0 => "critical",
        v if v >= 7.0 => "high",
        v if v >= 4.0 => "medium",
        v if v > 0.0 => "low",
        _ => "none",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::score;

    fn check(vector: &str, expected: Option<(f64, &str)>) {
        let got = score(vector).map(|score| (score.value, score.rating));
        assert_eq!(got, expected.map(|(value, rating)| (value, rating.to_owned())), "{vector}");
    }

    #[test]
    fn published_vectors_have_their_published_scores() {
        check("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", Some((7.5, "high")));
        check("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Some((9.8, "critical")));
        check("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", Some((9.3, "critical")));
    }

    #[test]
    fn what_is_no_vector_has_no_score() {
        check("high", None);
        check("", None);
        check(&"A".repeat(10_000), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = score(&text);
            let _ = score(&format!("CVSS:3.1/{text}"));
        }
    }
}
