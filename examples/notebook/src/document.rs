//! The body of a request as one YAML document.

use std::str;

use yaml_rust::{Yaml, YamlLoader};

pub fn read(body: &[u8]) -> Result<Yaml, String> {
    let text = str::from_utf8(body).map_err(|cause| format!("the body is not UTF-8: {cause}"))?;
    let mut documents =
        YamlLoader::load_from_str(text).map_err(|cause| format!("the body is not YAML: {cause}"))?;
    match (documents.pop(), documents.len()) {
        (Some(document), 0) if !document.is_badvalue() => Ok(document),
        _ => Err("the body must hold one YAML document".to_owned()),
    }
}
