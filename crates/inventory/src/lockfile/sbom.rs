//! Bills of materials: CycloneDX 1.4 to 1.6 (<https://cyclonedx.org/docs/1.6/json/>) and SPDX 2.3
//! (<https://spdx.github.io/spdx-spec/v2.3/>), both as JSON. A package is what its purl says
//! (<https://github.com/package-url/purl-spec>); what has none is not matched by name.

use std::collections::HashMap;

use patchline_model::purl::Purl;

use crate::detector::{
    Broken, Detector, Inventory, Kind, Neighbours, Relation, Scope, Unresolved, ecosystem,
};
use crate::lockfile::assembly::{Graph, Node};
use crate::text::json::json;
use crate::text::lines::Lines;
use crate::text::value::Value;

/// Reads bills of materials.
pub struct Sbom;

impl Detector for Sbom {
    fn kind(&self) -> &'static Kind {
        &Kind {
            files: &["bom.json", "sbom.json", "*.cdx.json", "*.spdx.json"],
            manifest: None,
            hint: "make it anew with the tool that wrote it",
            is_fixed: false,
        }
    }

    fn parse(&self, path: &str, text: &str, _: &Neighbours) -> Result<Inventory, Broken> {
        Ok(graph(path, text)?.inventory(path))
    }
}

fn graph(path: &str, text: &str) -> Result<Graph, Broken> {
    let bill = json(text)?;
    let graph = Graph::of("", text.len());
    let mut reader = Reader { path, graph, references: HashMap::new(), lines: Lines::of(text) };
    match (bill.text_of("bomFormat"), bill.text_of("spdxVersion")) {
        (Some("CycloneDX"), _) => reader.read_cyclonedx(&bill),
        (_, Some(version)) if version.starts_with("SPDX-2.") => reader.read_spdx(&bill),
        (_, _) => {
            return Err(Broken::at(text, bill.offset, "it is neither CycloneDX nor SPDX 2"));
        }
    }
    reader.graph.nodes_that_nobody_needs().for_each(|node| {
        node.relation.get_or_insert(Relation::Unknown);
    });
    Ok(reader.graph)
}

struct Reader<'a> {
    path: &'a str,
    graph: Graph,
    references: HashMap<&'a str, usize>,
    lines: Lines<'a>,
}

impl<'a> Reader<'a> {
    fn read_cyclonedx(&mut self, bill: &'a Value<'a>) {
        if let Some(root) = bill.get("metadata").and_then(|metadata| metadata.get("component")) {
            self.component(root, true);
        }
        let mut open: Vec<&Value<'_>> = bill.items_of("components").iter().rev().collect();
        while let Some(component) = open.pop().filter(|_| !self.graph.is_full()) {
            open.extend(component.items_of("components").iter().rev());
            if component.text_of("type") != Some("file") {
                self.component(component, false);
            }
        }
        let mut aggregates = bill.items_of("compositions").iter().filter_map(|one| one.text_of("aggregate"));
        if aggregates.any(|aggregate| aggregate.starts_with("incomplete")) {
            self.is_incomplete();
        }
        for dependency in bill.items_of("dependencies") {
            let from = dependency.text_of("ref").and_then(|from| self.references.get(from)).copied();
            let needs = dependency.items_of("dependsOn").iter().filter_map(Value::text);
            let needs: Vec<usize> = needs.filter_map(|need| self.references.get(need)).copied().collect();
            if let Some(from) = from {
                self.graph.join(from, needs);
            }
        }
    }

    fn component(&mut self, component: &'a Value<'a>, is_own: bool) {
        let scope = match (stated(component, "patchline:scope"), component.text_of("scope")) {
            (Some("build"), _) => Scope::Build,
            (Some("test"), _) => Scope::Test,
            (Some("peer"), _) => Scope::Peer,
            (_, Some("optional")) => Scope::Optional,
            (_, Some("excluded")) => Scope::Dev,
            (_, Some(_) | None) => Scope::Normal,
        };
        let relation = match stated(component, "patchline:relation") {
            Some("own") => Some(Relation::Own),
            Some("direct") => Some(Relation::Direct),
            Some("transitive") => Some(Relation::Transitive),
            Some("unknown") => Some(Relation::Unknown),
            Some(_) | None => None,
        };
        let is_own = is_own || relation == Some(Relation::Own);
        let name = match component.text_of("group") {
            Some(group) if !group.is_empty() => {
                format!("{group}/{}", component.text_of("name").unwrap_or_default())
            }
            Some(_) | None => component.text_of("name").unwrap_or_default().to_owned(),
        };
        let version = component.text_of("version").unwrap_or_default();
        let node = self.node(component, &name, version, component.text_of("purl"));
        let node = self.graph.add(Node { scope: Some(scope), relation, ..own_or(node, is_own) });
        let reference = component.text_of("bom-ref").or_else(|| component.text_of("purl"));
        self.references.extend(reference.map(|reference| (reference, node)));
    }

    fn read_spdx(&mut self, bill: &'a Value<'a>) {
        let described = bill.items_of("documentDescribes").iter().filter_map(Value::text);
        let mut own: Vec<&str> = described.collect();
        let relations = bill.items_of("relationships");
        let of = |relation: &'a Value<'a>, key: &str| relation.text_of(key).unwrap_or_default();
        let describes = relations.iter().filter(|one| one.text_of("relationshipType") == Some("DESCRIBES"));
        own.extend(describes.filter_map(|one| one.text_of("relatedSpdxElement")));
        for package in bill.items_of("packages") {
            if self.graph.is_full() {
                break;
            }
            let purls = package.items_of("externalRefs").iter();
            let purl = purls.filter(|one| one.text_of("referenceType") == Some("purl"));
            let purl = purl.filter_map(|one| one.text_of("referenceLocator")).next();
            let (name, id) = (of(package, "name"), of(package, "SPDXID"));
            let node = self.node(package, name, package.text_of("versionInfo").unwrap_or_default(), purl);
            // A bill that describes each of its packages has no root among them.
            let is_root = own.len() < 2 && own.contains(&id);
            // A program of no registry is none that anybody needs, but one that was made here.
            let is_program = package.text_of("primaryPackagePurpose") == Some("APPLICATION");
            let is_own = is_root || is_program && !node.registered && node.unknown.is_none();
            let node = self.graph.add(own_or(node, is_own));
            self.references.insert(id, node);
        }
        let is_open = |one: &Value<'_>| one.text_of("relatedSpdxElement") == Some("NOASSERTION");
        if relations.iter().any(is_open) {
            self.is_incomplete();
        }
        for relation in relations {
            let (from, to) = (of(relation, "spdxElementId"), of(relation, "relatedSpdxElement"));
            let (from, to, scope) = match of(relation, "relationshipType") {
                "DEPENDS_ON" => (from, to, Scope::Normal),
                "DEPENDENCY_OF" | "RUNTIME_DEPENDENCY_OF" => (to, from, Scope::Normal),
                "OPTIONAL_DEPENDENCY_OF" => (to, from, Scope::Optional),
                "PROVIDED_DEPENDENCY_OF" => (to, from, Scope::Peer),
                "BUILD_DEPENDENCY_OF" => (to, from, Scope::Build),
                "TEST_DEPENDENCY_OF" => (to, from, Scope::Test),
                "DEV_DEPENDENCY_OF" => (to, from, Scope::Dev),
                _ => continue,
            };
            if let (Some(from), Some(to)) = (self.references.get(from), self.references.get(to)) {
                self.graph.join(*from, [*to]);
                if self.graph.nodes[*from].is_own {
                    self.graph.direct.push((*to, scope));
                }
            }
        }
    }

    fn is_incomplete(&mut self) {
        self.graph.cannot_judge(Unresolved::of(self.path, "it says of itself that it is incomplete"));
    }

    fn node(&mut self, value: &Value<'_>, name: &str, version: &str, purl: Option<&str>) -> Node {
        let line = self.lines.line_of(value.offset);
        match purl.and_then(Purl::of) {
            Some(Purl { package, is_public }) => Node {
                registered: is_public,
                unknown: package.version.is_empty().then(|| "its purl has no version".to_owned()),
                ecosystem: Some(package.ecosystem),
                ..Node::registered(&package.name, &package.version, line)
            },
            None => Node {
                registered: false,
                ecosystem: Some(ecosystem("generic")),
                unknown: Some("it has no purl, so it is not known which registry it is of".to_owned()),
                ..Node::registered(name, version, line)
            },
        }
    }
}

/// What Patchline's own bills say beyond the format.
fn stated<'a>(component: &'a Value<'_>, name: &str) -> Option<&'a str> {
    let properties = component.items_of("properties").iter();
    properties.filter(|one| one.text_of("name") == Some(name)).find_map(|one| one.text_of("value"))
}

/// What the bill is about needs no registry.
fn own_or(node: Node, is_own: bool) -> Node {
    match is_own {
        true => Node { is_own, unknown: None, ..node },
        false => node,
    }
}
