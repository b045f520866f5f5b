//! `transcode`: video of any length, by the chain that is measured.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use breakeven_kernels::transcode::container::FrameRate;
use breakeven_kernels::transcode::muxer::{Container, Film, MuxError, Muxer};
use breakeven_kernels::transcode::stream::{Asked, Picture, Transcoder, VideoReader, parsed};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::{DamagedArg, FormatArg, OutputArgs, TranscodeArgs};
use super::exit::{DONE, Failure, INTERRUPTED, Outcome};
use super::{interrupt, output};

/// Batches of pictures that wait for the next step.
const WAITING: usize = 1;
/// Damaged pictures that are told one by one.
const TOLD: usize = 50;

/// How long one waits before looking whether somebody wants to stop: for input, and for the writer.
const PATIENCE: Duration = Duration::from_millis(100);
const MOMENT: Duration = Duration::from_millis(2);

/// Images in their order, `None` for one that is missing.
type Images = Vec<Option<Vec<u8>>>;

/// Reads, transcodes and writes, each in threads of its own.
pub fn run(args: &TranscodeArgs, output: &OutputArgs) -> Outcome {
    if output.format != FormatArg::Text {
        return Err(Failure::usage("transcode writes video; leave --format out"));
    }
    let target = Target::of(args, output)?;
    let rate = args.rate.as_deref().map(read_rate).transpose()?;
    let stopped = interrupt::flag_saying("stopping; what was written is removed");
    let threads = usize::from(args.threads.unwrap_or(0));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Failure::internal(format!("no {threads} threads: {error}")))?;
    let mut reader = VideoReader::open(input(&args.input)?).map_err(|p| refused(args, &p))?;
    let rate = rate.unwrap_or(reader.rate());
    let batch = 2 * pool.current_num_threads().max(4);
    let (batches, waiting) = sync_channel(WAITING);
    let mut work =
        Work { args, output, stopped, transcoder: None, done: 0, missing: 0, damaged: 0 };
    let started = Instant::now();
    let progress = Progress::new(output, &target);
    // Nobody waits for these threads: they may hang in a pipe for ever.
    thread::spawn(move || read(&mut reader, batch, &batches));
    let outcome = work.all(&waiting, &pool, &target, rate, &progress);
    progress.0.iter().for_each(ProgressBar::finish_and_clear);
    let kept = match outcome {
        _ if stopped.load(Ordering::SeqCst) => return target.remove(Ok(INTERRUPTED)),
        Ok(head) => target.keep(&head),
        Err(failure) => Err(failure),
    };
    if let Err(failure) = kept {
        return target.remove(Err(failure));
    }
    work.tell(&target, started.elapsed().as_secs_f64());
    Ok(DONE)
}

/// Reads batches ahead, until nobody wants more.
fn read(
    reader: &mut VideoReader,
    batch: usize,
    batches: &SyncSender<Result<Vec<Picture>, String>>,
) {
    loop {
        let mut pictures = Vec::with_capacity(batch);
        let mut problem = None;
        while pictures.len() < batch {
            match reader.picture() {
                Ok(Some(picture)) => pictures.push(picture),
                Ok(None) => break,
                Err(found) => {
                    problem = Some(found);
                    break;
                }
            }
        }
        let ended = pictures.len() < batch;
        let sent = batches.send(Ok(pictures)).is_ok();
        let told = problem.is_none_or(|problem| batches.send(Err(problem)).is_ok());
        if ended || !sent || !told {
            return;
        }
    }
}

/// What is being done, and how far it is.
struct Work<'a> {
    args: &'a TranscodeArgs,
    output: &'a OutputArgs,
    /// Whether somebody wants it to end.
    stopped: &'a AtomicBool,
    transcoder: Option<Transcoder>,
    /// Pictures so far, how many of them are not there, and how many of those are damaged.
    done: usize,
    missing: usize,
    damaged: usize,
}

impl Work<'_> {
    fn all(
        &mut self,
        batches: &Receiver<Result<Vec<Picture>, String>>,
        pool: &rayon::ThreadPool,
        target: &Target,
        rate: FrameRate,
        progress: &Progress,
    ) -> Result<Vec<u8>, Failure> {
        // What is missing before the first good picture waits for its size.
        let mut early = Images::new();
        let mut sink: Option<Sink> = None;
        while let Some(pictures) = self.next(batches) {
            let pictures = pictures.map_err(|problem| refused(self.args, &problem))?;
            let images = pool.install(|| self.convert(&pictures, progress))?;
            progress.show(self.done);
            let Some(transcoder) = &self.transcoder else {
                early.extend(images);
                continue;
            };
            let to = match &mut sink {
                Some(sink) => sink,
                none => {
                    let (width, height) = transcoder.size();
                    let film = Film { container: target.container, width, height, rate };
                    let made = none.insert(Sink::open(target, film)?);
                    made.send(std::mem::take(&mut early), self.stopped)?;
                    made
                }
            };
            to.send(images, self.stopped)?;
        }
        match sink {
            _ if self.stopped.load(Ordering::SeqCst) => Ok(Vec::new()),
            Some(mut sink) => sink.end(self.stopped),
            None if self.damaged > 0 => Err(refused(self.args, "holds no picture that is good")),
            None => Err(refused(self.args, "holds no video frame")),
        }
    }

    /// The next batch; `None` at the end, or once somebody wants to stop.
    fn next(
        &self,
        batches: &Receiver<Result<Vec<Picture>, String>>,
    ) -> Option<Result<Vec<Picture>, String>> {
        while !self.stopped.load(Ordering::SeqCst) {
            match batches.recv_timeout(PATIENCE) {
                Err(RecvTimeoutError::Timeout) => {}
                found => return found.ok(),
            }
        }
        None
    }

    fn convert(&mut self, pictures: &[Picture], progress: &Progress) -> Result<Images, Failure> {
        let asked = Asked {
            width: self.args.width.map(usize::from),
            height: self.args.height.map(usize::from),
            quality: u32::from(self.args.quality),
        };
        if self.transcoder.is_none() {
            self.transcoder = Transcoder::of_first(pictures, self.done, &asked)
                .map_err(|problem| refused(self.args, &problem))?;
        }
        let found = match &self.transcoder {
            Some(transcoder) => transcoder.convert(pictures),
            None => pictures.iter().map(|p| parsed(p).map(|_| None)).collect(),
        };
        let mut images = Images::with_capacity(found.len());
        for found in found {
            let number = self.done;
            self.done += 1;
            self.missing += usize::from(!matches!(found, Ok(Some(_))));
            images.push(match found {
                Ok(image) => image,
                Err(problem) if self.args.damaged == DamagedArg::Fail => {
                    return Err(refused(
                        self.args,
                        &format!(
                            "frame {number}: {problem}; --damaged skip leaves such frames out"
                        ),
                    ));
                }
                Err(problem) => {
                    self.damaged += 1;
                    let line = match self.damaged {
                        ..=TOLD => format!("frame {number}: {problem}; left out"),
                        n if n == TOLD + 1 => {
                            "more are left out; they are counted at the end".into()
                        }
                        _ => String::new(),
                    };
                    if !line.is_empty() {
                        progress.aside(|| output::remark(self.output, &line));
                    }
                    None
                }
            });
        }
        Ok(images)
    }

    fn tell(&self, target: &Target, took_s: f64) {
        let Some(transcoder) = &self.transcoder else { return };
        let (width, height) = transcoder.size();
        let dropped = match self.missing - self.damaged {
            0 => String::new(),
            n => format!(", {n} of them dropped by the camera"),
        };
        let damaged = match self.damaged {
            0 => String::new(),
            n => format!(", {n} of them damaged or not supported and left out"),
        };
        let place = match &target.path {
            Some(path) => format!(" in {}", path.display()),
            None => String::new(),
        };
        let speed = self.done as f64 / took_s.max(1e-3);
        let plural = if self.done == 1 { "" } else { "s" };
        let line = format!(
            "{} picture{plural}{dropped}{damaged}: {width} x {height}{place}, {speed:.0} a second",
            self.done
        );
        output::remark(self.output, &line);
    }
}

/// The thread that writes.
struct Sink<'a> {
    images: Option<SyncSender<Images>>,
    thread: Option<thread::JoinHandle<Result<Vec<u8>, MuxError>>>,
    target: &'a Target,
}

impl<'a> Sink<'a> {
    fn open(target: &'a Target, film: Film) -> Result<Self, Failure> {
        let to: Box<dyn Write + Send> = match &target.path {
            Some(path) => Box::new(target.create(&partial(path))?),
            None => Box::new(io::stdout()),
        };
        let (images, waiting) = sync_channel(WAITING);
        let thread = Some(thread::spawn(move || write(&waiting, film, to)));
        Ok(Self { images: Some(images), thread, target })
    }

    /// Gives the writer more; gives up where somebody wants to stop.
    fn send(&mut self, mut images: Images, stopped: &AtomicBool) -> Result<(), Failure> {
        while !stopped.load(Ordering::SeqCst) {
            let Some(to) = &self.images else { break };
            match to.try_send(images) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(back)) => {
                    images = back;
                    thread::sleep(MOMENT);
                }
                // A writer that has ended says why.
                Err(TrySendError::Disconnected(_)) => return self.end(stopped).map(drop),
            }
        }
        Ok(())
    }

    /// The bytes that belong at the start of the file; none where somebody wants to stop.
    fn end(&mut self, stopped: &AtomicBool) -> Result<Vec<u8>, Failure> {
        self.images = None;
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            if stopped.load(Ordering::SeqCst) {
                return Ok(Vec::new());
            }
            thread::sleep(MOMENT);
        }
        match self.thread.take().map(thread::JoinHandle::join) {
            Some(Ok(Ok(head))) => Ok(head),
            None => Ok(Vec::new()),
            Some(Ok(Err(MuxError::Full(problem)))) => Err(Failure::usage(problem)),
            Some(Ok(Err(MuxError::Io(error)))) => Err(self.target.failed(&error)),
            Some(Err(_)) => Err(Failure::internal("the thread that writes panicked")),
        }
    }
}

/// Returns the bytes that belong at the start of the file.
fn write(
    images: &Receiver<Images>,
    film: Film,
    to: Box<dyn Write + Send>,
) -> Result<Vec<u8>, MuxError> {
    let mut to = BufWriter::with_capacity(1 << 20, to);
    let mut muxer = Muxer::start(film, &mut to)?;
    for image in images.iter().flatten() {
        muxer.picture(image.as_deref(), &mut to)?;
    }
    let head = muxer.finish(&mut to)?;
    to.flush()?;
    Ok(head)
}

/// The file that has its name once it is whole; standard output where there is no path.
struct Target {
    path: Option<PathBuf>,
    container: Container,
    /// Whether the file in the making is this run's own.
    made: AtomicBool,
}

impl Target {
    fn of(args: &TranscodeArgs, output: &OutputArgs) -> Result<Self, Failure> {
        if args.target.as_os_str() == "-" {
            return Ok(Self {
                path: None,
                container: Container::Mjpeg,
                made: AtomicBool::new(false),
            });
        }
        let ending = args.target.extension().and_then(|e| e.to_str()).unwrap_or_default();
        let container = match ending.to_ascii_lowercase().as_str() {
            "avi" => Container::Avi,
            "mjpeg" | "mjpg" => Container::Mjpeg,
            _ => {
                return Err(Failure::usage(format!(
                    "{}: only AVI and raw Motion-JPEG are written; end it with .avi or .mjpeg",
                    args.target.display()
                )));
            }
        };
        let path = match &output.folder {
            Some(folder) => {
                let within = |part: Component<'_>| matches!(part, Component::Normal(_));
                if !args.target.components().all(within) {
                    return Err(Failure::usage(format!(
                        "{} is not below {}; give a plain name beside -o, or leave -o out",
                        args.target.display(),
                        folder.display()
                    )));
                }
                output::make_folder(folder)?;
                folder.join(&args.target)
            }
            None => args.target.clone(),
        };
        if path.exists() {
            return Err(Failure::usage(format!(
                "{} exists and would be lost; choose another name",
                path.display()
            )));
        }
        Ok(Self { path: Some(path), container, made: AtomicBool::new(false) })
    }

    /// The file in the making; never one that is there.
    fn create(&self, partial: &Path) -> Result<File, Failure> {
        match File::create_new(partial) {
            Ok(file) => {
                self.made.store(true, Ordering::SeqCst);
                Ok(file)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Failure::usage(format!(
                    "{} exists: another run's work, or what is left of it; move it away, or choose \
                     another name",
                    partial.display()
                )))
            }
            Err(error) => Err(Failure::write(partial, &error)),
        }
    }

    fn failed(&self, error: &io::Error) -> Failure {
        match &self.path {
            Some(path) => Failure::write(&partial(path), error),
            None => Failure::stdout(error),
        }
    }

    /// Puts the start of a whole file right and gives it its name.
    fn keep(&self, head: &[u8]) -> Result<(), Failure> {
        let Some(path) = &self.path else { return Ok(()) };
        let write_head = || {
            let mut file = File::options().write(true).open(partial(path))?;
            file.write_all(head)?;
            fs::rename(partial(path), path)
        };
        write_head().map_err(|error| self.failed(&error))
    }

    /// Takes away what is half done: it has no index, and may be what fills the disk.
    fn remove(&self, outcome: Outcome) -> Outcome {
        if let (Some(path), true) = (&self.path, self.made.load(Ordering::SeqCst)) {
            let _ = fs::remove_file(partial(path));
        }
        outcome
    }
}

/// The name while it is written.
fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// A count of pictures on a terminal, unless the video itself goes there.
struct Progress(Option<ProgressBar>);

impl Progress {
    fn new(output: &OutputArgs, target: &Target) -> Self {
        let video_on_terminal = target.path.is_none() && io::stdout().is_terminal();
        if output.quiet || video_on_terminal || !io::stderr().is_terminal() {
            return Self(None);
        }
        let target = ProgressDrawTarget::stderr_with_hz(8);
        let spinner = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            spinner.set_style(style);
        }
        spinner.enable_steady_tick(Duration::from_millis(250));
        Self(Some(spinner))
    }

    fn show(&self, pictures: usize) {
        if let Some(spinner) = &self.0 {
            spinner.set_message(format!("{pictures} pictures"));
        }
    }

    /// Says something while the count is out of the way.
    fn aside(&self, say: impl FnOnce()) {
        match &self.0 {
            Some(spinner) => spinner.suspend(say),
            None => say(),
        }
    }
}

fn input(path: &Path) -> Result<Box<dyn Read + Send>, Failure> {
    let problem = |problem: String| Failure::usage(format!("{}: {problem}", path.display()));
    match path.to_str() {
        Some("-") => Ok(Box::new(io::stdin())),
        _ if path.is_dir() => Err(problem("is a folder; give a file".into())),
        _ => {
            let file = File::open(path);
            Ok(Box::new(file.map_err(|error| problem(format!("cannot be read: {error}")))?))
        }
    }
}

fn refused(args: &TranscodeArgs, problem: &str) -> Failure {
    Failure::usage(format!("{}: {problem}", args.input.display()))
}

/// A rate as a number or a fraction.
fn read_rate(text: &str) -> Result<FrameRate, Failure> {
    let (rate, scale) = text.split_once('/').unwrap_or((text, "1"));
    match (rate.trim().parse(), scale.trim().parse()) {
        (Ok(rate), Ok(scale)) if scale > 0 && (1..=1000).contains(&(rate / scale)) => {
            Ok(FrameRate { rate, scale })
        }
        _ => Err(Failure::usage(format!(
            "--rate {text}: give 1 to 1000 frames a second, as a whole number or a fraction: 25, or \
             30000/1001 for 29.97"
        ))),
    }
}
