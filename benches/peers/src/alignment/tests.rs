//! The family's reference against parasail, over random pairs.

use std::sync::Arc;

use breakeven_kernels::alignment::reference::align;
use breakeven_kernels::alignment::scoring::{Alphabet, Mode, Scoring};
use breakeven_kernels::random::Random;

use super::{Problem, libraries};

const MODES: [Mode; 3] = [Mode::Local, Mode::Global, Mode::SemiGlobal];

/// Pairs of 1 to 600 letters: one in three unlike, the others alike with some errors.
fn random_pairs(alphabet: Alphabet, pairs: usize, seed: u64) -> [Vec<Vec<u8>>; 2] {
    let mut random = Random::new(seed, 77);
    let letters = if alphabet == Alphabet::Dna { 5 } else { 24 };
    // Ambiguous letters are rare.
    let usual = if alphabet == Alphabet::Dna { 4 } else { 20 };
    let mut sides = [Vec::new(), Vec::new()];
    for pair in 0..pairs {
        let letter = |random: &mut Random| match random.below(50) {
            0 => random.below(letters) as u8,
            _ => random.below(usual) as u8,
        };
        let length = 1 + random.below(600) as usize;
        let target: Vec<u8> = (0..length).map(|_| letter(&mut random)).collect();
        let mut query = Vec::new();
        let from = random.below(length as u64) as usize;
        for &code in &target[from..] {
            match (pair % 3 == 0, random.below(20)) {
                (true, _) | (_, 0) => query.push(letter(&mut random)),
                (_, 1) => query.extend([code, letter(&mut random), letter(&mut random)]),
                (_, 2) => {}
                _ => query.push(code),
            }
        }
        if query.is_empty() {
            query.push(0);
        }
        sides[0].push(query);
        sides[1].push(target);
    }
    sides
}

fn reference_equals_parasail(pairs: usize, scoring: &Scoring) {
    for mode in MODES {
        let alphabet = scoring.alphabet;
        let [queries, targets] = random_pairs(alphabet, pairs, pairs as u64 + mode as u64);
        let text = |sequences: &[Vec<u8>]| -> Vec<Vec<u8>> {
            let letters = |codes: &Vec<u8>| codes.iter().map(|&c| alphabet.decode(c)).collect();
            sequences.iter().map(letters).collect()
        };
        let problem = Arc::new(Problem {
            mode: mode.name().to_owned(),
            scoring: scoring.clone(),
            letters: Vec::new(),
            queries: text(&queries),
            targets: text(&targets),
            searches: None,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        });
        let mut peer =
            libraries::parasail(&problem, libraries::SCAN).expect("libparasail8 is installed");
        peer.run(1).expect("a run");
        for (pair, score) in peer.scores().expect("scores").into_iter().enumerate() {
            let ours = align(&queries[pair], &targets[pair], mode, scoring);
            assert_eq!(
                ours.score,
                score,
                "{mode:?}, {:?} against {:?}",
                String::from_utf8_lossy(&problem.queries[pair]),
                String::from_utf8_lossy(&problem.targets[pair])
            );
        }
    }
}

fn schemes() -> [Scoring; 5] {
    [
        Scoring::dna(1, -4, 7, 1),
        Scoring::dna(2, -4, 6, 2),
        Scoring::dna(5, -4, 10, 10),
        Scoring::blosum62(11, 1),
        Scoring::blosum62(5, 5),
    ]
}

#[test]
fn the_reference_scores_as_parasail_does() {
    for scoring in schemes() {
        reference_equals_parasail(600, &scoring);
    }
}

#[test]
#[ignore = "takes minutes: cargo test --release -p breakeven-peers -- --ignored"]
fn the_reference_scores_100_000_pairs_a_mode_as_parasail_does() {
    for scoring in schemes() {
        reference_equals_parasail(20_000, &scoring);
    }
}
