//! The chain as device work: the same buffers, tables and dispatches for CUDA and WGSL.
//!
//! The file itself is uploaded, with tables that say where its restart intervals stand; what comes
//! back is the entropy-coded bytes of every output row and their lengths. Frames go through in
//! batches that fit the device. Kernels:
//!
//! `decode` (a thread per restart interval; or, for long ones, `synchronise`, `chain`, `scatter` and
//! `add_up`: decode.cu says how) → `inverse` (8 threads a block of samples) → `down`,
//! `across` (8 samples a thread) → `forward` → `entropy` (a workgroup per row of MCUs: bit
//! lengths, prefix sum, packing) → `place` (prefix sum over rows) → `emit` (byte stuffing).

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::container::{self, Damaged, Movie};
use super::device_tables::{
    GROUP, SUB_BYTES, cuts, encoder_words, groups, intervals, plan_words, tables,
};
use super::jpeg::{self, Layout};
use super::muxer::{Container, Film};
use super::tables::quantisers;
use crate::recording::{
    Arg, BufferId, Command, CudaModule, Kernel, Module, Recording, Role, Used, WgslModule,
};
use crate::work::{DeviceInfo, Language, Tuning, Unsupported};

/// Words that a block can take at most: a DC code with its bits (22) and 63 AC codes with
/// theirs (26 each).
const RAW_WORDS_PER_BLOCK: usize = 52;

/// Blocks of samples that a workgroup of the transforms takes, in six turns, and its threads: eight for
/// each block of a turn.
const TRANSFORM_BLOCKS: usize = 6 * 24;
const TRANSFORM_THREADS: u32 = 24 * 8;

/// Index of each pair of stages in the module tables.
const DECODE: usize = 0;
const TRANSFORM: usize = 1;
const SCALE: usize = 2;
const ENTROPY: usize = 3;

static CUDA: [CudaModule; 4] = [
    CudaModule {
        name: "transcode/decode",
        source: include_str!("decode.cu"),
        ptx: &[
            (70, include_str!("../ptx/transcode_decode.sm_70.ptx")),
            (75, include_str!("../ptx/transcode_decode.sm_75.ptx")),
            (80, include_str!("../ptx/transcode_decode.sm_80.ptx")),
            (90, include_str!("../ptx/transcode_decode.sm_90.ptx")),
        ],
    },
    CudaModule {
        name: "transcode/transform",
        source: include_str!("transform.cu"),
        ptx: &[
            (70, include_str!("../ptx/transcode_transform.sm_70.ptx")),
            (75, include_str!("../ptx/transcode_transform.sm_75.ptx")),
            (80, include_str!("../ptx/transcode_transform.sm_80.ptx")),
            (90, include_str!("../ptx/transcode_transform.sm_90.ptx")),
        ],
    },
    CudaModule {
        name: "transcode/scale",
        source: include_str!("scale.cu"),
        ptx: &[
            (70, include_str!("../ptx/transcode_scale.sm_70.ptx")),
            (75, include_str!("../ptx/transcode_scale.sm_75.ptx")),
            (80, include_str!("../ptx/transcode_scale.sm_80.ptx")),
            (90, include_str!("../ptx/transcode_scale.sm_90.ptx")),
        ],
    },
    CudaModule {
        name: "transcode/entropy",
        source: include_str!("entropy.cu"),
        ptx: &[
            (70, include_str!("../ptx/transcode_entropy.sm_70.ptx")),
            (75, include_str!("../ptx/transcode_entropy.sm_75.ptx")),
            (80, include_str!("../ptx/transcode_entropy.sm_80.ptx")),
            (90, include_str!("../ptx/transcode_entropy.sm_90.ptx")),
        ],
    },
];

static WGSL: [WgslModule; 4] = [
    WgslModule {
        name: "transcode/decode",
        source: concat!(include_str!("reader.wgsl"), include_str!("decode.wgsl")),
        features: &[],
    },
    WgslModule {
        name: "transcode/transform",
        source: include_str!("transform.wgsl"),
        features: &[],
    },
    WgslModule { name: "transcode/scale", source: include_str!("scale.wgsl"), features: &[] },
    WgslModule { name: "transcode/entropy", source: include_str!("entropy.wgsl"), features: &[] },
];

/// What may be tried, by [`Tuning::index`]: frames that a batch holds at most, all that fit the device
/// or so few that what passes from kernel to kernel stays in its cache; and whether restart intervals
/// are cut into sub-sequences.
const TUNINGS: [(&str, usize, bool); 4] = [
    ("largest", usize::MAX, false),
    ("8 frames", 8, false),
    ("largest, cut", usize::MAX, true),
    ("8 frames, cut", 8, true),
];

/// Mean bytes of a restart interval from which on it may be cut: two sub-sequences. Below, there
/// would be no more threads.
const CUT_FROM: usize = 2 * SUB_BYTES;
/// Mean bytes up to which one thread may decode an interval: a row of MCUs has about 3 kB at 1080p.
/// A whole frame would keep a device waiting for its few threads.
const WHOLE_UP_TO: usize = 8 << 10;

/// The batches and ways of decoding worth trying for `movie`.
pub fn tunings(movie: &Movie) -> Vec<Tuning> {
    let lengths = movie.frames.iter().flat_map(|f| f.intervals.iter().map(ExactSizeIterator::len));
    let (count, bytes) = lengths.fold((0, 0), |(count, bytes), n| (count + 1, bytes + n));
    let mean = bytes / count.max(1);
    let worth = |&(_, (_, most, cut)): &(usize, &(&str, usize, bool))| {
        let way = if *cut { mean >= CUT_FROM } else { mean <= WHOLE_UP_TO };
        way && (*most == usize::MAX || *most < movie.frames.len())
    };
    let worth = TUNINGS.iter().enumerate().filter(worth);
    worth.map(|(index, (name, ..))| Tuning { name: (*name).into(), index }).collect()
}

/// What is to come out.
#[derive(Debug, Clone, Copy)]
pub struct Goal {
    /// The layout of its frames, a standard one.
    pub to: Layout,
    /// Quality, 1 to 100.
    pub quality: u32,
    /// The kind of file.
    pub container: Container,
}

/// The chain for `movie` (a parse of `data` without what is damaged) on `device`.
///
/// # Errors
/// [`Unsupported`] where a frame or the file does not fit the device.
pub fn recording(
    data: &Bytes,
    movie: &Movie,
    goal: &Goal,
    language: Language,
    device: &DeviceInfo,
    tuning: &Tuning,
) -> Result<Recording, Unsupported> {
    let Goal { to, quality, container } = *goal;
    let from = movie.frames[0].layout;
    let sizes = Sizes::new(&from, &to);
    let (_, most, cut) = TUNINGS.get(tuning.index).copied().unwrap_or(TUNINGS[0]);
    let batch = sizes.batch(data.len() as u64, device)?.min(movie.frames.len()).min(most);
    let mut builder = Builder::new(data, movie, &sizes, batch, quality, language);
    if let Some(units) = device.compute_units {
        builder.units = units as usize;
    }
    if cut {
        builder.cut(movie, batch);
    }
    let mut first = 0;
    while first < movie.frames.len() {
        let count = batch.min(movie.frames.len() - first);
        builder.batch(movie, first, count);
        first += count;
    }
    let mut recording = builder.recording;
    let (source, present) = (data.clone(), movie.present.clone());
    recording.pack = Some(Arc::new(move || {
        // What is damaged is known since the input was made.
        let mut movie = container::parse(&source, Damaged::Skip)?;
        let good: Vec<bool> = movie.numbers().map(|number| present[number]).collect();
        movie.keep(&good);
        let mut inputs = vec![source.clone(), intervals(&movie), tables(&movie)];
        inputs.extend(cut.then(|| cuts(&movie)));
        Ok(inputs)
    }));
    let header = jpeg::header(&to, &quantisers(quality));
    let film = Film { container, width: to.width, height: to.height, rate: movie.rate };
    let (present, frames) = (movie.present.clone(), movie.frames.len());
    recording.unpack = Some(Arc::new(move |outputs| {
        let images = images(&outputs, &header, frames, to.mcus_y())?;
        Ok(vec![film.file(&present, &images)?])
    }));
    Ok(recording)
}

/// Words of the scratch buffers that one frame needs.
struct Sizes {
    from: Layout,
    to: Layout,
    coefficients: usize,
    planes: usize,
    middle: usize,
    scaled: usize,
    spectrum: usize,
    raw_row: usize,
    raw: usize,
}

impl Sizes {
    fn new(from: &Layout, to: &Layout) -> Self {
        let plane_words = |layout: &Layout| layout.blocks() * 16;
        let middle = |c: usize| from.padded_size(c).0 / 2 * to.plane_size(c).1;
        let raw_row = to.mcus_x() * to.blocks_per_mcu() * RAW_WORDS_PER_BLOCK + 1;
        Self {
            from: *from,
            to: *to,
            coefficients: from.blocks() * 32,
            planes: plane_words(from),
            middle: (0..from.components).map(middle).sum(),
            scaled: plane_words(to),
            spectrum: to.blocks() * 32,
            raw_row,
            raw: raw_row * to.mcus_y(),
        }
    }

    fn words(&self) -> [usize; 6] {
        [self.coefficients, self.planes, self.middle, self.scaled, self.spectrum, self.raw]
    }

    /// Frames that go through at once: as many as a quarter of the device holds, every buffer
    /// within what the device binds and 32-bit positions reach.
    fn batch(&self, file_bytes: u64, device: &DeviceInfo) -> Result<usize, Unsupported> {
        let largest = device.max_buffer_bytes.unwrap_or(1 << 30).min(1 << 31);
        if file_bytes > largest {
            return Err(Unsupported(format!(
                "the video of {file_bytes} bytes passes the device's largest buffer of {largest} \
                 bytes; use fewer frames"
            )));
        }
        let each = self.words().into_iter().max().unwrap_or(1) as u64 * 4;
        let all = self.words().into_iter().sum::<usize>() as u64 * 4;
        let memory = device.memory_bytes.unwrap_or(2 << 30) / 4;
        let frames = (largest / each).min((memory / all).max(1)).min(4096) as usize;
        if frames == 0 {
            return Err(Unsupported(format!(
                "one frame needs a buffer of {each} bytes, the device binds at most {largest}"
            )));
        }
        Ok(frames)
    }
}

/// Threads of 32 that decode an interval each. Every thread waits for what only others do at a code, so
/// few go together unless two such groups for each of a multiprocessor's four schedulers are full.
fn lanes(intervals: usize, units: usize) -> usize {
    intervals.div_ceil(units * 8).next_power_of_two().clamp(8, 32)
}

/// Whole images from the downloaded lengths and bytes.
fn images(
    outputs: &[Vec<u8>],
    header: &[u8],
    frames: usize,
    rows: usize,
) -> Result<Vec<Vec<u8>>, String> {
    let [lengths, bytes] = outputs else { return Err("two outputs were expected".into()) };
    let length = |i: usize| -> Option<usize> {
        let word = lengths.get(i * 4 + 4..i * 4 + 8)?;
        Some(u32::from_le_bytes([word[0], word[1], word[2], word[3]]) as usize)
    };
    let mut at = 0usize;
    let mut images = Vec::with_capacity(frames);
    for f in 0..frames {
        let mut parts = Vec::with_capacity(rows);
        for row in 0..rows {
            let part = length(f * rows + row).and_then(|n| bytes.get(at..at.checked_add(n)?));
            let part =
                part.ok_or_else(|| format!("frame {f}, row {row}: its bytes are missing"))?;
            at += part.len().next_multiple_of(4);
            parts.push(part);
        }
        images.push(jpeg::assemble(header, parts.into_iter()));
    }
    Ok(images)
}

/// Builds the buffers once and the dispatches of one batch after another.
struct Builder<'a> {
    recording: Recording,
    sizes: &'a Sizes,
    language: Language,
    scan: BufferId,
    intervals: BufferId,
    tables: BufferId,
    encoder: BufferId,
    plan: BufferId,
    coefficients: BufferId,
    planes: BufferId,
    middle: BufferId,
    scaled: BufferId,
    spectrum: BufferId,
    raw: BufferId,
    rows: BufferId,
    lengths: BufferId,
    bytes: BufferId,
    cuts: Option<Cuts>,
    /// Multiprocessors of the device; many where that is not known.
    units: usize,
}

/// What decoding by sub-sequences needs.
struct Cuts {
    /// As [`groups`] has them.
    groups: Vec<usize>,
    intervals: BufferId,
    states: BufferId,
}

impl<'a> Builder<'a> {
    fn new(
        data: &Bytes,
        movie: &Movie,
        sizes: &'a Sizes,
        batch: usize,
        quality: u32,
        language: Language,
    ) -> Self {
        let mut r = Recording::default();
        let rows = sizes.to.mcus_y();
        let scan = r.upload("scan", Role::Input, data.clone());
        let intervals = r.upload("intervals", Role::Input, intervals(movie));
        let tables = r.upload("tables", Role::Input, tables(movie));
        let encoder = r.upload("encoder", Role::Constant, encoder_words(quality));
        let plan = r.upload("plan", Role::Constant, plan_words(&sizes.from, &sizes.to));
        let names = ["coefficients", "planes", "middle", "scaled", "spectrum", "raw"];
        let scratch: Vec<BufferId> = names
            .into_iter()
            .zip(sizes.words())
            .map(|(name, words)| r.buffer(name, Role::Scratch, (batch * words * 4) as u64))
            .collect();
        let place = r.buffer("rows", Role::Scratch, (batch * rows * 12) as u64);
        let count = movie.frames.len() * rows;
        let lengths = r.buffer("lengths", Role::Output, (count * 4 + 4) as u64);
        // A guess; the interpreter doubles it where it is too small.
        let ratio = sizes.to.blocks() as f64 / sizes.from.blocks() as f64;
        let guess = (data.len() as f64 * ratio) as u64 + count as u64 * 16 + 4096;
        let bytes = r.buffer("bytes", Role::Output, guess.next_multiple_of(4));
        r.buffers[bytes.0].used = Some(Used { buffer: lengths, index: 0 });
        r.commands.push(Command::Clear(lengths));
        let [coefficients, planes, middle, scaled, spectrum, raw] = scratch[..] else {
            unreachable!("six names were given")
        };
        Self {
            recording: r,
            sizes,
            language,
            scan,
            intervals,
            tables,
            encoder,
            plan,
            coefficients,
            planes,
            middle,
            scaled,
            spectrum,
            raw,
            rows: place,
            lengths,
            bytes,
            cuts: None,
            units: 128,
        }
    }

    /// Has batches of so many frames decoded by sub-sequences.
    fn cut(&mut self, movie: &Movie, batch: usize) {
        let intervals = self.recording.upload("cuts", Role::Input, cuts(movie));
        let groups = groups(movie);
        let starts = groups.iter().step_by(batch);
        let ends = groups.iter().skip(batch).step_by(batch).chain(groups.last());
        let most = starts.zip(ends).map(|(start, end)| end - start).max().unwrap_or(0);
        let states = self.recording.buffer("states", Role::Scratch, (most * GROUP * 16) as u64);
        self.cuts = Some(Cuts { groups, intervals, states });
    }

    fn dispatch(
        &mut self,
        entry: &'static str,
        stage: usize,
        threads: u32,
        grid: [usize; 3],
        args: Vec<Arg>,
    ) {
        let module = match self.language {
            Language::Cuda => Module::Cuda(&CUDA[stage]),
            _ => Module::Wgsl(&WGSL[stage]),
        };
        let block = [threads, 1, 1];
        let kernel = Kernel { module, entry, block, shared_bytes: 0, overrides: Vec::new() };
        let grid = grid.map(|n| n as u32);
        self.recording.commands.push(Command::Dispatch { kernel, grid, args });
    }

    /// The dispatches for `count` frames from `first`.
    fn batch(&mut self, movie: &Movie, first: usize, count: usize) {
        let before = |frames: usize| -> usize {
            movie.frames[..frames].iter().map(|f| f.intervals.len()).sum()
        };
        let (from_interval, to_interval) = (before(first), before(first + count));
        self.recording.commands.push(Command::Clear(self.coefficients));
        self.decode(first, count, from_interval, to_interval - from_interval);
        self.scale(count);
        self.encode(first, count);
    }

    fn decode(&mut self, first: usize, count: usize, from_interval: usize, intervals: usize) {
        let from = self.sizes.from;
        let per_mcu = from.blocks_per_mcu();
        let u = |v: usize| Arg::U32(v as u32);
        if let Some(cuts) = self.cuts.take() {
            self.decode_cut(&cuts, first..first + count, from_interval, intervals);
            self.cuts = Some(cuts);
        } else {
            let lanes = lanes(intervals, self.units);
            let args = vec![
                Arg::Read(self.scan),
                Arg::Read(self.intervals),
                Arg::Read(self.tables),
                Arg::Read(self.plan),
                Arg::Write(self.coefficients),
                u(from_interval),
                u(intervals),
                u(first),
                u(from.blocks()),
                u(per_mcu),
                u(lanes),
            ];
            self.dispatch("decode", DECODE, 32, [intervals.div_ceil(lanes), 1, 1], args);
        }
        let args = vec![
            Arg::Read(self.coefficients),
            Arg::Read(self.tables),
            Arg::Read(self.encoder),
            Arg::Read(self.plan),
            Arg::Write(self.planes),
            u(first),
            u(from.mcus_x()),
            u(per_mcu),
            u(self.sizes.planes),
        ];
        let grid = [(from.mcus_x() * per_mcu).div_ceil(TRANSFORM_BLOCKS), from.mcus_y(), count];
        self.dispatch("inverse", TRANSFORM, TRANSFORM_THREADS, grid, args);
    }

    /// Decodes `frames`, whose restart intervals are `intervals` from `from_interval` on, by
    /// sub-sequences.
    fn decode_cut(
        &mut self,
        cuts: &Cuts,
        frames: Range<usize>,
        from_interval: usize,
        intervals: usize,
    ) {
        let from = self.sizes.from;
        let (per_mcu, blocks) = (from.blocks_per_mcu(), from.blocks());
        let first_group = cuts.groups[frames.start];
        let groups = cuts.groups[frames.end] - first_group;
        let u = |v: usize| Arg::U32(v as u32);
        let mut args: Vec<_> = [self.scan, self.intervals, self.tables, self.plan, cuts.intervals]
            .map(Arg::Read)
            .into();
        args.push(Arg::Write(cuts.states));
        args.extend([cuts.groups.len() - 1, first_group].map(u));
        self.dispatch("synchronise", DECODE, GROUP as u32, [groups, 1, 1], args.clone());
        args.push(u(frames.start));
        self.dispatch("chain", DECODE, GROUP as u32, [frames.len(), 1, 1], args.clone());
        args.splice(5..6, [Arg::Read(cuts.states), Arg::Write(self.coefficients)]);
        args.extend([blocks, per_mcu].map(u));
        self.dispatch("scatter", DECODE, 64, [groups * GROUP / 64, 1, 1], args);
        let args = vec![
            Arg::Read(self.intervals),
            Arg::Write(self.coefficients),
            u(from_interval),
            u(intervals),
            u(frames.start),
            u(blocks),
            u(per_mcu),
            u(from.luma_blocks()),
        ];
        // More intervals than a grid's dimension may have.
        let grid = [from.components, intervals.min(32768), intervals.div_ceil(32768)];
        self.dispatch("add_up", DECODE, 256, grid, args);
    }

    fn scale(&mut self, count: usize) {
        let (from, to) = (self.sizes.from, self.sizes.to);
        let u = |v: usize| Arg::U32(v as u32);
        let args = vec![
            Arg::Read(self.planes),
            Arg::Read(self.plan),
            Arg::Write(self.middle),
            u(self.sizes.planes),
            u(self.sizes.middle),
            u(from.components),
        ];
        let (width, planes) = (from.padded_size(0).0, from.components * count);
        let grid = [width.div_ceil(256), to.height.div_ceil(8), planes];
        self.dispatch("down", SCALE, 256, grid, args);
        let args = vec![
            Arg::Read(self.middle),
            Arg::Read(self.plan),
            Arg::Write(self.scaled),
            u(self.sizes.middle),
            u(self.sizes.scaled),
            u(from.components),
        ];
        let (width, rows) = to.padded_size(0);
        self.dispatch("across", SCALE, 256, [width.div_ceil(256), rows / 8, planes], args);
    }

    fn encode(&mut self, first: usize, count: usize) {
        let to = self.sizes.to;
        let (across, rows, per_mcu) = (to.mcus_x(), to.mcus_y(), to.blocks_per_mcu());
        let u = |v: usize| Arg::U32(v as u32);
        let args = vec![
            Arg::Read(self.scaled),
            Arg::Read(self.encoder),
            Arg::Read(self.plan),
            Arg::Write(self.spectrum),
            u(across),
            u(per_mcu),
            u(self.sizes.scaled),
        ];
        let grid = [(across * per_mcu).div_ceil(TRANSFORM_BLOCKS), rows, count];
        self.dispatch("forward", TRANSFORM, TRANSFORM_THREADS, grid, args);
        let args = vec![
            Arg::Read(self.spectrum),
            Arg::Read(self.encoder),
            Arg::Read(self.plan),
            Arg::Write(self.raw),
            Arg::Write(self.rows),
            u(across * per_mcu),
            u(per_mcu),
            u(self.sizes.raw_row),
        ];
        self.dispatch("entropy", ENTROPY, 256, [rows, count, 1], args);
        let args =
            vec![Arg::Write(self.rows), Arg::Write(self.lengths), u(rows * count), u(rows * first)];
        self.dispatch("place", ENTROPY, 256, [1, 1, 1], args);
        let args = vec![
            Arg::Read(self.raw),
            Arg::Read(self.rows),
            Arg::Write(self.bytes),
            u(self.sizes.raw_row),
            Arg::Capacity(self.bytes),
        ];
        self.dispatch("emit", ENTROPY, 256, [rows, count, 1], args);
    }
}
