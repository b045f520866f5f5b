//! Files in memory: AVI with Motion-JPEG and raw streams of JPEG images. `muxer` writes them,
//! `stream` reads those that are larger than memory.

use std::ops::Range;

use rayon::prelude::*;

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
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => avi(data)?,
        [0xff, 0xd8, ..] => (UNKNOWN_RATE, raw(data)),
        [] => return Err(EMPTY.into()),
        _ => return Err(NO_VIDEO.into()),
    };
    let mut frames = pictures.iter().enumerate().filter_map(|(i, p)| Some((i, good(p)?.layout)));
    if let Some(first) = frames.next() {
        let other = |&(number, layout): &(usize, Layout)| (layout != first.1).then_some(number);
        let others: Vec<_> = frames.filter_map(|f| Some((other(&f)?, f.1))).collect();
        for (number, layout) in others {
            pictures[number] = Err(unlike(layout, first));
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

/// What is told of a frame that is not like the first one, whose number and layout come with it.
pub fn unlike(layout: Layout, (number, first): (usize, Layout)) -> String {
    format!(
        "is {} x {} where frame {number} is {} x {}, or its sampling differs; all frames must be alike",
        layout.width, layout.height, first.width, first.height
    )
}

fn raw(data: &[u8]) -> Pictures {
    let mut pictures = Pictures::new();
    let mut at = 0;
    while at < data.len() {
        let end = at + jpeg::image_length(&data[at..], true).unwrap_or(data.len() - at);
        pictures.push(picture(data, at..end).map(Some));
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

/// One RIFF chunk: its four-letter name and content.
type Chunk = ([u8; 4], Range<usize>);

/// The chunks in `range`; one that runs past the end is cut there.
fn chunks(data: &[u8], range: Range<usize>) -> impl Iterator<Item = Chunk> + '_ {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let head = data.get(at..at + 8).filter(|_| at + 8 <= range.end)?;
        let name = [head[0], head[1], head[2], head[3]];
        let size = u32_at(head, 4)? as usize;
        let start = at + 8;
        at = start.saturating_add(size).saturating_add(size & 1);
        Some((name, start..start.saturating_add(size)))
    })
}

/// The chunks of a list, after its type.
fn list(data: &[u8], content: &Range<usize>, kind: &[u8; 4]) -> Option<Vec<Chunk>> {
    let end = content.end.min(data.len());
    let of_kind = data.get(content.start..content.start + 4) == Some(kind);
    of_kind.then(|| chunks(data, content.start + 4..end).collect::<Vec<_>>())
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

fn avi(data: &[u8]) -> Result<(FrameRate, Pictures), String> {
    let mut stream = None;
    let mut images = Vec::new();
    let mut complete = true;
    for (name, riff) in chunks(data, 0..data.len()) {
        if &name != b"RIFF" {
            continue;
        }
        let parts = list(data, &riff, b"AVI ").or_else(|| list(data, &riff, b"AVIX"));
        for (name, content) in parts.unwrap_or_default() {
            if &name != b"LIST" {
                continue;
            }
            if let Some(found) = header_list(data, &content)? {
                stream = Some(found);
            } else if let Some(items) = list(data, &content, b"movi") {
                let (index, _) = stream.ok_or("has picture data before its headers")?;
                images.extend(pictures(data, &items, index));
                // Files written to a pipe have no size in their header.
                complete &= content.end <= data.len() || content.len() > 0x7fff_0000;
            }
        }
    }
    let (_, rate) = stream.ok_or("is an AVI file without headers")?;
    let mut pictures: Pictures = images
        .into_par_iter()
        .map(|content| match content.is_empty() {
            true => Ok(None),
            false => picture(data, content).map(Some),
        })
        .collect();
    if !complete && pictures.last().is_none_or(Result::is_ok) {
        pictures.push(Err(TRUNCATED.into()));
    }
    Ok((rate, pictures))
}

/// What is told of a picture that should be there and where the file ends.
pub const TRUNCATED: &str = "truncated: the file ends before it";

/// The chunks of a file's header list (`content` is where it stands in `data`, after its name and
/// length): index and frame rate of the first Motion-JPEG stream; `None` where it is another list.
///
/// # Errors
/// There is no such stream.
pub fn header_list(
    data: &[u8],
    content: &Range<usize>,
) -> Result<Option<(usize, FrameRate)>, String> {
    list(data, content, b"hdrl").map(|headers| video_stream(data, &headers)).transpose()
}

/// Index and frame rate of the first Motion-JPEG stream.
fn video_stream(data: &[u8], headers: &[Chunk]) -> Result<(usize, FrameRate), String> {
    let mut seen = Vec::new();
    let lists = headers.iter().filter(|(name, _)| name == b"LIST");
    let streams = lists.filter_map(|(_, content)| list(data, content, b"strl"));
    for (index, parts) in streams.enumerate() {
        let part = |name: &[u8; 4]| {
            let found = parts.iter().find(|(n, _)| n == name)?;
            data.get(found.1.clone())
        };
        let (Some(strh), Some(strf)) = (part(b"strh"), part(b"strf")) else { continue };
        if strh.get(..4) != Some(b"vids") {
            continue;
        }
        let codec = strf.get(16..20).unwrap_or_default();
        if codec.eq_ignore_ascii_case(b"MJPG") {
            let rate = u32_at(strh, 24).zip(u32_at(strh, 20)).filter(|&(r, s)| r > 0 && s > 0);
            let rate = rate.map_or(UNKNOWN_RATE, |(rate, scale)| FrameRate { rate, scale });
            return Ok((index, rate));
        }
        seen.push(String::from_utf8_lossy(codec).into_owned());
    }
    Err(format!(
        "has no Motion-JPEG stream (MJPG){}; make one with `ffmpeg -i FILE -c:v mjpeg`",
        if seen.is_empty() { String::new() } else { format!(" but {}", seen.join(", ")) }
    ))
}

/// Whether the chunk called `name` holds a picture of stream `index`.
pub fn is_picture(name: [u8; 4], index: usize) -> bool {
    let id = [b'0' + (index / 10 % 10) as u8, b'0' + (index % 10) as u8];
    name[..2] == id && matches!(&name[2..], b"dc" | b"db")
}

/// Contents of the picture chunks of stream `index` among `items`, which may stand in groups.
fn pictures<'a>(
    data: &'a [u8],
    items: &'a [Chunk],
    index: usize,
) -> impl Iterator<Item = Range<usize>> + 'a {
    let grouped = items.iter().flat_map(|item| match &item.0 {
        b"LIST" => list(data, &item.1, b"rec ").unwrap_or_default(),
        _ => vec![item.clone()],
    });
    grouped.filter(move |(name, _)| is_picture(*name, index)).map(|(_, content)| content)
}

/// The one image of a picture's bytes; ranges are positions in `data`.
///
/// # Errors
/// In words, what is damaged or not supported.
pub fn picture(data: &[u8], content: Range<usize>) -> Result<Frame, String> {
    if content.end > data.len() {
        return Err("truncated, the file ends inside it".into());
    }
    let frame = frame_in(data, content.clone())?;
    if data[frame.end..content.end].starts_with(&[0xff, 0xd8]) {
        return Err("holds two fields; interlaced video is not supported".into());
    }
    Ok(frame)
}
