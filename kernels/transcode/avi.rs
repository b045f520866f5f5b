//! The structure of AVI files, chunk by chunk: the same for a file in memory and for a stream.

use std::ops::Range;

use super::container::{FrameRate, UNKNOWN_RATE};

/// A picture has no more; beyond that the file is damaged.
pub const MAX_PICTURE_BYTES: u64 = 1 << 28;
/// A list of headers has no more.
const MAX_HEADER_BYTES: u64 = 1 << 24;
/// Bytes of a chunk's head, and of a list's.
const HEAD: u64 = 8;
const LIST_HEAD: u64 = 12;

/// Bytes by which [`Walk::finds`] knows a picture.
pub const FOUND_BYTES: usize = HEAD as usize + 2;

/// Whether this begins an AVI file.
pub fn starts(data: &[u8]) -> bool {
    data.starts_with(b"RIFF") && data.get(8..12) == Some(b"AVI ")
}

/// Where in a file one is.
#[derive(Debug, Default)]
pub struct Walk {
    /// The number of the video stream, and its rate.
    stream: Option<(usize, FrameRate)>,
    /// Whether a list of pictures was met, and where the last one ends, if that is told.
    pictures: bool,
    end: Option<u64>,
}

/// What stands at a place, after its head.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: go on so many bytes after the head.
    Skip(u64),
    /// The list of headers, of so many bytes, for [`Walk::headers`].
    Headers(u64),
    /// A picture of so many bytes.
    Picture(u64),
    /// The end; whether it came too early.
    End {
        /// Pictures are missing.
        cut: bool,
    },
}

/// Bytes to read at a place as its head, once its first four are known.
pub fn head_bytes(name: &[u8]) -> u64 {
    if name == b"RIFF" || name == b"LIST" { LIST_HEAD } else { HEAD }
}

impl Walk {
    /// What `head` is, as much as the file has of it at byte `at`.
    ///
    /// # Errors
    /// A structure that is damaged, so that what follows cannot be found.
    pub fn next(&mut self, at: u64, head: &[u8]) -> Result<Next, String> {
        let beyond = self.end.is_none_or(|end| at >= end);
        let Some((&[a, b, c, d, ref size @ ..], rest)) = head.split_first_chunk::<8>() else {
            return Ok(Next::End { cut: !beyond });
        };
        let (name, size) = ([a, b, c, d], u64::from(u32::from_le_bytes(*size)));
        if !name.iter().all(|b| b.is_ascii_graphic() || *b == b' ') {
            // Recorders reserve room that they do not use. Where the list's length is not known, only zeros are that.
            let unused = self.end.is_some() || name == [0; 4];
            if beyond && self.pictures && unused {
                return Ok(Next::End { cut: false });
            }
            return Err(format!("the file's structure is damaged at byte {at}: no chunk is there"));
        }
        let padded = size + (size & 1);
        match (&name, rest) {
            (b"RIFF", b"AVI " | b"AVIX") | (b"LIST", b"rec ") => Ok(Next::Skip(0)),
            (b"LIST", b"hdrl") if (4..=MAX_HEADER_BYTES).contains(&size) => {
                Ok(Next::Headers(padded - 4))
            }
            (b"LIST", b"movi") => {
                self.stream.ok_or("has picture data before its headers")?;
                self.pictures = true;
                // Those who could not come back to write it leave 0, or all ones.
                let known = size != 0 && size != u64::from(u32::MAX);
                self.end = known.then_some(at + HEAD + size);
                Ok(Next::Skip(0))
            }
            (b"RIFF" | b"LIST", _) => Ok(Next::Skip(padded.saturating_sub(4))),
            (b"idx1", _) => {
                // Whatever the list's length says, the index follows it.
                self.end = self.end.map(|end| end.min(at));
                Ok(Next::Skip(padded))
            }
            // A chunk of the list ends in it; some who wrote it counted its head otherwise.
            _ if !beyond && self.end.is_some_and(|end| at + HEAD + size > end + LIST_HEAD) => Err(
                format!("the file's structure is damaged at byte {at}: {size} bytes are not there"),
            ),
            _ if !self.is_picture(name) => Ok(Next::Skip(padded)),
            _ if size > MAX_PICTURE_BYTES => Err(format!(
                "the file's structure is damaged at byte {at}: a picture of {size} bytes"
            )),
            _ => Ok(Next::Picture(size)),
        }
    }

    /// Whether pictures may be looked for: a list of them was met.
    pub fn has_pictures(&self) -> bool {
        self.pictures
    }

    /// Whether `bytes`, at byte `at`, begin a chunk with a picture in it: the head of one, and the first marker of
    /// an image. Where a file's structure is damaged, reading goes on there.
    pub fn finds(&self, at: u64, bytes: &[u8; FOUND_BYTES]) -> bool {
        let [a, b, c, d, ref size @ .., 0xff, 0xd8] = *bytes else { return false };
        let size = u64::from(u32::from_le_bytes(*size));
        self.is_picture([a, b, c, d])
            && (2..=MAX_PICTURE_BYTES).contains(&size)
            && self.end.is_none_or(|end| at + HEAD + size <= end + LIST_HEAD)
    }

    /// Whether the chunk called `name` holds a picture of the video stream.
    fn is_picture(&self, name: [u8; 4]) -> bool {
        let Some((index, _)) = self.stream else { return false };
        let id = [b'0' + (index / 10 % 10) as u8, b'0' + (index % 10) as u8];
        name[..2] == id && matches!(&name[2..], b"dc" | b"db")
    }

    /// Takes note of the list of headers.
    ///
    /// # Errors
    /// It has no Motion-JPEG stream.
    pub fn headers(&mut self, content: &[u8]) -> Result<(), String> {
        self.stream = Some(video_stream(content)?);
        Ok(())
    }

    /// Frames a second, once the headers were met.
    ///
    /// # Errors
    /// There are none, or no pictures.
    pub fn rate(&self) -> Result<FrameRate, String> {
        let (_, rate) = self.stream.ok_or("is an AVI file without headers")?;
        if self.pictures { Ok(rate) } else { Err("holds no video frame".into()) }
    }
}

/// The chunks of `data`: names and contents; what runs past the end is cut there.
fn chunks(data: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let head = data.get(at..at + 8)?;
        let size = u32_at(head, 4)? as usize;
        let content: Range<usize> = at + 8..(at + 8 + size).min(data.len());
        at += 8 + size + (size & 1);
        Some(([head[0], head[1], head[2], head[3]], &data[content]))
    })
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

/// Index and frame rate of the first Motion-JPEG stream.
fn video_stream(headers: &[u8]) -> Result<(usize, FrameRate), String> {
    let mut seen = Vec::new();
    let lists = chunks(headers).filter(|(name, _)| name == b"LIST");
    let streams = lists.filter_map(|(_, content)| content.strip_prefix(b"strl"));
    for (index, parts) in streams.enumerate() {
        let part = |name: &[u8; 4]| chunks(parts).find(|(n, _)| n == name).map(|(_, part)| part);
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
