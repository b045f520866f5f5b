//! Video that is larger than memory: pictures one by one from a file or a pipe, each transcoded by
//! the chain that is measured.

use std::io::{self, Read};

use rayon::prelude::*;

use super::container::{
    self, EMPTY, FrameRate, NO_VIDEO, TRUNCATED, UNKNOWN_RATE, header_list, is_picture,
};
use super::cpu::FrameChain;
use super::jpeg::{self, Frame, Layout};

/// Bytes read at a time from raw streams.
const READ_BYTES: usize = 1 << 20;
/// A picture has no more; beyond that the file is damaged.
const MAX_PICTURE_BYTES: u64 = 1 << 28;
/// A list of headers has no more.
const MAX_HEADER_BYTES: u64 = 1 << 24;
/// Bits that make up the sizes of a file whose length was not known when it was begun: a pipe's.
const UNKNOWN_SIZE: u64 = 0x7fff_0000;

/// One picture of a video, counted from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its JPEG image; empty where the camera dropped it.
    pub bytes: Vec<u8>,
    /// What is wrong with it, where that is known before it is decoded.
    pub problem: Option<String>,
}

/// Pictures of an AVI file or a raw stream, in their order.
pub struct VideoReader {
    input: Box<dyn Read + Send>,
    /// Bytes read so far.
    position: u64,
    rate: FrameRate,
    kind: Kind,
    ended: bool,
}

enum Kind {
    /// The number of the video stream, and where the list of pictures at hand ends.
    Avi { stream: usize, end: u64 },
    /// Bytes that are read and not used.
    Raw { buffer: Vec<u8>, all: bool },
}

impl VideoReader {
    /// Begins to read, up to the first picture.
    ///
    /// # Errors
    /// A file that is neither AVI with Motion-JPEG nor raw Motion-JPEG; what the system says.
    pub fn open(input: Box<dyn Read + Send>) -> Result<Self, String> {
        let kind = Kind::Raw { buffer: Vec::new(), all: false };
        let mut reader = Self { input, position: 0, rate: UNKNOWN_RATE, kind, ended: false };
        let start = reader.bytes(12)?;
        match start[..] {
            [] => return Err(EMPTY.into()),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' '] => reader.headers()?,
            [0xff, 0xd8, ..] => reader.kind = Kind::Raw { buffer: start, all: false },
            _ => return Err(NO_VIDEO.into()),
        }
        Ok(reader)
    }

    /// Frames a second; 25 where the file does not say.
    pub fn rate(&self) -> FrameRate {
        self.rate
    }

    /// Up to `count` bytes; fewer at the end.
    fn bytes(&mut self, count: u64) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        (&mut self.input).take(count).read_to_end(&mut bytes).map_err(unreadable)?;
        self.position += bytes.len() as u64;
        Ok(bytes)
    }

    fn skip(&mut self, count: u64) -> Result<(), String> {
        let mut rest = (&mut self.input).take(count);
        self.position += io::copy(&mut rest, &mut io::sink()).map_err(unreadable)?;
        Ok(())
    }

    /// The name and length of the next chunk; `None` at the end.
    fn chunk(&mut self) -> Result<Option<([u8; 4], u64)>, String> {
        let head = self.bytes(8)?;
        let Some(&[a, b, c, d, ref size @ ..]) = head.first_chunk::<8>() else { return Ok(None) };
        Ok(Some(([a, b, c, d], u64::from(u32::from_le_bytes(*size)))))
    }

    /// Reads up to the first list of pictures.
    fn headers(&mut self) -> Result<(), String> {
        let mut found = None;
        while let Some((name, size)) = self.chunk()? {
            if &name != b"LIST" {
                self.skip(size + (size & 1))?;
                continue;
            }
            let kind = self.bytes(4.min(size))?;
            if kind == b"movi" {
                let (stream, rate) = found.ok_or("has picture data before its headers")?;
                self.rate = rate;
                self.kind = Kind::Avi { stream, end: self.position + size - 4 };
                return Ok(());
            }
            let rest = size - kind.len() as u64;
            if kind == b"hdrl" && size <= MAX_HEADER_BYTES {
                let list = [kind, self.bytes(rest)?].concat();
                found = header_list(&list, &(0..list.len()))?.or(found);
                self.skip(size & 1)?;
            } else {
                self.skip(rest + (size & 1))?;
            }
        }
        let problem = match found {
            Some(_) => "holds no video frame",
            None => "is an AVI file without headers",
        };
        Err(problem.into())
    }

    /// The next picture; `None` at the end.
    ///
    /// # Errors
    /// What the system says; a file whose structure is damaged, so that what follows cannot be found.
    pub fn picture(&mut self) -> Result<Option<Picture>, String> {
        if self.ended {
            return Ok(None);
        }
        let found = match self.kind {
            Kind::Avi { stream, end } => self.chunk_of(stream, end),
            Kind::Raw { .. } => self.image(),
        };
        self.ended = !matches!(found, Ok(Some(_))) || self.ended;
        found
    }

    /// The next picture chunk of an AVI file.
    fn chunk_of(&mut self, stream: usize, mut end: u64) -> Result<Option<Picture>, String> {
        loop {
            let start = self.position;
            let Some((name, size)) = self.chunk()? else {
                self.ended = true;
                let cut = start < end && end - start < UNKNOWN_SIZE;
                let problem = Some(TRUNCATED.to_owned());
                return Ok(cut.then_some(Picture { bytes: Vec::new(), problem }));
            };
            if &name == b"RIFF" || &name == b"LIST" {
                let kind = self.bytes(4.min(size))?;
                match &kind[..] {
                    b"movi" => {
                        end = self.position + size - 4;
                        self.kind = Kind::Avi { stream, end };
                    }
                    b"rec " | b"AVIX" => {}
                    _ => self.skip(size - kind.len() as u64 + (size & 1))?,
                }
                continue;
            }
            if !name.iter().all(|b| b.is_ascii_graphic() || *b == b' ') {
                return Err(format!("its structure is damaged at byte {start}: no chunk is there"));
            }
            if !is_picture(name, stream) {
                self.skip(size + (size & 1))?;
                continue;
            }
            if size > MAX_PICTURE_BYTES {
                return Err(format!(
                    "its structure is damaged at byte {start}: a picture of {size} bytes"
                ));
            }
            let bytes = self.bytes(size)?;
            let cut = (bytes.len() as u64) < size;
            self.skip(size & 1)?;
            let problem = cut.then(|| "truncated, the file ends inside it".to_owned());
            return Ok(Some(Picture { bytes, problem }));
        }
    }

    /// The next image of a raw stream.
    fn image(&mut self) -> Result<Option<Picture>, String> {
        loop {
            let Kind::Raw { buffer, all } = &mut self.kind else { return Ok(None) };
            let length = if *all && buffer.is_empty() {
                return Ok(None);
            } else {
                jpeg::image_length(buffer, *all)
            };
            if let Some(length) = length {
                let rest = buffer.split_off(length);
                let bytes = std::mem::replace(buffer, rest);
                return Ok(Some(Picture { bytes, problem: None }));
            }
            if buffer.len() as u64 > MAX_PICTURE_BYTES {
                return Err(format!("has a picture of more than {MAX_PICTURE_BYTES} bytes"));
            }
            // Twice as much each time, so that a large picture is not searched again and again.
            let more = buffer.len().max(READ_BYTES);
            let new = self.bytes(more as u64)?;
            let Kind::Raw { buffer, all } = &mut self.kind else { return Ok(None) };
            *all = new.len() < more;
            buffer.extend(new);
        }
    }
}

fn unreadable(error: io::Error) -> String {
    format!("cannot be read: {error}")
}

/// The first good frame's layout, which all must have, and the chain from it.
pub struct Transcoder {
    first: (usize, Layout),
    chain: FrameChain,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Samples across; half of the video's where only left open, or as the height has it.
    pub width: Option<usize>,
    /// Samples down; likewise.
    pub height: Option<usize>,
    /// Quality of what is written, 1 to 100.
    pub quality: u32,
}

impl Asked {
    /// Width and height for video of the size `from`: half of it where nothing is asked; where one is
    /// asked, the other keeps the picture's shape.
    pub fn size(&self, from: (usize, usize)) -> (usize, usize) {
        let like =
            |asked: usize, of: usize, other: usize| ((other * asked * 2 + of) / (2 * of)).max(1);
        match (self.width, self.height) {
            (Some(width), Some(height)) => (width, height),
            (Some(width), None) => (width, like(width, from.0, from.1)),
            (None, Some(height)) => (like(height, from.1, from.0), height),
            (None, None) => (from.0.div_ceil(2), from.1.div_ceil(2)),
        }
    }
}

impl Transcoder {
    /// The chain for video whose first good picture is number `number`.
    pub fn new(number: usize, frame: &Frame, asked: &Asked) -> Self {
        let from = frame.layout;
        let (width, height) = asked.size((from.width, from.height));
        let to = Layout::standard(width, height, from.sampling());
        Self { first: (number, from), chain: FrameChain::new(from, to, asked.quality) }
    }

    /// Width and height of what comes out.
    pub fn size(&self) -> (usize, usize) {
        let to = self.chain.to();
        (to.width, to.height)
    }

    /// Transcodes pictures, in parallel: a whole image, `None` for a dropped picture, or what is wrong
    /// with it.
    pub fn convert(&self, pictures: &[Picture]) -> Vec<Result<Option<Vec<u8>>, String>> {
        let one = |picture: &Picture| {
            let Some(frame) = parsed(picture)? else { return Ok(None) };
            if frame.layout != self.first.1 {
                return Err(container::unlike(frame.layout, self.first));
            }
            let image = self.chain.frame(&picture.bytes, &frame);
            image.map(Some).map_err(|damage| damage.describe().to_owned())
        };
        pictures.par_iter().map(one).collect()
    }
}

/// The headers of a picture; `None` of one that was dropped.
///
/// # Errors
/// What is damaged or not supported.
pub fn parsed(picture: &Picture) -> Result<Option<Frame>, String> {
    match &picture.problem {
        Some(problem) => Err(problem.clone()),
        None if picture.bytes.is_empty() => Ok(None),
        None => container::picture(&picture.bytes, 0..picture.bytes.len()).map(Some),
    }
}
