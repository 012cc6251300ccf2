//! One tar, read once from front to back, into a layer; and, where it may be one of an image, into that image's blobs.
//!
//! The entries are taken as they stand: the `tar` crate reads long names into memory however long they are, so those are read
//! here, with a limit. Limits: those of the budget; 64 KiB for a name, 1 MiB for the attributes of an entry; 64 folders deep.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use patchline_inventory::binary::object;
use sha2::{Digest, Sha256};
use tar::{Archive, EntryType, PaxExtensions};

use crate::container::budget::{Budget, Refused};
use crate::container::layer::{Kept, Layer};
use crate::container::unpack::{Peeked, SNIFFED, is_packed, is_tar, unpacked};
use crate::container::wanted::{self, LARGEST_BINARY};

const LONGEST_NAME: u64 = 64 << 10;
const LARGEST_ATTRIBUTES: u64 = 1 << 20;
const DEEPEST: usize = 64;
/// Entries that lead out and are named.
const MOST_ODD: usize = 100;
const LARGEST_DOCUMENT: u64 = 8 << 20;
const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// The parts of an image that an archive holds, by their paths in it.
#[derive(Debug, Default)]
pub struct Blobs {
    /// Documents of JSON.
    pub documents: BTreeMap<String, Stored<Vec<u8>>>,
    pub layers: BTreeMap<String, Stored<Result<Layer, Refused>>>,
    /// Names of a blob that lies elsewhere.
    pub links: BTreeMap<String, String>,
}

/// A blob and the sum of its bytes, as `sha256:` and hex digits.
#[derive(Debug)]
pub struct Stored<T> {
    pub digest: String,
    pub content: T,
}

/// Reads a tar, and the stream to its end, so that who sums it up has seen all of it. With `blobs` it may be an image, and
/// what can be part of one goes there as well.
pub fn read(source: &mut dyn Read, budget: &Budget, mut blobs: Option<&mut Blobs>) -> Result<Layer, Refused> {
    let mut layer = Layer::default();
    let mut next = Next::default();
    let mut archive = Archive::new(source);
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        budget.entry()?;
        match entry.header().entry_type() {
            EntryType::GNULongName => next.name = Some(text(&mut entry, LONGEST_NAME)?),
            EntryType::GNULongLink => next.link = Some(text(&mut entry, LONGEST_NAME)?),
            EntryType::XHeader => next.take(&mut entry)?,
            EntryType::XGlobalHeader => {}
            kind => {
                let named = std::mem::take(&mut next);
                let size = entry.size();
                if named.size.is_some_and(|stated| stated != size) {
                    return Err(Refused("an entry has two sizes".to_owned()));
                }
                let name = named.name.unwrap_or_else(|| entry.path_bytes().into_owned());
                let link = named.link.or_else(|| entry.link_name_bytes().map(|link| link.into_owned()));
                let link = link.map(|link| String::from_utf8_lossy(&link).into_owned());
                let Some(path) = clean(&name) else {
                    let name: String = String::from_utf8_lossy(&name).chars().take(80).collect();
                    if layer.odd.len() < MOST_ODD {
                        layer.odd.insert(format!("its entry {name:?} leads out of it and was not looked at"));
                    }
                    continue;
                };
                let mut content = Peeked::new(&mut entry);
                let rest = match blobs.as_deref_mut().filter(|_| is_blob(&path)) {
                    Some(blobs) => {
                        take_blob(&path, kind, link.as_deref(), size, &mut content, budget, blobs)?
                    }
                    None => Rest::Untouched,
                };
                let is_sparse = named.is_sparse || kind == EntryType::GNUSparse;
                let file = Entry { path, kind, link, size, is_sparse };
                match rest {
                    Rest::Untouched => take(&mut layer, file, &mut content, budget)?,
                    Rest::Document(bytes) => take(&mut layer, file, &mut bytes.as_slice(), budget)?,
                    Rest::Nothing => {
                        layer.replace(&file.path);
                        layer.add_other(&file.path);
                    }
                }
            }
        }
    }
    io::copy(archive.into_inner(), &mut io::sink())?;
    settle_twins(&mut layer, budget)?;
    Ok(layer)
}

/// What an entry is, its content apart.
struct Entry {
    path: String,
    kind: EntryType,
    link: Option<String>,
    size: u64,
    is_sparse: bool,
}

/// What is left of an entry's content when an image's part was made of it.
enum Rest {
    Untouched,
    Document(Vec<u8>),
    Nothing,
}

/// What entries say of the one behind them.
#[derive(Default)]
struct Next {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    is_sparse: bool,
}

impl Next {
    /// Takes in the attributes of <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html>.
    fn take(&mut self, entry: &mut impl Read) -> Result<(), Refused> {
        let attributes = text(entry, LARGEST_ATTRIBUTES)?;
        for attribute in PaxExtensions::new(&attributes) {
            let attribute = attribute?;
            match attribute.key_bytes() {
                b"path" => self.name = Some(attribute.value_bytes().to_vec()),
                b"linkpath" => self.link = Some(attribute.value_bytes().to_vec()),
                b"size" => self.size = attribute.value().ok().and_then(|size| size.parse().ok()),
                key if key.starts_with(b"GNU.sparse.") => self.is_sparse = true,
                _ => {}
            }
        }
        Ok(())
    }
}

/// All bytes of an entry that says something of others, but for the NUL at its end.
fn text(entry: &mut impl Read, most: u64) -> Result<Vec<u8>, Refused> {
    let mut text = Vec::new();
    entry.take(most + 1).read_to_end(&mut text)?;
    if text.len() as u64 > most {
        return Err(Refused(format!("an entry has a name or attributes of more than {} KiB", most >> 10)));
    }
    if text.last() == Some(&0) {
        text.pop();
    }
    Ok(text)
}

/// The path without `.`, doubled and leading `/`; none when it leads out. The top is empty.
fn clean(name: &[u8]) -> Option<String> {
    let name = String::from_utf8_lossy(name);
    let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    (!parts.contains(&"..")).then(|| parts.join("/"))
}

fn take(layer: &mut Layer, entry: Entry, content: &mut dyn Read, budget: &Budget) -> Result<(), Refused> {
    let Entry { path, kind, link, size, is_sparse } = entry;
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
    if name == OPAQUE {
        layer.opaque.insert(folder.to_owned());
        return Ok(());
    }
    if let Some(hidden) = name.strip_prefix(WHITEOUT) {
        // What else begins so is what aufs kept for itself.
        if !hidden.starts_with(WHITEOUT) && !hidden.is_empty() {
            let hidden = if folder.is_empty() { hidden.to_owned() } else { format!("{folder}/{hidden}") };
            budget.keep(hidden.len() as u64)?;
            layer.gone.insert(hidden);
        }
        return Ok(());
    }
    if kind.is_dir() {
        layer.add_folder(&path);
        return Ok(());
    }
    layer.replace(&path);
    match (kind, link) {
        (EntryType::Symlink, Some(target)) => {
            budget.keep((path.len() + target.len()) as u64)?;
            layer.links.insert(path, target);
            return Ok(());
        }
        (EntryType::Link, Some(target)) => {
            layer.add_other(&path);
            if wanted::largest(&path).is_some() {
                budget.keep((path.len() + target.len()) as u64)?;
                layer.twins.push((path, target));
            }
            return Ok(());
        }
        (_, _) => {}
    }
    let is_file = matches!(kind, EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse);
    match if is_file { kept(&path, size, is_sparse, content, budget)? } else { None } {
        Some(kept) => drop(layer.files.insert(path, kept)),
        None => layer.add_other(&path),
    }
    Ok(())
}

/// The file as far as it is of use.
fn kept(
    path: &str,
    size: u64,
    is_sparse: bool,
    content: &mut dyn Read,
    budget: &Budget,
) -> Result<Option<Kept>, Refused> {
    let refused = |what: String| Ok(Some(Kept::Refused(what)));
    let Some(most) = wanted::largest(path) else {
        return if is_sparse { Ok(None) } else { binary(path, size, content, budget) };
    };
    if is_sparse {
        return refused("it is stored with its holes left out, which is not read".to_owned());
    }
    if path.matches('/').count() > DEEPEST {
        return refused(format!("it lies more than {DEEPEST} folders deep and was not looked at"));
    }
    if size > most {
        return refused(format!("it is larger than {} MiB", most >> 20));
    }
    budget.keep(size + path.len() as u64)?;
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes)?;
    if bytes.len() as u64 != size {
        return Err(Refused("it ends within an entry".to_owned()));
    }
    Ok(Some(Kept::Whole(bytes.into())))
}

/// What a binary says; none when it is none, or says nothing.
fn binary(path: &str, size: u64, content: &mut dyn Read, budget: &Budget) -> Result<Option<Kept>, Refused> {
    let mut source = Peeked::new(content);
    if !object::is_likely(source.peek(object::SNIFFED)?) {
        return Ok(None);
    }
    if size > LARGEST_BINARY {
        let what = format!("it is a binary of more than {} MiB and was not looked at", LARGEST_BINARY >> 20);
        return Ok(Some(Kept::Refused(what)));
    }
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes)?;
    let Some(inventory) = object::inventory(path, &bytes) else { return Ok(None) };
    let kept = Kept::Binary(Arc::new(inventory));
    budget.keep(weight(&kept))?;
    Ok(Some(kept))
}

/// Another name of a file has its content, if that is kept, and counts as much: it is read as often.
fn settle_twins(layer: &mut Layer, budget: &Budget) -> Result<(), Refused> {
    for (path, target) in std::mem::take(&mut layer.twins) {
        let target = clean(target.as_bytes()).unwrap_or_default();
        let kept = match layer.files.get(&target) {
            Some(kept) => kept.clone(),
            None => Kept::Refused(format!("it is another name of {target:?}, which was not kept")),
        };
        budget.keep(weight(&kept))?;
        layer.files.insert(path, kept);
    }
    Ok(())
}

/// What a file takes in memory.
fn weight(kept: &Kept) -> u64 {
    // A package of an inventory takes about as much as this.
    const PACKAGE: u64 = 512;
    match kept {
        Kept::Whole(bytes) => bytes.len() as u64,
        Kept::Binary(inventory) => (inventory.installed.len() + inventory.unresolved.len()) as u64 * PACKAGE,
        Kept::Refused(what) => what.len() as u64,
    }
}

/// Whether part of an image may lie at this path: of an OCI layout, or as older tools save it.
fn is_blob(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_saved =
        matches!(path.matches('/').count(), 0 | 1) && (name.ends_with(".tar") || name.ends_with(".json"));
    is_saved || path.starts_with("blobs/") || path == "oci-layout"
}

/// Takes in what may be part of an image, and says what is left of it for others.
fn take_blob<R: Read>(
    path: &str,
    kind: EntryType,
    link: Option<&str>,
    size: u64,
    content: &mut Peeked<R>,
    budget: &Budget,
    blobs: &mut Blobs,
) -> Result<Rest, Refused> {
    if let (EntryType::Symlink | EntryType::Link, Some(target)) = (kind, link) {
        budget.keep((path.len() + target.len()) as u64)?;
        blobs.links.insert(path.to_owned(), target.to_owned());
    }
    if !matches!(kind, EntryType::Regular | EntryType::Continuous) {
        return Ok(Rest::Untouched);
    }
    let start = content.peek(SNIFFED)?;
    let is_layer = is_tar(start) || is_packed(start);
    let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
    let is_document = matches!(first, Some(b'{' | b'[')) && size <= LARGEST_DOCUMENT;
    let mut source = Summed { inner: content, sum: Sha256::new() };
    if is_layer {
        let content = unpacked(&mut source, budget, |stream| read(stream, budget, None));
        let stored = Stored { digest: source.digest(), content };
        blobs.layers.insert(path.to_owned(), stored);
        Ok(Rest::Nothing)
    } else if is_document {
        budget.keep(size + path.len() as u64)?;
        let mut content = Vec::new();
        source.read_to_end(&mut content)?;
        let stored = Stored { digest: source.digest(), content: content.clone() };
        blobs.documents.insert(path.to_owned(), stored);
        Ok(Rest::Document(content))
    } else {
        Ok(Rest::Untouched)
    }
}

/// Sums up what is read.
pub struct Summed<R> {
    pub inner: R,
    pub sum: Sha256,
}

impl<R> Summed<R> {
    pub fn digest(self) -> String {
        let hex: String = self.sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{hex}")
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.sum.update(&buffer[..read]);
        Ok(read)
    }
}
