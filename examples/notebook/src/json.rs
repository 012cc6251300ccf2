//! Canonical JSON: keys sorted, no spaces, one spelling for each value.

use std::collections::BTreeMap;
use std::fmt::Write;

use yaml_rust::Yaml;

/// The JSON of a YAML value, or why there is none.
pub fn canonical(value: &Yaml) -> Result<String, String> {
    let mut out = String::new();
    write_value(value, &mut out)?;
    Ok(out)
}

/// A JSON string, with its quotes.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// A JSON array of strings.
pub fn quoted_all(texts: &[String]) -> String {
    let items: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", items.join(","))
}

fn write_value(value: &Yaml, out: &mut String) -> Result<(), String> {
    match value {
        Yaml::Null => out.push_str("null"),
        Yaml::Boolean(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Yaml::Integer(number) => out.push_str(&number.to_string()),
        Yaml::Real(text) => out.push_str(&real(text)?),
        Yaml::String(text) => out.push_str(&quoted(text)),
        Yaml::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                out.push_str(if place > 0 { "," } else { "" });
                write_value(item, out)?;
            }
            out.push(']');
        }
        Yaml::Hash(pairs) => {
            let mut sorted = BTreeMap::new();
            for (name, item) in pairs {
                let name = key(name)?;
                if sorted.contains_key(&name) {
                    return Err(format!("the key `{name}` stands twice"));
                }
                sorted.insert(name, item);
            }
            out.push('{');
            for (place, (name, item)) in sorted.into_iter().enumerate() {
                out.push_str(if place > 0 { "," } else { "" });
                out.push_str(&quoted(&name));
                out.push(':');
                write_value(item, out)?;
            }
            out.push('}');
        }
        Yaml::Alias(_) | Yaml::BadValue => return Err("a value that is not valid".to_owned()),
    }
    Ok(())
}

fn key(name: &Yaml) -> Result<String, String> {
    match name {
        Yaml::String(text) => Ok(text.clone()),
        Yaml::Null | Yaml::Boolean(_) | Yaml::Integer(_) | Yaml::Real(_) => canonical(name),
        _ => Err("a key that is not a plain value".to_owned()),
    }
}

fn real(text: &str) -> Result<String, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(format!("{number:?}")),
        _ => Err(format!("JSON has no number `{text}`")),
    }
}

#[cfg(test)]
mod tests {
    use yaml_rust::YamlLoader;

    use super::canonical;

    fn check(given: &str, expected: Result<&str, &str>) {
        let documents = YamlLoader::load_from_str(given).unwrap();
        let found = canonical(&documents[0]);
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{given}");
    }

    #[test]
    fn keys_are_sorted_and_values_have_one_spelling() {
        check("b: 1\na: [x, ~, true, 1.50]\n", Ok(r#"{"a":["x",null,true,1.5],"b":1}"#));
        check("1: one\n", Ok(r#"{"1":"one"}"#));
        check("\"a\\tb\\u0001\\\"\"", Ok(r#""a\tb\u0001\"""#));
    }

    #[test]
    fn what_json_cannot_say_is_an_error() {
        check("[.inf]", Err("JSON has no number `.inf`"));
        check("1: a\n\"1\": b\n", Err("the key `1` stands twice"));
        check("{[a]: b}", Err("a key that is not a plain value"));
    }
}
