//! The scaler's first pass in AVX-512: 32 samples at a time where AVX2 does 16.
#![expect(unsafe_code, reason = "vector loads and stores go through pointers")]

use std::arch::x86_64::*;

/// Samples of a step.
const STEP: usize = 32;

/// Weighted rows with 6 fraction bits, as `avx2::down` has them; returns how many of the first
/// outputs are done.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub fn down(rows: &[(&[u8], i16)], out: &mut [i16]) -> usize {
    let mut done = 0;
    for to in out.as_chunks_mut::<STEP>().0 {
        let mut sums = [_mm512_set1_epi32(128); 2];
        for pair in rows.as_chunks::<2>().0 {
            let [(a, wa), (b, wb)] = *pair;
            let (a, b) = (a[done..].first_chunk::<STEP>(), b[done..].first_chunk::<STEP>());
            let (Some(a), Some(b)) = (a, b) else { continue };
            // SAFETY: 32 bytes can be read from each.
            let (a, b) = unsafe {
                (_mm256_loadu_si256(a.as_ptr().cast()), _mm256_loadu_si256(b.as_ptr().cast()))
            };
            let weights = _mm512_set1_epi32(i32::from(wb) << 16 | i32::from(wa as u16));
            let low = _mm512_cvtepu8_epi16(_mm256_unpacklo_epi8(a, b));
            let high = _mm512_cvtepu8_epi16(_mm256_unpackhi_epi8(a, b));
            sums[0] = _mm512_add_epi32(sums[0], _mm512_madd_epi16(low, weights));
            sums[1] = _mm512_add_epi32(sums[1], _mm512_madd_epi16(high, weights));
        }
        // Unpacking went by halves of 16 samples: low holds 0–7 and 16–23, high 8–15 and 24–31.
        let low = _mm512_cvtsepi32_epi16(_mm512_srai_epi32::<8>(sums[0]));
        let high = _mm512_cvtsepi32_epi16(_mm512_srai_epi32::<8>(sums[1]));
        let first = _mm256_permute2x128_si256::<0x20>(low, high);
        let second = _mm256_permute2x128_si256::<0x31>(low, high);
        // SAFETY: 64 bytes can be written there.
        unsafe {
            _mm256_storeu_si256(to.as_mut_ptr().cast(), first);
            _mm256_storeu_si256(to[16..].as_mut_ptr().cast(), second);
        }
        done += STEP;
    }
    done
}
