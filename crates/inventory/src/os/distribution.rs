//! From an `os-release` to the ecosystem that advisories file its packages under. The names are those of
//! <https://github.com/ossf/osv-schema/blob/main/ecosystems.json>, the releases as the databases themselves write them.
//! A distribution that has no ecosystem is not one of those that it is like: `ID_LIKE` is never read.

use patchline_model::package::Ecosystem;

use crate::detector::ecosystem;
use crate::os::release::Release;

/// A distribution that advisories speak of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    pub ecosystem: Ecosystem,
    /// Where else its advisories are filed: the streams, modules and support phases of one release.
    pub also: Vec<Ecosystem>,
    pub format: Format,
    pub names: Names,
}

/// How a distribution's packages are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Dpkg,
    Apk,
    Rpm,
}

/// By which name advisories speak of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// By what it was built from.
    Source,
    /// By its own, and by what it was built from where a database has that as well: the schema and the records of one
    /// ecosystem don't always agree.
    Binary,
}

/// The modules of SUSE Linux Enterprise that ship most of what a server has. Advisories are filed by module, and which
/// ones are enabled doesn't follow from `os-release`; a package of one service pack has one line of versions in all.
const SUSE_MODULES: [&str; 8] = [
    "Basesystem",
    "Server Applications",
    "Development Tools",
    "Web and Scripting",
    "Desktop Applications",
    "Containers",
    "Legacy",
    "Python 3",
];

impl Distribution {
    /// Which one this is, or why that can't be said.
    pub fn of(release: &Release) -> Result<Self, String> {
        let version = release.get("VERSION_ID");
        let is_plain =
            |text: &str| text.len() <= 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.'));
        let major = version.split('.').next().unwrap_or_default();
        let stated = |name: &str, part: &str| match is_plain(part) && !part.is_empty() {
            true => Ok(format!("{name}:{part}")),
            false => Err(format!("{} says no release that advisories are filed under", release.title())),
        };
        let (format, names, name) = match release.get("ID") {
            "debian" => (Format::Dpkg, Names::Source, stated("Debian", version)?),
            "ubuntu" => (Format::Dpkg, Names::Source, ubuntu(release, stated("Ubuntu", version)?)),
            "echo" => (Format::Dpkg, Names::Source, "Echo".to_owned()),
            "alpine" => (Format::Apk, Names::Source, alpine(release, version)?),
            "wolfi" => (Format::Apk, Names::Binary, "Wolfi".to_owned()),
            "chainguard" => (Format::Apk, Names::Binary, "Chainguard".to_owned()),
            "minimos" => (Format::Apk, Names::Binary, "MinimOS".to_owned()),
            "alpaquita" => (Format::Apk, Names::Source, bellsoft("Alpaquita", release)?),
            "bellsoft-hardened-containers" => {
                (Format::Apk, Names::Source, bellsoft("BellSoft Hardened Containers", release)?)
            }
            "rhel" => (Format::Rpm, Names::Binary, red_hat(release)?),
            "almalinux" => (Format::Rpm, Names::Binary, stated("AlmaLinux", major)?),
            "rocky" => (Format::Rpm, Names::Source, stated("Rocky Linux", major)?),
            "sles" | "sled" | "sles_sap" => (Format::Rpm, Names::Source, product("SUSE", release)?),
            "opensuse-leap" | "opensuse-tumbleweed" => {
                (Format::Rpm, Names::Source, product("openSUSE", release)?)
            }
            "openEuler" => (Format::Rpm, Names::Source, open_euler(release)?),
            "mageia" => (Format::Rpm, Names::Source, stated("Mageia", version)?),
            "azurelinux" | "mariner" => (Format::Rpm, Names::Source, stated("Azure Linux", major)?),
            "photon" => (Format::Rpm, Names::Binary, stated("Photon OS", version)?),
            _ => return Err(format!("advisories have no ecosystem for {}", release.title())),
        };
        let also = also(&name).into_iter().map(Ecosystem).collect();
        Ok(Self { ecosystem: ecosystem(&name), also, format, names })
    }

    /// The ecosystem of a package at this version. Only the archives of Ubuntu Pro have versions with `esm`.
    pub fn ecosystem_of(&self, version: &str) -> Ecosystem {
        match self.ecosystem.0.strip_prefix("Ubuntu:") {
            Some(release) if version.contains("esm") => ecosystem(&format!("Ubuntu:Pro:{release}")),
            Some(_) | None => self.ecosystem.clone(),
        }
    }
}

fn also(name: &str) -> Vec<String> {
    if let Some(stream) = name.strip_prefix("Red Hat:enterprise_linux:") {
        let release = stream.split(':').next().unwrap_or_default();
        let streams = ["baseos", "appstream", "crb"];
        let names = streams.map(|stream| format!("Red Hat:enterprise_linux:{release}::{stream}"));
        return names.into_iter().filter(|stream| stream != name).collect();
    }
    if let Some(release) = name.strip_prefix("SUSE:Linux Enterprise ") {
        // `Server 15 SP5`, `Server for SAP Applications 15 SP5`
        let pack = release.find(" 15").map_or("", |at| &release[at..]);
        let modules = SUSE_MODULES.iter().filter(|_| !pack.is_empty());
        let modules = modules.map(|module| format!("SUSE:Linux Enterprise Module for {module}{pack}"));
        return [format!("{name}-LTSS")].into_iter().chain(modules).collect();
    }
    match name.starts_with("openSUSE:Leap ") {
        true => vec![format!("{name} NonFree")],
        false => Vec::new(),
    }
}

fn ubuntu(release: &Release, name: String) -> String {
    if release.get("VERSION").contains("LTS") { format!("{name}:LTS") } else { name }
}

/// `3.20.3` is of the branch `v3.20`; a snapshot of the next one, as in `3.21_alpha20240807`, of none.
fn alpine(release: &Release, version: &str) -> Result<String, String> {
    let parts: Vec<&str> = version.split('.').collect();
    let is_number =
        |part: &&str| !part.is_empty() && part.len() < 6 && part.bytes().all(|byte| byte.is_ascii_digit());
    match parts.as_slice() {
        [major, minor, ..] if parts.iter().all(is_number) => Ok(format!("Alpine:v{major}.{minor}")),
        _ => Err(format!("{} is of no branch that advisories are filed under", release.title())),
    }
}

fn bellsoft(name: &str, release: &Release) -> Result<String, String> {
    let version = release.get("VERSION_ID");
    let is_plain = version.len() <= 20 && version.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match is_plain && !version.is_empty() {
        true => Ok(format!("{name}:{version}")),
        false => Err(format!("{} says no release that advisories are filed under", release.title())),
    }
}

/// `cpe:/o:redhat:enterprise_linux:9::baseos`, without what stands before the product.
fn red_hat(release: &Release) -> Result<String, String> {
    let cpe = release.get("CPE_NAME");
    let stream = cpe.split_once(":redhat:").map(|(_, stream)| stream);
    match stream.filter(|stream| stream.len() <= 100 && stream.contains(':')) {
        Some(stream) if stream.ends_with("::baseos") => Ok(format!("Red Hat:{stream}")),
        // Before 8 the operating system is one stream: `enterprise_linux:7.9:GA:server`.
        Some(_) => {
            let major = release.get("VERSION_ID").split('.').next().unwrap_or_default();
            match major.parse::<u8>() {
                Ok(major @ 8..) => Ok(format!("Red Hat:enterprise_linux:{major}::baseos")),
                Ok(major) => Ok(format!("Red Hat:enterprise_linux:{major}::server")),
                Err(_) => Err(format!("{} says no release", release.title())),
            }
        }
        None => Err(format!("{} has no `CPE_NAME`, by which advisories are filed", release.title())),
    }
}

/// SUSE files advisories under `PRETTY_NAME`, the vendor's name apart.
fn product(vendor: &str, release: &Release) -> Result<String, String> {
    let title = release.get("PRETTY_NAME").strip_prefix(vendor).and_then(|title| title.strip_prefix(' '));
    let title = title.map(str::trim).filter(|title| !title.is_empty() && title.len() <= 100);
    match title {
        Some(title) => Ok(format!("{vendor}:{title}")),
        None => Err(format!("its `PRETTY_NAME` is none of {vendor}")),
    }
}

/// `openEuler 22.03 (LTS-SP3)` is `22.03-LTS-SP3`.
fn open_euler(release: &Release) -> Result<String, String> {
    let title = release.title();
    let words: Option<(&str, &str)> = title
        .strip_prefix("openEuler ")
        .and_then(|rest| rest.split_once(' '))
        .and_then(|(version, phase)| Some((version, phase.strip_prefix('(')?.strip_suffix(')')?)));
    match words {
        Some((version, phase)) if phase.starts_with("LTS") => {
            Ok(format!("openEuler:{version}-{}", phase.replace(' ', "-")))
        }
        Some(_) | None => {
            Err(format!("{title} is no release with long support, and no other has advisories"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Distribution;
    use crate::os::release::Release;

    #[track_caller]
    fn check(given: &str, then: &str) {
        let found = Distribution::of(&Release::of(given));
        let said = found.map_or_else(|why| format!("unresolved: {why}"), |one| one.ecosystem.0);
        assert_eq!(said, then, "{given}");
    }

    #[test]
    fn a_release_is_named_as_its_advisories_name_it() {
        check("ID=debian\nVERSION_ID=\"12\"", "Debian:12");
        check(
            "ID=ubuntu\nVERSION_ID=\"22.04\"\nVERSION=\"22.04.4 LTS (Jammy Jellyfish)\"",
            "Ubuntu:22.04:LTS",
        );
        check("ID=ubuntu\nVERSION_ID=\"23.10\"\nVERSION=\"23.10 (Mantic Minotaur)\"", "Ubuntu:23.10");
        check("ID=alpine\nVERSION_ID=3.20.3", "Alpine:v3.20");
        check("ID=wolfi\nVERSION_ID=\"20230201\"", "Wolfi");
        check("ID=chainguard\nVERSION_ID=\"20230214\"", "Chainguard");
        check("ID=alpaquita\nVERSION_ID=stream", "Alpaquita:stream");
        check(
            "ID=\"rhel\"\nVERSION_ID=\"9.4\"\nCPE_NAME=\"cpe:/o:redhat:enterprise_linux:9::baseos\"",
            "Red Hat:enterprise_linux:9::baseos",
        );
        check(
            "ID=\"rhel\"\nVERSION_ID=\"7.9\"\nCPE_NAME=\"cpe:/o:redhat:enterprise_linux:7.9:GA:server\"",
            "Red Hat:enterprise_linux:7::server",
        );
        check("ID=\"almalinux\"\nVERSION_ID=\"9.4\"", "AlmaLinux:9");
        check("ID=\"rocky\"\nVERSION_ID=\"9.4\"", "Rocky Linux:9");
        check(
            "ID=\"sles\"\nVERSION_ID=\"15.5\"\nPRETTY_NAME=\"SUSE Linux Enterprise Server 15 SP5\"",
            "SUSE:Linux Enterprise Server 15 SP5",
        );
        check("ID=\"opensuse-leap\"\nPRETTY_NAME=\"openSUSE Leap 15.6\"", "openSUSE:Leap 15.6");
        check("ID=\"opensuse-tumbleweed\"\nPRETTY_NAME=\"openSUSE Tumbleweed\"", "openSUSE:Tumbleweed");
        check("ID=\"openEuler\"\nPRETTY_NAME=\"openEuler 22.03 (LTS-SP3)\"", "openEuler:22.03-LTS-SP3");
        check("ID=\"openEuler\"\nPRETTY_NAME=\"openEuler 24.03 (LTS)\"", "openEuler:24.03-LTS");
        check("ID=mageia\nVERSION_ID=9", "Mageia:9");
        check("ID=azurelinux\nVERSION_ID=\"3.0\"", "Azure Linux:3");
        check("ID=mariner\nVERSION_ID=\"2.0\"", "Azure Linux:2");
        check("ID=photon\nVERSION_ID=4.0", "Photon OS:4.0");
    }

    #[test]
    fn what_has_no_ecosystem_or_no_release_is_never_guessed() {
        check("", "unresolved: advisories have no ecosystem for an unnamed distribution");
        check(
            "ID=kali\nID_LIKE=debian\nPRETTY_NAME=\"Kali GNU/Linux Rolling\"",
            "unresolved: advisories have no ecosystem for Kali GNU/Linux Rolling",
        );
        check(
            "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux trixie/sid\"",
            "unresolved: Debian GNU/Linux trixie/sid says no release that advisories are filed under",
        );
        check(
            "ID=alpine\nVERSION_ID=3.21.0_alpha20240807\nPRETTY_NAME=\"Alpine Linux edge\"",
            "unresolved: Alpine Linux edge is of no branch that advisories are filed under",
        );
        check("ID=fedora\nVERSION_ID=40", "unresolved: advisories have no ecosystem for fedora");
        check("ID=rhel\nVERSION_ID=9", "unresolved: rhel has no `CPE_NAME`, by which advisories are filed");
        check(
            "ID=\"openEuler\"\nPRETTY_NAME=\"openEuler 23.09\"",
            "unresolved: openEuler 23.09 is no release with long support, and no other has advisories",
        );
    }

    #[test]
    fn the_streams_and_modules_of_a_release_are_asked_as_well() {
        let of = |text: &str| Distribution::of(&Release::of(text)).expect("a distribution");
        let rhel = of("ID=rhel\nVERSION_ID=9.4\nCPE_NAME=cpe:/o:redhat:enterprise_linux:9::baseos");
        let names: Vec<&str> = rhel.also.iter().map(|one| one.0.as_str()).collect();
        assert_eq!(names, ["Red Hat:enterprise_linux:9::appstream", "Red Hat:enterprise_linux:9::crb"]);
        let suse = of("ID=sles\nPRETTY_NAME=\"SUSE Linux Enterprise Server 15 SP5\"");
        assert_eq!(suse.also[0].0, "SUSE:Linux Enterprise Server 15 SP5-LTSS");
        assert_eq!(suse.also[1].0, "SUSE:Linux Enterprise Module for Basesystem 15 SP5");
        let ubuntu = of("ID=ubuntu\nVERSION_ID=18.04\nVERSION=\"18.04.6 LTS (Bionic Beaver)\"");
        assert_eq!(ubuntu.ecosystem_of("1.1.1-1ubuntu2.1~18.04.23+esm4").0, "Ubuntu:Pro:18.04:LTS");
        assert_eq!(ubuntu.ecosystem_of("1.1.1-1ubuntu2").0, "Ubuntu:18.04:LTS");
    }
}
