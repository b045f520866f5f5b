// C = A·B in f32 for chips that copy to shared memory by themselves (compute capability 8.0 on):
// row major, `batch` products. A block of 256 threads makes one tile; slabs of 16 along k pass
// through a ring in shared memory. Where `depth` is less than k, that many values along k are a part
// of their own, and the parts stand one after the other (each `batch` whole C) for
// `matmul_sum_parts`: blockIdx.z = part · batch + product.
// architectures: 80 90
#include "device.h"

#if DEVICE_ARCH == 0 || DEVICE_ARCH >= 80
const u32 ring = 3;
const u32 band_rows = 8;  // tiles of rows that blocks go down before the next column

// `row_warps` × (8 / row_warps) warps, each 4·rows × 32·fours. `vectors`: k and n are multiples of 4.
template <u32 row_warps, u32 rows, u32 fours, bool vectors>
DEVICE void staged(const float* a, const float* b, float* c, u32 m, u32 n, u32 k, u32 depth) {
    const u32 tile_m = row_warps * rows * 4, tile_n = 8 / row_warps * fours * 32;
    const u32 a_floats = tile_m * register_slab_stride, b_floats = register_slab * tile_n;
    float* shared = dynamic_shared<float>();
    const u32 batch = gridDim.z / ((k + depth - 1) / depth), product = blockIdx.z % batch;
    a += static_cast<u64>(product) * m * k;
    b += static_cast<u64>(product) * k * n;
    c += static_cast<u64>(blockIdx.z) * m * n;
    const u32 k_first = blockIdx.z / batch * depth, k_end = min(k, k_first + depth);

    // Neighbouring blocks share rows of A and columns of B while those are in the cache.
    const u32 all_rows = (m + tile_m - 1) / tile_m, columns = (n + tile_n - 1) / tile_n;
    const u32 first = blockIdx.x / (band_rows * columns) * band_rows;
    const u32 height = min(band_rows, all_rows - first), inside = blockIdx.x % (band_rows * columns);
    const u32 row0 = (first + inside % height) * tile_m, column0 = inside / height * tile_n;

    const u32 thread = threadIdx.x, step = vectors ? 4 : 1;
    auto fetch = [&](u32 k0, float* to) {
        const u32 a_each = register_slab / step, b_each = tile_n / step;
#pragma unroll
        for (u32 i = 0; i < tile_m * a_each / 256; i++) {
            const u32 index = thread + i * 256, row = index / a_each, ak = index % a_each * step;
            const bool valid = row0 + row < m && k0 + ak < k_end;
            const float* from = valid ? a + static_cast<u64>(row0 + row) * k + k0 + ak : a;
            float* there = to + row * register_slab_stride + ak;
            copy_async_floats_or_zero<vectors>(there, from, valid);
        }
#pragma unroll
        for (u32 i = 0; i < register_slab * b_each / 256; i++) {
            const u32 index = thread + i * 256, bk = index / b_each, column = index % b_each * step;
            const bool valid = k0 + bk < k_end && column0 + column < n;
            const float* from = valid ? b + static_cast<u64>(k0 + bk) * n + column0 + column : b;
            float* there = to + a_floats + bk * tile_n + column;
            copy_async_floats_or_zero<vectors>(there, from, valid);
        }
        copy_async_commit();
    };

    const u32 warp = thread / 32, lane = thread % 32;
    const u32 warp_row = warp % row_warps * rows * 4, warp_column = warp / row_warps * fours * 32;
    float sum[rows][fours * 4] = {};
    for (u32 s = 0; s < ring - 1; s++) fetch(k_first + s * register_slab, shared + s * (a_floats + b_floats));
    u32 at = 0, next = ring - 1;
    for (u32 k0 = k_first; k0 < k_end; k0 += register_slab) {
        copy_async_wait<ring - 2>();
        // Now the slab is there, and all have done with the one before it.
        __syncthreads();
        fetch(k0 + (ring - 1) * register_slab, shared + next * (a_floats + b_floats));
        const float* stage = shared + at * (a_floats + b_floats);
        multiply_slab<rows, fours>(sum, stage + warp_row * register_slab_stride,
                                   stage + a_floats + warp_column, tile_n);
        at = at + 1 == ring ? 0 : at + 1;
        next = next + 1 == ring ? 0 : next + 1;
    }

    const u32 row = row0 + warp_row + lane / 8, column = column0 + warp_column + lane % 8 * 4;
#pragma unroll
    for (u32 i = 0; i < rows; i++) {
        if (row + i * 4 >= m) break;
        float* to = c + static_cast<u64>(row + i * 4) * n + column;
#pragma unroll
        for (u32 j = 0; j < fours; j++) {
            const float* four = sum[i] + j * 4;
            if (vectors) {
                if (column + j * 32 >= n) continue;
                *reinterpret_cast<float4*>(to + j * 32) =
                    make_float4(four[0], four[1], four[2], four[3]);
            } else {
#pragma unroll
                for (u32 q = 0; q < 4; q++) {
                    if (column + j * 32 + q < n) to[j * 32 + q] = four[q];
                }
            }
        }
    }
}

#define ARGS const float *a, const float *b, float *c, u32 m, u32 n, u32 k, u32 depth

extern "C" __global__ void __launch_bounds__(256, 2) matmul_f32_128x128(ARGS) {
    staged<4, 8, 2, true>(a, b, c, m, n, k, depth);
}
extern "C" __global__ void __launch_bounds__(256, 1) matmul_f32_128x256(ARGS) {
    staged<4, 8, 4, true>(a, b, c, m, n, k, depth);
}
extern "C" __global__ void __launch_bounds__(256, 2) matmul_f32_64x128(ARGS) {
    staged<4, 4, 2, true>(a, b, c, m, n, k, depth);
}
extern "C" __global__ void __launch_bounds__(256, 2) matmul_f32_128x128_unaligned(ARGS) {
    staged<4, 8, 2, false>(a, b, c, m, n, k, depth);
}
#endif
