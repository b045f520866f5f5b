// Huffman encoding, a thread block per row of MCUs. Layouts of buffers and tables: gpu.rs,
// device_tables.rs.
#include "device.h"

// Sum of `mine` over the threads before this one; `total` over all 256. `sums` is shared, eight words;
// its contents are free for reuse after the next barrier.
DEVICE u32 prefix_sum(u32 mine, u32* sums, u32& total) {
    u32 lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    u32 sum = mine;
    for (u32 step = 1; step < 32; step *= 2) {
        u32 before = __shfl_up_sync(0xffffffffu, sum, step);
        if (lane >= step) sum += before;
    }
    if (lane == 31) sums[warp] = sum;
    __syncthreads();
    total = 0;
    for (u32 w = 0; w < 8; w++) {
        if (w == warp) sum += total;
        total += sums[w];
    }
    return sum - mine;
}

// Coefficient `k` of a block of packed pairs.
DEVICE i32 coefficient(const u32* block, u32 k) {
    u32 word = block[k >> 1];
    return static_cast<i16>(k & 1 ? word >> 16 : word & 0xffff);
}

// Writes codes into words shared with the neighbouring blocks.
struct Writer {
    u32* out;
    u32 pending, filled;
};

static __device__ void put(Writer& w, u32 bits, u32 length) {
    u32 space = 32 - w.filled;
    if (length < space) {
        w.pending |= bits << (space - length);
        w.filled += length;
        return;
    }
    u32 over = length - space;
    atomicOr(w.out++, w.pending | bits >> over);
    w.pending = over ? bits << (32 - over) : 0;
    w.filled = over;
}

// Length in bits of a symbol's code and the `size` bits of `v`, written where `w` is given.
static __device__ u32 coded(Writer* w, u32 code, i32 v, u32 size) {
    u32 length = (code >> 16) + size;
    u32 low = static_cast<u32>(v + (v >> 31)) & ((1u << size) - 1);
    if (w) put(*w, (code & 0xffff) << size | low, length);
    return length;
}

// A bit for each coefficient of a block, the first in bit 0, set where it is not zero. The eight reads
// do not wait for each other.
static __device__ u64 nonzero(const u32* block) {
    u64 mask = 0;
    for (u32 i = 0; i < 8; i++) {
        uint4 four = reinterpret_cast<const uint4*>(block)[i];
        u32 words[4] = {four.x, four.y, four.z, four.w};
        u32 bits = 0;
        for (u32 n = 0; n < 4; n++) {
            bits |= (words[n] & 0xffff ? 1u : 0u) << (2 * n);
            bits |= (words[n] >> 16 ? 2u : 0u) << (2 * n);
        }
        mask |= static_cast<u64>(bits) << (8 * i);
    }
    return mask;
}

DEVICE u32 lowest(u64 mask) {
    u32 low = static_cast<u32>(mask);
    return low ? __ffs(low) - 1 : 31 + __ffs(static_cast<u32>(mask >> 32));
}

// Length in bits of a block whose coefficients that are not zero `mask` names; it is also written where
// `w` is given.
static __device__ u32 code_block(const u32* block, u64 mask, i32 last_dc, const u32* dc,
                                 const u32* ac, Writer* w) {
    i32 v = coefficient(block, 0) - last_dc;
    u32 size = 32 - __clz(v < 0 ? -v : v);
    u32 bits = coded(w, dc[size], v, size);
    u32 next = 1;
    for (mask &= ~1ull; mask; mask &= mask - 1) {
        u32 k = lowest(mask);
        u32 run = k - next;
        next = k + 1;
        v = coefficient(block, k);
        for (; run > 15; run -= 16) bits += coded(w, ac[0xf0], 0, 0);
        size = 32 - __clz(v < 0 ? -v : v);
        bits += coded(w, ac[(run << 4 | size) & 255], v, size);
    }
    if (next < 64) bits += coded(w, ac[0], 0, 0);
    return bits;
}

// A row of MCUs: bit lengths, their prefix sum, the packed bits, and how long they get when
// stuffed. Grid: rows, frames.
extern "C" __global__ void __launch_bounds__(256)
    entropy(const u32* spectrum, const u32* encoder, const u32* plan, u32* raw, u32* rows,
            u32 row_blocks, u32 per_mcu, u32 raw_words) {
    __shared__ u32 sums[8];
    u32 t = threadIdx.x;
    u32 row = blockIdx.y * gridDim.x + blockIdx.x;
    const u32* blocks = spectrum + static_cast<u64>(row) * row_blocks * 32;
    u32* out = raw + static_cast<u64>(row) * raw_words;
    u32 done = 0;
    for (u32 first = 0; first < row_blocks; first += 256) {
        u32 b = first + t;
        bool valid = b < row_blocks;
        u32 entry = plan[60 + b % per_mcu];
        bool luma = (entry & 15) == 0;
        // So many blocks before is the last one of the same component.
        u32 back = entry >> 20;
        const u32* block = blocks + static_cast<u64>(b) * 32;
        const u32* dc = encoder + (luma ? 192 : 208);
        const u32* ac = encoder + (luma ? 224 : 480);
        i32 last = valid && b >= back ? coefficient(block - back * 32, 0) : 0;
        u64 mask = valid ? nonzero(block) : 0;
        u32 bits = valid ? code_block(block, mask, last, dc, ac, nullptr) : 0;
        u32 total;
        u32 at = done + prefix_sum(bits, sums, total);
        u32 end = done + total;
        for (u32 w = (done + 31) / 32 + t; w < (end + 31) / 32; w += 256) out[w] = 0;
        __syncthreads();
        if (valid) {
            Writer writer = {out + at / 32, 0, at & 31};
            code_block(block, mask, last, dc, ac, &writer);
            if (writer.filled > 0) atomicOr(writer.out, writer.pending);
        }
        __syncthreads();
        done = end;
    }
    u32 bytes = (done + 7) / 8;
    u32 ones = bytes * 8 - done;
    if (t == 0 && ones > 0) {
        atomicOr(out + done / 32, ((1u << ones) - 1) << (32 - (done & 31) - ones));
    }
    __syncthreads();
    u32 stuffed = 0;
    for (u32 w = t; w < (bytes + 3) / 4; w += 256) {
        u32 word = out[w];
        for (u32 i = 0; i < 32; i += 8) stuffed += (word >> i & 255) == 255;
    }
    u32 total;
    prefix_sum(stuffed, sums, total);
    if (t == 0) {
        rows[row * 3] = bytes;
        rows[row * 3 + 1] = bytes + total;
    }
}

// Where each row's bytes start in the output, in words; one block. `lengths` holds the bytes used
// so far, then every row's length.
extern "C" __global__ void __launch_bounds__(256)
    place(u32* rows, u32* lengths, u32 count, u32 first_row) {
    __shared__ u32 sums[8];
    u32 t = threadIdx.x;
    u32 base = lengths[0] / 4;
    for (u32 first = 0; first < count; first += 256) {
        u32 i = first + t;
        u32 length = i < count ? rows[i * 3 + 1] : 0;
        u32 total;
        u32 before = prefix_sum((length + 3) / 4, sums, total);
        if (i < count) {
            rows[i * 3 + 2] = base + before;
            lengths[1 + first_row + i] = length;
        }
        base += total;
        __syncthreads();
    }
    if (t == 0) lengths[0] = base * 4;
}

// Copies a row's bytes to the output with a zero after every 0xff. Grid: rows, frames.
extern "C" __global__ void __launch_bounds__(256)
    emit(const u32* raw, const u32* rows, u32* bytes, u32 raw_words, u32 capacity) {
    __shared__ u32 sums[8];
    // Up to 3 bytes left over and 256 words of 4 bytes, each stuffed.
    __shared__ u32 stage[516];
    u32 t = threadIdx.x;
    u32 row = blockIdx.y * gridDim.x + blockIdx.x;
    const u32* in = raw + static_cast<u64>(row) * raw_words;
    u32 count = rows[row * 3];
    u32 out = rows[row * 3 + 2];
    for (u32 i = t; i < 516; i += 256) stage[i] = 0;
    __syncthreads();
    u32 carried = 0;
    for (u32 first = 0; first * 4 < count; first += 256) {
        u32 w = first + t;
        u32 n = w * 4 < count ? min(4u, count - w * 4) : 0;
        u32 word = n ? in[w] : 0;
        u32 mine = n;
        for (u32 i = 0; i < n; i++) mine += (word >> (24 - 8 * i) & 255) == 255;
        u32 total;
        u32 p = carried + prefix_sum(mine, sums, total);
        for (u32 i = 0; i < n; i++) {
            u32 byte = word >> (24 - 8 * i) & 255;
            atomicOr(&stage[p >> 2], byte << (8 * (p & 3)));
            p += byte == 255 ? 2 : 1;
        }
        __syncthreads();
        u32 all = carried + total;
        bool last = (first + 256) * 4 >= count;
        u32 whole = last ? (all + 3) / 4 : all / 4;
        for (u32 i = t; i < whole; i += 256) {
            if ((out + i) * 4 + 4 <= capacity) bytes[out + i] = stage[i];
        }
        u32 rest = stage[all / 4];
        __syncthreads();
        for (u32 i = t; i < 516; i += 256) stage[i] = i == 0 && (all & 3) ? rest : 0;
        __syncthreads();
        out += whole;
        carried = all & 3;
    }
}
