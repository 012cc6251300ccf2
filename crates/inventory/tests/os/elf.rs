//! Programs of Linux with sections of our choice, and what Go and Rust write into them.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// Where the whole file lies in the program's memory.
pub const BASE: u64 = 0x40_0000;
const HEAD: usize = 64;
const SEGMENT: usize = 56;

/// Where the first section begins in the file.
pub const FIRST: usize = HEAD + SEGMENT + 8;

/// A program of 64 bits with these sections and nothing to run.
pub fn elf(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body: Vec<u8> = vec![0; FIRST];
    let mut names: Vec<u8> = vec![0];
    let mut heads: Vec<u8> = vec![0; 64];
    let mut add = |name: &str, kind: u32, names: &mut Vec<u8>, body: &mut Vec<u8>, data: Option<&[u8]>| {
        let at = names.len();
        names.extend(name.bytes().chain([0]));
        body.resize(body.len().next_multiple_of(16), 0);
        let offset = body.len() as u64;
        let data = data.map_or_else(|| names.clone(), <[u8]>::to_vec);
        body.extend_from_slice(&data);
        heads.extend(u32::try_from(at).expect("short").to_le_bytes());
        heads.extend(kind.to_le_bytes());
        for number in [2, BASE + offset, offset, data.len() as u64, 0, 16, 0] {
            heads.extend(number.to_le_bytes());
        }
    };
    for (name, data) in sections {
        add(name, 1, &mut names, &mut body, Some(data));
    }
    add(".shstrtab", 3, &mut names, &mut body, None);
    let table = body.len().next_multiple_of(16);
    body.resize(table, 0);
    body.extend_from_slice(&heads);
    let count = u16::try_from(sections.len() + 2).expect("few");
    let mut head: Vec<u8> = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    for half in [2_u16, 62] {
        head.extend(half.to_le_bytes());
    }
    head.extend(1_u32.to_le_bytes());
    for long in [BASE, HEAD as u64, table as u64] {
        head.extend(long.to_le_bytes());
    }
    head.extend(0_u32.to_le_bytes());
    for half in [64, 56, 1, 64, count, count - 1] {
        head.extend(half.to_le_bytes());
    }
    let length = body.len() as u64;
    head.extend(1_u32.to_le_bytes());
    head.extend(6_u32.to_le_bytes());
    for long in [0, BASE, BASE, length, length, 4096] {
        head.extend(long.to_le_bytes());
    }
    body[..head.len()].copy_from_slice(&head);
    body
}

/// The section that `cargo auditable` writes.
pub fn auditable(json: &str) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(json.as_bytes()).expect("written");
    encoder.finish().expect("packed")
}

/// The section that Go writes from 1.18 on.
pub fn buildinfo(go: &str, modules: &str) -> Vec<u8> {
    let marked = format!("{0}{modules}{0}", "m".repeat(16));
    let mut section = b"\xff Go buildinf:\x08\x02".to_vec();
    section.resize(32, 0);
    for text in [go, if modules.is_empty() { "" } else { &marked }] {
        let mut length = text.len();
        while length >= 0x80 {
            section.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
            length >>= 7;
        }
        section.push(u8::try_from(length).expect("seven bits"));
        section.extend(text.bytes());
    }
    section
}

/// The section that Go wrote before, when it is the first of its program: two pointers, then the texts they lead to.
pub fn old_buildinfo(go: &str, modules: &str) -> Vec<u8> {
    let marked = format!("{0}{modules}{0}", "m".repeat(16));
    let start = BASE + FIRST as u64;
    let (first, second) = (start + 32, start + 48);
    let texts = start + 64;
    let mut section = b"\xff Go buildinf:\x08\x00".to_vec();
    for number in [first, second, texts, go.len() as u64, texts + go.len() as u64, marked.len() as u64] {
        section.extend(number.to_le_bytes());
    }
    section.extend(go.bytes().chain(marked.bytes()));
    section
}
