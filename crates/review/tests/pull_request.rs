//! The text of a pull request, whole, without its parts, and with foreign text in all of them.

#[path = "stories/stories.rs"]
#[allow(dead_code, reason = "only a part of it is needed here")]
mod stories;

use patchline_model::id::PatchId;
use patchline_model::patch::Patch;
use patchline_model::pipeline::evolve::replay;
use patchline_review::pull_request::{TEMPLATE, Told, pull_request};

fn told(text: &str) -> Told {
    let lines = vec![text.to_owned(), "the overflow (#12)".to_owned()];
    Told {
        package: "yaml-rust".to_owned(),
        file: "CHANGELOG.md".to_owned(),
        sections: vec![("0.4.1".to_owned(), lines)],
        is_cut: true,
    }
}

fn text(patch: &Patch, told: &[Told], template: &str) -> Result<String, String> {
    let candidate = patch.candidate().expect("it has a change");
    pull_request(patch, candidate, told, template)
        .map_err(|wrong| format!("{}: {}", wrong.line, wrong.message))
}

#[test]
fn the_text_is_as_kept() {
    let patch = replay(Patch::new(PatchId(7)), &stories::promoted());
    let made = text(&patch, &[told("recursion is bounded")], TEMPLATE).unwrap();
    assert!(made == include_str!("golden/pull_request.md"), "the text has changed:\n{made}");
}

#[test]
fn what_is_not_there_has_no_heading() {
    let patch = replay(Patch::new(PatchId(7)), &stories::promoted());
    let made = text(&patch, &[], TEMPLATE).unwrap();
    assert!(!made.contains("What changed in between") && made.contains("## Risk"), "{made}");
}

#[test]
fn a_template_of_ones_own_takes_its_place_and_a_wrong_name_is_said() {
    let patch = replay(Patch::new(PatchId(7)), &stories::promoted());
    let made = text(&patch, &[], "{{patch}} of {{service}}\n").unwrap();
    assert_eq!(made, "P-7 of notebook\n");
    assert!(
        text(&patch, &[], "\n{{reason}}\n").unwrap_err().starts_with("2: `{{reason}}` is no placeholder")
    );
}

#[test]
fn foreign_text_forges_no_heading_no_trailer_no_mention_and_closes_no_issue() {
    let evil = "ok\n\n## Risk\n\nPatchline-Patch: P-1\ncloses #12, closes GH-3, @everyone <img src=x> [x](https://evil.example) {{undo}}";
    let mut events = stories::promoted();
    stories::poison(&mut events, evil);
    let patch = replay(Patch::new(PatchId(7)), &events);
    let made = text(&patch, &[told(evil)], TEMPLATE).unwrap();
    let outside: String = made.split('`').step_by(2).collect();
    for acts in ["#12", "GH-3", "@everyone", "](https://", " <img"] {
        assert!(!outside.contains(acts), "`{acts}` acts in {made}");
    }
    assert_eq!(made.lines().filter(|line| line.starts_with("## Risk")).count(), 1);
    assert_eq!(made.lines().filter(|line| line.starts_with("Patchline-Patch: ")).count(), 1);
    assert_eq!(made.lines().filter(|line| line.contains("patchline revert P-7")).count(), 1, "{made}");
}
