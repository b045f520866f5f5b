//! Motion-JPEG transcoders as sessions beside our own: libjpeg-turbo with its frames over all threads,
//! crates likewise, and ffmpeg as a process.
#![expect(unsafe_code, reason = "a C library")]

use std::ffi::{c_int, c_uchar, c_ulong, c_void};
use std::io::Write;
use std::process::{Command, Stdio};
use std::ptr::null_mut;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use breakeven::backend::{BackendError, Mode, OneOff, Session, Timing};
use breakeven_kernels::transcode::container::{self, Damaged, Movie};
use breakeven_kernels::transcode::jpeg::Sampling;
use breakeven_kernels::transcode::muxer::{Container, Film};
use breakeven_kernels::work::{Input, Keep};
use libloading::Library;
use rayon::prelude::*;

mod crates;

/// What `tjCompressFromYUVPlanes` calls 4:2:0 and 4:2:2.
const TJSAMP_420: c_int = 2;
const TJSAMP_422: c_int = 1;
/// The accurate integer DCT.
const ACCURATE: c_int = 4096;

type Handle = *mut c_void;
type Init = unsafe extern "C" fn() -> Handle;
type Decompress = unsafe extern "C" fn(
    Handle,
    *const c_uchar,
    c_ulong,
    *const *mut c_uchar,
    c_int,
    *const c_int,
    c_int,
    c_int,
) -> c_int;
type Compress = unsafe extern "C" fn(
    Handle,
    *const *const c_uchar,
    c_int,
    *const c_int,
    c_int,
    c_int,
    *mut *mut c_uchar,
    *mut c_ulong,
    c_int,
    c_int,
) -> c_int;
type Destroy = unsafe extern "C" fn(Handle) -> c_int;
type Free = unsafe extern "C" fn(*mut c_uchar);

/// libjpeg-turbo's functions.
#[derive(Clone, Copy)]
struct Turbo {
    init_decompress: Init,
    init_compress: Init,
    decompress: Decompress,
    compress: Compress,
    destroy: Destroy,
    free: Free,
}

impl Turbo {
    fn open() -> Result<(Self, Library)> {
        // SAFETY: its initialisers only look at the processor.
        let library = unsafe { Library::new("libturbojpeg.so.0") }
            .context("not installed; run benches/peers/install.sh")?;
        // SAFETY: the signatures are those of turbojpeg.h 2.1.
        let turbo = unsafe {
            Self {
                init_decompress: *library.get(b"tjInitDecompress")?,
                init_compress: *library.get(b"tjInitCompress")?,
                decompress: *library.get(b"tjDecompressToYUVPlanes")?,
                compress: *library.get(b"tjCompressFromYUVPlanes")?,
                destroy: *library.get(b"tjDestroy")?,
                free: *library.get(b"tjFree")?,
            }
        };
        Ok((turbo, library))
    }
}

/// Three planes and how far apart their rows are.
struct Planes {
    samples: [Vec<u8>; 3],
    sizes: [(usize, usize); 3],
}

impl Planes {
    /// Of a picture that is padded to whole MCUs, as libjpeg-turbo writes planes.
    fn new(width: usize, height: usize, sampling: Sampling) -> Self {
        let down = if sampling == Sampling::S420 { 2 } else { 1 };
        let luma = (width.next_multiple_of(2), height.next_multiple_of(down));
        let sizes = [luma, (luma.0 / 2, luma.1 / down), (luma.0 / 2, luma.1 / down)];
        Self { samples: sizes.map(|(w, h)| vec![0; w * h]), sizes }
    }

    fn strides(&self) -> [c_int; 3] {
        self.sizes.map(|(width, _)| width as c_int)
    }

    /// Half of `from`, each sample the mean of four: the cheapest scaler there is.
    fn halve(&mut self, from: &Self) {
        for c in 0..3 {
            let ((width, height), stride) = (self.sizes[c], from.sizes[c].0);
            let (source, to) = (&from.samples[c], &mut self.samples[c]);
            for (y, row) in to.chunks_exact_mut(width).take(height).enumerate() {
                let pair = &source[2 * y * stride..][..2 * stride];
                let (upper, lower) = pair.split_at(stride);
                let upper = upper.chunks_exact(2).zip(lower.chunks_exact(2));
                for (sample, (u, l)) in row.iter_mut().zip(upper) {
                    let sum = u16::from(u[0]) + u16::from(u[1]) + u16::from(l[0]) + u16::from(l[1]);
                    *sample = ((sum + 2) / 4) as u8;
                }
            }
        }
    }
}

/// Decoder, encoder and planes of one thread.
struct Worker {
    turbo: Turbo,
    decoder: Handle,
    encoder: Handle,
    input: Planes,
    half: Option<Planes>,
    /// The size that is decoded to: half of the picture's where the decoder itself scales.
    decoded: (usize, usize),
}

// SAFETY: handles are used by one thread at a time, which the documentation allows.
unsafe impl Send for Worker {}

impl Drop for Worker {
    fn drop(&mut self) {
        // SAFETY: each handle is destroyed once.
        unsafe {
            (self.turbo.destroy)(self.decoder);
            (self.turbo.destroy)(self.encoder);
        }
    }
}

impl Worker {
    fn frame(&mut self, jpeg: &[u8], job: &Job) -> Result<Vec<u8>> {
        let (width, height) = self.decoded;
        let planes = self.input.samples.each_mut().map(|p| p.as_mut_ptr());
        let strides = self.input.strides();
        // SAFETY: the planes are as large as the picture's, and alive.
        let status = unsafe {
            (self.turbo.decompress)(
                self.decoder,
                jpeg.as_ptr(),
                jpeg.len() as c_ulong,
                planes.as_ptr(),
                width as c_int,
                strides.as_ptr(),
                height as c_int,
                ACCURATE,
            )
        };
        if status != 0 {
            bail!("libjpeg-turbo cannot decode a frame");
        }
        let output = match &mut self.half {
            Some(half) => {
                half.halve(&self.input);
                half
            }
            None => &self.input,
        };
        let planes = output.samples.each_ref().map(|p| p.as_ptr());
        let strides = output.strides();
        let (mut bytes, mut length) = (null_mut(), 0);
        // SAFETY: the planes are alive; the buffer is the library's own and freed once.
        unsafe {
            let status = (self.turbo.compress)(
                self.encoder,
                planes.as_ptr(),
                job.to.0 as c_int,
                strides.as_ptr(),
                job.to.1 as c_int,
                if job.sampling == Sampling::S420 { TJSAMP_420 } else { TJSAMP_422 },
                &raw mut bytes,
                &raw mut length,
                job.quality,
                ACCURATE,
            );
            if status != 0 {
                bail!("libjpeg-turbo cannot encode a frame");
            }
            let frame = std::slice::from_raw_parts(bytes, length as usize).to_vec();
            (self.turbo.free)(bytes);
            Ok(frame)
        }
    }
}

/// What is transcoded.
struct Job {
    data: Vec<u8>,
    movie: Movie,
    from: (usize, usize),
    to: (usize, usize),
    sampling: Sampling,
    quality: c_int,
    threads: usize,
}

impl Job {
    fn read(case_key: &str, input: &dyn Input, outputs: &[Vec<u8>], threads: u32) -> Result<Self> {
        let number = |name: &str| -> Result<usize> {
            let word = case_key.split(' ').find_map(|w| w.strip_prefix(name)?.strip_prefix('='));
            word.with_context(|| format!("no {name} in {case_key}"))?.parse().context("a number")
        };
        let mut kept = Kept::default();
        input.keep(outputs, &mut kept)?;
        let data = kept.0.swap_remove(0);
        let movie = container::parse(&data, Damaged::Fail).map_err(anyhow::Error::msg)?;
        let layout = movie.frames.first().context("a frame")?.layout;
        Ok(Self {
            from: (layout.width, layout.height),
            to: (number("out_width")?, number("out_height")?),
            sampling: layout.sampling(),
            quality: number("quality")? as c_int,
            threads: threads as usize,
            movie,
            data,
        })
    }

    /// Whether what comes out has half the size.
    fn is_half(&self) -> bool {
        (self.from.0 / 2, self.from.1 / 2) == self.to
    }

    /// Frame `index` as a JPEG file.
    fn frame(&self, index: usize) -> &[u8] {
        let before = index.checked_sub(1).map_or(0, |i| self.movie.frames[i].end);
        let rest = &self.data[before..self.movie.frames[index].end];
        // Between frames stand the file's own few bytes.
        let start = rest.windows(2).position(|w| w == [0xff, 0xd8]).unwrap_or(0);
        &rest[start..]
    }
}

/// What a case keeps, in memory, the input first.
#[derive(Default)]
struct Kept(Vec<Vec<u8>>);

impl Keep for Kept {
    fn create(&mut self, _name: &str) -> std::io::Result<Box<dyn Write + '_>> {
        self.0.push(Vec::new());
        Ok(Box::new(self.0.last_mut().expect("it was pushed")))
    }
}

/// libjpeg-turbo over the frames of a job.
struct TurboSession {
    job: Job,
    /// Whether its decoder scales, by a smaller transform.
    scales: bool,
    turbo: Turbo,
    pool: rayon::ThreadPool,
    free: Mutex<Vec<Worker>>,
    frames: Vec<Vec<u8>>,
    one_off: OneOff,
    /// Last, so that it is closed after the workers' handles.
    _library: Library,
}

impl TurboSession {
    fn new(job: Job, scales: bool) -> Result<Self> {
        if !job.is_half() && (scales || job.from != job.to) {
            bail!("the same size and half of it are compared");
        }
        if !matches!(job.sampling, Sampling::S420 | Sampling::S422) {
            bail!("4:2:0 and 4:2:2 are compared, the video is {}", job.sampling.name());
        }
        let (turbo, library) = Turbo::open()?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(job.threads).build()?;
        let one_off = OneOff::default();
        let (free, frames) = (Mutex::default(), Vec::new());
        Ok(Self { job, scales, turbo, _library: library, pool, free, frames, one_off })
    }

    fn worker(&self) -> Result<Worker> {
        if let Some(worker) = self.free.lock().expect("no thread failed").pop() {
            return Ok(worker);
        }
        let job = &self.job;
        let planes = |(w, h)| Planes::new(w, h, job.sampling);
        // SAFETY: they take nothing.
        let (decoder, encoder) =
            unsafe { ((self.turbo.init_decompress)(), (self.turbo.init_compress)()) };
        let decoded = if self.scales { job.to } else { job.from };
        let half = (decoded != job.to).then(|| planes(job.to));
        let turbo = self.turbo;
        Ok(Worker { turbo, decoder, encoder, input: planes(decoded), half, decoded })
    }

    fn all(&self) -> Result<Vec<Vec<u8>>> {
        let frames = 0..self.job.movie.frames.len();
        let one = |index: usize| {
            let mut worker = self.worker()?;
            let frame = worker.frame(self.job.frame(index), &self.job);
            self.free.lock().expect("no thread failed").push(worker);
            frame
        };
        self.pool.install(|| frames.into_par_iter().map(one).collect())
    }
}

impl Session for TurboSession {
    fn reset(&mut self) -> Result<(), BackendError> {
        self.frames.clear();
        Ok(())
    }

    fn run(&mut self, _mode: Mode, iterations: u32) -> Result<Timing, BackendError> {
        let start = Instant::now();
        for _ in 0..iterations {
            self.frames = self.all().map_err(|why| BackendError::Run(format!("{why:#}")))?;
        }
        let wall_s = start.elapsed().as_secs_f64();
        Ok(Timing { total_s: wall_s, wall_s, depth: 1, ..Timing::default() })
    }

    fn outputs(&mut self) -> Result<Vec<Vec<u8>>, BackendError> {
        let (width, height) = self.job.to;
        let (rate, movie) = (self.job.movie.rate, &self.job.movie);
        let film = Film { container: Container::Avi, width, height, rate };
        let file = film.file(&movie.present, &self.frames);
        Ok(vec![file.map_err(BackendError::Run)?])
    }

    fn modes(&self) -> &'static [Mode] {
        &[Mode::KernelWarm]
    }

    fn one_off(&self) -> &OneOff {
        &self.one_off
    }

    fn launches(&self) -> u32 {
        0
    }
}

/// ffmpeg, started anew each time, with as many threads; its own scaler (bilinear) and tables.
struct FfmpegSession {
    job: Job,
    input: tempfile::NamedTempFile,
    output: tempfile::NamedTempFile,
    one_off: OneOff,
}

impl FfmpegSession {
    fn new(job: Job) -> Result<Self> {
        Command::new("ffmpeg")
            .arg("-version")
            .stdout(Stdio::null())
            .status()
            .context("not installed; run benches/peers/install.sh")?;
        let named = || tempfile::Builder::new().suffix(".avi").tempfile();
        let (mut input, output) = (named()?, named()?);
        input.write_all(&job.data)?;
        input.flush()?;
        Ok(Self { job, input, output, one_off: OneOff::default() })
    }

    fn once(&self) -> Result<()> {
        let (width, height) = self.job.to;
        let threads = self.job.threads.to_string();
        let scale = format!("scale={width}:{height}:flags=bilinear");
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y", "-threads", &threads, "-i"]).arg(self.input.path());
        if self.job.from != self.job.to {
            command.args(["-vf", &scale]);
        }
        command.args(["-c:v", "mjpeg", "-q:v", "3", "-threads", &threads, "-an"]);
        let status = command.arg(self.output.path()).stdin(Stdio::null()).status()?;
        if !status.success() {
            bail!("ffmpeg ended with {status}");
        }
        Ok(())
    }
}

impl Session for FfmpegSession {
    fn reset(&mut self) -> Result<(), BackendError> {
        Ok(())
    }

    fn run(&mut self, _mode: Mode, iterations: u32) -> Result<Timing, BackendError> {
        let start = Instant::now();
        for _ in 0..iterations {
            self.once().map_err(|why| BackendError::Run(format!("{why:#}")))?;
        }
        let wall_s = start.elapsed().as_secs_f64();
        Ok(Timing { total_s: wall_s, wall_s, depth: 1, ..Timing::default() })
    }

    fn outputs(&mut self) -> Result<Vec<Vec<u8>>, BackendError> {
        let file = std::fs::read(self.output.path());
        Ok(vec![file.map_err(|error| BackendError::Run(error.to_string()))?])
    }

    fn modes(&self) -> &'static [Mode] {
        &[Mode::KernelWarm]
    }

    fn one_off(&self) -> &OneOff {
        &self.one_off
    }

    fn launches(&self) -> u32 {
        0
    }
}

/// Every peer on this case; those that cannot do it are told.
///
/// # Errors
/// A case that is not what its family says.
pub fn sessions(
    case_key: &str,
    input: &dyn Input,
    outputs: &[Vec<u8>],
    threads: u32,
) -> Result<Vec<(&'static str, Box<dyn Session>)>> {
    if !case_key.starts_with("transcode ") {
        return Ok(Vec::new());
    }
    let job = || Job::read(case_key, input, outputs, threads);
    let opened: [(&'static str, Result<Box<dyn Session>>); 4] = [
        (
            "libjpeg-turbo",
            TurboSession::new(job()?, false).map(|s| Box::new(s) as Box<dyn Session>),
        ),
        (
            "libjpeg-turbo, its own half",
            TurboSession::new(job()?, true).map(|s| Box::new(s) as Box<dyn Session>),
        ),
        (
            "zune-jpeg, jpeg-encoder",
            crates::CratesSession::new(job()?).map(|s| Box::new(s) as Box<dyn Session>),
        ),
        ("ffmpeg mjpeg", FfmpegSession::new(job()?).map(|s| Box::new(s) as Box<dyn Session>)),
    ];
    let mut sessions = Vec::new();
    for (name, session) in opened {
        match session {
            Ok(session) => sessions.push((name, session)),
            Err(why) => eprintln!("  not compared: {name}: {why:#}"),
        }
    }
    Ok(sessions)
}

/// Runs a peer and looks at its file: as many frames of the same size as ours. (That libjpeg-turbo
/// writes our very bytes at the same size and tables is held by the family's own tests.)
///
/// # Errors
/// What differs.
pub fn checked(peer: &mut dyn Session, ours: &[Vec<u8>]) -> Result<()> {
    peer.reset()?;
    peer.run(Mode::KernelWarm, 1)?;
    let ([ours], [theirs]) = (ours, &peer.outputs()?[..]) else { bail!("not one output") };
    let parse = |data: &[u8]| container::parse(data, Damaged::Fail).map_err(anyhow::Error::msg);
    let (own, other) = (parse(ours)?, parse(theirs)?);
    let size = |movie: &Movie| movie.frames.first().map(|f| (f.layout.width, f.layout.height));
    if own.frames.len() != other.frames.len() || size(&own) != size(&other) {
        bail!(
            "{} frames of {:?}, ours {} of {:?}",
            other.frames.len(),
            size(&other),
            own.frames.len(),
            size(&own)
        );
    }
    Ok(())
}
