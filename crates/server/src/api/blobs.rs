//! Evidence as it is: a blob by its digest.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use patchline_evidence::{Blobs, EvidenceError};
use patchline_model::digest::Digest;
use patchline_model::failure::in_full;
use serde::de::IgnoredAny;

use crate::problem::Problem;
use crate::state::Shared;

/// Largest blob that is shown; larger ones are on the disk.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// The bytes, hashed again before they are sent. What is text is shown, all else is saved to a file.
pub async fn blob(State(shared): State<Shared>, Path(digest): Path<String>) -> Result<Response, Problem> {
    let digest: Digest = digest.parse().map_err(|error| {
        Problem::bad_request(format!("{error}"))
            .with_hint("digests are `sha256:` and 64 lower-case hex digits")
    })?;
    let bytes = read(shared.app.blobs.clone(), digest.clone(), MOST_BYTES).await?;
    let tag = format!("\"{}\"", digest.hex());
    // The same digest is the same bytes for ever.
    let caching =
        [(header::ETAG, tag), (header::CACHE_CONTROL, "private, max-age=86400, immutable".to_owned())];
    Ok(match kind(&bytes) {
        Some(kind) => (caching, [(header::CONTENT_TYPE, kind)], bytes).into_response(),
        None => {
            let kept = format!("attachment; filename=\"{}\"", digest.short());
            let kind = "application/octet-stream".to_owned();
            (caching, [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, kept)], bytes)
                .into_response()
        }
    })
}

/// Reads a blob on a thread that may block.
pub async fn read(blobs: Blobs, digest: Digest, most: u64) -> Result<Vec<u8>, Problem> {
    let task = tokio::task::spawn_blocking(move || blobs.get(digest.as_str(), most));
    let done =
        task.await.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, in_full(&error)))?;
    done.map_err(|error| {
        let status = match &error {
            EvidenceError::BlobMissing { .. } => StatusCode::NOT_FOUND,
            EvidenceError::BlobTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Problem::new(status, in_full(&error))
    })
}

fn kind(bytes: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))?;
    let is_json =
        text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(text).is_ok();
    Some(if is_json { "application/json" } else { "text/plain; charset=utf-8" })
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn nothing_is_ever_served_as_a_page() {
        assert_eq!(kind(b"<script>alert(1)</script>"), Some("text/plain; charset=utf-8"));
        assert_eq!(kind(b"{\"a\": 1}"), Some("application/json"));
        assert_eq!(kind(b"{not json"), Some("text/plain; charset=utf-8"));
        assert_eq!(kind(b"\x7fELF\0\0"), None);
    }
}
