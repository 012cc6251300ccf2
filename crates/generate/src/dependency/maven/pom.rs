//! One `pom.xml` (<https://maven.apache.org/pom.html>): what it states, and where in the text each version stands.

use std::collections::BTreeMap;
use std::ops::Range;

use patchline_inventory::text::xml::{child, child_text, xml};
use roxmltree::Node;

/// A text within an element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) text: String,
    /// Its bytes in the file; none where they are not this text, as with an entity in it or a comment.
    pub(crate) range: Option<Range<usize>>,
}

/// One `dependency`, with properties as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) group: String,
    pub(crate) artifact: String,
    pub(crate) kind: Option<String>,
    pub(crate) classifier: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) version: Option<Spot>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) group: String,
    pub(crate) artifact: String,
    pub(crate) version: Spot,
    /// As written; none where the parent lies one folder up, empty where it lies in no folder.
    pub(crate) relative: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pom {
    pub(crate) text: String,
    pub(crate) group: Option<String>,
    pub(crate) artifact: String,
    pub(crate) version: Option<String>,
    pub(crate) parent: Option<Parent>,
    pub(crate) properties: BTreeMap<String, Spot>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) managed: Vec<Dependency>,
    /// Of profiles, too.
    pub(crate) modules: Vec<String>,
    /// Identifiers and addresses.
    pub(crate) repositories: Vec<(String, String)>,
    /// Whether it has Maven load code before anything is asked of it.
    pub(crate) loads_code: bool,
}

impl Pom {
    /// What the text says, or why it is no pom.
    pub(crate) fn of(text: &str) -> Result<Self, String> {
        let document = xml(text).map_err(|broken| format!("line {}: {}", broken.line, broken.what))?;
        let project = document.root_element();
        if project.tag_name().name() != "project" {
            return Err("it is no `project`".to_owned());
        }
        // The reader leaves the mark of the byte order out, and counts from behind it.
        let reader = Reader { text, skipped: text.len() - text.trim_start_matches('\u{feff}').len() };
        let own = |name: &str| child_text(&project, name).map(str::to_owned);
        let management = child(&project, "dependencyManagement");
        let repositories = child(&project, "repositories").into_iter().flat_map(|all| all.children());
        let repositories = repositories.filter_map(|one| {
            Some((child_text(&one, "id")?.to_owned(), child_text(&one, "url")?.to_owned()))
        });
        let modules = project.descendants().filter(|element| element.tag_name().name() == "module");
        let modules = modules.filter(|element| element.parent().is_some_and(|above| is(&above, "modules")));
        Ok(Self {
            group: own("groupId"),
            artifact: own("artifactId").unwrap_or_default(),
            version: own("version"),
            parent: child(&project, "parent").map(|parent| reader.parent(&parent)),
            properties: reader.properties(&project),
            dependencies: reader.dependencies(&project),
            managed: management.map(|managed| reader.dependencies(&managed)).unwrap_or_default(),
            modules: modules.filter_map(|module| Some(module.text()?.trim().to_owned())).collect(),
            repositories: repositories.collect(),
            loads_code: project.descendants().any(|element| loads_code(&element)),
            text: text.to_owned(),
        })
    }
}

impl Dependency {
    /// Whether its `dependencyManagement` is taken in.
    pub(crate) fn is_import(&self) -> bool {
        self.scope.as_deref() == Some("import")
    }
}

struct Reader<'a> {
    text: &'a str,
    skipped: usize,
}

impl Reader<'_> {
    fn spot(&self, element: &Node<'_, '_>) -> Spot {
        let text = element.text().unwrap_or_default().trim().to_owned();
        let mut inner = element.children();
        let (first, second) = (inner.next(), inner.next());
        let range = first.filter(|node| node.is_text() && second.is_none()).and_then(|node| {
            let range = node.range();
            let (start, end) = (range.start + self.skipped, range.end + self.skipped);
            let raw = self.text.get(start..end)?;
            let from = start + (raw.len() - raw.trim_start().len());
            let range = from..from + raw.trim().len();
            (self.text.get(range.clone()) == Some(text.as_str())).then_some(range)
        });
        Spot { text, range }
    }

    fn parent(&self, parent: &Node<'_, '_>) -> Parent {
        let of = |name: &str| child_text(parent, name).unwrap_or_default().to_owned();
        Parent {
            group: of("groupId"),
            artifact: of("artifactId"),
            version: child(parent, "version").map(|version| self.spot(&version)).unwrap_or_default(),
            relative: child(parent, "relativePath").map(|_| of("relativePath")),
        }
    }

    fn properties(&self, project: &Node<'_, '_>) -> BTreeMap<String, Spot> {
        let all = child(project, "properties").into_iter().flat_map(|all| all.children());
        let all = all.filter(Node::is_element);
        all.map(|property| (property.tag_name().name().to_owned(), self.spot(&property))).collect()
    }

    fn dependencies(&self, below: &Node<'_, '_>) -> Vec<Dependency> {
        let all = child(below, "dependencies").into_iter().flat_map(|all| all.children());
        let all = all.filter(|element| is(element, "dependency"));
        let read = |dependency: Node<'_, '_>| {
            let of = |name: &str| child_text(&dependency, name).map(str::to_owned);
            Dependency {
                group: of("groupId").unwrap_or_default(),
                artifact: of("artifactId").unwrap_or_default(),
                kind: of("type").filter(|kind| kind != "jar"),
                classifier: of("classifier"),
                scope: of("scope"),
                version: child(&dependency, "version").map(|version| self.spot(&version)),
            }
        };
        all.map(read).collect()
    }
}

fn is(element: &Node<'_, '_>, name: &str) -> bool {
    element.tag_name().name() == name
}

/// An extension of the build, or a plugin that is one.
fn loads_code(element: &Node<'_, '_>) -> bool {
    let above = element.parent();
    let is_in = |name: &str| above.is_some_and(|above| is(&above, name));
    let is_true = || element.text().is_some_and(|text| text.trim() != "false");
    is(element, "extension") && is_in("extensions")
        || is(element, "extensions") && is_in("plugin") && is_true()
}

#[cfg(test)]
mod tests {
    use super::Pom;
    use proptest::prelude::{prop_assert_eq, proptest};

    const TEXT: &str = "\u{feff}<?xml version=\"1.0\"?>\n<project xmlns=\"urn:x\">
  <parent><groupId>p</groupId><artifactId>q</artifactId><version>1</version><relativePath/></parent>
  <artifactId>app</artifactId>
  <properties><!-- why --><x.version> 1.2 </x.version><odd>1<!-- c -->2</odd></properties>
  <modules><module>one</module></modules>
  <dependencyManagement><dependencies><dependency><groupId>b</groupId><artifactId>bom</artifactId>
    <version>3</version><type>pom</type><scope>import</scope></dependency></dependencies></dependencyManagement>
  <dependencies><dependency><groupId>x</groupId><artifactId>y</artifactId><version>${x.version}</version></dependency></dependencies>
</project>";

    #[test]
    fn a_pom_says_where_its_versions_stand() {
        let pom = Pom::of(TEXT).unwrap();
        let at = |range: &Option<std::ops::Range<usize>>| range.clone().map(|range| TEXT[range].to_owned());
        let parent = pom.parent.unwrap();
        assert_eq!((at(&parent.version.range).as_deref(), parent.relative.as_deref()), (Some("1"), Some("")));
        assert_eq!(at(&pom.properties["x.version"].range).as_deref(), Some("1.2"));
        assert_eq!(pom.properties["odd"].range, None, "a comment in it");
        let version = pom.dependencies[0].version.as_ref().unwrap();
        assert_eq!(at(&version.range).as_deref(), Some("${x.version}"));
        assert!(pom.managed[0].is_import() && pom.modules == ["one"] && !pom.loads_code);
    }

    #[test]
    fn what_loads_code_is_seen() {
        let check = |inner: &str, then: bool| {
            let text = format!("<project><build>{inner}</build></project>");
            assert_eq!(Pom::of(&text).unwrap().loads_code, then, "{inner}");
        };
        check("<extensions><extension><artifactId>x</artifactId></extension></extensions>", true);
        check("<plugins><plugin><extensions>true</extensions></plugin></plugins>", true);
        check("<plugins><plugin><extensions>${x}</extensions></plugin></plugins>", true);
        check("<plugins><plugin><extensions>false</extensions></plugin></plugins>", false);
        check("<plugins><plugin><artifactId>x</artifactId></plugin></plugins>", false);
        assert!(Pom::of("<settings/>").is_err() && Pom::of("<project>").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(<project>|</project>|<parent>|</parent>|<version>|</version>|&amp;|<!--|-->|<![CDATA[|]]>|é|\u{feff}| |1){0,30}") {
            if let Ok(pom) = Pom::of(&text) {
                for spot in pom.properties.values().chain(pom.parent.iter().map(|parent| &parent.version)) {
                    if let Some(range) = &spot.range {
                        prop_assert_eq!(&text[range.clone()], spot.text.as_str());
                    }
                }
            }
        }
    }
}
