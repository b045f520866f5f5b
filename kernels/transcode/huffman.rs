//! Table-driven Huffman decoding and encoding with 64-bit bit buffers.

use std::ops::Range;

use super::tables::{HuffmanSpec, ZIGZAG};

/// Bits looked up at once.
const LOOKUP_BITS: u32 = 10;
/// Marks a lookup entry that holds the value as well as the code.
const COMPLETE: u32 = 1 << 5;
/// What an end-of-block entry has for a run: past every block.
const END_OF_BLOCK: u32 = 64;

/// A code as the decoder wants it.
///
/// An entry of `lookup` is 0 where the code is longer than the lookup. Else its low five bits are
/// how many bits to consume. With `COMPLETE` set, bits 8 to 14 are the run and the upper half the
/// value; without, bits 8 to 15 are the symbol and the value's bits follow.
pub struct DecodeTable {
    lookup: Box<[u32; 1 << LOOKUP_BITS]>,
    /// For codes of length n: one past the last code, left-aligned in 16 bits.
    limits: [u32; 17],
    /// For codes of length n: index of a code's symbol minus the code.
    offsets: [i32; 17],
    symbols: [u8; 256],
}

impl DecodeTable {
    /// The table of `spec`; `ac` says whether symbols are run and size, or a size alone.
    pub fn new(spec: &HuffmanSpec, ac: bool) -> Self {
        let mut table = Self {
            lookup: Box::new([0; 1 << LOOKUP_BITS]),
            limits: [0; 17],
            offsets: [0; 17],
            symbols: [0; 256],
        };
        for (i, (code, length, symbol)) in spec.codes().enumerate() {
            let n = length as usize;
            if table.limits[n] == 0 {
                table.offsets[n] = i as i32 - code as i32;
            }
            table.limits[n] = (code + 1) << (16 - length);
            table.symbols[i] = symbol;
            if length <= LOOKUP_BITS {
                let free = LOOKUP_BITS - length;
                for rest in 0..1 << free {
                    let index = (code << free | rest) as usize;
                    table.lookup[index] = entry(symbol, length, rest, free, ac);
                }
            }
        }
        table
    }
}

impl DecodeTable {
    /// Symbol and length of the code that starts the 16 `bits`, where the lookup does not hold it.
    #[inline(never)]
    fn long_symbol(&self, bits: u32) -> Result<(u32, u32), Damage> {
        let length = (LOOKUP_BITS + 1..=16).find(|&n| bits < self.limits[n as usize]);
        let length = length.ok_or(Damage::Code)?;
        let index = (bits >> (16 - length)) as i32 + self.offsets[length as usize];
        Ok((u32::from(self.symbols[(index & 255) as usize]), length))
    }
}

/// The lookup entry for a code of `length` bits that is followed by `rest` in `free` bits.
fn entry(symbol: u8, length: u32, rest: u32, free: u32, ac: bool) -> u32 {
    let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
    if ac && size == 0 {
        return match run {
            0 => length | COMPLETE | END_OF_BLOCK << 8,
            15 => length | COMPLETE | 15 << 8,
            _ => length | u32::from(symbol) << 8,
        };
    }
    if size > free {
        return length | u32::from(symbol) << 8;
    }
    let bits = rest >> (free - size);
    let value = extend(bits, size) as u32;
    (length + size) | COMPLETE | run << 8 | value << 16
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

/// Bits of one restart interval.
pub struct BitReader<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits, left-aligned. Bits below the `filled` ones are zero or those that follow.
    buffer: u64,
    filled: u32,
    /// Zero bytes supplied after the end.
    beyond: u32,
}

impl<'a> BitReader<'a> {
    /// Reads `range` of `data`.
    pub fn new(data: &'a [u8], range: Range<usize>) -> Self {
        Self { data: &data[range], at: 0, buffer: 0, filled: 0, beyond: 0 }
    }

    /// Makes at least 48 bits available (zeros after the end).
    #[inline(always)]
    fn refill(&mut self) {
        if let Some(next) = self.data.get(self.at..).and_then(|d| d.first_chunk::<8>()) {
            let word = u64::from_be_bytes(*next);
            let inverted = !word;
            let has_ff =
                inverted.wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080;
            if has_ff == 0 {
                self.buffer |= word >> self.filled;
                self.at += ((63 - self.filled) >> 3) as usize;
                self.filled |= 56;
                return;
            }
        }
        (self.at, self.buffer, self.filled, self.beyond) =
            refill_bytes(self.data, self.at, self.buffer, self.filled, self.beyond);
    }

    /// Makes enough bits available for the longest code and value: 16 and 11. Most take few, so that
    /// a buffer lasts for several.
    #[inline(always)]
    fn ensure(&mut self) {
        if self.filled < 32 {
            self.refill();
        }
    }

    #[inline(always)]
    fn peek(&self, bits: u32) -> u32 {
        (self.buffer >> (64 - bits)) as u32
    }

    #[inline(always)]
    fn consume(&mut self, bits: u32) {
        self.buffer <<= bits;
        self.filled -= bits;
    }

    /// The symbol of a code that is longer than the lookup.
    #[inline(always)]
    fn long_symbol(&mut self, table: &DecodeTable) -> Result<u32, Damage> {
        let (symbol, length) = table.long_symbol(self.peek(16))?;
        self.consume(length);
        Ok(symbol)
    }

    #[inline(always)]
    fn value(&mut self, size: u32) -> i32 {
        if size == 0 {
            return 0;
        }
        let bits = self.peek(size);
        self.consume(size);
        extend(bits, size)
    }

    /// Decodes a block into `block` (all zero before; natural order). Returns the place in zigzag
    /// order of its last coefficient that may not be zero.
    ///
    /// # Errors
    /// Damaged data. Data that end early are found by [`BitReader::finish`] alone.
    #[inline(always)]
    pub fn block(
        &mut self,
        dc: &DecodeTable,
        ac: &DecodeTable,
        last_dc: &mut i32,
        block: &mut [i16; 64],
    ) -> Result<usize, Damage> {
        self.ensure();
        let found = dc.lookup[self.peek(LOOKUP_BITS) as usize];
        let difference = if found & COMPLETE != 0 {
            self.consume(found & 31);
            found as i32 >> 16
        } else {
            let size = if found != 0 {
                self.consume(found & 31);
                found >> 8
            } else {
                self.long_symbol(dc)?
            };
            self.value(size)
        };
        *last_dc = last_dc.wrapping_add(difference);
        block[0] = *last_dc as i16;
        let (mut k, mut last) = (1, 0);
        while k < 64 {
            self.ensure();
            let found = ac.lookup[self.peek(LOOKUP_BITS) as usize];
            let value = if found & COMPLETE != 0 {
                self.consume(found & 31);
                k += (found >> 8 & 0x7f) as usize;
                if k >= 64 {
                    // An end-of-block entry moves by exactly 64.
                    let ended = found >> 8 & 0x7f == END_OF_BLOCK;
                    return if ended { Ok(last) } else { Err(Damage::Run) };
                }
                found as i32 >> 16
            } else {
                let symbol = if found != 0 {
                    self.consume(found & 31);
                    found >> 8
                } else {
                    self.long_symbol(ac)?
                };
                let (run, size) = (symbol >> 4, symbol & 15);
                if symbol == 0 {
                    return Ok(last);
                }
                k += run as usize;
                if k >= 64 || (size == 0 && run != 15) {
                    return Err(Damage::Run);
                }
                self.value(size)
            };
            block[usize::from(ZIGZAG[k & 63])] = value as i16;
            last = k;
            k += 1;
        }
        Ok(last)
    }

    /// Says whether all bits that were read were there.
    ///
    /// # Errors
    /// [`Damage::Short`].
    pub fn finish(&self) -> Result<(), Damage> {
        if self.beyond * 8 > self.filled { Err(Damage::Short) } else { Ok(()) }
    }
}

/// Fills the buffer byte by byte: across stuffed zeros and past the end. Takes and returns position,
/// buffer, bits in it and zero bytes supplied, so that a reader can live in registers.
#[inline(never)]
fn refill_bytes(
    data: &[u8],
    mut at: usize,
    mut buffer: u64,
    mut filled: u32,
    mut beyond: u32,
) -> (usize, u64, u32, u32) {
    while filled < 56 {
        let byte = match data.get(at) {
            Some(&byte) => {
                let stuffed = byte == 0xff && data.get(at + 1) == Some(&0);
                at += if stuffed { 2 } else { 1 };
                byte
            }
            None => {
                beyond += 1;
                0
            }
        };
        // Bits that a whole-word refill left below `filled` are these very bits.
        buffer |= u64::from(byte) << (56 - filled);
        filled += 8;
    }
    (at, buffer, filled, beyond)
}

/// A code as the encoder wants it: `length << 16 | code` of each symbol; 0 where there is none.
pub type EncodeTable = [u32; 256];

/// The encoder's table of `spec`.
pub fn encode_table(spec: &HuffmanSpec) -> EncodeTable {
    let mut table = [0; 256];
    for (code, length, symbol) in spec.codes() {
        table[usize::from(symbol)] = length << 16 | code;
    }
    table
}

/// Collects the bytes of one restart interval.
pub struct BitWriter {
    bytes: Vec<u8>,
    buffer: u64,
    free: u32,
}

impl BitWriter {
    /// Writes after the bytes that are already in `bytes`.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, buffer: 0, free: 64 }
    }

    /// Appends the low `length` bits of `bits` (at most 32; higher bits are zero).
    #[inline(always)]
    fn put(&mut self, bits: u32, length: u32) {
        if length <= self.free {
            self.free -= length;
            self.buffer = self.buffer << length | u64::from(bits);
            return;
        }
        let over = length - self.free;
        let whole = self.buffer << self.free | u64::from(bits) >> over;
        self.flush(whole, 8);
        self.buffer = u64::from(bits) & ((1 << over) - 1);
        self.free = 64 - over;
    }

    /// Appends the upper `count` bytes of `whole` with stuffing.
    #[inline(always)]
    fn flush(&mut self, whole: u64, count: usize) {
        let inverted = !whole;
        let has_ff = inverted.wrapping_sub(0x0101_0101_0101_0101) & whole & 0x8080_8080_8080_8080;
        let bytes = whole.to_be_bytes();
        if has_ff == 0 {
            self.bytes.extend_from_slice(&bytes[..count]);
            return;
        }
        for &byte in &bytes[..count] {
            self.bytes.push(byte);
            if byte == 0xff {
                self.bytes.push(0);
            }
        }
    }

    /// Appends a block whose coefficient `k` in zigzag order is at `place(k)`; `nonzero` says which
    /// are not zero, in zigzag order.
    #[inline(always)]
    pub fn block(
        &mut self,
        block: &[i16; 64],
        place: impl Fn(usize) -> usize,
        nonzero: u64,
        last_dc: &mut i16,
        dc: &EncodeTable,
        ac: &EncodeTable,
    ) {
        let difference = i32::from(block[0]) - i32::from(*last_dc);
        *last_dc = block[0];
        let size = 32 - difference.unsigned_abs().leading_zeros();
        self.coded(dc[size as usize], difference, size);
        let mut rest = nonzero & !1;
        let mut last = 0;
        while rest != 0 {
            let k = rest.trailing_zeros();
            rest &= rest - 1;
            let mut run = k - last - 1;
            last = k;
            while run > 15 {
                let code = ac[0xf0];
                self.put(code & 0xffff, code >> 16);
                run -= 16;
            }
            let value = i32::from(block[place(k as usize & 63) & 63]);
            let size = 32 - value.unsigned_abs().leading_zeros();
            self.coded(ac[(run << 4 | size) as usize & 255], value, size);
        }
        if last != 63 {
            let code = ac[0];
            self.put(code & 0xffff, code >> 16);
        }
    }

    /// Appends a code and the `size` bits of its value.
    #[inline(always)]
    fn coded(&mut self, code: u32, value: i32, size: u32) {
        let bits = (value + (value >> 31)) as u32 & ((1 << size) - 1);
        self.put((code & 0xffff) << size | bits, (code >> 16) + size);
    }

    /// The bytes, the last one filled with ones.
    pub fn finish(mut self) -> Vec<u8> {
        let used = 64 - self.free;
        if used > 0 {
            let ones = used.next_multiple_of(8) - used;
            let whole = (self.buffer << ones | ((1 << ones) - 1)) << (self.free - ones);
            self.flush(whole, (used + ones) as usize / 8);
        }
        self.bytes
    }
}
