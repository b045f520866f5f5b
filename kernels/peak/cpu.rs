//! The probes on the CPU: every thread, the widest instructions there are.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytemuck::NoUninit;
use half::bf16;
use rayon::prelude::*;

use super::input::{MULTIPLIER, PeakInput, triad};
use super::{IntType, LANES, Probe, TILE, portable};
use crate::work::{Native, Unsupported};

#[cfg(target_arch = "x86_64")]
use super::simd_x86;

/// Chains that one task computes: about 0.1 ms of work, and a multiple of every block.
const TASK: usize = 4096;
/// Values of the bf16 tiles that one task computes.
const TILE_TASK: usize = 8 * TILE.0 * TILE.1;

/// Whether this CPU multiplies bf16 pairs in one instruction.
pub(super) fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// The native program of a probe; `stream` chooses stores past the cache for the triad.
///
/// # Errors
/// A probe that has no meaning on a CPU.
pub(super) fn program(input: &PeakInput, stream: bool) -> Result<Box<dyn Native>, Unsupported> {
    Ok(match input.probe {
        Probe::FmaF32 { chains, steps } => {
            let (x, b) = input.f32_lanes();
            let run = move |out: &mut [f32]| fma(out, &x, &b, steps);
            Box::new(Chains { out: vec![0.0f32; chains], task: TASK, run, poison: f32::NAN })
        }
        Probe::FmaBf16 { chains, steps } => {
            let (a, b) = input.tiles();
            let run = move |out: &mut [f32]| tiles(out, &a, &b, steps);
            let out = vec![0.0f32; chains * TILE.0 * TILE.1];
            Box::new(Chains { out, task: TILE_TASK, run, poison: f32::NAN })
        }
        Probe::Int { dtype, chains, steps } => {
            let (x, floor) = input.int_lanes();
            match dtype {
                IntType::I8 => {
                    let (x, floor) = (x.map(|v| v as i8), floor.map(|v| v as i8));
                    let run = move |out: &mut [i8]| int8(out, &x, &floor, steps);
                    Box::new(Chains { out: vec![0i8; chains], task: TASK, run, poison: -128 })
                }
                IntType::I16 => {
                    let (x, floor) = (x.map(|v| v as i16), floor.map(|v| v as i16));
                    let run = move |out: &mut [i16]| int16(out, &x, &floor, steps);
                    Box::new(Chains { out: vec![0i16; chains], task: TASK, run, poison: -4444 })
                }
                IntType::I32 => {
                    let run = move |out: &mut [i32]| int32(out, &x, &floor, steps);
                    Box::new(Chains { out: vec![0i32; chains], task: TASK, run, poison: -4444 })
                }
            }
        }
        Probe::Memory { n } => {
            let kernel = if stream { triad_streaming } else { portable::triad };
            Box::new(Triad { n, seed: input.seed, kernel, parts: Vec::new() })
        }
        Probe::FmaTf32 { .. } => return Err(Unsupported("a CPU has no TF32".into())),
        Probe::Transfer { .. } | Probe::Launch => {
            return Err(Unsupported("a CPU has no link and no launch".into()));
        }
    })
}

/// Independent chains that never leave the registers until their end.
struct Chains<T, F> {
    out: Vec<T>,
    /// Values that one task computes.
    task: usize,
    run: F,
    poison: T,
}

impl<T, F> Native for Chains<T, F>
where
    T: NoUninit + Send + Sync,
    F: Fn(&mut [T]) + Send + Sync,
{
    fn run(&mut self) -> Result<(), String> {
        self.out.par_chunks_mut(self.task).for_each(&self.run);
        Ok(())
    }

    fn poison(&mut self) {
        self.out.fill(self.poison);
    }

    fn outputs(&self) -> Vec<Vec<u8>> {
        vec![bytemuck::cast_slice(&self.out).to_vec()]
    }
}

/// One thread's share of the triad's arrays, touched first by that thread, so that it lies in
/// the memory next to it.
#[derive(Default)]
struct Part {
    out: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
}

/// `out = b + 3·c`, each thread on its own part in every run.
struct Triad {
    n: usize,
    seed: u64,
    kernel: fn(&mut [f32], &[f32], &[f32]),
    parts: Vec<Mutex<Part>>,
}

fn locked(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Triad {
    /// Makes the parts on the threads that will work on them; in the first run only.
    fn prepare(&mut self) {
        let threads = rayon::current_num_threads();
        if self.parts.len() == threads {
            return;
        }
        self.parts = (0..threads).map(|_| Mutex::default()).collect();
        let share = self.n.div_ceil(threads).next_multiple_of(LANES);
        let (parts, n, seed) = (&self.parts, self.n, self.seed);
        rayon::broadcast(|context| {
            let range = (context.index() * share).min(n)..((context.index() + 1) * share).min(n);
            let values = || range.clone().map(|i| triad(seed, i));
            *locked(&parts[context.index()]) = Part {
                // Written, not only reserved: pages belong to who writes them first.
                out: vec![f32::NAN; range.len()],
                b: values().map(|(b, _)| b).collect(),
                c: values().map(|(_, c)| c).collect(),
            };
        });
    }
}

impl Native for Triad {
    fn run(&mut self) -> Result<(), String> {
        self.prepare();
        let (parts, kernel) = (&self.parts, self.kernel);
        rayon::broadcast(|context| {
            let Part { out, b, c } = &mut *locked(&parts[context.index()]);
            kernel(out, b, c);
        });
        Ok(())
    }

    fn poison(&mut self) {
        self.parts.iter().for_each(|p| locked(p).out.fill(f32::NAN));
    }

    fn outputs(&self) -> Vec<Vec<u8>> {
        let mut all = Vec::with_capacity(self.n * 4);
        for part in &self.parts {
            all.extend_from_slice(bytemuck::cast_slice(&locked(part).out));
        }
        vec![all]
    }
}

fn fma(out: &mut [f32], x: &[f32; LANES], b: &[f32; LANES], steps: u32) {
    #[cfg(target_arch = "x86_64")]
    if simd_x86::fma(out, x, b, MULTIPLIER, steps) {
        return;
    }
    portable::fma(out, x, b, MULTIPLIER, steps);
}

fn tiles(out: &mut [f32], a: &[bf16], b: &[bf16], steps: u32) {
    #[cfg(target_arch = "x86_64")]
    if simd_x86::tiles(out, a, b, steps) {
        return;
    }
    portable::tiles(out, a, b, steps);
}

fn int8(out: &mut [i8], x: &[i8; LANES], floor: &[i8; LANES], steps: u32) {
    #[cfg(target_arch = "x86_64")]
    if simd_x86::int(bytemuck::cast_slice_mut(out), bytes(x), bytes(floor), 1, steps) {
        return;
    }
    portable::int(out, x, floor, steps, |x, floor| x.wrapping_add(3).max(floor));
}

fn int16(out: &mut [i16], x: &[i16; LANES], floor: &[i16; LANES], steps: u32) {
    #[cfg(target_arch = "x86_64")]
    if simd_x86::int(bytemuck::cast_slice_mut(out), bytes(x), bytes(floor), 2, steps) {
        return;
    }
    portable::int(out, x, floor, steps, |x, floor| x.wrapping_add(3).max(floor));
}

fn int32(out: &mut [i32], x: &[i32; LANES], floor: &[i32; LANES], steps: u32) {
    #[cfg(target_arch = "x86_64")]
    if simd_x86::int(bytemuck::cast_slice_mut(out), bytes(x), bytes(floor), 4, steps) {
        return;
    }
    portable::int(out, x, floor, steps, |x, floor| x.wrapping_add(3).max(floor));
}

#[cfg(target_arch = "x86_64")]
fn bytes<T: NoUninit>(values: &[T]) -> &[u8] {
    bytemuck::cast_slice(values)
}

fn triad_streaming(out: &mut [f32], b: &[f32], c: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    if simd_x86::triad(out, b, c) {
        return;
    }
    portable::triad(out, b, c);
}
