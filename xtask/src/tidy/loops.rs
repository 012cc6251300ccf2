//! Loops: files of a crate import each other in one direction only, a child never imports its parent, and nothing
//! comes in by a glob or goes out by a re-export.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::tidy::fault::Fault;
use crate::tidy::mentions::{Import, Mention};
use crate::tidy::sources::{Place, SourceFile, Sources, is_rust_source};

const RULE: &str = "loops";

/// How many imports of one loop are named; a knot of more is shown by its first.
const MOST_IMPORTS_SHOWN: usize = 24;

/// How often a re-export in `lib.rs` may lead to another one before we stop following.
const HOPS: usize = 8;

pub fn check(sources: &Sources) -> Vec<Fault> {
    let mut faults: Vec<Fault> = sources.texts.keys().filter_map(|path| check_mod_rs(path)).collect();
    for file in sources.crates.iter().flat_map(|one| &one.files) {
        faults.extend(check_imports(file));
        faults.extend(check_moved(file));
    }
    for one in &sources.crates {
        let units: BTreeSet<&str> = one.files.iter().filter_map(unit_of).collect();
        faults.extend(units.into_iter().flat_map(|unit| Modules::of(&one.files, unit).check()));
    }
    faults
}

fn check_mod_rs(path: &str) -> Option<Fault> {
    let folder = path.strip_suffix("/mod.rs").filter(|_| is_rust_source(path))?;
    let hint = if path.contains("/src/") {
        format!("call it {folder}.rs, beside the folder")
    } else {
        "make one test of the files: tests/<name>/main.rs, with its modules beside it".to_owned()
    };
    Some(Fault::new(RULE, path, 1, "is a `mod.rs`", hint))
}

fn check_imports(file: &SourceFile) -> Vec<Fault> {
    let Place::Code { .. } = file.place else { return Vec::new() };
    file.mentions
        .imports
        .iter()
        .flat_map(|import| [check_glob(file, import), check_handed_on(file, import)])
        .flatten()
        .collect()
}

fn check_glob(file: &SourceFile, import: &Import) -> Option<Fault> {
    let from = import.mention.path.join("::");
    let what = format!("imports everything from `{from}`");
    import.glob.then(|| Fault::new(RULE, &file.path, import.mention.line, what, "name what is used"))
}

fn check_handed_on(file: &SourceFile, import: &Import) -> Option<Fault> {
    let in_lib = file.path.ends_with("/src/lib.rs");
    // `pub(crate) use name;` only gives a macro its scope.
    let macro_scope = import.mention.path.len() == 1;
    (import.handed_on && !in_lib && !macro_scope).then(|| {
        let what = format!("hands on `{}` with `pub use`", import.mention.path.join("::"));
        let hint = "let those who need it import it from where it is defined; only lib.rs re-exports";
        Fault::new(RULE, &file.path, import.mention.line, what, hint)
    })
}

fn check_moved(file: &SourceFile) -> Vec<Fault> {
    let Place::Code { .. } = file.place else { return Vec::new() };
    let moved = file.mentions.modules.iter().filter(|module| module.moved && !module.test);
    let fault = |line, name| {
        let what = format!("module `{name}` lives in a file of another name");
        Fault::new(
            RULE,
            &file.path,
            line,
            what,
            "drop the `#[path]` attribute and call the file as the module",
        )
    };
    moved.map(|module| fault(module.line, &module.name)).collect()
}

fn unit_of(file: &SourceFile) -> Option<&str> {
    match &file.place {
        Place::Code { unit, .. } => Some(unit),
        Place::Beside => None,
    }
}

/// The modules of one library or binary that have a file of their own.
struct Modules<'a> {
    files: BTreeMap<&'a [String], &'a SourceFile>,
}

/// One file imports another one; the line is that of the first import.
type Edges<'a> = BTreeMap<&'a str, BTreeMap<&'a str, usize>>;

impl<'a> Modules<'a> {
    fn of(files: &'a [SourceFile], unit: &str) -> Self {
        let mut known: BTreeMap<&[String], &SourceFile> = BTreeMap::new();
        for file in files {
            if let Place::Code { unit: its_unit, module } = &file.place
                && its_unit == unit
            {
                // `lib.rs` comes before `main.rs` and stays.
                known.entry(module).or_insert(file);
            }
        }
        Self { files: known }
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut edges = Edges::new();
        let importers =
            self.files.iter().filter(|(_, file)| !file.place.is_root() && !file.mentions.test_only);
        for (module, file) in importers {
            let mut parents = BTreeMap::new();
            for (line, target, target_file) in self.imports_of(module, file) {
                if target_file.path == file.path {
                    continue;
                }
                let known = if module.starts_with(target) {
                    &mut parents
                } else {
                    edges.entry(&file.path).or_default()
                };
                let first = known.entry(target_file.path.as_str()).or_insert(line);
                *first = line.min(*first);
            }
            faults.extend(parents.into_iter().map(|(parent, line)| child_imports_parent(file, line, parent)));
        }
        faults.extend(knots(&edges).iter().map(|knot| import_loop(knot, &edges)));
        faults
    }

    /// What a file imports from this unit, with lines.
    fn imports_of(
        &self,
        module: &[String],
        file: &'a SourceFile,
    ) -> Vec<(usize, &'a [String], &'a SourceFile)> {
        let imports = file.mentions.imports.iter().map(|import| &import.mention);
        let mentions = imports.chain(&file.mentions.paths);
        let whole = mentions.flat_map(|mention| {
            // The mention itself counts too: `use crate::stage` imports the parent, whatever is taken from it later.
            [vec![mention.clone()], file.mentions.written_out(mention)].concat()
        });
        whole
            .filter_map(|mention| {
                let path = absolute(module, file, &mention)?;
                let (target, target_file) = self.file_of(&path, HOPS)?;
                Some((mention.line, target, target_file))
            })
            .collect()
    }

    /// The file that defines what the path names: the longest part of it that is a file. What `lib.rs` re-exports is
    /// looked up where it comes from.
    fn file_of(&self, path: &[String], hops: usize) -> Option<(&'a [String], &'a SourceFile)> {
        let longest = (1..=path.len()).rev().find_map(|length| self.files.get_key_value(&path[..length]));
        if let Some((module, file)) = longest {
            return Some((module, file));
        }
        let (root, root_file) = self.files.get_key_value(&[] as &[String])?;
        let handed_on = root_file.mentions.imports.iter().find(|import| {
            import.mention.inside.is_empty()
                && import.known_as.is_some()
                && import.known_as.as_ref() == path.first()
        });
        match handed_on.and_then(|import| absolute(root, root_file, &import.mention)) {
            Some(origin) if hops > 0 => self.file_of(&[&origin, &path[1..]].concat(), hops - 1),
            _ => Some((root, root_file)),
        }
    }
}

/// The path from the unit's root, if it leads to a place in this unit.
fn absolute(module: &[String], file: &SourceFile, mention: &Mention) -> Option<Vec<String>> {
    let mut base = [module, &mention.inside].concat();
    let mut rest = mention.path.as_slice();
    match rest.first()?.as_str() {
        "crate" => return Some(rest[1..].to_vec()),
        "self" | "super" => {}
        first => {
            let declared = |declared: &&crate::tidy::mentions::Module| {
                declared.inside == mention.inside && declared.name == first && !declared.test
            };
            file.mentions.modules.iter().find(declared)?;
        }
    }
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "self" => {}
            "super" => {
                base.pop()?;
            }
            _ => break,
        }
        rest = after;
    }
    base.extend_from_slice(rest);
    Some(base)
}

fn child_imports_parent(file: &SourceFile, line: usize, parent: &str) -> Fault {
    let what = format!("imports its parent {parent}");
    Fault::new(RULE, &file.path, line, what, "move what both need into a leaf file beside the child")
}

/// The sets of two files and more that all reach each other.
fn knots<'a>(edges: &Edges<'a>) -> Vec<BTreeSet<&'a str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        edges.keys().map(|from| (*from, reached_from(from, edges))).collect();
    let mut knots = BTreeSet::new();
    for (file, others) in &reached {
        let back = |other: &&&str| reached.get(**other).is_some_and(|from_there| from_there.contains(file));
        let knot: BTreeSet<&str> = others.iter().filter(back).copied().collect();
        if knot.len() > 1 {
            knots.insert(knot);
        }
    }
    knots.into_iter().collect()
}

fn reached_from<'a>(from: &str, edges: &Edges<'a>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for next in edges.get(file).into_iter().flat_map(|targets| targets.keys().copied()) {
            if reached.insert(next) {
                open.push(next);
            }
        }
    }
    reached
}

fn import_loop(knot: &BTreeSet<&str>, edges: &Edges<'_>) -> Fault {
    let start = knot.first().expect("a knot has two files and more");
    let round = shortest_round(start, knot, edges);
    let (first, second) = (round[0], round.get(1).copied().unwrap_or(round[0]));
    let line = edges.get(first).and_then(|targets| targets.get(second)).copied().unwrap_or(1);
    let mut shown: Vec<&str> = round.iter().map(|path| in_crate(path)).collect();
    shown.push(in_crate(first));
    let what = format!("import loop among {} files: {}", knot.len(), shown.join(" → "));
    let hint = "move what both sides need into a leaf file that imports neither";
    let mut fault = Fault::new(RULE, first, line, what, hint);
    let inner = edges.iter().filter(|(from, _)| knot.contains(*from)).flat_map(|(from, targets)| {
        let kept = targets.iter().filter(|(to, _)| knot.contains(*to));
        kept.map(move |(to, line)| format!("{from}:{line} imports {}", in_crate(to)))
    });
    let mut notes: Vec<String> = inner.collect();
    let hidden = notes.len().saturating_sub(MOST_IMPORTS_SHOWN);
    notes.truncate(MOST_IMPORTS_SHOWN);
    notes.extend((hidden > 0).then(|| format!("and {hidden} imports more")));
    fault.notes = notes;
    fault
}

/// The shortest way from a file back to itself, without the return.
fn shortest_round<'a>(start: &'a str, knot: &BTreeSet<&'a str>, edges: &Edges<'a>) -> Vec<&'a str> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut open = VecDeque::from([start]);
    while let Some(file) = open.pop_front() {
        for next in edges.get(file).into_iter().flat_map(|targets| targets.keys().copied()) {
            if next == start {
                let mut round: Vec<&str> =
                    std::iter::successors(Some(file), |at| came_from.get(at).copied()).collect();
                round.reverse();
                return round;
            }
            if knot.contains(next) && !came_from.contains_key(next) {
                came_from.insert(next, file);
                open.push_back(next);
            }
        }
    }
    vec![start]
}

/// `stage/plan.rs` for `crates/model/src/stage/plan.rs`.
fn in_crate(path: &str) -> &str {
    path.split_once("/src/").map_or(path, |(_, inside)| inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::planted::{Planted, assert_caught};

    /// Given files of the crate `detect`, sees what is caught.
    #[track_caller]
    fn check_files(files: &[(&str, &str)], expected: &[(&str, &str)]) {
        let mut planted = Planted::sound();
        for (path, text) in files {
            planted = planted.with(&format!("crates/detect/src/{path}"), text);
        }
        let expected: Vec<(String, &str)> =
            expected.iter().map(|(place, words)| (format!("crates/detect/src/{place}"), *words)).collect();
        let expected: Vec<(&str, &str)> =
            expected.iter().map(|(place, words)| (place.as_str(), *words)).collect();
        assert_caught(&check(&planted.sources()), &expected);
    }

    const LOOP: &str = "scan.rs → walk.rs → scan.rs";

    #[test]
    fn a_sound_workspace_has_no_fault() {
        check_files(&[], &[]);
    }

    #[test]
    fn a_loop_of_two_files_is_caught_however_it_is_spelled() {
        for import in [
            "use crate::scan::Scan;",
            "use crate::{scan::{Scan}};",
            "use super::scan::Scan;",
            "type Back = crate::scan::Scan;",
            "fn back() { crate::scan::go() }",
            "fn back() { println!(\"{}\", crate::scan::go()) }",
            "mod inner { use super::super::scan::Scan; }",
            "use crate::scan; fn back() -> scan::Scan { todo!() }",
        ] {
            check_files(&[("walk.rs", &format!("//! Files.\n{import}\n"))], &[("scan.rs:2", LOOP)]);
        }
    }

    #[test]
    fn a_loop_names_each_import_in_it() {
        let planted = Planted::sound()
            .with("crates/detect/src/walk.rs", "//! A.\nuse crate::report::Report;\n")
            .with("crates/detect/src/report.rs", "//! B.\n\nuse crate::scan::Scan;\n");
        let faults = check(&planted.sources());
        assert_caught(
            &faults,
            &[("crates/detect/src/report.rs:3", "report.rs → scan.rs → walk.rs → report.rs")],
        );
        let expected = [
            "crates/detect/src/report.rs:3 imports scan.rs",
            "crates/detect/src/scan.rs:2 imports walk.rs",
            "crates/detect/src/walk.rs:2 imports report.rs",
        ];
        assert_eq!(faults[0].notes, expected);
    }

    #[test]
    fn a_loop_through_a_re_export_is_caught() {
        let files = [
            ("lib.rs", "//! Scans.\npub mod scan;\npub mod walk;\npub use scan::Scan;\n"),
            ("walk.rs", "//! Files.\nuse crate::Scan;\n"),
        ];
        check_files(&files, &[("scan.rs:2", LOOP)]);
    }

    #[test]
    fn an_import_in_tests_makes_no_loop() {
        check_files(
            &[("walk.rs", "//! Files.\n#[cfg(test)]\nmod tests { use crate::scan::Scan; use super::*; }\n")],
            &[],
        );
        let files = [
            ("walk.rs", "//! Files.\n#[cfg(test)]\nmod tests;\n"),
            ("walk/tests.rs", "//! Tests.\nuse super::*;\nuse crate::scan::Scan;\n"),
        ];
        check_files(&files, &[]);
    }

    #[test]
    fn a_child_that_imports_its_parent_is_caught() {
        for import in
            ["use crate::walk::Walk;", "use super::Walk;", "fn f(_: super::Walk) {}", "use crate::walk;"]
        {
            let files = [
                ("walk.rs", "//! Files.\nmod deep;\npub struct Walk;\n"),
                ("walk/deep.rs", &format!("//! Deep.\n{import}\n")),
            ];
            check_files(&files, &[("walk/deep.rs:2", "imports its parent crates/detect/src/walk.rs")]);
        }
    }

    #[test]
    fn a_file_that_imports_what_the_root_defines_is_caught() {
        let files = [
            ("lib.rs", "//! Scans.\npub mod scan;\npub mod walk;\npub const LIMIT: u8 = 1;\n"),
            ("walk.rs", "//! Files.\nuse crate::LIMIT;\n"),
        ];
        check_files(&files, &[("walk.rs:2", "imports its parent crates/detect/src/lib.rs")]);
    }

    #[test]
    fn a_parent_may_import_its_child_and_a_child_its_sibling() {
        let files = [
            ("walk.rs", "//! Files.\nmod deep;\nmod leaf;\nuse deep::Deep;\npub struct Walk(Deep);\n"),
            (
                "walk/deep.rs",
                "//! Deep.\nuse crate::walk::leaf::Leaf;\nuse super::leaf;\npub struct Deep(Leaf);\n",
            ),
            ("walk/leaf.rs", "//! Leaf.\npub struct Leaf;\n"),
        ];
        check_files(&files, &[]);
    }

    #[test]
    fn a_loop_between_siblings_below_a_parent_is_caught() {
        let files = [
            ("walk.rs", "//! Files.\nmod deep;\nmod leaf;\npub struct Walk;\n"),
            ("walk/deep.rs", "//! Deep.\nuse super::leaf::Leaf;\npub struct Deep(Leaf);\n"),
            ("walk/leaf.rs", "//! Leaf.\nuse crate::walk::deep;\npub struct Leaf;\n"),
        ];
        check_files(&files, &[("walk/deep.rs:2", "walk/deep.rs → walk/leaf.rs → walk/deep.rs")]);
    }

    #[test]
    fn a_binary_of_its_own_is_checked_apart_from_the_library() {
        let files = [
            ("bin/sim.rs", "//! Sim.\nmod scan;\nmod report;\n"),
            ("bin/sim/scan.rs", "//! S.\nuse crate::report::Report;\n"),
            ("bin/sim/report.rs", "//! R.\nuse crate::scan::Scan;\n"),
        ];
        check_files(&files, &[("bin/sim/report.rs:2", "report.rs → bin/sim/scan.rs")]);
    }

    #[test]
    fn a_glob_is_caught_outside_tests() {
        check_files(
            &[("walk.rs", "//! Files.\nfn f() {\n    use Kind::*;\n}\nenum Kind { A }\n")],
            &[("walk.rs:3", "imports everything from `Kind`")],
        );
    }

    #[test]
    fn a_re_export_is_caught_outside_lib_rs() {
        for shade in ["pub", "pub(crate)", "pub(super)"] {
            let text = format!("//! Files.\n{shade} use patchline_model::id::Id;\n");
            check_files(&[("walk.rs", &text)], &[("walk.rs:2", "hands on `patchline_model::id::Id`")]);
        }
        check_files(&[("lib.rs", "//! Scans.\npub mod scan;\npub mod walk;\npub use walk::Walk;\n")], &[]);
    }

    #[test]
    fn a_mod_rs_is_caught() {
        check_files(&[("walk/mod.rs", "//! Files.\n")], &[("walk/mod.rs:1", "is a `mod.rs`")]);
    }

    #[test]
    fn a_module_in_a_file_of_another_name_is_caught() {
        let text = "//! Scans.\npub mod scan;\npub mod walk;\n#[path = \"walk.rs\"]\nmod other;\n";
        check_files(&[("lib.rs", text)], &[("lib.rs:5", "module `other`")]);
    }
}
