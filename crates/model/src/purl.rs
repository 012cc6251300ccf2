//! Package URLs, written and read (<https://github.com/package-url/purl-spec>): the one place that knows which purl type
//! is which ecosystem.

mod distribution;

use std::fmt::Write as _;

use crate::package::{Ecosystem, Package};

/// Ecosystems by their OSV names, with the purl type of each.
const TYPES: [(&str, &str); 15] = [
    ("crates.io", "cargo"),
    ("npm", "npm"),
    ("PyPI", "pypi"),
    ("Go", "golang"),
    ("Maven", "maven"),
    ("RubyGems", "gem"),
    ("NuGet", "nuget"),
    ("Packagist", "composer"),
    ("Hex", "hex"),
    ("Pub", "pub"),
    ("SwiftURL", "swift"),
    ("CRAN", "cran"),
    ("ConanCenter", "conan"),
    ("Hackage", "hackage"),
    ("GitHub Actions", "githubactions"),
];

/// Qualifiers that say that a package comes from somebody's own address.
const ELSEWHERE: [&str; 3] = ["repository_url=", "vcs_url=", "download_url="];

/// Modules of Go that are no modules, and whose versions have no `v`.
const GO_ITSELF: [&str; 2] = ["stdlib", "toolchain"];

impl Ecosystem {
    /// The purl type of this ecosystem; `generic` where there is none.
    pub fn purl_type(&self) -> &'static str {
        let own = TYPES.iter().find(|(name, _)| *name == self.0).map(|(_, kind)| *kind);
        own.or_else(|| distribution::written(&self.0).map(|(kind, _, _)| kind)).unwrap_or("generic")
    }
}

impl Package {
    /// The package URL, as in `pkg:cargo/yaml-rust@0.4.0`; without a version where none is known.
    pub fn purl(&self) -> String {
        let kind = self.ecosystem.purl_type();
        let name = match kind {
            "maven" => self.name.replace(':', "/"),
            "pypi" => self.name.to_ascii_lowercase().replace('_', "-"),
            "composer" | "githubactions" => self.name.to_ascii_lowercase(),
            _ => self.name.clone(),
        };
        let name: Vec<String> = name.split('/').map(percent_encoded).collect();
        let sign = if kind == "golang" && !GO_ITSELF.contains(&self.name.as_str()) { "v" } else { "" };
        let version = match self.version.is_empty() {
            true => String::new(),
            false => format!("@{sign}{}", percent_encoded(&self.version)),
        };
        match distribution::written(&self.ecosystem.0) {
            None => format!("pkg:{kind}/{}{version}", name.join("/")),
            Some((kind, namespace, distro)) => {
                let distro = distro.map(|distro| format!("?distro={distro}")).unwrap_or_default();
                format!("pkg:{kind}/{namespace}/{}{version}{distro}", name.join("/"))
            }
        }
    }
}

/// A package URL, in the terms of OSV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purl {
    /// Its version is empty where the URL has none; its ecosystem is the purl type where OSV has no name for that.
    pub package: Package,
    /// Whether it is of an ecosystem's registry; only then do advisories speak of it.
    pub is_public: bool,
}

impl Purl {
    /// Reads `pkg:type/namespace/name@version?qualifiers#subpath`; none when it is no such thing.
    pub fn of(text: &str) -> Option<Self> {
        let text = text.strip_prefix("pkg:")?.trim_start_matches('/');
        let (text, _subpath) = text.split_once('#').unwrap_or((text, ""));
        let (text, qualifiers) = text.split_once('?').unwrap_or((text, ""));
        let (kind, path) = text.split_once('/')?;
        let versioned = path.rsplit_once('@').filter(|(_, version)| !version.contains('/'));
        let (path, version) = versioned.unwrap_or((path, ""));
        let (path, mut version) = (decoded(path.trim_matches('/')), decoded(version));
        let kind = kind.to_ascii_lowercase();
        let known = TYPES.iter().find(|(_, known)| *known == kind);
        let name = if kind == "maven" { path.replace('/', ":") } else { path };
        if kind == "golang" {
            // OSV writes versions of Go without it.
            version = version.strip_prefix('v').map(str::to_owned).unwrap_or(version);
        }
        if let Some(package) = of_distribution(&kind, &name, &version, qualifiers) {
            return Some(Self { package, is_public: true });
        }
        // A distribution's packages can't be judged without its release.
        let ecosystem = Ecosystem(known.map_or(kind, |(ecosystem, _)| (*ecosystem).to_owned()));
        let is_elsewhere = qualifiers.split('&').any(|one| ELSEWHERE.iter().any(|key| one.starts_with(key)));
        let is_public = known.is_some() && !is_elsewhere;
        Some(Self { package: Package { ecosystem, name, version }, is_public })
    }
}

/// A package of a distribution whose release is told. Advisories go by what it was built from.
fn of_distribution(kind: &str, path: &str, version: &str, qualifiers: &str) -> Option<Package> {
    let qualifier = |key: &str| {
        let mut all = qualifiers.split('&').filter_map(|one| one.split_once('='));
        all.find(|(name, _)| *name == key).map(|(_, value)| decoded(value))
    };
    let (namespace, name) = path.split_once('/')?;
    let ecosystem = distribution::read(kind, namespace, qualifier("distro").as_deref())?;
    let upstream = qualifier("upstream");
    let (name, other) = upstream.as_deref().and_then(distribution::upstream).unwrap_or((name, None));
    let version = other.unwrap_or(version);
    Some(Package { ecosystem: Ecosystem(ecosystem), name: name.to_owned(), version: version.to_owned() })
}

/// With all but letters, digits and `.-_~:` as `%41` and its like.
pub fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => {
                encoded.push(char::from(byte));
            }
            byte => write!(encoded, "%{byte:02X}").expect("text takes text"),
        }
    }
    encoded
}

/// With `%41` and its like undone; what is no such thing stays as it is.
fn decoded(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let (bytes, mut plain, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let digits = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::{Purl, TYPES};
    use crate::package::{Ecosystem, Package};

    fn package(ecosystem: &str, name: &str, version: &str) -> Package {
        Package {
            ecosystem: Ecosystem(ecosystem.to_owned()),
            name: name.to_owned(),
            version: version.to_owned(),
        }
    }

    #[track_caller]
    fn check(ecosystem: &str, name: &str, version: &str, then: &str) {
        let package = package(ecosystem, name, version);
        assert_eq!(package.purl(), then);
        assert_eq!(Purl::of(then), Some(Purl { package, is_public: true }));
    }

    #[test]
    fn each_ecosystem_has_its_way_there_and_back() {
        check("crates.io", "yaml-rust", "0.4.0", "pkg:cargo/yaml-rust@0.4.0");
        check("crates.io", "wasi", "0.11.0+wasi", "pkg:cargo/wasi@0.11.0%2Bwasi");
        check("npm", "@s/tool", "1.0.0", "pkg:npm/%40s/tool@1.0.0");
        check("Maven", "org.example:lib", "2.0", "pkg:maven/org.example/lib@2.0");
        check("Go", "golang.org/x/text", "0.3.0", "pkg:golang/golang.org/x/text@v0.3.0");
        check("Go", "stdlib", "1.21.3", "pkg:golang/stdlib@1.21.3");
        check("PyPI", "django", "1!2.0", "pkg:pypi/django@1%212.0");
        check("npm", "a", "", "pkg:npm/a");
        check(
            "Debian:12",
            "openssl",
            "3.0.11-1~deb12u2",
            "pkg:deb/debian/openssl@3.0.11-1~deb12u2?distro=debian-12",
        );
        check("Ubuntu:22.04:LTS", "curl", "7.81.0-1", "pkg:deb/ubuntu/curl@7.81.0-1?distro=ubuntu-22.04");
        check("Ubuntu:23.10", "curl", "8.2.1-1", "pkg:deb/ubuntu/curl@8.2.1-1?distro=ubuntu-23.10");
        check("Alpine:v3.18", "busybox", "1.36.1-r2", "pkg:apk/alpine/busybox@1.36.1-r2?distro=alpine-3.18");
        check("Rocky Linux:9", "bash", "5.1.8-6.el9", "pkg:rpm/rocky/bash@5.1.8-6.el9?distro=rocky-9");
        check("Wolfi", "zlib", "1.3-r0", "pkg:apk/wolfi/zlib@1.3-r0");
        assert_eq!(package("PyPI", "Some_Package", "1").purl(), "pkg:pypi/some-package@1");
        assert_eq!(package("none", "x", "1").purl(), "pkg:generic/x@1");
    }

    #[test]
    fn a_distributions_package_goes_by_its_release_and_by_what_it_was_built_from() {
        let check = |text: &str, then: Option<(&str, &str, &str)>| {
            let purl = Purl::of(text).expect("a purl");
            let Package { ecosystem, name, version } = &purl.package;
            let said = purl.is_public.then_some((ecosystem.0.as_str(), name.as_str(), version.as_str()));
            assert_eq!(said, then, "{text}");
        };
        let libssl = "pkg:deb/debian/libssl3@3.0.11-1?arch=amd64&upstream=openssl&distro=debian-12.5";
        check(libssl, Some(("Debian:12", "openssl", "3.0.11-1")));
        let other = "pkg:deb/debian/libgcc-s1@12.2.0-14?upstream=gcc-12%4012.2.0-13&distro=debian-12";
        check(other, Some(("Debian:12", "gcc-12", "12.2.0-13")));
        check(
            "pkg:apk/alpine/ssl_client@1.36.1-r2?distro=alpine-3.18.4&upstream=busybox",
            Some(("Alpine:v3.18", "busybox", "1.36.1-r2")),
        );
        check("pkg:deb/debian/openssl@3", None);
        check("pkg:rpm/fedora/bash@5?distro=fedora-39", None);
        check("pkg:deb/debian/openssl@3?distro=sid", None);
    }

    #[test]
    fn what_is_elsewhere_is_not_public() {
        let check = |text: &str, ecosystem: &str, name: &str| {
            let purl = Purl::of(text).expect("a purl");
            let said = (purl.package.ecosystem.0.as_str(), purl.package.name.as_str(), purl.is_public);
            assert_eq!(said, (ecosystem, name, false), "{text}");
        };
        check("pkg:npm/a@1?repository_url=https:%2F%2Fnpm.invalid", "npm", "a");
        check("pkg:cargo/a@1?x=y&vcs_url=git", "crates.io", "a");
        check("pkg:deb/debian/openssl@3?arch=amd64", "deb", "debian/openssl");
        let bare = Purl::of("pkg:npm/@s/tool").map(|purl| purl.package);
        assert_eq!(bare, Some(package("npm", "@s/tool", "")));
        for text in ["", "npm/a@1", "pkg:npm", "pkg:"] {
            assert_eq!(Purl::of(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(which in 0..TYPES.len(), name in "[a-z0-9][a-z0-9.-]{0,9}", version in "[0-9][^\\p{C}]{0,9}") {
            let package = package(TYPES[which].0, &name, &version);
            prop_assert_eq!(Purl::of(&package.purl()).map(|purl| purl.package), Some(package));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), bytes in prop::collection::vec(any::<char>(), 0..20)) {
            let _ = Purl::of(&text);
            let tail: String = bytes.into_iter().collect();
            let _ = Purl::of(&format!("pkg:npm/%{tail}@%"));
            let _ = package("npm", &tail, &text).purl();
        }
    }
}
