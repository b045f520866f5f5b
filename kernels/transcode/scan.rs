//! Huffman decoding of many blocks at a time.
//!
//! A block of camera footage has five coefficients or so, and where it ends cannot be foreseen: a branch
//! there costs as much as the rest of the block. So nothing branches on data but what is rare. One look
//! into a table of twelve bits yields up to two coefficients and whether the block ends; the place to
//! write to, the next block and its table follow by arithmetic. What a table does not hold goes code by
//! code.

#![expect(unsafe_code, reason = "calls code for newer processors after a run-time check")]

use std::ops::Range;

use memchr::memchr;

use super::tables::{HuffmanSpec, ZIGZAG};

/// Blocks that are decoded at a time, at most.
pub const CHUNK: usize = 64;
/// Bits looked up at once.
const BITS: u32 = 12;
/// Looks between two refills of a buffer of at least 56 bits.
const LOOKS: u32 = 4;
/// Zeros after the data, so that eight bytes can be read anywhere in them.
const PADDING: usize = 64;

/// Entries of a table. Of each: bits to consume in 0 to 5 (0 where the table does not hold the code or
/// its value), zeros before the first and the second coefficient in 6 to 9 and 10 to 13, [`TWO`], their
/// values in 15 to 22 and 23 to 30, [`ENDS`]. Where there is no second coefficient, 0 is written in the
/// place after the first.
const ENTRIES: usize = 1 << BITS;
/// In an entry: there is a second coefficient.
const TWO: u32 = 1 << 14;
/// In an entry: the block ends. The sign, which spreads over a mask at once.
const ENDS: u32 = 1 << 31;

/// One coefficient as a table holds it, or the end of the block.
#[derive(Clone, Copy)]
struct Single {
    length: u32,
    run: u32,
    value: i32,
    ends: bool,
}

/// A code as it is read bit by bit.
struct Code {
    /// For codes of length n: one past the last code, left-aligned in 16 bits.
    limits: [u32; 17],
    /// For codes of length n: index of a code's symbol minus the code.
    offsets: [i32; 17],
    symbols: [u8; 256],
}

impl Code {
    fn new(spec: &HuffmanSpec) -> Self {
        let mut code = Self { limits: [0; 17], offsets: [0; 17], symbols: [0; 256] };
        for (i, (bits, length, symbol)) in spec.codes().enumerate() {
            let n = length as usize;
            if code.limits[n] == 0 {
                code.offsets[n] = i as i32 - bits as i32;
            }
            code.limits[n] = (bits + 1) << (16 - length);
            code.symbols[i] = symbol;
        }
        code
    }

    /// Symbol and length of the code that starts the 16 `bits`.
    fn symbol(&self, bits: u32) -> Result<(u32, u32), Damage> {
        let length = (1..=16).find(|&n| bits < self.limits[n as usize]).ok_or(Damage::Code)?;
        let index = (bits >> (16 - length)) as i32 + self.offsets[length as usize];
        Ok((u32::from(self.symbols[(index & 255) as usize]), length))
    }
}

/// What the codes of a frame's components say.
pub struct ScanTables {
    /// For each distinct pair of codes the table that begins a block (DC, then AC) and the one that goes
    /// on with it (AC).
    tables: Vec<u32>,
    /// The codes of those tables: DC, AC.
    codes: Vec<Code>,
    /// Of each component, its pair.
    kinds: [u8; 3],
}

impl ScanTables {
    /// The tables of three components' DC and AC codes.
    pub fn new(dc: &[HuffmanSpec; 3], ac: &[HuffmanSpec; 3]) -> Self {
        let mut made = Self { tables: Vec::new(), codes: Vec::new(), kinds: [0; 3] };
        let mut known: Vec<(&HuffmanSpec, &HuffmanSpec)> = Vec::new();
        for (c, pair) in dc.iter().zip(ac).enumerate() {
            let kind = known.iter().position(|p| *p == pair).unwrap_or_else(|| {
                let [first, rest] = [singles(pair.0, false), singles(pair.1, true)];
                made.tables.extend(pairs(&first, &rest));
                made.tables.extend(pairs(&rest, &rest));
                made.codes.extend([Code::new(pair.0), Code::new(pair.1)]);
                known.push(pair);
                known.len() - 1
            });
            made.kinds[c] = kind as u8;
        }
        made
    }
}

/// What each value of twelve bits starts with, where that is held by them.
fn singles(spec: &HuffmanSpec, ac: bool) -> Vec<Option<Single>> {
    let mut singles = vec![None; ENTRIES];
    for (code, length, symbol) in spec.codes().filter(|&(_, length, _)| length <= BITS) {
        let free = BITS - length;
        let (run, size) = match ac {
            true => (u32::from(symbol >> 4), u32::from(symbol & 15)),
            false => (0, u32::from(symbol)),
        };
        // Values of more than seven bits have no place in an entry; runs without a value are damage.
        if size > free.min(7) || (ac && size == 0 && !matches!(run, 0 | 15)) {
            continue;
        }
        let ends = ac && symbol == 0;
        for rest in 0..1 << free {
            let value = extend(rest >> (free - size), size);
            let single = Single { length: length + size, run, value, ends };
            singles[(code << free | rest) as usize] = Some(single);
        }
    }
    singles
}

/// The table of what starts with one of `first`; one of `rest` may follow.
fn pairs<'a>(
    first: &'a [Option<Single>],
    rest: &'a [Option<Single>],
) -> impl Iterator<Item = u32> + 'a {
    first.iter().enumerate().map(|(bits, first)| {
        let Some(a) = first else { return 0 };
        let entry = a.length | a.run << 6 | u32::from(a.value as u8) << 15;
        if a.ends {
            return entry | ENDS;
        }
        let follows = rest[bits << a.length & (rest.len() - 1)];
        match follows.filter(|b| a.length + b.length <= BITS) {
            None => entry,
            Some(b) if b.ends => (entry + b.length) | ENDS,
            Some(b) => (entry + b.length) | b.run << 10 | u32::from(b.value as u8) << 23 | TWO,
        }
    })
}

/// A value from its `size` bits: the upper half of the range is positive.
fn extend(bits: u32, size: u32) -> i32 {
    if size == 0 {
        return 0;
    }
    let negative = bits >> (size - 1) == 0;
    bits as i32 - if negative { (1 << size) - 1 } else { 0 }
}

/// Why entropy-coded data could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// A code that no table has.
    Code,
    /// A run that leaves the block or has no value.
    Run,
    /// The data end before the last block.
    Short,
}

impl Damage {
    /// In words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Code => "an invalid code in its picture data",
            Self::Run => "an invalid run in its picture data",
            Self::Short => "its picture data end early",
        }
    }
}

/// Coefficients of the blocks at hand, natural or zigzag order. DC coefficients are differences.
pub struct Chunk {
    /// 64 of each block.
    pub coefficients: [i16; 64 * CHUNK],
    /// Of each block, a place in zigzag order before which all are that are not zero.
    pub extents: [u8; CHUNK],
}

impl Chunk {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { coefficients: [0; 64 * CHUNK], extents: [0; CHUNK] }
    }

    /// The first `count` blocks.
    pub fn first(&mut self, count: usize) -> &mut [[i16; 64]] {
        &mut self.coefficients.as_chunks_mut().0[..count]
    }

    /// Block `b`.
    #[inline(always)]
    pub fn block(&self, b: usize) -> &[i16; 64] {
        &self.coefficients.as_chunks().0[b % CHUNK]
    }
}

/// The order of the blocks of a chunk, as where the tables are that they begin and go on with. One more
/// follows the last that is decoded, which is looked at and not used.
pub struct Order {
    begins: [u32; 2 * CHUNK],
    goes_on: [u32; 2 * CHUNK],
}

impl Order {
    /// Of the components of blocks, as many as there are.
    pub fn new(tables: &ScanTables, components: impl Iterator<Item = usize>) -> Self {
        let mut order = Self { begins: [0; 2 * CHUNK], goes_on: [0; 2 * CHUNK] };
        let places = order.begins.iter_mut().zip(&mut order.goes_on);
        for ((begins, goes_on), component) in places.zip(components) {
            *begins = 2 * ENTRIES as u32 * u32::from(tables.kinds[component]);
            *goes_on = *begins + ENTRIES as u32;
        }
        order
    }
}

/// Where a reader is. Handed around by value, so that it stays in registers.
#[derive(Clone, Copy, Default)]
struct Place {
    at: usize,
    /// The next bits, left-aligned. Bits below the `filled` ones are zero or those that follow.
    buffer: u64,
    filled: u32,
}

impl Place {
    /// Makes at least 56 bits available.
    #[inline(always)]
    fn refill(&mut self, bytes: &[u8]) -> Result<(), Damage> {
        // Whoever reads beyond the padding has used more bits than there are.
        let next = bytes.get(self.at..).and_then(|d| d.first_chunk::<8>());
        let word = u64::from_be_bytes(*next.ok_or(Damage::Short)?);
        self.buffer |= word >> self.filled;
        self.at += ((63 - self.filled) >> 3) as usize;
        self.filled |= 56;
        Ok(())
    }

    #[inline(always)]
    fn consume(&mut self, bits: u32) {
        self.buffer <<= bits;
        self.filled -= bits;
    }

    /// Decodes one coefficient, for place `k` or after, as code by code: the place after it, its value,
    /// and whether the block has ended. `codes` are DC and AC.
    #[inline(never)]
    fn coefficient(mut self, bytes: &[u8], codes: &[Code], mut k: usize) -> Result<Step, Damage> {
        self.refill(bytes)?;
        let code = &codes[usize::from(k > 0)];
        let (symbol, length) = code.symbol((self.buffer >> 48) as u32)?;
        self.consume(length);
        if k > 0 && symbol == 0 {
            self.refill(bytes)?;
            return Ok(Step { place: self, k, value: 0, ended: true });
        }
        let (run, size) = if k == 0 { (0, symbol) } else { (symbol >> 4, symbol & 15) };
        k += run as usize;
        if k >= 64 || (k > 0 && size == 0 && run != 15) {
            return Err(Damage::Run);
        }
        let mut value = 0;
        if size > 0 {
            value = extend((self.buffer >> (64 - size)) as u32, size);
            self.consume(size);
        }
        self.refill(bytes)?;
        Ok(Step { place: self, k: k + 1, value: value as i16, ended: k == 63 })
    }
}

/// What [`Place::coefficient`] found.
struct Step {
    place: Place,
    k: usize,
    value: i16,
    ended: bool,
}

/// Reads one restart interval.
pub struct Scan {
    /// The data without stuffed zeros, and the padding.
    bytes: Vec<u8>,
    length: usize,
    place: Place,
}

impl Scan {
    /// Reads `range` of `data`.
    pub fn new(data: &[u8], range: Range<usize>) -> Self {
        let mut rest = &data[range];
        let mut bytes = Vec::with_capacity(rest.len() + PADDING);
        while let Some(mark) = memchr(0xff, rest) {
            bytes.extend_from_slice(&rest[..=mark]);
            let stuffed = rest.get(mark + 1) == Some(&0);
            rest = &rest[mark + 1 + usize::from(stuffed)..];
        }
        bytes.extend_from_slice(rest);
        let length = bytes.len();
        bytes.resize(length + PADDING, 0);
        Self { bytes, length, place: Place::default() }
    }

    /// Decodes the first `count` blocks of `order`, at most [`CHUNK`], into `to`, which is overwritten:
    /// each in natural order, or in zigzag order.
    ///
    /// # Errors
    /// Damaged data. Data that end early may be found by [`Scan::finish`] alone.
    #[inline]
    pub fn blocks<const NATURAL: bool>(
        &mut self,
        tables: &ScanTables,
        order: &Order,
        count: usize,
        to: &mut Chunk,
    ) -> Result<(), Damage> {
        let count = count.min(CHUNK);
        to.coefficients[..64 * count].fill(0);
        #[cfg(target_arch = "x86_64")]
        if super::has_avx2() {
            // SAFETY: the processor has these.
            self.place = unsafe {
                blocks_bmi2::<NATURAL>(self.place, &self.bytes, tables, (order, count), to)?
            };
            return Ok(());
        }
        self.place = blocks::<NATURAL>(self.place, &self.bytes, tables, (order, count), to)?;
        Ok(())
    }

    /// Says whether all bits that were read were there.
    ///
    /// # Errors
    /// [`Damage::Short`].
    pub fn finish(&self) -> Result<(), Damage> {
        let used = 8 * self.place.at - self.place.filled as usize;
        if used > 8 * self.length { Err(Damage::Short) } else { Ok(()) }
    }
}

/// Not in line: alone it has enough registers.
#[cfg(target_arch = "x86_64")]
#[inline(never)]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn blocks_bmi2<const NATURAL: bool>(
    place: Place,
    bytes: &[u8],
    tables: &ScanTables,
    order: (&Order, usize),
    to: &mut Chunk,
) -> Result<Place, Damage> {
    blocks::<NATURAL>(place, bytes, tables, order, to)
}

/// Decodes so many blocks of an order from `place` on into `to`, which is zero.
#[inline(always)]
fn blocks<const NATURAL: bool>(
    place: Place,
    bytes: &[u8],
    tables: &ScanTables,
    (order, count): (&Order, usize),
    to: &mut Chunk,
) -> Result<Place, Damage> {
    const LAST: usize = 64 * CHUNK - 1;
    let within = |k: usize| if NATURAL { usize::from(ZIGZAG[k & 63]) } else { k };
    let (codes, tables) = (&tables.codes[..], &tables.tables[..]);
    let Place { mut at, mut buffer, mut filled } = place;
    // The start of the block at hand among the coefficients, and the place in it.
    let (mut block, mut k) = (0, 0);
    let mut this = order.begins[0];
    let (mut goes_on, mut next) = (order.goes_on[0], order.begins[1]);
    while block < 64 * count {
        // As `Place::refill` does it; a structure would not stay in registers.
        let word = bytes.get(at..).and_then(|d| d.first_chunk::<8>());
        buffer |= u64::from_be_bytes(*word.ok_or(Damage::Short)?) >> filled;
        at += ((63 - filled) >> 3) as usize;
        filled |= 56;
        for _ in 0..LOOKS {
            let found = tables[this as usize + (buffer >> (64 - BITS)) as usize];
            let first = k + (found >> 6 & 15) as usize;
            let second = first + 1 + (found >> 10 & 15) as usize;
            // All ones where the block ends.
            let mut mask = (found as i32 >> 31) as u32;
            // The last place of a block may end it without a code; what follows is not its own.
            if found & 63 != 0 && second < 63 {
                buffer <<= found & 63;
                filled -= found & 63;
                let to_place = |k: usize| (block + within(k)) & LAST;
                to.coefficients[to_place(first)] = ((found << 9) as i32 >> 24) as i16;
                to.coefficients[to_place(second)] = ((found << 1) as i32 >> 24) as i16;
                k = second + (found >> 14 & 1) as usize;
            } else {
                let codes = &codes[2 * (this as usize / (2 * ENTRIES))..];
                let step = Place { at, buffer, filled }.coefficient(bytes, codes, k)?;
                Place { at, buffer, filled } = step.place;
                (k, mask) = (step.k, 0u32.wrapping_sub(step.ended.into()));
                if step.value != 0 {
                    to.coefficients[(block + within(k - 1)) & LAST] = step.value;
                }
            }
            to.extents[block / 64 % CHUNK] = k as u8;
            this = goes_on ^ ((goes_on ^ next) & mask);
            k &= !mask as usize;
            block += (mask & 64) as usize;
            goes_on = order.goes_on[block / 64 % (2 * CHUNK)];
            next = order.begins[(block / 64 + 1) % (2 * CHUNK)];
            if block >= 64 * count {
                break;
            }
        }
    }
    Ok(Place { at, buffer, filled })
}
