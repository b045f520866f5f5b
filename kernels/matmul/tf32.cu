// C = A·B of f32 operands on tensor cores, which read them as TF32 (compute capability 8.0 on): row
// major, `batch` products. A block of 256 threads makes one tile by 2×4 warps, each 64 rows by a quarter
// of the columns, in fragments of 16×8; slabs of 16 along k pass through a ring in shared memory. Parts
// along k: see staged.cu. Other chips take the kernels of f32.
// architectures: 80 90
#include "device.h"
#include "tiles.h"

#if DEVICE_ARCH == 0 || DEVICE_ARCH >= 80
const u32 slab = 16;
const u32 tile_m = 128;
// Padded so that the eight rows that `load_matrix_x4` takes at once lie in distinct banks …
const u32 a_stride = slab + 4, a_floats = tile_m * a_stride;
// … and so that the four rows of B in a fragment do.
const u32 b_pad = 8;

// sum[i][j] += a slab of A (the warp's first row) times one of B (the warp's first column; `b_stride`
// values a row of k).
template <u32 columns>
DEVICE void multiply(float (&sum)[4][columns][4], const float* a, const float* b, u32 b_stride) {
    const u32 lane = threadIdx.x % 32;
    a += lane % 16 * a_stride + lane / 16 * 4;
    b += lane % 4 * b_stride + lane / 4;
#pragma unroll
    for (u32 k = 0; k < slab; k += 8) {
        u32 af[4][4], bf[columns][2];
#pragma unroll
        for (u32 i = 0; i < 4; i++) load_matrix_x4(af[i], a + i * 16 * a_stride + k);
#pragma unroll
        for (u32 j = 0; j < columns; j++) {
            bf[j][0] = __float_as_uint(b[k * b_stride + j * 8]);
            bf[j][1] = __float_as_uint(b[(k + 4) * b_stride + j * 8]);
        }
#pragma unroll
        for (u32 i = 0; i < 4; i++) {
#pragma unroll
            for (u32 j = 0; j < columns; j++) mma_m16n8k8_tf32(sum[i][j], af[i], bf[j]);
        }
    }
}

// `columns` fragments beside each other in a warp, `ring` slabs in shared memory. `vectors`: k and n are
// multiples of 4.
template <u32 columns, u32 ring, bool vectors>
DEVICE void tile_tf32(const float* a, const float* b, float* c, u32 m, u32 n, u32 k, u32 depth) {
    const u32 tile_n = columns * 32, b_stride = tile_n + b_pad, stage_floats = a_floats + slab * b_stride;
    float* shared = dynamic_shared<float>();
    const u32 batch = gridDim.z / ((k + depth - 1) / depth), product = blockIdx.z % batch;
    a += static_cast<u64>(product) * m * k;
    b += static_cast<u64>(product) * k * n;
    c += static_cast<u64>(blockIdx.z) * m * n;
    const u32 k_first = blockIdx.z / batch * depth, k_end = min(k, k_first + depth);

    const Corner corner = corner_in_bands<tile_m, tile_n>(m, n);
    const u32 row0 = corner.row, column0 = corner.column;

    const u32 thread = threadIdx.x, step = vectors ? 4 : 1;
    auto fetch = [&](u32 k0, float* to) {
        const u32 a_each = slab / step, b_each = tile_n / step;
#pragma unroll
        for (u32 i = 0; i < tile_m * a_each / 256; i++) {
            const u32 index = thread + i * 256, row = index / a_each, ak = index % a_each * step;
            const bool valid = row0 + row < m && k0 + ak < k_end;
            const float* from = valid ? a + static_cast<u64>(row0 + row) * k + k0 + ak : a;
            copy_async_floats_or_zero<vectors>(to + row * a_stride + ak, from, valid);
        }
#pragma unroll
        for (u32 i = 0; i < slab * b_each / 256; i++) {
            const u32 index = thread + i * 256, bk = index / b_each, column = index % b_each * step;
            const bool valid = k0 + bk < k_end && column0 + column < n;
            const float* from = valid ? b + static_cast<u64>(k0 + bk) * n + column0 + column : b;
            copy_async_floats_or_zero<vectors>(to + a_floats + bk * b_stride + column, from, valid);
        }
        copy_async_commit();
    };

    const u32 warp = thread / 32, lane = thread % 32;
    const u32 warp_row = warp / 4 * 64, warp_column = warp % 4 * columns * 8;
    float sum[4][columns][4] = {};
    through_ring<ring, slab>(shared, stage_floats, k_first, k_end, fetch, [&](const float* stage) {
        multiply<columns>(sum, stage + warp_row * a_stride, stage + a_floats + warp_column, b_stride);
    });

    const u32 first_column = column0 + warp_column + lane % 4 * 2;
#pragma unroll
    for (u32 i = 0; i < 8; i++) {
        const u32 row = row0 + warp_row + i * 8 + lane / 4;
        if (row >= m) break;
        float* to = c + static_cast<u64>(row) * n + first_column;
#pragma unroll
        for (u32 j = 0; j < columns; j++) {
            const float* two = sum[i / 2][j] + i % 2 * 2;
            const u32 column = first_column + j * 8;
            if (vectors) {
                if (column < n) *reinterpret_cast<float2*>(to + j * 8) = make_float2(two[0], two[1]);
            } else {
                if (column < n) to[j * 8] = two[0];
                if (column + 1 < n) to[j * 8 + 1] = two[1];
            }
        }
    }
}

#define ARGS const float *a, const float *b, float *c, u32 m, u32 n, u32 k, u32 depth

extern "C" __global__ void __launch_bounds__(256, 2) matmul_tf32_128x128(ARGS) {
    tile_tf32<4, 4, true>(a, b, c, m, n, k, depth);
}
extern "C" __global__ void __launch_bounds__(256, 1) matmul_tf32_128x256(ARGS) {
    tile_tf32<8, 3, true>(a, b, c, m, n, k, depth);
}
extern "C" __global__ void __launch_bounds__(256, 2) matmul_tf32_128x128_unaligned(ARGS) {
    tile_tf32<4, 4, false>(a, b, c, m, n, k, depth);
}
#endif
