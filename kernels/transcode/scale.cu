// The separable filter. Weights come in pairs, two signed halves of a word, for pairs of inputs that
// all exist: edges are in the weights (device_tables.rs). A product with a pair of samples is one
// instruction where samples are bytes, so middle samples, which have 16 bits, stand in words of two
// low bytes, then two high ones. Layouts of buffers and of `plan`: gpu.rs, device_tables.rs.
#include "device.h"

// Adds four columns of two rows, one weight each.
DEVICE void add_rows(u32 weights, u32 upper, u32 lower, i32* sums) {
    u32 left = __byte_perm(upper, lower, 0x5140), right = __byte_perm(upper, lower, 0x7362);
    sums[0] = dot_low(weights, left, sums[0]);
    sums[1] = dot_high(weights, left, sums[1]);
    sums[2] = dot_low(weights, right, sums[2]);
    sums[3] = dot_high(weights, right, sums[3]);
}

// Bits 8 to 23 of two sums as a middle word.
DEVICE u32 middle_word(i32 first, i32 second) {
    return __byte_perm(static_cast<u32>(first), static_cast<u32>(second), 0x6251);
}

// Eight samples of one row a thread, filtered down. A warp has a row, so that the eight warps, whose
// inputs overlap, find most of them in the first-level cache. Grid: 256 samples of a row, 8 output
// rows, components x frames.
extern "C" __global__ void __launch_bounds__(256)
    down(const u32* planes, const i32* plan, u32* middle, u32 plane_words, u32 middle_words,
         u32 components) {
    u32 frame = blockIdx.z / components;
    const i32* g = plan + blockIdx.z % components * 16;
    u32 x = blockIdx.x * 32 + (threadIdx.x & 31);
    u32 y = blockIdx.y * 8 + (threadIdx.x >> 5);
    u32 stride = static_cast<u32>(g[1]) / 2;
    if (x >= stride || y >= static_cast<u32>(g[7])) return;
    const uint2* in =
        reinterpret_cast<const uint2*>(planes + static_cast<u64>(frame) * plane_words + g[0]);
    in += static_cast<u32>(plan[g[9] + y]) * stride + x;
    u32 pairs = static_cast<u32>(g[11]);
    const i32* weights = plan + g[10] + y * pairs;
    i32 s[8] = {128, 128, 128, 128, 128, 128, 128, 128};
#pragma unroll 4
    for (u32 k = 0; k < pairs; k++) {
        uint2 upper = in[0], lower = in[stride];
        in += 2 * stride;
        u32 w = static_cast<u32>(weights[k]);
        add_rows(w, upper.x, lower.x, s);
        add_rows(w, upper.y, lower.y, s + 4);
    }
    uint4* out = reinterpret_cast<uint4*>(middle + static_cast<u64>(frame) * middle_words + g[8]);
    out[y * stride + x] = make_uint4(middle_word(s[0], s[1]), middle_word(s[2], s[3]),
                                     middle_word(s[4], s[5]), middle_word(s[6], s[7]));
}

// One column of eight output rows a thread, padding included, filtered across. Neighbouring threads
// read neighbouring words, of weights too, and a weight serves all eight rows. Samples change hands in
// shared memory, where rows make words. Grid: 256 columns, 8 rows, components x frames.
extern "C" __global__ void __launch_bounds__(256)
    across(const u32* middle, const i32* plan, u32* scaled, u32 middle_words, u32 scaled_words,
           u32 components) {
    // Four rows a word, for each column.
    __shared__ uint4 tile[2][64];
    u32 frame = blockIdx.z / components;
    const i32* g = plan + blockIdx.z % components * 16;
    u32 stride = static_cast<u32>(g[5]), y = blockIdx.y * 8;
    if (blockIdx.x * 64 >= stride || y >= static_cast<u32>(g[15])) return;
    u32 width = static_cast<u32>(g[6]);
    u32 column = min(blockIdx.x * 256 + threadIdx.x, width - 1);
    const u32* in = middle + static_cast<u64>(frame) * middle_words + g[8];
    in += static_cast<u32>(plan[g[12] + column]) / 2;
    u32 rows[8];
    for (u32 r = 0; r < 8; r++) {
        rows[r] = min(y + r, static_cast<u32>(g[7]) - 1) * static_cast<u32>(g[1]) * 2;
    }
    const i32* weights = plan + g[13] + column;
    i32 low[8], high[8];
    for (u32 r = 0; r < 8; r++) {
        low[r] = 1 << 19;
        high[r] = 0;
    }
    for (i32 k = 0; k < g[14]; k++) {
        u32 w = static_cast<u32>(*weights);
        weights += width;
        for (u32 r = 0; r < 8; r++) {
            u32 pair = in[rows[r]];
            low[r] = dot_low(w, pair, low[r]);
            high[r] = dot_high_signed(w, pair, high[r]);
        }
        in++;
    }
    for (u32 half = 0; half < 2; half++) {
        u32 word = 0;
        for (u32 r = 0; r < 4; r++) {
            i32 sum = low[half * 4 + r] + high[half * 4 + r] * 256;
            word |= static_cast<u32>(min(max(sum >> 20, 0), 255)) << (8 * r);
        }
        reinterpret_cast<u32*>(tile[half])[threadIdx.x] = word;
    }
    __syncthreads();
    u32 x = blockIdx.x * 64 + (threadIdx.x & 63), row = threadIdx.x >> 6;
    if (x >= stride) return;
    u32* out = scaled + static_cast<u64>(frame) * scaled_words + g[4] + (y + row) * stride + x;
    for (u32 half = 0; half < 2; half++) {
        uint4 columns = tile[half][threadIdx.x & 63];
        u32 pick = row | (row + 4) << 4;
        u32 left = __byte_perm(columns.x, columns.y, pick);
        u32 right = __byte_perm(columns.z, columns.w, pick);
        out[half * 4 * stride] = __byte_perm(left, right, 0x5410);
    }
}
