//! The words that the device kernels read beside the video: where things stand, codes, quantisers,
//! filters.

use std::collections::HashMap;

use bytes::Bytes;

use super::container::Movie;
use super::huffman::encode_table;
use super::jpeg::{Frame, Layout};
use super::scale::Filter;
use super::tables::{HuffmanSpec, ZIGZAG, quantisers, standard_huffman};
use crate::recording::shared;

/// Bits looked up at once by the decoders.
const LOOKUP_BITS: u32 = 9;
/// Blocks that an MCU has at most.
const MOST_BLOCKS: usize = 12;
/// Words of a frame's entry: where its three quantisers, DC codes and AC codes stand.
const FRAME_WORDS: usize = 9;

/// Sub-sequences that a workgroup brings into step; each frame's are numbered from a multiple on.
pub const GROUP: usize = 256;
/// Bytes of a sub-sequence.
pub const SUB_BYTES: usize = 128;
/// A sub-sequence that fills up a frame's last group.
const NO_INTERVAL: u32 = u32::MAX;

/// Where every restart interval stands, seven words each: byte offset, bytes, frame, first MCU,
/// MCUs, first sub-sequence, and after how many blocks the codes of an MCU's blocks repeat.
pub fn intervals(movie: &Movie) -> Bytes {
    let mut words: Vec<u32> = Vec::new();
    let mut groups = 0;
    for (f, frame) in movie.frames.iter().enumerate() {
        let (mut sub, period) = (groups * GROUP, period(frame));
        for (i, interval) in frame.intervals.iter().enumerate() {
            let mcus = frame.mcus_of(i);
            let entry = [interval.start, interval.len(), f, mcus.start, mcus.len(), sub, period];
            words.extend(entry.map(|v| v as u32));
            sub += interval.len().div_ceil(SUB_BYTES);
        }
        groups = sub.div_ceil(GROUP);
    }
    shared(words)
}

/// After how many blocks of an MCU the codes repeat. A decoder that starts at a wrong block can
/// notice that by the codes alone, so where all components share theirs, it must not matter.
fn period(frame: &Frame) -> usize {
    let count = frame.layout.blocks_per_mcu();
    let codes = |j| {
        let c = frame.layout.block_at(0, 0, j).0;
        (&frame.dc[c], &frame.ac[c])
    };
    let repeats =
        |n: &usize| count.is_multiple_of(*n) && (*n..count).all(|j| codes(j) == codes(j - n));
    (1..count).find(repeats).unwrap_or(count)
}

/// For each frame its first group of sub-sequences, then how many groups there are.
pub fn groups(movie: &Movie) -> Vec<usize> {
    let mut groups = vec![0];
    for frame in &movie.frames {
        let subs: usize = frame.intervals.iter().map(|i| i.len().div_ceil(SUB_BYTES)).sum();
        groups.push(groups[groups.len() - 1] + subs.div_ceil(GROUP));
    }
    groups
}

/// [`groups`], then each sub-sequence's interval.
pub fn cuts(movie: &Movie) -> Bytes {
    let groups = groups(movie);
    let mut words: Vec<u32> = groups.iter().map(|&g| g as u32).collect();
    let mut number = 0;
    for (frame, end) in movie.frames.iter().zip(&groups[1..]) {
        for interval in &frame.intervals {
            let subs = interval.len().div_ceil(SUB_BYTES);
            words.extend(std::iter::repeat_n(number, subs));
            number += 1;
        }
        words.resize(groups.len() + end * GROUP, NO_INTERVAL);
    }
    shared(words)
}

/// Each frame's entry, then the quantisers and codes that the entries point to, each once.
pub fn tables(movie: &Movie) -> Bytes {
    let mut words = vec![0u32; movie.frames.len() * FRAME_WORDS];
    let mut quants: HashMap<[u16; 64], u32> = HashMap::new();
    let mut codes: HashMap<&HuffmanSpec, u32> = HashMap::new();
    for (f, frame) in movie.frames.iter().enumerate() {
        let mut entry = Vec::with_capacity(FRAME_WORDS);
        for quant in &frame.quant {
            entry.push(*quants.entry(*quant).or_insert_with(|| {
                words.extend(quant.map(u32::from));
                words.len() as u32 - 64
            }));
        }
        for spec in frame.dc.iter().chain(&frame.ac) {
            entry.push(*codes.entry(spec).or_insert_with(|| {
                let at = words.len() as u32;
                words.extend(decode_table(spec));
                at
            }));
        }
        words[f * FRAME_WORDS..][..FRAME_WORDS].copy_from_slice(&entry);
    }
    shared(words)
}

/// A code for the device: 512 entries `length << 8 | symbol` for codes of up to 9 bits (else 0),
/// then for each length 0 to 17 one past the last code up to it left-aligned in 16 bits, for each
/// length the index of a symbol minus its code, then 256 symbols.
fn decode_table(spec: &HuffmanSpec) -> Vec<u32> {
    let (fast, limits, offsets, symbols) = (0, 512, 530, 548);
    let mut table = vec![0u32; 804];
    for (i, (code, length, symbol)) in spec.codes().enumerate() {
        let n = length as usize;
        if table[limits + n] == 0 {
            table[offsets + n] = (i as u32).wrapping_sub(code);
        }
        table[limits + n] = (code + 1) << (16 - length);
        table[symbols + i] = u32::from(symbol);
        if length <= LOOKUP_BITS {
            let free = LOOKUP_BITS - length;
            let from = fast + (code << free) as usize;
            table[from..from + (1 << free)].fill(length << 8 | u32::from(symbol));
        }
    }
    for n in 1..18 {
        table[limits + n] = table[limits + n].max(table[limits + n - 1]);
    }
    table
}

/// What the encoder needs: zigzag order, divisors times 8 in that order (luma, chroma), DC codes
/// (16 luma, 16 chroma) and AC codes (256 luma, 256 chroma) as `length << 16 | code`; 2^32 over those
/// divisors, rounded up: the upper half of a product with a number of 16 bits is its quotient; and
/// where in zigzag order each coefficient stands.
pub fn encoder_words(quality: u32) -> Bytes {
    let codes = standard_huffman();
    let mut words: Vec<u32> = ZIGZAG.iter().map(|&z| u32::from(z)).collect();
    for quant in quantisers(quality) {
        words.extend(quant.map(|q| u32::from(q) * 8));
    }
    for dc in &codes.dc {
        words.extend(&encode_table(dc)[..16]);
    }
    for ac in &codes.ac {
        words.extend(encode_table(ac));
    }
    for quant in quantisers(quality) {
        words.extend(quant.map(|q| (1u64 << 32).div_ceil(u64::from(q) * 8) as u32));
    }
    let mut places = [0u32; 64];
    for (place, &natural) in (0..).zip(&ZIGZAG) {
        places[usize::from(natural)] = place;
    }
    words.extend(places);
    shared(words)
}

/// Geometry of the components, 16 words for each of three, then of the blocks of an MCU of the input
/// and of one of the output, 12 words each, then the filters.
///
/// Words of a component: 0 first word of its plane in a frame, 1 words of a row, 2 width, 3 height;
/// of its scaled plane 4 first word, 5 words of a row, 6 width, 7 height; 8 first word of its
/// middle rows in a frame; 9 to 11 first inputs, weights and pairs of weights of the filter down; 12 to
/// 14 of the filter across; 15 rows of the scaled plane with padding. An output's weights down stand
/// side by side, those across a row of outputs apart, so that neighbouring outputs' do.
pub fn plan_words(from: &Layout, to: &Layout) -> Bytes {
    let mut words = vec![0i32; 48];
    words.extend(mcu_words(from));
    words.extend(mcu_words(to));
    let (mut plane, mut scaled, mut middle) = (0, 0, 0);
    for c in 0..from.components {
        let ((in_w, in_h), (out_w, out_h)) = (from.plane_size(c), to.plane_size(c));
        let ((in_stride, in_rows), (out_stride, out_rows)) =
            (from.padded_size(c), to.padded_size(c));
        let mut entry = vec![plane, in_stride / 4, in_w, in_h];
        entry.extend([scaled, out_stride / 4, out_w, out_h, middle]);
        let filters = [(Filter::new(in_h, out_h), in_rows), (Filter::new(in_w, out_w), in_stride)];
        for (across, (filter, inputs)) in filters.into_iter().enumerate() {
            let (first, weights) = weight_pairs(&filter, inputs);
            let pairs = weights[0].len();
            entry.push(words.len());
            words.extend(first);
            entry.push(words.len());
            if across == 1 {
                words.extend((0..pairs).flat_map(|k| weights.iter().map(move |w| w[k])));
            } else {
                words.extend(weights.iter().flatten());
            }
            entry.push(pairs);
        }
        entry.push(out_rows);
        for (word, value) in words[c * 16..].iter_mut().zip(entry) {
            *word = value as i32;
        }
        plane += in_stride * in_rows / 4;
        scaled += out_stride * out_rows / 4;
        middle += in_stride / 2 * out_h;
    }
    shared(words)
}

/// What a kernel needs to filter without a look at edges: each output's first input, an even one, and
/// as many pairs of weights (two halves of a word) for all outputs, whose inputs are among `inputs`, an
/// even number, padding included. Edges repeat by the sum of the weights that fall on them.
fn weight_pairs(filter: &Filter, inputs: usize) -> (Vec<i32>, Vec<Vec<i32>>) {
    let terms = |i| filter.terms(i).filter(|&(_, weight)| weight != 0);
    let bounds = |i| {
        let (least, most) = terms(i).fold((inputs, 0), |(a, b), (at, _)| (a.min(at), b.max(at)));
        (least & !1, most)
    };
    let outputs = 0..filter.outputs();
    let spans = outputs.clone().map(bounds).map(|(first, last)| (last + 1 - first).div_ceil(2));
    let pairs = spans.max().unwrap_or(0);
    let of = |i| {
        let first = bounds(i).0.min(inputs - pairs * 2);
        let mut weights = vec![0i16; pairs * 2];
        for (at, weight) in terms(i) {
            weights[at - first] += weight as i16;
        }
        let pair = |w: &[i16]| i32::from(w[0] as u16) | i32::from(w[1]) << 16;
        (first as i32, weights.chunks(2).map(pair).collect())
    };
    outputs.map(of).unzip()
}

/// The blocks of an MCU in order: component (4 bits), column and row among the component's blocks
/// there (4 each), columns and rows of these (4 each), and how many blocks before stands the last one
/// of the same component (in the same MCU or the one before).
fn mcu_words(layout: &Layout) -> [i32; MOST_BLOCKS] {
    let count = layout.blocks_per_mcu();
    let component = |j| layout.block_at(0, 0, j).0;
    std::array::from_fn(|j| {
        if j >= count {
            return 0;
        }
        let (c, x, y) = layout.block_at(0, 0, j);
        let (h, v) = layout.factors(c);
        let alike = |back: &usize| component((j + count - back) % count) == c;
        let back = (1..=count).find(alike).unwrap_or(count);
        (c | (x / 8) << 4 | (y / 8) << 8 | h << 12 | v << 16 | back << 20) as i32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights in pairs name the inputs of the filter itself, each inside the padded row, with the same
    /// sums at the edges.
    #[test]
    fn pairs_of_weights_are_the_filter() {
        for (inputs, outputs) in [(1, 1), (1, 9), (7, 3), (17, 1), (33, 40), (40, 40), (270, 135)] {
            let filter = Filter::new(inputs, outputs);
            let padded = inputs.next_multiple_of(8);
            let (first, weights) = weight_pairs(&filter, padded);
            for i in 0..outputs {
                let mut expected = vec![0; padded];
                filter.terms(i).for_each(|(at, weight)| expected[at] += weight);
                let mut found = vec![0; padded];
                assert_eq!(first[i] % 2, 0);
                for (k, &pair) in weights[i].iter().enumerate() {
                    let at = first[i] as usize + 2 * k;
                    found[at] += i32::from(pair as i16);
                    found[at + 1] += pair >> 16;
                }
                assert_eq!(found, expected, "output {i} of {outputs} from {inputs}");
            }
        }
    }
}
