//! Which arm takes the next request, and which of its instances: exact shares, pure.
//!
//! Every arm's count stays within one of its exact share after every single request. Request number *j* of an arm with
//! share *w* of *W* has a window of turns, from `floor((j-1)W/w)+1` to `ceil(jW/w)`, and is placed inside it; the
//! earliest deadline goes first, which never misses one (Steiner and Yeomans, "Level schedules for mixed-model,
//! just-in-time processes", 1993). With two arms the place inside the window is drawn, so that a client whose requests
//! repeat with a period cannot send one arm all of the costly ones.

use crate::process::spec::WHOLE_PPM;

const WHOLE: u64 = WHOLE_PPM as u64;

/// The choice between arms, for shares that do not change.
#[derive(Clone, Debug)]
pub struct Balance {
    shares: Vec<u64>,
    taken: Vec<u64>,
    turn: u64,
}

impl Balance {
    /// Shares in parts per million. They make a whole, or are all 0: then nothing can be chosen.
    pub fn new(shares_ppm: &[u32]) -> Balance {
        let shares: Vec<u64> = shares_ppm.iter().copied().map(u64::from).collect();
        let sum: u64 = shares.iter().sum();
        assert!(sum == WHOLE || sum == 0, "shares in force make a whole or nothing");
        Balance { taken: vec![0; shares.len()], shares, turn: 0 }
    }

    pub fn share_ppm(&self, arm: usize) -> u32 {
        self.shares.get(arm).map_or(0, |share| u32::try_from(*share).unwrap_or(WHOLE_PPM))
    }

    /// The arm for the next request. `draw` is any number, best a random one.
    pub fn choose(&mut self, draw: u64) -> Option<usize> {
        let turn = self.turn + 1;
        let arm = match self.sharing().as_slice() {
            [] => return None,
            [only] => *only,
            [one, other] => self.drawn(*one, *other, turn, draw),
            several => self.earliest_deadline(several, turn),
        };
        self.taken[arm] += 1;
        self.turn = turn;
        if self.turn == WHOLE {
            self.turn = 0; // Every arm has had exactly its share.
            self.taken.fill(0);
        }
        Some(arm)
    }

    fn sharing(&self) -> Vec<usize> {
        (0..self.shares.len()).filter(|arm| self.shares[*arm] > 0).collect()
    }

    fn drawn(&self, one: usize, other: usize, turn: u64, draw: u64) -> usize {
        let (lesser, greater) =
            if self.shares[one] <= self.shares[other] { (one, other) } else { (other, one) };
        let (release, deadline) = self.window(lesser);
        if turn < release {
            return greater;
        }
        let turns_left = deadline - turn + 1;
        if draw.is_multiple_of(turns_left) { lesser } else { greater }
    }

    fn earliest_deadline(&self, arms: &[usize], turn: u64) -> usize {
        let windows = arms.iter().map(|arm| (*arm, self.window(*arm)));
        windows
            .filter(|(_, (release, _))| *release <= turn)
            .min_by_key(|(_, (_, deadline))| *deadline)
            .map(|(arm, _)| arm)
            .expect("the windows cover every turn, for the shares make a whole")
    }

    /// The first and the last turn at which the arm's next request may come.
    fn window(&self, arm: usize) -> (u64, u64) {
        let (share, taken) = (self.shares[arm], self.taken[arm]);
        (taken * WHOLE / share + 1, ((taken + 1) * WHOLE).div_ceil(share))
    }
}

/// What an arm wants and whether it could take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub share_ppm: u32,
    pub has_capacity: bool,
}

/// Capacity before weight: the share of an arm without capacity goes to those that have some and a share of their own,
/// in proportion. An arm without a share never gets any. The result makes a whole, or is all 0.
pub fn shares_in_force(claims: &[Claim]) -> Vec<u32> {
    let claimed = |claim: &Claim| if claim.has_capacity { u64::from(claim.share_ppm) } else { 0 };
    let sum: u64 = claims.iter().map(claimed).sum();
    if sum == 0 {
        return vec![0; claims.len()];
    }
    let mut shares: Vec<u64> = claims.iter().map(|claim| claimed(claim) * WHOLE / sum).collect();
    let mut by_remainder: Vec<usize> = (0..claims.len()).collect();
    by_remainder.sort_by_key(|arm| std::cmp::Reverse(claimed(&claims[*arm]) * WHOLE % sum));
    let missing = usize::try_from(WHOLE - shares.iter().sum::<u64>()).expect("less than one each is missing");
    for arm in by_remainder.into_iter().take(missing) {
        shares[arm] += 1;
    }
    shares.into_iter().map(|share| u32::try_from(share).expect("no share is above the whole")).collect()
}

/// Round robin over however many there are at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Round {
    next: usize,
}

impl Round {
    pub fn choose(&mut self, of: usize) -> Option<usize> {
        let chosen = self.next.checked_rem(of)?;
        self.next = chosen + 1;
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    fn whole(parts: &[u32]) -> Vec<u32> {
        let claims: Vec<Claim> =
            parts.iter().map(|part| Claim { share_ppm: *part, has_capacity: true }).collect();
        shares_in_force(&claims)
    }

    fn next_draw(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    }

    proptest! {
        #[test]
        fn every_arm_stays_within_one_of_its_share_after_every_request(
            parts in proptest::collection::vec(0u32..WHOLE_PPM, 1..7),
            seed in any::<u64>(),
            turns in 1u64..6_000,
        ) {
            let shares = whole(&parts);
            let mut balance = Balance::new(&shares);
            let mut counts = vec![0u64; shares.len()];
            let mut draw = seed;
            for turn in 1..=turns {
                match balance.choose(next_draw(&mut draw)) {
                    Some(arm) => counts[arm] += 1,
                    None => {
                        prop_assert!(shares.iter().all(|share| *share == 0));
                        return Ok(());
                    }
                }
                for (count, share) in counts.iter().zip(&shares) {
                    let exact = turn * u64::from(*share);
                    prop_assert!((count * WHOLE).abs_diff(exact) < WHOLE, "{count} of {turn} for {share} ppm");
                }
            }
        }

        #[test]
        fn shares_in_force_make_a_whole_and_never_serve_who_has_no_share(
            claims in proptest::collection::vec((0u32..=WHOLE_PPM, any::<bool>()), 0..9),
        ) {
            let claims: Vec<Claim> =
                claims.into_iter().map(|(share_ppm, has_capacity)| Claim { share_ppm, has_capacity }).collect();
            let shares = shares_in_force(&claims);
            let can = |claim: &Claim| claim.has_capacity && claim.share_ppm > 0;
            let expected = if claims.iter().any(can) { WHOLE_PPM } else { 0 };
            prop_assert_eq!(shares.iter().sum::<u32>(), expected);
            for (claim, share) in claims.iter().zip(shares) {
                prop_assert!(can(claim) || share == 0);
            }
        }

        #[test]
        fn round_robin_is_even(of in 1usize..20, turns in 0usize..200) {
            let mut round = Round::default();
            let mut counts = vec![0usize; of];
            for _ in 0..turns {
                counts[round.choose(of).expect("there is one")] += 1;
            }
            let (least, most) = (counts.iter().min().copied(), counts.iter().max().copied());
            prop_assert!(most.unwrap_or(0) - least.unwrap_or(0) <= 1);
        }
    }

    #[test]
    fn a_whole_cycle_is_exact_and_begins_anew() {
        let shares = [10_007, 989_993];
        let mut balance = Balance::new(&shares);
        for cycle in 1..=2u64 {
            let mut first = 0u64;
            let mut draw = cycle;
            for _ in 0..WHOLE {
                first += u64::from(balance.choose(next_draw(&mut draw)) == Some(0));
            }
            assert_eq!(first, 10_007);
        }
    }

    #[test]
    fn a_period_in_the_requests_does_not_line_up_with_an_arm() {
        let mut balance = Balance::new(&[500_000, 500_000]);
        let mut even_turns_of_first = 0;
        let mut draw = 7;
        for turn in 0..10_000 {
            let arm = balance.choose(next_draw(&mut draw));
            even_turns_of_first += u32::from(turn % 2 == 0 && arm == Some(0));
        }
        assert!((2_000..=3_000).contains(&even_turns_of_first), "{even_turns_of_first} of 5000");
    }

    #[test]
    fn an_arm_without_capacity_gives_its_share_away_unless_the_others_have_none() {
        let claims = |stable, canary| {
            [
                Claim { share_ppm: 900_000, has_capacity: stable },
                Claim { share_ppm: 100_000, has_capacity: canary },
            ]
        };
        assert_eq!(shares_in_force(&claims(true, true)), [900_000, 100_000]);
        assert_eq!(shares_in_force(&claims(true, false)), [1_000_000, 0]);
        assert_eq!(shares_in_force(&claims(false, false)), [0, 0]);
        let rolled_back =
            [Claim { share_ppm: 1_000_000, has_capacity: false }, Claim { share_ppm: 0, has_capacity: true }];
        assert_eq!(shares_in_force(&rolled_back), [0, 0]);
    }
}
