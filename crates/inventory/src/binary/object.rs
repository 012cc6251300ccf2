//! Executables and libraries of Linux, Windows and macOS: whether they say what they were built from.

use object::{Object, ObjectSection, ObjectSegment};

use crate::binary::{auditable, go};
use crate::detector::{Inventory, Unresolved};

/// As many bytes as tell whether it is worth to read the rest.
pub const SNIFFED: usize = 4;
/// Sections may be as many as the file likes.
const MOST_SECTIONS: usize = 10_000;

/// Whether what begins like this can be a binary.
pub fn is_likely(start: &[u8]) -> bool {
    let magics: [&[u8]; 6] = [
        b"\x7fELF",
        b"MZ",
        b"\xcf\xfa\xed\xfe",
        b"\xce\xfa\xed\xfe",
        b"\xfe\xed\xfa\xcf",
        b"\xfe\xed\xfa\xce",
    ];
    magics.iter().any(|magic| start.starts_with(magic))
}

/// What the binary at this path says it was built from; none when it says nothing. What it says and can't be read is
/// unresolved.
pub fn inventory(path: &str, bytes: &[u8]) -> Option<Inventory> {
    if !is_likely(bytes) {
        return None;
    }
    let file = object::File::parse(bytes).ok()?;
    let mut inventory = Inventory::default();
    let mut says = false;
    for (what, read) in [
        ("dependencies that `cargo auditable` wrote", rust(path, &file)),
        ("build information of Go", go(path, &file, bytes)),
    ] {
        match read {
            None => continue,
            Some(Ok(mut more)) => {
                inventory.installed.append(&mut more.installed);
                inventory.unresolved.append(&mut more.unresolved);
            }
            Some(Err(why)) => {
                let what = format!("it has {what}, and they could not be read: {why}");
                inventory.unresolved.push(Unresolved::of(path, what));
            }
        }
        says = true;
    }
    says.then_some(inventory)
}

fn rust(path: &str, file: &object::File<'_>) -> Option<Result<Inventory, String>> {
    let data = section(file, ".dep-v0")?;
    Some(data.and_then(|data| auditable::inventory(path, data)))
}

fn go(path: &str, file: &object::File<'_>, bytes: &[u8]) -> Option<Result<Inventory, String>> {
    // Windows has no section of its own for it: it stands at the front of `.data`.
    let names = [".go.buildinfo", "__go_buildinfo"];
    let named = names.iter().find_map(|name| section(file, name));
    let data = match named {
        Some(Ok(data)) => data,
        Some(Err(why)) => return Some(Err(why)),
        None => section(file, ".data").and_then(Result::ok).filter(|_| bytes.starts_with(b"MZ"))?,
    };
    let head = go::find(data)?;
    let memory = |address: u64, length: u64| {
        let segment = file.segments().take(MOST_SECTIONS).find(|segment| {
            let start = segment.address();
            start <= address && address - start < segment.size()
        })?;
        segment.data_range(address, length).ok().flatten()
    };
    let layout = go::Layout { is_wide: file.is_64(), is_little: file.is_little_endian() };
    let build = go::Build::read(head, layout, &memory);
    Some(build.map(|build| build.inventory(path)))
}

/// The bytes of a section; none when there is no such section.
fn section<'a>(file: &object::File<'a>, name: &str) -> Option<Result<&'a [u8], String>> {
    let found = file.sections().take(MOST_SECTIONS).find(|section| section.name() == Ok(name))?;
    Some(found.data().map_err(|error| format!("its section {name:?} is broken: {error}")))
}
