// C = A·B where A has few rows, so that reading B is the work: row major, `batch` products along
// blockIdx.z. Four neighbouring threads read 16 bytes each of one row of B, four rows one after the
// other; the 512 threads of a block share the rows among themselves, so that one block makes its
// columns (16 of f32, 32 of bf16) from all of k. Parts of `depth` along k stand one after the other
// along blockIdx.y, for matrices that have too few columns.
#include "device.h"

const u32 threads = 512, lanes = 4, run = 4;  // neighbours; rows of B a thread takes at a time

DEVICE void widen(float (&to)[4], const float* from) {
    const float4 v = *reinterpret_cast<const float4*>(from);
    to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
}
DEVICE void widen(float (&to)[8], const u16* from) {
    const uint4 v = *reinterpret_cast<const uint4*>(from);
    const u32 words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (u32 i = 0; i < 4; i++) to[i * 2] = bf16_low(words[i]), to[i * 2 + 1] = bf16_high(words[i]);
}
// Four values of A in a row.
DEVICE void four(float (&to)[run], const float* from) { widen(to, from); }
DEVICE void four(float (&to)[run], const u16* from) {
    const uint2 v = *reinterpret_cast<const uint2*>(from);
    to[0] = bf16_low(v.x), to[1] = bf16_high(v.x), to[2] = bf16_low(v.y), to[3] = bf16_high(v.y);
}
DEVICE float one(float x) { return x; }
DEVICE float one(u16 x) { return bf16_to_float(x); }

// `rows` ≥ m. `vectors`: k is a multiple of 4, n of the columns of 16 bytes.
template <u32 rows, bool vectors, class T>
DEVICE void few_rows(const T* a, const T* b, float* out, u32 m, u32 n, u32 k, u32 depth) {
    const u32 wide = 16 / sizeof(T), block_columns = lanes * wide;
    const u32 thread = threadIdx.x, column = (blockIdx.x * lanes + thread % lanes) * wide;
    a += static_cast<u64>(blockIdx.z) * m * k;
    b += static_cast<u64>(blockIdx.z) * k * n;
    const u32 k_end = min(k, (blockIdx.y + 1) * depth);
    float sum[rows][wide] = {};
    if (column < n) {
#pragma unroll 2
        for (u32 k0 = blockIdx.y * depth + thread / lanes * run; k0 < k_end;
             k0 += threads / lanes * run) {
            float bv[run][wide];
#pragma unroll
            for (u32 r = 0; r < run; r++) {
                const T* from = b + static_cast<u64>(k0 + r) * n + column;
                if (vectors) {
                    widen(bv[r], from);
                } else {
#pragma unroll
                    for (u32 j = 0; j < wide; j++) {
                        bv[r][j] = k0 + r < k_end && column + j < n ? one(from[j]) : 0.0f;
                    }
                }
            }
#pragma unroll
            for (u32 i = 0; i < rows; i++) {
                if (i >= m) break;
                float av[run];
                const T* from = a + static_cast<u64>(i) * k + k0;
                if (vectors) {
                    four(av, from);
                } else {
#pragma unroll
                    for (u32 r = 0; r < run; r++) av[r] = k0 + r < k_end ? one(from[r]) : 0.0f;
                }
#pragma unroll
                for (u32 r = 0; r < run; r++) {
#pragma unroll
                    for (u32 j = 0; j < wide; j++) sum[i][j] = fmaf(av[r], bv[r][j], sum[i][j]);
                }
            }
        }
    }
    // Over the eight groups of four threads in a warp, then over the warps.
    __shared__ float sums[threads / 32][rows][block_columns];
#pragma unroll
    for (u32 i = 0; i < rows; i++) {
#pragma unroll
        for (u32 j = 0; j < wide; j++) {
            float x = sum[i][j];
            for (u32 apart = lanes; apart < 32; apart *= 2) {
                x += __shfl_xor_sync(0xffffffffu, x, apart);
            }
            if (thread % 32 < lanes) sums[thread / 32][i][thread % lanes * wide + j] = x;
        }
    }
    __syncthreads();
    out += (static_cast<u64>(blockIdx.y) * gridDim.z + blockIdx.z) * m * n;
    for (u32 index = thread; index < rows * block_columns; index += threads) {
        const u32 i = index / block_columns, to = blockIdx.x * block_columns + index % block_columns;
        if (i >= m || to >= n) continue;
        float x = 0.0f;
#pragma unroll
        for (u32 w = 0; w < threads / 32; w++) x += sums[w][i][index % block_columns];
        out[static_cast<u64>(i) * n + to] = x;
    }
}

#define ARGS(T) const T *a, const T *b, float *out, u32 m, u32 n, u32 k, u32 depth

extern "C" __global__ void __launch_bounds__(512) matmul_f32_row(ARGS(float)) {
    few_rows<1, true>(a, b, out, m, n, k, depth);
}
extern "C" __global__ void __launch_bounds__(512) matmul_f32_rows(ARGS(float)) {
    few_rows<8, true>(a, b, out, m, n, k, depth);
}
extern "C" __global__ void __launch_bounds__(512) matmul_f32_rows_unaligned(ARGS(float)) {
    few_rows<8, false>(a, b, out, m, n, k, depth);
}
extern "C" __global__ void __launch_bounds__(512) matmul_bf16_row(ARGS(u16)) {
    few_rows<1, true>(a, b, out, m, n, k, depth);
}
extern "C" __global__ void __launch_bounds__(512) matmul_bf16_rows(ARGS(u16)) {
    few_rows<8, true>(a, b, out, m, n, k, depth);
}
extern "C" __global__ void __launch_bounds__(512) matmul_bf16_rows_unaligned(ARGS(u16)) {
    few_rows<8, false>(a, b, out, m, n, k, depth);
}

// C from `parts` sums, in order.
extern "C" __global__ void __launch_bounds__(256)
matmul_sum_parts(const float* partial, float* c, u32 values, u32 parts) {
    const u32 index = blockIdx.x * 256 + threadIdx.x;
    if (index >= values) return;
    float sum = 0.0f;
#pragma unroll 4
    for (u32 p = 0; p < parts; p++) sum += partial[static_cast<u64>(p) * values + index];
    c[index] = sum;
}
