//! From one tag of an image to another, wherever a repository names it.

use std::str::FromStr;

use patchline_inventory::detector::Detector as _;
use patchline_inventory::lockfile::workflow::{Dockerfile, Workflow};

use crate::image::site::Site;
use crate::image::{dockerfile, manifest};

/// What is asked for, as in `rust=1.80` and `rust=1.80@sha256:…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// As files name it.
    pub name: String,
    pub tag: String,
    /// What goes where the image is named by its digest.
    pub digest: Option<String>,
}

impl FromStr for Image {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || format!("`{text}` is not of the form NAME=TAG or NAME=TAG@sha256:…");
        let (name, rest) = text.split_once('=').ok_or_else(shape)?;
        let (tag, digest) = rest.split_once('@').map_or((rest, None), |(tag, digest)| (tag, Some(digest)));
        let is_name = Site::of(name, 0).is_some_and(|site| site.name == name);
        let is_tag = (1..=128).contains(&tag.len())
            && !tag.starts_with(['.', '-'])
            && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        let is_digest = |digest: &str| {
            digest.strip_prefix("sha256:").is_some_and(|hex| {
                hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            })
        };
        match is_name && is_tag && digest.is_none_or(is_digest) {
            true => {
                Ok(Self { name: name.to_owned(), tag: tag.to_owned(), digest: digest.map(str::to_owned) })
            }
            false => Err(shape()),
        }
    }
}

impl Image {
    /// Whether the text names the image by its digest.
    pub fn is_named_by_digest(&self, path: &str, text: &str) -> bool {
        sites(path, text).iter().any(|site| site.name == self.name && site.digest.is_some())
    }

    /// The text with this tag wherever it names the image. An error is a place that is named by a digest, when none is given.
    pub fn put(&self, path: &str, text: &str) -> Result<String, String> {
        let mut splices = Vec::new();
        for site in sites(path, text).into_iter().filter(|site| site.name == self.name) {
            match (&site.digest, &self.digest) {
                (Some(at), Some(digest)) => splices.push((at.clone(), digest.clone())),
                (Some(at), None) => {
                    let line = text[..at.start].matches('\n').count() + 1;
                    let (name, tag) = (&self.name, &self.tag);
                    return Err(format!(
                        "{path}:{line}: `{name}` is named by its digest: say `{name}={tag}@sha256:…`"
                    ));
                }
                (None, _) => {}
            }
            match &site.tag {
                Some(at) if site.is_plain_scalar && reads_otherwise(&self.tag) => {
                    splices.push((at.clone(), format!("\"{}\"", self.tag)));
                }
                Some(at) => splices.push((at.clone(), self.tag.clone())),
                // What has a digest alone goes on having that alone.
                None if site.digest.is_some() => {}
                None => splices.push((site.end_of_name..site.end_of_name, format!(":{}", self.tag))),
            }
        }
        Ok(spliced(text, splices))
    }
}

/// The names of the images in a file.
pub fn names(path: &str, text: &str) -> Vec<String> {
    sites(path, text).into_iter().map(|site| site.name).collect()
}

/// Whether a file can name images: a Dockerfile or YAML, but for workflows, which run elsewhere.
pub fn can_name(path: &str) -> bool {
    let is_yaml = path.ends_with(".yaml") || path.ends_with(".yml");
    Dockerfile.kind().claims(path) || is_yaml && !Workflow.kind().claims(path)
}

/// Whether two texts of a file differ in tags and digests of images alone.
pub fn differ_in_images_alone(path: &str, before: &str, after: &str) -> bool {
    let blank = |text: &str| {
        let ranges = sites(path, text).into_iter().flat_map(|site| {
            let tag = site.tag.unwrap_or(site.end_of_name..site.end_of_name);
            // With its quotes, or with the colon before it.
            let quoted = tag.start > 0 && text.as_bytes()[tag.start - 1] == b'"';
            let tag = if quoted { tag.start - 1..(tag.end + 1).min(text.len()) } else { tag };
            let colon = tag.start > 0 && text.as_bytes()[tag.start - 1] == b':';
            let tag = if colon { tag.start - 1..tag.end } else { tag };
            [Some((tag, String::new())), site.digest.map(|digest| (digest, String::new()))]
        });
        spliced(text, ranges.flatten().collect())
    };
    can_name(path) && blank(before) == blank(after)
}

fn sites(path: &str, text: &str) -> Vec<Site> {
    match (can_name(path), Dockerfile.kind().claims(path)) {
        (true, true) => dockerfile::sites(text),
        (true, false) => manifest::sites(text),
        (false, _) => Vec::new(),
    }
}

/// The text with other words at these places, each of which is named once.
fn spliced(text: &str, mut splices: Vec<(std::ops::Range<usize>, String)>) -> String {
    splices.sort_by_key(|(range, _)| range.start);
    let (mut made, mut done) = (String::with_capacity(text.len()), 0);
    for (range, word) in splices {
        if range.start < done {
            continue;
        }
        made.push_str(&text[done..range.start]);
        made.push_str(&word);
        done = range.end;
    }
    made.push_str(&text[done..]);
    made
}

/// Whether YAML reads it as something else than a text: a number, as `1.10`, or a word like `on`.
fn reads_otherwise(tag: &str) -> bool {
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_number = tag.starts_with(|sign: char| sign.is_ascii_digit())
        && (tag.replace('_', "").parse::<f64>().is_ok() || tag.starts_with("0x") || tag.starts_with("0o"));
    is_number || words.contains(&tag.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{Image, differ_in_images_alone};

    fn image(text: &str) -> Image {
        text.parse().expect("an image")
    }

    #[track_caller]
    fn check(path: &str, given: &str, asked: &str, then: &str) {
        let made = image(asked).put(path, given);
        assert_eq!(made.as_deref(), Ok(then));
        assert!(differ_in_images_alone(path, given, then), "{given}");
    }

    #[test]
    fn only_the_tag_changes() {
        let (old, new) = (format!("sha256:{}", "a".repeat(64)), format!("sha256:{}", "b".repeat(64)));
        check(
            "Dockerfile",
            "ARG V=1\r\nFROM  --platform=linux/amd64 h.invalid:5000/rust:1.80  AS build # x\r\nRUN a \\\nFROM h.invalid:5000/rust:1.80\nfrom h.invalid:5000/rust\nFROM rust:1.80\nFROM x:$V",
            "h.invalid:5000/rust=1.81",
            "ARG V=1\r\nFROM  --platform=linux/amd64 h.invalid:5000/rust:1.81  AS build # x\r\nRUN a \\\nFROM h.invalid:5000/rust:1.80\nfrom h.invalid:5000/rust:1.81\nFROM rust:1.80\nFROM x:$V",
        );
        check(
            "Dockerfile",
            "RUN <<EOF\nFROM a:1\nEOF\nFROM a:1 AS a\nFROM a\n",
            "a=2",
            "RUN <<EOF\nFROM a:1\nEOF\nFROM a:2 AS a\nFROM a\n",
        );
        let by = |digest: &str| format!("FROM a:1@{digest}\nFROM a@{digest}\n");
        check("x.Dockerfile", &by(&old), &format!("a=2@{new}"), &by(&new).replace("a:1", "a:2"));
        check(
            "k8s/app.yaml",
            "spec:\n  - name: a # image: a:1\n    image: 'a:1' # pinned\n  - image: a:1\n    args: |\n      image: a:1\n  - image: b:1\n",
            "a=1.10",
            "spec:\n  - name: a # image: a:1\n    image: 'a:1.10' # pinned\n  - image: a:1.10\n    args: |\n      image: a:1\n  - image: b:1\n",
        );
        check(
            "chart/values.yaml",
            "image:\n  registry: h.invalid\n  repository: x/a\n  pullPolicy: Always\n  tag: v1  # why\n  digest: \"\"\nside:\n  repository: x/a\n  tag: v1\n",
            "h.invalid/x/a=1.10",
            "image:\n  registry: h.invalid\n  repository: x/a\n  pullPolicy: Always\n  tag: \"1.10\"  # why\n  digest: \"\"\nside:\n  repository: x/a\n  tag: v1\n",
        );
    }

    #[test]
    fn a_digest_is_not_left_as_it_was() {
        let why = image("a=2").put("Dockerfile", "\nFROM a:1@sha256:00\n").expect_err("no digest");
        assert_eq!(why, "Dockerfile:2: `a` is named by its digest: say `a=2@sha256:…`");
        for ill in ["a", "a=", "=1", "a:1=2", "a=1@sha256:00", "a=1 b", "a=$X"] {
            assert!(ill.parse::<Image>().is_err(), "{ill}");
        }
    }

    #[test]
    fn another_change_is_told_apart() {
        assert!(!differ_in_images_alone("Dockerfile", "FROM a:1\nRUN x\n", "FROM a:2\nRUN y\n"));
        assert!(!differ_in_images_alone("src/a.rs", "FROM a:1\n", "FROM a:2\n"));
        assert!(!differ_in_images_alone("x.yaml", "image: a:1\n", "image: b:1\n"));
    }

    proptest! {
        #[test]
        fn foreign_text_never_panics_and_an_edit_taken_back_leaves_the_same_bytes(
            text in "(FROM |from|AS a|a:v1|a:v1|image:|repository: a|tag: v1|digest:|- | |  |\r?\n|\\\\|<<E|\"|'|#|\\||ä)*",
            other in any::<String>(),
        ) {
            for path in ["Dockerfile", "x.yaml"] {
                let _ = image("a=v2").put(path, &other);
                // A place without a tag gets one, and so can't be told from the others on the way back.
                let tagged = image("a=v1").put(path, &text);
                let Ok(tagged) = tagged else { continue };
                let changed = image("a=v2").put(path, &tagged).expect("no digest");
                prop_assert!(differ_in_images_alone(path, &tagged, &changed));
                prop_assert_eq!(image("a=v1").put(path, &changed), Ok(tagged));
            }
        }
    }
}
