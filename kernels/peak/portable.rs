//! The probes' inner loops in plain Rust: for machines without the x86 sets, and as a check.

use std::hint::black_box;

use half::bf16;

use super::input::TRIAD;
use super::{LANES, TILE};

/// Values held in registers at a time: 16 NEON registers of f32.
const BLOCK: usize = 64;

/// Starting values for a block, hidden from an optimiser that would compute equal ones once.
fn starts<T: Copy>(x: &[T; LANES]) -> [T; BLOCK] {
    black_box(std::array::from_fn(|i| x[i % LANES]))
}

/// `x ← a·x + b`, `steps` times on every value of `out` (a multiple of 64 values).
pub(super) fn fma(out: &mut [f32], x: &[f32; LANES], b: &[f32; LANES], a: f32, steps: u32) {
    // Where the target has no fused instruction, calling for one would go to a slow function.
    let fused = cfg!(any(target_arch = "aarch64", target_feature = "fma"));
    for block in out.chunks_exact_mut(BLOCK) {
        let mut v = starts(x);
        for _ in 0..steps {
            for (i, v) in v.iter_mut().enumerate() {
                let b = b[i % LANES];
                *v = if fused { v.mul_add(a, b) } else { *v * a + b };
            }
        }
        block.copy_from_slice(&v);
    }
}

/// `C ← C + A·B`, `steps` times from zero on every 16×8 tile of `out`.
pub(super) fn tiles(out: &mut [f32], a: &[bf16], b: &[bf16], steps: u32) {
    let (rows, columns, depth) = TILE;
    let wide = |v: &[bf16]| v.iter().map(|v| v.to_f32()).collect::<Vec<_>>();
    let (a, b) = (wide(a), wide(b));
    for tile in out.chunks_exact_mut(rows * columns) {
        tile.fill(0.0);
        for _ in 0..steps {
            for (i, c) in tile.iter_mut().enumerate() {
                let (row, column) = (&a[i / columns * depth..][..depth], &b[i % columns * depth..]);
                *c += row.iter().zip(column).map(|(a, b)| a * b).sum::<f32>();
            }
        }
    }
}

/// `step` `steps` times on every value of `out` (a multiple of 64 values).
pub(super) fn int<T: Copy>(
    out: &mut [T],
    x: &[T; LANES],
    floor: &[T; LANES],
    steps: u32,
    step: impl Fn(T, T) -> T,
) {
    for block in out.chunks_exact_mut(BLOCK) {
        let mut v = starts(x);
        for _ in 0..steps {
            for (i, v) in v.iter_mut().enumerate() {
                *v = step(*v, floor[i % LANES]);
            }
        }
        block.copy_from_slice(&v);
    }
}

/// `out = b + 3·c`.
pub(super) fn triad(out: &mut [f32], b: &[f32], c: &[f32]) {
    for ((out, b), c) in out.iter_mut().zip(b).zip(c) {
        *out = b + TRIAD * c;
    }
}
