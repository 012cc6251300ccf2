//! The digest that a tag has now, asked of the image's own registry
//! (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md>), without credentials.

use std::time::Duration;

use patchline_connect::{Client, FetchError, Get, Kind, Settings};
use patchline_model::digest::Digest;
use patchline_model::failure::{Failure, FailureClass};
use serde::Deserialize;
use url::Url;

use crate::failures::of_fetch;

/// Indexes first: where an image is for several platforms, its digest is that of the index.
const KINDS: &str = "application/vnd.oci.image.index.v1+json, \
                     application/vnd.docker.distribution.manifest.list.v2+json, \
                     application/vnd.oci.image.manifest.v1+json, \
                     application/vnd.docker.distribution.manifest.v2+json";
/// The limit that the specification suggests for manifests.
const LARGEST: u64 = 4 << 20;
const LARGEST_TOKEN: u64 = 256 << 10;

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// The digest of what the registry hands out for a tag, over the very bytes.
pub async fn digest(name: &str, tag: &str) -> Result<String, Failure> {
    let (host, repository) = apart(name).ok_or_else(|| {
        let what =
            format!("`{name}` does not say which registry it comes from, so its digest can't be asked for");
        Failure::permanent(what).of(FailureClass::Input).with_hint(format!("say `{name}={tag}@sha256:…`"))
    })?;
    let settings = Settings { deadline: Duration::from_secs(60), ..Settings::default() };
    let client = Client::new(settings).map_err(|error| of_fetch(&error))?;
    let scheme = if is_loopback(host) { "http" } else { "https" };
    let get = Get::new(format!("{scheme}://{host}/v2/{repository}/manifests/{tag}"), LARGEST)
        .header("accept", KINDS);
    let answer = match client.get(&get).await {
        Err(FetchError { kind: Kind::Forbidden, .. }) => {
            let token = token(&client, &get, repository, scheme).await?;
            client.get(&get.header("authorization", &format!("Bearer {token}"))).await
        }
        answer => answer,
    };
    let bytes = answer.map_err(|error| of_fetch(&error))?.bytes;
    Ok(format!("sha256:{}", Digest::of(&bytes).hex()))
}

/// What anybody gets who only wants to read.
async fn token(client: &Client, get: &Get, repository: &str, scheme: &str) -> Result<String, Failure> {
    let refused = |why: &str| {
        let what = format!("could not read {}: {why}", get.url);
        let failure = Failure::permanent(what).of(FailureClass::Network);
        failure.with_hint("give the digest with the tag, as in NAME=TAG@sha256:…")
    };
    let asked = client.challenge(get).await.map_err(|error| of_fetch(&error))?;
    let asked = asked.ok_or_else(|| refused("it is not for everybody"))?;
    let realm = word(&asked, "realm").filter(|_| asked.to_ascii_lowercase().starts_with("bearer "));
    let mut url =
        realm.and_then(|realm| Url::parse(realm).ok()).ok_or_else(|| refused("it wants a password"))?;
    if url.scheme() != scheme {
        return Err(refused("it hands out tokens at an address of another kind than its own"));
    }
    if let Some(service) = word(&asked, "service") {
        url.query_pairs_mut().append_pair("service", service);
    }
    url.query_pairs_mut().append_pair("scope", &format!("repository:{repository}:pull"));
    let answer = client.get(&Get::new(url, LARGEST_TOKEN)).await.map_err(|error| of_fetch(&error))?;
    let token: Token = serde_json::from_slice(&answer.bytes).map_err(|_| refused("its token is no JSON"))?;
    token.token.or(token.access_token).ok_or_else(|| refused("it hands out no token"))
}

/// The value of `key="value"` in a challenge.
fn word<'a>(challenge: &'a str, key: &str) -> Option<&'a str> {
    let begins = |at: usize| at == 0 || matches!(challenge.as_bytes()[at - 1], b' ' | b',');
    let start = format!("{key}=\"");
    let (at, _) = challenge.match_indices(&start).find(|(at, _)| begins(*at))?;
    challenge[at + start.len()..].split('"').next()
}

/// Registry and repository; none where the name begins with no host.
fn apart(name: &str) -> Option<(&str, &str)> {
    let (host, repository) = name.split_once('/')?;
    let is_host = host.contains(['.', ':']) || host == "localhost";
    let is_plain =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/:[]".contains(&byte));
    (is_host && is_plain(host) && is_plain(repository) && !repository.split('/').any(|part| part == ".."))
        .then_some((host, repository))
}

/// A registry on this machine has no certificate.
fn is_loopback(host: &str) -> bool {
    let name = host.strip_prefix('[').and_then(|rest| rest.split(']').next());
    let name = name.unwrap_or_else(|| host.split(':').next().unwrap_or(host));
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{apart, is_loopback, word};

    #[test]
    fn names_and_challenges_are_read() {
        assert_eq!(apart("h.invalid:5000/a/b"), Some(("h.invalid:5000", "a/b")));
        assert_eq!((apart("rust"), apart("library/rust"), apart("h.invalid/../a")), (None, None, None));
        assert!(is_loopback("127.0.0.1:5000") && is_loopback("[::1]:1") && !is_loopback("127.0.0.1.invalid"));
        let asked = "Bearer realm=\"https://h.invalid/token\",service=\"s\",error=\"x\"";
        assert_eq!(
            (word(asked, "realm"), word(asked, "service"), word(asked, "scope")),
            (Some("https://h.invalid/token"), Some("s"), None)
        );
    }
}
