// Huffman decoding, a thread per restart interval. Layouts of buffers and tables: gpu.rs,
// device_tables.rs.
#include "device.h"

// Bits of one restart interval, left-aligned in `bits`; zeros after its end.
struct Reader {
    const u8* scan;
    u32 at, end, bits, filled;
};

// Makes at least 25 bits available; a zero byte after 0xff is stuffing.
static __device__ void refill(Reader& r) {
    while (r.filled <= 24) {
        u32 byte = 0;
        if (r.at < r.end) {
            byte = r.scan[r.at++];
            if (byte == 0xff && r.at < r.end && r.scan[r.at] == 0) r.at++;
        }
        r.bits |= byte << (24 - r.filled);
        r.filled += 8;
    }
}

static __device__ void consume(Reader& r, u32 count) {
    r.bits <<= count;
    r.filled -= count;
}

// The next symbol of the code at `table`: 512 short codes, 18 limits, 18 offsets, 256 symbols.
static __device__ u32 symbol(Reader& r, const u32* table) {
    refill(r);
    u32 found = table[r.bits >> 23];
    if (found) {
        consume(r, found >> 8);
        return found & 255;
    }
    u32 code = r.bits >> 16;
    u32 length = 10;
    while (length < 16 && code >= table[512 + length]) length++;
    u32 index = (code >> (16 - length)) + table[530 + length];
    consume(r, length);
    return table[548 + (index & 255)];
}

// A signed value of `size` bits (at most 15).
static __device__ i32 value(Reader& r, u32 size) {
    if (size == 0) return 0;
    refill(r);
    i32 bits = static_cast<i32>(r.bits >> (32 - size));
    consume(r, size);
    return bits < (1 << (size - 1)) ? bits - (1 << size) + 1 : bits;
}

// One block into 32 words that are zero before.
static __device__ void block_of(Reader& r, const u32* dc, const u32* ac, i32& last, u32* out) {
    u32 size = symbol(r, dc) & 15;
    last += value(r, size);
    u32 word = 0;
    u32 pending = static_cast<u32>(last) & 0xffff;
    u32 k = 1;
    while (k < 64) {
        u32 s = symbol(r, ac);
        u32 bits = s & 15;
        if (bits == 0 && s != 0xf0) break;
        k += s >> 4;
        i32 v = value(r, bits);
        if (k < 64) {
            if (k >> 1 != word) {
                out[word] = pending;
                word = k >> 1;
                pending = 0;
            }
            pending |= (static_cast<u32>(v) & 0xffff) << (16 * (k & 1));
        }
        k++;
    }
    out[word] = pending;
}

// A thread per restart interval.
extern "C" __global__ void __launch_bounds__(64)
    decode(const u8* scan, const u32* intervals, const u32* tables, const u32* plan,
           u32* coefficients, u32 first_interval, u32 count, u32 first_frame, u32 frame_blocks,
           u32 per_mcu) {
    u32 i = blockIdx.x * 64 + threadIdx.x;
    if (i >= count) return;
    const u32* interval = intervals + (first_interval + i) * 5;
    const u32* frame = tables + interval[2] * 9;
    Reader r = {scan, interval[0], interval[0] + interval[1], 0, 0};
    u32 block = (interval[2] - first_frame) * frame_blocks + interval[3] * per_mcu;
    u32* out = coefficients + static_cast<u64>(block) * 32;
    i32 last[3] = {0, 0, 0};
    for (u32 mcu = 0; mcu < interval[4]; mcu++) {
        for (u32 j = 0; j < per_mcu; j++) {
            u32 c = plan[48 + j] & 15;
            i32 dc = c == 0 ? last[0] : c == 1 ? last[1] : last[2];
            block_of(r, tables + frame[3 + c], tables + frame[6 + c], dc, out);
            if (c == 0) last[0] = dc;
            if (c == 1) last[1] = dc;
            if (c == 2) last[2] = dc;
            out += 32;
        }
    }
}
