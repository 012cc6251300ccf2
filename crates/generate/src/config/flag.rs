//! Feature flags in files of flagd (<https://flagd.dev/reference/flag-definitions/>): whether one is on, and what changes that.

use std::str::FromStr;

use patchline_inventory::text::value::Value;

use crate::config::change::Edit;
use crate::config::format::Format;
use crate::config::path::{Step, same_but};

/// A flag that is to be turned on or off, as in `new-parser=off`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    pub name: String,
    pub is_on: bool,
}

impl FromStr for Flag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || format!("`{text}` is not of the form NAME=off or NAME=on");
        let (name, state) = text.rsplit_once('=').ok_or_else(shape)?;
        let is_on = match state {
            "on" => true,
            "off" => false,
            _ => return Err(shape()),
        };
        // A quote would end the key of a path.
        match name.is_empty() || name.contains(['"', '\\']) || name.contains(char::is_control) {
            true => Err(shape()),
            false => Ok(Self { name: name.to_owned(), is_on }),
        }
    }
}

impl Flag {
    /// What turns it, if this file has it; `file` counts from the service's folder. An error says why the file can't be read.
    pub fn edit(&self, file: &str, text: &str) -> Result<Option<Edit>, String> {
        let Some(format) = format(file) else { return Ok(None) };
        let value = format.read(text)?;
        let state = value.get("flags").and_then(|flags| flags.get(&self.name)?.text_of("state"));
        let turned = if self.is_on { "ENABLED" } else { "DISABLED" };
        state.map(|_| format!("{file}:flags[\"{}\"].state={turned}", self.name).parse()).transpose()
    }
}

/// Whether two texts of a file differ alone in whether flags are on.
pub fn differ_in_flags_alone(path: &str, before: &str, after: &str) -> bool {
    let Some(format) = format(path) else { return false };
    let (Ok(before), Ok(after)) = (format.read(before), format.read(after)) else { return false };
    let state = [Step::Key("state".to_owned())];
    let same_flags = |before: &Value<'_>, after: &Value<'_>| {
        before.entries().len() == after.entries().len()
            && before.entries().iter().zip(after.entries()).all(|(before, after)| {
                before.key == after.key && same_but(&before.value, &after.value, Some(&state))
            })
    };
    before.get("flags").is_some()
        && before.entries().len() == after.entries().len()
        && before.entries().iter().zip(after.entries()).all(|(before, after)| {
            let same = match before.key == "flags" {
                true => same_flags(&before.value, &after.value),
                false => same_but(&before.value, &after.value, None),
            };
            before.key == after.key && same
        })
}

/// flagd reads JSON and YAML.
fn format(file: &str) -> Option<Format> {
    Format::of(file).filter(|format| matches!(format, Format::Json | Format::Yaml))
}

#[cfg(test)]
mod tests {
    use super::{Flag, differ_in_flags_alone};

    const FLAGS: &str =
        "{\"flags\": {\n  \"a.b\": {\"state\": \"ENABLED\", \"variants\": {\"on\": true}}\n}, \"x\": 1}\n";

    #[test]
    fn a_flag_is_turned_where_it_stands() {
        let flag: Flag = "a.b=off".parse().expect("a flag");
        let off = flag
            .edit("flags.json", FLAGS)
            .expect("it is read")
            .expect("its file")
            .put(FLAGS)
            .expect("a change");
        assert_eq!(off, FLAGS.replace("ENABLED", "DISABLED"));
        assert!(differ_in_flags_alone("flags.json", FLAGS, &off));
        assert_eq!(flag.edit("flags.toml", FLAGS), Ok(None));
        assert!(flag.edit("flags.json", "{").is_err());
        assert_eq!("c=on".parse::<Flag>().expect("a flag").edit("flags.json", FLAGS), Ok(None));
        for ill in ["a", "a=", "=off", "a=false", "a\"=off"] {
            assert!(ill.parse::<Flag>().is_err(), "{ill}");
        }
    }

    #[test]
    fn another_change_is_told_apart() {
        for (old, new) in [("true", "false"), ("a.b", "c"), ("1", "2"), ("flags", "flag")] {
            assert!(!differ_in_flags_alone("a.json", FLAGS, &FLAGS.replace(old, new)), "{old}");
        }
        assert!(!differ_in_flags_alone("a.json", "{\"state\": 1}", "{\"state\": 2}"));
    }
}
