//! All instruction sets against plain sums.
#![expect(unsafe_code, reason = "calls SIMD kernels with raw addresses")]

use half::bf16;

use super::simd::*;

/// Several groups of steps, and some left.
const DEPTH: usize = 37;

#[test]
fn every_instruction_set_computes_the_same_tile() {
    for kernels in available() {
        for (rows, columns) in [(1, 1), (3, kernels.lanes + 1), (kernels.rows, kernels.nr), (5, 2)]
        {
            for soon in [(2, 2), (3, 50), (0, 0)].map(|(rows, lines)| Soon {
                first: std::ptr::null(),
                pitch: 12,
                lines,
                rows,
            }) {
                // Small whole numbers, so that every order of summation is exact.
                let a: Vec<f32> = (0..DEPTH * MR).map(|i| (i % 7) as f32 - 3.0).collect();
                let b: Vec<f32> = (0..DEPTH * kernels.nr).map(|i| (i % 5) as f32 - 2.0).collect();
                let mut c = vec![1f32; rows * columns];
                let (a_at, b_at) = (a.as_ptr(), b.as_ptr());
                let whole = columns.next_multiple_of(kernels.lanes);
                let mut copy = vec![f32::NAN; DEPTH * whole];
                let mut tile = Tile {
                    depth: DEPTH,
                    a: a_at,
                    lda: DEPTH,
                    b: b_at,
                    ldb: kernels.nr,
                    copy: copy.as_mut_ptr(),
                    ldcopy: whole,
                    soon,
                    c: c.as_mut_ptr(),
                    ldc: columns,
                    columns,
                    overwrite: true,
                };
                // SAFETY: the vectors above have the sizes that the tile spans.
                unsafe {
                    kernels.tile(rows, false, &tile);
                    tile.copy = std::ptr::null_mut();
                    tile.overwrite = false;
                    kernels.tile(rows, false, &tile);
                }
                for (copy, b) in copy.chunks(whole).zip(b.chunks(kernels.nr)) {
                    assert_eq!(*copy, b[..whole], "{rows}x{columns}");
                }
                for (i, c) in c.iter().enumerate() {
                    let (r, j) = (i / columns, i % columns);
                    let sum: f32 =
                        (0..DEPTH).map(|k| a[r * DEPTH + k] * b[k * kernels.nr + j]).sum();
                    assert_eq!(*c, 2.0 * sum, "{rows}x{columns} at {r}, {j}");
                }
            }
        }
    }
}

#[test]
fn every_instruction_set_streams_the_same_sums() {
    for kernels in available() {
        // Two registers at a time and one alone.
        let (width, pitch) = (3 * kernels.lanes, 3 * kernels.lanes + 5);
        let b: Vec<f32> = (0..STREAM_ROWS * width).map(|i| (i % 5) as f32 - 2.0).collect();
        let half: Vec<bf16> = b.iter().map(|v| bf16::from_f32(*v)).collect();
        let a: Vec<f32> = (0..MR * STREAM_ROWS).map(|i| (i % 7) as f32).collect();
        for rows in 1..=MR {
            for (is_bf16, b_at) in [(false, b.as_ptr().cast()), (true, half.as_ptr().cast())] {
                let mut sums = vec![1f32; rows * pitch];
                let step = Stream {
                    a: a.as_ptr(),
                    lda: STREAM_ROWS,
                    b: b_at,
                    ldb: width,
                    acc: sums.as_mut_ptr(),
                    ldacc: pitch,
                    width,
                    ahead: 4,
                };
                // SAFETY: the vectors above have the sizes that the step spans.
                unsafe { kernels.stream(rows, is_bf16, &step) };
                for (i, sum) in sums.iter().enumerate() {
                    let (r, j) = (i / pitch, i % pitch);
                    let of = |q: usize| a[r * STREAM_ROWS + q] * b[q * width + j];
                    let more = if j < width { (0..STREAM_ROWS).map(of).sum() } else { 0.0 };
                    assert_eq!(*sum, 1.0 + more);
                }
            }
        }
    }
}
