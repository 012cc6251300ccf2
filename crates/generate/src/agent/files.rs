//! The files that a model is shown: where the problem is, and what the report and the reproducer name, up to a limit.

use patchline_model::failure::Failure;
use patchline_sandbox::git::Git;

use crate::agent::assignment::Assignment;
use crate::agent::task::{both_ends, mark, quoted};
use crate::failures::of_git;
use crate::fixer::Request;

/// Bytes of all files that are shown, and of one.
const MOST_BYTES: usize = 96 * 1024;
const LARGEST: usize = 48 * 1024;

/// Files that are looked for by name, and bytes of their list.
const MOST_FILES: usize = 20_000;
const LONGEST_LIST: usize = 8 * 1024;

/// A list of the files, and the most relevant ones.
pub(crate) async fn shown(assignment: &Assignment, request: &Request) -> Result<String, Failure> {
    let git = Git::at(&request.repository);
    let all = git.tree_files(request.base.as_str()).await.map_err(of_git)?;
    let within = |file: &&String| {
        request.folder.is_empty()
            || file.strip_prefix(&request.folder).is_some_and(|rest| rest.starts_with('/'))
    };
    let all: Vec<&String> = all.iter().filter(within).take(MOST_FILES).collect();
    let list = all.iter().map(|file| file.as_str()).collect::<Vec<_>>().join("\n");
    let list = both_ends(&list, LONGEST_LIST);
    let mut told = format!("\n## Files\n\n{}", quoted(&list, &mark(&[&list])));
    let mut left = MOST_BYTES;
    for file in relevant(assignment, &request.folder, &all) {
        let Some(bytes) = git.show(request.base.as_str(), file).await.map_err(of_git)? else { continue };
        let Ok(text) = String::from_utf8(bytes) else { continue };
        if text.len() > LARGEST.min(left) {
            continue;
        }
        left -= text.len();
        told.push_str(&format!("\n### `{file}`\n\n{}", quoted(&text, &mark(&[&text]))));
    }
    Ok(told)
}

/// Those that are named, the place of the problem first; where nothing is named, all of them as they come.
fn relevant<'a>(assignment: &Assignment, folder: &str, all: &[&'a String]) -> Vec<&'a str> {
    let Assignment { title, reason, text, place, reproducer, .. } = assignment;
    let place = place.as_deref().unwrap_or_default();
    let said = [title, reason, text, &reproducer.command, &reproducer.output];
    let said = both_ends(&said.map(String::as_str).join("\n"), 64 * 1024);
    let is_place =
        |file: &str| place.strip_prefix(file).is_some_and(|rest| rest.starts_with(':') || rest.is_empty());
    let (mut files, others): (Vec<&str>, Vec<&str>) =
        all.iter().map(|file| file.as_str()).partition(|file| is_place(file));
    files.extend(others.into_iter().filter(|file| said.contains(from_folder(folder, file))));
    if files.is_empty() { all.iter().map(|file| file.as_str()).collect() } else { files }
}

fn from_folder<'a>(folder: &str, file: &'a str) -> &'a str {
    let rest = file.strip_prefix(folder).unwrap_or(file);
    rest.strip_prefix('/').unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::relevant;
    use crate::agent::assignment::{Assignment, Shown};

    #[track_caller]
    fn check(place: Option<&str>, output: &str, then: &[&str]) {
        let assignment = Assignment {
            agents: Vec::new(),
            name: String::new(),
            title: String::new(),
            reason: String::new(),
            text: String::new(),
            place: place.map(str::to_owned),
            reproducer: Shown { output: output.to_owned(), ..Shown::default() },
            refused: Vec::new(),
        };
        let all = ["web/src/a.js", "web/src/ab.js", "web/README"].map(str::to_owned);
        assert_eq!(relevant(&assignment, "web", &all.iter().collect::<Vec<_>>()), then);
    }

    #[test]
    fn what_is_named_is_shown_and_its_place_first() {
        check(None, "at src/ab.js:7", &["web/src/ab.js"]);
        check(
            Some("web/src/ab.js:7"),
            "at src/a.js and README",
            &["web/src/ab.js", "web/src/a.js", "web/README"],
        );
        check(None, "boom", &["web/src/a.js", "web/src/ab.js", "web/README"]);
    }
}
