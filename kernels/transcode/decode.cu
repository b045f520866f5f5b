// Huffman decoding: a thread per restart interval, or, where intervals are long, a thread per
// sub-sequence of so many bytes. Layouts of buffers and tables: gpu.rs, device_tables.rs.
//
// A sub-sequence is decoded by the thread in which a code starts. Where its first code starts, of
// which block and coefficient, depends on all that stands before; but a decoder that starts wrong
// soon falls into step (Weissenberger and Schmidt, "Accelerating JPEG decompression on GPUs"). So
// `synchronise` starts everywhere with a guess and goes on from where the sub-sequence before ended
// until nothing changes, for 256 of them at a time; `chain` does the same from one 256 to the next;
// `scatter` then decodes once more, and `add_up` turns differences of DC values into values. Whether
// and when decoders fall into step changes the time, never the result: the first sub-sequence of an
// interval starts right, and every round makes at least one more right.
//
// Whatever the data, nothing is read outside the interval or the tables nor written outside its
// blocks, and every loop ends: a code takes at least one bit, rounds are counted.
#include "device.h"

// Bytes of a sub-sequence; a code with its value, 31 bits at most, spans no more than two.
#define SUB 128
// Words of an interval's entry.
#define INTERVAL 7
// No interval: a sub-sequence that fills up a frame's last 256.
#define NONE 0xffffffffu

// Bits of one restart interval, left-aligned in `bits`; zeros after its end. With a border, `over` of
// those read so far stand at or behind the byte `limit`.
template <bool border> struct Reader {
    const u8* scan;
    u32 at, end, bits, filled, limit, over;
};

// Makes at least 25 bits available; a zero byte after 0xff is stuffing.
template <bool border> static __device__ void refill(Reader<border>& r) {
    while (r.filled <= 24) {
        u32 byte = 0;
        if (border && r.at >= r.limit) r.over += 8;
        if (r.at < r.end) {
            byte = r.scan[r.at++];
            if (byte == 0xff && r.at < r.end && r.scan[r.at] == 0) r.at++;
        }
        r.bits |= byte << (24 - r.filled);
        r.filled += 8;
    }
}

template <bool border> static __device__ void consume(Reader<border>& r, u32 count) {
    r.bits <<= count;
    r.filled -= count;
}

// The next symbol of the code at `table`: 512 short codes, 18 limits, 18 offsets, 256 symbols. At
// least 16 bits are available.
template <bool border> static __device__ u32 symbol(Reader<border>& r, const u32* table) {
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
template <bool border> static __device__ i32 value(Reader<border>& r, u32 size) {
    if (size == 0) return 0;
    refill(r);
    i32 bits = static_cast<i32>(r.bits >> (32 - size));
    consume(r, size);
    return bits < (1 << (size - 1)) ? bits - (1 << size) + 1 : bits;
}

// One block into 32 words that are zero before.
static __device__ void block_of(Reader<false>& r, const u32* dc, const u32* ac, i32& last,
                                u32* out) {
    refill(r);
    u32 size = symbol(r, dc) & 15;
    last += value(r, size);
    u32 word = 0;
    u32 pending = static_cast<u32>(last) & 0xffff;
    u32 k = 1;
    while (k < 64) {
        refill(r);
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
    const u32* interval = intervals + (first_interval + i) * INTERVAL;
    const u32* frame = tables + interval[2] * 9;
    Reader<false> r = {scan, interval[0], interval[0] + interval[1], 0, 0, 0, 0};
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

// How far decoding has come at the border of two sub-sequences, in a word: bits of the second that
// belong to a code of the first (below 32, bits 0 to 4), block of an MCU (bits 8 to 11) and
// coefficient (bits 16 to 21) that come next.
DEVICE u32 packed(u32 bits, u32 j, u32 k) { return bits | j << 8 | k << 16; }

// The bits of sub-sequence `number` of an interval after the first `skip`.
static __device__ Reader<true> begin(const u8* scan, const u32* interval, u32 number, u32 skip) {
    u32 start = interval[0] + number * SUB;
    u32 end = interval[0] + interval[1];
    Reader<true> r = {scan, start, end, 0, 0, min(start + SUB, end), 0};
    // The first byte may be stuffing after the last one of the sub-sequence before.
    if (number > 0 && start < end && scan[start] == 0 && scan[start - 1] == 0xff) r.at++;
    refill(r);
    consume(r, skip / 2);
    refill(r);
    consume(r, skip - skip / 2);
    return r;
}

// Decodes the next code of a block and its value, which is that of coefficient `k` - 1 afterwards; a
// `k` of 64 or more ends the block. At least 16 bits are available.
static __device__ i32 next(Reader<true>& r, const u32* dc, const u32* ac, u32& k) {
    u32 s = symbol(r, k == 0 ? dc : ac);
    u32 size = s & 15;
    if (k > 0) {
        if (size == 0 && s != 0xf0) {
            k = 64;
            return 0;
        }
        k += s >> 4;
    }
    k++;
    return value(r, size);
}

// The state at the end of sub-sequence `number` of an interval from that at its start, and how many
// blocks end in it.
static __device__ u32 count(const u8* scan, const u32* interval, const u32* tables,
                            const u32* plan, u32 number, u32 state, u32& completed) {
    Reader<true> r = begin(scan, interval, number, state & 31);
    u32 j = state >> 8 & 15, k = state >> 16 & 63;
    const u32* frame = tables + interval[2] * 9;
    u32 period = interval[6];
    completed = 0;
    u32 c = plan[48 + j] & 15;
    refill(r);
    while (r.filled > r.over) {
        next(r, tables + frame[3 + c], tables + frame[6 + c], k);
        if (k >= 64) {
            k = 0;
            j = j + 1 < period ? j + 1 : 0;
            c = plan[48 + j] & 15;
            completed++;
        }
        refill(r);
    }
    return packed(min(r.over - r.filled, 31u), j, k);
}

// Brings the sub-sequences of 256 into step: where each starts and ends, if the first one's guess is
// right. A state has four words: start, end, blocks completed in it, blocks of the frame completed
// before it. `cuts` says for each frame where its sub-sequences start, in 256s, then for each
// sub-sequence its interval. Grid: 256 sub-sequences.
extern "C" __global__ void __launch_bounds__(256)
    synchronise(const u8* scan, const u32* intervals, const u32* tables, const u32* plan,
                const u32* cuts, u32* states, u32 frames, u32 first_group) {
    __shared__ u32 ends[256];
    __shared__ u32 changed;
    u32 t = threadIdx.x;
    u32 cut = (first_group + blockIdx.x) * 256 + t;
    u32 i = cuts[frames + 1 + cut];
    const u32* interval = intervals + (i == NONE ? 0 : i) * INTERVAL;
    u32 number = i == NONE ? 0 : cut - interval[5];
    u32 start = 0, end = 0, completed = 0;
    if (t == 0) ends[0] = end = count(scan, interval, tables, plan, number, start, completed);
    __syncthreads();
    // Any guess would do. This one is right where a flat picture repeats the same codes, among which
    // a wrong one would stay wrong.
    if (number > 0 && t > 0) start = ends[0];
    if (i != NONE && t > 0) {
        end = count(scan, interval, tables, plan, number, start, completed);
        ends[t] = end;
    }
    for (u32 round = 0; round < 256; round++) {
        if (t == 0) changed = 0;
        __syncthreads();
        u32 before = t > 0 && number > 0 ? ends[t - 1] : start;
        bool redo = i != NONE && before != start;
        if (redo) changed = 1;
        __syncthreads();
        if (!changed) break;
        if (redo) {
            start = before;
            end = count(scan, interval, tables, plan, number, start, completed);
            ends[t] = end;
        }
        __syncthreads();
    }
    u32* mine = states + (blockIdx.x * 256 + t) * 4;
    mine[0] = start;
    mine[1] = end;
    mine[2] = completed;
}

// Sum of `mine` over the threads before this one; `total` over all 256. `sums` is shared; its
// contents are free for reuse after the next barrier.
DEVICE u32 prefix_sum(u32 mine, u32* sums, u32& total) {
    u32 t = threadIdx.x;
    sums[t] = mine;
    __syncthreads();
    for (u32 step = 1; step < 256; step *= 2) {
        u32 before = t >= step ? sums[t - step] : 0;
        __syncthreads();
        sums[t] += before;
        __syncthreads();
    }
    total = sums[255];
    return sums[t] - mine;
}

// Brings the 256s of a frame into step, a thread each, then adds up the blocks before each
// sub-sequence. Grid: frames.
extern "C" __global__ void __launch_bounds__(256)
    chain(const u8* scan, const u32* intervals, const u32* tables, const u32* plan,
          const u32* cuts, u32* states, u32 frames, u32 first_group, u32 first_frame) {
    __shared__ u32 sums[256];
    __shared__ u32 changed;
    u32 t = threadIdx.x;
    u32 from = cuts[first_frame + blockIdx.x], to = cuts[first_frame + blockIdx.x + 1];
    for (u32 first = from; first < to; first += 256) {
        bool mine = first + t > from && first + t < to;
        u32 cut = (first + t) * 256;
        u32 at = cut - first_group * 256;
        for (u32 round = 0; round < 257; round++) {
            if (t == 0) changed = 0;
            u32 state = mine ? states[(at - 1) * 4 + 1] : 0;
            __syncthreads();
            for (u32 n = 0; mine && n < 256; n++) {
                u32* s = states + (at + n) * 4;
                u32 i = cuts[frames + 1 + cut + n];
                const u32* interval = intervals + (i == NONE ? 0 : i) * INTERVAL;
                if (i == NONE || cut + n == interval[5] || s[0] == state) break;
                u32 completed;
                u32 end = count(scan, interval, tables, plan, cut + n - interval[5], state,
                                completed);
                if (n == 255 && end != s[1]) changed = 1;
                s[0] = state;
                s[1] = end;
                s[2] = completed;
                state = end;
            }
            __syncthreads();
            bool again = changed != 0;
            __syncthreads();
            if (!again) break;
        }
    }
    u32 done = 0;
    for (u32 first = from; first < to; first++) {
        u32* s = states + ((first - first_group) * 256 + t) * 4;
        u32 total;
        s[3] = done + prefix_sum(s[2], sums, total);
        done += total;
        __syncthreads();
    }
}

// Writes the coefficients of each sub-sequence, DC values as differences, into blocks that are zero
// before; a word that two of them share gets a half from each. Grid: 64 sub-sequences.
extern "C" __global__ void __launch_bounds__(64)
    scatter(const u8* scan, const u32* intervals, const u32* tables, const u32* plan,
            const u32* cuts, const u32* states, u32* coefficients, u32 frames, u32 first_group,
            u32 first_frame, u32 frame_blocks, u32 per_mcu) {
    u32 at = blockIdx.x * 64 + threadIdx.x;
    u32 cut = first_group * 256 + at;
    u32 i = cuts[frames + 1 + cut];
    if (i == NONE) return;
    const u32* interval = intervals + i * INTERVAL;
    const u32* frame = tables + interval[2] * 9;
    u32 state = states[at * 4];
    u32 block = states[at * 4 + 3] - states[(interval[5] - first_group * 256) * 4 + 3];
    u32 blocks = interval[4] * per_mcu;
    Reader<true> r = begin(scan, interval, cut - interval[5], state & 31);
    u32 first = (interval[2] - first_frame) * frame_blocks + interval[3] * per_mcu;
    u32* out = coefficients + (static_cast<u64>(first) + block) * 32;
    u32 j = block % per_mcu, k = state >> 16 & 63;
    u32 c = plan[48 + j] & 15;
    u32 word = k >> 1, pending = 0;
    refill(r);
    while (r.filled > r.over && block < blocks) {
        i32 v = next(r, tables + frame[3 + c], tables + frame[6 + c], k);
        if (k <= 64) {
            if ((k - 1) >> 1 != word) {
                if (pending) atomicOr(out + word, pending);
                word = (k - 1) >> 1;
                pending = 0;
            }
            pending |= (static_cast<u32>(v) & 0xffff) << (16 * ((k - 1) & 1));
        }
        if (k >= 64) {
            if (pending) atomicOr(out + word, pending);
            word = pending = k = 0;
            block++;
            out += 32;
            j = j + 1 < per_mcu ? j + 1 : 0;
            c = plan[48 + j] & 15;
        }
        refill(r);
    }
    if (pending) atomicOr(out + word, pending);
}

// Adds up the differences of one component's DC values in an interval, eight blocks a thread. Grid:
// components, then intervals in two dimensions.
extern "C" __global__ void __launch_bounds__(256)
    add_up(const u32* intervals, u32* coefficients, u32 first_interval, u32 interval_count,
           u32 first_frame, u32 frame_blocks, u32 per_mcu, u32 luma_blocks) {
    __shared__ u32 sums[256];
    u32 number = blockIdx.z * gridDim.y + blockIdx.y;
    if (number >= interval_count) return;
    const u32* interval = intervals + (first_interval + number) * INTERVAL;
    u32 c = blockIdx.x;
    u32 each = c == 0 ? luma_blocks : (per_mcu - luma_blocks) / 2;
    u32 j = c == 0 ? 0 : luma_blocks + (c - 1) * each;
    u32 block = (interval[2] - first_frame) * frame_blocks + interval[3] * per_mcu + j;
    u32* blocks = coefficients + static_cast<u64>(block) * 32;
    u32 count = interval[4] * each;
    u32 done = 0;
    for (u32 first = 0; first < count; first += 2048) {
        u32 mine = first + threadIdx.x * 8;
        u32 words[8];
        u32 sum = 0;
        for (u32 i = 0; i < 8; i++) {
            u32 n = mine + i;
            words[i] = n < count ? blocks[(n / each * per_mcu + n % each) * 32] : 0;
            sum += words[i];
        }
        u32 total;
        sum = done + prefix_sum(sum, sums, total);
        for (u32 i = 0; i < 8; i++) {
            u32 n = mine + i;
            sum += words[i];
            u32 word = (words[i] & 0xffff0000u) | (sum & 0xffff);
            if (n < count) blocks[(n / each * per_mcu + n % each) * 32] = word;
        }
        done += total;
        __syncthreads();
    }
}
