//! From which registry a package comes. Advisories speak of an ecosystem's public one; a private one may have a package of
//! the same name that is another. A mirror serves the public packages under its own address, and no lockfile tells it from
//! a private registry. So no host is known here by name, and the rule is:
//!
//! - what a lockfile gets from one host alone is taken for public, whatever the host;
//! - where it names several, each is matched all the same, and those that fewer packages come from are said to be in doubt;
//! - what the settings call private, what `.npmrc` gets for a scope from a registry of its own, and what a `Cargo.lock`
//!   gets from another registry than crates.io is not matched, and is unresolved by name;
//! - what the settings call a mirror is public.

use std::borrow::Cow;
use std::collections::BTreeMap;

use patchline_inventory::Installed;
use patchline_inventory::Unresolved;
use patchline_inventory::lockfile::cargo::is_crates_io;
use patchline_inventory::lockfile::npmrc;
use patchline_model::scanning::Sources;

/// Whose lockfiles say for each package where it was fetched from.
const TELLING: [&str; 4] = ["npm", "PyPI", "RubyGems", "Pub"];

/// What advisories can say of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is of the ecosystem's registry, as far as anybody can tell.
    Registry,
    /// It is of a private one, at this host.
    Private(String),
    /// It is of none: a repository, a folder, an address.
    Elsewhere,
}

/// The hosts of one lockfile.
pub struct Origins<'a> {
    sources: &'a Sources,
    /// How many packages come from where; from an unnamed place, too.
    counts: BTreeMap<Option<String>, usize>,
    /// Where most come from.
    main: Option<String>,
    /// The hosts of scopes that have a registry of their own.
    scopes: BTreeMap<String, String>,
}

impl<'a> Origins<'a> {
    pub fn of(installed: &[Installed], npmrc: Option<&str>, sources: &'a Sources) -> Self {
        let mut counts: BTreeMap<Option<String>, usize> = BTreeMap::new();
        let hosts = installed.iter().filter(|one| one.registered && is_telling(one)).map(host_of);
        // Mostly one host follows upon itself, and is written down once.
        let mut last: Option<(Option<Cow<'_, str>>, usize)> = None;
        let mut count = |(host, times): (Option<Cow<'_, str>>, usize)| {
            *counts.entry(host.map(Cow::into_owned)).or_default() += times;
        };
        for host in hosts {
            match &mut last {
                Some((known, times)) if *known == host => *times += 1,
                _ => last.replace((host, 1)).into_iter().for_each(&mut count),
            }
        }
        last.into_iter().for_each(count);
        let most = counts.values().max().copied().unwrap_or(0);
        let main = counts.iter().find(|(_, count)| **count == most).and_then(|(host, _)| host.clone());
        let scopes = npmrc.map(npmrc::registries).unwrap_or_default();
        let scopes =
            scopes.into_iter().filter_map(|(scope, address)| Some((scope, host(&address)?.into_owned())));
        Self { sources, counts, main, scopes: scopes.collect() }
    }

    pub fn origin(&self, installed: &Installed) -> Origin {
        if !installed.registered {
            return match other_cargo_registry(installed) {
                Some(host) if self.sources.mirrors.contains(&host) => Origin::Registry,
                Some(host) => Origin::Private(host),
                None => Origin::Elsewhere,
            };
        }
        let is_plain = self.scopes.is_empty() && self.sources.private.is_empty();
        if is_plain || !is_telling(installed) {
            return Origin::Registry;
        }
        let from = host_of(installed).map(Cow::into_owned);
        let own = self
            .own_registry(&installed.package.name)
            .filter(|own| from.is_none() || from.as_ref() == Some(own));
        match own.or_else(|| from.filter(|host| self.sources.private.contains(host))) {
            Some(host) => Origin::Private(host),
            None => Origin::Registry,
        }
    }

    /// What is to be said of hosts that may be mirrors or private.
    pub fn doubts(&self, path: &str) -> Vec<Unresolved> {
        let known = |host: &String| {
            let all = [&self.sources.mirrors, &self.sources.private];
            all.iter().any(|hosts| hosts.contains(host)) || self.scopes.values().any(|own| own == host)
        };
        let others = self.counts.iter().filter(|(host, _)| **host != self.main);
        let named = others.filter_map(|(host, count)| Some((host.as_ref()?, count)));
        let doubts = named.filter(|(host, _)| !known(host)).map(|(host, count)| {
            let what = format!(
                "{count} packages come from `{host}` and others from elsewhere; they are matched as the public ones of \
                 their names; patchline.toml can name the host under `[scan]` as one of the `mirrors` or as `private`"
            );
            Unresolved::of(path, what)
        });
        doubts.collect()
    }

    /// The host from which the package's scope comes, where that is neither where all comes from nor a mirror.
    fn own_registry(&self, name: &str) -> Option<String> {
        let (scope, _) = name.split_once('/')?;
        let own = self.scopes.get(scope)?;
        let is_main = self.main.as_ref() == Some(own);
        (!is_main && !self.sources.mirrors.contains(own)).then(|| own.clone())
    }
}

fn is_telling(installed: &Installed) -> bool {
    TELLING.contains(&installed.package.ecosystem.0.as_str())
}

fn host_of(installed: &Installed) -> Option<Cow<'_, str>> {
    installed.source.as_deref().and_then(host)
}

/// The registry's host for a crate that is of one, but not of crates.io.
fn other_cargo_registry(installed: &Installed) -> Option<String> {
    let source = installed.source.as_deref().filter(|_| installed.package.ecosystem.0 == "crates.io")?;
    let is_registry = source.starts_with("registry+") || source.starts_with("sparse+");
    // What is replaced is of crates.io, and not in use.
    (is_registry && !is_crates_io(source))
        .then(|| host(source).map_or_else(|| source.to_owned(), Cow::into_owned))
}

/// The host of the first address in what a lockfile says of a source. Yarn writes addresses encoded.
fn host(source: &str) -> Option<Cow<'_, str>> {
    if source.contains('%') {
        let plain = source.replace("%3A", ":").replace("%2F", "/");
        return plain_host(&plain).map(|host| Cow::Owned(host.to_ascii_lowercase()));
    }
    let host = plain_host(source)?;
    Some(match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(host.to_ascii_lowercase()),
        false => Cow::Borrowed(host),
    })
}

fn plain_host(source: &str) -> Option<&str> {
    let (_, rest) = source.split_once("://")?;
    let end = rest.find(|sign: char| matches!(sign, '/' | '?' | '#' | ',') || sign.is_whitespace());
    let authority = &rest[..end.unwrap_or(rest.len())];
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::host;

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = host(&text);
            let _ = host(&format!("a://{text}@{text}"));
        }
    }

    #[test]
    fn the_host_is_what_an_address_is_of() {
        let check = |given: &str, then: Option<&str>| assert_eq!(host(given).as_deref(), then, "{given}");
        check("https://npm.invalid/a/-/a-1.tgz#01", Some("npm.invalid"));
        check("https://user:secret@NPM.invalid:4873/a", Some("npm.invalid:4873"));
        check("sparse+https://crates.invalid/index/", Some("crates.invalid"));
        check("type legacy, url https://pypi.invalid/simple, reference x", Some("pypi.invalid"));
        check("npm:1.0.0::__archiveUrl=https%3A%2F%2Fnpm.invalid%2Fa", Some("npm.invalid"));
        check("hosted", None);
        check("https://", None);
    }
}
