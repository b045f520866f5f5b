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

// Bits of one restart interval, left-aligned in `bits`, `filled` of them; zeros after its end. With a
// border, `over` of them stand at or behind the byte `limit`, those used up counted too. `word` holds
// the bytes around `at`, which come next, as they stand in memory: read long before anything waits for
// them. `stuffed` says whether a zero there is stuffing.
struct Reader {
    const u32* scan;
    u32 at, end, limit, word, stuffed;
    u64 bits;
    u32 filled, over;
};

DEVICE void read_word(Reader& r) {
    if (r.at < r.end) r.word = __ldg(r.scan + r.at / 4);
}

// Takes the rest of the word byte by byte; a zero byte after 0xff is stuffing.
template <bool border> static __device__ void append_bytes(Reader& r) {
    do {
        bool inside = r.at < r.end;
        u32 byte = inside ? r.word >> (8 * (r.at & 3)) & 255 : 0;
        if (r.stuffed && inside && byte == 0) {
            r.stuffed = 0;
        } else {
            if (border && r.at >= r.limit) r.over += 8;
            r.bits |= static_cast<u64>(byte) << (56 - r.filled);
            r.filled += 8;
            r.stuffed = byte == 255 ? 1 : 0;
        }
        r.at++;
    } while (r.at & 3);
}

// Makes at least 33 bits available, more than a code with its value has. Most words have no 0xff in
// them and are taken at once.
template <bool border> static __device__ void refill(Reader& r) {
    while (r.filled <= 32) {
        u32 marks = (~r.word - 0x01010101u) & r.word & 0x80808080u;
        bool plain = marks == 0 && !r.stuffed && (r.at & 3) == 0 && r.at + 4 <= r.end;
        if (plain && (!border || r.at + 4 <= r.limit || r.at >= r.limit)) {
            if (border && r.at >= r.limit) r.over += 32;
            u32 word = __byte_perm(r.word, 0, 0x0123);
            r.bits |= static_cast<u64>(word) << (32 - r.filled);
            r.filled += 32;
            r.at += 4;
        } else {
            append_bytes<border>(r);
        }
        read_word(r);
    }
}

// Starts at the byte `at`.
template <bool border>
static __device__ Reader reader(const u32* scan, u32 at, u32 end, u32 limit, u32 stuffed) {
    Reader r = {scan, at, end, limit, 0, stuffed, 0, 0, 0};
    read_word(r);
    refill<border>(r);
    return r;
}

// Where a frame's codes stand among the tables, and the components of an MCU's blocks, 2 bits each.
struct Codes {
    const u32* tables;
    u32 order, dc[3], ac[3];
};

static __device__ Codes codes_of(const u32* tables, const u32* plan, u32 frame) {
    Codes codes = {tables, 0, {}, {}};
    for (u32 c = 0; c < 3; c++) {
        codes.dc[c] = tables[frame * 9 + 3 + c];
        codes.ac[c] = tables[frame * 9 + 6 + c];
    }
    for (u32 j = 0; j < 12; j++) codes.order |= (plan[48 + j] & 3) << (2 * j);
    return codes;
}

// One of three by a component's number.
DEVICE u32 pick(const u32 of[3], u32 c) { return c == 0 ? of[0] : c == 1 ? of[1] : of[2]; }

// Where decoding stands: block of the MCU and its component and codes; coefficient that comes next.
struct Place {
    u32 j, k, c, dc, ac;
};

DEVICE void at_block(Place& p, const Codes& codes, u32 j) {
    p.j = j;
    p.c = codes.order >> (2 * j) & 3;
    p.dc = pick(codes.dc, p.c);
    p.ac = pick(codes.ac, p.c);
}

// Length (times 256) and symbol of a code of 10 bits or more, of which 16 are given. One past the
// last code of each length stands left-aligned at 512, never less than that of the length before.
static __device__ u32 long_code(const u32* table, u32 bits) {
    u32 length = 10;
    for (u32 n = 10; n < 16; n++) length += bits >= __ldg(table + 512 + n);
    u32 index = (bits >> (16 - length)) + __ldg(table + 530 + length);
    return length << 8 | __ldg(table + 548 + (index & 255));
}

// Decodes the next code of a block and its value, which is that of coefficient `k` - 1 afterwards; a
// `k` of 64 or more ends the block. Refills afterwards. Tables: 512 short codes, 18 limits, 18
// offsets, 256 symbols.
template <bool border> static __device__ i32 next(Reader& r, const Codes& codes, Place& p) {
    bool first = p.k == 0;
    const u32* table = codes.tables + (first ? p.dc : p.ac);
    u32 top = static_cast<u32>(r.bits >> 32);
    u32 found = __ldg(table + (top >> 23));
    if (!found) found = long_code(table, top >> 16);
    u32 length = found >> 8, size = found & 15, run = found >> 4 & 15;
    bool ends = !first && size == 0 && run != 15;
    p.k = ends ? 64 : p.k + (first ? 1 : run + 1);
    u32 rest = __funnelshift_l(static_cast<u32>(r.bits), top, length);
    r.bits <<= length + size;
    r.filled -= length + size;
    // A value that begins with 0 stands for a negative one.
    u32 below = ~static_cast<u32>(static_cast<i32>(rest) >> 31) & ((1u << size) - 1);
    i32 value = static_cast<i32>(__funnelshift_l(rest, 0, size) - below);
    refill<border>(r);
    return value;
}

// Coefficients on their way to memory, two a word, all words zero before. The first word and the last
// may be shared with other threads (`shared`), which write halves of them.
struct Writer {
    u32* out;
    u32 word, pending;
    bool shared;
};

DEVICE void flush(Writer& w, bool shared) {
    if (w.pending == 0) return;
    if (shared) {
        atomicOr(w.out + w.word, w.pending);
    } else {
        w.out[w.word] = w.pending;
    }
}

DEVICE void go_to(Writer& w, u32* out, u32 word) {
    flush(w, w.shared);
    w = {out, word, 0, false};
}

// Adds coefficient `k`, which is dropped where there is no such one.
DEVICE void add(Writer& w, u32 k, u32 v) {
    if (v == 0 || k >= 64) return;
    if (k >> 1 != w.word) go_to(w, w.out, k >> 1);
    w.pending |= (v & 0xffff) << (16 * (k & 1));
}

// A thread per restart interval, `lanes` of 32: others at other codes would hold each one up.
extern "C" __global__ void __launch_bounds__(32)
    decode(const u32* scan, const u32* intervals, const u32* tables, const u32* plan,
           u32* coefficients, u32 first_interval, u32 count, u32 first_frame, u32 frame_blocks,
           u32 per_mcu, u32 lanes) {
    u32 i = blockIdx.x * lanes + threadIdx.x;
    if (threadIdx.x >= lanes || i >= count) return;
    const u32* interval = intervals + (first_interval + i) * INTERVAL;
    u32 frame = interval[2], end = interval[0] + interval[1];
    Codes codes = codes_of(tables, plan, frame);
    Reader r = reader<false>(scan, interval[0], end, end, 0);
    u64 block = (frame - first_frame) * frame_blocks + interval[3] * per_mcu;
    Writer w = {coefficients + block * 32, 0, 0, false};
    Place p = {};
    at_block(p, codes, 0);
    u32 last[3] = {0, 0, 0};
    // One loop, so that threads wait for each other's codes, not for their blocks.
    for (u32 blocks = interval[4] * per_mcu; blocks > 0;) {
        bool first = p.k == 0;
        u32 v = static_cast<u32>(next<false>(r, codes, p));
        if (first) {
            v += pick(last, p.c);
            for (u32 c = 0; c < 3; c++) last[c] = p.c == c ? v : last[c];
        }
        add(w, p.k - 1, v);
        if (p.k >= 64) {
            go_to(w, w.out + 32, 0);
            p.k = 0;
            at_block(p, codes, p.j + 1 < per_mcu ? p.j + 1 : 0);
            blocks--;
        }
    }
}

// How far decoding has come at the border of two sub-sequences, in a word: bits of the second that
// belong to a code of the first (below 32, bits 0 to 4), block of an MCU (bits 8 to 11) and
// coefficient (bits 16 to 21) that come next.
DEVICE u32 packed(u32 bits, u32 j, u32 k) { return bits | j << 8 | k << 16; }

// The bits of sub-sequence `number` of an interval after the first `skip`.
static __device__ Reader begin(const u32* scan, const u32* interval, u32 number, u32 skip) {
    u32 start = interval[0] + number * SUB, end = interval[0] + interval[1];
    // The first byte may be stuffing after the last one of the sub-sequence before.
    u32 before = number > 0 ? scan[(start - 1) / 4] >> (8 * ((start - 1) & 3)) & 255 : 0;
    Reader r = reader<true>(scan, start, end, min(start + SUB, end), before == 255 ? 1 : 0);
    r.bits <<= skip;
    r.filled -= skip;
    refill<true>(r);
    return r;
}

// The state at the end of sub-sequence `number` of an interval from that at its start, and how many
// blocks end in it.
static __device__ u32 count(const u32* scan, const u32* interval, const u32* tables,
                            const u32* plan, u32 number, u32 state, u32& completed) {
    Codes codes = codes_of(tables, plan, interval[2]);
    Reader r = begin(scan, interval, number, state & 31);
    Place p = {};
    at_block(p, codes, state >> 8 & 15);
    p.k = state >> 16 & 63;
    u32 period = interval[6];
    completed = 0;
    while (r.filled > r.over) {
        next<true>(r, codes, p);
        if (p.k >= 64) {
            p.k = 0;
            at_block(p, codes, p.j + 1 < period ? p.j + 1 : 0);
            completed++;
        }
    }
    return packed(min(r.over - r.filled, 31u), p.j, p.k);
}

// Brings the sub-sequences of 256 into step: where each starts and ends, if the first one's guess is
// right. A state has four words: start, end, blocks completed in it, blocks of the frame completed
// before it. `cuts` says for each frame where its sub-sequences start, in 256s, then for each
// sub-sequence its interval. Grid: 256 sub-sequences.
extern "C" __global__ void __launch_bounds__(256)
    synchronise(const u32* scan, const u32* intervals, const u32* tables, const u32* plan,
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

// Brings the 256s of a frame into step, a thread each, the first ones in warps of their own, where
// nobody waits for another; then adds up the blocks before each sub-sequence. Grid: frames.
extern "C" __global__ void __launch_bounds__(256)
    chain(const u32* scan, const u32* intervals, const u32* tables, const u32* plan,
          const u32* cuts, u32* states, u32 frames, u32 first_group, u32 first_frame) {
    __shared__ u32 sums[8];
    __shared__ u32 changed;
    u32 t = threadIdx.x;
    u32 from = cuts[first_frame + blockIdx.x], to = cuts[first_frame + blockIdx.x + 1];
    for (u32 first = from; first < to; first += 256) {
        u32 group = first + (t >> 5) + (t & 31) * 8;
        bool mine = group > from && group < to;
        u32 cut = group * 256;
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
    scatter(const u32* scan, const u32* intervals, const u32* tables, const u32* plan,
            const u32* cuts, const u32* states, u32* coefficients, u32 frames, u32 first_group,
            u32 first_frame, u32 frame_blocks, u32 per_mcu) {
    u32 at = blockIdx.x * 64 + threadIdx.x;
    u32 cut = first_group * 256 + at;
    u32 i = cuts[frames + 1 + cut];
    if (i == NONE) return;
    const u32* interval = intervals + i * INTERVAL;
    u32 state = states[at * 4];
    u32 block = states[at * 4 + 3] - states[(interval[5] - first_group * 256) * 4 + 3];
    u32 blocks = interval[4] * per_mcu;
    Codes codes = codes_of(tables, plan, interval[2]);
    Reader r = begin(scan, interval, cut - interval[5], state & 31);
    u32 first = (interval[2] - first_frame) * frame_blocks + interval[3] * per_mcu;
    Place p = {};
    at_block(p, codes, block % per_mcu);
    p.k = state >> 16 & 63;
    Writer w = {coefficients + (static_cast<u64>(first) + block) * 32, p.k >> 1, 0, true};
    while (r.filled > r.over && block < blocks) {
        u32 v = static_cast<u32>(next<true>(r, codes, p));
        add(w, p.k - 1, v);
        if (p.k >= 64) {
            go_to(w, w.out + 32, 0);
            p.k = 0;
            block++;
            at_block(p, codes, p.j + 1 < per_mcu ? p.j + 1 : 0);
        }
    }
    flush(w, true);
}

// Adds up the differences of one component's DC values in an interval, 16 blocks a thread. Grid:
// components, then intervals in two dimensions.
extern "C" __global__ void __launch_bounds__(256)
    add_up(const u32* intervals, u32* coefficients, u32 first_interval, u32 interval_count,
           u32 first_frame, u32 frame_blocks, u32 per_mcu, u32 luma_blocks) {
    __shared__ u32 sums[8];
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
    for (u32 first = 0; first < count; first += 4096) {
        u32 mine = first + threadIdx.x * 16;
        // Block of the MCU, and where it stands.
        u32 within = mine % each, at = (mine / each * per_mcu + within) * 32;
        u32 words[16], places[16];
        u32 sum = 0;
        for (u32 i = 0; i < 16; i++) {
            words[i] = mine + i < count ? blocks[at] : 0;
            places[i] = at;
            sum += words[i];
            within++;
            at += within < each ? 32 : (per_mcu - each + 1) * 32;
            within = within < each ? within : 0;
        }
        u32 total;
        sum = done + prefix_sum(sum, sums, total);
        for (u32 i = 0; i < 16; i++) {
            sum += words[i];
            u32 word = (words[i] & 0xffff0000u) | (sum & 0xffff);
            if (mine + i < count) blocks[places[i]] = word;
        }
        done += total;
        __syncthreads();
    }
}
