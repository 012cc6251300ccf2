//! Purls of distributions' packages: the release stands in the qualifier `distro`, as in
//! `pkg:deb/debian/openssl@3.0.11-1?distro=debian-12` (<https://github.com/package-url/purl-spec>, types `deb`, `apk`, `rpm`).

/// Purl type and namespace, and what the advisories call the distribution.
const DISTRIBUTIONS: [(&str, &str, &str); 7] = [
    ("deb", "debian", "Debian"),
    ("deb", "ubuntu", "Ubuntu"),
    ("apk", "alpine", "Alpine"),
    ("apk", "wolfi", "Wolfi"),
    ("apk", "chainguard", "Chainguard"),
    ("rpm", "rocky", "Rocky Linux"),
    ("rpm", "almalinux", "AlmaLinux"),
];

/// Type, namespace and `distro` of an ecosystem with its release, as in `Debian:12`.
pub(super) fn written(ecosystem: &str) -> Option<(&'static str, &'static str, Option<String>)> {
    let (name, release) = ecosystem.split_once(':').unwrap_or((ecosystem, ""));
    let (kind, namespace, _) = DISTRIBUTIONS.iter().find(|(_, _, known)| *known == name)?;
    let release = release.strip_suffix(":LTS").unwrap_or(release);
    let release = release.strip_prefix('v').unwrap_or(release);
    // What a release is called beyond its number, as with `Pro`, a purl has no word for.
    let plain = release.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let distro = (!release.is_empty()).then(|| format!("{namespace}-{release}"));
    plain.then_some((*kind, *namespace, distro))
}

/// The ecosystem with its release; none where the purl leaves the release out, or the distribution is not known.
pub(super) fn read(kind: &str, namespace: &str, distro: Option<&str>) -> Option<String> {
    let known = DISTRIBUTIONS.iter().find(|one| (one.0, one.1) == (kind, namespace));
    let (_, _, name) = known?;
    if matches!(*name, "Wolfi" | "Chainguard") {
        return Some((*name).to_owned());
    }
    let release = distro?.strip_prefix(namespace)?.strip_prefix('-')?;
    let numbers: Vec<u32> = release.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    match (*name, numbers.as_slice()) {
        ("Alpine", [major, minor, ..]) => Some(format!("Alpine:v{major}.{minor}")),
        // Every second April's release is supported for long.
        ("Ubuntu", [year, 4, ..]) if year % 2 == 0 => Some(format!("Ubuntu:{year}.04:LTS")),
        ("Ubuntu", [year, month, ..]) => Some(format!("Ubuntu:{year}.{month:02}")),
        ("Alpine" | "Ubuntu", _) | (_, []) => None,
        (name, [major, ..]) => Some(format!("{name}:{major}")),
    }
}

/// What a binary package was built from, where the qualifier `upstream` says so: name, and version if it is another one.
pub(super) fn upstream(qualifier: &str) -> Option<(&str, Option<&str>)> {
    let (name, version) = match qualifier.split_once('@') {
        Some((name, version)) => (name, Some(version).filter(|version| !version.is_empty())),
        None => (qualifier, None),
    };
    // Of rpm it is the name of a file.
    (!name.is_empty() && !name.ends_with(".rpm")).then_some((name, version))
}
