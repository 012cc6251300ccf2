//! Where the version of a package is written, so that another can stand there.

use std::collections::BTreeSet;

use crate::dependency::maven::pom::Spot;
use crate::dependency::maven::reactor::{Reactor, name, resolved};
use crate::dependency::maven::splice::Splice;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a pom of this project.
    Here(Written),
    /// In a parent that lies in no folder here, or in what such a parent or an import manages.
    Outside,
    /// Nobody asks for it here.
    Nowhere,
    /// It stands there in a way that can't be changed, with why.
    Stuck(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) file: String,
    start: usize,
    end: usize,
    /// The property, where it is one.
    pub(crate) property: Option<String>,
    /// The packages that go along with it.
    pub(crate) names: BTreeSet<String>,
}

impl Written {
    /// With another version in it.
    pub(crate) fn splice(&self, version: &str) -> Splice {
        Splice { start: self.start, end: self.end, text: version.to_owned() }
    }
}

/// Where a module has the version of a package from: its own word or a parent's, before what is managed.
pub(crate) fn place(reactor: &Reactor, module: &str, package: &str) -> Place {
    let chain = reactor.chain(module);
    let is_it = |found: Option<String>| found.as_deref() == Some(package);
    let mut is_asked_for = false;
    for is_managed in [false, true] {
        for (file, pom) in &chain {
            let all = if is_managed { &pom.managed } else { &pom.dependencies };
            let plain = all.iter().filter(|dependency| !dependency.is_import());
            for dependency in plain.filter(|dependency| is_it(name(&chain, dependency))) {
                is_asked_for |= !is_managed;
                if let Some(spot) = &dependency.version {
                    return written(reactor, module, file, spot, package);
                }
            }
        }
    }
    if is_asked_for { Place::Outside } else { Place::Nowhere }
}

fn written(reactor: &Reactor, module: &str, file: &str, spot: &Spot, package: &str) -> Place {
    let chain = reactor.chain(module);
    if resolved(&chain, &spot.text).is_some_and(|version| version.starts_with(['[', '('])) {
        return Place::Stuck(format!("`{file}` asks for a range of `{package}`, and for no version"));
    }
    let stuck = || {
        Place::Stuck(format!(
            "the version of `{package}` in `{file}` is written in a way that can't be changed safely"
        ))
    };
    let here = |file: &str, spot: &Spot, property: Option<&str>, names: BTreeSet<String>| {
        let Some(range) = spot.range.clone() else { return stuck() };
        let (start, end) = (range.start, range.end);
        let property = property.map(str::to_owned);
        Place::Here(Written { file: file.to_owned(), start, end, property, names })
    };
    let own = BTreeSet::from([package.to_owned()]);
    let property = spot.text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let Some(property) = property.filter(|property| !property.contains(['$', '{', '}'])) else {
        return here(file, spot, None, own);
    };
    let stated = chain.iter().find_map(|(file, pom)| Some((file, pom.properties.get(property)?)));
    match (stated, shared_by(reactor, property, package)) {
        (Some((file, spot)), Some(names)) if spot.range.is_some() => here(file, spot, Some(property), names),
        // Others use it for something else, or it stands elsewhere: the version itself takes its place.
        _ => here(file, spot, None, own),
    }
}

/// The packages whose version a property is, if they are all of one group and it is used for nothing else.
fn shared_by(reactor: &Reactor, property: &str, package: &str) -> Option<BTreeSet<String>> {
    let word = format!("${{{property}}}");
    let is_used = |text: Option<&Spot>| text.is_some_and(|spot| spot.text == word);
    let users = reactor.dependencies().filter(|(_, dependency)| is_used(dependency.version.as_ref()));
    let users: Vec<Option<String>> = users.map(|(name, _)| name).collect();
    let group = |name: &str| name.split(':').next().map(str::to_owned);
    let is_kin = |name: &Option<String>| name.as_deref().is_some_and(|name| group(name) == group(package));
    let is_all = users.len() == reactor.uses(property) && users.iter().all(is_kin);
    is_all.then(|| users.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Place, place};
    use crate::dependency::maven::pom::Pom;
    use crate::dependency::maven::reactor::Reactor;
    use crate::dependency::maven::splice::spliced;

    fn dependency(name: &str, version: &str) -> String {
        let version = match version {
            "" => String::new(),
            version => format!("<version>{version}</version>"),
        };
        let (group, artifact) = name.split_once(':').unwrap();
        format!(
            "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>{version}</dependency>"
        )
    }

    fn reactor(files: &[(&str, String)]) -> Reactor {
        let poms = files.iter().map(|(path, inner)| {
            let parent =
                "<parent><groupId>p</groupId><artifactId>p</artifactId><version>1</version></parent>";
            let parent = if path.contains('/') { parent } else { "<groupId>p</groupId>" };
            let text = format!("<project>{parent}<artifactId>p</artifactId>{inner}</project>");
            ((*path).to_owned(), Pom::of(&text).unwrap())
        });
        let poms: BTreeMap<String, Pom> = poms.collect();
        Reactor { poms, root: "pom.xml".to_owned(), settings: Vec::new() }
    }

    /// What the file holds when `g:a` of the module is at 9.
    #[track_caller]
    fn check(files: &[(&str, String)], module: &str, file: &str, then: &str) {
        let reactor = reactor(files);
        let Place::Here(written) = place(&reactor, module, "g:a") else {
            panic!("{:?}", place(&reactor, module, "g:a"));
        };
        assert_eq!(written.file, file);
        let changed = spliced(&reactor.poms[file].text, &[written.splice("9")]).unwrap();
        assert!(changed.contains(then), "{changed}");
    }

    #[test]
    fn a_version_changes_where_it_is_written() {
        let list = |all: &[String]| format!("<dependencies>{}</dependencies>", all.concat());
        let managed = |all: &[String]| format!("<dependencyManagement>{}</dependencyManagement>", list(all));
        let property = |inner: String| format!("<properties><v>1</v></properties>{inner}");
        check(&[("pom.xml", list(&[dependency("g:a", "1")]))], "pom.xml", "pom.xml", "<version>9</version>");
        let kin = [dependency("g:a", "${v}"), dependency("g:b", "${v}")];
        check(&[("pom.xml", property(list(&kin)))], "pom.xml", "pom.xml", "<v>9</v>");
        let others = [dependency("g:a", "${v}"), dependency("h:b", "${v}")];
        check(
            &[("pom.xml", property(list(&others)))],
            "pom.xml",
            "pom.xml",
            "<v>1</v></properties><dependencies><dependency><groupId>g</groupId><artifactId>a</artifactId><version>9</version>",
        );
        let plugin = format!("{}<x>${{v}}</x>", list(&kin));
        check(&[("pom.xml", property(plugin))], "pom.xml", "pom.xml", "<v>1</v>");
        let module = ("m/pom.xml", list(&[dependency("g:a", "")]));
        let above = ("pom.xml", managed(&[dependency("g:a", "1")]));
        check(&[above, module.clone()], "m/pom.xml", "pom.xml", "<version>9</version>");
        let above = ("pom.xml", property(managed(&[dependency("g:a", "${v}")])));
        check(&[above, module.clone()], "m/pom.xml", "pom.xml", "<v>9</v>");
        let above = ("pom.xml", property(String::new()));
        check(&[above, ("m/pom.xml", list(&kin))], "m/pom.xml", "pom.xml", "<v>9</v>");
        let alone = reactor(&[("pom.xml", String::new()), module]);
        assert_eq!(place(&alone, "m/pom.xml", "g:a"), Place::Outside);
        assert_eq!(place(&alone, "pom.xml", "g:a"), Place::Nowhere);
        let range = reactor(&[("pom.xml", list(&[dependency("g:a", "[1,2)")]))]);
        assert!(matches!(place(&range, "pom.xml", "g:a"), Place::Stuck(_)));
        let odd = reactor(&[("pom.xml", list(&[dependency("g:a", "1<!-- x -->")]))]);
        assert!(matches!(place(&odd, "pom.xml", "g:a"), Place::Stuck(_)));
    }
}
