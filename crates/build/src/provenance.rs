//! Where an artifact comes from: the predicate of SLSA provenance v1, honest about how far the build was held apart.
//!
//! Format: <https://slsa.dev/spec/v1.2/build-provenance>. Fields that begin with `patchline_` are our own.

use patchline_model::digest::{Commit, Digest};
use patchline_model::service::Service;
use patchline_model::time::Timestamp;
use serde_json::{Value, json};

use crate::builder::Made;

/// A command that was run in a tree of the commit, and an archive of that tree.
const COMMAND: &str = "https://patchline.dev/build/command/v1";
const ARCHIVE: &str = "https://patchline.dev/build/source-archive/v1";
const BUILDER: &str = "https://patchline.dev/builder/local-";

/// The predicate. `invocation` names this build among all, as the id of the job that asked for it does.
///
/// Both builds ran on this one machine, so `patchline_rebuilt` says less than SLSA's reproduced property, which
/// takes two builders that are operated apart.
pub fn provenance(made: &Made, service: &Service, commit: &Commit, invocation: &str) -> Value {
    json!({
        "buildDefinition": {
            "buildType": if service.build.is_source() { ARCHIVE } else { COMMAND },
            "externalParameters": {
                "service": service.name,
                "commit": commit,
                "folder": service.folder,
                "prepare": service.build.prepare,
                "command": service.build.command,
                "artifact": service.build.artifact,
            },
            "internalParameters": {
                "isolation": made.isolation,
                "command": made.command,
                "environment": made.environment,
                "SOURCE_DATE_EPOCH": made.epoch_seconds,
            },
            "resolvedDependencies": materials(made, service, commit),
        },
        "runDetails": {
            "builder": {
                "id": builder_id(made),
                "version": { "patchline": env!("CARGO_PKG_VERSION"), "toolchain": made.toolchain },
            },
            "metadata": {
                "invocationId": invocation,
                "startedOn": Timestamp(made.started_epoch_ms).to_string(),
                "finishedOn": Timestamp(made.finished_epoch_ms).to_string(),
            },
            "byproducts": [
                { "name": "log", "mediaType": "text/plain", "digest": sha256(&log_digest(made)) },
            ],
        },
        "patchline_rebuilt": rebuilt(made),
        "patchline_second": made.second,
    })
}

/// The digest of the log's bytes, as it stands among the byproducts and in the registry.
pub fn log_digest(made: &Made) -> Digest {
    Digest::of(made.log.as_bytes())
}

/// One id for each way of holding the build apart, so that a policy can tell them from each other.
fn builder_id(made: &Made) -> String {
    format!("{BUILDER}{}", made.isolation)
}

fn materials(made: &Made, service: &Service, commit: &Commit) -> Vec<Value> {
    let source = json!({
        "uri": format!("git+file://{}", service.repository),
        "digest": { "gitCommit": commit },
    });
    let lockfiles = made.listed.lockfiles.iter();
    let lockfiles = lockfiles.map(|(path, digest)| json!({ "name": path, "digest": sha256(digest) }));
    [source].into_iter().chain(lockfiles).collect()
}

fn sha256(digest: &Digest) -> Value {
    json!({ "sha256": digest.hex() })
}

fn rebuilt(made: &Made) -> &'static str {
    match &made.second {
        Some(second) if *second == made.digest => "identical",
        Some(_) => "different",
        None => "not tried",
    }
}
