//! The documents of an image: OCI's index and manifest (<https://github.com/opencontainers/image-spec>), and the
//! `manifest.json` that `docker save` writes.

use serde::Deserialize;

/// `manifest.json`: an image each, with its layers from the lowest up, by their paths in the archive.
#[derive(Debug, Deserialize)]
pub struct Saved {
    #[serde(rename = "Layers")]
    pub layers: Vec<String>,
}

/// An index of manifests, or a manifest; both say by their content which they are.
#[derive(Debug, Deserialize)]
pub struct Document {
    #[serde(default)]
    pub manifests: Vec<Descriptor>,
    #[serde(default)]
    pub layers: Vec<Descriptor>,
}

/// A blob by its digest.
#[derive(Clone, Debug, Deserialize)]
pub struct Descriptor {
    #[serde(rename = "mediaType", default)]
    pub media_type: String,
    pub digest: String,
    pub platform: Option<Platform>,
    #[serde(default)]
    pub annotations: Annotations,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Annotations {
    /// What BuildKit says of a manifest that holds statements about an image and is none.
    #[serde(rename = "vnd.docker.reference.type")]
    pub reference_type: Option<String>,
}

impl Descriptor {
    /// For people: what the image is for, or its digest.
    pub fn title(&self) -> String {
        match &self.platform {
            Some(platform) => {
                let title = format!("{}/{}", platform.os, platform.architecture);
                title.chars().take(80).collect()
            }
            None => self.digest.chars().take(80).collect(),
        }
    }

    pub fn is_statement(&self) -> bool {
        self.annotations.reference_type.as_deref() == Some("attestation-manifest")
    }

    /// Whether it is a layer that a container is made of. What else a manifest lists is what its maker says it is.
    pub fn is_layer(&self) -> bool {
        self.media_type.is_empty() || self.media_type.contains("layer") || self.media_type.contains("rootfs")
    }

    /// The path of the blob in a layout; none when the digest is none.
    pub fn path(&self) -> Option<String> {
        let (algorithm, hex) = self.digest.split_once(':')?;
        let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (is_plain(algorithm) && is_plain(hex) && hex.len() <= 128).then(|| format!("blobs/{algorithm}/{hex}"))
    }
}
