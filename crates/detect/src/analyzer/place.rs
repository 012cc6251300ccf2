//! Which file of the tree a report means: relative to where it was made, or absolute and inside the tree; nothing else.

use std::path::{Component, Path, PathBuf};

use crate::analyzer::raw::Address;

/// A tree in which reports are looked up.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Without links.
    root: PathBuf,
    /// Where the analyzer ran, below the root; empty for the root itself.
    folder: String,
}

/// Why a report's file is none of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Elsewhere {
    Outside,
    Missing,
}

impl Tree {
    pub fn new(root: &Path, folder: &str) -> std::io::Result<Self> {
        Ok(Self { root: root.canonicalize()?, folder: folder.trim_matches('/').to_owned() })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether a path of the tree lies in the folder.
    pub(crate) fn is_within(&self, path: &str) -> bool {
        self.folder.is_empty() || Path::new(path).starts_with(&self.folder)
    }

    /// The path below the root, with `/`.
    pub(crate) fn find(&self, address: &Address) -> Result<String, Elsewhere> {
        let (path, is_absolute) = self.named(address)?;
        let candidates = match (is_absolute, self.folder.as_str()) {
            (true, _) | (false, "") => vec![path],
            // Some tools count from where they ran, some from the top of the repository.
            (false, folder) => vec![Path::new(folder).join(&path), path],
        };
        let mut why = Elsewhere::Outside;
        for candidate in &candidates {
            let Some(relative) = plain(candidate) else { continue };
            why = Elsewhere::Missing;
            if self.is_there(&relative) {
                return Ok(relative);
            }
        }
        Err(why)
    }

    /// What the address comes to, and whether that counts from the root in any case.
    fn named(&self, address: &Address) -> Result<(PathBuf, bool), Elsewhere> {
        let (path, is_absolute) = local(&address.uri).ok_or(Elsewhere::Outside)?;
        if is_absolute {
            let roots =
                address.roots.iter().filter_map(|root| local(root)).map(|(root, _)| PathBuf::from(root));
            let roots: Vec<PathBuf> = [self.root.clone()].into_iter().chain(roots).collect();
            let below = roots.iter().find_map(|root| Path::new(&path).strip_prefix(root).ok());
            return below.map(|below| (below.to_owned(), true)).ok_or(Elsewhere::Outside);
        }
        let (mut whole, mut is_rooted) = (PathBuf::new(), false);
        for base in &address.bases {
            let (base, is_absolute) = local(base).ok_or(Elsewhere::Outside)?;
            match is_absolute {
                // Where it was made is another machine's business: its root stands for ours.
                true => {
                    whole = Path::new(&base).strip_prefix(&self.root).unwrap_or(Path::new("")).to_owned();
                    is_rooted = Path::new(&base).starts_with(&self.root);
                }
                false => whole.push(base),
            }
        }
        whole.push(path);
        Ok((whole, is_rooted))
    }

    /// An ordinary file, by no link that leads out.
    fn is_there(&self, relative: &str) -> bool {
        let real = self.root.join(relative).canonicalize();
        real.is_ok_and(|real| real.is_file() && real.starts_with(&self.root))
    }
}

/// The path that a URI or a plain path names, and whether it is absolute; none for what is on no disk.
fn local(uri: &str) -> Option<(String, bool)> {
    let path = match uri.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("file") => {
            let path = match rest.strip_prefix("//") {
                Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
                None => rest,
            };
            path.starts_with('/').then_some(path)?
        }
        Some((scheme, _)) if is_scheme(scheme) => return None,
        Some(_) | None => uri,
    };
    let path = decoded(path)?;
    let is_absolute = path.starts_with('/');
    (!path.is_empty() && !path.contains('\0')).then_some((path, is_absolute))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Percent signs that begin no code stand for themselves.
fn decoded(text: &str) -> Option<String> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let code = (digit(bytes.get(at + 1)), digit(bytes.get(at + 2)));
        match (bytes[at], code) {
            (b'%', (Some(high), Some(low))) => {
                out.push(u8::try_from(high * 16 + low).ok()?);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

/// Without `.` and `..`; none where it leads out.
fn plain(path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Elsewhere, Tree};
    use crate::analyzer::raw::Address;

    #[test]
    fn a_file_is_found_inside_the_tree_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("tree");
        fs::create_dir_all(root.join("web/src")).unwrap();
        for name in ["a.py", "web/a b.js", "web/src/c.js", "web/x:y.js"] {
            fs::write(root.join(name), "").unwrap();
        }
        fs::write(folder.path().join("secret"), "").unwrap();
        std::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
        let tree = Tree::new(&root, "web").unwrap();
        let inside = format!("file://{}/web/src/c.js", root.display());
        let ci = "file:///home/runner/app/";
        let (outside, missing) = (Err(Elsewhere::Outside), Err(Elsewhere::Missing));
        let found = |path: &str| Ok(path.to_owned());
        for (uri, bases, then) in [
            ("src/c.js", vec![], found("web/src/c.js")),
            ("web/src/c.js", vec![], found("web/src/c.js")),
            ("a.py", vec![], found("a.py")),
            ("./src/../a%20b.js", vec![], found("web/a b.js")),
            ("../a.py", vec![], found("a.py")),
            ("x%3Ay.js", vec![], found("web/x:y.js")),
            ("c.js", vec!["src/"], found("web/src/c.js")),
            ("c.js", vec![ci, "web/src/"], found("web/src/c.js")),
            ("file:///home/runner/app/a.py", vec![ci], found("a.py")),
            (inside.as_str(), vec![], found("web/src/c.js")),
            ("../../secret", vec![], outside.clone()),
            ("../secret", vec![], missing.clone()),
            ("%2e%2e/%2e%2e/secret", vec![], outside.clone()),
            ("/etc/passwd", vec![], outside.clone()),
            ("file:///etc/passwd", vec![ci], outside.clone()),
            ("file://server/share/a.py", vec![], outside.clone()),
            ("https://example.com/a.py", vec![], outside.clone()),
            ("a.py", vec!["https://example.com/"], outside.clone()),
            ("a%00.py", vec![], outside.clone()),
            ("%ff", vec![], outside.clone()),
            ("", vec![], outside.clone()),
            ("link", vec![], missing.clone()),
            ("web", vec![], missing.clone()),
            ("gone.py", vec![], missing.clone()),
        ] {
            let bases: Vec<String> = bases.into_iter().map(str::to_owned).collect();
            let roots = bases.clone();
            let address = Address { uri: uri.to_owned(), bases, roots };
            assert_eq!(tree.find(&address), then, "{address:?}");
        }
    }
}
