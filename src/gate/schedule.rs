//! Which arm runs first in which round, and the order of the cases: random, balanced and the same
//! again from the same seed.

use super::Arm;
use super::random::Random;

/// One round of the schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// The arm whose process runs first; the other follows.
    pub first: Arm,
    /// The cases in the order of this round, by index; both arms run this order.
    pub cases: Vec<usize>,
}

/// Orders for `rounds` rounds over `cases` cases.
///
/// Rounds come in pairs, ABBA or BAAB by a fair coin: over any even number of rounds each arm runs
/// first equally often, so that neither a position's advantage nor a steady drift favours an arm;
/// the coin leaves nothing periodic to be in step with. The stages of a run need seeds of their
/// own, or their orders are the same.
pub fn schedule(seed: u64, rounds: u32, cases: usize) -> Vec<Round> {
    let mut random = Random::new(seed);
    let mut previous = Arm::Base;
    (0..rounds)
        .map(|round| {
            let first = match (round % 2, previous) {
                (1, Arm::Base) => Arm::Cand,
                (1, Arm::Cand) => Arm::Base,
                _ if random.bits() >> 63 == 0 => Arm::Base,
                _ => Arm::Cand,
            };
            previous = first;
            Round { first, cases: shuffled(cases, &mut random) }
        })
        .collect()
}

/// 0 … `count` − 1 in random order (Fisher and Yates).
fn shuffled(count: usize, random: &mut Random) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        order.swap(last, random.below(last + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn base_first(rounds: &[Round]) -> usize {
        rounds.iter().filter(|r| r.first == Arm::Base).count()
    }

    proptest! {
        #[test]
        fn balanced_complete_and_reproducible(seed: u64, rounds in 0u32..40, cases in 0usize..30) {
            let plan = schedule(seed, rounds, cases);
            prop_assert_eq!(&plan, &schedule(seed, rounds, cases));
            prop_assert_eq!(plan.len(), rounds as usize);
            for pair in plan.chunks_exact(2) {
                prop_assert_ne!(pair[0].first, pair[1].first);
            }
            for round in &plan {
                let mut sorted = round.cases.clone();
                sorted.sort_unstable();
                prop_assert_eq!(sorted, (0..cases).collect::<Vec<_>>());
            }
            // More rounds go on as fewer would have.
            prop_assert_eq!(&schedule(seed, rounds + 3, cases)[..rounds as usize], &plan[..]);
        }
    }

    #[test]
    fn order_and_cases_are_random() {
        // 2 000 coins: 1 000 ± 5·22. 4 cases have 24 orders, each 83 times of 2 000 ± 5·9.
        let plans: Vec<Round> = (0..2000).map(|seed| schedule(seed, 1, 4).remove(0)).collect();
        assert!((890..=1110).contains(&base_first(&plans)), "{}", base_first(&plans));
        let mut orders = std::collections::BTreeMap::new();
        plans.iter().for_each(|plan| *orders.entry(&plan.cases).or_insert(0) += 1);
        assert_eq!(orders.len(), 24);
        assert!(orders.values().all(|count| (38..=129).contains(count)), "{orders:?}");
    }
}
