//! Which indexes pip would ask: by its own settings, of which nothing but addresses is read.

use std::env;
use std::fs;
use std::path::PathBuf;

/// Addresses in the order in which they are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) main: Option<String>,
    pub(crate) extra: Vec<String>,
}

impl Addresses {
    /// What the environment says wins over the user's file, and that over the machine's.
    pub(crate) fn read() -> Self {
        let mut found = Self {
            main: env::var("PIP_INDEX_URL").ok().filter(|text| is_plain(text)),
            extra: env::var("PIP_EXTRA_INDEX_URL").map(|text| addresses(&text)).unwrap_or_default(),
        };
        let home = env::home_dir();
        let at_home = |place: &str| home.as_ref().map(|home| home.join(place));
        let files = [
            env::var_os("PIP_CONFIG_FILE").map(PathBuf::from),
            env::var_os("VIRTUAL_ENV").map(|folder| PathBuf::from(folder).join("pip.conf")),
            at_home(".config/pip/pip.conf"),
            at_home(".pip/pip.conf"),
            Some(PathBuf::from("/etc/pip.conf")),
        ];
        for file in files.into_iter().flatten() {
            found.take_settings(&fs::read_to_string(file).unwrap_or_default());
        }
        found
    }

    /// What a `pip.conf` adds to what is known already.
    fn take_settings(&mut self, text: &str) {
        let mut section = "";
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']');
            } else if let Some((key, value)) = line.split_once(['=', ':'])
                && matches!(section, "global" | "install")
            {
                self.take(key.trim(), value.trim());
            }
        }
    }

    /// What a line of a requirements file adds, as in `--index-url https://…`: it wins over everything else.
    pub(crate) fn take_option(&mut self, line: &str) {
        let (option, value) =
            line.split_once(|sign: char| sign == '=' || sign.is_whitespace()).unwrap_or((line, ""));
        let value = value.trim().trim_start_matches('=').trim();
        match option {
            "-i" | "--index-url" | "--pypi-url" if is_plain(value) => self.main = Some(value.to_owned()),
            "--extra-index-url" => self.extra.extend(addresses(value)),
            _ => {}
        }
    }

    fn take(&mut self, key: &str, value: &str) {
        match key {
            "index-url" if self.main.is_none() && is_plain(value) => self.main = Some(value.to_owned()),
            "extra-index-url" if self.extra.is_empty() => self.extra = addresses(value),
            _ => {}
        }
    }
}

fn addresses(text: &str) -> Vec<String> {
    text.split_whitespace().filter(|text| is_plain(text)).map(str::to_owned).collect()
}

/// An address without a secret in it, nor a variable that may hold one.
fn is_plain(text: &str) -> bool {
    (text.starts_with("https://") || text.starts_with("http://"))
        && !text.contains('@')
        && !text.contains("${")
}

#[cfg(test)]
mod tests {
    use super::Addresses;

    #[test]
    fn only_addresses_are_read_and_the_nearer_file_wins() {
        let mut found = Addresses::default();
        found.take_settings("[global]\nindex-url = https://near.example/simple\n[search]\nindex = x\n");
        found.take_settings("[global]\nindex-url = https://far.example/simple\nextra-index-url: https://e.example/simple https://user:secret@f.example\n");
        assert_eq!(found.main.as_deref(), Some("https://near.example/simple"));
        assert_eq!(found.extra, ["https://e.example/simple"]);
        found.take_option("--index-url=https://own.example/simple");
        found.take_option("-i https://${TOKEN}@x.example");
        assert_eq!(found.main.as_deref(), Some("https://own.example/simple"));
    }
}
