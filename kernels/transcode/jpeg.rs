//! One JPEG frame: its headers, tables and restart intervals read, and headers written.
//!
//! Nothing here decodes entropy-coded data; it only finds where the pieces stand.

use std::ops::Range;

use memchr::memchr;

use super::tables::{HuffmanSpec, StandardHuffman, standard_huffman};

/// The comment by which ffmpeg knows samples from 16 to 235.
const STUDIO_RANGE: &[u8] = b"CS=ITU601";

/// Largest width and height of what is measured or written.
pub const MAX_SIDE: usize = 16384;

/// How a frame's colour samples relate to its luma samples, and how blocks make up an MCU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Luma samples across.
    pub width: usize,
    /// Luma samples down.
    pub height: usize,
    /// Components: 1 (grey) or 3.
    pub components: usize,
    /// Columns of luma blocks in an MCU, 1 or 2.
    pub luma_h: usize,
    /// Rows of luma blocks in an MCU, 1 or 2.
    pub luma_v: usize,
    /// Columns of blocks of each chroma component in an MCU, 1 up to those of luma.
    pub chroma_h: usize,
    /// Rows of blocks of each chroma component in an MCU, 1 up to those of luma.
    pub chroma_v: usize,
    /// Whether black is 16 and white 235, as a comment of ffmpeg's says, and not 0 and 255.
    pub studio_range: bool,
}

impl Layout {
    /// The layout that the encoder writes: one block of each chroma component in an MCU.
    pub fn standard(width: usize, height: usize, sampling: Sampling) -> Self {
        let (luma_h, luma_v) = match sampling {
            Sampling::S420 => (2, 2),
            Sampling::S422 => (2, 1),
            Sampling::S440 => (1, 2),
            Sampling::S444 | Sampling::Grey => (1, 1),
        };
        let components = if sampling == Sampling::Grey { 1 } else { 3 };
        let studio_range = false;
        Self { width, height, components, luma_h, luma_v, chroma_h: 1, chroma_v: 1, studio_range }
    }

    /// The layout that the factors of a frame header's components declare, if it is supported.
    fn declared(width: usize, height: usize, factors: &[(usize, usize)]) -> Option<Self> {
        match *factors {
            // An MCU of a single component is one block, whatever the factors.
            [_] => Some(Self::standard(width, height, Sampling::Grey)),
            [(luma_h @ 1..=2, luma_v @ 1..=2), (chroma_h, chroma_v), other] => {
                let chroma = (1..=luma_h).contains(&chroma_h) && (1..=luma_v).contains(&chroma_v);
                (chroma && other == (chroma_h, chroma_v)).then_some(Self {
                    width,
                    height,
                    components: 3,
                    luma_h,
                    luma_v,
                    chroma_h,
                    chroma_v,
                    studio_range: false,
                })
            }
            _ => None,
        }
    }

    /// How chroma relates to luma, whichever factors say so.
    pub fn sampling(&self) -> Sampling {
        match (self.components, self.luma_h / self.chroma_h, self.luma_v / self.chroma_v) {
            (1, ..) => Sampling::Grey,
            (_, 1, 1) => Sampling::S444,
            (_, 1, _) => Sampling::S440,
            (_, _, 1) => Sampling::S422,
            _ => Sampling::S420,
        }
    }

    /// Columns and rows of blocks of a component in an MCU.
    pub fn factors(&self, component: usize) -> (usize, usize) {
        match component {
            0 => (self.luma_h, self.luma_v),
            c if c < self.components => (self.chroma_h, self.chroma_v),
            _ => (0, 0),
        }
    }

    /// MCUs across.
    pub fn mcus_x(&self) -> usize {
        self.width.div_ceil(8 * self.luma_h)
    }

    /// MCUs down.
    pub fn mcus_y(&self) -> usize {
        self.height.div_ceil(8 * self.luma_v)
    }

    /// Blocks of luma in an MCU.
    pub fn luma_blocks(&self) -> usize {
        self.luma_h * self.luma_v
    }

    /// Blocks of all components in an MCU.
    pub fn blocks_per_mcu(&self) -> usize {
        self.luma_blocks() + (self.components - 1) * self.chroma_h * self.chroma_v
    }

    /// Blocks of all components in a frame.
    pub fn blocks(&self) -> usize {
        self.mcus_x() * self.mcus_y() * self.blocks_per_mcu()
    }

    /// Samples across and down of component 0 (luma), 1 or 2 that are part of the picture; none
    /// of a component that is not there.
    pub fn plane_size(&self, component: usize) -> (usize, usize) {
        let (h, v) = self.factors(component);
        ((self.width * h).div_ceil(self.luma_h), (self.height * v).div_ceil(self.luma_v))
    }

    /// Samples across and down of a component as stored: whole MCUs.
    pub fn padded_size(&self, component: usize) -> (usize, usize) {
        let (h, v) = self.factors(component);
        (self.mcus_x() * 8 * h, self.mcus_y() * 8 * v)
    }

    /// Component and position (column, row in samples of the padded plane) of block `j` of the
    /// MCU at (`mcu_x`, `mcu_y`).
    pub fn block_at(&self, mcu_x: usize, mcu_y: usize, j: usize) -> (usize, usize, usize) {
        let (c, i) = match j.checked_sub(self.luma_blocks()) {
            None => (0, j),
            Some(rest) => {
                let each = self.chroma_h * self.chroma_v;
                (1 + rest / each, rest % each)
            }
        };
        let (h, v) = self.factors(c);
        (c, (mcu_x * h + i % h) * 8, (mcu_y * v + i / h) * 8)
    }
}

/// Chroma sampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// Half across and half down.
    S420,
    /// Half across.
    S422,
    /// Half down.
    S440,
    /// As luma.
    S444,
    /// No chroma.
    Grey,
}

impl Sampling {
    /// As keys have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::S420 => "420",
            Self::S422 => "422",
            Self::S440 => "440",
            Self::S444 => "444",
            Self::Grey => "grey",
        }
    }
}

/// What a decoder needs to know of one frame; all ranges index the bytes given to [`parse`].
#[derive(Debug, Clone)]
pub struct Frame {
    /// Size and block layout.
    pub layout: Layout,
    /// Quantiser of each component in zigzag order; here and below, components that are not there
    /// repeat the first.
    pub quant: [[u16; 64]; 3],
    /// DC code of each component.
    pub dc: [HuffmanSpec; 3],
    /// AC code of each component.
    pub ac: [HuffmanSpec; 3],
    /// MCUs between restart markers; 0 where there are none.
    pub restart_mcus: usize,
    /// Entropy-coded bytes of each restart interval, without the marker.
    pub intervals: Vec<Range<usize>>,
    /// First byte after the end-of-image marker.
    pub end: usize,
}

impl Frame {
    /// The MCUs that interval `i` holds.
    pub fn mcus_of(&self, i: usize) -> Range<usize> {
        let all = self.layout.mcus_x() * self.layout.mcus_y();
        if self.restart_mcus == 0 {
            return 0..all;
        }
        (i * self.restart_mcus).min(all)..((i + 1) * self.restart_mcus).min(all)
    }
}

/// Component as the frame header declares it.
#[derive(Clone, Copy)]
struct Component {
    id: u8,
    h: u8,
    v: u8,
    quant: usize,
}

/// Tables and headers met so far.
struct Headers {
    quant: [Option<[u16; 64]>; 4],
    dc: [Option<HuffmanSpec>; 4],
    ac: [Option<HuffmanSpec>; 4],
    restart_mcus: usize,
    studio_range: bool,
    frame: Option<(usize, usize, Vec<Component>)>,
    /// Whether a JFIF marker says that colours are YCbCr, or grey.
    jfif: bool,
    /// The colour transform that an Adobe marker declares.
    adobe: Option<u8>,
}

/// Reads the frame that starts at the first byte of `data`.
///
/// # Errors
/// In words, what is damaged or not supported.
pub fn parse(data: &[u8]) -> Result<Frame, String> {
    if data.get(..2) != Some(&[0xff, 0xd8]) {
        return Err("no JPEG starts here (no SOI marker)".into());
    }
    let StandardHuffman { dc: [dc0, dc1], ac: [ac0, ac1] } = standard_huffman();
    let mut headers = Headers {
        quant: [None; 4],
        dc: [Some(dc0), Some(dc1), None, None],
        ac: [Some(ac0), Some(ac1), None, None],
        restart_mcus: 0,
        studio_range: false,
        frame: None,
        jfif: false,
        adobe: None,
    };
    let mut at = 2;
    loop {
        let (marker, body) = segment(data, at)?;
        let content = &data[body.clone()];
        match marker {
            0xdb => headers.quantisers(content)?,
            0xc4 => headers.huffman(content)?,
            0xdd => headers.restart_mcus = usize::from(u16_at(content, 0)?),
            0xc0 => headers.frame(content)?,
            0xda => return headers.scan(content, data, body.end),
            0xe0 => headers.jfif |= content.starts_with(b"JFIF\0"),
            0xee if content.starts_with(b"Adobe") => headers.adobe = content.get(11).copied(),
            0xfe => headers.studio_range |= content.starts_with(STUDIO_RANGE),
            0xe1..=0xef => {}
            other => return Err(refusal(other)),
        }
        at = body.end;
    }
}

/// Why a frame with this marker cannot be used.
fn refusal(marker: u8) -> String {
    let kind = match marker {
        0xc1 => "extended sequential",
        0xc2 | 0xc6 => "progressive",
        0xc3 | 0xc7 => "lossless",
        0xc5 => "differential",
        0xc9..=0xcf => "arithmetic-coded",
        0xd9 => return "the image ends before its scan".into(),
        0xd8 => return "a second image starts inside its headers".into(),
        other => return format!("unexpected marker ff{other:02x} in its headers"),
    };
    format!("{kind} JPEG is not supported; only baseline (ffmpeg -c:v mjpeg writes it)")
}

/// Marker and content range of the segment at `at` (fill bytes before it are skipped).
fn segment(data: &[u8], mut at: usize) -> Result<(u8, Range<usize>), String> {
    let cut = || "truncated in its headers".to_owned();
    if *data.get(at).ok_or_else(cut)? != 0xff {
        return Err(format!("damaged headers: no marker at byte {at}"));
    }
    while *data.get(at).ok_or_else(cut)? == 0xff {
        at += 1;
    }
    let marker = data[at];
    if matches!(marker, 0xd8 | 0xd9 | 0x01 | 0x00 | 0xd0..=0xd7) {
        return Err(refusal(marker));
    }
    let length = usize::from(u16_at(data, at + 1).map_err(|_| cut())?);
    let body = at + 3..at + 1 + length;
    if length < 2 || body.end > data.len() {
        return Err(cut());
    }
    Ok((marker, body))
}

fn u16_at(data: &[u8], at: usize) -> Result<u16, String> {
    match data.get(at..at + 2) {
        Some(&[a, b]) => Ok(u16::from_be_bytes([a, b])),
        _ => Err("a header segment is too short".into()),
    }
}

impl Headers {
    fn quantisers(&mut self, mut content: &[u8]) -> Result<(), String> {
        while let Some((&kind, rest)) = content.split_first() {
            let (precision, id) = (kind >> 4, usize::from(kind & 15));
            if precision != 0 {
                return Err("16-bit quantisers are not baseline JPEG".into());
            }
            let (values, rest) =
                rest.split_at_checked(64).ok_or("a quantiser table is too short")?;
            if id > 3 || values.contains(&0) {
                return Err("damaged quantiser table".into());
            }
            self.quant[id] = Some(std::array::from_fn(|k| u16::from(values[k])));
            content = rest;
        }
        Ok(())
    }

    fn huffman(&mut self, mut content: &[u8]) -> Result<(), String> {
        while let Some((&kind, rest)) = content.split_first() {
            let (counts, rest) =
                rest.split_first_chunk::<16>().ok_or("a Huffman table is too short")?;
            let total = counts.iter().map(|&n| usize::from(n)).sum();
            let (symbols, rest) =
                rest.split_at_checked(total).ok_or("a Huffman table is too short")?;
            let spec = HuffmanSpec { counts: *counts, symbols: symbols.to_vec() };
            let over = spec.codes().any(|(code, length, _)| code >= 1 << length);
            let (class, id) = (kind >> 4, usize::from(kind & 15));
            let symbols_fit = class == 1 || symbols.iter().all(|&s| s <= 11);
            if id > 3 || class > 1 || over || total == 0 || total > 256 || !symbols_fit {
                return Err("damaged Huffman table".into());
            }
            let slot = if class == 0 { &mut self.dc[id] } else { &mut self.ac[id] };
            *slot = Some(spec);
            content = rest;
        }
        Ok(())
    }

    fn frame(&mut self, content: &[u8]) -> Result<(), String> {
        let short = "its frame header is too short";
        let &[precision, count] =
            content.first().zip(content.get(5)).map(|(a, b)| [*a, *b]).as_ref().ok_or(short)?;
        if precision != 8 {
            return Err(format!("{precision}-bit samples are not supported; only 8-bit"));
        }
        let (height, width) = (u16_at(content, 1)?, u16_at(content, 3)?);
        let parts = content[6..].chunks_exact(3).take(usize::from(count));
        let parts: Vec<_> = parts
            .map(|c| Component { id: c[0], h: c[1] >> 4, v: c[1] & 15, quant: c[2].into() })
            .collect();
        if parts.len() != usize::from(count) || width == 0 || height == 0 {
            return Err("damaged frame header".into());
        }
        if self.frame.replace((width.into(), height.into(), parts)).is_some() {
            return Err("two frame headers in one image".into());
        }
        Ok(())
    }

    fn scan(self, content: &[u8], data: &[u8], at: usize) -> Result<Frame, String> {
        let (width, height, parts) = self.frame.ok_or("its scan has no frame header")?;
        let factors: Vec<_> = parts.iter().map(|c| (c.h.into(), c.v.into())).collect();
        let mut layout = Layout::declared(width, height, &factors).ok_or_else(|| {
            let shown: Vec<_> = factors.iter().map(|(h, v)| format!("{h}x{v}")).collect();
            format!(
                "sampling factors {} are not supported; only grey and YCbCr 4:2:0, 4:2:2, 4:4:0 \
                 and 4:4:4 (ffmpeg -pix_fmt yuvj420p)",
                shown.join(",")
            )
        })?;
        layout.studio_range = self.studio_range;
        let count = layout.components;
        let named_rgb = parts.iter().map(|part| part.id).eq(*b"RGB");
        if count == 3 && !self.jfif && self.adobe.map_or(named_rgb, |transform| transform == 0) {
            return Err("its colours are RGB; only YCbCr and grey are supported (ffmpeg -c:v \
                        mjpeg -pix_fmt yuvj444p)"
                .into());
        }
        let selectors = content.get(1..1 + 2 * count).ok_or("its scan header is too short")?;
        if usize::from(content[0]) != count || (0..count).any(|i| selectors[2 * i] != parts[i].id) {
            return Err("its components are not interleaved in one scan, which baseline \
                        Motion-JPEG is"
                .into());
        }
        let pick = |from: &[Option<HuffmanSpec>; 4], id: u8, what: &str| {
            let missing = || format!("{what} Huffman table {id} is missing");
            from.get(usize::from(id)).cloned().flatten().ok_or_else(missing)
        };
        let (mut dc, mut ac, mut quant) = (Vec::new(), Vec::new(), Vec::new());
        for i in (0..3).map(|c| if c < count { c } else { 0 }) {
            dc.push(pick(&self.dc, selectors[2 * i + 1] >> 4, "DC")?);
            ac.push(pick(&self.ac, selectors[2 * i + 1] & 15, "AC")?);
            let id = parts[i].quant;
            let table = self.quant.get(id).copied().flatten();
            quant.push(table.ok_or_else(|| format!("quantiser {id} is missing"))?);
        }
        let (intervals, end) = split_scan(data, at)?;
        let array = "three of each were pushed above";
        let frame = Frame {
            layout,
            quant: quant.try_into().expect(array),
            dc: dc.try_into().expect(array),
            ac: ac.try_into().expect(array),
            restart_mcus: self.restart_mcus,
            intervals,
            end,
        };
        frame.complete()
    }
}

impl Frame {
    fn complete(self) -> Result<Self, String> {
        let all = self.layout.mcus_x() * self.layout.mcus_y();
        let wanted = if self.restart_mcus == 0 { 1 } else { all.div_ceil(self.restart_mcus) };
        if self.intervals.len() == wanted {
            // A block takes two bits at least. Nobody is to reserve room for what cannot be there.
            let bits: usize = self.intervals.iter().map(|interval| 8 * interval.len()).sum();
            return match self.layout.blocks() * 2 <= bits {
                true => Ok(self),
                false => Err(format!(
                    "{} bytes of picture data are too few for {} x {} samples",
                    bits / 8,
                    self.layout.width,
                    self.layout.height
                )),
            };
        }
        Err(format!("{} restart intervals where its size asks for {wanted}", self.intervals.len()))
    }
}

/// Bytes of the image at the start of `data`, up to its end marker or to where another image begins
/// that has none; where no image starts, up to the next that does. `None` where the data end before
/// that and are not `all` there are.
pub fn image_length(data: &[u8], all: bool) -> Option<usize> {
    let rest = || all.then_some(data.len());
    if !data.starts_with(&[0xff, 0xd8]) {
        let next = data.windows(3).skip(1).position(|w| w == [0xff, 0xd8, 0xff]);
        return next.map(|at| at + 1).or_else(rest);
    }
    let mut at = 2;
    let mut in_scan = false;
    loop {
        let Some(step) = memchr(0xff, data.get(at..)?) else { return rest() };
        let mut next = at + step + 1;
        while data.get(next) == Some(&0xff) {
            next += 1;
        }
        at = match data.get(next) {
            None => return rest(),
            Some(0xd9) => return Some(next + 1),
            Some(0xd8) => return Some(next - 1),
            // Stuffing, restart markers and TEM have no length.
            Some(0x00 | 0x01 | 0xd0..=0xd7) => next + 1,
            // In picture data no other marker has a place: it is damage, and its length no length.
            Some(_) if in_scan => next + 1,
            Some(&marker) => match u16_at(data, next + 1) {
                Ok(length) if next + 1 + usize::from(length) <= data.len() => {
                    in_scan = marker == 0xda;
                    next + 1 + usize::from(length).max(2)
                }
                _ => return rest(),
            },
        };
    }
}

/// Splits entropy-coded data at its restart markers; also the first byte after the image.
fn split_scan(data: &[u8], from: usize) -> Result<(Vec<Range<usize>>, usize), String> {
    let mut intervals = Vec::new();
    let (mut start, mut at) = (from, from);
    loop {
        let mark = at
            + memchr(0xff, &data[at..]).ok_or("truncated: its end-of-image marker is missing")?;
        let mut next = mark + 1;
        while data.get(next) == Some(&0xff) {
            next += 1;
        }
        match data.get(next) {
            None => return Err("truncated: its end-of-image marker is missing".into()),
            Some(0) => {}
            Some(&b @ 0xd0..=0xd7) => {
                if usize::from(b - 0xd0) != intervals.len() % 8 {
                    return Err(format!("restart marker {} is out of order", intervals.len()));
                }
                intervals.push(start..mark);
                start = next + 1;
            }
            Some(0xd9) => {
                intervals.push(start..mark);
                return Ok((intervals, next + 1));
            }
            Some(0xda | 0xc4 | 0xdb) => {
                return Err("more than one scan in a frame is not supported".into());
            }
            Some(other) => {
                return Err(format!("unexpected marker ff{other:02x} in its picture data"));
            }
        }
        at = next + 1;
    }
}

/// SOI to SOS of a frame in `layout` with `quant` (zigzag order, luma and chroma) and the
/// standard Huffman tables, restarting after every row of MCUs.
pub fn header(layout: &Layout, quant: &[[u16; 64]; 2]) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8];
    let mut segment = |marker: u8, content: &[u8]| {
        out.extend([0xff, marker]);
        out.extend((content.len() as u16 + 2).to_be_bytes());
        out.extend(content);
    };
    segment(0xe0, b"JFIF\0\x01\x01\x00\x00\x01\x00\x01\x00\x00");
    if layout.studio_range {
        segment(0xfe, &[STUDIO_RANGE, &[0]].concat());
    }
    // Luma tables, and chroma's where there is chroma.
    let kinds = if layout.components == 1 { 1 } else { 2 };
    for (id, table) in quant.iter().enumerate().take(kinds) {
        let values = table.iter().map(|&q| q as u8);
        segment(0xdb, &std::iter::once(id as u8).chain(values).collect::<Vec<_>>());
    }
    let (width, height) = (layout.width as u16, layout.height as u16);
    let ([h1, h0], [w1, w0]) = (height.to_be_bytes(), width.to_be_bytes());
    let count = layout.components as u8;
    let mut frame = vec![8, h1, h0, w1, w0, count];
    let mut scan = vec![count];
    for c in 0..count {
        let ((h, v), kind) = (layout.factors(c.into()), c.min(1));
        frame.extend([c + 1, (h << 4 | v) as u8, kind]);
        scan.extend([c + 1, kind << 4 | kind]);
    }
    scan.extend([0, 63, 0]);
    segment(0xc0, &frame);
    let standard = standard_huffman();
    for (class, specs) in [(0x00, &standard.dc), (0x10, &standard.ac)] {
        for (id, spec) in specs.iter().enumerate().take(kinds) {
            let mut content = vec![class | id as u8];
            content.extend(spec.counts);
            content.extend(&spec.symbols);
            segment(0xc4, &content);
        }
    }
    segment(0xdd, &(layout.mcus_x() as u16).to_be_bytes());
    segment(0xda, &scan);
    out
}

/// A whole frame: the header, then each row's entropy-coded bytes with its restart marker.
pub fn assemble<'a>(header: &[u8], rows: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = header.to_vec();
    let last = rows.len() - 1;
    for (i, row) in rows.enumerate() {
        out.extend_from_slice(row);
        let marker = if i == last { 0xd9 } else { 0xd0 + (i % 8) as u8 };
        out.extend([0xff, marker]);
    }
    out
}
