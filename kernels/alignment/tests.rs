//! The reference against another program and hand-computed cases; everything against the reference.

use proptest::prelude::*;

use super::cpu::{align_alone, align_with, instruction_sets, trace_with};
use super::cpu_range::Range;
use super::gpu::Kind;
use super::path::Traced;
use super::reference::{Alignment, align, align_all, trace, trace_all};
use super::scoring::{Alphabet, Mode, Scoring};
use super::sequences::{Pairs, Synthetic};
use crate::work::Language;

const MODES: [Mode; 3] = [Mode::Local, Mode::Global, Mode::SemiGlobal];

fn encode(alphabet: Alphabet, text: &str) -> Vec<u8> {
    text.bytes().map(|letter| alphabet.encode(letter).expect("a letter of the alphabet")).collect()
}

fn answer(score: i32, query_end: i32, target_end: i32) -> Alignment {
    Alignment { score, query_end, target_end }
}

fn dna_pairs(texts: &[(String, String)]) -> Pairs {
    let mut pairs = Pairs::default();
    for (query, target) in texts {
        pairs.queries.push(&encode(Alphabet::Dna, query));
        pairs.targets.push(&encode(Alphabet::Dna, target));
    }
    pairs
}

/// What a CIGAR says of its pair: residues used on both sides, and the score by the scheme.
fn implied(traced: &Traced, query: &[u8], target: &[u8], s: &Scoring) -> (usize, usize, i32) {
    let (mut i, mut j) = (traced.query_start.max(0) as usize, traced.target_start.max(0) as usize);
    let (first_i, first_j, mut score) = (i, j, 0);
    let mut length = 0;
    for letter in traced.cigar.bytes() {
        match letter {
            b'0'..=b'9' => length = 10 * length + usize::from(letter - b'0'),
            b'=' | b'X' => {
                for _ in 0..length {
                    let same = s.equal(query[i], target[j]);
                    assert_eq!(same, letter == b'=', "{traced:?}");
                    score += s.score(query[i], target[j]);
                    (i, j) = (i + 1, j + 1);
                }
            }
            b'I' => (i, score) = (i + length, score - s.gap(length)),
            b'D' => (j, score) = (j + length, score - s.gap(length)),
            _ => assert_eq!(traced.cigar, "*"),
        }
        length = if letter.is_ascii_digit() { length } else { 0 };
    }
    (i - first_i, j - first_j, score)
}

/// The reference's ways lead from start to end and score what they should; all others are equal.
fn assert_ways_equal(pairs: &Pairs, found: &[Alignment], mode: Mode, s: &Scoring) {
    let expected = trace_all(pairs, found, mode, s);
    for (i, (traced, found)) in expected.iter().zip(found).enumerate() {
        let (query, target) = (pairs.queries.get(i), pairs.targets.get(i));
        let (rows, columns, score) = implied(traced, query, target, s);
        assert_eq!(score, found.score, "{mode:?} {traced:?} {query:?} {target:?}");
        let used = |start: i32, end: i32| if start < 0 { 0 } else { (end - start + 1) as usize };
        assert_eq!(rows, used(traced.query_start, found.query_end), "{traced:?} {found:?}");
        assert_eq!(columns, used(traced.target_start, found.target_end), "{traced:?} {found:?}");
        if mode != Mode::Local {
            assert_eq!(rows, query.len());
        }
    }
    for (set, widths) in instruction_sets().into_iter().enumerate() {
        for cells in [usize::MAX, 0] {
            let ways = trace_with(widths, pairs, found, mode, s, cells);
            for (i, (way, expected)) in ways.iter().zip(&expected).enumerate() {
                let (query, target) = (pairs.queries.get(i), pairs.targets.get(i));
                assert_eq!(way, expected, "set {set} {cells} {mode:?}: {query:?} {target:?}");
            }
        }
    }
}

/// All instruction sets give what the reference gives, for batches and for single pairs.
fn assert_all_equal(pairs: &Pairs, mode: Mode, scoring: &Scoring) {
    let expected = align_all(pairs, mode, scoring);
    assert_ways_equal(pairs, &expected, mode, scoring);
    let (queries, targets) = (&pairs.queries, &pairs.targets);
    let filled: Vec<usize> = (0..pairs.len())
        .filter(|&i| !queries.get(i).is_empty() && !targets.get(i).is_empty())
        .collect();
    let mut alone = Pairs::default();
    for &i in &filled {
        alone.queries.push(queries.get(i));
        alone.targets.push(targets.get(i));
    }
    for (set, widths) in instruction_sets().into_iter().enumerate() {
        let batched = align_with(widths, pairs, mode, scoring).into_iter().enumerate();
        let single = align_alone(widths, &alone, mode, scoring);
        for (how, (i, found)) in batched
            .map(|found| ("in a batch", found))
            .chain(filled.iter().copied().zip(single).map(|found| ("alone", found)))
        {
            assert_eq!(
                found,
                expected[i],
                "set {set}, {mode:?}, pair {i} {how}: {:?} against {:?}",
                queries.get(i),
                targets.get(i)
            );
        }
    }
}

#[test]
fn reference_agrees_with_parasail() {
    // Made by parasail 1.3.4 for Python: sw, nw, sg_dx; N scores as a mismatch.
    let mut lines = 0;
    for line in include_str!("fixtures/parasail.tsv").lines().skip(1) {
        let field: Vec<&str> = line.split('\t').collect();
        let number = |at: usize| field[at].parse::<i32>().expect("a number");
        let mode = MODES.into_iter().find(|m| m.name() == field[0]).expect("a mode");
        let scoring = match field[1] {
            "dna" => Scoring::dna(number(2), number(3), number(4), number(5)),
            _ => Scoring::blosum62(number(4), number(5)),
        };
        let alphabet = scoring.alphabet;
        let (query, target) = (encode(alphabet, field[6]), encode(alphabet, field[7]));
        let found = align(&query, &target, mode, &scoring);
        assert_eq!(found.score, number(8), "{line}");
        if found.score > 0 {
            // Where several cells are best, parasail does not say which it names.
            let at = |q: i32, t: i32| {
                align(&query[..=q as usize], &target[..=t as usize], mode, &scoring).score
            };
            assert!(found.target_end <= number(10), "{line}");
            assert_eq!(at(found.query_end, found.target_end), found.score, "{line}");
        }
        lines += 1;
    }
    assert_eq!(lines, 216);
}

#[test]
fn reference_agrees_with_hand_computed_cases() {
    let s = Scoring::dna(1, -4, 7, 1);
    let run = |query: &str, target: &str, mode, s: &Scoring| {
        align(&encode(Alphabet::Dna, query), &encode(Alphabet::Dna, target), mode, s)
    };
    // Three matches, at columns 2 to 4, in either case of letters.
    assert_eq!(run("acg", "TTACGT", Mode::Local, &s), answer(3, 2, 4));
    // Two stretches score 2; the first in the target counts.
    assert_eq!(run("ACTTAC", "GGACGG", Mode::Local, &s), answer(2, 1, 3));
    // N matches nothing, not even N.
    assert_eq!(run("NNN", "NNN", Mode::Local, &s), answer(0, -1, -1));
    assert_eq!(run("ANG", "ANG", Mode::Global, &s), answer(1 - 4 + 1, 2, 2));
    // A gap of 3 costs 7 + 2·1.
    assert_eq!(run("AAAACCCC", "AAAAGTGCCCC", Mode::Global, &s), answer(8 - 9, 7, 10));
    assert_eq!(run("A", "ACGT", Mode::Global, &s), answer(1 - 9, 0, 3));
    // The leading TTT and the trailing GG are free; one mismatch in between.
    assert_eq!(run("ACGA", "TTTACCAGG", Mode::SemiGlobal, &s), answer(3 - 4, 3, 6));
    // BLOSUM62: W–W 11, C–C 9.
    let protein = Scoring::blosum62(11, 1);
    let wc = encode(Alphabet::Protein, "WC");
    assert_eq!(align(&wc, &wc, Mode::Global, &protein), answer(20, 1, 1));
}

#[test]
fn ways_agree_with_hand_computed_cases() {
    let s = Scoring::dna(1, -4, 7, 1);
    let way = |query: &str, target: &str, mode, s: &Scoring| {
        let (query, target) = (encode(Alphabet::Dna, query), encode(Alphabet::Dna, target));
        let found = align(&query, &target, mode, s);
        let traced = trace(&query, &target, &found, mode, s);
        (traced.query_start, traced.target_start, traced.cigar)
    };
    let expected = |query, target, cigar: &str| (query, target, cigar.to_owned());
    assert_eq!(way("acg", "TTACGT", Mode::Local, &s), expected(0, 2, "3="));
    assert_eq!(way("NNN", "NNN", Mode::Local, &s), expected(-1, -1, "*"));
    assert_eq!(way("ANG", "ANG", Mode::Global, &s), expected(0, 0, "1=1X1="));
    assert_eq!(way("AAAACCCC", "AAAAGTGCCCC", Mode::Global, &s), expected(0, 0, "4=3D4="));
    // Back from the end: the pair of As first, then one gap along the target.
    assert_eq!(way("A", "CGTA", Mode::Global, &s), expected(0, 0, "3D1="));
    assert_eq!(way("ACGA", "TTTACCAGG", Mode::SemiGlobal, &s), expected(0, 3, "2=1X1="));
    // A pair before a gap: of the two As, the gap takes the first.
    assert_eq!(way("CAAG", "CAG", Mode::Global, &s), expected(0, 0, "1=1I2="));
    assert_eq!(way("", "ACG", Mode::Global, &s), expected(-1, 0, "3D"));
    assert_eq!(way("AC", "", Mode::SemiGlobal, &s), expected(0, -1, "2I"));
}

#[test]
fn empty_sequences_have_defined_answers() {
    let s = Scoring::dna(1, -4, 7, 1);
    for mode in MODES {
        assert_eq!(align(&[], &[], mode, &s), answer(0, -1, -1), "{mode:?}");
    }
    assert_eq!(align(&[0, 1], &[], Mode::Local, &s), answer(0, -1, -1));
    assert_eq!(align(&[0, 1], &[], Mode::Global, &s), answer(-8, 1, -1));
    assert_eq!(align(&[], &[0, 1, 2], Mode::Global, &s), answer(-9, -1, 2));
    assert_eq!(align(&[0, 1], &[], Mode::SemiGlobal, &s), answer(-8, 1, -1));
    assert_eq!(align(&[], &[0, 1, 2], Mode::SemiGlobal, &s), answer(0, -1, -1));
}

#[test]
fn sixteen_bits_take_pairs_by_their_lengths() {
    let takes = |query, target, mode, s: &Scoring| Kind::Packed.takes(query, target, mode, s);
    // Local: 2,047 − (2·7 + 1 + 4) = 2,028 matches.
    let bwa = Scoring::dna(1, -4, 7, 1);
    assert!(takes(2028, 9000, Mode::Local, &bwa) && !takes(2029, 2029, Mode::Local, &bwa));
    // Global: gaps of 16,006 and 16,742, and 19 on top, make 32,767.
    assert!(takes(16_000, 16_736, Mode::Global, &bwa));
    assert!(!takes(16_000, 16_737, Mode::Global, &bwa));
    // Floats: gaps of 1,006 and 1,022, and 19 on top, make 2,047.
    assert!(Kind::PackedF16.takes(1000, 1016, Mode::Global, &bwa));
    assert!(!Kind::PackedF16.takes(1000, 1017, Mode::Global, &bwa));
    // 100 a match: 323 of them and 400 on the way are 32,700.
    let coarse = Scoring::dna(100, -100, 100, 1);
    assert!(
        takes(323, 323, Mode::SemiGlobal, &coarse) && !takes(324, 324, Mode::SemiGlobal, &coarse)
    );
    assert!(!Kind::Inter(Language::Cuda).takes(1, 1, Mode::Local, &bwa));
}

/// Pairs at every edge that an implementation may have.
pub(super) fn edge_pairs() -> Pairs {
    let mut texts: Vec<(String, String)> = Vec::new();
    let cycle = |length: usize, step: usize| -> String {
        (0..length).map(|i| char::from(b"ACGT"[(i * step + i / 3 + i / 7) % 4])).collect()
    };
    let lengths = [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65];
    for (at, &query) in lengths.iter().enumerate() {
        for &target in &lengths[at % 3..] {
            texts.push((cycle(query, 1), cycle(target, 1 + 2 * (at % 2))));
        }
    }
    // Exact copies: scores of 127, 128, 255, 256, 2047 … with a match of 1.
    for length in [126, 127, 128, 249, 250, 251, 254, 255, 256, 257, 2047, 2048] {
        texts.push((cycle(length, 1), format!("TT{}", cycle(length, 1))));
    }
    texts.push(("N".repeat(9), "N".repeat(17)));
    texts.push(("ANNAC".into(), "ANNACANNAC".into()));
    texts.push(("A".repeat(40), "A".repeat(70)));
    dna_pairs(&texts)
}

#[test]
fn every_instruction_set_agrees_on_edges() {
    let pairs = edge_pairs();
    for mode in MODES {
        for s in [(1, -4, 7, 1), (2, -3, 5, 2), (5, 0, 1, 0), (100, -100, 100, 100), (1, -1, 1, 1)]
        {
            assert_all_equal(&pairs, mode, &Scoring::dna(s.0, s.1, s.2, s.3));
        }
    }
}

#[test]
fn scores_beyond_8_and_16_bits_are_right() {
    // 100 a match: 300, 32,700, 32,800, 65,500 and 70,000, over the top of u8, i16 and u16.
    let text = |length: usize| "ACGTTGCA".chars().cycle().take(length).collect::<String>();
    let texts: Vec<_> = [3, 327, 328, 655, 656, 700].map(|n| (text(n), text(n + 5))).into();
    let scoring = Scoring::dna(100, -100, 100, 1);
    let pairs = dna_pairs(&texts);
    assert_eq!(align_all(&pairs, Mode::Local, &scoring)[5].score, 70_000);
    for mode in MODES {
        assert_all_equal(&pairs, mode, &scoring);
    }
}

#[test]
fn a_target_beyond_65536_columns_has_right_ends() {
    let mut target = vec![0u8; 70_000];
    target[69_000..69_008].copy_from_slice(&[1, 2, 3, 1, 2, 3, 1, 2]);
    let mut pairs = Pairs::default();
    pairs.queries.push(&[1, 2, 3, 1, 2, 3, 1, 2]);
    pairs.targets.push(&target);
    let scoring = Scoring::dna(1, -4, 7, 1);
    assert_eq!(align_all(&pairs, Mode::Local, &scoring)[0], answer(8, 7, 69_007));
    for mode in MODES {
        assert_all_equal(&pairs, mode, &scoring);
    }
}

#[test]
fn random_proteins_agree() {
    let made = Synthetic {
        pairs: 150,
        query: 1,
        query_max: Some(90),
        target: 75,
        target_max: None,
        distinct_queries: None,
        error: 0.3,
        seed: 3,
    };
    let pairs = made.generate(Alphabet::Protein, 11);
    // A query that fills a vector of lanes takes another way.
    let made = Synthetic { distinct_queries: Some(2), target_max: Some(140), ..made };
    let search = made.generate(Alphabet::Protein, 11);
    assert_eq!(search.queries.get(0), search.queries.get(148));
    assert_eq!(search.targets.get(6), search.targets.get(7));
    // Gaps so dear that 8 bits do not hold a strip's scores.
    for (open, extend) in [(11, 1), (11, 3), (5, 0), (100, 1), (0, 0)] {
        for mode in MODES {
            assert_all_equal(&pairs, mode, &Scoring::blosum62(open, extend));
            assert_all_equal(&search, mode, &Scoring::blosum62(open, extend));
        }
    }
}

#[test]
fn long_pairs_agree_whatever_their_score() {
    // Like sequences with long gaps on either side, and unlike ones; several rounds of strips.
    let base = |n: usize, seed: u64| -> Vec<u8> {
        let mut random = crate::random::Random::new(seed, 5);
        (0..n).map(|_| random.below(4) as u8).collect()
    };
    let like = base(1700, 1);
    let with_gap: Vec<u8> = like[..600].iter().chain(&like[730..]).copied().collect();
    let other = base(1300, 2);
    let mut pairs = Pairs::default();
    for (query, target) in
        [(&like, &with_gap), (&with_gap, &like), (&like, &other), (&other, &like), (&like, &like)]
    {
        pairs.queries.push(query);
        pairs.targets.push(target);
    }
    for scoring in [(1, -4, 7, 1), (2, -3, 5, 2), (5, -4, 10, 1), (1, 0, 0, 0), (3, -100, 20, 7)] {
        for mode in MODES {
            let scoring = Scoring::dna(scoring.0, scoring.1, scoring.2, scoring.3);
            assert_all_equal(&pairs, mode, &scoring);
        }
    }
}

#[test]
fn eight_bits_hold_the_usual_scorings() {
    // Windows by hand: 38 + 7 + 1 + max(8, 4) = 54 under the lowest, 14 + 38 + 32 = 84 over it.
    let bwa = Range::of::<u8>(&Scoring::dna(1, -4, 7, 1)).expect("it fits");
    assert_eq!((bwa.drop, bwa.columns), (54, 32));
    // 24 + 11 + 11 + 12 = 58 and 18 + 24 + 14·11 = 196 make 254; with 15 columns 267.
    let blosum = Range::of::<u8>(&Scoring::blosum62(11, 1)).expect("it fits");
    assert_eq!((blosum.drop, blosum.columns), (58, 14));
    // Eight columns of gaps at 100 each do not.
    assert_eq!(Range::of::<u8>(&Scoring::dna(1, -4, 100, 100)), None);
    let dearest = Range::of::<u16>(&Scoring::dna(100, -100, 100, 100)).expect("it fits");
    assert_eq!(dearest.columns, 32);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn random_pairs_agree(
        texts in prop::collection::vec(("[ACGTN]{0,40}", "[ACGTN]{0,50}"), 1..70),
        matched in 1..=6i32, mismatch in -6..=0i32, extend in 0..=3i32, more in 0..=8i32,
    ) {
        let scoring = Scoring::dna(matched, mismatch, extend + more, extend);
        let pairs = dna_pairs(&texts);
        for mode in MODES {
            assert_all_equal(&pairs, mode, &scoring);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_matrix_agrees(
        scores in prop::collection::vec(-100..=100i32, 24 * 24),
        shift in 0..4usize, divide in 1..20i32, extend in 0..=3i32, more in 0..=30i32, seed in 0..1000u64,
    ) {
        // Asymmetric; some without any score below 0, where padding may tie.
        let score = |at: usize| match shift {
            0 => scores[at],
            1 => scores[at].abs() / divide,
            _ => scores[at] / divide,
        };
        let letters: Vec<char> = "ARNDCQEGHILKMFPSTWYVBZX*".chars().collect();
        let row = |row: usize| (0..24).map(|c| format!(" {}", score(row * 24 + c))).collect::<String>();
        let lines: String = (0..24).map(|r| format!("{}{}\n", letters[r], row(r))).collect();
        let header: String = letters.iter().map(|letter| format!(" {letter}")).collect();
        let Ok(scoring) = Scoring::of_matrix(&format!("{header}\n{lines}"), extend + more, extend) else {
            return Ok(());
        };
        let made = Synthetic {
            pairs: 70,
            query: 1,
            query_max: Some(40),
            target: 1,
            target_max: Some(45),
            distinct_queries: None,
            error: 0.4,
            seed,
        };
        let search = Synthetic { distinct_queries: Some(1), ..made.clone() };
        for mode in MODES {
            assert_all_equal(&made.generate(Alphabet::Protein, seed), mode, &scoring);
            assert_all_equal(&search.generate(Alphabet::Protein, seed), mode, &scoring);
        }
    }
}
