//! Where artifacts come from, by the user's own settings (<https://maven.apache.org/settings.html>): of these nothing but
//! addresses is shown to Maven, so no password and no code.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use patchline_inventory::text::xml::{child, child_text, xml};
use roxmltree::Node;

/// Addresses that a settings file names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Identifier, what it takes the place of, address.
    mirrors: Vec<[String; 3]>,
    /// Of the profiles that are always on: identifier and address.
    repositories: Vec<[String; 2]>,
    plugin_repositories: Vec<[String; 2]>,
    /// Protocol, host, port, and hosts that are asked without it.
    proxies: Vec<[String; 4]>,
}

/// The user's settings file.
pub(crate) fn users_own() -> Option<PathBuf> {
    Some(env::home_dir()?.join(".m2/settings.xml"))
}

impl Settings {
    /// Of this file; a file that is not there says nothing.
    pub(crate) fn read(file: Option<&PathBuf>) -> Result<Self, String> {
        let Some(text) = file.and_then(|file| fs::read_to_string(file).ok()) else {
            return Ok(Self::default());
        };
        Self::of(&text)
    }

    fn of(text: &str) -> Result<Self, String> {
        let document = xml(text).map_err(|broken| format!("line {}: {}", broken.line, broken.what))?;
        let settings = document.root_element();
        let mut found = Self::default();
        for mirror in listed(&settings, "mirrors") {
            found
                .mirrors
                .extend(fields(&mirror, ["id", "mirrorOf", "url"]).filter(|[_, _, url]| is_open(url)));
        }
        let active: BTreeSet<&str> =
            listed(&settings, "activeProfiles").filter_map(|one| Some(one.text()?.trim())).collect();
        for profile in listed(&settings, "profiles") {
            let by_default = child(&profile, "activation").and_then(|on| child_text(&on, "activeByDefault"));
            let is_named = child_text(&profile, "id").is_some_and(|id| active.contains(id));
            if !is_named && by_default != Some("true") {
                continue;
            }
            let of = |list: &str| {
                let all = listed(&profile, list).filter_map(|one| fields(&one, ["id", "url"]));
                all.filter(|[_, url]| is_open(url)).collect::<Vec<_>>()
            };
            found.repositories.extend(of("repositories"));
            found.plugin_repositories.extend(of("pluginRepositories"));
        }
        for proxy in listed(&settings, "proxies") {
            if child_text(&proxy, "active") == Some("false") || child(&proxy, "username").is_some() {
                continue;
            }
            let of = |name: &str| child_text(&proxy, name).unwrap_or_default().to_owned();
            let protocol = child_text(&proxy, "protocol").unwrap_or("http").to_owned();
            found.proxies.push([protocol, of("host"), of("port"), of("nonProxyHosts")]);
        }
        Ok(found)
    }

    /// Folders that repositories lie in.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        let mirrors = self.mirrors.iter().map(|[_, _, url]| url);
        let others = self.repositories.iter().chain(&self.plugin_repositories).map(|[_, url]| url);
        let folders = mirrors.chain(others).filter_map(|url| url.strip_prefix("file:"));
        folders.map(|path| PathBuf::from(format!("/{}", path.trim_start_matches('/')))).collect()
    }

    /// A settings file with these addresses and nothing else.
    pub(crate) fn written(&self) -> String {
        let mut text = "<settings>\n<mirrors>\n".to_owned();
        for [id, of, url] in &self.mirrors {
            element(&mut text, "mirror", &[("id", id), ("mirrorOf", of), ("url", url)]);
        }
        text.push_str("</mirrors>\n<proxies>\n");
        for (index, [protocol, host, port, without]) in self.proxies.iter().enumerate() {
            let id = format!("proxy-{index}");
            let parts = [
                ("id", id.as_str()),
                ("protocol", protocol),
                ("host", host),
                ("port", port),
                ("nonProxyHosts", without),
            ];
            element(&mut text, "proxy", &parts);
        }
        text.push_str("</proxies>\n<profiles><profile><id>patchline</id>\n<repositories>\n");
        for [id, url] in &self.repositories {
            element(&mut text, "repository", &[("id", id), ("url", url)]);
        }
        text.push_str("</repositories>\n<pluginRepositories>\n");
        for [id, url] in &self.plugin_repositories {
            element(&mut text, "pluginRepository", &[("id", id), ("url", url)]);
        }
        text.push_str("</pluginRepositories>\n</profile></profiles>\n");
        text.push_str(
            "<activeProfiles><activeProfile>patchline</activeProfile></activeProfiles>\n</settings>\n",
        );
        text
    }
}

/// An element with these inside, whatever they hold.
pub(crate) fn element(text: &mut String, name: &str, parts: &[(&str, &str)]) {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let inner: String = parts.iter().fold(String::new(), |mut inner, (part, value)| {
        write!(inner, "<{part}>{}</{part}>", escaped(value)).expect("a string takes all");
        inner
    });
    writeln!(text, "<{name}>{inner}</{name}>").expect("a string takes all");
}

fn listed<'a, 'input>(above: &Node<'a, 'input>, name: &str) -> impl Iterator<Item = Node<'a, 'input>> {
    let list = child(above, name);
    list.into_iter().flat_map(|list| list.children().filter(Node::is_element))
}

fn fields<const N: usize>(element: &Node<'_, '_>, names: [&str; N]) -> Option<[String; N]> {
    let found = names.map(|name| child_text(element, name).map(str::to_owned));
    found.iter().all(Option::is_some).then(|| found.map(Option::unwrap_or_default))
}

/// An address without a password and without what only the user's own environment holds.
fn is_open(url: &str) -> bool {
    !url.contains('@') && !url.contains("${")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::Settings;

    #[test]
    fn nothing_but_addresses_is_taken() {
        let text = "<settings><servers><server><id>m</id><password>secret</password></server></servers>
            <mirrors><mirror><id>m</id><mirrorOf>*</mirrorOf><url>https://m.example/?a&amp;b</url></mirror>
              <mirror><id>n</id><mirrorOf>*</mirrorOf><url>https://me:secret@m.example</url></mirror></mirrors>
            <proxies><proxy><host>p.example</host><port>80</port></proxy><proxy><host>q.example</host><username>u</username></proxy></proxies>
            <profiles><profile><id>on</id><properties><token>secret</token></properties><repositories><repository><id>r</id>
              <url>file:///srv/r</url></repository></repositories></profile>
              <profile><id>off</id><repositories><repository><id>s</id><url>https://s.example</url></repository></repositories></profile></profiles>
            <activeProfiles><activeProfile>on</activeProfile></activeProfiles></settings>";
        let settings = Settings::of(text).unwrap();
        let written = settings.written();
        let has = |part: &str| written.contains(part);
        assert!(has("https://m.example/?a&amp;b") && has("p.example") && has("file:///srv/r"), "{written}");
        assert!(!has("secret") && !has("q.example") && !has("s.example"), "{written}");
        assert_eq!(settings.folders(), [std::path::PathBuf::from("/srv/r")]);
        assert_eq!(Settings::of(&written), Ok(settings));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(<settings>|</settings>|<mirrors>|</mirrors>|<profiles>|<id>|</id>|x|&lt;){0,20}") {
            if let Ok(settings) = Settings::of(&text) {
                settings.folders();
            }
        }
    }
}
