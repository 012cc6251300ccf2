//! Who owns what is found in a commit: what its own CODEOWNERS says of the file in which a finding stands.

use std::path::Path;

use patchline_model::digest::Commit;
use patchline_model::failure::Failure;
use patchline_model::id::FindingId;
use patchline_model::owner::Owners;
use patchline_model::service::Service;
use patchline_model::stage::detect::{Finding, Source};
use patchline_sandbox::Git;

use crate::blocking::blocking;
use crate::codeowners::{CodeOwners, LARGEST};
use crate::failures::git_failure;

/// Where the forges look; the first that is there is the one.
pub const PLACES: [&str; 4] = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"];

/// The rules that the service's repository has in a commit, and a sentence about whatever of them can't be read.
pub async fn rules_at(service: &Service, commit: &Commit) -> Result<(CodeOwners, Vec<String>), Failure> {
    let git = Git::at(Path::new(&service.repository));
    let found = git.first_file(commit.as_str(), &PLACES, LARGEST).await;
    Ok(match found.map_err(|error| git_failure(&error))? {
        None => Default::default(),
        Some((file, None)) => {
            (CodeOwners::default(), vec![format!("{file} is left out: it is larger than 3 MiB")])
        }
        Some((file, Some(bytes))) => blocking(|| CodeOwners::parse(&file, &String::from_utf8_lossy(&bytes))),
    })
}

/// The owners that the rules name. Paths of lockfiles count from `folder`, where they were scanned, all others from the top.
pub fn named(rules: &CodeOwners, folder: &str, findings: &[Finding]) -> Owners {
    let path = |finding: &Finding| match (&finding.source, folder) {
        (Source::Report | Source::Analyzer(_), _) | (Source::Lockfile, "") => finding.location.path.clone(),
        (Source::Lockfile, folder) => format!("{folder}/{}", finding.location.path),
    };
    // What stands in no file has the service's owner.
    let in_files = findings.iter().filter(|finding| finding.location.path != ".");
    let places: Vec<(&FindingId, String)> = in_files.map(|finding| (&finding.id, path(finding))).collect();
    let owners = blocking(|| rules.owners(places.iter().map(|(_, path)| path.as_str())));
    let named =
        |(id, path): &(&FindingId, String)| Some((FindingId::clone(id), owners.get(path.as_str())?.clone()));
    places.iter().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use patchline_model::id::FindingId;
    use patchline_model::stage::detect::{Finding, Location, Source};

    use super::named;
    use crate::codeowners::CodeOwners;

    /// Given a finding at this path, who owns it; the rules name folders as they are from the top.
    #[track_caller]
    fn check(source: Source, path: &str, then: Option<&str>) {
        let finding = Finding {
            id: FindingId("one".to_owned()),
            source,
            advisory: "one".to_owned(),
            aliases: Vec::new(),
            summary: String::new(),
            package: None,
            location: Location { path: path.to_owned(), line: None },
            paths: Vec::new(),
            fixed: Vec::new(),
            severity: Vec::new(),
            informational: None,
        };
        let (rules, _) = CodeOwners::parse("CODEOWNERS", "* @all\n/services/shop/ @shop\n");
        let owners = named(&rules, "services/shop", &[finding]);
        let owner = owners.values().next().map(|named| named.owner.as_str());
        assert_eq!(owner, then, "{path}");
    }

    #[test]
    fn a_lockfile_counts_from_where_it_was_scanned_and_all_else_from_the_top() {
        check(Source::Lockfile, "Cargo.lock", Some("@shop"));
        check(Source::Report, "services/shop/a.rs", Some("@shop"));
        check(Source::Report, "Cargo.lock", Some("@all"));
        check(Source::Report, ".", None);
    }
}
