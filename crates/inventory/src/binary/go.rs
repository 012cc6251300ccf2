//! What Go writes into each binary: which Go built it, and which modules are in it.
//! `debug/buildinfo` and `cmd/go/internal/modload` of Go describe it.

use crate::detector::{Inventory, Unresolved};
use crate::lockfile::assembly::{Graph, Node};

const MAGIC: &[u8] = b"\xff Go buildinf:";
const ALIGNMENT: usize = 16;
const HEAD: usize = 32;
/// From Go 1.18 on the texts stand right behind the head; before, the head points at them.
const IS_INLINE: u8 = 2;
/// Bytes of the list of modules; a thousand take about 100 KiB.
const LARGEST: u64 = 16 << 20;
/// The list stands between two marks of this many bytes.
const MARK: usize = 16;

/// How numbers lie in the binary's memory.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub is_wide: bool,
    pub is_little: bool,
}

/// So many bytes of the program's memory from an address on, as far as they lie in the file.
pub type Memory<'a> = dyn Fn(u64, u64) -> Option<&'a [u8]> + 'a;

/// The information that begins in these bytes, if any does.
pub fn find(bytes: &[u8]) -> Option<&[u8]> {
    let starts = (0..bytes.len()).step_by(ALIGNMENT);
    starts.map(|start| &bytes[start..]).find(|rest| rest.len() >= HEAD && rest.starts_with(MAGIC))
}

/// What one binary says.
#[derive(Debug, PartialEq, Eq)]
pub struct Build {
    pub go: String,
    pub modules: String,
}

impl Build {
    pub fn read(head: &[u8], layout: Layout, memory: &Memory<'_>) -> Result<Self, String> {
        let flags = head.get(15).copied().ok_or("it ends too early")?;
        let (go, modules) = if flags & IS_INLINE != 0 {
            let (go, rest) = inline(head.get(HEAD..).unwrap_or_default())?;
            (go, inline(rest)?.0)
        } else {
            let wide = usize::from(head[14]);
            if wide != if layout.is_wide { 8 } else { 4 } {
                return Err(format!("it has pointers of {wide} bytes"));
            }
            let pointer = |at| number(head, at, layout);
            (pointed(pointer(16), layout, memory)?, pointed(pointer(16 + wide), layout, memory)?)
        };
        let list = match modules.len() > 2 * MARK {
            true => &modules[MARK..modules.len() - MARK],
            false => &[],
        };
        Ok(Self {
            go: String::from_utf8_lossy(go).into_owned(),
            modules: String::from_utf8_lossy(list).into_owned(),
        })
    }

    /// The modules of the binary at this path. A module that was replaced is what replaces it.
    pub fn inventory(&self, path: &str) -> Inventory {
        let mut graph = Graph::of("Go", self.modules.len());
        match version_of_go(&self.go) {
            Some(version) => drop(graph.add(registered("stdlib", version))),
            None => {
                let go: String = self.go.chars().take(40).collect();
                let what = format!("it was built by {go:?}, which is no release of Go");
                graph.cannot_judge(Unresolved::package(path, None, "stdlib", what));
            }
        }
        let mut last: Option<Node> = None;
        let mut lists_any = false;
        for line in self.modules.lines() {
            let words: Vec<&str> = line.split('\t').collect();
            match words.as_slice() {
                ["mod" | "dep", name, version, ..] => {
                    lists_any = true;
                    take(&mut graph, last.replace(module(name, version, words[0] == "mod")));
                }
                ["=>", name, version, ..] => last = Some(module(name, version, false)),
                _ => {}
            }
        }
        take(&mut graph, last);
        if !lists_any {
            let what = "it was built without modules; what is in it beside the standard library is not told";
            graph.cannot_judge(Unresolved::of(path, what));
        }
        graph.inventory(path)
    }
}

/// Takes a module in that no line replaces any more.
fn take(graph: &mut Graph, node: Option<Node>) {
    if let Some(node) = node {
        graph.add(node);
    }
}

fn registered(name: &str, version: &str) -> Node {
    Node { line: None, ..Node::registered(name, version, 0) }
}

/// A module; its version is only one of the registry when it is a clean tag. OSV writes it without the `v`.
fn module(name: &str, version: &str, is_main: bool) -> Node {
    match version.strip_prefix('v') {
        Some(clean) if !clean.ends_with("+dirty") => registered(name, clean),
        // The program itself, built from a working copy.
        Some(_) | None if is_main => Node { registered: false, ..registered(name, version) },
        Some(_) | None => {
            let unknown = Some("it was replaced by a folder, whose version is not known".to_owned());
            Node { unknown, ..registered(name, version) }
        }
    }
}

/// `1.22.3` of `go1.22.3 X:boringcrypto` or `go1.22.3-vendor`; none of one that is no release.
fn version_of_go(text: &str) -> Option<&str> {
    let version = text.strip_prefix("go")?.split([' ', '-', '+']).next()?;
    version.starts_with(|sign: char| sign.is_ascii_digit()).then_some(version)
}

/// A text behind its length.
fn inline(bytes: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let mut length: u64 = 0;
    for (place, byte) in bytes.iter().take(9).enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let end = usize::try_from(length).ok().filter(|_| length <= LARGEST);
            let rest = &bytes[place + 1..];
            return end
                .and_then(|end| rest.split_at_checked(end))
                .ok_or_else(|| "a text in it has no end".to_owned());
        }
    }
    Err("a text in it has no length".to_owned())
}

/// The text that Go's `string` at this address is.
fn pointed<'a>(address: Option<u64>, layout: Layout, memory: &Memory<'a>) -> Result<&'a [u8], String> {
    let outside = || "it points to what is not in the file".to_owned();
    let wide = if layout.is_wide { 8 } else { 4 };
    let head = address.and_then(|address| memory(address, 2 * wide)).ok_or_else(outside)?;
    let half = usize::try_from(wide).unwrap_or(8);
    let (start, length) = (number(head, 0, layout), number(head, half, layout));
    match (start, length) {
        (Some(_), Some(0)) => Ok(&[]),
        (Some(start), Some(length)) if length <= LARGEST => memory(start, length).ok_or_else(outside),
        (_, _) => Err(outside()),
    }
}

fn number(bytes: &[u8], at: usize, layout: Layout) -> Option<u64> {
    let wide = if layout.is_wide { 8 } else { 4 };
    let bytes = bytes.get(at..at.checked_add(wide)?)?;
    let shifted = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    Some(match layout.is_little {
        true => bytes.iter().rev().fold(0, shifted),
        false => bytes.iter().fold(0, shifted),
    })
}
