//! rpm's database up to 4.15: `Packages`, a hash of Berkeley DB.
//!
//! The layout is that of `src/dbinc/db_page.h` of Berkeley DB 5.3. The buckets are never asked for: each hash page is read
//! in the order of the file, and of its pairs the value, which for a package mostly lies on a chain of overflow pages.

use crate::os::rpm::bytes::{Order, part};

const MAGIC: u32 = 0x0006_1561;
/// Bytes that each page begins with.
const PAGE_HEADER: usize = 26;
const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH_META: u8 = 8;
const HASH: u8 = 13;
/// Kinds of items on a hash page.
const KEY_DATA: u8 = 1;
const OFF_PAGE: u8 = 3;
/// The value of the key that holds the next package's number.
const COUNTER: usize = 4;

struct Database<'a> {
    bytes: &'a [u8],
    order: Order,
    page: usize,
    /// Pages of chains that may still be read: two chains can't share one, so together they have no more than the file.
    left: usize,
}

/// The package headers in the file.
pub fn headers(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let order = match Order::Little.u32(bytes, 12) {
        Some(MAGIC) => Order::Little,
        Some(number) if number.swap_bytes() == MAGIC => Order::Big,
        Some(_) | None => return Err("it is no hash of Berkeley DB".to_owned()),
    };
    let page = order.size(bytes, 20).unwrap_or_default();
    let (encryption, kind) = (bytes.get(24).copied(), bytes.get(25).copied());
    if kind != Some(HASH_META) || encryption != Some(0) {
        return Err("its first page is none of a hash that can be read".to_owned());
    }
    if !(512..=65536).contains(&page) || !page.is_power_of_two() {
        return Err(format!("it has pages of {page} bytes"));
    }
    if !bytes.len().is_multiple_of(page) {
        return Err("it ends within a page".to_owned());
    }
    let last = order.size(bytes, 32).unwrap_or_default();
    let pages = bytes.len() / page;
    if last >= pages {
        return Err(format!("it has {pages} pages, and says that the last is number {last}"));
    }
    let mut database = Database { bytes, order, page, left: pages };
    let mut headers = Vec::new();
    for number in 1..=last {
        database.values_of(number, &mut headers)?;
    }
    Ok(headers)
}

impl<'a> Database<'a> {
    fn page_at(&self, number: usize) -> Option<&'a [u8]> {
        part(self.bytes, number.checked_mul(self.page)?, self.page)
    }

    /// The values of a page, if it is one of a hash.
    fn values_of(&mut self, number: usize, values: &mut Vec<Vec<u8>>) -> Result<(), String> {
        let page = self.page_at(number).ok_or("it ends too early")?;
        if !matches!(page[25], HASH | HASH_UNSORTED) {
            return Ok(());
        }
        let broken = || format!("page {number} is broken");
        let items = usize::from(self.order.u16(page, 20).ok_or_else(broken)?);
        let offsets: Option<Vec<usize>> =
            (0..items).map(|item| self.order.u16(page, PAGE_HEADER + 2 * item).map(usize::from)).collect();
        let offsets = offsets.filter(|_| items % 2 == 0).ok_or_else(broken)?;
        for item in (1..items).step_by(2) {
            let offset = offsets[item];
            match page.get(offset).copied() {
                Some(OFF_PAGE) => {
                    let first = self.order.size(page, offset + 4).ok_or_else(broken)?;
                    let length = self.order.size(page, offset + 8).ok_or_else(broken)?;
                    values.push(self.chain(first, length)?);
                }
                // Items stand from the end of the page to its front, so one ends where the item before it begins.
                Some(KEY_DATA) => {
                    let value = page.get(offset + 1..offsets[item - 1]).ok_or_else(broken)?;
                    if value.len() > COUNTER {
                        values.push(value.to_vec());
                    }
                }
                Some(_) | None => return Err(broken()),
            }
        }
        Ok(())
    }

    fn chain(&mut self, first: usize, length: usize) -> Result<Vec<u8>, String> {
        let broken = || format!("the chain from page {first} on is broken");
        let mut value = Vec::new();
        let mut next = first;
        while next != 0 {
            self.left = self.left.checked_sub(1).ok_or_else(broken)?;
            let page = self.page_at(next).filter(|page| page[25] == OVERFLOW).ok_or_else(broken)?;
            let used = usize::from(self.order.u16(page, 22).ok_or_else(broken)?);
            value.extend_from_slice(part(page, PAGE_HEADER, used).ok_or_else(broken)?);
            next = self.order.size(page, 16).ok_or_else(broken)?;
        }
        if value.len() == length { Ok(value) } else { Err(broken()) }
    }
}
