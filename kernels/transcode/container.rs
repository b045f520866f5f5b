//! Files in memory: AVI with Motion-JPEG and raw streams of JPEG images. `muxer` writes them,
//! `stream` reads those that are larger than memory.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

use rayon::prelude::*;

use super::avi::{self, FOUND_BYTES, Next, Walk};
use super::jpeg::{self, Frame, Layout};

/// Frame rate as a fraction: `rate / scale` frames a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRate {
    /// Frames in `scale` seconds.
    pub rate: u32,
    /// Seconds.
    pub scale: u32,
}

/// The rate of what states none.
pub const UNKNOWN_RATE: FrameRate = FrameRate { rate: 25, scale: 1 };

/// What becomes of pictures that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Damaged {
    /// The first one ends everything.
    #[default]
    Fail,
    /// They are left out, as pictures are that a camera dropped; the others keep their time.
    Skip,
}

/// A parsed file: what it says of itself and every frame, with ranges into the file's bytes.
#[derive(Debug, Clone)]
pub struct Movie {
    /// Frames a second; 25 where the file does not say.
    pub rate: FrameRate,
    /// Frames in order, all of one size and layout.
    pub frames: Vec<Frame>,
    /// Whether each picture of the file is among `frames`: others were dropped or are damaged.
    pub present: Vec<bool>,
}

impl Movie {
    /// The numbers in the file of `frames`, counted from 0.
    pub fn numbers(&self) -> impl Iterator<Item = usize> + '_ {
        self.present.iter().enumerate().filter(|(_, present)| **present).map(|(number, _)| number)
    }

    /// Takes the frames out whose index among `frames` is not `good`.
    pub fn keep(&mut self, good: &[bool]) {
        let numbers: Vec<usize> = self.numbers().collect();
        let bad = numbers.into_iter().zip(good).filter(|(_, good)| !**good);
        bad.for_each(|(number, _)| self.present[number] = false);
        let mut good = good.iter();
        self.frames.retain(|_| good.next().copied().unwrap_or(false));
    }
}

/// What every file that is no video is told.
pub const NO_VIDEO: &str = "is neither AVI nor raw Motion-JPEG; make one with `ffmpeg -i FILE -c:v \
                            mjpeg -pix_fmt yuvj420p -threads 4 -thread_type slice out.avi`";

/// What an empty file is told.
pub const EMPTY: &str = "is empty; give an AVI file or a raw .mjpeg stream";

/// What each picture of a file is: a frame, nothing (a dropped one), or damage.
type Pictures = Vec<Result<Option<Frame>, String>>;

/// Reads an AVI file or a raw stream of JPEG images.
///
/// # Errors
/// In words, with the number of the picture (counted from 0); of pictures only where `damaged` says
/// so, or none is good.
pub fn parse(data: &[u8], damaged: Damaged) -> Result<Movie, String> {
    let (rate, mut pictures) = match data {
        _ if avi::starts(data) => avi(data)?,
        [0xff, 0xd8, ..] => (UNKNOWN_RATE, raw(data)),
        [] => return Err(EMPTY.into()),
        _ => return Err(NO_VIDEO.into()),
    };
    if let Some(norm) = norm(&pictures, damaged) {
        for picture in &mut pictures {
            if let Some(layout) = good(picture).map(|f| f.layout).filter(|l| *l != norm.1) {
                *picture = Err(unlike(layout, norm));
            }
        }
    }
    let wrong = |picture: &Result<_, String>| picture.as_ref().err().cloned();
    let first_wrong = pictures.iter().enumerate().find_map(|(n, p)| Some((n, wrong(p)?)));
    let none = !pictures.iter().any(|picture| good(picture).is_some());
    match first_wrong {
        Some((number, problem)) if none || damaged == Damaged::Fail => {
            return Err(format!("frame {number}: {problem}"));
        }
        _ if none => return Err("holds no video frame".into()),
        _ => {}
    }
    let present = pictures.iter().map(|picture| good(picture).is_some()).collect();
    let frames = pictures.into_iter().filter_map(|picture| picture.ok().flatten()).collect();
    Ok(Movie { rate, frames, present })
}

fn good(picture: &Result<Option<Frame>, String>) -> Option<&Frame> {
    picture.as_ref().ok().and_then(Option::as_ref)
}

/// The number and layout of the frame that all others must be like: the first; where damaged ones are
/// left out, the first of those that most are like, for the damage may be in a size.
fn norm(pictures: &Pictures, damaged: Damaged) -> Option<(usize, Layout)> {
    let frames = pictures.iter().enumerate().filter_map(|(i, p)| Some((i, good(p)?.layout)));
    let frames: Vec<(usize, Layout)> = frames.collect();
    let first = *frames.first()?;
    if damaged == Damaged::Fail || frames.iter().all(|frame| frame.1 == first.1) {
        return Some(first);
    }
    let mut alike: HashMap<Layout, (usize, usize)> = HashMap::new();
    for (number, layout) in frames {
        alike.entry(layout).or_insert((number, 0)).1 += 1;
    }
    let most = alike.into_iter().max_by_key(|(_, (number, count))| (*count, Reverse(*number)));
    most.map(|(layout, (number, _))| (number, layout))
}

/// What is told of a frame that is not like another, whose number and layout come with it.
pub fn unlike(layout: Layout, (number, first): (usize, Layout)) -> String {
    format!(
        "is {} x {} {} where frame {number} is {} x {} {}; all frames must be alike",
        layout.width,
        layout.height,
        layout.sampling().name(),
        first.width,
        first.height,
        first.sampling().name()
    )
}

/// Whether what stands between two images of a raw stream is none: zeros.
pub fn is_padding(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

fn raw(data: &[u8]) -> Pictures {
    let mut pictures = Pictures::new();
    let mut at = 0;
    while at < data.len() {
        let end = at + jpeg::image_length(&data[at..], true).unwrap_or(data.len() - at);
        if !is_padding(&data[at..end]) {
            pictures.push(picture(data, at..end).map(Some));
        }
        at = end;
    }
    pictures
}

/// Parses the image at the start of `range` and moves its ranges to whole-file positions.
fn frame_in(data: &[u8], range: Range<usize>) -> Result<Frame, String> {
    let start = range.start;
    let mut frame = jpeg::parse(&data[range])?;
    for interval in &mut frame.intervals {
        *interval = interval.start + start..interval.end + start;
    }
    frame.end += start;
    Ok(frame)
}

fn avi(data: &[u8]) -> Result<(FrameRate, Pictures), String> {
    let (mut walk, mut at) = (Walk::default(), 0);
    let mut images = Vec::new();
    loop {
        let rest = &data[at..];
        let head = avi::head_bytes(rest.get(..4).unwrap_or_default()) as usize;
        let head = &rest[..head.min(rest.len())];
        let content = at + head.len();
        // A size fits 32 bits.
        at = match walk.next(at as u64, head) {
            Ok(Next::Headers(size)) if !walk.has_pictures() => {
                let end = content.saturating_add(size as usize).min(data.len());
                walk.headers(&data[content..end])?;
                end
            }
            Ok(Next::Skip(size) | Next::Headers(size)) => {
                content.saturating_add(size as usize).min(data.len())
            }
            Ok(Next::Picture(size)) => {
                let end = content.saturating_add(size as usize);
                images.push(Ok(content..end));
                if end > data.len() {
                    break;
                }
                (end + (size as usize & 1)).min(data.len())
            }
            Ok(Next::End { cut }) => {
                images.extend(cut.then(|| Err(TRUNCATED.to_owned())));
                break;
            }
            Err(problem) if !walk.has_pictures() => return Err(problem),
            Err(problem) => {
                images.push(Err(problem));
                let windows = data[at + 1..].windows(FOUND_BYTES).enumerate();
                let found =
                    windows.filter_map(|(i, bytes)| Some((at + 1 + i, bytes.first_chunk()?)));
                match found.into_iter().find(|(at, bytes)| walk.finds(*at as u64, bytes)) {
                    Some((at, _)) => at,
                    None => break,
                }
            }
        };
    }
    let rate = walk.rate()?;
    let pictures = images.into_par_iter().map(|content| match content? {
        content if content.is_empty() => Ok(None),
        content => picture(data, content).map(Some),
    });
    Ok((rate, pictures.collect()))
}

/// What is told of a picture that should be there and where the file ends.
pub const TRUNCATED: &str = "truncated: the file ends before it";
/// What is told of one that the file ends inside.
pub const CUT: &str = "truncated: the file ends inside it";

/// The one image of a picture's bytes; ranges are positions in `data`.
///
/// # Errors
/// In words, what is damaged or not supported.
pub fn picture(data: &[u8], content: Range<usize>) -> Result<Frame, String> {
    if content.end > data.len() {
        return Err(CUT.into());
    }
    let frame = frame_in(data, content.clone())?;
    if data[frame.end..content.end].starts_with(&[0xff, 0xd8]) {
        return Err("holds two fields; interlaced video is not supported".into());
    }
    Ok(frame)
}
