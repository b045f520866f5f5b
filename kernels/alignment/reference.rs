//! The plain computation: Gotoh's recurrences in i32, one column of state, one cell at a time.

use rayon::prelude::*;

use super::path::{FROM_E, OPENS_E, OPENS_F, PAIRED, Path, Traced, ZERO};
use super::scoring::{CODES, Mode, Scoring};
use super::sequences::Pairs;

/// What is known of one pair after alignment.
///
/// Ends are 0-based and inclusive. Of several best cells the one with the smallest target end
/// counts, then the one with the smallest query end. −1 means none: a local score of 0, an empty
/// sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alignment {
    /// Score of the best alignment.
    pub score: i32,
    /// Last aligned residue of the query.
    pub query_end: i32,
    /// Last aligned residue of the target.
    pub target_end: i32,
}

/// Aligns every pair.
pub fn align_all(pairs: &Pairs, mode: Mode, scoring: &Scoring) -> Vec<Alignment> {
    (0..pairs.len())
        .into_par_iter()
        .map(|i| align(pairs.queries.get(i), pairs.targets.get(i), mode, scoring))
        .collect()
}

/// The answer where a sequence is empty, which needs no table; `None` where neither is.
///
/// Local: 0 and no ends. Global: one gap as long as the other sequence. Semi-global: the same for
/// an empty target; an empty query fits anywhere, scores 0 and has no ends.
pub fn without_table(query: usize, target: usize, mode: Mode, s: &Scoring) -> Option<Alignment> {
    if query > 0 && target > 0 {
        return None;
    }
    let (query_end, target_end) = (query as i32 - 1, target as i32 - 1);
    Some(match mode {
        Mode::Global => Alignment { score: -s.gap(query + target), query_end, target_end },
        Mode::SemiGlobal if query > 0 => {
            Alignment { score: -s.gap(query), query_end, target_end: -1 }
        }
        _ => Alignment { score: 0, query_end: -1, target_end: -1 },
    })
}

/// Aligns one pair.
pub fn align(query: &[u8], target: &[u8], mode: Mode, s: &Scoring) -> Alignment {
    if let Some(answer) = without_table(query.len(), target.len(), mode, s) {
        return answer;
    }
    // Far below any score, far enough from i32::MIN that subtracting a gap cannot wrap.
    const NEVER: i32 = i32::MIN / 2;
    let local = mode == Mode::Local;
    let floor = if local { 0 } else { NEVER };
    let last = query.len() - 1;
    // Column −1: the best score of the query's first i + 1 residues against no target.
    let mut h: Vec<i32> =
        (1..=query.len()).map(|length| if local { 0 } else { -s.gap(length) }).collect();
    // Best score of alignments that end in a gap in the query (target residue unpaired).
    let mut e = vec![NEVER; query.len()];
    let mut best = Alignment { score: floor, query_end: -1, target_end: -1 };
    for (j, &letter) in target.iter().enumerate() {
        let boundary = |columns| if mode == Mode::Global { -s.gap(columns) } else { 0 };
        let (mut diagonal, mut up) = (boundary(j), boundary(j + 1));
        let mut f = NEVER;
        let scores = s.against(letter);
        for (i, ((&residue, h), e)) in query.iter().zip(&mut h).zip(&mut e).enumerate() {
            *e = (*e - s.gap_extend).max(*h - s.gap_open);
            f = (f - s.gap_extend).max(up - s.gap_open);
            // F last: it is what the next row waits for.
            let paired = diagonal + scores[usize::from(residue) % CODES];
            let score = paired.max(*e).max(floor).max(f);
            if local && score > best.score {
                best = Alignment { score, query_end: i as i32, target_end: j as i32 };
            }
            diagonal = *h;
            *h = score;
            up = score;
        }
        let counts = match mode {
            Mode::Local => false,
            Mode::Global => j + 1 == target.len(),
            Mode::SemiGlobal => h[last] > best.score,
        };
        if counts {
            best = Alignment { score: h[last], query_end: last as i32, target_end: j as i32 };
        }
    }
    best
}

/// The ways of all pairs, whose answers are known.
pub fn trace_all(pairs: &Pairs, found: &[Alignment], mode: Mode, scoring: &Scoring) -> Vec<Traced> {
    (0..pairs.len())
        .into_par_iter()
        .map(|i| trace(pairs.queries.get(i), pairs.targets.get(i), &found[i], mode, scoring))
        .collect()
}

/// The way of one pair: every cell's bits up to the alignment's end, a byte each, then the way back.
pub fn trace(query: &[u8], target: &[u8], found: &Alignment, mode: Mode, s: &Scoring) -> Traced {
    let (rows, columns) = match mode {
        Mode::Global => (query.len(), target.len()),
        _ => (query.len(), (found.target_end + 1) as usize),
    };
    let rows = if mode == Mode::Local { (found.query_end + 1) as usize } else { rows };
    let local = mode == Mode::Local;
    // Row −1; F on its way into the next row.
    let above = |columns| if mode == Mode::Global { -s.gap(columns) } else { 0 };
    let mut h: Vec<i32> = (0..=columns).map(above).collect();
    let mut f: Vec<i32> = h.iter().map(|h| h - s.gap_open).collect();
    let mut bits = vec![0; rows * columns];
    for (i, bits) in bits.chunks_exact_mut(columns.max(1)).enumerate() {
        let mut diagonal = h[0];
        h[0] = if local { 0 } else { -s.gap(i + 1) };
        let mut e = h[0] - s.gap_open;
        for (j, bits) in bits.iter_mut().enumerate() {
            let paired = diagonal + s.score(query[i], target[j]);
            let mut score = paired.max(e).max(f[j + 1]);
            if local && score <= 0 {
                score = 0;
                *bits |= ZERO;
            }
            let opened = score - s.gap_open;
            *bits |= if score == paired { PAIRED } else { 0 };
            *bits |= if score == e { FROM_E } else { 0 };
            e = (e - s.gap_extend).max(opened);
            f[j + 1] = (f[j + 1] - s.gap_extend).max(opened);
            *bits |= if e == opened { OPENS_E } else { 0 };
            *bits |= if f[j + 1] == opened { OPENS_F } else { 0 };
            diagonal = h[j + 1];
            h[j + 1] = score;
        }
    }
    let mut path = Path::from(rows as i32 - 1, columns as i32 - 1);
    let at = |i: i32, j: i32| bits[i as usize * columns + j as usize];
    path.go(0, at, |i, j| s.equal(query[i as usize], target[j as usize]));
    path.finish(mode)
}
