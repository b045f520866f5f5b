//! Files out: AVI that any player opens, and raw streams of JPEG images, picture by picture.

use std::io::{self, Write};

use super::container::FrameRate;

/// Kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Container {
    /// AVI with an index; up to 4 GiB.
    #[default]
    Avi,
    /// JPEG images one after another; of any length, without a frame rate.
    Mjpeg,
}

/// What a file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Film {
    /// The kind of file.
    pub container: Container,
    /// Samples across.
    pub width: usize,
    /// Samples down.
    pub height: usize,
    /// Frames a second; raw streams do not say it.
    pub rate: FrameRate,
}

/// Why a picture could not be written.
#[derive(Debug, thiserror::Error)]
pub enum MuxError {
    /// What the system said.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file can hold no more.
    #[error("{0}")]
    Full(String),
}

impl Film {
    /// A whole file of `images`; `present` says for each picture whether the next of them is shown or
    /// it is missing.
    ///
    /// # Errors
    /// More than the file can hold.
    pub fn file(self, present: &[bool], images: &[Vec<u8>]) -> Result<Vec<u8>, String> {
        let bytes: usize = images.iter().map(|image| image.len() + 26).sum();
        let mut out = Vec::with_capacity(bytes + 1024);
        let mut write = || -> Result<Vec<u8>, MuxError> {
            let mut muxer = Muxer::start(self, &mut out)?;
            let mut images = images.iter();
            for &present in present {
                let image = if present { images.next() } else { None };
                muxer.picture(image.map(Vec::as_slice), &mut out)?;
            }
            Ok(muxer.finish(&mut out)?)
        };
        let head = write().map_err(|error| error.to_string())?;
        out[..head.len()].copy_from_slice(&head);
        Ok(out)
    }
}

/// Bytes of a chunk's or an index entry's head.
const CHUNK_HEAD: u64 = 8;
const INDEX_ENTRY: u64 = 16;

/// A file in the making: the part before the pictures, the pictures, then the index.
pub struct Muxer {
    film: Film,
    /// Bytes written so far.
    written: u64,
    /// Position of the list of pictures.
    movi: u64,
    pictures: u32,
    largest: u32,
    index: Vec<u8>,
    /// Raw streams: the picture before, which is shown again where one is missing.
    last: Vec<u8>,
    /// Raw streams: missing pictures before the first.
    waiting: usize,
}

impl Muxer {
    /// Begins a file.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(film: Film, to: &mut dyn Write) -> io::Result<Self> {
        let head = match film.container {
            Container::Avi => head(&film, 0, 0, 0, 0),
            Container::Mjpeg => Vec::new(),
        };
        to.write_all(&head)?;
        Ok(Self {
            film,
            written: head.len() as u64,
            movi: (head.len() as u64).saturating_sub(12),
            pictures: 0,
            largest: 0,
            index: Vec::new(),
            last: Vec::new(),
            waiting: 0,
        })
    }

    /// Appends a picture, `None` for one that is missing: a dropped picture in AVI, in raw streams the
    /// one before again.
    ///
    /// # Errors
    /// More than the file can hold, with the picture's number; what the system says.
    pub fn picture(&mut self, image: Option<&[u8]>, to: &mut dyn Write) -> Result<(), MuxError> {
        match self.film.container {
            Container::Avi => self.chunk(image.unwrap_or_default(), to),
            Container::Mjpeg => Ok(self.image(image, to)?),
        }
    }

    fn image(&mut self, image: Option<&[u8]>, to: &mut dyn Write) -> io::Result<()> {
        match image {
            Some(image) => {
                for _ in 0..=std::mem::take(&mut self.waiting) {
                    to.write_all(image)?;
                }
                self.last.clear();
                self.last.extend_from_slice(image);
                Ok(())
            }
            None if self.last.is_empty() => {
                self.waiting += 1;
                Ok(())
            }
            None => to.write_all(&self.last),
        }
    }

    fn chunk(&mut self, image: &[u8], to: &mut dyn Write) -> Result<(), MuxError> {
        let padding = image.len() & 1;
        let after = self.written + CHUNK_HEAD + (image.len() + padding) as u64;
        let index = CHUNK_HEAD + self.index.len() as u64 + INDEX_ENTRY;
        if after + index > u64::from(u32::MAX) {
            return Err(MuxError::Full(format!(
                "picture {} would pass the 4 GiB that an AVI file can hold; write raw Motion-JPEG \
                 (.mjpeg) instead, which has no limit, or fewer pictures",
                self.pictures
            )));
        }
        let length = (image.len() as u32).to_le_bytes();
        let key_frame: u32 = if image.is_empty() { 0 } else { 0x10 };
        self.index.extend(b"00dc");
        self.index.extend(key_frame.to_le_bytes());
        self.index.extend(((self.written - self.movi - CHUNK_HEAD) as u32).to_le_bytes());
        self.index.extend(length);
        to.write_all(b"00dc")?;
        to.write_all(&length)?;
        to.write_all(image)?;
        to.write_all(&[0][..padding])?;
        self.written = after;
        self.pictures += 1;
        self.largest = self.largest.max(image.len() as u32);
        Ok(())
    }

    /// Ends the file. Returns the bytes that belong at its start, in the place of those that are there.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish(self, to: &mut dyn Write) -> io::Result<Vec<u8>> {
        if self.film.container == Container::Mjpeg {
            return Ok(Vec::new());
        }
        to.write_all(b"idx1")?;
        to.write_all(&(self.index.len() as u32).to_le_bytes())?;
        to.write_all(&self.index)?;
        let riff = self.written + CHUNK_HEAD + self.index.len() as u64 - CHUNK_HEAD;
        let movi = self.written - self.movi - CHUNK_HEAD;
        Ok(head(&self.film, self.pictures, self.largest, riff as u32, movi as u32))
    }
}

/// An AVI file up to its first picture; `riff` and `movi` are the lengths of the file and of the list
/// of pictures as they are written.
fn head(film: &Film, pictures: u32, largest: u32, riff: u32, movi: u32) -> Vec<u8> {
    let (width, height) = (film.width as u32, film.height as u32);
    let FrameRate { rate, scale } = film.rate;
    let period_us = 1_000_000 * u64::from(scale) / u64::from(rate);
    let period_us = u32::try_from(period_us).unwrap_or(u32::MAX);
    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
    let has_index = 0x10;
    let avih =
        words(&[period_us, 0, 0, has_index, pictures, 0, 1, largest, width, height, 0, 0, 0, 0]);
    let mut strh = b"vidsMJPG".to_vec();
    strh.extend(words(&[0, 0, 0, scale, rate, 0, pictures, largest, u32::MAX, 0]));
    strh.extend([0, 0, 0, 0].into_iter().chain((width as u16).to_le_bytes()));
    strh.extend((height as u16).to_le_bytes());
    let mut strf = words(&[40, width, height, 1 | 24 << 16]);
    strf.extend(b"MJPG");
    strf.extend(words(&[width * height * 3, 0, 0, 0, 0]));
    let strl = [chunk(b"strh", &strh), chunk(b"strf", &strf)].concat();
    let hdrl =
        [chunk(b"avih", &avih), chunk(b"LIST", &[b"strl".as_slice(), &strl].concat())].concat();
    let mut out = [b"RIFF".as_slice(), &riff.to_le_bytes(), b"AVI "].concat();
    out.extend(chunk(b"LIST", &[b"hdrl".as_slice(), &hdrl].concat()));
    out.extend([b"LIST".as_slice(), &movi.to_le_bytes(), b"movi"].concat());
    out
}

/// A chunk with its name, length and padding.
fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut out = name.to_vec();
    out.extend((content.len() as u32).to_le_bytes());
    out.extend(content);
    out.extend(std::iter::repeat_n(0, content.len() & 1));
    out
}
