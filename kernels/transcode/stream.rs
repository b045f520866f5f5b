//! Video that is larger than memory: pictures one by one from a file or a pipe, each transcoded by
//! the chain that is measured.

use std::io::{self, BufRead, BufReader, Read};

use rayon::prelude::*;

use super::avi::{self, FOUND_BYTES, MAX_PICTURE_BYTES, Next, Walk};
use super::container::{self, CUT, EMPTY, FrameRate, NO_VIDEO, TRUNCATED, UNKNOWN_RATE};
use super::cpu::FrameChain;
use super::jpeg::{self, Frame, Layout, MAX_SIDE};

/// Bytes read at a time from raw streams.
const READ_BYTES: usize = 1 << 20;

/// One picture of a video, counted from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its JPEG image; empty where the camera dropped it.
    pub bytes: Vec<u8>,
    /// What is wrong with it, where that is known before it is decoded.
    pub problem: Option<String>,
}

impl Picture {
    /// One of which no more is known than what is wrong.
    fn lost(problem: String) -> Self {
        Self { bytes: Vec::new(), problem: Some(problem) }
    }
}

/// Pictures of an AVI file or a raw stream, in their order: those that `container::parse` finds.
pub struct VideoReader {
    input: BufReader<Box<dyn Read + Send>>,
    /// Bytes read so far.
    position: u64,
    rate: FrameRate,
    kind: Kind,
    /// Where the structure is damaged: what was read there and may begin a picture.
    searched: Option<Vec<u8>>,
    ended: bool,
}

enum Kind {
    Avi(Walk),
    /// Bytes that are read, the first of them that are used, and whether they are all.
    Raw {
        buffer: Vec<u8>,
        used: usize,
        all: bool,
    },
}

impl VideoReader {
    /// Begins to read, up to the first picture.
    ///
    /// # Errors
    /// A file that is neither AVI with Motion-JPEG nor raw Motion-JPEG; what the system says.
    pub fn open(input: Box<dyn Read + Send>) -> Result<Self, String> {
        let kind = Kind::Avi(Walk::default());
        let input = BufReader::new(input);
        let mut reader =
            Self { input, position: 0, rate: UNKNOWN_RATE, kind, searched: None, ended: false };
        let start = reader.bytes(12)?;
        if avi::starts(&start) {
            reader.headers()?;
        } else if start.starts_with(&[0xff, 0xd8]) {
            reader.kind = Kind::Raw { buffer: start, used: 0, all: false };
        } else {
            return Err(if start.is_empty() { EMPTY } else { NO_VIDEO }.into());
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

    /// What comes next in an AVI file, after its head; the inner result is about its structure.
    fn step(&mut self) -> Result<Result<Next, String>, String> {
        let at = self.position;
        let mut head = self.bytes(4)?;
        head.extend(self.bytes(avi::head_bytes(&head) - 4)?);
        match &mut self.kind {
            Kind::Avi(walk) => {
                let next = walk.next(at, &head);
                self.searched = next.is_err().then(|| head.split_off(1.min(head.len())));
                Ok(next)
            }
            Kind::Raw { .. } => Ok(Ok(Next::End { cut: false })),
        }
    }

    /// Reads up to the first list of pictures.
    fn headers(&mut self) -> Result<(), String> {
        loop {
            let next = self.step()??;
            if let Next::Headers(size) = next {
                let content = self.bytes(size)?;
                if let Kind::Avi(walk) = &mut self.kind {
                    walk.headers(&content)?;
                }
            }
            if let Next::Skip(size) = next {
                self.skip(size)?;
            }
            let Kind::Avi(walk) = &self.kind else { return Ok(()) };
            match (walk.rate(), next) {
                (Ok(rate), _) => {
                    self.rate = rate;
                    return Ok(());
                }
                (Err(problem), Next::End { .. }) => return Err(problem),
                _ => {}
            }
        }
    }

    /// The next picture; `None` at the end. Where a file's structure is damaged, a picture says so, and the next
    /// one is the next that is found.
    ///
    /// # Errors
    /// What the system says.
    pub fn picture(&mut self) -> Result<Option<Picture>, String> {
        if self.ended {
            return Ok(None);
        }
        let found = match self.kind {
            Kind::Avi(_) => self.chunk(),
            Kind::Raw { .. } => self.image(),
        };
        self.ended |= !matches!(found, Ok(Some(_)));
        found
    }

    /// The next picture chunk of an AVI file.
    fn chunk(&mut self) -> Result<Option<Picture>, String> {
        if let Some(read) = self.searched.take() {
            return self.found(read);
        }
        loop {
            match self.step()? {
                Ok(Next::Skip(size) | Next::Headers(size)) => self.skip(size)?,
                Ok(Next::Picture(size)) => return self.content(Vec::new(), size).map(Some),
                Ok(Next::End { cut }) => {
                    self.ended = true;
                    return Ok(cut.then(|| Picture::lost(TRUNCATED.into())));
                }
                Err(problem) => return Ok(Some(Picture::lost(problem))),
            }
        }
    }

    /// A picture of `size` bytes, of which `bytes` are read.
    fn content(&mut self, mut bytes: Vec<u8>, size: u64) -> Result<Picture, String> {
        bytes.extend(self.bytes(size - bytes.len() as u64)?);
        self.ended = (bytes.len() as u64) < size;
        self.skip(size & 1)?;
        let problem = self.ended.then(|| CUT.to_owned());
        Ok(Picture { bytes, problem })
    }

    /// The next picture that is found, where the structure is damaged and `read` was read last.
    fn found(&mut self, mut read: Vec<u8>) -> Result<Option<Picture>, String> {
        loop {
            let Kind::Avi(walk) = &self.kind else { return Ok(None) };
            let (at, known) = (self.position - read.len() as u64, read.len());
            let more = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                more => more.map_err(unreadable)?,
            };
            let last = more.is_empty();
            read.extend(more);
            let windows = read.windows(FOUND_BYTES).enumerate();
            let mut places = windows.filter_map(|(i, bytes)| Some((i, bytes.first_chunk()?)));
            let found = places.find(|(i, bytes)| walk.finds(at + *i as u64, bytes)).map(|(i, _)| i);
            // What follows what was found is left where it is.
            read.truncate(found.map_or(read.len(), |i| known.max(i + FOUND_BYTES)));
            self.input.consume(read.len() - known);
            self.position = at + read.len() as u64;
            if let Some(i) = found {
                let bytes = read.split_off(i + FOUND_BYTES - 2);
                let Some(size) = read.last_chunk() else { return Ok(None) };
                return self.content(bytes, u32::from_le_bytes(*size).into()).map(Some);
            }
            if last {
                return Ok(None);
            }
            read.drain(..read.len().saturating_sub(FOUND_BYTES - 1));
        }
    }

    /// The next image of a raw stream.
    fn image(&mut self) -> Result<Option<Picture>, String> {
        loop {
            let Kind::Raw { buffer, used, all } = &mut self.kind else { return Ok(None) };
            let rest = &buffer[*used..];
            if *all && rest.is_empty() {
                return Ok(None);
            }
            if let Some(length) = jpeg::image_length(rest, *all) {
                let bytes = rest[..length].to_vec();
                *used += length;
                if container::is_padding(&bytes) {
                    continue;
                }
                return Ok(Some(Picture { bytes, problem: None }));
            }
            if rest.len() as u64 > MAX_PICTURE_BYTES {
                self.ended = true;
                let problem = format!("a picture of more than {MAX_PICTURE_BYTES} bytes");
                return Ok(Some(Picture::lost(problem)));
            }
            // Twice as much each time, so that a large picture is not searched again and again.
            let more = rest.len().max(READ_BYTES);
            let new = self.bytes(more as u64)?;
            let Kind::Raw { buffer, used, all } = &mut self.kind else { return Ok(None) };
            *all = new.len() < more;
            buffer.drain(..std::mem::take(used));
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
    ///
    /// # Errors
    /// What comes out would be larger than a picture can be.
    pub fn new(number: usize, frame: &Frame, asked: &Asked) -> Result<Self, String> {
        let from = frame.layout;
        let (width, height) = asked.size((from.width, from.height));
        if width.max(height) > MAX_SIDE {
            return Err(format!(
                "{} x {} would become {width} x {height}; at most {MAX_SIDE} samples a side, so ask for \
                 a smaller width or height",
                from.width, from.height
            ));
        }
        let mut to = Layout::standard(width, height, from.sampling());
        to.studio_range = from.studio_range;
        Ok(Self { first: (number, from), chain: FrameChain::new(from, to, asked.quality) })
    }

    /// The chain for the first of `pictures` that can be decoded, and is number `before` or a later one;
    /// `None` where none can.
    ///
    /// # Errors
    /// As [`Transcoder::new`].
    pub fn of_first(
        pictures: &[Picture],
        before: usize,
        asked: &Asked,
    ) -> Result<Option<Self>, String> {
        for (i, picture) in pictures.iter().enumerate() {
            let Ok(Some(frame)) = parsed(picture) else { continue };
            let made = Self::new(before + i, &frame, asked)?;
            if made.convert(&pictures[i..=i]).first().is_some_and(Result::is_ok) {
                return Ok(Some(made));
            }
        }
        Ok(None)
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
