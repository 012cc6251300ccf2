//! TOML (<https://toml.io>), refused where its values would take far more memory than its text.

use serde::de::{DeserializeOwned, Error as _};
use toml::de::Error;

use crate::text::value::most_values;

/// Reads TOML. Each value but the first follows one of three signs.
pub fn toml<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    let most = most_values(text.len());
    let values = text.bytes().filter(|sign| matches!(sign, b',' | b'=' | b'[')).count();
    match values > most {
        true => Err(Error::custom(format!("a text of its length has less than {most} values"))),
        false => toml::from_str(text),
    }
}

#[cfg(test)]
mod tests {
    use super::toml;

    #[test]
    fn a_text_that_is_all_values_is_refused() {
        let text = |count: usize| format!("a = [{}1]", "1,".repeat(count));
        assert!(toml::<toml::Table>(&text(100_000)).is_ok());
        let error = toml::<toml::Table>(&text(200_000)).expect_err("they are too many");
        assert_eq!(error.message(), "a text of its length has less than 140000 values");
    }
}
