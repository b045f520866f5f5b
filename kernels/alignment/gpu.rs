//! `cuda/inter`, `cuda/packed` and `vulkan/inter`: the pairs as device buffers, the work as a
//! recording. `cuda/packed` takes the pairs whose scores fit 16 bits, two to a thread, and leaves the
//! others to `inter.cu` in a second launch.
//!
//! Pairs are sorted by length and stand in groups of 32. Codes are packed four to a word; word k
//! of pair p of a group stands at `base + 32·k + p`, so that neighbouring threads read
//! neighbouring words. Queries are padded to whole strips, and to the longest of their group.

use std::sync::Arc;

use bytes::Bytes;

use super::gpu_pack::{Layout, PAIR_WORDS, Pool};
use super::input::RESULT_BYTES;
use super::scoring::{Alphabet, Mode, Scoring};
use super::sequences::Pairs;
use crate::recording::{Arg, Command, CudaModule, Kernel, Module, Recording, Role, WgslModule};
use crate::work::{DeviceInfo, DeviceKind, Implementation, Language, Tuning, Unsupported};

static CUDA: CudaModule = CudaModule {
    name: "alignment/inter",
    source: include_str!("inter.cu"),
    ptx: &[
        (70, include_str!("../ptx/alignment_inter.sm_70.ptx")),
        (75, include_str!("../ptx/alignment_inter.sm_75.ptx")),
        (80, include_str!("../ptx/alignment_inter.sm_80.ptx")),
        (90, include_str!("../ptx/alignment_inter.sm_90.ptx")),
    ],
};

static PACKED: CudaModule = CudaModule {
    name: "alignment/packed",
    source: include_str!("packed.cu"),
    ptx: &[
        (70, include_str!("../ptx/alignment_packed.sm_70.ptx")),
        (75, include_str!("../ptx/alignment_packed.sm_75.ptx")),
        (80, include_str!("../ptx/alignment_packed.sm_80.ptx")),
        (90, include_str!("../ptx/alignment_packed.sm_90.ptx")),
    ],
};

static WGSL: WgslModule =
    WgslModule { name: "alignment/inter", source: include_str!("inter.wgsl"), features: &[] };

/// `packed.wgsl` with integers of 16 bits.
static PACKED_I16: WgslModule = WgslModule {
    name: "alignment/packed-i16",
    source: concat!(
        "enable wgpu_int16;\n",
        "alias Number = i16;\n",
        "fn packed(x: Two) -> u32 { return u32(u32(i32(x.x)) & 0xffffu) | (u32(i32(x.y)) << 16u); }\n",
        "fn unpacked(x: u32) -> Two {\n",
        "    return Two(Number(extractBits(i32(x), 0u, 16u)), Number(extractBits(i32(x), 16u, 16u)));\n",
        "}\n",
        include_str!("packed.wgsl")
    ),
    features: &["wgpu-int16"],
};

/// `packed.wgsl` with floats of 16 bits, which are exact up to 2048.
static PACKED_F16: WgslModule = WgslModule {
    name: "alignment/packed-f16",
    source: concat!(
        "enable f16;\n",
        "alias Number = f16;\n",
        "fn packed(x: Two) -> u32 { return pack2x16float(vec2<f32>(x)); }\n",
        "fn unpacked(x: u32) -> Two { return Two(unpack2x16float(x)); }\n",
        include_str!("packed.wgsl")
    ),
    features: &["shader-f16"],
};

/// Bytes that describe a pair; its result takes fewer.
const PAIR_BYTES: u64 = 4 * PAIR_WORDS as u64;
/// Threads of a block, and its warps.
const BLOCK: usize = 64;
const WARPS: usize = BLOCK / 32;
/// H and F of one column, in bytes.
const BOUNDARY_BYTES: usize = 8;
/// The rows between strips take no more than this, if 64 pairs at a time fit in it.
const BOUNDARY_LIMIT_BYTES: usize = 256 << 20;

/// Device memory for `pairs` pairs of `residues` residues with targets up to `columns`, in bytes.
pub(super) fn device_bytes(pairs: f64, residues: f64, columns: usize) -> f64 {
    let boundary = (pairs as usize).next_multiple_of(BLOCK).saturating_mul(columns);
    let boundary = boundary.saturating_mul(BOUNDARY_BYTES).min(BOUNDARY_LIMIT_BYTES);
    residues + pairs * (RESULT_BYTES + 4 * PAIR_WORDS) as f64 + boundary as f64
}

/// Whether buffers of about this size can be bound; exact sizes are known with the input.
pub(super) fn supports(
    pairs: f64,
    residues: f64,
    columns: usize,
    device: &DeviceInfo,
) -> Result<(), Unsupported> {
    let least = (BLOCK * BOUNDARY_BYTES).saturating_mul(columns) as f64;
    fits(residues.max(least).max(pairs * PAIR_BYTES as f64) as u64, device)
}

/// Whether the loops over a pair of up to so many rows and columns come to their end: Mesa's software
/// adapter leaves the loops of an invocation after 65,535 rounds in all, whatever is left to do.
pub(super) fn loops(rows: usize, columns: usize, device: &DeviceInfo) -> Result<(), Unsupported> {
    /// Rows of a strip in WGSL; a round moves a strip by one column.
    const ROWS: usize = 8;
    let rounds = rows.div_ceil(ROWS) as f64 * columns as f64;
    if device.kind != DeviceKind::SoftwareGpu || rounds < 65_535.0 {
        return Ok(());
    }
    Err(Unsupported(format!(
        "the longest pair takes {rounds:.0} rounds of the inner loop, and a software adapter ends a loop \
         after 65,535"
    )))
}

/// Largest buffer that the device binds and 32-bit indices reach, in bytes.
fn largest_buffer(device: &DeviceInfo) -> u64 {
    device.max_buffer_bytes.unwrap_or(u64::MAX).min(u64::from(u32::MAX))
}

fn fits(buffer_bytes: u64, device: &DeviceInfo) -> Result<(), Unsupported> {
    let largest = largest_buffer(device);
    if buffer_bytes <= largest {
        return Ok(());
    }
    Err(Unsupported(format!(
        "needs a buffer of {buffer_bytes} bytes, {} binds at most {largest}; give fewer pairs",
        device.id
    )))
}

/// Blocks that share the work: as many as there is room for.
struct Blocks {
    count: usize,
    boundary_bytes: u64,
}

impl Blocks {
    /// For `jobs` jobs, `at_once` to a block, each with a row of `columns` columns between strips.
    fn new(jobs: usize, at_once: usize, columns: usize, largest_bytes: u64) -> Self {
        let room = BOUNDARY_LIMIT_BYTES.min(largest_bytes as usize);
        if jobs == 0 {
            return Self { count: 1, boundary_bytes: BOUNDARY_BYTES as u64 };
        }
        let of_block = at_once * BOUNDARY_BYTES * columns.max(1);
        let count = jobs.div_ceil(at_once).min(room / of_block).clamp(1, 65_535);
        Self { count, boundary_bytes: (count * of_block) as u64 }
    }
}

/// The kernels of a recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// 32 bits, a pair a thread, in either language.
    Inter(Language),
    /// 32 bits, a pair a warp, in CUDA C.
    Warp,
    /// 16-bit integers, two pairs a thread, in CUDA C.
    Packed,
    /// The same in WGSL.
    PackedI16,
    /// 16-bit floats, two pairs a thread, in WGSL.
    PackedF16,
}

/// What a language has to choose from, by the names of tunings, the first being the default, and what
/// the device must have. What is faster hangs on the device, and on how many pairs there are.
const WGSL_KINDS: &[(&str, Kind, &str)] = &[
    ("i32", Kind::Inter(Language::Wgsl), ""),
    ("i16", Kind::PackedI16, "wgpu-int16"),
    ("f16", Kind::PackedF16, "shader-f16"),
];
const CUDA_KINDS: &[(&str, Kind, &str)] =
    &[("thread", Kind::Inter(Language::Cuda), ""), ("warp", Kind::Warp, "")];
const PACKED_KINDS: &[(&str, Kind, &str)] = &[("", Kind::Packed, "")];

/// The kinds of `implementation`.
fn kinds(implementation: &Implementation) -> &'static [(&'static str, Kind, &'static str)] {
    match (implementation.language, implementation.name) {
        (Language::Wgsl, _) => WGSL_KINDS,
        (_, super::PACKED) => PACKED_KINDS,
        _ => CUDA_KINDS,
    }
}

/// What may be tried on `device`.
pub(super) fn tunings(implementation: &Implementation, device: &DeviceInfo) -> Vec<Tuning> {
    let here = |feature: &str| feature.is_empty() || device.has(feature);
    let kinds = kinds(implementation).iter().enumerate();
    kinds
        .filter(|(_, (_, _, feature))| here(feature))
        .map(|(index, (name, _, _))| Tuning { name: (*name).into(), index })
        .collect()
}

impl Kind {
    /// The kind of a tuning.
    pub fn tuned(implementation: &Implementation, tuning: &Tuning) -> Self {
        let kinds = kinds(implementation);
        kinds[tuning.index.min(kinds.len() - 1)].1
    }

    /// Whether pairs of 32 bits go a warp each: those that 16 bits leave are long.
    fn by_warp(self) -> bool {
        matches!(self, Self::Warp | Self::Packed)
    }

    /// The module for pairs that fit 16 bits.
    fn packed(self) -> Option<Module> {
        match self {
            Self::Inter(_) | Self::Warp => None,
            Self::Packed => Some(Module::Cuda(&PACKED)),
            Self::PackedI16 => Some(Module::Wgsl(&PACKED_I16)),
            Self::PackedF16 => Some(Module::Wgsl(&PACKED_F16)),
        }
    }

    /// The module for any pair.
    fn wide(self) -> Module {
        match self {
            Self::Packed | Self::Warp | Self::Inter(Language::Cuda) => Module::Cuda(&CUDA),
            _ => Module::Wgsl(&WGSL),
        }
    }

    /// Whether a pair of so many residues is one for 16 bits.
    ///
    /// In CUDA local scores leave room for a row number in four bits below them; floats are exact up
    /// to 2048. No score of the other modes is further from 0 than one gap along each sequence, or all
    /// residues equal, and what is added or taken off on the way.
    pub fn takes(self, query: usize, target: usize, mode: Mode, s: &Scoring) -> bool {
        let best = i64::from(s.matched) * query.min(target) as i64;
        let gaps = i64::from(s.gap(query)) + i64::from(s.gap(target));
        let step = 2 * i64::from(s.gap_open) + i64::from(s.matched) - i64::from(s.mismatch);
        let most = match (self, mode) {
            (Self::Inter(_) | Self::Warp, _) => return false,
            (Self::Packed, Mode::Local) | (Self::PackedF16, _) => i64::from(i16::MAX) >> 4,
            _ => i64::from(i16::MAX),
        };
        best + step <= most && (mode == Mode::Local || gaps + step <= most)
    }
}

/// The recording of `pairs` by the kernels of `kind` for `device`.
pub(super) fn record(
    pairs: &Arc<Pairs>,
    mode: Mode,
    scoring: &Arc<Scoring>,
    kind: Kind,
    device: &DeviceInfo,
) -> Result<Recording, Unsupported> {
    let layout = lay_out(pairs, mode, scoring, kind);
    let (count, narrow, largest) = (pairs.len(), layout.narrow, largest_buffer(device));
    let at_once = if kind.by_warp() { WARPS } else { BLOCK };
    let narrow_blocks = Blocks::new(narrow.div_ceil(2), BLOCK, layout.columns[0], largest);
    let wide_blocks = Blocks::new(count - narrow, at_once, layout.columns[1], largest);
    let boundary_bytes = narrow_blocks.boundary_bytes.max(wide_blocks.boundary_bytes);
    let letter_bytes = (layout.words.max(1) * 4) as u64;
    fits(letter_bytes.max(boundary_bytes).max(pairs.len() as u64 * PAIR_BYTES), device)?;
    let mut recording = Recording::default();
    let letters = recording.buffer("letters", Role::Input, letter_bytes);
    let descriptions =
        recording.buffer("pairs", Role::Input, (pairs.len().max(1) * PAIR_WORDS * 4) as u64);
    let table: Vec<u8> = scoring.table().iter().map(|&score| score as u8).collect();
    let table = recording.upload("table", Role::Constant, Bytes::from(table));
    let boundary = recording.buffer("boundary", Role::Scratch, boundary_bytes);
    let results =
        recording.buffer("results", Role::Output, (pairs.len().max(1) * RESULT_BYTES) as u64);
    let mut dispatch = |kernel: Kernel, blocks: &Blocks, numbers: &[usize]| {
        let mut args = vec![
            Arg::Read(letters),
            Arg::Read(descriptions),
            Arg::Read(table),
            Arg::Write(boundary),
            Arg::Write(results),
        ];
        args.extend(numbers.iter().map(|&number| Arg::U32(number as u32)));
        let costs = [scoring.matched, scoring.mismatch, scoring.gap_open, scoring.gap_extend];
        args.extend(costs.map(Arg::I32));
        recording.commands.push(Command::Dispatch {
            kernel,
            grid: [blocks.count as u32, 1, 1],
            args,
        });
    };
    let kernel = |module, by_warp| kernel(mode, scoring.alphabet, module, by_warp);
    if let (Some(module), true) = (kind.packed(), narrow > 0) {
        dispatch(kernel(module, false), &narrow_blocks, &[narrow]);
    }
    if narrow < count || count == 0 {
        dispatch(kernel(kind.wide(), kind.by_warp()), &wide_blocks, &[narrow, count]);
    }
    let (packed, scoring, pool) = (Arc::clone(pairs), Arc::clone(scoring), Pool::default());
    recording.pack = Some(Arc::new(move || {
        Ok(lay_out(&packed, mode, &scoring, kind).pack(&packed, scoring.alphabet, &pool))
    }));
    Ok(recording)
}

fn lay_out(pairs: &Pairs, mode: Mode, scoring: &Scoring, kind: Kind) -> Layout {
    Layout::new(pairs, |query, target| kind.takes(query, target, mode, scoring))
}

fn kernel(mode: Mode, alphabet: Alphabet, module: Module, by_warp: bool) -> Kernel {
    let block = [BLOCK as u32, 1, 1];
    if matches!(module, Module::Wgsl(_)) {
        let overrides =
            vec![("mode", f64::from(mode as u8)), ("matrix", f64::from(alphabet as u8))];
        return Kernel { module, entry: "align_pairs", block, shared_bytes: 0, overrides };
    }
    let [thread, warp] = match (mode, alphabet) {
        (Mode::Local, Alphabet::Dna) => ["local_dna", "local_dna_by_warp"],
        (Mode::Global, Alphabet::Dna) => ["global_dna", "global_dna_by_warp"],
        (Mode::SemiGlobal, Alphabet::Dna) => ["semi_global_dna", "semi_global_dna_by_warp"],
        (Mode::Local, Alphabet::Protein) => ["local_protein", "local_protein_by_warp"],
        (Mode::Global, Alphabet::Protein) => ["global_protein", "global_protein_by_warp"],
        (Mode::SemiGlobal, Alphabet::Protein) => {
            ["semi_global_protein", "semi_global_protein_by_warp"]
        }
    };
    let entry = if by_warp { warp } else { thread };
    Kernel { module, entry, block, shared_bytes: 0, overrides: Vec::new() }
}
