//! What runs a build beside its packages: actions that GitHub workflows use
//! (<https://docs.github.com/en/actions/reference/workflow-syntax-for-github-actions>), and base images of Dockerfiles
//! (<https://docs.docker.com/reference/dockerfile/#from>), which no advisory is matched with.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::detector::{Broken, Detector, Inventory, Kind, Neighbours, Scope};
use crate::lockfile::assembly::{Graph, Node};
use crate::name::lower;

/// Reads `uses:` of workflows and actions.
pub struct Workflow;

/// Reads `FROM` of Dockerfiles.
pub struct Dockerfile;

impl Detector for Workflow {
    fn kind(&self) -> &'static Kind {
        &Kind {
            files: &[".github/workflows/*.yml", ".github/workflows/*.yaml", "action.yml", "action.yaml"],
            manifest: None,
            hint: "restore the file from version control",
            is_fixed: false,
        }
    }

    fn parse(&self, path: &str, text: &str, _: &Neighbours) -> Result<Inventory, Broken> {
        let mut graph = Graph::of("GitHub Actions", text.len());
        each_use(text, |used| {
            if graph.is_full() {
                return;
            }
            let node = graph.add(Node {
                scope: Some(Scope::Build),
                unknown: moving(&used),
                checksum: used.is_commit().then(|| used.reference.to_owned()),
                ..Node::registered(&used.name, used.version(), used.line)
            });
            graph.direct.push((node, Scope::Build));
        });
        Ok(graph.inventory(path))
    }
}

/// One `uses:` that names an action of another repository, and where in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use<'a> {
    /// Its repository, as in `owner/name`; the action may lie in a folder of it.
    pub name: String,
    /// What stands behind the `@`: a tag, a branch or a commit. Empty where there is none.
    pub reference: &'a str,
    /// The byte at which the reference begins.
    pub at: usize,
    /// Counted from 1.
    pub line: u32,
    /// The version that a comment on the same line names, as in `v4.1.2`, and the byte at which it begins.
    pub comment: Option<(usize, &'a str)>,
}

impl Use<'_> {
    pub fn is_commit(&self) -> bool {
        let word = self.reference;
        matches!(word.len(), 40 | 64) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// The version without its `v`: that of the tag, or of a commit the one that the comment names.
    pub fn version(&self) -> &str {
        let said = match (self.is_commit(), self.comment) {
            (true, Some((_, said))) => said,
            (true, None) | (false, _) => self.reference,
        };
        said.strip_prefix('v').unwrap_or(said)
    }
}

/// The actions of other repositories that a workflow or an action uses, in the order of the text. People write these files
/// with all that YAML can do, so only lines with a key `uses` are looked at, and no line of a text block is.
pub fn uses(text: &str) -> Vec<Use<'_>> {
    let mut found = Vec::new();
    each_use(text, |used| found.push(used));
    found
}

fn each_use<'a>(text: &'a str, mut found: impl FnMut(Use<'a>)) {
    let (mut block, mut offset): (Option<usize>, usize) = (None, 0);
    for (index, raw) in text.split_inclusive('\n').enumerate() {
        let (start, line) = (offset, raw.trim_end_matches(['\n', '\r']));
        offset += raw.len();
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        if block.is_some_and(|above| indent > above || content.is_empty()) {
            continue;
        }
        block = None;
        let item = content.trim_start_matches("- ").trim_start();
        let value = item.split_once(": ").map_or("", |(_, value)| value.trim_start());
        if value.starts_with(['|', '>']) {
            block = Some(indent + (content.len() - item.len()));
        }
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let at = start + (line.len() - item.len());
        let mut comment = None;
        if let Some(rest) = after_key(item) {
            let used = item.len() - rest.len() + value_at(rest, false);
            used_by(item, used, false, at, number, &mut comment).into_iter().for_each(&mut found);
        } else if item.starts_with(['{', '[']) || value.starts_with(['{', '[']) {
            for used in used_in_flow(item) {
                used_by(item, used, true, at, number, &mut comment).into_iter().for_each(&mut found);
            }
        }
    }
}

/// What follows the key `uses`, in quotes or not, and its colon, if that is what a text begins with.
fn after_key(text: &str) -> Option<&str> {
    let quoted = ["\"uses\"", "'uses'"].iter().find_map(|key| text.strip_prefix(key));
    let rest = quoted.or_else(|| text.strip_prefix("uses"))?.trim_start_matches(' ').strip_prefix(':')?;
    // In a flow mapping nothing need follow the colon of a key in quotes.
    (rest.is_empty() || rest.starts_with(' ') || quoted.is_some()).then_some(rest)
}

/// Where the value begins in what follows the colon, behind its quote; a mark in front of it (`&name`) is none of it.
fn value_at(rest: &str, in_flow: bool) -> usize {
    let mut value = rest.trim_start();
    if let Some((mark, behind)) = value.split_once(' ').filter(|(mark, _)| mark.starts_with('&'))
        && !(in_flow && mark.contains([',', '}']))
    {
        value = behind.trim_start();
    }
    rest.len() - value.len() + usize::from(value.starts_with(['"', '\'']))
}

/// Where the values of `uses` begin in the flow mappings of a line.
fn used_in_flow(item: &str) -> Vec<usize> {
    let (mut found, mut quote, mut is_key) = (Vec::new(), None, false);
    let mut before = ' ';
    for (at, sign) in item.char_indices() {
        match (quote, sign) {
            (Some(open), _) if sign == open => quote = None,
            (Some(_), _) => {}
            (None, '#') if before == ' ' => break,
            (None, '{' | ',' | '[') => is_key = true,
            (None, ' ') => {}
            (None, _) => {
                let rest = after_key(&item[at..]).filter(|_| is_key);
                found.extend(rest.map(|rest| item.len() - rest.len() + value_at(rest, true)));
                is_key = false;
                quote = Some(sign).filter(|sign| matches!(sign, '"' | '\''));
            }
        }
        before = sign;
    }
    found
}

/// Where the comment of a line begins, and the version that it names.
type Comment<'a> = (usize, Option<(usize, &'a str)>);

/// The comment behind this byte of a line. A line may have many uses, so it is looked for once, and kept.
fn comment_behind<'a>(item: &'a str, from: usize, kept: &mut Option<Comment<'a>>) -> Comment<'a> {
    match *kept {
        Some(comment) if comment.0 >= from => comment,
        Some(_) | None => {
            let at = item[from..].find(" #").map_or(item.len(), |at| from + at);
            *kept.insert((at, version_in(&item[at..]).map(|(said_at, said)| (at + said_at, said))))
        }
    }
}

/// What a value names, if that lies in another repository: from its first letter, which is at that byte of a line that begins at
/// `start`, to the end of the line.
fn used_by<'a>(
    item: &'a str,
    used_at: usize,
    in_flow: bool,
    start: usize,
    line: u32,
    kept: &mut Option<Comment<'a>>,
) -> Option<Use<'a>> {
    let (end, said) = comment_behind(item, used_at, kept);
    let before = &item[used_at..end];
    let ends = |sign: char| matches!(sign, '"' | '\'' | ' ') || (in_flow && matches!(sign, ',' | '}' | ']'));
    // A flow mapping over several lines ends, or goes on, behind the value.
    let used = before.split(ends).next().unwrap_or_default().trim_end_matches([',', '}', ']']);
    if used.starts_with("./") || used.starts_with("docker://") || used.is_empty() {
        return None;
    }
    let (name, reference) = used.split_once('@').unwrap_or((used, ""));
    let name: Vec<&str> = name.splitn(3, '/').take(2).collect();
    Some(Use {
        name: name.join("/"),
        reference,
        at: start + used_at + used.len() - reference.len(),
        line,
        comment: said.map(|(said_at, said)| (start + said_at, said)),
    })
}

/// The first word of a comment that is a version of three numbers, as in `# v4.1.2` and `# tag=4.1.2`.
fn version_in(comment: &str) -> Option<(usize, &str)> {
    let is_part = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-' | '+');
    let mut at = 0;
    for word in comment.split_inclusive(|sign: char| !is_part(sign)) {
        let plain = word.trim_end_matches(|sign: char| !is_part(sign));
        if is_version(plain.strip_prefix('v').unwrap_or(plain)) {
            return Some((at, plain));
        }
        at += word.len();
    }
    None
}

fn is_version(word: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = word.split('.').collect();
    parts.len() >= 3 && parts[..2].iter().all(|part| is_number(part))
}

/// Why this reference is no version.
fn moving(used: &Use<'_>) -> Option<String> {
    let shown: String = used.reference.chars().take(40).collect();
    match () {
        () if is_version(used.version()) => None,
        () if used.is_commit() => {
            Some("it is pinned to a commit, and no comment beside it says of which version".to_owned())
        }
        () if used.reference.is_empty() => Some("it names no version".to_owned()),
        () => Some(format!("`{shown}` is a branch or a tag that moves, and no version")),
    }
}

impl Detector for Dockerfile {
    fn kind(&self) -> &'static Kind {
        &Kind {
            files: &["Dockerfile", "Containerfile", "Dockerfile.*", "*.Dockerfile"],
            manifest: None,
            hint: "restore the file from version control",
            is_fixed: false,
        }
    }

    fn parse(&self, path: &str, text: &str, _: &Neighbours) -> Result<Inventory, Broken> {
        let mut graph = Graph::of("Docker", text.len());
        let mut stages: HashSet<Cow<'_, str>> = HashSet::new();
        for (index, line) in text.lines().enumerate() {
            if graph.is_full() {
                break;
            }
            let mut words = line.split_whitespace();
            if !words.next().is_some_and(|word| word.eq_ignore_ascii_case("FROM")) {
                continue;
            }
            let mut words = words.skip_while(|word| word.starts_with("--"));
            let Some(image) = words.next() else { continue };
            let is_stage = stages.contains(&lower(image));
            if words.next().is_some_and(|word| word.eq_ignore_ascii_case("AS")) {
                stages.extend(words.next().map(lower));
            }
            if is_stage || image == "scratch" {
                continue;
            }
            let (tagged, digest) = image.split_once('@').unwrap_or((image, ""));
            // A colon before the last slash is that of a port.
            let colon =
                tagged.rfind(':').filter(|colon| tagged.rfind('/').is_none_or(|slash| slash < *colon));
            let (name, tag) = colon.map_or((tagged, ""), |colon| (&tagged[..colon], &tagged[colon + 1..]));
            let version = if tag.is_empty() { digest } else { tag };
            let unknown = match () {
                () if image.contains('$') => {
                    Some("it is put together from arguments of the build".to_owned())
                }
                () if version.is_empty() => Some("it has no tag, so it is whatever is the latest".to_owned()),
                () => None,
            };
            let line = u32::try_from(index + 1).unwrap_or(u32::MAX);
            let node = graph.add(Node {
                registered: false,
                checksum: (!digest.is_empty()).then(|| digest.to_owned()),
                unknown,
                ..Node::registered(name, version, line)
            });
            graph.direct.push((node, Scope::Normal));
        }
        drop(stages);
        Ok(graph.inventory(path))
    }
}

#[cfg(test)]
mod tests {
    use super::uses;

    /// What is used, with what stands where it says that the reference begins.
    fn check(text: &str, expected: &[(&str, &str, u32)]) {
        let found = uses(text);
        let shown: Vec<(String, &str, u32)> = found
            .iter()
            .map(|used| (used.name.clone(), &text[used.at..used.at + used.reference.len()], used.line))
            .collect();
        let shown: Vec<(&str, &str, u32)> =
            shown.iter().map(|(name, reference, line)| (name.as_str(), *reference, *line)).collect();
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn a_use_is_found_however_yaml_writes_it() {
        for text in [
            "      - uses: x/a@v1.1.0\n",
            "      - \"uses\": x/a@v1.1.0 # as it is\n",
            "      - 'uses' : 'x/a/folder@v1.1.0'\n",
            "      - uses: &pinned x/a@v1.1.0\n",
            "      - { name: n, uses: x/a@v1.1.0 }\n",
            "      - {uses: x/a@v1.1.0, name: \"{uses: x/b@v1\"}\n",
            "      - {\"uses\":\"x/a@v1.1.0\"}\n",
            "    steps: [{ run: \"echo , uses: x/b@v1\" }, { uses: 'x/a@v1.1.0' }] # {uses: x/c@v1}\n",
        ] {
            check(text, &[("x/a", "v1.1.0", 1)]);
        }
        check("steps:\n  - {\n    name: n,\n    uses: x/a@v2, with: { k: v }\n  }\n", &[("x/a", "v2", 4)]);
        check("  - { name: n,\n      uses: x/a@v2 }\n", &[("x/a", "v2", 2)]);
        check("steps: [{uses: x/a@v1}, {uses: y/b@v2}]\n", &[("x/a", "v1", 1), ("y/b", "v2", 1)]);
    }

    #[test]
    fn what_only_looks_like_a_use_is_none() {
        for text in [
            "# - uses: x/a@v1\n",
            "- run: |\n    uses: x/a@v1\n",
            "- run: echo '{ uses: x/a@v1 }'\n",
            "- name: it uses: x/a@v1\n",
            "- { run: 'a', name: uses }\n",
            "- uses: ./local\n- uses: docker://alpine:3\n- uses:\n",
        ] {
            check(text, &[]);
        }
    }
}
