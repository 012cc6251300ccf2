//! What dpkg has installed: `var/lib/dpkg/status`, and in images without dpkg a file a package in `status.d`.
//! <https://manpages.debian.org/bookworm/dpkg-dev/deb-src-control.5.en.html>, and dpkg's `lib/dpkg/parse.c`.

use crate::os::package::{MOST_PACKAGES, OsPackage, Source};

/// The packages whose files are there. One of which only the configuration is left is not installed.
pub fn packages(text: &str) -> Result<Vec<OsPackage>, String> {
    let mut packages = Vec::new();
    let mut stanza = Stanza::default();
    let mut has_any = false;
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    for (number, line) in lines.chain([(0, "")]) {
        if line.trim().is_empty() {
            let whole = std::mem::take(&mut stanza);
            has_any |= !whole.name.is_empty();
            if whole.is_installed() && packages.len() <= MOST_PACKAGES {
                packages.push(whole.package());
            }
        } else if !line.starts_with([' ', '\t']) {
            stanza.take(line, number);
        }
    }
    match has_any || text.trim().is_empty() {
        true => Ok(packages),
        false => Err("it lists no package".to_owned()),
    }
}

#[derive(Default)]
struct Stanza<'a> {
    name: &'a str,
    version: &'a str,
    source: &'a str,
    status: Option<&'a str>,
    line: Option<u32>,
}

impl<'a> Stanza<'a> {
    fn take(&mut self, line: &'a str, number: usize) {
        let Some((field, value)) = line.split_once(':') else { return };
        let value = value.trim();
        if field.eq_ignore_ascii_case("Package") {
            self.name = value;
            self.line = u32::try_from(number).ok();
        } else if field.eq_ignore_ascii_case("Version") {
            self.version = value;
        } else if field.eq_ignore_ascii_case("Source") {
            self.source = value;
        } else if field.eq_ignore_ascii_case("Status") {
            self.status = Some(value);
        }
    }

    /// By the last word of `install ok installed`. Half of an installation has its files, so it counts; without a status
    /// it is one of those images that list only what they hold.
    fn is_installed(&self) -> bool {
        let state = self.status.map(|status| status.split_whitespace().next_back().unwrap_or_default());
        !self.name.is_empty() && !matches!(state, Some("not-installed" | "config-files"))
    }

    fn package(&self) -> OsPackage {
        // `Source: glibc`, or `Source: gcc-12 (12.2.0-14)` where its version is another.
        let (source, version) = match self.source.split_once('(') {
            Some((source, version)) => (source.trim(), version.trim_end_matches(')').trim()),
            None => (self.source, self.version),
        };
        let source = match source.is_empty() {
            true => Source::Same,
            false => Source::Named { name: source.to_owned(), version: version.to_owned() },
        };
        OsPackage { name: self.name.to_owned(), version: self.version.to_owned(), source, line: self.line }
    }
}

#[cfg(test)]
mod tests {
    use super::packages;
    use crate::os::package::Source;

    #[track_caller]
    fn check(given: &str, then: &[&str]) {
        let read = packages(given).unwrap_or_else(|error| panic!("{error}"));
        let said: Vec<String> = read
            .iter()
            .map(|one| match &one.source {
                Source::Named { name, version } => {
                    format!("{} {} from {name} {version}", one.name, one.version)
                }
                Source::Same | Source::Unknown(_) => format!("{} {}", one.name, one.version),
            })
            .collect();
        assert_eq!(said, then);
    }

    #[test]
    fn what_is_installed_is_read_with_its_source() {
        check(
            "Package: libc6\nStatus: install ok installed\nSource: glibc\nVersion: 2.36-9\nDescription: x\n Package: no\n\n\
             Package: libgcc-s1\nstatus: hold ok installed\nSource: gcc-12 (12.2.0-14)\nVersion: 12.2.0-14+b1\n\n\n\
             Package: bash\nStatus: install ok half-configured\nVersion: 5.2\n",
            &["libc6 2.36-9 from glibc 2.36-9", "libgcc-s1 12.2.0-14+b1 from gcc-12 12.2.0-14", "bash 5.2"],
        );
    }

    #[test]
    fn what_was_removed_does_not_count() {
        check("Package: a\nStatus: deinstall ok config-files\nVersion: 1\n", &[]);
        check("Package: a\nStatus: purge ok not-installed\n", &[]);
        check("Package: a\nStatus: deinstall ok installed\nVersion: 1\n", &["a 1"]);
    }

    #[test]
    fn an_image_without_dpkg_says_no_status() {
        check("Package: tzdata\nVersion: 2024a-0+deb12u1\nArchitecture: all", &["tzdata 2024a-0+deb12u1"]);
    }

    #[test]
    fn a_file_that_lists_nothing_is_none() {
        check("", &[]);
        assert_eq!(packages("hello\nworld\n"), Err("it lists no package".to_owned()));
    }
}
