//! What is asked for, and the file with it.

use std::str::FromStr;

use patchline_inventory::detectors::DETECTORS;
use patchline_inventory::text::value::{Kind, Value};

use crate::config::documents::{document, documents};
use crate::config::format::Format;
use crate::config::path::{Step, find, same_but, steps};

const UNKNOWN: &str = "only JSON, YAML, TOML, HCL and properties can be changed";

/// Files of values that say what something is built of or with, and so are no mere settings.
const MADE_OF: [&str; 6] = [
    ".terraform.lock.hcl",
    "gradle-wrapper.properties",
    "gradle.properties",
    "maven-wrapper.properties",
    "patchline.toml",
    "rust-toolchain.toml",
];

/// One value, as in `k8s/app.yaml:spec.replicas=3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// From the service's folder.
    pub file: String,
    /// As it was written, for people.
    pub path: String,
    pub value: String,
    steps: Vec<Step>,
}

impl FromStr for Edit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("`{text}` is not of the form FILE:PATH=VALUE: {why}");
        let (file, rest) =
            text.split_once(':').ok_or_else(|| wrong("a `:` behind the file is missing".to_owned()))?;
        let (steps, value) = steps(rest).map_err(wrong)?;
        let path = rest[..rest.len() - value.len()].to_owned();
        Ok(Self { file: file.to_owned(), path, value: value[1..].to_owned(), steps })
    }
}

impl Edit {
    /// The text with the new value. It is read again, and refused if anything else in it is not what it was.
    pub fn put(&self, text: &str) -> Result<String, String> {
        let failed = |why: String| format!("could not change `{}` in `{}`: {why}", self.path, self.file);
        let format = Format::of(&self.file).ok_or_else(|| failed(UNKNOWN.to_owned()))?;
        let (start, end, steps) = match format {
            Format::Yaml => document(text, &self.steps).map_err(failed)?,
            Format::Json | Format::Toml | Format::Hcl | Format::Properties => (0, text.len(), &*self.steps),
        };
        let steps = format.way(steps);
        let document = &text[start..end];
        let before = format.read(document).map_err(failed)?;
        let found = find(&before, &steps).and_then(|value| format.range(document, value)).map_err(failed)?;
        let new = format.rewritten(&document[found.clone()], &self.value).map_err(failed)?;
        let changed = [&document[..found.start], &new, &document[found.end..]].concat();
        let after = format.read(&changed).map_err(failed)?;
        let is_there = find(&after, &steps).is_ok_and(|value| {
            let says_it = !matches!(&value.kind, Kind::Text(text) if *text != self.value);
            says_it && format.range(&changed, value).is_ok_and(|range| changed[range] == new)
        });
        if !is_there || !same_but(&before, &after, Some(&steps)) {
            return Err(failed("read again, more than this value has changed".to_owned()));
        }
        Ok([&text[..start], &changed, &text[end..]].concat())
    }
}

/// Whether both texts of a file hold the same but for single values, and the file is of those that say how something runs, and
/// not what it is made of.
pub fn differ_in_values_alone(path: &str, before: &str, after: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_inventory = DETECTORS
        .iter()
        .any(|one| one.kind().claims(path) || one.kind().manifest.is_some_and(|manifest| manifest == name));
    let Some(format) = Format::of(path).filter(|_| !is_inventory && !MADE_OF.contains(&name)) else {
        return false;
    };
    let apart = |text: &str| match format {
        Format::Yaml => documents(text),
        Format::Json | Format::Toml | Format::Hcl | Format::Properties => vec![(0, text.len())],
    };
    let (old, new) = (apart(before), apart(after));
    old.len() == new.len()
        && old.iter().zip(&new).all(|(old, new)| {
            let same = before[old.0..old.1] == after[new.0..new.1];
            let read = (format.read(&before[old.0..old.1]), format.read(&after[new.0..new.1]));
            same || matches!(&read, (Ok(old), Ok(new)) if shape(old) == shape(new))
        })
}

/// Keys and lengths, without the values.
fn shape(value: &Value<'_>) -> Vec<String> {
    let mut shape = vec![format!("{}/{}", value.entries().len(), value.items().len())];
    for entry in value.entries() {
        shape.push(entry.key.to_string());
        shape.extend(self::shape(&entry.value));
    }
    value.items().iter().for_each(|item| shape.extend(self::shape(item)));
    shape
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{Edit, differ_in_values_alone};

    #[track_caller]
    fn check(given: &str, asked: &str, then: Result<&str, &str>) {
        let edit: Edit = asked.parse().expect("an edit");
        let made = edit.put(given);
        assert_eq!(made.as_deref().map_err(String::as_str), then, "{asked}");
    }

    const POD: &str = "# ours\r\nspec:\r\n  containers:\r\n  - name: 'a' # it's\r\n    resources: {limits: {memory: 512Mi, cpu: 1}}\r\n    ready: false\r\n  labels:\r\n    a.b/c: \"x\"\r\n";

    #[test]
    fn only_the_value_changes() {
        let with = |old: &str, new: &str| POD.replace(old, new);
        check(POD, "a.yaml:spec.containers[0].resources.limits.memory=1Gi", Ok(&with("512Mi", "1Gi")));
        check(POD, "a.yaml:spec.containers[0].resources.limits.cpu=2", Ok(&with("cpu: 1", "cpu: 2")));
        check(POD, "a.yaml:spec.containers[0].name=it's", Ok(&with("'a'", "'it''s'")));
        check(POD, "a.yaml:spec.labels[\"a.b/c\"]=\"=", Ok(&with("\"x\"", "\"\\\"=\"")));
        check(POD, "a.yaml:spec.containers[0].ready=true", Ok(&with("false", "true")));
        check("{ \"a\" : [1, {\"b\":\"x\"}] }\n", "a.json:a[1].b=y", Ok("{ \"a\" : [1, {\"b\":\"y\"}] }\n"));
        check("{\"a\":[1,2]}", "a.json:a[0]=1.5", Ok("{\"a\":[1.5,2]}"));
        check("---\na: x\n---\na: x\n", "a.yml:[1].a=12", Ok("---\na: x\n---\na: \"12\"\n"));
    }

    #[test]
    fn what_is_not_there_or_does_not_fit_says_so() {
        let why = |why: &str| format!("could not change `spec.x.y` in `a.yaml`: {why}");
        check(
            POD,
            "a.yaml:spec.x.y=1",
            Err(&why("there is no `x` in `spec`: there is `containers`, `labels`")),
        );
        for (asked, why) in [
            ("a.yaml:spec.containers[0].resources.limits.cpu=x", "it is a number, `1`, and `x` is none"),
            ("a.yaml:spec.containers[0].ready=1", "it is `false`, and `1` is neither `true` nor `false`"),
            ("a.yaml:spec.containers=1", "it is a map or a list, and no single value"),
            ("a.ini:a=1", "only JSON, YAML, TOML, HCL and properties can be changed"),
        ] {
            let edit: Edit = asked.parse().expect("an edit");
            assert!(edit.put(POD).expect_err(asked).ends_with(why), "{asked}");
        }
        check(
            "a: 1\n---\na: 1\n",
            "a.yaml:a=2",
            Err(
                "could not change `a` in `a.yaml`: it has 2 documents: begin the path with `[0].` to `[1].`, or with `KIND/NAME.`",
            ),
        );
        for ill in ["a", "a:b", "a:=1", "a:b.=1", "a:b[x]=1", "a:b[\"c=1", "a:b[0]c=1"] {
            assert!(ill.parse::<Edit>().is_err(), "{ill}");
        }
    }

    #[test]
    fn a_change_of_values_is_told_apart() {
        assert!(differ_in_values_alone("a.yaml", "a: 1\nb: [x]\n", "a: 2\nb: [y]\n"));
        assert!(!differ_in_values_alone("a.yaml", "a: 1\n", "b: 1\n"));
        assert!(!differ_in_values_alone("package.json", "{\"a\":1}", "{\"a\":2}"));
        assert!(!differ_in_values_alone(".github/workflows/a.yml", "a: 1\n", "a: 2\n"));
        assert!(!differ_in_values_alone("a.rs", "a: 1\n", "a: 2\n"));
    }

    proptest! {
        #[test]
        fn foreign_text_never_panics_and_an_edit_taken_back_leaves_the_same_bytes(
            text in "(a: |b|: |x1|'x1'|\"x1\"|- |\\[|\\]|\\{|\\}|, |  |\r?\n|---\n| # |ä|\\|)*",
            other in any::<String>(),
            path in any::<String>(),
        ) {
            let _ = format!("a.yaml:{path}=1").parse::<Edit>().map(|edit| edit.put(&text));
            for (file, text) in [("a.yaml", &text), ("a.yaml", &format!("a: x1\n{text}")), ("a.json", &format!("{{\"a\":{text}}}")), ("a.json", &other)] {
                for path in ["a", "[0].a", "a[0]", "a.b"] {
                    let edit = |value: &str| format!("{file}:{path}={value}").parse::<Edit>().expect("an edit");
                    let Ok(first) = edit("x1").put(text) else { continue };
                    let changed = edit("y2z").put(&first);
                    prop_assert_eq!(changed.and_then(|changed| edit("x1").put(&changed)), Ok(first));
                }
            }
        }
    }
}
