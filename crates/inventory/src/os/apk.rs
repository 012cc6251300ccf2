//! What apk has installed: `lib/apk/db/installed`. <https://wiki.alpinelinux.org/wiki/Apk_spec>

use crate::os::package::{MOST_PACKAGES, OsPackage, Source};

/// The packages of the database. Each goes by its origin: the `APKBUILD` that made it, at the same version.
pub fn packages(text: &str) -> Result<Vec<OsPackage>, String> {
    let mut packages = Vec::new();
    let mut record = OsPackage::default();
    let mut origin = "";
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    for (number, line) in lines.chain([(0, "")]) {
        match line.split_once(':') {
            Some(("P", name)) => {
                record.name = name.to_owned();
                record.line = u32::try_from(number).ok();
            }
            Some(("V", version)) => record.version = version.to_owned(),
            Some(("o", name)) => origin = name,
            None if line.trim().is_empty() => {
                let mut whole = std::mem::take(&mut record);
                let origin = std::mem::take(&mut origin);
                if !origin.is_empty() && origin != whole.name {
                    whole.source = Source::Named { name: origin.to_owned(), version: whole.version.clone() };
                }
                if !whole.name.is_empty() && packages.len() <= MOST_PACKAGES {
                    packages.push(whole);
                }
            }
            Some(_) | None => {}
        }
    }
    match packages.is_empty() && !text.trim().is_empty() {
        true => Err("it lists no package".to_owned()),
        false => Ok(packages),
    }
}

#[cfg(test)]
mod tests {
    use super::packages;
    use crate::os::package::{OsPackage, Source};

    #[test]
    fn packages_go_by_their_origin() {
        let read = packages(
            "C:Q1=\nP:musl\nV:1.2.5-r0\no:musl\nF:lib\nR:ld.so\na:0:0:755\n\nP:ssl_client\nV:1.36.1-r29\no:busybox\n",
        );
        let musl = OsPackage {
            name: "musl".into(),
            version: "1.2.5-r0".into(),
            source: Source::Same,
            line: Some(2),
        };
        let source = Source::Named { name: "busybox".into(), version: "1.36.1-r29".into() };
        let client =
            OsPackage { name: "ssl_client".into(), version: "1.36.1-r29".into(), source, line: Some(9) };
        assert_eq!(read, Ok(vec![musl, client]));
    }

    #[test]
    fn a_file_that_lists_nothing_is_none() {
        assert_eq!(packages("\n"), Ok(Vec::new()));
        assert_eq!(packages("x: y\n"), Err("it lists no package".to_owned()));
    }
}
