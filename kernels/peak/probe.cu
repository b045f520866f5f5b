// Probes of a device's limits: chains that live in registers, a triad, a transfer's echo, a
// lone store. Chain i starts from lane i % 16 of its tables, so that the neighbours of a thread
// differ and nothing is uniform.
#include "device.h"

// x = a·x + b: 8 chains a thread, enough to cover the latency of an fma many times over.
extern "C" __global__ void __launch_bounds__(256)
    fma_f32(const float* starts, const float* addends, float* out, float a, u32 steps) {
    const u32 first = (blockIdx.x * 256 + threadIdx.x) * 8;
    float x[8], b[8];
#pragma unroll
    for (u32 i = 0; i < 8; i++) {
        x[i] = starts[(first + i) % 16];
        b[i] = addends[(first + i) % 16];
    }
    for (u32 s = 0; s < steps; s += 16) {
#pragma unroll
        for (u32 t = 0; t < 16; t++) {
#pragma unroll
            for (u32 i = 0; i < 8; i++) x[i] = fmaf(x[i], a, b[i]);
        }
    }
#pragma unroll
    for (u32 i = 0; i < 8; i++) out[first + i] = x[i];
}

// The 4 tiles of a warp.
DEVICE void store_tiles(float* out, u32 warp, const float (&d)[4][4]) {
    const u32 lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
    for (u32 i = 0; i < 4; i++) {
        float* tile = out + (warp * 4 + i) * 128;
        tile[g * 8 + 2 * t] = d[i][0];
        tile[g * 8 + 2 * t + 1] = d[i][1];
        tile[(g + 8) * 8 + 2 * t] = d[i][2];
        tile[(g + 8) * 8 + 2 * t + 1] = d[i][3];
    }
}

// C += A·B on 4 tiles a warp. A is 16×16 row major, B is 8×16 (transposed), both in bf16 pairs.
// Only where there are bf16 tensor cores (and on the host shim, whose DEVICE_ARCH is 0).
#if DEVICE_ARCH >= 80 || !DEVICE_ARCH
extern "C" __global__ void __launch_bounds__(256)
    mma_bf16(const u32* a, const u32* b, float* out, u32 steps) {
    const u32 lane = threadIdx.x % 32, warp = (blockIdx.x * 256 + threadIdx.x) / 32;
    const u32 g = lane / 4, t = lane % 4;
    const u32 fa[4] = {a[g * 8 + t], a[(g + 8) * 8 + t], a[g * 8 + t + 4], a[(g + 8) * 8 + t + 4]};
    const u32 fb[2] = {b[g * 8 + t], b[g * 8 + t + 4]};
    float d[4][4] = {};
    for (u32 s = 0; s < steps; s += 4) {
#pragma unroll
        for (u32 r = 0; r < 4; r++) {
#pragma unroll
            for (u32 i = 0; i < 4; i++) mma_m16n8k16_bf16(d[i], fa, fb);
        }
    }
    store_tiles(out, warp, d);
}

// The same of f32 words, read as TF32: two instructions for the inner size of 16.
extern "C" __global__ void __launch_bounds__(256)
    mma_tf32(const u32* a, const u32* b, float* out, u32 steps) {
    const u32 lane = threadIdx.x % 32, warp = (blockIdx.x * 256 + threadIdx.x) / 32;
    const u32 g = lane / 4, t = lane % 4;
    u32 fa[2][4], fb[2][2];
#pragma unroll
    for (u32 h = 0; h < 2; h++) {
        const u32 *left = a + g * 16 + h * 8 + t, *right = b + g * 16 + h * 8 + t;
        fa[h][0] = left[0], fa[h][1] = left[8 * 16], fa[h][2] = left[4], fa[h][3] = left[8 * 16 + 4];
        fb[h][0] = right[0], fb[h][1] = right[4];
    }
    float d[4][4] = {};
    for (u32 s = 0; s < steps; s += 4) {
#pragma unroll
        for (u32 r = 0; r < 8; r++) {
#pragma unroll
            for (u32 i = 0; i < 4; i++) mma_m16n8k8_tf32(d[i], fa[r % 2], fb[r % 2]);
        }
    }
    store_tiles(out, warp, d);
}
#endif

// x = max(x + a, floor): 8 chains a thread.
extern "C" __global__ void __launch_bounds__(256)
    add_max_i32(const i32* starts, const i32* floors, i32* out, i32 a, u32 steps) {
    const u32 first = (blockIdx.x * 256 + threadIdx.x) * 8;
    i32 x[8], b[8];
#pragma unroll
    for (u32 i = 0; i < 8; i++) {
        x[i] = starts[(first + i) % 16];
        b[i] = floors[(first + i) % 16];
    }
    for (u32 s = 0; s < steps; s += 16) {
#pragma unroll
        for (u32 t = 0; t < 16; t++) {
#pragma unroll
            for (u32 i = 0; i < 8; i++) x[i] = __viaddmax_s32(x[i], a, b[i]);
        }
    }
#pragma unroll
    for (u32 i = 0; i < 8; i++) out[first + i] = x[i];
}

// The same on two 16-bit chains a word: 16 chains a thread.
extern "C" __global__ void __launch_bounds__(256)
    add_max_i16(const u32* starts, const u32* floors, u32* out, i32 a, u32 steps) {
    const u32 first = (blockIdx.x * 256 + threadIdx.x) * 8;
    const u32 both = (static_cast<u32>(a) & 0xffffu) * 0x10001u;
    u32 x[8], b[8];
#pragma unroll
    for (u32 i = 0; i < 8; i++) {
        x[i] = starts[(first + i) % 8];
        b[i] = floors[(first + i) % 8];
    }
    for (u32 s = 0; s < steps; s += 16) {
#pragma unroll
        for (u32 t = 0; t < 16; t++) {
#pragma unroll
            for (u32 i = 0; i < 8; i++) x[i] = __viaddmax_s16x2(x[i], both, b[i]);
        }
    }
#pragma unroll
    for (u32 i = 0; i < 8; i++) out[first + i] = x[i];
}

// out = b + factor·c, in vectors of four.
extern "C" __global__ void __launch_bounds__(256)
    triad(const float4* b, const float4* c, float4* out, float factor, u32 vectors) {
    for (u32 i = blockIdx.x * 256 + threadIdx.x; i < vectors; i += gridDim.x * 256) {
        const float4 p = b[i], q = c[i];
        out[i] = make_float4(fmaf(q.x, factor, p.x), fmaf(q.y, factor, p.y),
                             fmaf(q.z, factor, p.z), fmaf(q.w, factor, p.w));
    }
}

// Flips every bit of what was uploaded.
extern "C" __global__ void __launch_bounds__(256)
    invert(const uint4* words, uint4* out, u32 vectors) {
    for (u32 i = blockIdx.x * 256 + threadIdx.x; i < vectors; i += gridDim.x * 256) {
        const uint4 w = words[i];
        out[i] = make_uint4(~w.x, ~w.y, ~w.z, ~w.w);
    }
}

// As little as a kernel can do and still be checked.
extern "C" __global__ void __launch_bounds__(32) touch(u32* out, u32 value) {
    if (threadIdx.x == 0) out[0] = value;
}
