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
    /// Shares in parts per million. What is missing from the whole is nobody's: a request whose turn that is must wait.
    pub fn new(shares_ppm: &[u32]) -> Balance {
        let mut shares: Vec<u64> = shares_ppm.iter().copied().map(u64::from).collect();
        let sum: u64 = shares.iter().sum();
        assert!(sum <= WHOLE, "shares in force make a whole or less");
        shares.push(WHOLE - sum);
        Balance { taken: vec![0; shares.len()], shares, turn: 0 }
    }

    pub fn share_ppm(&self, arm: usize) -> u32 {
        self.shares.get(arm).map_or(0, |share| u32::try_from(*share).unwrap_or(WHOLE_PPM))
    }

    /// The arm for the next request; `None`: it is nobody's. `draw` is any number, best a random one.
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
        let is_nobody = arm + 1 == self.shares.len();
        (!is_nobody).then_some(arm)
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

/// What an arm wants, and what it could take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub share_ppm: u32,
    pub healthy: u32,
    /// Healthy instances that it takes to carry the share.
    pub carriers: u32,
}

/// The arm with the greatest claim, the first of equals: what the others can't carry is its.
pub fn primary(claims: impl IntoIterator<Item = u32>) -> Option<usize> {
    let claims = claims.into_iter().enumerate().filter(|(_, share_ppm)| *share_ppm > 0);
    claims.max_by_key(|(arm, share_ppm)| (*share_ppm, std::cmp::Reverse(*arm))).map(|(arm, _)| arm)
}

/// Capacity before weight. A minor arm gets its claim, or the part of it that its healthy instances can carry, and never
/// more: what is being tried must not meet users whom the plan keeps from it. The primary arm gets the rest while it has
/// an instance at all; while it has none the rest is nobody's, and the requests wait for it.
pub fn shares_in_force(claims: &[Claim], primary: Option<usize>) -> Vec<u32> {
    let carried = |claim: &Claim| {
        let carriers = u64::from(claim.carriers.max(1));
        u64::from(claim.share_ppm) * u64::from(claim.healthy).min(carriers) / carriers
    };
    let mut shares: Vec<u64> = claims.iter().map(carried).collect();
    if let Some(primary) = primary {
        shares[primary] = 0;
        let rest = WHOLE.saturating_sub(shares.iter().sum());
        shares[primary] = if claims[primary].healthy > 0 { rest } else { 0 };
    }
    shares.into_iter().map(|share| u32::try_from(share).unwrap_or(WHOLE_PPM)).collect()
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
        let sum: u64 = parts.iter().copied().map(u64::from).sum();
        let scaled = |part: &u32| u32::try_from(u64::from(*part) * WHOLE / sum.max(1)).expect("a part");
        let mut shares: Vec<u32> = parts.iter().map(scaled).collect();
        if sum > 0 {
            shares[0] += WHOLE_PPM - shares.iter().sum::<u32>();
        }
        shares
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
        fn no_arm_gets_more_than_it_claims_and_can_carry_but_the_primary(
            parts in proptest::collection::vec(0u32..WHOLE_PPM, 1..7),
            able in proptest::collection::vec((0u32..5, 0u32..5), 7),
        ) {
            let claims: Vec<Claim> = whole(&parts)
                .into_iter()
                .zip(able)
                .map(|(share_ppm, (healthy, carriers))| Claim { share_ppm, healthy, carriers })
                .collect();
            let primary = primary(claims.iter().map(|claim| claim.share_ppm));
            let shares = shares_in_force(&claims, primary);
            for (arm, (claim, share)) in claims.iter().zip(&shares).enumerate() {
                prop_assert!(claim.healthy > 0 || *share == 0, "nothing goes where nobody is healthy");
                prop_assert!(claim.share_ppm > 0 || *share == 0, "nothing goes where nothing is claimed");
                let carried = u64::from(claim.share_ppm) * u64::from(claim.healthy);
                let fits = u64::from(*share) * u64::from(claim.carriers) <= carried;
                prop_assert!(Some(arm) == primary || (*share <= claim.share_ppm && fits));
            }
            let is_led = primary.is_some_and(|primary| claims[primary].healthy > 0);
            let sum: u32 = shares.iter().sum();
            let expected = sum == WHOLE_PPM || (!is_led && sum < WHOLE_PPM);
            prop_assert!(expected, "{sum} in force");
        }

        #[test]
        fn what_the_primary_cannot_take_is_nobodys_and_the_others_keep_their_share(
            minor in 1u32..=WHOLE_PPM / 2 - 1,
            seed in any::<u64>(),
        ) {
            let claim = |share_ppm, healthy| Claim { share_ppm, healthy, carriers: 1 };
            let shares = shares_in_force(&[claim(WHOLE_PPM - minor, 0), claim(minor, 1)], Some(0));
            prop_assert_eq!(&shares, &[0, minor]);
            let (mut balance, mut draw) = (Balance::new(&shares), seed);
            let taken = (0..2_000).filter(|_| balance.choose(next_draw(&mut draw)).is_some()).count();
            prop_assert!((taken as u64 * WHOLE).abs_diff(2_000 * u64::from(minor)) < WHOLE);
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
    fn an_ill_canary_gives_its_share_back_and_an_ill_stable_version_keeps_it() {
        let claims = |stable, canary| {
            [
                Claim { share_ppm: 900_000, healthy: stable, carriers: 3 },
                Claim { share_ppm: 100_000, healthy: canary, carriers: 2 },
            ]
        };
        assert_eq!(shares_in_force(&claims(3, 2), Some(0)), [900_000, 100_000]);
        assert_eq!(shares_in_force(&claims(1, 2), Some(0)), [900_000, 100_000]);
        assert_eq!(shares_in_force(&claims(3, 1), Some(0)), [950_000, 50_000]);
        assert_eq!(shares_in_force(&claims(3, 0), Some(0)), [1_000_000, 0]);
        assert_eq!(shares_in_force(&claims(0, 2), Some(0)), [0, 100_000]);
        assert_eq!(shares_in_force(&claims(0, 0), Some(0)), [0, 0]);
        let rolled_back = [
            Claim { share_ppm: 1_000_000, healthy: 0, carriers: 3 },
            Claim { share_ppm: 0, healthy: 1, carriers: 0 },
        ];
        assert_eq!(shares_in_force(&rolled_back, Some(0)), [0, 0]);
    }
}
