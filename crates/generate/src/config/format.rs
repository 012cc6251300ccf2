//! The formats in which a single value can be changed: by the file's name, with a reader and a way of writing for each.

use std::ops::Range;

use patchline_inventory::text::json::json;
use patchline_inventory::text::value::Value;
use patchline_inventory::text::yaml::yaml;

use crate::config::path::Step;
use crate::config::{hcl, properties, token, toml};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Yaml,
    Toml,
    /// Terraform's, and that of other tools of its makers.
    Hcl,
    /// Java's.
    Properties,
}

impl Format {
    pub(crate) fn of(file: &str) -> Option<Self> {
        let (_, ending) = file.rsplit_once('.')?;
        match ending {
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            "toml" => Some(Self::Toml),
            "tf" | "tfvars" | "hcl" => Some(Self::Hcl),
            "properties" => Some(Self::Properties),
            _ => None,
        }
    }

    pub(crate) fn read<'t>(self, text: &'t str) -> Result<Value<'t>, String> {
        match self {
            Self::Json => json(text).map_err(|broken| broken.to_string()),
            Self::Yaml => yaml(text).map_err(|broken| broken.to_string()),
            Self::Toml => toml::read(text),
            Self::Hcl => hcl::read(text),
            Self::Properties => properties::read(text),
        }
    }

    /// The bytes of a single value.
    pub(crate) fn range(self, text: &str, value: &Value<'_>) -> Result<Range<usize>, String> {
        match self {
            Self::Json | Self::Yaml => token::range(text, value),
            Self::Toml => toml::range(text, value),
            Self::Hcl => hcl::range(text, value),
            Self::Properties => Ok(properties::range(text, value)),
        }
    }

    /// Another value in the place of what is written, of the same type and written in the same way.
    pub(crate) fn rewritten(self, old: &str, new: &str) -> Result<String, String> {
        if new.contains(|sign: char| sign.is_control()) {
            return Err("the new value has a control character".to_owned());
        }
        match self {
            Self::Json | Self::Yaml => token::rewritten(old, new),
            Self::Toml => toml::rewritten(old, new),
            Self::Hcl => hcl::rewritten(old, new),
            Self::Properties => Ok(properties::rewritten(new)),
        }
    }

    /// The way through the values of this format: where keys are one text, dots and brackets belong to it.
    pub(crate) fn way(self, steps: &[Step]) -> Vec<Step> {
        match self {
            Self::Properties => vec![properties::key(steps)],
            Self::Json | Self::Yaml | Self::Toml | Self::Hcl => steps.to_vec(),
        }
    }
}
