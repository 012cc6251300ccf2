//! `os-release`, the file by which a distribution says who it is.
//! <https://www.freedesktop.org/software/systemd/man/latest/os-release.html>

use std::collections::BTreeMap;

/// The variables of an `os-release`.
pub struct Release {
    variables: BTreeMap<String, String>,
}

impl Release {
    /// Lines that set nothing are passed over; of two for one variable the last counts, as in the shell that may read it.
    pub fn of(text: &str) -> Self {
        let assignments = text.lines().filter_map(|line| line.trim().split_once('='));
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        };
        let named = assignments.filter(|(name, _)| is_name(name));
        Self { variables: named.map(|(name, value)| (name.to_owned(), unquoted(value))).collect() }
    }

    /// What the variable says; empty where it isn't set.
    pub fn get(&self, name: &str) -> &str {
        self.variables.get(name).map_or("", String::as_str)
    }

    /// As people know it: with its release, where it says so.
    pub fn title(&self) -> String {
        let said = ["PRETTY_NAME", "NAME", "ID"].map(|name| self.get(name));
        let title = said.into_iter().find(|title| !title.is_empty()).unwrap_or("an unnamed distribution");
        title.chars().take(80).collect()
    }
}

/// The value without its quotes, and with what they escape.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    let inner = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    if let Some(plain) = inner('\'') {
        return plain.to_owned();
    }
    let mut signs = inner('"').unwrap_or(value).chars();
    let mut plain = String::with_capacity(value.len());
    while let Some(sign) = signs.next() {
        match sign {
            '\\' => plain.extend(signs.next()),
            sign => plain.push(sign),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::Release;

    #[test]
    fn values_lose_their_quotes_and_lines_that_set_nothing_are_passed_over() {
        let release = Release::of(
            "# x\n\nID=debian\nVERSION_ID=\"12\"\nNAME='a b'\nX=\"say \\\"\\$5\\\"\"\nno line\nA-B=1\n",
        );
        let said = ["ID", "VERSION_ID", "NAME", "X", "A-B", "GONE"].map(|name| release.get(name));
        assert_eq!(said, ["debian", "12", "a b", "say \"$5\"", "", ""]);
    }

    #[test]
    fn a_title_is_the_best_that_is_said() {
        assert_eq!(Release::of("ID=x\nPRETTY_NAME=\"X 1\"").title(), "X 1");
        assert_eq!(Release::of("ID=x").title(), "x");
        assert_eq!(Release::of("").title(), "an unnamed distribution");
    }
}
