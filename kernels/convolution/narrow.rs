//! bf16 images of a layer whose sums are f32: widened before it, rounded after it.

use rayon::prelude::*;

/// Values that a task converts.
const BLOCK: usize = 1 << 15;

/// `values` rounded to bf16, to the nearest, ties to even; a NaN stays one.
pub(super) fn narrowed(values: &[f32]) -> Vec<u16> {
    let mut narrow = vec![0; values.len()];
    round(values, &mut narrow);
    narrow
}

/// The same into `narrow`.
pub(super) fn round(values: &[f32], narrow: &mut [u16]) {
    narrow.par_chunks_mut(BLOCK).zip(values.par_chunks(BLOCK)).for_each(|(narrow, values)| {
        for (narrow, value) in narrow.iter_mut().zip(values) {
            let bits = value.to_bits();
            let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
            let quiet = bits >> 16 | 0x40;
            *narrow = if bits & 0x7fff_ffff > 0x7f80_0000 { quiet } else { rounded } as u16;
        }
    });
}

/// bf16 values as f32 (exact).
pub(super) fn widen(narrow: &[u16], values: &mut [f32]) {
    values.par_chunks_mut(BLOCK).zip(narrow.par_chunks(BLOCK)).for_each(|(values, narrow)| {
        for (value, narrow) in values.iter_mut().zip(narrow) {
            *value = f32::from_bits(u32::from(*narrow) << 16);
        }
    });
}

/// Little-endian bf16 values as f32.
pub(super) fn widened(bytes: &[u8]) -> Vec<f32> {
    let value = |b: &[u8; 2]| f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16);
    bytes.as_chunks().0.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;

    #[test]
    fn rounds_as_the_half_crate_does_and_back() {
        let special = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e-40, -f32::MAX];
        let all = (0..1 << 20).map(|i: u32| f32::from_bits(i.wrapping_mul(0x9e37_79b9)));
        let values: Vec<f32> = all.chain(special).filter(|v| !v.is_nan()).collect();
        let narrow = narrowed(&values);
        for (value, narrow) in values.iter().zip(&narrow) {
            assert_eq!(*narrow, bf16::from_f32(*value).to_bits(), "{value}");
        }
        let mut wide = vec![0.0; narrow.len()];
        widen(&narrow, &mut wide);
        assert_eq!(narrowed(&wide), narrow);
        assert_eq!(widened(bytemuck::cast_slice(&narrow)), wide);
        // One whose payload would be rounded away.
        let nan = narrowed(&[f32::from_bits(0x7f80_0001), f32::from_bits(0xffff_ffff)]);
        assert!(nan.iter().all(|bits| bf16::from_bits(*bits).is_nan()));
    }
}
