// The integer transforms: eight threads a block, eight blocks a thread block. Layouts of buffers
// and tables: gpu.rs, device_tables.rs.
// Coefficients (zigzag order) are packed two to a word, samples four, low part first.
#include "device.h"

// Samples of a block in shared memory: rows 9 words apart, blocks 73, against bank conflicts.
#define ROW 9
#define BLOCK 73

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

// Component of a block, its column among the component's blocks, and its row.
struct Place {
    u32 component, x, y;
};

// Of the block of the MCU there that `entry` of the plan describes.
DEVICE Place place_of(u32 mcu_x, u32 mcu_y, u32 entry) {
    u32 h = entry >> 12 & 15, v = entry >> 16 & 15;
    return {entry & 15, mcu_x * h + (entry >> 4 & 15), mcu_y * v + (entry >> 8 & 15)};
}

// Dequantises, transforms and stores 8 blocks, 8 threads each. Grid: 8 blocks of a row of MCUs,
// rows of MCUs, frames.
extern "C" __global__ void __launch_bounds__(64)
    inverse(const u32* coefficients, const u32* tables, const u32* encoder, const u32* plan,
            u32* planes, u32 first_frame, u32 mcus_x, u32 per_mcu, u32 frame_words) {
    __shared__ i32 tile[8 * BLOCK];
    u32 t = threadIdx.x & 7;
    i32* mine = tile + (threadIdx.x >> 3) * BLOCK;
    u32 row_blocks = mcus_x * per_mcu;
    u32 b = blockIdx.x * 8 + (threadIdx.x >> 3);
    bool valid = b < row_blocks;
    Place p = place_of(b / per_mcu, blockIdx.y, plan[48 + b % per_mcu]);
    i32 x[8];
    if (valid) {
        const u32* quant = tables + tables[(first_frame + blockIdx.z) * 9 + p.component] + t * 8;
        u64 block = static_cast<u64>(blockIdx.z * gridDim.y + blockIdx.y) * row_blocks + b;
        const u32* in = coefficients + block * 32 + t * 4;
        for (u32 i = 0; i < 8; i++) {
            u32 word = in[i >> 1];
            i32 c = static_cast<i16>(i & 1 ? word >> 16 : word & 0xffff);
            u32 natural = encoder[t * 8 + i];
            i32 product = c * static_cast<i32>(quant[i]);
            mine[(natural >> 3) * ROW + (natural & 7)] = static_cast<i16>(product & 0xffff);
        }
    }
    __syncthreads();
    if (valid) {
        for (u32 i = 0; i < 8; i++) x[i] = mine[i * ROW + t];
        inverse_pass(x, 11);
        for (u32 i = 0; i < 8; i++) mine[i * ROW + t] = min(max(x[i], -32768), 32767);
    }
    __syncthreads();
    if (!valid) return;
    for (u32 i = 0; i < 8; i++) x[i] = mine[t * ROW + i];
    inverse_pass(x, 18);
    u32 words[2] = {0, 0};
    for (u32 i = 0; i < 8; i++) {
        u32 sample = static_cast<u32>(min(max(x[i] + 128, 0), 255));
        words[i >> 2] |= sample << (8 * (i & 3));
    }
    const u32* g = plan + p.component * 16;
    u32* out = planes + static_cast<u64>(blockIdx.z) * frame_words + g[0] + (p.y * 8 + t) * g[1];
    out[p.x * 2] = words[0];
    out[p.x * 2 + 1] = words[1];
}

// Transforms and quantises 8 blocks, 8 threads each; same grid over the scaled planes.
extern "C" __global__ void __launch_bounds__(64)
    forward(const u32* scaled, const u32* encoder, const u32* plan, u32* spectrum, u32 mcus_x,
            u32 per_mcu, u32 frame_words) {
    __shared__ i32 tile[8 * BLOCK];
    u32 t = threadIdx.x & 7;
    i32* mine = tile + (threadIdx.x >> 3) * BLOCK;
    u32 row_blocks = mcus_x * per_mcu;
    u32 b = blockIdx.x * 8 + (threadIdx.x >> 3);
    bool valid = b < row_blocks;
    Place p = place_of(b / per_mcu, blockIdx.y, plan[60 + b % per_mcu]);
    i32 x[8];
    if (valid) {
        const u32* g = plan + p.component * 16;
        const u32* in = scaled + static_cast<u64>(blockIdx.z) * frame_words + g[4];
        in += (p.y * 8 + t) * g[5] + p.x * 2;
        for (u32 i = 0; i < 8; i++) {
            x[i] = static_cast<i32>(in[i >> 2] >> (8 * (i & 3)) & 255) - 128;
        }
        forward_pass(x, 2, 0, 11);
        for (u32 i = 0; i < 8; i++) mine[t * ROW + i] = x[i];
    }
    __syncthreads();
    if (valid) {
        for (u32 i = 0; i < 8; i++) x[i] = mine[i * ROW + t];
        forward_pass(x, 0, 2, 15);
        for (u32 i = 0; i < 8; i++) mine[i * ROW + t] = x[i];
    }
    __syncthreads();
    if (!valid) return;
    const u32* divisors = encoder + (p.component == 0 ? 64 : 128) + t * 8;
    u64 block = static_cast<u64>(blockIdx.z * gridDim.y + blockIdx.y) * row_blocks + b;
    u32* out = spectrum + block * 32 + t * 4;
    u32 low = 0;
    for (u32 i = 0; i < 8; i++) {
        u32 natural = encoder[t * 8 + i];
        i32 v = mine[(natural >> 3) * ROW + (natural & 7)];
        u32 divisor = divisors[i];
        i32 q = static_cast<i32>((static_cast<u32>(v < 0 ? -v : v) + divisor / 2) / divisor);
        u32 half = static_cast<u32>(v < 0 ? -q : q) & 0xffff;
        if (i & 1) {
            out[i >> 1] = low | half << 16;
        } else {
            low = half;
        }
    }
}
