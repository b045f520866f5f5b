//! What is started: ffmpeg's words for each encoder, and what it means when one fails.

use crate::encoder::{INPUT, OUTPUT, SETTING, SHARE};

/// The codecs, as cases call them.
pub(super) const CODECS: [&str; 3] = ["h264", "hevc", "av1"];
/// What is encoded for: streams watched as they are made, or files watched many times.
pub(super) const PRESETS: [&str; 2] = ["live", "vod"];
/// Frames of the trial encode that shows whether everything is here.
pub(super) const PROBE_FRAMES: usize = 6;
/// Frames from one key frame to the next: two seconds, as segments are cut.
const KEY_FRAMES: &str = "60";

/// Size, length and number of what comes out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Luma samples across.
    pub width: usize,
    /// Luma samples down.
    pub height: usize,
    /// Frames of one stream.
    pub frames: usize,
    /// Streams at once.
    pub streams: usize,
}

/// Where pictures are decoded and scaled, and where they are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    /// All on the CPU.
    Cpu,
    /// All in the engines and cores of the GPU.
    Gpu,
    /// Decoded and scaled on the GPU, encoded on the CPU.
    Mixed,
}

/// One way to encode one codec.
pub(super) struct Encoder {
    implementation: &'static str,
    codec: usize,
    /// What ffmpeg calls it.
    pub ffmpeg: &'static str,
    path: Path,
    /// The option that quality hangs on, without its dash.
    pub setting: &'static str,
    /// Tried first.
    pub tries: [f64; 3],
    /// Lowest and highest.
    pub range: (f64, f64),
    /// Smallest step.
    pub step: f64,
    /// Options for `live` and for `vod`.
    presets: [&'static [&'static str]; 2],
}

/// A software encoder, beside the CPU's or the GPU's decoder and scaler.
const fn x264(implementation: &'static str, path: Path) -> Encoder {
    Encoder {
        implementation,
        codec: 0,
        ffmpeg: "libx264",
        path,
        setting: "crf",
        tries: [20.0, 26.0, 32.0],
        range: (1.0, 51.0),
        step: 0.1,
        presets: [&["-preset", "veryfast"], &["-preset", "medium"]],
    }
}

const fn x265(implementation: &'static str, path: Path) -> Encoder {
    Encoder {
        codec: 1,
        ffmpeg: "libx265",
        presets: [&["-preset", "ultrafast"], &["-preset", "medium"]],
        ..x264(implementation, path)
    }
}

const fn svt_av1(implementation: &'static str, path: Path) -> Encoder {
    Encoder {
        codec: 2,
        ffmpeg: "libsvtav1",
        tries: [28.0, 40.0, 52.0],
        range: (1.0, 63.0),
        step: 1.0,
        presets: [&["-preset", "10"], &["-preset", "6"]],
        ..x264(implementation, path)
    }
}

const fn nvenc(codec: usize, ffmpeg: &'static str) -> Encoder {
    Encoder {
        codec,
        ffmpeg,
        setting: "cq",
        tries: [20.0, 27.0, 34.0],
        // Of all three codecs in every version.
        range: (1.0, 51.0),
        presets: [&["-preset", "p4", "-tune", "ll"], &["-preset", "p6", "-tune", "hq"]],
        ..x264("process/nvenc", Path::Gpu)
    }
}

static ENCODERS: [Encoder; 9] = [
    x264("process/x264", Path::Cpu),
    x265("process/x265", Path::Cpu),
    svt_av1("process/svt-av1", Path::Cpu),
    nvenc(0, "h264_nvenc"),
    nvenc(1, "hevc_nvenc"),
    nvenc(2, "av1_nvenc"),
    x264("process/nvdec-x264", Path::Mixed),
    x265("process/nvdec-x265", Path::Mixed),
    svt_av1("process/nvdec-svt-av1", Path::Mixed),
];

/// The encoder of `codec` behind an implementation, if it has one.
pub(super) fn find(implementation: &str, codec: usize) -> Option<&'static Encoder> {
    ENCODERS.iter().find(|e| e.implementation == implementation && e.codec == codec)
}

/// The words of an ffmpeg that asks nothing and says only what goes wrong.
pub(super) fn ffmpeg(more: &[&str]) -> Vec<String> {
    let start = ["ffmpeg", "-nostdin", "-hide_banner", "-v", "error"];
    start.iter().chain(more).map(|word| (*word).to_owned()).collect()
}

/// Decodes one picture and forgets it.
pub(super) fn read_words() -> Vec<String> {
    ffmpeg(&["-i", INPUT, "-map", "0:v:0", "-frames:v", "1", "-f", "null", "-"])
}

/// Makes the H.264 that is encoded from the synthetic Motion-JPEG: what cameras and studios send.
pub(super) fn master_words() -> Vec<String> {
    let to_video_range = "scale=in_range=full:out_range=limited,format=yuv420p";
    let encode = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "16", "-g", KEY_FRAMES];
    let words = [&["-i", INPUT, "-vf", to_video_range][..], &encode, &["-y", OUTPUT]].concat();
    ffmpeg(&words)
}

impl Encoder {
    /// Whether a GPU is needed.
    pub fn on_gpu(&self) -> bool {
        self.path != Path::Cpu
    }

    /// Encodes the first `frames` frames.
    pub fn words(&self, preset: usize, shape: &Shape, frames: usize) -> Vec<String> {
        let Shape { width, height, streams, .. } = shape;
        let frames = frames.to_string();
        // Alone, they choose their threads themselves, as most people let them.
        let threads: &[&str] = if *streams > 1 { &["-threads", SHARE] } else { &[] };
        let (decode, scale): (&[&str], String) = match self.path {
            Path::Cpu => (threads, format!("scale={width}:{height}:flags=bicubic,format=yuv420p")),
            Path::Gpu => (HARDWARE, format!("scale_cuda={width}:{height}")),
            Path::Mixed => {
                let back = "hwdownload,format=nv12,format=yuv420p";
                (HARDWARE, format!("scale_cuda={width}:{height},{back}"))
            }
        };
        let cut = ["-i", INPUT, "-map", "0:v:0", "-frames:v", &frames, "-vf", &scale];
        let dashed = format!("-{}", self.setting);
        let quality = ["-c:v", self.ffmpeg, &dashed, SETTING, "-g", KEY_FRAMES];
        let (pools, lp) = (format!("log-level=error:pools={SHARE}"), format!("lp={SHARE}"));
        let own: &[&str] = match (self.ffmpeg, *streams > 1) {
            ("libx264", _) => threads,
            ("libx265", true) => &["-x265-params", &pools],
            ("libx265", false) => &["-x265-params", "log-level=error"],
            ("libsvtav1", true) => &["-svtav1-params", &lp],
            ("libsvtav1", false) => &[],
            _ => &["-rc", "vbr", "-b:v", "0"],
        };
        let preset = self.presets[preset];
        ffmpeg(&[decode, &cut, &quality, preset, own, &["-f", "mp4", "-y", OUTPUT]].concat())
    }
}

/// Pictures are decoded by the GPU and stay there.
const HARDWARE: &[&str] = &["-hwaccel", "cuda", "-hwaccel_output_format", "cuda"];

/// Why `name` cannot run here, from ffmpeg's last words.
pub(super) fn absent(name: &str, words: &str) -> String {
    let said = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    let hardware = name.ends_with("_nvenc");
    let why = if said(&["Unknown encoder", "Encoder not found"]) {
        return format!("this ffmpeg has no {name}; install a build that has it");
    } else if said(&["libcuda", "dynamically load CUDA", "No CUDA", "no CUDA-capable"]) {
        "no NVIDIA driver is here; `breakeven devices` says what is missing"
    } else if said(&["libnvcuvid", "nvcuvid", "libnvidia-encode", "nvEncodeAPI"]) {
        "the driver's video libraries are missing; containers get them with the driver capability \
         `video`"
    } else if hardware && said(&["No capable devices", "unsupported device"]) {
        "this GPU has no encoder engine for it (A100, H100, H200 and B200 have none)"
    } else if said(&["No such filter: 'scale_cuda'"]) {
        "this ffmpeg has no scale_cuda; install a build with CUDA filters"
    } else {
        return format!("{name} cannot be opened here; ffmpeg says: {words}");
    };
    format!("{name} cannot be opened here: {why}")
}
