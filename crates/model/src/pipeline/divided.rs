//! Several steps that were refused together: tried in parts, until the bad ones are alone and the others stand.

use crate::agent::FIXER;
use crate::event::Fact;
use crate::patch::Patch;
use crate::pipeline::ending::ended;
use crate::stage::detect::Subject;
use crate::stage::division::Division;
use crate::stage::generate::{self, Rung};
use crate::stage::review::End;
use crate::stage::{build, verify};

/// Takes the refused candidate apart; nothing where it is a single step, or nobody could make a part of it.
pub fn divide(patch: &Patch, why: &str) -> Option<Vec<Fact>> {
    let candidate = patch.candidate()?;
    let opening = patch.opening.as_ref()?;
    let is_ours = matches!(opening.subject, Subject::Scan { .. }) && !candidate.fixer.starts_with(FIXER);
    let removed = patch.findings().iter().filter(|finding| candidate.removes.contains(&finding.id));
    let moved = candidate.moves.iter().filter(|step| step.rung.is_some_and(|rung| rung > Rung::InRange));
    let lifted = moved.map(|step| step.package.as_str()).collect();
    let division = Division::of(removed, &lifted, why).filter(|_| is_ours)?;
    let refused = Fact::Generate(generate::Event::Refused { why: why.to_owned() });
    let divided = Fact::Generate(generate::Event::Divided { division });
    Some([refused, divided].into_iter().chain(dropped()).collect())
}

/// What follows when a part was refused: the next part, what holds once more, or the end.
pub fn refused(patch: &Patch, division: &Division, why: String) -> Vec<Fact> {
    let after = division.after(Some(why.clone()));
    let end = if division.is_over() {
        Some(format!("what held before does not hold any more: {why}"))
    } else if after.is_over() && after.nothing_holds() {
        Some(format!("no step of it holds: {why}"))
    } else {
        None
    };
    let refused = Fact::Generate(generate::Event::Refused { why });
    let dropped = patch.candidate().into_iter().flat_map(|_| dropped());
    [refused].into_iter().chain(dropped).chain(end.map(|why| ended(End::Abandoned(why)))).collect()
}

/// What follows when the checks let a candidate stand, and whether it is the whole of what there will be.
pub fn held(patch: &Patch) -> (Vec<Fact>, bool) {
    let Some(division) = &patch.generate.division else { return (Vec::new(), true) };
    let after = division.after(None);
    if !after.is_over() {
        return ([Fact::Generate(generate::Event::Held)].into_iter().chain(dropped()).collect(), false);
    }
    let before = patch.generate.refused.first().map(|(whole, _)| whole.leaves.clone());
    let leaves = before.into_iter().flatten().chain(after.leaves()).collect();
    (vec![Fact::Generate(generate::Event::Settled { leaves })], true)
}

fn dropped() -> [Fact; 2] {
    [Fact::Build(build::Event::Dropped), Fact::Verify(verify::Event::Dropped)]
}
