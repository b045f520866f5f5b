// The integer transforms: eight threads a block of samples, 24 such blocks at once. 24 is a multiple of
// every number of blocks that an MCU can have, so that a thread meets the same component again and keeps
// quantiser and positions in registers. Between passes values have 16 bits and change hands in shared
// memory, inside a warp. Layouts of buffers and tables: gpu.rs, device_tables.rs.
// Coefficients (zigzag order) are packed two to a word, samples four, low part first.
#include "device.h"

// Blocks at once, and how often, in a thread block (as in gpu.rs).
#define BLOCKS 24
#define PASSES 6
// Words of a block in shared memory: 32, and 8 more against bank conflicts.
#define WORDS 40

// The four odd sums of either direction.
DEVICE void odd_part(i32 a, i32 b, i32 c, i32 d, i32 out[4]) {
    out[0] = a * 11363 + b * 9633 + c * 6437 + d * 2260;
    out[1] = a * 9633 - b * 2259 - c * 11362 - d * 6436;
    out[2] = a * 6437 - b * 11362 + c * 2261 + d * 9633;
    out[3] = a * 2260 - b * 6436 + c * 9633 - d * 11363;
}

// Samples from coefficients; rounded after `bits`.
DEVICE void inverse_pass(i32 x[8], u32 bits) {
    i32 odd[4];
    odd_part(x[1], x[3], x[5], x[7], odd);
    i32 sum = (x[0] + x[4]) * 8192;
    i32 difference = (x[0] - x[4]) * 8192;
    i32 high = x[2] * 10703 + x[6] * 4433;
    i32 low = x[2] * 4433 - x[6] * 10704;
    i32 even[4] = {sum + high, difference + low, difference - low, sum - high};
    i32 half = 1 << (bits - 1);
    for (u32 n = 0; n < 4; n++) {
        x[n] = (even[n] + odd[n] + half) >> bits;
        x[7 - n] = (even[n] - odd[n] + half) >> bits;
    }
}

// Coefficients from samples; `up` and `down` shift those that need no multiplication.
DEVICE void forward_pass(i32 x[8], u32 up, u32 down, u32 bits) {
    i32 s[4], d[4], odd[4];
    for (u32 n = 0; n < 4; n++) {
        s[n] = x[n] + x[7 - n];
        d[n] = x[n] - x[7 - n];
    }
    odd_part(d[0], d[1], d[2], d[3], odd);
    i32 half = 1 << (bits - 1);
    i32 small = (1 << down) >> 1;
    i32 outer = s[0] + s[3], inner = s[1] + s[2];
    i32 a = s[0] - s[3], b = s[1] - s[2];
    x[0] = ((outer + inner) * (1 << up) + small) >> down;
    x[4] = ((outer - inner) * (1 << up) + small) >> down;
    x[2] = (a * 10703 + b * 4433 + half) >> bits;
    x[6] = (a * 4433 - b * 10704 + half) >> bits;
    for (u32 n = 0; n < 4; n++) x[2 * n + 1] = (odd[n] + half) >> bits;
}

// Where the block of this thread's first pass stands, of the MCU's block that `entry` of the plan
// describes: component, column and row among the component's blocks; and columns from pass to pass.
struct Place {
    u32 component, x, y, step;
};

DEVICE Place place_of(u32 mcu_x, u32 mcu_y, u32 entry, u32 per_mcu) {
    u32 h = entry >> 12 & 15, v = entry >> 16 & 15;
    u32 x = mcu_x * h + (entry >> 4 & 15), y = mcu_y * v + (entry >> 8 & 15);
    return {entry & 15, x, y, BLOCKS / per_mcu * h};
}

// Dequantises, transforms and stores blocks, 8 threads each. Grid: 6 times 24 blocks of a row of MCUs,
// rows of MCUs, frames.
extern "C" __global__ void __launch_bounds__(192)
    inverse(const u32* coefficients, const u32* tables, const u32* encoder, const u32* plan,
            u32* planes, u32 first_frame, u32 mcus_x, u32 per_mcu, u32 frame_words) {
    __shared__ uint4 raw[BLOCKS * WORDS / 4], middle[BLOCKS * WORDS / 4];
    u32 t = threadIdx.x & 7, slot = threadIdx.x >> 3;
    uint4* mine = raw + slot * (WORDS / 4);
    uint4* pairs = middle + slot * (WORDS / 4);
    u32 row_blocks = mcus_x * per_mcu;
    u32 b = blockIdx.x * (BLOCKS * PASSES) + slot;
    Place p = place_of(b / per_mcu, blockIdx.y, plan[48 + slot % per_mcu], per_mcu);
    // Of column t: where its coefficients stand, and their quantisers.
    const u32* quant = tables + tables[(first_frame + blockIdx.z) * 9 + p.component];
    const i16* from[8];
    i32 factors[8];
    for (u32 i = 0; i < 8; i++) {
        u32 zigzag = encoder[864 + i * 8 + t];
        from[i] = reinterpret_cast<const i16*>(mine) + zigzag;
        factors[i] = static_cast<i32>(quant[zigzag]);
    }
    u64 block = static_cast<u64>(blockIdx.z * gridDim.y + blockIdx.y) * row_blocks + b;
    const uint4* in = reinterpret_cast<const uint4*>(coefficients) + block * 8 + t;
    const u32* g = plan + p.component * 16;
    u32* out = planes + static_cast<u64>(blockIdx.z) * frame_words + g[0];
    out += (p.y * 8 + t) * g[1] + p.x * 2;
    uint4 ahead = b < row_blocks ? *in : make_uint4(0, 0, 0, 0);
    for (u32 pass = 0; pass < PASSES && b - slot < row_blocks; pass++) {
        bool valid = b < row_blocks;
        mine[t] = ahead;
        b += BLOCKS;
        in += BLOCKS * 8;
        if (pass + 1 < PASSES && b < row_blocks) ahead = *in;
        __syncwarp();
        i32 x[8];
        for (u32 i = 0; i < 8; i++) x[i] = static_cast<i16>(*from[i] * factors[i] & 0xffff);
        inverse_pass(x, 11);
        u32* column = reinterpret_cast<u32*>(pairs) + t;
        for (u32 n = 0; n < 4; n++) column[n * 8] = pack_signed(x[2 * n], x[2 * n + 1]);
        __syncwarp();
        uint4 left = pairs[t / 2 * 2], right = pairs[t / 2 * 2 + 1];
        u32 words[8] = {left.x, left.y, left.z, left.w, right.x, right.y, right.z, right.w};
        u32 half = t & 1 ? 0xbb32 : 0x9910;
        for (u32 i = 0; i < 8; i++) x[i] = static_cast<i32>(permute_signed(words[i], 0, half));
        inverse_pass(x, 18);
        for (u32 i = 0; i < 8; i++) x[i] += 128;
        uint2 samples = make_uint2(pack_samples(x), pack_samples(x + 4));
        if (valid) *reinterpret_cast<uint2*>(out) = samples;
        out += p.step * 2;
    }
}

// Transforms and quantises blocks, 8 threads each; same grid over the scaled planes.
extern "C" __global__ void __launch_bounds__(192)
    forward(const u32* scaled, const u32* encoder, const u32* plan, u32* spectrum, u32 mcus_x,
            u32 per_mcu, u32 frame_words) {
    __shared__ uint4 rows[BLOCKS * WORDS / 4], done[BLOCKS * WORDS / 4];
    u32 t = threadIdx.x & 7, slot = threadIdx.x >> 3;
    uint4* mine = rows + slot * (WORDS / 4);
    uint4* ordered = done + slot * (WORDS / 4);
    u32 row_blocks = mcus_x * per_mcu;
    u32 b = blockIdx.x * (BLOCKS * PASSES) + slot;
    Place p = place_of(b / per_mcu, blockIdx.y, plan[60 + slot % per_mcu], per_mcu);
    // Of column t: where its coefficients go, half their divisors, and 2^32 over these, rounded up.
    u32 quant = p.component == 0 ? 0 : 64;
    i16* to[8];
    u32 halves[8], inverses[8];
    for (u32 i = 0; i < 8; i++) {
        u32 zigzag = encoder[864 + i * 8 + t];
        to[i] = reinterpret_cast<i16*>(ordered) + zigzag;
        halves[i] = encoder[64 + quant + zigzag] / 2;
        inverses[i] = encoder[736 + quant + zigzag];
    }
    const u32* g = plan + p.component * 16;
    const u32* in = scaled + static_cast<u64>(blockIdx.z) * frame_words + g[4];
    in += (p.y * 8 + t) * g[5] + p.x * 2;
    u64 block = static_cast<u64>(blockIdx.z * gridDim.y + blockIdx.y) * row_blocks + b;
    uint4* out = reinterpret_cast<uint4*>(spectrum) + block * 8 + t;
    for (u32 pass = 0; pass < PASSES && b - slot < row_blocks; pass++) {
        bool valid = b < row_blocks;
        uint2 words = valid ? *reinterpret_cast<const uint2*>(in) : make_uint2(0, 0);
        in += p.step * 2;
        b += BLOCKS;
        i32 x[8];
        for (u32 i = 0; i < 8; i++) {
            u32 word = i < 4 ? words.x : words.y;
            x[i] = static_cast<i32>(word >> (8 * (i & 3)) & 255) - 128;
        }
        forward_pass(x, 2, 0, 11);
        mine[t] = make_uint4(pack_signed(x[0], x[1]), pack_signed(x[2], x[3]),
                             pack_signed(x[4], x[5]), pack_signed(x[6], x[7]));
        __syncwarp();
        const i16* column = reinterpret_cast<const i16*>(mine) + t;
        for (u32 i = 0; i < 8; i++) x[i] = column[i * 8];
        forward_pass(x, 0, 2, 15);
        for (u32 i = 0; i < 8; i++) {
            u32 size = static_cast<u32>(x[i] < 0 ? -x[i] : x[i]);
            i32 q = static_cast<i32>(__umulhi(size + halves[i], inverses[i]));
            *to[i] = static_cast<i16>(x[i] < 0 ? -q : q);
        }
        __syncwarp();
        if (valid) *out = ordered[t];
        out += BLOCKS * 8;
    }
}
