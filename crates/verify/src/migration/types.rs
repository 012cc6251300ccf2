//! Whether every value of one PostgreSQL type is one of another, as `format_type` writes them.

/// Each takes in all values of those before it.
const WIDER: [&str; 4] = ["smallint", "integer", "bigint", "numeric"];

/// No value is lost, cut or refused on the way. What is not known to be so is not.
pub(crate) fn keeps_all(from: &str, to: &str) -> bool {
    if from == to {
        return true;
    }
    let ((from, old), (to, new)) = (parts(from), parts(to));
    let wider = |name: &str| WIDER.iter().position(|known| *known == name);
    if let (Some(before), Some(after)) = (wider(from), wider(to))
        && before < after
    {
        return new.is_empty();
    }
    match (from, to) {
        ("numeric", "numeric") => match (old.as_slice(), new.as_slice()) {
            (_, []) => true,
            ([precision, scale], [wide, fine]) => {
                fine >= scale && wide.saturating_sub(*fine) >= precision.saturating_sub(*scale)
            }
            _ => false,
        },
        ("real", "double precision") => true,
        ("character varying" | "character" | "text", "text") => true,
        ("text", "character varying") => new.is_empty(),
        ("character varying" | "character", "character varying") => fits_in(&old, &new),
        ("json", "jsonb") => false,
        (from, to) if from == to && !from.ends_with("[]") => fits_in(&old, &new),
        _ => false,
    }
}

/// The length that a type allows; without one it allows any.
fn fits_in(old: &[u32], new: &[u32]) -> bool {
    match (old, new) {
        (_, []) => true,
        ([old], [new]) => old <= new,
        _ => false,
    }
}

/// `character varying(20)` is `character varying` and 20; so are the digits of `timestamp(3) without time zone` left out of its
/// name.
fn parts(text: &str) -> (&str, Vec<u32>) {
    let Some((name, rest)) = text.split_once('(') else { return (text, Vec::new()) };
    let Some((numbers, after)) = rest.split_once(')') else { return (text, Vec::new()) };
    let numbers: Option<Vec<u32>> = numbers.split(',').map(|number| number.trim().parse().ok()).collect();
    match numbers {
        Some(numbers) if after.is_empty() => (name, numbers),
        _ => (text, Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::keeps_all;

    #[test]
    fn only_what_takes_in_every_value_keeps_them() {
        for (from, to, keeps) in [
            ("integer", "bigint", true),
            ("bigint", "integer", false),
            ("bigint", "numeric", true),
            ("integer", "numeric(5,2)", false),
            ("numeric(5,2)", "numeric(7,3)", true),
            ("numeric(5,2)", "numeric(5,3)", false),
            ("numeric", "numeric(9,2)", false),
            ("character varying(20)", "character varying(30)", true),
            ("character varying(20)", "character varying(10)", false),
            ("character varying(20)", "text", true),
            ("text", "character varying(20)", false),
            ("text", "character varying", true),
            ("text", "integer", false),
            ("integer", "text", false),
            ("real", "double precision", true),
            ("double precision", "real", false),
            ("timestamp with time zone", "timestamp with time zone", true),
            ("timestamp with time zone", "date", false),
            ("text(", "text)", false),
        ] {
            assert_eq!(keeps_all(from, to), keeps, "{from} to {to}");
        }
    }
}
