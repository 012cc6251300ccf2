//! How the outside is reached, by the user's own `gradle.properties`: of it nothing but the addresses of proxies is shown to
//! Gradle, so no password and no other setting.

use std::env;
use std::fs;
use std::path::PathBuf;

/// Most bytes of the file that are looked at.
const LARGEST: u64 = 1 << 20;

const PROXIES: [&str; 6] = [
    "systemProp.http.proxyHost",
    "systemProp.http.proxyPort",
    "systemProp.http.nonProxyHosts",
    "systemProp.https.proxyHost",
    "systemProp.https.proxyPort",
    "systemProp.https.nonProxyHosts",
];

/// The user's settings file.
pub(crate) fn users_own() -> Option<PathBuf> {
    let home = env::var_os("GRADLE_USER_HOME").map(PathBuf::from);
    Some(home.or_else(|| Some(env::home_dir()?.join(".gradle")))?.join("gradle.properties"))
}

/// Arguments that name the proxies of this file; of a file that is not there, none.
pub(crate) fn proxies(file: Option<&PathBuf>) -> Vec<String> {
    let file = file.filter(|file| fs::metadata(file).is_ok_and(|about| about.len() <= LARGEST));
    let text = file.and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    of(&text)
}

fn of(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        let (name, value) = (name.trim(), value.trim());
        if PROXIES.contains(&name) && !value.is_empty() && !value.contains('@') {
            found.push(format!("-D{}={value}", name.trim_start_matches("systemProp.")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn nothing_but_proxies_is_taken() {
        let text = "token=secret\nsystemProp.https.proxyHost = p.example\nsystemProp.https.proxyPort=80\nsystemProp.https.proxyPassword=secret\norg.gradle.jvmargs=-javaagent:x";
        assert_eq!(of(text), ["-Dhttps.proxyHost=p.example", "-Dhttps.proxyPort=80"]);
    }
}
