//! Ten thousand worlds hold; every planted fault is noticed; a seed tells one story.

use patchline_testkit::fault::Fault;
use patchline_testkit::simulation::{hunt_all, many};
use patchline_testkit::world::{self, Told};

/// Worlds that a planted fault may take to be noticed: some show only where two things meet.
const MOST_WORLDS: u64 = 5000;

#[test]
fn ten_thousand_worlds_break_no_invariant() {
    let summary = many(1, 10_000);
    if let Some(told) = summary.broken {
        let breach = told.breach.expect("a broken world says what broke");
        panic!("{}\nworld {}: {breach}", told.story.join("\n"), told.seed);
    }
    for end in ["promoted", "rolled_back", "abandoned", "handed_over", "nothing_to_do"] {
        let count = summary.ends.get(end).copied().unwrap_or(0);
        assert!(count >= 200, "only {count} of the patches were {end}: {:?}", summary.ends);
    }
    for strategy in ["canary", "rolling", "blue/green", "flag", "shadow", "hot"] {
        for end in ["promoted", "rolled_back"] {
            let count = summary.walks.get(&format!("{strategy} {end}")).copied().unwrap_or(0);
            assert!(count >= 200, "only {count} rollouts by {strategy} were {end}: {:?}", summary.walks);
        }
    }
}

#[test]
fn every_planted_fault_is_caught() {
    let caught = hunt_all(1, MOST_WORLDS);
    assert_eq!(caught.len(), Fault::ALL.len());
    let survivors: Vec<_> = caught.iter().filter(|caught| caught.by.is_none()).map(|it| it.fault).collect();
    assert_eq!(survivors, [], "these faults go unnoticed");
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 1..20 {
        let told = world::tell(seed, None);
        assert!(told.story.len() > 10, "world {seed} is too quiet");
        assert_eq!(told, world::tell(seed, None));
        // To write it down changes nothing.
        assert_eq!(Told { story: Vec::new(), ..told }, world::run(seed, None));
    }
}

#[test]
fn other_seeds_tell_other_stories() {
    assert_ne!(world::tell(1, None).story, world::tell(2, None).story);
}
