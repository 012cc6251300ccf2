//! Databases of rpm, made as their formats say.

use rusqlite::{Connection, MAIN_DB};

/// A header as databases keep it, with an epoch where it isn't 0.
pub fn header(name: &str, epoch: u32, version: &str, source: &str) -> Vec<u8> {
    let (version, release) = version.split_once('-').expect("version-release");
    let (mut index, mut data) = (Vec::new(), Vec::new());
    let mut add = |tag: u32, kind: u32, bytes: &[u8]| {
        let offset = u32::try_from(data.len()).expect("short");
        [tag, kind, offset, 1].iter().for_each(|number| index.extend(number.to_be_bytes()));
        data.extend_from_slice(bytes);
    };
    if epoch > 0 {
        add(1003, 4, &epoch.to_be_bytes());
    }
    for (tag, text) in [(1000, name), (1001, version), (1002, release), (1022, "noarch"), (1044, source)] {
        add(tag, 6, &[text.as_bytes(), &[0]].concat());
    }
    // What a package is about, in one language.
    add(1004, 9, b"a probe\0");
    let entries = u32::try_from(index.len() / 16).expect("few");
    let length = u32::try_from(data.len()).expect("short");
    [&entries.to_be_bytes()[..], &length.to_be_bytes(), &index, &data].concat()
}

/// `rpmdb.sqlite`, written by SQLite itself, with the journal that rpm uses.
pub fn sqlite(headers: &[Vec<u8>]) -> Vec<u8> {
    let mut connection = Connection::open_in_memory().expect("SQLite");
    connection
        .execute_batch("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
        .expect("a table");
    for header in headers {
        connection.execute("INSERT INTO Packages (blob) VALUES (?1)", [header]).expect("a row");
    }
    let mut bytes = connection.serialize(MAIN_DB).expect("bytes").to_vec();
    bytes[18..20].fill(2);
    bytes
}

/// `Packages.db`.
pub fn ndb(headers: &[Vec<u8>]) -> Vec<u8> {
    const PAGE: usize = 4096;
    let word = |number: usize| u32::try_from(number).expect("small").to_le_bytes();
    let mut slots = [&b"RpmP"[..], &word(0), &word(1), &word(1), &[0; 16]].concat();
    let mut blobs = Vec::new();
    for (index, header) in headers.iter().enumerate() {
        let block = (PAGE + blobs.len()) / 16;
        let mut blob = [&b"BlbS"[..], &word(index + 1), &word(0), &word(header.len()), header].concat();
        blob.resize(blob.len().next_multiple_of(16), 0);
        slots.extend([&b"Slot"[..], &word(index + 1), &word(block), &word(blob.len() / 16)].concat());
        blobs.extend(blob);
    }
    while slots.len() < PAGE {
        slots.extend([&b"Slot"[..], &[0; 12]].concat());
    }
    [slots, blobs].concat()
}

/// `Packages`: a page that describes the hash, one hash page of it, and the overflow pages that hold the values; the
/// counter of package numbers lies on the hash page itself.
pub fn bdb(headers: &[Vec<u8>], is_big: bool) -> Vec<u8> {
    const PAGE: usize = 512;
    let word = |number: usize| {
        let number = u32::try_from(number).expect("small");
        if is_big { number.to_be_bytes() } else { number.to_le_bytes() }
    };
    let half = |number: usize| {
        let number = u16::try_from(number).expect("small");
        if is_big { number.to_be_bytes() } else { number.to_le_bytes() }
    };
    let put = |page: &mut [u8], at: usize, bytes: &[u8]| page[at..at + bytes.len()].copy_from_slice(bytes);
    let page = |number: usize, kind: u8| {
        let mut page = vec![0; PAGE];
        put(&mut page, 8, &word(number));
        page[25] = kind;
        page
    };
    let mut pages = vec![page(0, 8), page(1, 13)];
    let mut items: Vec<Vec<u8>> = vec![vec![1, 0, 0, 0, 0], [&[1][..], &word(headers.len())].concat()];
    for (index, header) in headers.iter().enumerate() {
        let first = pages.len();
        let parts: Vec<&[u8]> = header.chunks(PAGE - 26).collect();
        for (place, part) in parts.iter().enumerate() {
            let mut overflow = page(pages.len(), 7);
            let next = if place + 1 == parts.len() { 0 } else { pages.len() + 1 };
            put(&mut overflow, 16, &word(next));
            put(&mut overflow, 22, &half(part.len()));
            put(&mut overflow, 26, part);
            pages.push(overflow);
        }
        items.push([&[1][..], &word(index + 1)].concat());
        items.push([&[3, 0, 0, 0][..], &word(first), &word(header.len())].concat());
    }
    let mut end = PAGE;
    for (index, item) in items.iter().enumerate() {
        end -= item.len();
        put(&mut pages[1], 26 + 2 * index, &half(end));
        put(&mut pages[1], end, item);
    }
    put(&mut pages[1], 20, &half(items.len()));
    put(&mut pages[1], 22, &half(end));
    let last = pages.len() - 1;
    put(&mut pages[0], 12, &word(0x0006_1561));
    put(&mut pages[0], 16, &word(9));
    put(&mut pages[0], 20, &word(PAGE));
    put(&mut pages[0], 32, &word(last));
    // Its one bucket begins on page 1.
    put(&mut pages[0], 96, &word(1));
    pages.concat()
}
