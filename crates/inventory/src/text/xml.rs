//! XML without a document type: entities that a text defines itself are refused, so none can unfold.

use roxmltree::{Document, Error, Node, ParsingOptions};

use crate::detector::Broken;
use crate::text::lines::Lines;

/// More elements, texts, comments and attributes than these and one for each so many bytes are refused: each takes 70 bytes of
/// memory, and while they grow in number three times that.
const NODES_OF_ANY_FILE: usize = 50_000;
const BYTES_OF_A_NODE: usize = 12;
const MOST_NODES: usize = 1_000_000;
/// Deeper elements are refused before the parser, which goes down by recursion, meets them.
const DEEPEST: usize = 256;

/// Reads XML.
pub fn xml(text: &str) -> Result<Document<'_>, Broken> {
    let text = text.trim_start_matches('\u{feff}');
    if let Some(offset) = too_deep(text) {
        return Err(Broken::at(text, offset, format!("it is nested more than {DEEPEST} deep")));
    }
    let most = MOST_NODES.min(NODES_OF_ANY_FILE + text.len() / BYTES_OF_A_NODE);
    let too_many = || {
        format!("it has more than {most} nodes in {} bytes, which no tool writes; make it anew", text.len())
    };
    // The parser makes room for as many before it counts.
    if let Some((offset, _)) =
        text.bytes().enumerate().filter(|(_, sign)| matches!(sign, b'<' | b'=')).nth(2 * most)
    {
        return Err(Broken::at(text, offset, too_many()));
    }
    let nodes_limit = u32::try_from(most).unwrap_or(u32::MAX);
    let options = ParsingOptions { allow_dtd: false, nodes_limit, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| {
        let at = error.pos();
        let what = match error {
            Error::NodesLimitReached => too_many(),
            other => plain(&other.to_string()),
        };
        Broken { line: at.row, column: at.col, what }
    })
}

/// The line of an element, out of those of its document's `input_text`. The parser would count from the top for each.
pub fn line_of(lines: &mut Lines<'_>, element: &Node<'_, '_>) -> u32 {
    lines.line_of(element.range().start)
}

/// The trimmed text of the first child of this name.
pub fn child_text<'a>(element: &Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(element, name).and_then(|child| child.text()).map(str::trim)
}

/// The first child of this name, in whatever namespace.
pub fn child<'a, 'input>(element: &Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    element.children().find(|child| child.tag_name().name() == name)
}

/// Where tags are open that no lockfile would open. Counts from below: what looks like a tag in a comment counts, too.
fn too_deep(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open = 0_usize;
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'<') {
        match bytes.get(at + 1) {
            Some(b'/') => open = open.saturating_sub(1),
            Some(b'!' | b'?') | None => {}
            Some(_) => {
                let rest = &bytes[at..];
                let end = rest.iter().position(|byte| *byte == b'>').unwrap_or(0);
                open += usize::from(end == 0 || rest[end - 1] != b'/');
            }
        }
        if open > DEEPEST {
            return Some(at);
        }
    }
    None
}

/// Without the place, which is told apart.
fn plain(message: &str) -> String {
    message.split(" at ").next().unwrap_or(message).to_owned()
}
