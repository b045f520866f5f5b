//! Files: AVI with Motion-JPEG and raw streams of JPEG images in, AVI out.

use std::ops::Range;

use rayon::prelude::*;

use super::jpeg::{self, Frame};

/// Frame rate as a fraction: `rate / scale` frames a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRate {
    /// Frames in `scale` seconds.
    pub rate: u32,
    /// Seconds.
    pub scale: u32,
}

/// A parsed file: what it says of itself and every frame, with ranges into the file's bytes.
#[derive(Debug, Clone)]
pub struct Movie {
    /// Frames a second; 25 where the file does not say.
    pub rate: FrameRate,
    /// Frames in order, all of one size and layout.
    pub frames: Vec<Frame>,
}

/// Reads an AVI file or a raw stream of JPEG images.
///
/// # Errors
/// In words, with the number of the frame (counted from 0).
pub fn parse(data: &[u8]) -> Result<Movie, String> {
    let (rate, frames) = match data {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => avi(data)?,
        [0xff, 0xd8, ..] => (FrameRate { rate: 25, scale: 1 }, raw(data)?),
        [] => return Err("is empty; give an AVI file or a raw .mjpeg stream".into()),
        _ => {
            return Err("is neither AVI nor raw Motion-JPEG; make one with \
                        `ffmpeg -i FILE -c:v mjpeg -pix_fmt yuvj420p -threads 4 \
                        -thread_type slice out.avi`"
                .into());
        }
    };
    let Some(first) = frames.first() else {
        return Err("holds no video frame".into());
    };
    let layout = first.layout;
    if let Some(i) = frames.iter().position(|f| f.layout != layout) {
        let other = frames[i].layout;
        return Err(format!(
            "frame {i} is {} x {} where frame 0 is {} x {}, or its sampling differs; all frames \
             must be alike",
            other.width, other.height, layout.width, layout.height
        ));
    }
    Ok(Movie { rate, frames })
}

fn raw(data: &[u8]) -> Result<Vec<Frame>, String> {
    let mut frames = Vec::new();
    let mut at = 0;
    while at < data.len() {
        let frame = frame_in(data, at..data.len(), frames.len())?;
        at = frame.end;
        frames.push(frame);
    }
    Ok(frames)
}

/// Parses the image at the start of `range` and moves its ranges to whole-file positions.
fn frame_in(data: &[u8], range: Range<usize>, number: usize) -> Result<Frame, String> {
    let start = range.start;
    let mut frame =
        jpeg::parse(&data[range]).map_err(|problem| format!("frame {number}: {problem}"))?;
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

fn avi(data: &[u8]) -> Result<(FrameRate, Vec<Frame>), String> {
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
            if let Some(headers) = list(data, &content, b"hdrl") {
                stream = Some(video_stream(data, &headers)?);
            } else if let Some(items) = list(data, &content, b"movi") {
                let (index, _) = stream.ok_or("has picture data before its headers")?;
                images.extend(pictures(data, &items, index));
                // Files written to a pipe have no size in their header.
                complete &= content.end <= data.len() || content.len() > 0x7fff_0000;
            }
        }
    }
    let (_, rate) = stream.ok_or("is an AVI file without headers")?;
    let frames: Vec<_> = images
        .into_par_iter()
        .enumerate()
        .map(|(number, content)| picture(data, content, number))
        .collect::<Result<_, _>>()?;
    if !complete {
        return Err(format!("truncated: the file ends before frame {}", frames.len()));
    }
    Ok((rate, frames))
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
            let (rate, scale) = rate.unwrap_or((25, 1));
            return Ok((index, FrameRate { rate, scale }));
        }
        seen.push(String::from_utf8_lossy(codec).into_owned());
    }
    Err(format!(
        "has no Motion-JPEG stream (MJPG){}; make one with `ffmpeg -i FILE -c:v mjpeg`",
        if seen.is_empty() { String::new() } else { format!(" but {}", seen.join(", ")) }
    ))
}

/// Contents of the picture chunks of stream `index` among `items`, which may stand in groups.
fn pictures<'a>(
    data: &'a [u8],
    items: &'a [Chunk],
    index: usize,
) -> impl Iterator<Item = Range<usize>> + 'a {
    let id = [b'0' + (index / 10 % 10) as u8, b'0' + (index % 10) as u8];
    let grouped = items.iter().flat_map(|item| match &item.0 {
        b"LIST" => list(data, &item.1, b"rec ").unwrap_or_default(),
        _ => vec![item.clone()],
    });
    let mine = move |name: &[u8; 4]| name[..2] == id && matches!(&name[2..], b"dc" | b"db");
    grouped.filter(move |(name, _)| mine(name)).map(|(_, content)| content)
}

/// The one image of a picture chunk.
fn picture(data: &[u8], content: Range<usize>, number: usize) -> Result<Frame, String> {
    if content.end > data.len() {
        return Err(format!("frame {number}: truncated, the file ends inside it"));
    }
    if content.is_empty() {
        return Err(format!(
            "frame {number} is empty (a dropped frame); rewrite the file with a constant rate: \
             `ffmpeg -i FILE -r 25 -c:v mjpeg out.avi`"
        ));
    }
    let frame = frame_in(data, content.clone(), number)?;
    if data[frame.end..content.end].starts_with(&[0xff, 0xd8]) {
        return Err(format!("frame {number} holds two fields; interlaced video is not supported"));
    }
    Ok(frame)
}

/// Writes an AVI file of `frames` (whole JPEG images) that any player opens.
///
/// # Errors
/// Where the file would pass the 4 GiB that its size fields can say.
pub fn mux(
    width: usize,
    height: usize,
    rate: FrameRate,
    frames: &[Vec<u8>],
) -> Result<Vec<u8>, String> {
    let padded: usize = frames.iter().map(|f| f.len().next_multiple_of(2) + 8 + 16).sum();
    let total = padded + 1024;
    if u32::try_from(total).is_err() {
        return Err(format!(
            "the output of {total} bytes passes the 4 GiB limit of AVI; use fewer frames"
        ));
    }
    let (width, height) = (width as u32, height as u32);
    let count = frames.len() as u32;
    let largest = frames.iter().map(Vec::len).max().unwrap_or(0) as u32;
    let period_us = (1_000_000 * u64::from(rate.scale) / u64::from(rate.rate)) as u32;
    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
    let has_index = 0x10;
    let avih =
        words(&[period_us, 0, 0, has_index, count, 0, 1, largest, width, height, 0, 0, 0, 0]);
    let mut strh = b"vidsMJPG".to_vec();
    strh.extend(words(&[0, 0, 0, rate.scale, rate.rate, 0, count, largest, u32::MAX, 0]));
    strh.extend([0, 0, 0, 0].into_iter().chain((width as u16).to_le_bytes()));
    strh.extend((height as u16).to_le_bytes());
    let mut strf = words(&[40, width, height, 1 | 24 << 16]);
    strf.extend(b"MJPG");
    strf.extend(words(&[width * height * 3, 0, 0, 0, 0]));

    let mut out = Vec::with_capacity(total);
    let strl = [chunk(b"strh", &strh), chunk(b"strf", &strf)].concat();
    let hdrl =
        [chunk(b"avih", &avih), chunk(b"LIST", &[b"strl".as_slice(), &strl].concat())].concat();
    out.extend(b"RIFF\0\0\0\0AVI ");
    out.extend(chunk(b"LIST", &[b"hdrl".as_slice(), &hdrl].concat()));
    let movi = out.len();
    out.extend(b"LIST\0\0\0\0movi");
    let mut index = Vec::with_capacity(16 * frames.len());
    for frame in frames {
        let key_frame = 0x10;
        index.extend(b"00dc");
        index.extend(words(&[key_frame, (out.len() - movi - 8) as u32, frame.len() as u32]));
        out.extend(b"00dc");
        out.extend((frame.len() as u32).to_le_bytes());
        out.extend(frame);
        out.extend(std::iter::repeat_n(0, frame.len() & 1));
    }
    let movi_bytes = (out.len() - movi - 8) as u32;
    out[movi + 4..movi + 8].copy_from_slice(&movi_bytes.to_le_bytes());
    out.extend(chunk(b"idx1", &index));
    let riff_bytes = (out.len() - 8) as u32;
    out[4..8].copy_from_slice(&riff_bytes.to_le_bytes());
    Ok(out)
}

/// A chunk with its name, length and padding.
fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut out = name.to_vec();
    out.extend((content.len() as u32).to_le_bytes());
    out.extend(content);
    out.extend(std::iter::repeat_n(0, content.len() & 1));
    out
}
