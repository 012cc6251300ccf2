//! What a container sees: the layers of its image upon each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::container::budget::{Budget, Refused};
use crate::container::files::{Files, below, resolve};
use crate::container::layer::{Kept, Layer};
use crate::container::system;

/// The files that are kept, each with the layer that it is of.
#[derive(Debug, Default)]
pub struct Tree {
    pub files: BTreeMap<String, (Kept, Arc<str>)>,
    pub links: BTreeMap<String, String>,
}

impl Tree {
    /// From the lowest layer up. What is in a layer is named after it; an archive of a root has no name.
    pub fn of<'a>(
        layers: impl Iterator<Item = (&'a Layer, &'a str)>,
        budget: &Budget,
    ) -> Result<Self, Refused> {
        let mut tree = Self::default();
        for (layer, name) in layers {
            let below = tree.files.len() + tree.links.len();
            budget.merge(below + layer.files.len() + layer.links.len())?;
            tree.files.retain(|path, _| !layer.hides(path));
            tree.links.retain(|path, _| !layer.hides(path));
            tree.links.extend(layer.links.clone());
            let name: Arc<str> = Arc::from(name);
            for (path, kept) in &layer.files {
                let file = (kept.clone(), Arc::clone(&name));
                tree.files.insert(tree.landed(path), file);
            }
        }
        Ok(tree)
    }

    /// Where unpacking puts what an archive has at this path: a folder above it may be a link.
    fn landed(&self, path: &str) -> String {
        let Some((folder, name)) = path.rsplit_once('/') else { return path.to_owned() };
        resolve(self, "", folder).map_or_else(|| path.to_owned(), |folder| below(&folder, name))
    }

    /// The folders that are the root of a system.
    pub fn roots(&self) -> BTreeSet<&str> {
        let paths = self.files.keys().chain(self.links.keys());
        paths.filter_map(|path| system::root_of(path)).collect()
    }
}

impl Files for Tree {
    fn link(&self, path: &str) -> Option<String> {
        self.links.get(path).cloned()
    }

    fn bytes(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>, String> {
        match self.files.get(path) {
            Some((Kept::Whole(bytes), _)) if bytes.len() as u64 <= most => Ok(Some(bytes.to_vec())),
            Some((Kept::Whole(_), _)) => Err(format!("it is larger than {} MiB", most >> 20)),
            Some((Kept::Refused(why), _)) => Err(why.clone()),
            Some((Kept::Binary(_), _)) | None => Ok(None),
        }
    }

    fn names(&self, folder: &str, most: usize) -> Vec<String> {
        let start = format!("{folder}/");
        let below = self.files.range(start.clone()..).map(|(path, _)| path);
        let below = below.map_while(|path| path.strip_prefix(&start));
        below.filter(|name| !name.contains('/')).take(most).map(ToOwned::to_owned).collect()
    }

    fn label(&self, path: &str) -> String {
        match self.files.get(path) {
            Some((_, layer)) if !layer.is_empty() => format!("{layer}/{path}"),
            Some(_) | None => path.to_owned(),
        }
    }
}
