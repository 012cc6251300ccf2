//! `init`: a `patchline.toml` to begin with.

use std::fs::OpenOptions;
use std::io::Write as _;

use serde::Deserialize;

use crate::cli::InitArguments;
use crate::exit::{Exit, Trouble};
use crate::settings::FILE;
use crate::terminal::say;

const TEMPLATE: &str = include_str!("init/template.toml");

#[derive(Deserialize)]
struct Manifest {
    package: Option<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

/// Writes the file; never over one that is there.
pub fn run(arguments: &InitArguments) -> Result<Exit, Trouble> {
    let path = arguments.path.join(FILE);
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Trouble::new(Exit::Refused, format!("{} is there already", path.display()))
                .hint("edit it, or remove it first")
        }
        std::io::ErrorKind::NotFound => {
            Trouble::input(format!("{} is not a folder", arguments.path.display()))
        }
        _ => Trouble::storage(format!("could not write {}: {error}", path.display())),
    };
    let name = package_name(arguments)?;
    let text =
        TEMPLATE.replace("SERVICE", crate::settings::plain_name(&name).as_str()).replace("BINARY", &name);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    say(&format!("wrote {}", path.display()));
    say("next: look through it, commit it, then `patchline fix` makes and proves a fix");
    Ok(Exit::Done)
}

fn package_name(arguments: &InitArguments) -> Result<String, Trouble> {
    let manifest = arguments.path.join("Cargo.toml");
    if !manifest.exists() {
        let folder = arguments.path.canonicalize().ok();
        let name = folder
            .as_deref()
            .and_then(|path| path.file_name())
            .map(|name| name.to_string_lossy().into_owned());
        return Ok(name.unwrap_or_else(|| "service".to_owned()));
    }
    let text = crate::settings::text::read(&manifest)?;
    let read: Manifest = toml::from_str(&text).map_err(|error| {
        Trouble::input(format!("could not read {}: {}", manifest.display(), error.message()))
    })?;
    Ok(read.package.map_or_else(|| "service".to_owned(), |package| package.name))
}
