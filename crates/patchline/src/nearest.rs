//! What somebody may have meant who wrote a word that is not known.

/// The known word that is closest, if it is close enough to be meant.
pub fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let best = known.iter().map(|word| (distance(wrong, word), *word)).min()?;
    (best.0 <= 1 + wrong.chars().count() / 3).then_some(best.1)
}

/// Levenshtein's distance.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().take(100).enumerate() {
        let mut before = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.iter().enumerate() {
            let substituted = before + usize::from(a != *b);
            before = row[j + 1];
            row[j + 1] = substituted.min(before + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn what_is_close_is_meant_and_what_is_far_is_not() {
        let known = ["PyPI", "Packagist", "npm"];
        assert_eq!(nearest("pypi", &known), None);
        assert_eq!(nearest("PyPi", &known), Some("PyPI"));
        assert_eq!(nearest("Packgist", &known), Some("Packagist"));
        assert_eq!(nearest("Fortran", &known), None);
    }
}
