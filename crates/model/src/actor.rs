//! Who did it: nothing is done by an unnamed hand.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A person, or Patchline itself acting on a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub enum Actor {
    /// Patchline's own loop.
    Machine,
    /// A named person: an account, an e-mail address.
    Person(String),
}

impl Actor {
    /// A person by name; surrounding blanks are dropped.
    pub fn person(name: &str) -> Self {
        Self::Person(name.trim().to_owned())
    }

    /// The name as shown and as policies see it.
    pub fn name(&self) -> &str {
        match self {
            Self::Machine => "patchline",
            Self::Person(name) => name,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
