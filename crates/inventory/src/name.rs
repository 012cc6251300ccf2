//! One spelling for each package name: registries take several for the same package.

use std::borrow::Cow;

use patchline_model::package::Ecosystem;

/// The name by which advisories and lockfiles meet; two names of one ecosystem that are the same package to its registry
/// give the same one.
///
/// PyPI: [PEP 503](https://peps.python.org/pep-0503/#normalized-names). NuGet, Packagist and GitHub Actions take upper and
/// lower case for one. A Swift package is its repository's address, without scheme, case and `.git`. All others mean names
/// to the letter, crates.io too: there `a-b` and `a_b` can't both exist, but lockfiles have the true spelling.
pub fn normal<'a>(ecosystem: &Ecosystem, name: &'a str) -> Cow<'a, str> {
    normal_in(&ecosystem.0, name)
}

/// As `normal`, for an ecosystem's name at hand.
pub fn normal_in<'a>(ecosystem: &str, name: &'a str) -> Cow<'a, str> {
    match ecosystem.split(':').next().unwrap_or_default() {
        "PyPI" => python(name),
        "NuGet" | "Packagist" | "GitHub Actions" => lower(name),
        "SwiftURL" => swift(name),
        _ => Cow::Borrowed(name),
    }
}

/// In lower case.
pub fn lower(name: &str) -> Cow<'_, str> {
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    }
}

/// Lower case, and one hyphen for each run of hyphens, underscores and dots.
fn python(name: &str) -> Cow<'_, str> {
    let separates = |sign: char| matches!(sign, '-' | '_' | '.');
    let normal = !name.contains("--")
        && !name.contains(|sign: char| sign.is_ascii_uppercase() || matches!(sign, '_' | '.'));
    if normal {
        return Cow::Borrowed(name);
    }
    let mut spelled = String::with_capacity(name.len());
    for sign in name.chars() {
        match separates(sign) {
            true if spelled.ends_with('-') => {}
            true => spelled.push('-'),
            false => spelled.push(sign.to_ascii_lowercase()),
        }
    }
    Cow::Owned(spelled)
}

fn swift(name: &str) -> Cow<'_, str> {
    let address = name.split_once("://").map_or(name, |(_, address)| address);
    let address = address.strip_suffix('/').unwrap_or(address);
    lower(address.strip_suffix(".git").unwrap_or(address))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use patchline_model::package::Ecosystem;
    use proptest::prelude::proptest;

    use super::normal;

    fn check(ecosystem: &str, given: &str, then: &str) {
        assert_eq!(normal(&Ecosystem(ecosystem.to_owned()), given), then, "{given} of {ecosystem}");
    }

    #[test]
    fn spellings_of_one_package_are_one_name() {
        for name in ["friendly-bard", "Friendly-Bard", "FRIENDLY-BARD", "friendly.bard", "friendly_bard"] {
            check("PyPI", name, "friendly-bard");
        }
        check("PyPI", "FrIeNdLy-._.-bArD", "friendly-bard");
        check("NuGet", "Newtonsoft.Json", "newtonsoft.json");
        check("Packagist", "Symfony/HTTP-Kernel", "symfony/http-kernel");
        check("GitHub Actions", "Actions/Checkout", "actions/checkout");
        for name in ["https://github.com/apple/swift-nio.git", "github.com/Apple/swift-nio/"] {
            check("SwiftURL", name, "github.com/apple/swift-nio");
        }
    }

    #[test]
    fn other_names_are_meant_to_the_letter() {
        for ecosystem in ["crates.io", "npm", "Go", "Maven", "RubyGems", "Debian:12", "unheard of"] {
            check(ecosystem, "Some_Name.x--y", "Some_Name.x--y");
        }
    }

    #[test]
    fn a_normal_name_is_not_copied() {
        for (ecosystem, name) in [("PyPI", "friendly-bard"), ("NuGet", "a.b"), ("npm", "A")] {
            assert!(matches!(normal(&Ecosystem(ecosystem.to_owned()), name), Cow::Borrowed(_)), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_normal_name_is_its_own(name in ".{0,20}") {
            for ecosystem in ["PyPI", "NuGet", "Packagist", "npm"] {
                let ecosystem = Ecosystem(ecosystem.to_owned());
                let once = normal(&ecosystem, &name).into_owned();
                assert_eq!(normal(&ecosystem, &once), once);
            }
        }
    }
}
