//! An encoder: probed, brought to the setting that meets the quality asked for, then run again and
//! again there, one copy or several at once.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Instant;

use breakeven_kernels::encoder::{
    Encoded, EncoderSpec, INPUT, Judged, MOST_POINTS, Next, OUTPUT, Quality, QualityPoint, SETTING,
    SHARE, Source, at_target, next,
};
use breakeven_kernels::process::{hex, program_name};
use tempfile::TempDir;

use super::ProcessDevice;
use super::launch::{self, Launch};
use super::once;
use super::output::{Digested, digest};
use super::run::{Finished, Limits, Sink, complaint, run};
use super::session::empty_process_s;
use crate::backend::{BackendError, Mode, OneOff, ProcessFacts, Session, Timer, Timing};
use crate::host::Host;

/// What is encoded, where it is made here.
const MASTER: &str = "master.mp4";
/// What that is made of.
const MADE: &str = "made.avi";

/// What a run of all streams took.
struct Ran {
    wall_s: f64,
    cpu_s: f64,
}

/// An encoder on a device. Its files lie in a folder that goes away with it.
pub(super) struct EncoderSession<'d> {
    device: &'d ProcessDevice,
    spec: EncoderSpec,
    folder: TempDir,
    program: PathBuf,
    /// Full path or name of what is encoded.
    input: String,
    /// Threads of a stream.
    share: usize,
    /// Words that compare an output with its source.
    judge: Vec<String>,
    points: Vec<QualityPoint>,
    /// The one that is timed.
    chosen: QualityPoint,
    /// First line of what the program says of its version.
    version: Option<String>,
    startup_s: Option<f64>,
    one_off: OneOff,
    peak_memory_bytes: Option<u64>,
    /// Digest and length of the first stream's output that was looked at last.
    digested: Option<Digested>,
}

impl<'d> EncoderSession<'d> {
    /// Proves that the encoder runs here, and looks for the setting that meets the quality.
    ///
    /// # Errors
    /// [`BackendError::Unsupported`] where it cannot run here or the quality is out of its reach.
    pub(super) fn new(device: &'d ProcessDevice, spec: EncoderSpec) -> Result<Self, BackendError> {
        let name = program_name(&spec.encode).to_owned();
        let lost =
            |e: std::io::Error| BackendError::Run(format!("{name}: no temporary folder: {e}"));
        let program = launch::find(&spec.encode, None).map_err(|_| BackendError::Unsupported {
            device: device.info.id.clone(),
            message: format!("{name} is not installed, or not in PATH"),
        })?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = (device.cpus.unwrap_or(threads) / spec.streams.max(1)).max(1);
        let nothing = QualityPoint {
            setting: spec.goal.tries[1],
            ssim: 0.0,
            psnr_db: None,
            vmaf: None,
            bits_per_s: 0.0,
            frames_per_s: 0.0,
        };
        let mut session = Self {
            device,
            folder: tempfile::Builder::new().prefix("breakeven-").tempdir().map_err(lost)?,
            program,
            input: String::new(),
            share,
            judge: spec.judge.clone(),
            points: Vec::new(),
            chosen: nothing,
            version: None,
            startup_s: None,
            one_off: OneOff::default(),
            peak_memory_bytes: None,
            digested: None,
            spec,
        };
        session.prepare()?;
        session.settle()?;
        Ok(session)
    }

    fn unsupported(&self, message: String) -> BackendError {
        BackendError::Unsupported { device: self.device.info.id.clone(), message }
    }

    fn limits(&self) -> Limits<'d> {
        Limits { time_s: self.spec.time_limit_s, interrupted: self.device.interrupted }
    }

    fn system(&self, what: &str, error: &std::io::Error) -> BackendError {
        BackendError::Run(format!("{}: {what}: {error}", self.spec.name))
    }

    /// `words` in the temporary folder, filled in.
    fn launch(&self, words: &[String], input: &str, output: &str) -> Launch {
        let (share, setting) = (self.share.to_string(), self.chosen.setting.to_string());
        let fill = |word: &String| match word.as_str() {
            INPUT => input.to_owned(),
            OUTPUT => output.to_owned(),
            _ => word.replace(SHARE, &share).replace(SETTING, &setting),
        };
        Launch {
            name: self.spec.name.to_owned(),
            words: words.iter().map(fill).collect(),
            program: self.program.clone(),
            folder: Some(self.folder.path().display().to_string()),
            environment: Vec::new(),
            cpus: self.device.cpus,
        }
    }

    /// Name of the output of stream `index`.
    fn output(index: usize) -> String {
        format!("out-{index}.mp4")
    }

    /// Version, input, a trial encode, and whether VMAF is measured.
    fn prepare(&mut self) -> Result<(), BackendError> {
        self.version = self.version();
        self.input = match self.spec.source.clone() {
            Source::File(path) => path,
            Source::Made(maker, words) => {
                let made = maker().map_err(|problem| {
                    BackendError::Run(format!("{}: its input: {problem}", self.spec.name))
                })?;
                let path = self.folder.path().join(MADE);
                fs::write(&path, made).map_err(|e| self.system("its input cannot be kept", &e))?;
                self.trial(&self.launch(&words, MADE, MASTER), "libx264")?;
                fs::remove_file(path).map_err(|e| self.system("its input", &e))?;
                MASTER.to_owned()
            }
        };
        let empty = self.launch(&["true".to_owned()], "", "");
        self.startup_s = empty_process_s(&empty, &self.limits());
        let probe = self.launch(&self.spec.probe, &self.input, &Self::output(0));
        if let Err(lacking) = self.trial(&probe, self.spec.name) {
            self.readable()?;
            return Err(lacking);
        }
        let (words, vmaf) = &self.spec.features;
        let listed = once::ask(&self.launch(words, "", ""), &self.limits())?;
        if listed.split_whitespace().any(|word| word == *vmaf) {
            self.judge = self.spec.judge_vmaf.clone();
        }
        Ok(())
    }

    fn version(&self) -> Option<String> {
        let words = [self.spec.encode.first()?.clone(), "-version".to_owned()];
        let said = once::ask(&self.launch(&words, "", ""), &self.limits()).ok()?;
        let line = said.lines().next()?;
        Some(line.split(" Copyright").next().unwrap_or(line).to_owned())
    }

    /// Runs what must succeed if `needs` works here at all.
    fn trial(&self, launch: &Launch, needs: &str) -> Result<(), BackendError> {
        let finished = run(launch, None, Sink::Forget, &self.limits())?;
        match finished.status.success() {
            true => Ok(()),
            false => Err(self.unsupported((self.spec.absent)(needs, &finished.last_words))),
        }
    }

    /// Whether the user's file is video: if not, no encoder is to blame.
    fn readable(&self) -> Result<(), BackendError> {
        let Source::File(path) = &self.spec.source else { return Ok(()) };
        let read = self.launch(&self.spec.read, path, "");
        let finished = run(&read, None, Sink::Forget, &self.limits())?;
        match finished.status.success() {
            true => Ok(()),
            false => Err(BackendError::Run(format!(
                "{path} cannot be read as video; ffmpeg says: {}",
                finished.last_words
            ))),
        }
    }

    /// Encodes at one setting after another until one meets the quality.
    fn settle(&mut self) -> Result<(), BackendError> {
        for _ in 0..=MOST_POINTS {
            match next(&self.spec.goal, &self.points) {
                Next::Unreachable(why) => {
                    return Err(self.unsupported(format!("{}: {why}", self.spec.name)));
                }
                Next::Settled(setting) => {
                    let point = self.points.iter().find(|p| p.setting == setting);
                    self.chosen = point.copied().unwrap_or(self.chosen);
                    return Ok(());
                }
                Next::Try(setting) => {
                    // Of what cannot be judged nothing is known but its setting.
                    let unknown = f64::NAN;
                    self.chosen = QualityPoint {
                        setting,
                        ssim: unknown,
                        psnr_db: None,
                        vmaf: None,
                        bits_per_s: unknown,
                        frames_per_s: unknown,
                    };
                    let ran = self.once()?;
                    // An output that cannot be judged is told when it is checked.
                    let Ok(judged) = self.judge(&Self::output(0))? else { return Ok(()) };
                    self.chosen = self.point(setting, &ran, &judged)?;
                    self.points.push(self.chosen);
                }
            }
        }
        Err(self.unsupported(format!("{}: its quality does not settle", self.spec.name)))
    }

    fn point(
        &self,
        setting: f64,
        ran: &Ran,
        judged: &Judged,
    ) -> Result<QualityPoint, BackendError> {
        let path = self.folder.path().join(Self::output(0));
        let data = fs::metadata(path).map_err(|e| self.system("its output", &e))?;
        let frames = self.spec.frames as f64 * self.spec.streams as f64;
        Ok(QualityPoint {
            setting,
            ssim: judged.ssim,
            psnr_db: Some(judged.psnr_db).filter(|db| db.is_finite()),
            vmaf: judged.vmaf,
            bits_per_s: data.len() as f64 * 8.0 / judged.seconds,
            frames_per_s: frames / ran.wall_s,
        })
    }

    /// One run of all streams, started together; timed until the last has ended.
    fn once(&mut self) -> Result<Ran, BackendError> {
        self.remove_outputs()?;
        // Linux counts the memory of whoever starts a process into that of the process.
        let own_bytes = Host::default().peak_memory_bytes();
        let streams: Vec<Launch> = (0..self.spec.streams)
            .map(|i| self.launch(&self.spec.encode, &self.input, &Self::output(i)))
            .collect();
        let mut ran = Ran { wall_s: 0.0, cpu_s: 0.0 };
        for ended in all_at_once(&streams, &self.limits()) {
            let (end_s, finished) = ended?;
            ran.wall_s = ran.wall_s.max(end_s);
            if let Some(complaint) = complaint(self.spec.name, &finished) {
                return Err(BackendError::Run(complaint));
            }
            ran.cpu_s += finished.usage.cpu_s;
            let resident = finished.usage.max_resident_bytes;
            if own_bytes.is_some_and(|own| resident > own) {
                self.peak_memory_bytes = self.peak_memory_bytes.max(Some(resident));
            }
        }
        Ok(ran)
    }

    /// Removes the outputs of the run before, so that they cannot pass for this one's.
    fn remove_outputs(&self) -> Result<(), BackendError> {
        for index in 0..self.spec.streams {
            match fs::remove_file(self.folder.path().join(Self::output(index))) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(self.system("an output cannot be removed", &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What the comparison with the source says of an output, or why it can say nothing.
    fn judge(&self, output: &str) -> Result<Result<Judged, String>, BackendError> {
        let launch = self.launch(&self.judge, &self.input, output);
        let finished = run(&launch, None, Sink::Forget, &self.limits())?;
        if let Some(complaint) = complaint("the comparison", &finished) {
            return Ok(Err(complaint));
        }
        let left = |name: &str| fs::read_to_string(self.folder.path().join(name)).ok();
        Ok((self.spec.judged)(&left))
    }
}

/// Starts all together, and waits for all: when each ended, in seconds from the common start.
fn all_at_once(
    streams: &[Launch],
    limits: &Limits<'_>,
) -> Vec<Result<(f64, Finished), BackendError>> {
    let start = Instant::now();
    let one = |launch: &Launch| {
        let begun_s = start.elapsed().as_secs_f64();
        let finished = run(launch, None, Sink::Forget, limits)?;
        Ok((begun_s + finished.wall_s, finished))
    };
    std::thread::scope(|scope| {
        let started: Vec<_> = streams.iter().map(|s| scope.spawn(|| one(s))).collect();
        let lost = |_| BackendError::Run("a helper thread was lost".into());
        started.into_iter().map(|stream| stream.join().map_err(lost)?).collect()
    })
}

impl Session for EncoderSession<'_> {
    fn reset(&mut self) -> Result<(), BackendError> {
        self.digested = None;
        self.remove_outputs()
    }

    fn run(&mut self, _mode: Mode, iterations: u32) -> Result<Timing, BackendError> {
        let mut timing = Timing { timer: Timer::Wall, depth: 1, ..Timing::default() };
        for _ in 0..iterations {
            let ran = self.once()?;
            timing.total_s += ran.wall_s;
            timing.wall_s += ran.wall_s;
            timing.host_cpu_s += ran.cpu_s;
        }
        Ok(timing)
    }

    /// Judges every output of the last run that differs from the others.
    fn outputs(&mut self) -> Result<Vec<Vec<u8>>, BackendError> {
        let mut seen: Vec<Digested> = Vec::new();
        let mut outputs = Vec::new();
        for index in 0..self.spec.streams {
            let name = Self::output(index);
            let file = File::open(self.folder.path().join(&name));
            let digested = file.and_then(|mut file| digest(&mut file));
            let digested = digested.map_err(|e| self.system("no output", &e))?;
            if seen.contains(&digested) {
                continue;
            }
            seen.push(digested);
            outputs.push(self.judge(&name)?);
        }
        self.digested = seen.first().copied();
        Ok(Encoded { chosen_ssim: self.chosen.ssim, outputs }.to_outputs())
    }

    fn modes(&self) -> &'static [Mode] {
        &[Mode::EndToEnd]
    }

    fn one_off(&self) -> &OneOff {
        &self.one_off
    }

    fn launches(&self) -> u32 {
        0
    }

    fn process(&self) -> Option<ProcessFacts> {
        let exact = at_target(&self.spec.goal, &self.points);
        Some(ProcessFacts {
            startup_s: self.startup_s,
            output_sha256: self.digested.as_ref().map(|(sha256, _)| hex(sha256)),
            output_bytes: self.digested.as_ref().map(|(_, bytes)| *bytes),
            peak_memory_bytes: self.peak_memory_bytes,
            // Where nothing could be judged there is no quality to tell.
            quality: self.chosen.ssim.is_finite().then(|| Quality {
                program: self.version.clone(),
                setting_name: self.spec.goal.setting.to_owned(),
                ssim_target: self.spec.goal.ssim,
                streams: u32::try_from(self.spec.streams).unwrap_or(u32::MAX),
                timed: self.chosen,
                frames_per_s_at_target: exact.map(|(frames_per_s, _)| frames_per_s),
                bits_per_s_at_target: exact.map(|(_, bits_per_s)| bits_per_s),
                points: self.points.clone(),
            }),
        })
    }
}
