//! The files that a report speaks of, each read once.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::sync::Arc;

use patchline_model::digest::Digest;

use crate::analyzer::place::Tree;
use crate::analyzer::text::Text;

/// Larger files are not looked into.
const LARGEST_FILE: u64 = 8 * 1024 * 1024;

/// What is kept of files while a report is read.
const MOST_KEPT: usize = 128 * 1024 * 1024;

/// The files that a report speaks of, read once.
#[derive(Default)]
pub(crate) struct Files {
    known: BTreeMap<String, Option<(Arc<Text>, Digest)>>,
    kept: usize,
}

impl Files {
    /// None where it is no ordinary text, or too large.
    pub(crate) fn text(&mut self, tree: &Tree, path: &str) -> Option<Arc<Text>> {
        self.of(tree, path).map(|(text, _)| Arc::clone(text))
    }

    pub(crate) fn digest(&mut self, tree: &Tree, path: &str) -> Option<Digest> {
        self.of(tree, path).map(|(_, digest)| digest.clone())
    }

    fn of(&mut self, tree: &Tree, path: &str) -> Option<&(Arc<Text>, Digest)> {
        if !self.known.contains_key(path) {
            let text = text_of(tree, path);
            self.kept += text.as_ref().map_or(0, String::len);
            if self.kept > MOST_KEPT {
                self.known.clear();
                self.kept = text.as_ref().map_or(0, String::len);
            }
            let read = text.map(|text| {
                let digest = Digest::of(text.as_bytes());
                (Arc::new(Text::new(text)), digest)
            });
            self.known.insert(path.to_owned(), read);
        }
        self.known.get(path)?.as_ref()
    }
}

fn text_of(tree: &Tree, path: &str) -> Option<String> {
    let mut text = String::new();
    let file = fs::File::open(tree.root().join(path)).ok()?;
    file.take(LARGEST_FILE + 1).read_to_string(&mut text).ok()?;
    (text.len() as u64 <= LARGEST_FILE).then_some(text)
}
