//! A note: what a client may send, and how it is shown.

use yaml_rust::Yaml;

use crate::json::{quoted, quoted_all};

const TITLE_CHARACTERS: usize = 200;
const BODY_BYTES: usize = 16 * 1024;
const TAGS: usize = 16;
const TAG_CHARACTERS: usize = 32;

pub struct Draft {
    pub title: String,
    pub body: String,
    pub tags: Vec<String>,
}

pub struct Note {
    pub id: u64,
    pub title: String,
    pub body: String,
    pub tags: Vec<String>,
}

impl Draft {
    pub fn from_yaml(document: &Yaml) -> Result<Draft, String> {
        let title = document["title"].as_str().ok_or("a note needs a `title`")?.trim().to_owned();
        if title.is_empty() || title.chars().count() > TITLE_CHARACTERS {
            return Err(format!("`title` must have 1 to {TITLE_CHARACTERS} characters"));
        }
        let body = match &document["body"] {
            Yaml::BadValue | Yaml::Null => "",
            Yaml::String(text) if text.len() <= BODY_BYTES => text,
            _ => return Err(format!("`body` must be a text of at most {BODY_BYTES} bytes")),
        };
        let tags = match &document["tags"] {
            Yaml::BadValue | Yaml::Null => Vec::new(),
            Yaml::Array(items) if items.len() <= TAGS => items.iter().map(tag).collect::<Result<_, _>>()?,
            _ => return Err(format!("`tags` must be a list of at most {TAGS} words")),
        };
        Ok(Draft { title, body: body.to_owned(), tags })
    }
}

impl Note {
    /// Without the body: what a list shows.
    pub fn summary(&self) -> String {
        let words = self.body.split_whitespace().count();
        let (title, tags) = (quoted(&self.title), quoted_all(&self.tags));
        format!("{{\"id\":{},\"tags\":{tags},\"title\":{title},\"words\":{words}}}", self.id)
    }

    pub fn full(&self) -> String {
        let (title, tags, body) = (quoted(&self.title), quoted_all(&self.tags), quoted(&self.body));
        format!("{{\"body\":{body},\"id\":{},\"tags\":{tags},\"title\":{title}}}", self.id)
    }
}

fn tag(item: &Yaml) -> Result<String, String> {
    match item.as_str().map(str::trim) {
        Some(text) if !text.is_empty() && text.chars().count() <= TAG_CHARACTERS => Ok(text.to_owned()),
        _ => Err(format!("a tag must be a text of 1 to {TAG_CHARACTERS} characters")),
    }
}
