//! Table-driven Huffman encoding with a 64-bit bit buffer. `scan` decodes.

use memchr::memchr;

use super::tables::HuffmanSpec;

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

/// Bytes that a block takes at most, 22 bits for its first coefficient and 26 for each other, and room
/// for the last eight that are written at once.
const BLOCK_BYTES: usize = 224;

/// Collects the bits of one restart interval. Eight bytes are written after each code, whole or not, so
/// that nothing branches on how many are; zeros are stuffed in at the end.
pub struct BitWriter<'a> {
    bytes: &'a mut Vec<u8>,
    /// Whole bytes so far.
    at: usize,
    /// The bits after them are the lowest.
    bits: Bits,
}

/// Bits that fill no byte yet.
#[derive(Clone, Copy, Default)]
struct Bits {
    buffer: u64,
    filled: u32,
}

impl Bits {
    /// Appends the low `length` bits of `bits` (1 to 32; higher bits are zero), and writes what is whole
    /// to `out` from `at` on. Returns where the next byte belongs.
    #[inline(always)]
    fn put(&mut self, bits: u32, length: u32, out: &mut [u8; BLOCK_BYTES], at: usize) -> usize {
        self.buffer = self.buffer << length | u64::from(bits);
        self.filled += length;
        let word = self.buffer << (64 - self.filled);
        if let Some(to) = out.get_mut(at..at + 8) {
            to.copy_from_slice(&word.to_be_bytes());
        }
        let whole = self.filled >> 3;
        self.filled &= 7;
        at + whole as usize
    }
}

impl<'a> BitWriter<'a> {
    /// Collects in `bytes`, whose contents are lost.
    pub fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes, at: 0, bits: Bits::default() }
    }

    /// Room for a block.
    #[inline(always)]
    fn room(&mut self) -> &mut [u8; BLOCK_BYTES] {
        if self.bytes.len() < self.at + BLOCK_BYTES {
            self.bytes.resize(2 * (self.at + BLOCK_BYTES), 0);
        }
        let room = self.bytes[self.at..].first_chunk_mut();
        room.expect("it was just made")
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
        let mut bits = self.bits;
        let out = self.room();
        let difference = i32::from(block[0]) - i32::from(*last_dc);
        *last_dc = block[0];
        let size = 32 - difference.unsigned_abs().leading_zeros();
        let (code, length) = coded(dc[size as usize], difference, size);
        let mut at = bits.put(code, length, out, 0);
        let mut rest = nonzero & !1;
        let mut last = 0;
        while rest != 0 {
            let k = rest.trailing_zeros();
            rest &= rest - 1;
            let mut run = k - last - 1;
            last = k;
            while run > 15 {
                at = bits.put(ac[0xf0] & 0xffff, ac[0xf0] >> 16, out, at);
                run -= 16;
            }
            let value = i32::from(block[place(k as usize & 63) & 63]);
            let size = 32 - value.unsigned_abs().leading_zeros();
            let (code, length) = coded(ac[(run << 4 | size) as usize & 255], value, size);
            at = bits.put(code, length, out, at);
        }
        if last != 63 {
            at = bits.put(ac[0] & 0xffff, ac[0] >> 16, out, at);
        }
        self.at += at;
        self.bits = bits;
    }

    /// The bytes, the last one filled with ones, a zero after each of eight ones.
    pub fn finish(mut self) -> Vec<u8> {
        if self.bits.filled > 0 {
            let (ones, mut bits) = (8 - self.bits.filled, self.bits);
            self.at += bits.put((1 << ones) - 1, ones, self.room(), 0);
        }
        let mut rest = &self.bytes[..self.at];
        let mut out = Vec::with_capacity(rest.len() + rest.len() / 64 + 16);
        while let Some(mark) = memchr(0xff, rest) {
            out.extend_from_slice(&rest[..=mark]);
            out.push(0);
            rest = &rest[mark + 1..];
        }
        out.extend_from_slice(rest);
        out
    }
}

/// A code and the `size` bits of its value, and their length.
#[inline(always)]
fn coded(code: u32, value: i32, size: u32) -> (u32, u32) {
    let bits = (value + (value >> 31)) as u32 & ((1 << size) - 1);
    ((code & 0xffff) << size | bits, (code >> 16) + size)
}
