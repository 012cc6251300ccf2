//! Binaries that lie in a folder which is the root of a system, as its image would have them.

use std::io::{self, Read};
use std::path::Path;

use patchline_inventory::binary::object;
use patchline_inventory::detector::{Inventory, Unresolved};
use patchline_model::failure::in_full;

use crate::container::unpack::Peeked;
use crate::container::wanted::LARGEST_BINARY;
use crate::error::DetectError;
use crate::ordinary;

/// What the file at this path says it was built from; none when it is no binary, or says nothing.
pub fn inventory(path: &Path, relative: &str) -> Option<Inventory> {
    read(path, relative).unwrap_or_else(|why| {
        let unresolved = vec![Unresolved::of(relative, why)];
        Some(Inventory { installed: Vec::new(), unresolved })
    })
}

fn read(path: &Path, relative: &str) -> Result<Option<Inventory>, String> {
    let failed = |error: io::Error| format!("it could not be read, so it may be a binary: {error}");
    let file = ordinary::open(path).map_err(|error| match error {
        DetectError::Read { source, .. } => failed(source),
        other => in_full(&other),
    })?;
    let mut source = Peeked::new(file);
    if !object::is_likely(source.peek(object::SNIFFED).map_err(failed)?) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    source.take(LARGEST_BINARY + 1).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() as u64 > LARGEST_BINARY {
        true => {
            Err(format!("it is a binary of more than {} MiB and was not looked at", LARGEST_BINARY >> 20))
        }
        false => Ok(object::inventory(relative, &bytes)),
    }
}
