//! SUSE's database of rpm, `Packages.db`: a table of slots, each of which points at a package's header.
//! The layout is that of `lib/backend/ndb/rpmpkg.c` of rpm 4.17.

use crate::os::rpm::bytes::{Order, part};

const MAGIC: &[u8] = b"RpmP";
const SLOT_MAGIC: &[u8] = b"Slot";
const BLOB_MAGIC: &[u8] = b"BlbS";
const SLOT: usize = 16;
const BLOCK: usize = 16;
const PAGE: usize = 4096;
/// The head of the file takes the place of two slots.
const HEAD: usize = 2 * SLOT;
/// A million packages.
const MOST_PAGES: usize = 4096;

/// The package headers in the file.
pub fn headers(bytes: &[u8]) -> Result<Vec<&[u8]>, String> {
    let order = Order::Little;
    if !bytes.starts_with(MAGIC) || order.u32(bytes, 4) != Some(0) {
        return Err("it is no package database of rpm, or one of a later version".to_owned());
    }
    let pages = order.size(bytes, 12).unwrap_or_default();
    if pages == 0 || pages > MOST_PAGES {
        return Err(format!("it has {pages} pages of slots, and from 1 to {MOST_PAGES} may be"));
    }
    let slots = part(bytes, HEAD, pages * PAGE - HEAD).ok_or("it ends within its slots")?;
    let mut headers = Vec::new();
    let mut left = bytes.len();
    for slot in slots.chunks_exact(SLOT) {
        if !slot.starts_with(SLOT_MAGIC) {
            return Err("one of its slots is none".to_owned());
        }
        let number = order.u32(slot, 4).unwrap_or_default();
        if number == 0 {
            continue;
        }
        let header = blob(bytes, number, order.size(slot, 8).unwrap_or_default());
        let header = header.ok_or_else(|| format!("package {number} is not where its slot says"))?;
        // Packages share no bytes, so together they are no longer than the file.
        left = left.checked_sub(header.len()).ok_or("its packages lie upon each other")?;
        headers.push(header);
    }
    Ok(headers)
}

/// The header of this number that begins at this block.
fn blob(bytes: &[u8], number: u32, block: usize) -> Option<&[u8]> {
    let at = block.checked_mul(BLOCK)?;
    let head = part(bytes, at, BLOCK).filter(|head| head.starts_with(BLOB_MAGIC))?;
    let is_it = Order::Little.u32(head, 4) == Some(number);
    let length = Order::Little.size(head, 12)?;
    part(bytes, at + BLOCK, length).filter(|_| is_it)
}
