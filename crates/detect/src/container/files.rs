//! The files of a system by their paths below its top, without a leading `/`.

/// A system's files, wherever they lie. No path that is asked for has a link in it, other than `link` itself.
pub trait Files {
    /// Where the link at this path leads; none when there is none.
    fn link(&self, path: &str) -> Option<String>;

    /// The bytes of the ordinary file at this path; none when there is none. An error says why it can't be read.
    fn bytes(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>, String>;

    /// The names in this folder, sorted; at most so many.
    fn names(&self, folder: &str, most: usize) -> Vec<String>;

    /// What findings call the file at this path.
    fn label(&self, path: &str) -> String;
}

const MOST_LINKS: usize = 40;
const LONGEST_PATH: usize = 4096;

/// The path without links that `path` means in the system at `root`; none when it leads nowhere. What leads above the
/// root stays in it, as it would for who lives there.
pub fn resolve(files: &dyn Files, root: &str, path: &str) -> Option<String> {
    let mut links = 0;
    let mut open: Vec<String> = path.rsplit('/').map(ToOwned::to_owned).collect();
    let mut real: Vec<String> = Vec::new();
    while let Some(part) = open.pop() {
        match part.as_str() {
            "" | "." => {}
            ".." => drop(real.pop()),
            _ => {
                real.push(part);
                let path = below(root, &real.join("/"));
                if path.len() > LONGEST_PATH {
                    return None;
                }
                if let Some(target) = files.link(&path) {
                    links += 1;
                    if links > MOST_LINKS || target.len() > LONGEST_PATH {
                        return None;
                    }
                    match target.starts_with('/') {
                        true => real.clear(),
                        false => drop(real.pop()),
                    }
                    open.extend(target.rsplit('/').map(ToOwned::to_owned));
                }
            }
        }
    }
    Some(below(root, &real.join("/")))
}

/// The path of what lies in a folder.
pub fn below(folder: &str, path: &str) -> String {
    match (folder.is_empty(), path.is_empty()) {
        (true, _) => path.to_owned(),
        (_, true) => folder.to_owned(),
        (false, false) => format!("{folder}/{path}"),
    }
}
