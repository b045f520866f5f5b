//! The scaler: a separable cubic filter in 14-bit integers.
//!
//! Down first (rows), then across. Each pass is a sum of products with weights that add up to
//! exactly 16384; samples beyond the edge repeat the edge. The first pass keeps 6 fraction bits:
//! `(sum + 2^7) >> 8`; the second yields samples: `(sum + 2^19) >> 20`, held to 0…255. Sizes that
//! are equal give the input back, bit for bit.

/// Weights for one axis: output `i` is the sum over `t` of `weights[i * taps + t]` times input
/// `first[i] + t`.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// Inputs that each output is made of.
    pub taps: usize,
    /// First input of each output; may lie outside the picture.
    pub first: Vec<i32>,
    /// Weights in 1/16384.
    pub weights: Vec<i16>,
    /// Number of inputs.
    pub inputs: usize,
}

impl Filter {
    /// The Catmull–Rom filter from `inputs` to `outputs` samples, widened by the ratio where
    /// there are fewer outputs. Samples sit at the centres of their cells on both sides.
    pub fn new(inputs: usize, outputs: usize) -> Self {
        let ratio = inputs as f64 / outputs as f64;
        let widen = ratio.max(1.0);
        let taps = (4.0 * widen).ceil() as usize;
        let mut filter = Self { taps, first: Vec::new(), weights: Vec::new(), inputs };
        for i in 0..outputs {
            let centre = (i as f64 + 0.5) * ratio - 0.5;
            let first = (centre - 2.0 * widen).floor() as i32 + 1;
            let at = |t: usize| catmull_rom((f64::from(first) + t as f64 - centre) / widen);
            let exact: Vec<f64> = (0..taps).map(at).collect();
            let sum: f64 = exact.iter().sum();
            let mut weights: Vec<i16> =
                exact.iter().map(|w| (w / sum * 16384.0).round() as i16).collect();
            let excess = 16384 - weights.iter().map(|&w| i32::from(w)).sum::<i32>();
            let largest = (0..taps).max_by_key(|&t| weights[t]).unwrap_or(0);
            weights[largest] += excess as i16;
            filter.first.push(first);
            filter.weights.extend(weights);
        }
        filter
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.first.len()
    }

    /// (input index held to the picture, weight) of output `i`.
    pub fn terms(&self, i: usize) -> impl Iterator<Item = (usize, i32)> + '_ {
        let last = self.inputs as i32 - 1;
        self.weights[i * self.taps..(i + 1) * self.taps].iter().enumerate().map(
            move |(t, &weight)| {
                ((self.first[i] + t as i32).clamp(0, last) as usize, i32::from(weight))
            },
        )
    }
}

/// The Catmull–Rom cubic: 1 at 0, 0 at every other whole number and beyond ±2.
fn catmull_rom(x: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        (1.5 * x - 2.5) * x * x + 1.0
    } else if x < 2.0 {
        ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    } else {
        0.0
    }
}

/// Scales a plane of rows `stride` apart with one filter for each axis, sample by sample.
pub fn scale(plane: &[u8], stride: usize, down: &Filter, across: &Filter) -> Vec<u8> {
    let mut out = Vec::with_capacity(down.outputs() * across.outputs());
    for y in 0..down.outputs() {
        let row: Vec<i32> = (0..across.inputs)
            .map(|x| {
                let terms = down.terms(y);
                (terms.map(|(r, w)| w * i32::from(plane[r * stride + x])).sum::<i32>() + 128) >> 8
            })
            .collect();
        out.extend((0..across.outputs()).map(|x| {
            let sum: i32 = across.terms(x).map(|(c, w)| w * row[c]).sum();
            ((sum + (1 << 19)) >> 20).clamp(0, 255) as u8
        }));
    }
    out
}
