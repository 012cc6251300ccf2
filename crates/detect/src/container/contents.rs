//! All that a tree says: its operating system's packages, its lockfiles, its binaries.

use patchline_inventory::detector::{Broken, Detector, Inventory, Neighbours, Unresolved};

use crate::container::files::Files;
use crate::container::layer::Kept;
use crate::container::system;
use crate::container::tree::Tree;
use crate::container::wanted;

/// Packages of one tree; an image of a full desktop has about 10,000.
pub const MOST_INSTALLED: usize = 1_000_000;
const MOST_ROOTS: usize = 100;
const MOST_NEIGHBOURS: usize = 100;
/// What is kept for a line may be a hundred times as large as the line.
const MOST_LINES: usize = 1_000_000;

/// The inventories of what the tree holds, and what of it can't be judged.
pub fn of(tree: &Tree) -> Inventory {
    let mut all = Inventory::default();
    let roots = tree.roots();
    if roots.len() > MOST_ROOTS {
        let what = format!("it holds more than {MOST_ROOTS} systems; only so many are looked at");
        all.unresolved.push(Unresolved::of(".", what));
    }
    for inventory in roots.into_iter().take(MOST_ROOTS).filter_map(|root| system::read(tree, root)) {
        append(&mut all, inventory);
    }
    for (path, (kept, _)) in &tree.files {
        if all.installed.len() > MOST_INSTALLED {
            let what = format!(
                "there are more than {MOST_INSTALLED} packages before it; it was not looked at, nor what follows"
            );
            all.unresolved.push(Unresolved::of(&tree.label(path), what));
            break;
        }
        match kept {
            Kept::Binary(inventory) => append(&mut all, labelled(tree, Inventory::clone(inventory))),
            Kept::Whole(bytes) => {
                let Some(detector) = wanted::detector(path) else { continue };
                match lockfile(tree, detector, path, bytes) {
                    Ok(inventory) => append(&mut all, labelled(tree, inventory)),
                    Err(what) => all.unresolved.push(Unresolved::of(&tree.label(path), what)),
                }
            }
            // A system says itself what it could not read, and a lockfile what it misses.
            Kept::Refused(_) if system::root_of(path).is_some() || wanted::is_neighbour(path) => {}
            Kept::Refused(what) => all.unresolved.push(Unresolved::of(&tree.label(path), what.as_str())),
        }
    }
    all
}

fn append(all: &mut Inventory, mut more: Inventory) {
    all.installed.append(&mut more.installed);
    all.unresolved.append(&mut more.unresolved);
}

fn lockfile(tree: &Tree, detector: &dyn Detector, path: &str, bytes: &[u8]) -> Result<Inventory, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    if text.bytes().filter(|byte| *byte == b'\n').count() > MOST_LINES {
        return Err(format!("it has more than {MOST_LINES} lines"));
    }
    let neighbours = neighbours(tree, detector, path, text);
    let parsed = detector.parse(path, text, &neighbours);
    let mut inventory = parsed.map_err(|Broken { line, column, what }| {
        format!("could not read it: line {line}, column {column}: {what}")
    })?;
    // What stands in a neighbour that is read by itself is told there.
    inventory.installed.retain(|one| {
        let at = one.location.path.as_str();
        at == path || !tree.files.contains_key(at) || wanted::detector(at).is_none()
    });
    Ok(inventory)
}

fn neighbours(tree: &Tree, detector: &dyn Detector, path: &str, text: &str) -> Neighbours {
    let mut neighbours = Neighbours::new();
    let mut open = detector.neighbours(path, text);
    open.reverse();
    let mut asked = 0;
    while let Some(path) = open.pop().filter(|_| asked < MOST_NEIGHBOURS) {
        asked += 1;
        let Some((Kept::Whole(bytes), _)) = tree.files.get(&path) else { continue };
        let Ok(text) = std::str::from_utf8(bytes) else { continue };
        let more = detector.neighbours(&path, text);
        if neighbours.insert(path, text.to_owned()).is_none() {
            open.extend(more.into_iter().rev());
        }
    }
    neighbours
}

/// With the layer of each file before its path.
fn labelled(tree: &Tree, mut inventory: Inventory) -> Inventory {
    inventory.installed.iter_mut().for_each(|one| one.location.path = tree.label(&one.location.path));
    inventory.unresolved.iter_mut().for_each(|one| one.path = tree.label(&one.path));
    inventory
}
