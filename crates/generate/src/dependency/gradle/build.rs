//! The files of a build that say versions: scripts, catalogs, `gradle.properties`; and where the version of a module stands
//! in them, so that another can stand there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::Path;

use patchline_model::failure::Failure;

use crate::dependency::gradle::catalog::{catalog, stated};
use crate::dependency::gradle::script::{Declared, Stated, Variable, is_version, script};
use crate::dependency::maven::splice::Splice;
use crate::dependency::place::read_file;
use crate::failures::of_file;

const LARGEST: u64 = 2 << 20;
const MOST_FILES: usize = 4000;
/// Folders within folders that are looked into.
const DEEPEST: usize = 16;
/// Where no build says anything by hand.
const SKIPPED: [&str; 4] = ["build", "node_modules", "out", "target"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Groovy,
    Kotlin,
    Catalog,
    Properties,
}

/// A file that says versions.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) text: String,
    kind: Kind,
    declared: Vec<Declared>,
    variables: Vec<Variable>,
    used: Vec<String>,
}

impl File {
    pub(crate) fn is_kotlin(&self) -> bool {
        self.kind == Kind::Kotlin
    }
}

/// By path below the worktree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Build {
    pub(crate) files: BTreeMap<String, File>,
    pub(crate) lockfiles: BTreeMap<String, String>,
}

/// Where a version stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) file: String,
    range: Range<usize>,
    /// As it stands there, a range included.
    pub(crate) version: String,
    /// The variable, where it is one.
    pub(crate) variable: Option<String>,
    /// The modules that go along with it.
    pub(crate) names: BTreeSet<String>,
    form: Form,
}

/// What is written around a version that takes the place of something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    Quoted(&'static str),
    Catalog,
}

impl Written {
    /// With another version in it.
    pub(crate) fn splice(&self, version: &str) -> Splice {
        let text = match self.form {
            Form::Plain => version.to_owned(),
            Form::Quoted(quote) => format!("{quote}{version}{quote}"),
            Form::Catalog => stated(version),
        };
        Splice { start: self.range.start, end: self.range.end, text }
    }

    /// For people.
    pub(crate) fn place(&self) -> String {
        match &self.variable {
            Some(variable) => format!("`{variable}` of `{}`", self.file),
            None => format!("`{}`", self.file),
        }
    }
}

impl Build {
    /// What lies in this folder of the worktree, or why it can't be read.
    pub(crate) fn open(worktree: &Path, folder: &str) -> Result<Result<Self, String>, Failure> {
        let mut build = Self::default();
        let mut open = vec![(folder.to_owned(), 0)];
        while let Some((folder, depth)) = open.pop() {
            let listed = fs::read_dir(worktree.join(&folder));
            let listed = listed.map_err(|error| of_file(&format!("list `{folder}`"), error))?;
            for entry in listed {
                let entry = entry.map_err(|error| of_file(&format!("list `{folder}`"), error))?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
                // A link would lead out of the worktree.
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() {
                    let is_own = !name.starts_with('.') && !SKIPPED.contains(&name.as_str());
                    if is_own && depth < DEEPEST {
                        open.push((path, depth + 1));
                    }
                    continue;
                }
                if build.files.len() + build.lockfiles.len() >= MOST_FILES {
                    return Ok(Err(format!("the build has more than {MOST_FILES} scripts and lockfiles")));
                }
                if name.ends_with(".lockfile") && kind.is_file() {
                    build.lockfiles.insert(path.clone(), read_file(worktree, &path, LARGEST)?);
                }
                if let Some(kind) = kind_of(&name).filter(|_| kind.is_file()) {
                    match read(kind, read_file(worktree, &path, LARGEST)?) {
                        Ok(file) => drop(build.files.insert(path, file)),
                        Err(why) => return Ok(Err(format!("`{path}` can't be read: {why}"))),
                    }
                }
            }
        }
        Ok(Ok(build))
    }

    /// All places where the version of a module stands; or why it can't be another one there. None: nobody here says it.
    pub(crate) fn written(&self, module: &str) -> Result<Vec<Written>, String> {
        let mut found = Vec::new();
        for (path, file) in &self.files {
            for declared in file.declared.iter().filter(|declared| declared.module == module) {
                found.extend(self.place(path, file, declared)?);
            }
        }
        found.dedup();
        Ok(found)
    }

    fn place(&self, path: &str, file: &File, declared: &Declared) -> Result<Option<Written>, String> {
        let module = &declared.module;
        let own = |range: &Range<usize>, form, version: String| Written {
            file: path.to_owned(),
            range: range.clone(),
            version,
            variable: None,
            names: BTreeSet::from([module.clone()]),
            form,
        };
        match &declared.version {
            Stated::Here(range) => Ok(Some(own(range, Form::Plain, file.text[range.clone()].to_owned()))),
            Stated::Nowhere => Ok(None),
            Stated::Unread => Err(format!(
                "the version of `{module}` in `{path}` is written in a way that can't be changed safely"
            )),
            Stated::By { variable, usage, quote } => {
                let Some((place, value)) = self.value(path, file, variable) else {
                    return Err(format!(
                        "`{path}` takes the version of `{module}` from `{variable}`, and it is not plain where that gets its value"
                    ));
                };
                let version = self.files[place].text[value.clone()].to_owned();
                let Some(names) = self.shared_by(variable, module) else {
                    // Others use it for something else: the version itself takes its place.
                    let form = match file.kind {
                        Kind::Catalog => Form::Catalog,
                        Kind::Groovy | Kind::Kotlin | Kind::Properties if quote.is_empty() => Form::Plain,
                        Kind::Groovy | Kind::Kotlin | Kind::Properties => Form::Quoted(quote),
                    };
                    return Ok(Some(own(usage, form, version)));
                };
                let file = place.to_owned();
                let variable = Some(variable.clone());
                Ok(Some(Written { file, range: value, version, variable, names, form: Form::Plain }))
            }
        }
    }

    /// Where a variable gets its value: in its own file, or in the one place of the build that says it.
    fn value(&self, path: &str, file: &File, variable: &str) -> Option<(&str, Range<usize>)> {
        let of = |file: &File| -> Vec<Range<usize>> {
            let all = file.variables.iter().filter(|one| one.name == variable);
            all.map(|one| one.value.clone()).collect()
        };
        // The names of a catalog are its own.
        let is_catalog = file.kind == Kind::Catalog;
        let others = self
            .files
            .iter()
            .filter(|(other, about)| if is_catalog { *other == path } else { about.kind != Kind::Catalog });
        let mut all: Vec<(&str, Range<usize>)> = others
            .flat_map(|(path, file)| of(file).into_iter().map(move |value| (path.as_str(), value)))
            .collect();
        let is_one = all.len() == 1;
        all.pop().filter(|_| is_one)
    }

    /// The modules whose version a variable is, if they are all of one group and it is used for nothing else.
    fn shared_by(&self, variable: &str, module: &str) -> Option<BTreeSet<String>> {
        let by = |declared: &&Declared| matches!(&declared.version, Stated::By { variable: name, .. } if name == variable);
        let users: Vec<&Declared> = self.files.values().flat_map(|file| &file.declared).filter(by).collect();
        let uses = self.files.values().flat_map(|file| &file.used).filter(|name| *name == variable).count();
        let accessor = format!(".versions.{}", variable.replace(['-', '_'], "."));
        let is_asked = self.files.values().any(|file| file.text.contains(&accessor));
        let names: BTreeSet<String> = users.iter().map(|declared| declared.module.clone()).collect();
        let group = |name: &str| name.split(':').next().map(str::to_owned);
        let is_of_one_group = names.iter().all(|name| group(name) == group(module));
        (uses == users.len() && !is_asked && is_of_one_group).then_some(names)
    }
}

fn kind_of(name: &str) -> Option<Kind> {
    match name {
        "gradle.properties" => Some(Kind::Properties),
        _ if name.ends_with(".gradle") => Some(Kind::Groovy),
        _ if name.ends_with(".gradle.kts") => Some(Kind::Kotlin),
        _ if name.ends_with(".versions.toml") => Some(Kind::Catalog),
        _ => None,
    }
}

/// Whether a file of this name says versions.
pub(crate) fn says_versions(name: &str) -> bool {
    kind_of(name).is_some()
}

fn read(kind: Kind, text: String) -> Result<File, String> {
    let (declared, variables, used) = match kind {
        Kind::Groovy | Kind::Kotlin => {
            let script = script(&text, kind == Kind::Kotlin);
            (script.declared, script.variables, script.used)
        }
        Kind::Catalog => {
            let catalog = catalog(&text)?;
            (catalog.declared, catalog.variables, catalog.used)
        }
        Kind::Properties => (Vec::new(), properties(&text), Vec::new()),
    };
    Ok(File { text, kind, declared, variables, used })
}

/// As in `name=1.0`, a line each.
fn properties(text: &str) -> Vec<Variable> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let line = line.trim_end();
        if line.trim_start().starts_with(['#', '!']) {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else { continue };
        let end = start + line.len();
        let begin = end - value.trim_start().len();
        if is_version(&text[begin..end]) {
            found.push(Variable { name: name.trim().to_owned(), value: begin..end });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Build, kind_of, read};
    use crate::dependency::maven::splice::spliced;

    fn build(files: &[(&str, &str)]) -> Build {
        let read = |(path, text): &(&str, &str)| {
            let kind = kind_of(path.rsplit('/').next().unwrap()).unwrap();
            ((*path).to_owned(), read(kind, (*text).to_owned()).unwrap())
        };
        Build { files: files.iter().map(read).collect(), ..Build::default() }
    }

    /// All files with another version of `t:a`, those that changed.
    fn moved(build: &Build) -> Result<BTreeMap<String, String>, String> {
        let mut changed = BTreeMap::new();
        for written in build.written("t:a")? {
            let text = changed.get(&written.file).unwrap_or(&build.files[&written.file].text);
            let text = spliced(text, &[written.splice("9.9")]).unwrap();
            changed.insert(written.file.clone(), text);
        }
        Ok(changed)
    }

    #[track_caller]
    fn check(files: &[(&str, &str)], then: &[(&str, &str)]) {
        let then: BTreeMap<String, String> =
            then.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        assert_eq!(moved(&build(files)), Ok(then));
    }

    #[test]
    fn a_version_is_changed_where_it_stands() {
        check(&[("build.gradle", "api 't:a:1' // 1")], &[("build.gradle", "api 't:a:9.9' // 1")]);
        check(
            &[
                ("build.gradle.kts", "val v: String by project\napi(\"t:a:$v\"); api(\"t:b:$v\")"),
                ("gradle.properties", "# v=0\nv = 1.0\n"),
            ],
            &[("gradle.properties", "# v=0\nv = 9.9\n")],
        );
        check(
            &[(
                "gradle/libs.versions.toml",
                "[versions]\nk = \"1\" # k\n[libraries]\na = { module = \"t:a\", version.ref = \"k\" }\n",
            )],
            &[(
                "gradle/libs.versions.toml",
                "[versions]\nk = \"9.9\" # k\n[libraries]\na = { module = \"t:a\", version.ref = \"k\" }\n",
            )],
        );
        check(&[("build.gradle", "api 't:a'; api 't:b:1'")], &[]);
    }

    #[test]
    fn what_others_use_too_is_left_to_them() {
        check(
            &[("build.gradle", "def v = '1'\napi \"t:a:$v\"\nversion v")],
            &[("build.gradle", "def v = '1'\napi \"t:a:9.9\"\nversion v")],
        );
        check(
            &[("build.gradle", "def v = '1'\napi group: 't', name: 'a', version: v\napi \"u:a:$v\"")],
            &[("build.gradle", "def v = '1'\napi group: 't', name: 'a', version: '9.9'\napi \"u:a:$v\"")],
        );
        let toml = "[versions]\nk = \"1\"\n[libraries]\na = { module = \"t:a\", version.ref = \"k\" }\nb = { module = \"u:b\", version.ref = \"k\" }\n";
        let after = toml.replacen("version.ref = \"k\"", "version = \"9.9\"", 1);
        check(&[("gradle/libs.versions.toml", toml)], &[("gradle/libs.versions.toml", &after)]);
        let toml = "[versions]\nk-x = \"1\"\n[libraries]\na = { module = \"t:a\", version.ref = \"k-x\" }\n";
        let after = toml.replace("version.ref = \"k-x\"", "version = \"9.9\"");
        check(
            &[("gradle/libs.versions.toml", toml), ("build.gradle", "println libs.versions.k.x.get()")],
            &[("gradle/libs.versions.toml", &after)],
        );
    }

    #[test]
    fn what_is_not_plain_is_left() {
        let files = [("build.gradle", "def v = System.getenv('V')\napi \"t:a:$v\"")];
        assert!(moved(&build(&files)).is_err_and(|why| why.contains("`v`")));
        let files = [("build.gradle", "v = '1'\nif (x) v = '2'\napi \"t:a:$v\"")];
        assert!(moved(&build(&files)).is_err_and(|why| why.contains("`v`")));
        let files = [("build.gradle", "api \"t:a:${v + 1}\"")];
        assert!(moved(&build(&files)).is_err());
    }
}
