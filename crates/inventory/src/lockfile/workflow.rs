//! What runs a build beside its packages: actions that GitHub workflows use
//! (<https://docs.github.com/en/actions/reference/workflow-syntax-for-github-actions>), and base images of Dockerfiles
//! (<https://docs.docker.com/reference/dockerfile/#from>), which no advisory is matched with.

use std::collections::HashSet;

use crate::detector::{Broken, Detector, Inventory, Kind, Neighbours, Scope};
use crate::lockfile::assembly::{Graph, Node};

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

    /// People write these files with all that YAML can do, so only lines with `uses:` are looked at, and no line of a text
    /// block is.
    fn parse(&self, path: &str, text: &str, _: &Neighbours) -> Result<Inventory, Broken> {
        let mut graph = Graph::of("GitHub Actions");
        let mut block: Option<usize> = None;
        for (index, line) in text.lines().enumerate() {
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
            let Some(used) = item.strip_prefix("uses:") else { continue };
            let used = used.split(" #").next().unwrap_or(used).trim().trim_matches(['"', '\'']);
            if used.starts_with("./") || used.starts_with("docker://") || used.is_empty() {
                continue;
            }
            let (name, reference) = used.split_once('@').unwrap_or((used, ""));
            // An action may lie in a folder of its repository.
            let name: Vec<&str> = name.splitn(3, '/').take(2).collect();
            let line = u32::try_from(index + 1).unwrap_or(u32::MAX);
            let version = reference.strip_prefix('v').unwrap_or(reference);
            let node = graph.add(Node {
                scope: Some(Scope::Build),
                unknown: moving(reference, version),
                ..Node::registered(&name.join("/"), version, line)
            });
            graph.direct.push((node, Scope::Build));
        }
        Ok(graph.inventory(path))
    }
}

/// Why this reference is no version.
fn moving(reference: &str, version: &str) -> Option<String> {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = version.split('.').collect();
    let is_commit = reference.len() >= 40 && reference.bytes().all(|byte| byte.is_ascii_hexdigit());
    let shown: String = reference.chars().take(40).collect();
    match () {
        () if is_commit => Some("it is pinned to a commit, whose version is not known here".to_owned()),
        () if parts.len() >= 3 && parts[..2].iter().all(|part| is_number(part)) => None,
        () if reference.is_empty() => Some("it names no version".to_owned()),
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
        let mut graph = Graph::of("Docker");
        let mut stages: HashSet<String> = HashSet::new();
        for (index, line) in text.lines().enumerate() {
            let mut words = line.split_whitespace();
            if !words.next().is_some_and(|word| word.eq_ignore_ascii_case("FROM")) {
                continue;
            }
            let mut words = words.skip_while(|word| word.starts_with("--"));
            let Some(image) = words.next() else { continue };
            let is_stage = stages.contains(&image.to_ascii_lowercase());
            if words.next().is_some_and(|word| word.eq_ignore_ascii_case("AS")) {
                stages.extend(words.next().map(str::to_ascii_lowercase));
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
        Ok(graph.inventory(path))
    }
}
