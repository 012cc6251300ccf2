//! Images: which layers make which, wherever their blobs lie. Of an image for several platforms each is looked at.

use std::collections::BTreeSet;

use patchline_inventory::detector::{Inventory, Unresolved};

use crate::container::archive::{Blobs, Stored};
use crate::container::budget::{Budget, Refused};
use crate::container::contents::{self, MOST_INSTALLED};
use crate::container::layer::Layer;
use crate::container::manifest::{Descriptor, Document, Saved};
use crate::container::tree::Tree;

const MOST_MANIFESTS: usize = 1000;
const MOST_LAYERS: usize = 1000;
/// An index may list indexes.
const DEEPEST: usize = 4;
/// Hops from a name of a layer to where it lies.
const MOST_LINKS: usize = 4;

/// Where the blobs of an image lie.
pub trait Store {
    /// The document at this path; none when it is not there.
    fn document(&mut self, path: &str) -> Result<Option<Stored<Vec<u8>>>, Refused>;
    /// The layer at this path, read if it hasn't been yet; none when it is not there.
    fn layer(&mut self, path: &str) -> Result<Option<()>, Refused>;
    /// A layer that was read, with its digest.
    fn get(&self, path: &str) -> Option<(&Layer, &str)>;
}

/// What the images hold; none when these are no blobs of an image.
pub fn inventory(store: &mut dyn Store, budget: &Budget) -> Result<Option<Inventory>, Refused> {
    let mut all = Inventory::default();
    let Some(images) = images(store, &mut all.unresolved)? else { return Ok(None) };
    let mut seen = BTreeSet::new();
    for (title, layers) in &images {
        if !seen.insert(layers) {
            continue;
        }
        for path in layers {
            let named = |what: &dyn std::fmt::Display| Refused(format!("its layer `{path}`: {what}"));
            let found = store.layer(path).map_err(|refused| named(&refused))?;
            found.ok_or_else(|| named(&format!("it is not in the image for {title}")))?;
        }
        let tree = Tree::of(layers.iter().filter_map(|path| store.get(path)), budget)?;
        let more = contents::of(&tree);
        all.installed.extend(more.installed);
        all.unresolved.extend(more.unresolved);
        if all.installed.len() > MOST_INSTALLED {
            return Err(Refused(format!("its images together have more than {MOST_INSTALLED} packages")));
        }
        for (layer, digest) in layers.iter().filter_map(|path| store.get(path)) {
            all.unresolved.extend(layer.odd.iter().map(|what| Unresolved::of(digest, what.as_str())));
        }
    }
    // Images of several platforms share layers.
    let mut seen = BTreeSet::new();
    all.installed.retain(|one| {
        let way = one.paths.first().cloned();
        seen.insert((one.package.clone(), one.location.path.clone(), one.location.line, way))
    });
    Ok(Some(all))
}

/// A title, and the paths of the layers from the lowest up.
type Image = (String, Vec<String>);

fn images(store: &mut dyn Store, unresolved: &mut Vec<Unresolved>) -> Result<Option<Vec<Image>>, Refused> {
    if let Some(index) = store.document("index.json")?
        && let Ok(index) = serde_json::from_slice::<Document>(&index.content)
        && store.document("oci-layout")?.is_some()
    {
        return listed(store, index, unresolved).map(Some);
    }
    let Some(saved) = store.document("manifest.json")? else { return Ok(None) };
    let Ok(saved) = serde_json::from_slice::<Vec<Saved>>(&saved.content) else { return Ok(None) };
    if saved.len() > MOST_MANIFESTS || saved.iter().any(|image| image.layers.len() > MOST_LAYERS) {
        return Err(Refused(format!("it has more than {MOST_MANIFESTS} images, or one of more layers")));
    }
    Ok(Some(saved.into_iter().map(|image| ("what was saved".to_owned(), image.layers)).collect()))
}

/// The images of an index and of those that it lists.
fn listed(
    store: &mut dyn Store,
    index: Document,
    unresolved: &mut Vec<Unresolved>,
) -> Result<Vec<Image>, Refused> {
    let mut images = Vec::new();
    let mut open: Vec<(Descriptor, usize)> = index.manifests.into_iter().rev().map(|one| (one, 1)).collect();
    let (mut count, mut missing) = (0, Vec::new());
    while let Some((descriptor, depth)) = open.pop() {
        count += 1;
        if count > MOST_MANIFESTS || depth > DEEPEST {
            return Err(Refused(format!("it lists more than {MOST_MANIFESTS} images, or lists in lists")));
        }
        if descriptor.is_statement() {
            continue;
        }
        let title = descriptor.title();
        let path = descriptor.path().ok_or_else(|| Refused(format!("{:?} is no digest", title)))?;
        let Some(document) = store.document(&path)? else {
            missing
                .push(Unresolved::of(&title, "its manifest is not in the layout, so it was not looked at"));
            continue;
        };
        let broken = |what: String| Refused(format!("its manifest for {title}: {what}"));
        if path.starts_with("blobs/sha256/") && document.digest != descriptor.digest {
            return Err(broken("it is not what its digest says".to_owned()));
        }
        let parsed: Document =
            serde_json::from_slice(&document.content).map_err(|error| broken(error.to_string()))?;
        open.extend(parsed.manifests.into_iter().rev().map(|one| (one, depth + 1)));
        if parsed.layers.len() > MOST_LAYERS {
            return Err(broken(format!("it has more than {MOST_LAYERS} layers")));
        }
        let mut paths = Vec::new();
        for layer in &parsed.layers {
            match layer.path() {
                Some(path) if layer.is_layer() => paths.push(path),
                Some(_) => {
                    let kind: String = layer.media_type.chars().take(80).collect();
                    let what = format!("it is of kind {kind:?} and was not looked at");
                    unresolved.push(Unresolved::of(&layer.title(), what));
                }
                None => return Err(broken(format!("{:?} is no digest", layer.title()))),
            }
        }
        if !paths.is_empty() {
            images.push((title, paths));
        }
    }
    if images.is_empty() {
        return Err(Refused("it lists no image that is in it".to_owned()));
    }
    unresolved.extend(missing);
    Ok(images)
}

impl Store for Blobs {
    fn document(&mut self, path: &str) -> Result<Option<Stored<Vec<u8>>>, Refused> {
        let found = self.documents.get(path);
        Ok(found.map(|one| Stored { digest: one.digest.clone(), content: one.content.clone() }))
    }

    fn layer(&mut self, path: &str) -> Result<Option<()>, Refused> {
        let Some(stored) = self.layers.get(&self.followed(path)) else { return Ok(None) };
        match &stored.content {
            Ok(_) => summed(path, &stored.digest).map(Some),
            Err(refused) => Err(refused.clone()),
        }
    }

    fn get(&self, path: &str) -> Option<(&Layer, &str)> {
        let stored = self.layers.get(&self.followed(path))?;
        stored.content.as_ref().ok().map(|layer| (layer, stored.digest.as_str()))
    }
}

impl Blobs {
    /// Where a layer lies: older tools save one that two images share as a link to the other.
    fn followed(&self, path: &str) -> String {
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            let Some(target) = self.links.get(&path) else { break };
            let beside = patchline_inventory::detector::beside(&path, target);
            path = beside.unwrap_or_default();
        }
        path
    }
}

/// A blob that is named after its sum must have it.
pub fn summed(path: &str, digest: &str) -> Result<(), Refused> {
    match path.strip_prefix("blobs/sha256/") {
        Some(hex) if digest.strip_prefix("sha256:") != Some(hex) => {
            Err(Refused("it is not what its digest says".to_owned()))
        }
        Some(_) | None => Ok(()),
    }
}
