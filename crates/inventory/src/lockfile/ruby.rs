//! `Gemfile.lock` (<https://bundler.io/man/gemfile.5.html>; the format is only written down in Bundler's
//! `lockfile_parser.rb`). Groups stand in the `Gemfile` alone, which is code and is not run.

use std::collections::HashMap;

use crate::detector::{Broken, Detector, Inventory, Kind, Neighbours, Scope};
use crate::lockfile::assembly::{Graph, Node};
use crate::text::pile::push;

/// Reads `Gemfile.lock`.
pub struct GemfileLock;

impl Detector for GemfileLock {
    fn kind(&self) -> &'static Kind {
        &Kind {
            files: &["Gemfile.lock", "gems.locked"],
            manifest: Some("Gemfile"),
            hint: "restore the file from version control, or make a new one with `bundle lock`",
            is_fixed: false,
        }
    }

    fn parse(&self, path: &str, text: &str, _: &Neighbours) -> Result<Inventory, Broken> {
        let (mut graph, mut names) = (Graph::of("RubyGems", text.len()), HashMap::<&str, usize>::new());
        let (mut needs, mut direct): (Vec<(usize, &str)>, Vec<&str>) = (Vec::new(), Vec::new());
        let (mut section, mut remote, mut current) = ("", "", None);
        let mut offset = 0;
        // A gem stands here once for each of its platforms.
        let mut known: HashMap<(&str, &str), usize> = HashMap::new();
        for (index, raw) in text.split_inclusive('\n').enumerate() {
            let (at, line) = (offset, raw.trim_end());
            offset += raw.len();
            let content = line.trim_start_matches(' ');
            if content.starts_with("<<<<<<<") || content.starts_with(">>>>>>>") {
                return Err(Broken::at(text, at, "a merge conflict is left in it"));
            }
            match (line.len() - content.len(), section) {
                (_, _) if content.is_empty() => {}
                (0, _) => (section, remote, current) = (content, "", None),
                (2, "DEPENDENCIES") => push(&mut direct, first_word(content).trim_end_matches('!')),
                (2, _) => remote = content.strip_prefix("remote: ").unwrap_or(remote),
                (4, _) if graph.is_full() => current = None,
                (4, "GEM" | "GIT" | "PATH" | "PLUGIN SOURCE") => {
                    let (name, version) = (first_word(content), in_brackets(content));
                    let Some(version) = version else {
                        return Err(Broken::at(text, at + 4, "a version in brackets is missing here"));
                    };
                    // What follows a hyphen is the platform.
                    let version = version.split('-').next().unwrap_or(version);
                    let line = u32::try_from(index + 1).unwrap_or(u32::MAX);
                    let node = *known.entry((name, version)).or_insert_with(|| {
                        graph.add(Node {
                            is_own: section == "PATH",
                            registered: section == "GEM",
                            source: (!remote.is_empty()).then(|| remote.to_owned()),
                            ..Node::registered(name, version, line)
                        })
                    });
                    names.insert(name, node);
                    current = Some(node);
                }
                (6, _) => {
                    if let Some(node) = current {
                        push(&mut needs, (node, first_word(content)));
                    }
                }
                (_, _) => {}
            }
        }
        if names.is_empty() && direct.is_empty() && !text.contains("PLATFORMS") {
            return Err(Broken::at(text, text.len(), "it ends without any gem"));
        }
        for (node, name) in needs {
            graph.join(node, names.get(name).copied());
        }
        graph.direct =
            direct.iter().filter_map(|name| names.get(*name)).map(|node| (*node, Scope::Normal)).collect();
        drop((names, known, direct));
        Ok(graph.inventory(path))
    }
}

fn first_word(content: &str) -> &str {
    content.split(' ').next().unwrap_or(content)
}

fn in_brackets(content: &str) -> Option<&str> {
    content.split_once('(')?.1.strip_suffix(')')
}
