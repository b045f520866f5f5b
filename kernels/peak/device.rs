//! The probes as recordings for CUDA and WGSL devices.

use half::bf16;

use crate::recording::{
    Arg, Command, CudaModule, Kernel, Module, Recording, Role, WgslModule, shared,
};

use super::input::{ADDEND, MULTIPLIER, PeakInput, TRIAD, triad};
use super::{IntType, LANES, Probe};

/// The probes in CUDA C.
pub(super) static CUDA: CudaModule = CudaModule {
    name: "peak/probe",
    source: include_str!("probe.cu"),
    ptx: &[
        (70, include_str!("../ptx/peak_probe.sm_70.ptx")),
        (75, include_str!("../ptx/peak_probe.sm_75.ptx")),
        (80, include_str!("../ptx/peak_probe.sm_80.ptx")),
        (90, include_str!("../ptx/peak_probe.sm_90.ptx")),
    ],
};

/// The probes in WGSL.
pub(super) static WGSL: WgslModule =
    WgslModule { name: "peak/probe", source: include_str!("probe.wgsl"), features: &[] };

/// Threads of a block or workgroup.
const BLOCK: u32 = 256;
/// Chains of 32-bit values that one thread keeps in registers.
const CHAINS: usize = 8;
/// Tiles of one block: 4 for each of its 8 warps.
const TILES: usize = 32;
/// Blocks of the bandwidth kernels at most; each thread then takes more than one vector.
const MOST_BLOCKS: usize = 16_384;

/// The probe as CUDA work.
pub(super) fn cuda(input: &PeakInput) -> Recording {
    record(input, Module::Cuda(&CUDA))
}

/// The probe as WGSL work.
pub(super) fn wgsl(input: &PeakInput) -> Recording {
    record(input, Module::Wgsl(&WGSL))
}

/// Both languages have the same kernels with the same arguments.
fn record(input: &PeakInput, module: Module) -> Recording {
    let mut r = Recording::default();
    let constant = |r: &mut Recording, name, data| Arg::Read(r.upload(name, Role::Constant, data));
    let (entry, blocks, mut args) = match input.probe {
        Probe::FmaF32 { chains, steps } => {
            let (x, b) = input.f32_lanes();
            let x = constant(&mut r, "starts", shared(x.to_vec()));
            let b = constant(&mut r, "addends", shared(b.to_vec()));
            let args = vec![x, b, Arg::F32(MULTIPLIER), Arg::U32(steps)];
            ("fma_f32", chains / CHAINS / BLOCK as usize, args)
        }
        Probe::FmaBf16 { chains, steps } => {
            let (a, b) = input.tiles();
            let a = constant(&mut r, "a", shared(a));
            let b = constant(&mut r, "b", shared(b));
            ("mma_bf16", chains / TILES, vec![a, b, Arg::U32(steps)])
        }
        Probe::FmaTf32 { chains, steps } => {
            let (a, b) = input.tiles();
            let words = |v: Vec<bf16>| shared(v.iter().map(|v| v.to_f32()).collect::<Vec<_>>());
            let a = constant(&mut r, "a", words(a));
            let b = constant(&mut r, "b", words(b));
            ("mma_tf32", chains / TILES, vec![a, b, Arg::U32(steps)])
        }
        Probe::Int { dtype, chains, steps } => {
            let (x, floor) = input.int_lanes();
            let (entry, per_thread) = match dtype {
                IntType::I16 => ("add_max_i16", 2 * CHAINS),
                _ => ("add_max_i32", CHAINS),
            };
            let lanes = |v: [i32; LANES]| match dtype {
                IntType::I16 => shared(v.map(|v| v as i16).to_vec()),
                _ => shared(v.to_vec()),
            };
            let x = constant(&mut r, "starts", lanes(x));
            let floor = constant(&mut r, "floors", lanes(floor));
            let args = vec![x, floor, Arg::I32(ADDEND), Arg::U32(steps)];
            (entry, chains / per_thread / BLOCK as usize, args)
        }
        Probe::Memory { n } => {
            let (b, c): (Vec<f32>, Vec<f32>) = (0..n).map(|i| triad(input.seed, i)).unzip();
            let b = constant(&mut r, "b", shared(b));
            let c = constant(&mut r, "c", shared(c));
            ("triad", vectors(n), vec![b, c, Arg::F32(TRIAD), Arg::U32(n as u32 / 4)])
        }
        Probe::Transfer { bytes } => {
            let n = bytes / 4;
            let words: Vec<u32> = (0..n).map(|i| input.word(i)).collect();
            let from = Arg::Read(r.upload("words", Role::Input, shared(words)));
            ("invert", vectors(n), vec![from, Arg::U32(n as u32 / 4)])
        }
        Probe::Launch => ("touch", 1, vec![Arg::U32(input.seed as u32)]),
    };
    let out = r.buffer("out", Role::Output, input.probe.out_bytes() as u64);
    let scalars = args.iter().position(|a| !matches!(a, Arg::Read(_))).unwrap_or(args.len());
    args.insert(scalars, Arg::Write(out));
    let block = [if input.probe == Probe::Launch { 32 } else { BLOCK }, 1, 1];
    let kernel = Kernel { module, entry, block, shared_bytes: 0, overrides: Vec::new() };
    r.commands.push(Command::Dispatch { kernel, grid: [blocks as u32, 1, 1], args });
    r
}

/// Blocks for `n` 4-byte values in vectors of four.
fn vectors(n: usize) -> usize {
    (n / 4).div_ceil(BLOCK as usize).min(MOST_BLOCKS)
}
