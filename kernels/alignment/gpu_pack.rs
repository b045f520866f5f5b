//! The pairs of `gpu.rs` as the words of device buffers.
//!
//! A call packs anew, so this is part of what a device is judged by: all that grows with the
//! residues runs on all threads, and into memory that earlier calls have used.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rayon::prelude::*;

use super::scoring::{Alphabet, CODES, N, TARGET_N};
use super::sequences::{MAX_LENGTH, Pairs, Sequences};

/// Pairs whose words are interleaved.
const GROUP: usize = 32;
/// Codes that a query is padded to: the longest strip of any kernel.
const STRIP: usize = 16;
/// Words that describe a pair: query length, target length, where each starts, its number.
pub(super) const PAIR_WORDS: usize = 5;
/// Padding code of queries; no letter matches it.
const QUERY_PAD: u8 = 31;
/// Words of each sequence that are written before the next sequence's, so that what a group's
/// members take turns in writing stays in the first cache.
const TURN_WORDS: usize = 64;

/// Bytes of a cache line.
const LINE_BYTES: usize = 64;

/// Lengths in a sort key take so many bits each: the target's are the lowest, then the query's.
const LENGTH_BITS: u32 = 21;
/// Set in the keys of pairs that 16 bits are too few for.
const WIDE: u64 = 1 << (2 * LENGTH_BITS);
/// Bits that one pass of the sort looks at.
const DIGIT_BITS: u32 = 11;

/// Where everything stands.
pub(super) struct Layout {
    /// Pair numbers, sorted by length.
    order: Vec<u32>,
    /// For each group, the words of one query, the words of one target, the start of the group.
    groups: Vec<(usize, usize, usize)>,
    /// Words of all groups.
    pub words: usize,
    /// Longest target of the pairs for 16 bits, and of the others.
    pub columns: [usize; 2],
    /// Pairs for 16 bits, which stand first.
    pub narrow: usize,
}

impl Layout {
    /// `fits` says whether a pair of such lengths is one for 16 bits.
    ///
    /// `packed.cu` hangs on the order by queries: its keys take the lower half, the shorter query, out
    /// of reach of the upper one, even where padded columns score.
    pub fn new(pairs: &Pairs, fits: impl Fn(usize, usize) -> bool + Sync) -> Self {
        let key = |i: usize| {
            let (query, target) = (pairs.queries.length(i), pairs.targets.length(i));
            let wide = if fits(query, target) { 0 } else { WIDE };
            wide | (query as u64) << LENGTH_BITS | target as u64
        };
        let keys: Vec<u64> = (0..pairs.len()).into_par_iter().map(key).collect();
        let order = sorted(&keys);
        let narrow = order.partition_point(|&i| keys[i as usize] < WIDE);
        let mut columns = [0, 0];
        for &key in &keys {
            let longest = &mut columns[usize::from(key >= WIDE)];
            *longest = target_length(key).max(*longest);
        }
        let longest = |group: &[u32]| {
            let lengths = group.iter().map(|&i| keys[i as usize]);
            lengths.fold((0, 0), |(query, target), key| {
                (query_length(key).max(query), target_length(key).max(target))
            })
        };
        let mut words = 0;
        let place = |(query, target): (usize, usize)| {
            let (query, target) = (query.next_multiple_of(STRIP) / 4, target.div_ceil(4));
            let start = words;
            words += (query + target) * GROUP;
            (query, target, start)
        };
        let longest: Vec<_> = order.par_chunks(GROUP).map(longest).collect();
        let groups = longest.into_iter().map(place).collect();
        Self { order, groups, words, columns, narrow }
    }

    /// Contents of `letters` and `pairs`.
    pub fn pack(&self, pairs: &Pairs, alphabet: Alphabet, pool: &Pool) -> Vec<Bytes> {
        let mut letters = pool.take(self.words);
        let mut descriptions = pool.take(pairs.len() * PAIR_WORDS);
        let mut rest = letters.as_chunks_mut::<GROUP>().0;
        let mut parts = Vec::with_capacity(self.groups.len());
        for &(query, target, _) in &self.groups {
            let (part, after) = rest.split_at_mut(query + target);
            parts.push(part);
            rest = after;
        }
        parts
            .into_par_iter()
            .zip(descriptions.par_chunks_mut(GROUP * PAIR_WORDS))
            .zip(self.order.par_chunks(GROUP))
            .zip(&self.groups)
            .for_each(|(((letters, descriptions), order), &(query_words, _, start))| {
                let (queries, targets) = letters.split_at_mut(query_words);
                interleave(queries, &pairs.queries, order, QUERY_PAD, u32::from_le_bytes);
                match alphabet {
                    Alphabet::Dna => interleave(targets, &pairs.targets, order, 0, dna_target),
                    Alphabet::Protein => {
                        interleave(targets, &pairs.targets, order, 0, u32::from_le_bytes);
                    }
                }
                let described = descriptions.as_chunks_mut::<PAIR_WORDS>().0;
                for (p, (words, &i)) in described.iter_mut().zip(order).enumerate() {
                    let query = pairs.queries.length(i as usize) as u32;
                    let target = pairs.targets.length(i as usize) as u32;
                    let query_at = start + p;
                    let target_at = query_at + query_words * GROUP;
                    *words = [query, target, query_at as u32, target_at as u32, i];
                }
            });
        vec![pool.lend(letters), pool.lend(descriptions)]
    }
}

fn query_length(key: u64) -> usize {
    (key >> LENGTH_BITS) as usize & ((1 << LENGTH_BITS) - 1)
}

fn target_length(key: u64) -> usize {
    key as usize & ((1 << LENGTH_BITS) - 1)
}

/// The numbers of `keys` in ascending order, equal ones as they came: digit by digit, without those
/// that all have in common, which reads are mostly made of.
fn sorted(keys: &[u64]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..keys.len() as u32).collect();
    if keys.is_sorted() {
        return order;
    }
    let varying = keys.iter().fold(0, |all, key| all | (key ^ keys[0]));
    let mut next = vec![0; keys.len()];
    for shift in (0..=2 * LENGTH_BITS).step_by(DIGIT_BITS as usize) {
        let digit = |key: u64| (key >> shift) as usize & ((1 << DIGIT_BITS) - 1);
        if digit(varying) == 0 {
            continue;
        }
        let mut places = [0u32; 1 << DIGIT_BITS];
        for &key in keys {
            places[digit(key)] += 1;
        }
        let mut before = 0;
        for place in &mut places {
            (*place, before) = (before, before + *place);
        }
        for &i in &order {
            let place = &mut places[digit(keys[i as usize])];
            next[*place as usize] = i;
            *place += 1;
        }
        std::mem::swap(&mut order, &mut next);
    }
    order
}

/// Four codes of a target's DNA; N becomes a letter that no query has.
fn dna_target(codes: [u8; 4]) -> u32 {
    // Of the codes of DNA only N has that bit.
    const { assert!(N == 4 && TARGET_N == 5) };
    let codes = u32::from_le_bytes(codes);
    codes | (codes >> 2 & 0x0101_0101)
}

/// Writes the sequences of the numbers `members` to a group: row k has word k of each. `word` packs
/// codes; `padding` is the code behind a sequence's end.
fn interleave<const CODES: usize>(
    group: &mut [[u32; GROUP]],
    sequences: &Sequences,
    members: &[u32],
    padding: u8,
    word: impl Fn([u8; CODES]) -> u32,
) {
    for (turn, rows) in group.chunks_mut(TURN_WORDS).enumerate() {
        let codes_of =
            |&i: &u32| sequences.get(i as usize).get(turn * TURN_WORDS * CODES..).unwrap_or(&[]);
        // Sorted, neighbours stand far apart. These loads hang on nothing, so that many are under way
        // at once; those below wait for one sequence after the other.
        let lines = |codes: &[u8]| {
            let near = &codes[..codes.len().min(TURN_WORDS * CODES)];
            near.iter().step_by(LINE_BYTES).fold(0, |all, code| all | code)
        };
        std::hint::black_box(members.iter().map(codes_of).map(lines).fold(0, |all, any| all | any));
        for (p, codes) in members.iter().map(codes_of).enumerate() {
            let (whole, rest) = codes.as_chunks::<CODES>();
            for (row, &codes) in rows.iter_mut().zip(whole) {
                row[p] = word(codes);
            }
            let Some((last, behind)) = rows.get_mut(whole.len()..).and_then(<[_]>::split_first_mut)
            else {
                continue;
            };
            let mut codes = [padding; CODES];
            codes[..rest.len()].copy_from_slice(rest);
            last[p] = word(codes);
            for row in behind {
                row[p] = word([padding; CODES]);
            }
        }
    }
}

/// Memory for packed words, kept from call to call: the system takes longer to give 100 MB and to
/// take it back than the packing does.
#[derive(Clone, Default)]
pub(super) struct Pool(Arc<Mutex<Vec<Vec<u32>>>>);

impl Pool {
    /// Words of any contents.
    fn take(&self, words: usize) -> Vec<u32> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match free.iter().position(|f| f.len() == words) {
            Some(at) => free.swap_remove(at),
            None => vec![0; words],
        }
    }

    /// Words as bytes, which come back when nobody has them any more.
    fn lend(&self, words: Vec<u32>) -> Bytes {
        Bytes::from_owner(Lent { words, home: self.clone() })
    }
}

struct Lent {
    words: Vec<u32>,
    home: Pool,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.words)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut free = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(std::mem::take(&mut self.words));
    }
}

const _: () = assert!(CODES > QUERY_PAD as usize && STRIP.is_multiple_of(4));
const _: () = assert!(MAX_LENGTH < 1 << LENGTH_BITS);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorting_is_stable_and_looks_at_every_digit() {
        let key = |i: u64| ((i * 7919) % 2) << 42 | ((i * 31) % 7) << 20 | ((i * 104_729) % 4093);
        let keys: Vec<u64> = (0..3000).map(key).collect();
        let mut expected: Vec<u32> = (0..3000).collect();
        expected.sort_by_key(|&i| keys[i as usize]);
        assert_eq!(sorted(&keys), expected);
        assert_eq!(sorted(&[3, 3, 4]), [0, 1, 2]);
        assert!(sorted(&[]).is_empty());
    }

    #[test]
    fn memory_comes_back() {
        let pool = Pool::default();
        let lent = pool.lend(vec![7; 10]);
        let second = lent.clone();
        drop(lent);
        assert_eq!(pool.take(10), [0; 10]);
        drop(second);
        assert_eq!(pool.take(10), [7; 10]);
    }
}
