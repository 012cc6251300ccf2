//! How a reproducer shows a problem: by a command, by a test, by a file that the artifact chokes on, by requests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One of four.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Exits with 0 if the problem is absent, with 1 if it is there; `{artifact}` stands for the path of the built artifact.
    Command(Vec<String>),
    Test(ByTest),
    File(ByFile),
    /// Asked of the running service, one after another.
    Http(Vec<Exchange>),
}

/// A test of the suite that fails because of the problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByTest {
    pub name: String,
    /// Stands in what the test says when it fails because of the problem.
    pub reason: String,
    /// The files of the test, where it comes with the patch; else those of the patch that are tests by their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

/// A file on which the artifact fails because of the problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByFile {
    /// Seen from the service's folder.
    pub path: String,
    /// What the artifact is run with; `{file}` stands for the file's path.
    pub arguments: Vec<String>,
    /// Stands in what the artifact says when it fails because of the problem.
    pub reason: String,
    /// How it exits once the problem is gone.
    #[serde(default)]
    pub exit: i32,
}

/// One request, and how each side answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    pub method: String,
    /// Path and query.
    pub path: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    pub base: Answer,
    pub patch: Answer,
}

/// What is expected of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// None: the connection ends without one.
    pub status: Option<u16>,
    /// Stands in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::How;
    use crate::service::Reproducer;

    #[test]
    fn a_reproducer_of_an_old_record_is_a_command() {
        let old = r#"{"advisory":"R-1","command":["sh","reproduce","{artifact}"]}"#;
        let read: Reproducer = serde_json::from_str(old).unwrap();
        assert!(matches!(&read.how, How::Command(words) if words.len() == 3));
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
    }
}
