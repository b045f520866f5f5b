//! Encoders as data: programs whose output is judged by its quality, not by its bytes. A fast
//! encode of low quality is no win, so each is timed at the setting at which its output meets the
//! quality that the case asks for. Starting and timing them belong to the backend.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Stands in words for the file that is encoded.
pub const INPUT: &str = "{input}";
/// Stands in words for the file that is written, or judged.
pub const OUTPUT: &str = "{output}";
/// Stands in words for the setting that quality hangs on.
pub const SETTING: &str = "{setting}";
/// Stands in words for the threads of one stream: those of the device, divided among the streams.
pub const SHARE: &str = "{share}";

/// Encodes after which a setting must have been found.
pub const MOST_POINTS: usize = 12;

/// Makes the bytes of a file, once they are needed.
pub type Maker = Arc<dyn Fn() -> Result<Vec<u8>, String> + Send + Sync>;
/// Gives the text of a file that the judging program left, by its name.
pub type Left<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Where the input comes from.
#[derive(Clone)]
pub enum Source {
    /// A file of the user's, by its full path.
    File(String),
    /// Bytes that are written to a file first, and the words that make the [`OUTPUT`] that is
    /// encoded of that [`INPUT`].
    Made(Maker, Vec<String>),
}

/// An encoder, ready to be started. All its programs run in one temporary folder.
#[derive(Clone)]
pub struct EncoderSpec {
    /// What messages call it.
    pub name: &'static str,
    /// What is encoded.
    pub source: Source,
    /// Encodes a moment of the input: whether all that `encode` needs is here.
    pub probe: Vec<String>,
    /// Decodes the first picture of [`INPUT`]: whether it is video at all.
    pub read: Vec<String>,
    /// Encodes the input into [`OUTPUT`] at [`SETTING`].
    pub encode: Vec<String>,
    /// Compares [`OUTPUT`] with the input, and leaves files that `judged` reads.
    pub judge: Vec<String>,
    /// The same with VMAF, for builds that have it.
    pub judge_vmaf: Vec<String>,
    /// Prints what the build has, and the word among it that stands for VMAF.
    pub features: (Vec<String>, &'static str),
    /// Reads what `judge` left.
    pub judged: fn(&Left<'_>) -> Result<Judged, String>,
    /// Says in a sentence why it cannot run here: its name, and the program's last words.
    pub absent: fn(&str, &str) -> String,
    /// Copies that run at once.
    pub streams: usize,
    /// Frames of one of them.
    pub frames: u64,
    /// The quality to meet.
    pub goal: Goal,
    /// Seconds after which a run is stopped and counts as failed.
    pub time_limit_s: f64,
}

/// The quality to meet, and the settings that may meet it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// The SSIM to meet.
    pub ssim: f64,
    /// By how much it may be missed.
    pub tolerance: f64,
    /// What the setting is called, for example `crf`.
    pub setting: &'static str,
    /// The settings tried first, ascending. Quality falls as the setting rises.
    pub tries: [f64; 3],
    /// Lowest and highest setting there are.
    pub range: (f64, f64),
    /// The smallest step between two settings.
    pub step: f64,
}

/// What a comparison of an output with its source found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// Frames in the output.
    pub frames: u64,
    /// Frames that were decoded and compared.
    pub compared: u64,
    /// Its length in seconds.
    pub seconds: f64,
    /// Mean SSIM of all planes.
    pub ssim: f64,
    /// PSNR of all planes over all frames, in dB; infinite where nothing differs.
    pub psnr_db: f64,
    /// Mean VMAF, where the build measures it.
    pub vmaf: Option<f64>,
}

/// One encode on the way to the setting.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct QualityPoint {
    /// The setting.
    pub setting: f64,
    /// Mean SSIM of all planes.
    pub ssim: f64,
    /// PSNR in dB; `None` where nothing differs.
    pub psnr_db: Option<f64>,
    /// VMAF; `None` where the build does not measure it.
    pub vmaf: Option<f64>,
    /// Bits of one stream a second of video: the file's bytes × 8 ÷ its length.
    pub bits_per_s: f64,
    /// Frames of all streams together, encoded in a second.
    pub frames_per_s: f64,
}

/// At which quality an encoder was timed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// The program and its version, as it says itself.
    pub program: Option<String>,
    /// What the setting is called: `crf`, `cq`.
    pub setting_name: String,
    /// SSIM that was to be met.
    pub ssim_target: f64,
    /// Streams encoded at once.
    pub streams: u32,
    /// The setting that was timed, and what it gives.
    pub timed: QualityPoint,
    /// Frames a second where SSIM is exactly the target: between the two points around it.
    pub frames_per_s_at_target: Option<f64>,
    /// Bits a second there.
    pub bits_per_s_at_target: Option<f64>,
    /// Every encode that was tried, the first three settings first.
    pub points: Vec<QualityPoint>,
}

/// What to do next on the way to the setting.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Encode at this setting.
    Try(f64),
    /// This one, tried before, meets the goal.
    Settled(f64),
    /// None does: why.
    Unreachable(String),
}

/// SSIM as distance from perfect in dB, which is nearly linear in an encoder's setting.
fn distance_db(ssim: f64) -> f64 {
    -10.0 * (1.0 - ssim).max(1e-9).log10()
}

/// The tried points nearest above and below the target: quality falls from the first to the second.
fn around(goal: &Goal, points: &[QualityPoint]) -> (Option<QualityPoint>, Option<QualityPoint>) {
    let by_setting = |a: &&QualityPoint, b: &&QualityPoint| a.setting.total_cmp(&b.setting);
    let good = points.iter().filter(|p| p.ssim >= goal.ssim).max_by(by_setting).copied();
    let above = |p: &&QualityPoint| good.is_none_or(|good| p.setting > good.setting);
    let poor = points.iter().filter(|p| p.ssim < goal.ssim).filter(above).min_by(by_setting);
    (good, poor.copied())
}

/// Where SSIM is the target between `good` and `poor`: 0 at the first, 1 at the second.
fn share(goal: &Goal, good: &QualityPoint, poor: &QualityPoint) -> f64 {
    let [from, to, at] = [good.ssim, poor.ssim, goal.ssim].map(distance_db);
    ((from - at) / (from - to)).clamp(0.0, 1.0)
}

/// The next setting to try after `points`: first the three, then between the two around the target
/// or beyond them, until one is near enough or nothing is left in between.
pub fn next(goal: &Goal, points: &[QualityPoint]) -> Next {
    let tried = |setting: f64| points.iter().any(|p| (p.setting - setting).abs() < goal.step / 2.0);
    if let Some(first) = goal.tries.iter().find(|setting| !tried(**setting)) {
        return Next::Try(*first);
    }
    let off = |p: &QualityPoint| (p.ssim - goal.ssim).abs();
    let nearest = points.iter().min_by(|a, b| off(a).total_cmp(&off(b)));
    if let Some(nearest) = nearest.filter(|p| off(p) <= goal.tolerance) {
        return Next::Settled(nearest.setting);
    }
    let (least, most) = goal.range;
    let gap = goal.tries[2] - goal.tries[1];
    let wanted = match around(goal, points) {
        (Some(good), Some(poor)) if poor.setting - good.setting <= goal.step * 1.5 => {
            // One step more is too poor, so this is as near as the encoder comes.
            return Next::Settled(good.setting);
        }
        (Some(good), Some(poor)) => {
            let at = good.setting + share(goal, &good, &poor) * (poor.setting - good.setting);
            // In whole steps: halves of binary fractions would cross, and leave the grid.
            let steps = |setting: f64| (setting / goal.step).round();
            let inside = (steps(good.setting) + 1.0, steps(poor.setting) - 1.0);
            on_grid(steps(at).max(inside.0).min(inside.1) * goal.step, goal.step)
        }
        (Some(good), None) if good.setting < most => (good.setting + gap).min(most),
        (None, Some(poor)) if poor.setting > least => (poor.setting - gap).max(least),
        (Some(end), None) | (None, Some(end)) => return Next::Unreachable(unreachable(goal, &end)),
        (None, None) => return Next::Unreachable("no encode could be judged".into()),
    };
    if points.len() >= MOST_POINTS {
        let Goal { ssim, setting, .. } = goal;
        return Next::Unreachable(format!(
            "no {setting} that gives SSIM {ssim} was found in {MOST_POINTS} encodes: its quality \
             does not follow its setting"
        ));
    }
    Next::Try(wanted)
}

/// Settings lie on a grid from 0, free of the rounding of binary fractions.
fn on_grid(setting: f64, step: f64) -> f64 {
    let per_one = (1.0 / step).round();
    (setting * per_one).round() / per_one
}

fn unreachable(goal: &Goal, end: &QualityPoint) -> String {
    let Goal { ssim, setting, .. } = goal;
    let (side, other) = if end.ssim < *ssim { ("best", "lower") } else { ("poorest", "higher") };
    format!(
        "SSIM {ssim} is out of reach: its {side} setting, {setting} {}, gives {:.4}; ask for a \
         {other} `ssim`",
        end.setting, end.ssim
    )
}

/// Frames and bits a second where SSIM is exactly the target, between the two points around it;
/// `None` where there are not two: nothing is extrapolated.
pub fn at_target(goal: &Goal, points: &[QualityPoint]) -> Option<(f64, f64)> {
    let (Some(good), Some(poor)) = around(goal, points) else { return None };
    let share = share(goal, &good, &poor);
    // Both grow and fall by factors.
    let between = |from: f64, to: f64| from * (to / from).powf(share);
    Some((between(good.frames_per_s, poor.frames_per_s), between(good.bits_per_s, poor.bits_per_s)))
}

/// Different outputs of the streams of one run, and the SSIM that its setting was chosen for.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// SSIM found when the setting was chosen.
    pub chosen_ssim: f64,
    /// What was found of each output that differs from the others, or why it could not be judged.
    pub outputs: Vec<Result<Judged, String>>,
}

impl Encoded {
    /// In the form in which every family's outputs travel.
    pub fn to_outputs(&self) -> Vec<Vec<u8>> {
        let numbers = |list: &[f64]| list.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
        let one = |judged: &Result<Judged, String>| match judged {
            Err(problem) => [&[1], problem.as_bytes()].concat(),
            Ok(j) => {
                let (frames, compared) = (j.frames as f64, j.compared as f64);
                let vmaf = j.vmaf.unwrap_or(f64::NAN);
                let all = [frames, compared, j.seconds, j.ssim, j.psnr_db, vmaf];
                [vec![0], numbers(&all)].concat()
            }
        };
        let chosen = numbers(&[self.chosen_ssim]);
        std::iter::once(chosen).chain(self.outputs.iter().map(one)).collect()
    }

    /// The reverse; `None` where the outputs are no encoder's.
    pub fn from_outputs(outputs: &[Vec<u8>]) -> Option<Self> {
        let numbers = |bytes: &[u8]| -> Option<Vec<f64>> {
            bytes.chunks(8).map(|c| Some(f64::from_le_bytes(c.try_into().ok()?))).collect()
        };
        let one = |bytes: &Vec<u8>| match bytes.split_first()? {
            (1, problem) => Some(Err(String::from_utf8_lossy(problem).into_owned())),
            (_, rest) => {
                let [frames, compared, seconds, ssim, psnr_db, vmaf] = numbers(rest)?[..] else {
                    return None;
                };
                let vmaf = Some(vmaf).filter(|v| !v.is_nan());
                let (frames, compared) = (frames as u64, compared as u64);
                Some(Ok(Judged { frames, compared, seconds, ssim, psnr_db, vmaf }))
            }
        };
        let (chosen, rest) = outputs.split_first()?;
        let [chosen_ssim] = numbers(chosen)?[..] else { return None };
        Some(Self { chosen_ssim, outputs: rest.iter().map(one).collect::<Option<_>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOAL: Goal = Goal {
        ssim: 0.97,
        tolerance: 0.002,
        setting: "crf",
        tries: [20.0, 26.0, 32.0],
        range: (1.0, 51.0),
        step: 0.1,
    };

    fn point(setting: f64, ssim: f64) -> QualityPoint {
        QualityPoint {
            setting,
            ssim,
            psnr_db: None,
            vmaf: None,
            bits_per_s: 1e6 * 2.0_f64.powf((20.0 - setting) / 6.0),
            frames_per_s: 100.0 * 2.0_f64.powf((setting - 20.0) / 12.0),
        }
    }

    #[test]
    fn the_three_settings_come_first_then_the_one_in_between() {
        let mut points = Vec::new();
        for (setting, ssim) in [(20.0, 0.99), (26.0, 0.98), (32.0, 0.96)] {
            assert_eq!(next(&GOAL, &points), Next::Try(setting));
            points.push(point(setting, ssim));
        }
        // In dB: 0.98 → 16.990, 0.97 → 15.229, 0.96 → 13.979. (16.990 − 15.229) ÷ 3.010 = 0.585
        // of the way from 26 to 32: 29.51, on the grid of tenths 29.5.
        assert_eq!(next(&GOAL, &points), Next::Try(29.5));
        // Frames: 100 · 2^(6/12) = 141.42 at 26, 200 at 32; 141.42 · √2^0.585 = 173.2.
        // Bits: 500,000 and 250,000; 500,000 · 0.5^0.585 = 333,300.
        let (frames_per_s, bits_per_s) = at_target(&GOAL, &points).expect("two points around");
        assert!((frames_per_s - 173.2).abs() < 0.1, "{frames_per_s}");
        assert!((bits_per_s - 333_300.0).abs() < 200.0, "{bits_per_s}");
        points.push(point(29.5, 0.9712));
        assert_eq!(next(&GOAL, &points), Next::Settled(29.5));
    }

    #[test]
    fn whole_settings_end_one_step_above_the_target() {
        let whole = Goal { step: 1.0, tolerance: 0.0001, ..GOAL };
        let mut points = vec![point(20.0, 0.99), point(26.0, 0.98), point(32.0, 0.96)];
        assert_eq!(next(&whole, &points), Next::Try(30.0));
        points.push(point(30.0, 0.968));
        assert_eq!(next(&whole, &points), Next::Try(29.0));
        points.push(point(29.0, 0.9715));
        assert_eq!(next(&whole, &points), Next::Settled(29.0));
    }

    #[test]
    fn what_lies_outside_is_tried_and_never_extrapolated() {
        let all_good = [point(20.0, 0.995), point(26.0, 0.99), point(32.0, 0.98)];
        assert_eq!(next(&GOAL, &all_good), Next::Try(38.0));
        assert_eq!(at_target(&GOAL, &all_good), None);
        let all_poor = [point(20.0, 0.96), point(26.0, 0.94), point(32.0, 0.9)];
        assert_eq!(next(&GOAL, &all_poor), Next::Try(14.0));
        let end = [&all_poor[..], &[point(14.0, 0.962), point(8.0, 0.963), point(1.0, 0.9641)]];
        let Next::Unreachable(why) = next(&GOAL, &end.concat()) else { panic!("it is reached") };
        assert!(why.contains("crf 1, gives 0.9641") && why.contains("lower `ssim`"), "{why}");
        // A quality that jumps about ends the search instead of keeping it busy for ever.
        let mut odd = all_good.to_vec();
        odd.extend((0..9).map(|i| point(38.0 + f64::from(i), 0.98)));
        assert!(matches!(next(&GOAL, &odd), Next::Unreachable(why) if why.contains("12 encodes")));
    }

    #[test]
    fn outputs_come_back_as_they_went() {
        let judged = Judged {
            frames: 60,
            compared: 59,
            seconds: 2.0,
            ssim: 0.9712,
            psnr_db: f64::INFINITY,
            vmaf: None,
        };
        let encoded = Encoded {
            chosen_ssim: 0.97,
            outputs: vec![Ok(judged), Err("cannot be decoded".into())],
        };
        assert_eq!(Encoded::from_outputs(&encoded.to_outputs()), Some(encoded));
        assert_eq!(Encoded::from_outputs(&[vec![1, 2], vec![]]), None);
    }

    #[test]
    fn settings_two_steps_apart_leave_one_between() {
        let goal = Goal { step: 0.1, tries: [20.0, 29.5, 29.7], ..GOAL };
        let point = |setting: f64, ssim: f64| QualityPoint {
            setting,
            ssim,
            psnr_db: None,
            vmaf: None,
            bits_per_s: 1.0,
            frames_per_s: 1.0,
        };
        let points = [point(20.0, 0.999), point(29.5, 0.985), point(29.7, 0.955)];
        assert_eq!(next(&goal, &points), Next::Try(29.6));
    }
}
