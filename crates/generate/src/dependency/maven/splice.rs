//! Changes the text of a pom in places, and nothing else of it to the byte.

use patchline_inventory::text::xml::{child, xml};

use crate::dependency::maven::pom::Dependency;

/// Other bytes in the place of these.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Splice {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) text: String,
}

/// The text with all of these done; none where two are in each other's way.
pub(crate) fn spliced(text: &str, splices: &[Splice]) -> Option<String> {
    let mut splices = splices.to_vec();
    splices.sort();
    splices.dedup();
    let (mut changed, mut at) = (String::with_capacity(text.len() + 256), 0);
    for splice in &splices {
        changed.push_str(text.get(at..splice.start)?);
        text.get(splice.start..splice.end)?;
        changed.push_str(&splice.text);
        at = splice.end;
    }
    changed.push_str(text.get(at..)?);
    Some(changed)
}

/// An entry of `dependencyManagement` for each of these, in the way that the file is written; none where that can't be done.
pub(crate) fn pins(text: &str, pins: &[(Dependency, String)]) -> Option<Splice> {
    let document = xml(text).ok()?;
    let skipped = text.len() - text.trim_start_matches('\u{feff}').len();
    let project = document.root_element();
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let first = project.children().find(roxmltree::Node::is_element)?;
    let unit = indent(text, first.range().start + skipped).unwrap_or_else(|| "  ".to_owned());
    let management = child(&project, "dependencyManagement");
    let list = management.and_then(|management| child(&management, "dependencies"));
    let (element, names): (_, &[&str]) = match (list, management) {
        (Some(list), _) => (list, &[]),
        (None, Some(management)) => (management, &["dependencies"]),
        (None, None) => (project, &["dependencyManagement", "dependencies"]),
    };
    let depth = 3 - names.len();
    let mut inner = String::new();
    for (pin, version) in pins {
        let line = |depth: usize, what: &str| format!("{newline}{}{what}", unit.repeat(depth));
        inner.push_str(&line(3, "<dependency>"));
        let parts = [
            ("groupId", Some(pin.group.as_str())),
            ("artifactId", Some(&pin.artifact)),
            ("version", Some(version)),
            ("type", pin.kind.as_deref()),
            ("classifier", pin.classifier.as_deref()),
        ];
        for (name, value) in parts.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            inner.push_str(&line(4, &format!("<{name}>{value}</{name}>")));
        }
        inner.push_str(&line(3, "</dependency>"));
    }
    for (above, name) in names.iter().enumerate().rev() {
        let place = unit.repeat(depth + above);
        inner = format!("{newline}{place}<{name}>{inner}{newline}{place}</{name}>");
    }
    // Behind the last element that there is, so that what stands before the end tag stays.
    let last = element.children().rfind(roxmltree::Node::is_element);
    let at = match last {
        Some(last) => last.range().end + skipped,
        None => {
            let range = element.range();
            let end = text.get(range.start + skipped..range.end + skipped)?.rfind("</")?;
            let open = text.get(range.start + skipped..)?.find('>')? + 1;
            // Nothing but white space between the tags: the end tag gets a line of its own.
            let inner_text = text.get(range.start + skipped + open..range.start + skipped + end)?;
            inner_text.trim().is_empty().then_some(())?;
            let closing = format!("{inner}{newline}{}", unit.repeat(depth - 1));
            return Some(Splice {
                start: range.start + skipped + open,
                end: range.start + skipped + end,
                text: closing,
            });
        }
    };
    Some(Splice { start: at, end: at, text: inner })
}

/// The white space before an element, where it stands at the beginning of a line.
fn indent(text: &str, at: usize) -> Option<String> {
    let line = text.get(..at)?.rsplit('\n').next()?;
    (!line.is_empty() && line.chars().all(|letter| matches!(letter, ' ' | '\t'))).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::{Splice, pins, spliced};
    use crate::dependency::maven::pom::{Dependency, Pom};

    fn pin() -> (Dependency, String) {
        let dependency =
            Dependency { group: "g".to_owned(), artifact: "a".to_owned(), ..Dependency::default() };
        (dependency, "2".to_owned())
    }

    fn check(given: &str, then: &str) {
        let splice = pins(given, &[pin()]).unwrap();
        let changed = spliced(given, &[splice]).unwrap();
        assert_eq!(changed, then);
        let managed = Pom::of(&changed).unwrap().managed;
        assert_eq!(managed.last().map(|last| last.artifact.as_str()), Some("a"));
    }

    #[test]
    fn an_entry_comes_in_as_the_file_is_written() {
        check(
            "<project>\n\t<a/> <!-- x -->\n</project>\n",
            "<project>\n\t<a/>\n\t<dependencyManagement>\n\t\t<dependencies>\n\t\t\t<dependency>\n\t\t\t\t<groupId>g</groupId>\n\t\t\t\t<artifactId>a</artifactId>\n\t\t\t\t<version>2</version>\n\t\t\t</dependency>\n\t\t</dependencies>\n\t</dependencyManagement> <!-- x -->\n</project>\n",
        );
        check(
            "<project>\r\n <dependencyManagement>\r\n  <dependencies>\r\n  </dependencies>\r\n </dependencyManagement>\r\n</project>",
            "<project>\r\n <dependencyManagement>\r\n  <dependencies>\r\n   <dependency>\r\n    <groupId>g</groupId>\r\n    <artifactId>a</artifactId>\r\n    <version>2</version>\r\n   </dependency>\r\n  </dependencies>\r\n </dependencyManagement>\r\n</project>",
        );
        assert_eq!(pins("<project/>", &[pin()]), None);
        assert_eq!(pins("no pom", &[pin()]), None);
    }

    #[test]
    fn what_overlaps_is_refused() {
        let at = |start, end| Splice { start, end, text: "x".to_owned() };
        assert_eq!(spliced("abc", &[at(0, 2), at(1, 3)]), None);
        assert_eq!(spliced("aé", &[at(2, 2)]), None);
        assert_eq!(spliced("abc", &[at(1, 2), at(1, 2)]).as_deref(), Some("axc"));
    }

    proptest! {
        #[test]
        fn a_version_changes_and_nothing_else(before in "[ \t\r\n]{0,4}", comment in "[a-zé \r\n]{0,12}", version in "[0-9.]{1,8}", new in "[0-9.]{1,8}", mark in 0_usize..2) {
            let mark = if mark == 1 { "\u{feff}" } else { "" };
            let make = |version: &str| format!(
                "{mark}<project>{before}<!-- {comment} --><dependencies>{before}<dependency><groupId>g</groupId>{before}<version>{before}{version}{before}</version><!-- {comment} --></dependency></dependencies>{before}</project>{before}"
            );
            let text = make(&version);
            let pom = Pom::of(&text).unwrap();
            let range = pom.dependencies[0].version.as_ref().unwrap().range.clone().unwrap();
            prop_assert_eq!(spliced(&text, &[Splice { start: range.start, end: range.end, text: new.clone() }]), Some(make(&new)));
            let splice = pins(&text, &[pin()]).unwrap();
            let pinned = spliced(&text, std::slice::from_ref(&splice)).unwrap();
            prop_assert_eq!(Pom::of(&pinned).unwrap().dependencies.len(), 1);
            prop_assert_eq!(Pom::of(&pinned).unwrap().managed.len(), 1);
            prop_assert!(pinned.len() == text.len() + splice.text.len());
        }
    }
}
