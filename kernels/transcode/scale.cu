// The separable filter, four samples a thread. Layouts of buffers and of `plan`: gpu.rs,
// device_tables.rs.
#include "device.h"

// Four samples of one row, filtered down. Grid: words of a row, output rows, components x frames.
extern "C" __global__ void __launch_bounds__(64)
    down(const u32* planes, const i32* plan, u32* middle, u32 plane_words, u32 middle_words,
         u32 components) {
    u32 frame = blockIdx.z / components;
    const i32* g = plan + blockIdx.z % components * 16;
    u32 x = blockIdx.x * 64 + threadIdx.x;
    u32 y = blockIdx.y;
    u32 stride = static_cast<u32>(g[1]);
    if (x >= stride || y >= static_cast<u32>(g[7])) return;
    const u32* in = planes + static_cast<u64>(frame) * plane_words + g[0] + x;
    i32 first = plan[g[9] + y];
    i32 taps = g[11];
    const i32* weights = plan + g[10] + y * taps;
    i32 s[4] = {128, 128, 128, 128};
    for (i32 k = 0; k < taps; k++) {
        u32 word = in[static_cast<u32>(min(max(first + k, 0), g[3] - 1)) * stride];
        i32 w = weights[k];
        for (u32 i = 0; i < 4; i++) s[i] += w * static_cast<i32>(word >> (8 * i) & 255);
    }
    u32 at = static_cast<u32>(g[8]) + (y * stride + x) * 2;
    u32* out = middle + static_cast<u64>(frame) * middle_words + at;
    for (u32 i = 0; i < 2; i++) {
        u32 low = static_cast<u32>(s[2 * i] >> 8) & 0xffff;
        out[i] = low | static_cast<u32>(s[2 * i + 1] >> 8) << 16;
    }
}

// Four samples of one output row, padding included, filtered across. Grid: words of a row, rows,
// components x frames.
extern "C" __global__ void __launch_bounds__(64)
    across(const u32* middle, const i32* plan, u32* scaled, u32 middle_words, u32 scaled_words,
           u32 components) {
    u32 frame = blockIdx.z / components;
    const i32* g = plan + blockIdx.z % components * 16;
    u32 x = blockIdx.x * 64 + threadIdx.x;
    i32 y = static_cast<i32>(blockIdx.y);
    if (x >= static_cast<u32>(g[5]) || y >= g[15]) return;
    const u32* in = middle + static_cast<u64>(frame) * middle_words + g[8];
    in += min(y, g[7] - 1) * g[1] * 2;
    i32 taps = g[14];
    u32 word = 0;
    for (u32 i = 0; i < 4; i++) {
        i32 column = min(static_cast<i32>(x * 4 + i), g[6] - 1);
        i32 first = plan[g[12] + column];
        const i32* weights = plan + g[13] + column * taps;
        i32 sum = 1 << 19;
        for (i32 k = 0; k < taps; k++) {
            u32 from = static_cast<u32>(min(max(first + k, 0), g[2] - 1));
            u32 pair = in[from >> 1];
            sum += weights[k] * static_cast<i16>(from & 1 ? pair >> 16 : pair & 0xffff);
        }
        word |= static_cast<u32>(min(max(sum >> 20, 0), 255)) << (8 * i);
    }
    u32 at = static_cast<u32>(g[4]) + blockIdx.y * static_cast<u32>(g[5]) + x;
    scaled[static_cast<u64>(frame) * scaled_words + at] = word;
}
