//! Whether a patch can be taken back by running the old version again: what the service and a person state of it.

use serde::{Deserialize, Serialize};

/// Segments and letters of a pattern or a path that are compared, at most; what is longer fits nothing.
const MOST: usize = 4096;

/// From when on a forward-only patch can't be taken back by running the old version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoReturn {
    /// An instance may migrate as it starts, before any user meets it.
    #[default]
    Start,
    /// Only what users do with it can't be undone.
    Share,
}

/// What a service states: changes to these files can't be undone, and from when on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Irreversible {
    pub paths: Vec<String>,
    #[serde(default)]
    pub from: NoReturn,
}

/// The old version can't undo what this patch does to data or schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardOnly {
    pub reason: String,
    pub from: NoReturn,
}

impl Irreversible {
    /// Nothing is stated.
    pub fn is_blank(&self) -> bool {
        *self == Self::default()
    }

    /// What follows for a patch with these files, and with what a person stated of it. `folder` is where the service
    /// lies in its repository; the patterns are seen from there.
    pub fn forward_only(&self, stated: Option<&str>, folder: &str, files: &[String]) -> Option<ForwardOnly> {
        let reason = stated.map(str::to_owned).or_else(|| self.touched(folder, files))?;
        Some(ForwardOnly { reason, from: self.from })
    }

    fn touched(&self, folder: &str, files: &[String]) -> Option<String> {
        let (file, pattern) = files.iter().find_map(|file| {
            let seen = seen_from(folder, file);
            self.paths.iter().find(|pattern| fits(pattern, seen)).map(|pattern| (file, pattern))
        })?;
        Some(format!("it changes {file}, and the service says that changes to {pattern} can't be undone"))
    }
}

/// A file's path from this folder; what lies outside keeps its whole path.
fn seen_from<'a>(folder: &str, file: &'a str) -> &'a str {
    file.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')).unwrap_or(file)
}

/// Whether a path fits a pattern: `*` stands for any letters of one name, `?` for one letter, `**` for any folders.
pub fn fits(pattern: &str, path: &str) -> bool {
    if pattern.len() > MOST || path.len() > MOST {
        return false;
    }
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    wild(&pattern, &path, |name| *name == "**", |name, there| fits_name(name, there))
}

fn fits_name(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    wild(&pattern, &name, |letter| *letter == '*', |letter, there| *letter == '?' || letter == there)
}

/// One kind of word stands for any run of the text. Only the last of them is worth trying again: what fits before it
/// fits however long its run is.
fn wild<P, T>(pattern: &[P], text: &[T], is_any: impl Fn(&P) -> bool, fits: impl Fn(&P, &T) -> bool) -> bool {
    let (mut at, mut there) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    while there < text.len() {
        match (pattern.get(at), again) {
            (Some(word), _) if is_any(word) => {
                at += 1;
                again = Some((at, there));
            }
            (Some(word), _) if fits(word, &text[there]) => (at, there) = (at + 1, there + 1),
            (_, Some((after, from))) => {
                (at, there) = (after, from + 1);
                again = Some((after, from + 1));
            }
            (_, None) => return false,
        }
    }
    pattern[at..].iter().all(is_any)
}

#[cfg(test)]
mod tests {
    use super::{Irreversible, NoReturn, fits};

    #[test]
    fn a_pattern_fits_as_people_read_it() {
        let fitting = [
            ("migrations/**", "migrations/0001.sql"),
            ("migrations/**", "migrations/old/0001.sql"),
            ("**/schema.rs", "schema.rs"),
            ("**/schema.rs", "src/db/schema.rs"),
            ("src/*.sql", "src/a.sql"),
            ("src/**/m*_?.sql", "src/db/x/migrate_1.sql"),
            ("**", "anything/at/all"),
        ];
        for (pattern, path) in fitting {
            assert!(fits(pattern, path), "{pattern} does not fit {path}");
        }
        let others = [
            ("migrations/*", "migrations/old/0001.sql"),
            ("migrations/**", "src/migrations/1.sql"),
            ("src/*.sql", "src/a.sqlx"),
            ("", "a"),
            ("a", "A"),
        ];
        for (pattern, path) in others {
            assert!(!fits(pattern, path), "{pattern} fits {path}");
        }
    }

    #[test]
    fn many_stars_are_no_work() {
        let pattern = "*a".repeat(1000);
        assert!(!fits(&pattern, &"a".repeat(900)));
        assert!(!fits(&"**/a/".repeat(500), &"a/".repeat(400)));
    }

    #[test]
    fn a_person_s_word_goes_before_the_service_s_rule() {
        let rule = Irreversible { paths: vec!["migrations/**".to_owned()], from: NoReturn::Share };
        let files = ["app/migrations/1.sql".to_owned()];
        let said = rule.forward_only(Some("the topic is renamed"), "app", &files).expect("it is stated");
        assert_eq!((said.reason.as_str(), said.from), ("the topic is renamed", NoReturn::Share));
        let ruled = rule.forward_only(None, "app", &files).expect("it is touched");
        assert!(ruled.reason.contains("app/migrations/1.sql"), "{}", ruled.reason);
        assert_eq!(rule.forward_only(None, "app", &["app/src/main.rs".to_owned()]), None);
        assert_eq!(Irreversible::default().forward_only(None, "", &files), None);
    }
}
