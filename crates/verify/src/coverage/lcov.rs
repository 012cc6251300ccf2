//! Reads lcov's tracefiles (geninfo(1)): `SF:path`, then `DA:line,hits` for each line that can run.

use crate::coverage::lines::Lines;

pub(crate) fn read(text: &str, lines: &mut Lines) -> Result<(), String> {
    let mut file = None;
    for (at, line) in text.lines().enumerate() {
        if let Some(name) = line.strip_prefix("SF:") {
            file = Some(name.trim());
        } else if line == "end_of_record" {
            file = None;
        } else if let Some(rest) = line.strip_prefix("DA:") {
            let mut parts = rest.split(',');
            let number = parts.next().and_then(|number| number.trim().parse().ok());
            // Some tools count in floating point, and below nothing where a counter ran over.
            let hits = parts.next().and_then(|hits| hits.trim().parse::<f64>().ok());
            let (Some(file), Some(number), Some(hits)) = (file, number, hits) else {
                return Err(format!("line {} of the tracefile can't be read", at + 1));
            };
            lines.add(file, number, if hits > 0.0 { hits as u64 + u64::from(hits < 1.0) } else { 0 })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::read;
    use crate::coverage::lines::Lines;

    #[test]
    fn lines_are_known_by_file_and_number() {
        let text = "TN:\nSF:./src/lib.rs\nFN:1,x\nDA:1,3\nDA:2,0\nBRDA:1,0,0,1\nend_of_record\nSF:src/lib.rs\nDA:2,1,abc\nend_of_record\n";
        let mut lines = Lines::default();
        read(text, &mut lines).unwrap();
        let of = lines.of("service/src/lib.rs").unwrap();
        assert_eq!((of.get(&1), of.get(&2), of.get(&3)), (Some(&3), Some(&0), None));
        assert!(lines.of("src/other.rs").is_none() && lines.of("xsrc/lib.rs").is_none());
        assert!(read("DA:1,1\n", &mut lines).unwrap_err().contains("line 1"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), hits in any::<f64>()) {
            let _ = read(&text, &mut Lines::default());
            let _ = read(&format!("SF:a\nDA:1,{hits}\nDA:{text}"), &mut Lines::default());
        }
    }
}
