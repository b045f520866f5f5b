//! The slow, obvious chain that every implementation is held to, byte for byte.

use rayon::prelude::*;

use super::container::Movie;
use super::dct;
use super::jpeg::{self, Frame, Layout};
use super::muxer::{Container, Film};
use super::scale::{self, Filter};
use super::tables::{HuffmanSpec, ZIGZAG, quantisers, standard_huffman};

/// Samples of the components, padded to whole MCUs (rows `padded_size` apart); none of those that a
/// grey frame lacks.
#[derive(Debug, Clone, PartialEq)]
pub struct Planes(pub [Vec<u8>; 3]);

/// Decodes, scales and encodes every frame of `movie`, whose ranges index `data`, to a file of the kind
/// `container`.
///
/// # Errors
/// Damaged picture data, with the frame number; an output too large for its container.
pub fn transcode(
    data: &[u8],
    movie: &Movie,
    out: Layout,
    quality: u32,
    container: Container,
) -> Result<Vec<u8>, String> {
    let numbers: Vec<usize> = movie.numbers().collect();
    let images = movie.frames.par_iter().zip(numbers).map(|(frame, i)| {
        let planes = decode(data, frame).map_err(|problem| format!("frame {i}: {problem}"))?;
        Ok(encode(&resize(&planes, &frame.layout, &out), &out, quality))
    });
    let images: Vec<_> = images.collect::<Result<_, String>>()?;
    let film = Film { container, width: out.width, height: out.height, rate: movie.rate };
    film.file(&movie.present, &images)
}

/// Bits of one restart interval, most significant first, without the stuffed zero bytes.
struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

impl Bits {
    fn new(stuffed: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(stuffed.len());
        for (i, &byte) in stuffed.iter().enumerate() {
            if byte != 0 || i == 0 || stuffed[i - 1] != 0xff {
                bytes.push(byte);
            }
        }
        Self { bytes, at: 0 }
    }

    fn bit(&mut self) -> Result<u32, String> {
        let byte = self.bytes.get(self.at / 8).ok_or("its picture data ends early")?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Ok(u32::from(bit))
    }

    fn symbol(&mut self, spec: &HuffmanSpec) -> Result<u8, String> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in spec.counts {
            code = code << 1 | self.bit()?;
            let count = u32::from(count);
            if code < first + count {
                return Ok(spec.symbols[(index + code - first) as usize]);
            }
            index += count;
            first = (first + count) << 1;
        }
        Err("an invalid code in its picture data".into())
    }

    /// A signed value of `size` bits: the upper half of the range is positive.
    fn value(&mut self, size: u8) -> Result<i32, String> {
        let mut bits = 0;
        for _ in 0..size {
            bits = bits << 1 | self.bit()? as i32;
        }
        Ok(if size > 0 && bits < 1 << (size - 1) { bits - (1 << size) + 1 } else { bits })
    }

    /// One block in zigzag order, given and returning the component's last DC value.
    fn block(&mut self, frame: &Frame, c: usize, dc: &mut i32) -> Result<[i16; 64], String> {
        let mut block = [0; 64];
        let size = self.symbol(&frame.dc[c])?;
        *dc = dc.wrapping_add(self.value(size)?);
        block[0] = *dc as i16;
        let mut k = 1;
        while k < 64 {
            let symbol = self.symbol(&frame.ac[c])?;
            let (run, size) = (symbol >> 4, symbol & 15);
            match (run, size) {
                (0, 0) => break,
                (15, 0) => k += 16,
                (_, 0) => return Err("an invalid run in its picture data".into()),
                _ => {
                    k += usize::from(run);
                    let value = self.value(size)? as i16;
                    *block.get_mut(k).ok_or("a run past the end of a block")? = value;
                    k += 1;
                }
            }
        }
        if k > 64 { Err("a run past the end of a block".into()) } else { Ok(block) }
    }
}

/// Decodes one frame to samples.
///
/// # Errors
/// Damaged picture data.
pub fn decode(data: &[u8], frame: &Frame) -> Result<Planes, String> {
    let layout = &frame.layout;
    let mut planes = Planes(std::array::from_fn(|c| {
        let (width, height) = layout.padded_size(c);
        vec![0; width * height]
    }));
    for (i, interval) in frame.intervals.iter().enumerate() {
        let mut bits = Bits::new(&data[interval.clone()]);
        let mut dc = [0; 3];
        for mcu in frame.mcus_of(i) {
            for j in 0..layout.blocks_per_mcu() {
                let (mx, my) = (mcu % layout.mcus_x(), mcu / layout.mcus_x());
                let (c, x, y) = layout.block_at(mx, my, j);
                let zigzag = bits.block(frame, c, &mut dc[c])?;
                let (mut block, mut quant) = ([0; 64], [0; 64]);
                for k in 0..64 {
                    block[usize::from(ZIGZAG[k])] = zigzag[k];
                    quant[usize::from(ZIGZAG[k])] = frame.quant[c][k];
                }
                let samples = dct::inverse(&block, &quant);
                let stride = layout.padded_size(c).0;
                for (row, samples) in samples.chunks_exact(8).enumerate() {
                    let at = (y + row) * stride + x;
                    planes.0[c][at..at + 8].copy_from_slice(samples);
                }
            }
        }
    }
    Ok(planes)
}

/// Scales every plane and repeats its last column and row up to whole MCUs.
pub fn resize(planes: &Planes, from: &Layout, to: &Layout) -> Planes {
    Planes(std::array::from_fn(|c| {
        if c >= to.components {
            return Vec::new();
        }
        let ((in_w, in_h), (out_w, out_h)) = (from.plane_size(c), to.plane_size(c));
        let (down, across) = (Filter::new(in_h, out_h), Filter::new(in_w, out_w));
        let scaled = scale::scale(&planes.0[c], from.padded_size(c).0, &down, &across);
        let (width, height) = to.padded_size(c);
        let at = |i: usize| (i / width).min(out_h - 1) * out_w + (i % width).min(out_w - 1);
        (0..width * height).map(|i| scaled[at(i)]).collect()
    }))
}

/// Collects codes, most significant bit first.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    partial: u32,
    filled: u32,
}

impl Writer {
    fn put(&mut self, code: u32, length: u32) {
        for i in (0..length).rev() {
            self.partial = self.partial << 1 | (code >> i & 1);
            self.filled += 1;
            if self.filled == 8 {
                self.bytes.push(self.partial as u8);
                if self.partial == 0xff {
                    self.bytes.push(0);
                }
                (self.partial, self.filled) = (0, 0);
            }
        }
    }

    fn symbol(&mut self, spec: &HuffmanSpec, symbol: u8) {
        let found = spec.codes().find(|&(_, _, s)| s == symbol);
        let (code, length, _) = found.expect("the standard tables hold every baseline symbol");
        self.put(code, length);
    }

    /// The bits of a value: as it is, or one less where it is negative.
    fn value(&mut self, value: i32, size: u32) {
        self.put((if value < 0 { value - 1 } else { value }) as u32, size);
    }

    fn block(&mut self, block: &[i16; 64], last_dc: i16, dc: &HuffmanSpec, ac: &HuffmanSpec) {
        let difference = i32::from(block[0]) - i32::from(last_dc);
        let size = bits_of(difference);
        self.symbol(dc, size as u8);
        self.value(difference, size);
        let mut run = 0;
        for &value in &block[1..] {
            if value == 0 {
                run += 1;
                continue;
            }
            while run > 15 {
                self.symbol(ac, 0xf0);
                run -= 16;
            }
            let size = bits_of(value.into());
            self.symbol(ac, run << 4 | size as u8);
            self.value(value.into(), size);
            run = 0;
        }
        if run > 0 {
            self.symbol(ac, 0x00);
        }
    }

    /// The bytes, the last one filled with ones.
    fn finish(mut self) -> Vec<u8> {
        while self.filled != 0 {
            self.put(1, 1);
        }
        self.bytes
    }
}

/// Bits needed for the magnitude of `value`.
fn bits_of(value: i32) -> u32 {
    32 - value.unsigned_abs().leading_zeros()
}

/// Encodes planes in the standard layout as one JPEG image that restarts after every MCU row.
pub fn encode(planes: &Planes, layout: &Layout, quality: u32) -> Vec<u8> {
    let quant = quantisers(quality);
    let codes = standard_huffman();
    let rows: Vec<_> = (0..layout.mcus_y())
        .map(|my| {
            let mut writer = Writer::default();
            let mut last_dc = [0; 3];
            for (mx, j) in (0..layout.mcus_x())
                .flat_map(|mx| (0..layout.blocks_per_mcu()).map(move |j| (mx, j)))
            {
                let (c, x, y) = layout.block_at(mx, my, j);
                let stride = layout.padded_size(c).0;
                let samples =
                    std::array::from_fn(|i| planes.0[c][(y + i / 8) * stride + x + i % 8]);
                let spectrum = dct::forward(&samples);
                let kind = c.min(1);
                let block = std::array::from_fn(|k| {
                    dct::quantise(spectrum[usize::from(ZIGZAG[k])], quant[kind][k])
                });
                writer.block(&block, last_dc[c], &codes.dc[kind], &codes.ac[kind]);
                last_dc[c] = block[0];
            }
            writer.finish()
        })
        .collect();
    jpeg::assemble(&jpeg::header(layout, &quant), rows.iter().map(Vec::as_slice))
}
