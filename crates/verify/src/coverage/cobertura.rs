//! Reads Cobertura XML (coverage-04.dtd): `class` with `filename`, in it `line` with `number` and `hits`.

use roxmltree::{Document, ParsingOptions};

use crate::coverage::lines::Lines;

const MAX_NODES: u32 = 8_000_000;

pub(crate) fn read(text: &str, lines: &mut Lines) -> Result<(), String> {
    // Its own tools name a DTD; one that defines entities is not read.
    if text.contains("<!ENTITY") {
        return Err("the report defines entities".to_owned());
    }
    let options = ParsingOptions { nodes_limit: MAX_NODES, allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text.trim_start_matches('\u{feff}').trim_start(), options)
        .map_err(|error| format!("this is no Cobertura XML: {error}"))?;
    let root = document.root_element();
    if !root.has_tag_name("coverage") {
        return Err(format!("this is no Cobertura XML: it begins with `{}`", root.tag_name().name()));
    }
    for class in root.descendants().filter(|node| node.has_tag_name("class")) {
        let Some(file) = class.attribute("filename") else { continue };
        // Those of the methods stand below `methods` once more.
        let own =
            class.children().filter(|child| child.has_tag_name("lines")).flat_map(|lines| lines.children());
        for line in own.filter(|line| line.has_tag_name("line")) {
            let number = line.attribute("number").and_then(|number| number.parse().ok());
            let hits = line.attribute("hits").and_then(|hits| hits.parse().ok());
            let (Some(number), Some(hits)) = (number, hits) else {
                return Err(format!("a line of `{file}` has no number or no hits"));
            };
            lines.add(file, number, hits)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::read;
    use crate::coverage::lines::Lines;

    const REPORT: &str = r#"<?xml version="1.0" ?>
<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
<coverage version="7"><sources><source>/x</source></sources><packages><package><classes>
<class name="words.py" filename="words.py"><methods><method><lines><line number="9" hits="1"/></lines></method></methods>
<lines><line number="1" hits="1"/><line number="2" hits="0"/></lines></class></classes></package></packages></coverage>"#;

    #[test]
    fn lines_are_known_by_file_and_number() {
        let mut lines = Lines::default();
        read(REPORT, &mut lines).unwrap();
        let of = lines.of("words.py").unwrap();
        assert_eq!((of.get(&1), of.get(&2), of.get(&9)), (Some(&1), Some(&0), None));
    }

    #[test]
    fn bombs_and_what_is_no_report_are_refused() {
        for (text, words) in [
            ("<!DOCTYPE c [<!ENTITY a \"b\">]><coverage>&a;</coverage>", "entities"),
            ("<html/>", "begins with `html`"),
            (
                "<coverage><class filename='a'><lines><line number='x'/></lines></class></coverage>",
                "no number",
            ),
        ] {
            let error = read(text, &mut Lines::default()).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), at in 0..REPORT.len()) {
            let _ = read(&text, &mut Lines::default());
            let _ = read(&format!("{}{text}{}", &REPORT[..at], &REPORT[at..]), &mut Lines::default());
        }
    }
}
