// C = A·B in f32 for chips that copy to shared memory by themselves (compute capability 8.0 on):
// row major, `batch` products. A block of 256 threads makes one tile; slabs of 16 along k pass
// through a ring in shared memory. Where `depth` is less than k, that many values along k are a part
// of their own, and the parts stand one after the other (each `batch` whole C) for
// `matmul_sum_parts`: blockIdx.z = part · batch + product.
// architectures: 80 90
#include "device.h"
#include "tiles.h"

#if DEVICE_ARCH == 0 || DEVICE_ARCH >= 80
const u32 ring = 3;

// What a block multiplies: its tile's first row of A and first column of B, and its part along k.
struct Operands {
    const float *a, *b;
    u32 m, n, k, row0, column0, k_first, k_end;
};

// Starts the copies of a slab, 16 bytes each.
template <u32 tile_m, u32 tile_n>
DEVICE void fetch_pieces(float* to, const Operands& of, u32 k0) {
    const u32 thread = threadIdx.x, a_each = register_slab / 4, b_each = tile_n / 4;
#pragma unroll
    for (u32 i = 0; i < tile_m * a_each / 256; i++) {
        const u32 index = thread + i * 256, row = index / a_each, k = index % a_each * 4;
        const bool valid = of.row0 + row < of.m && k0 + k < of.k_end;
        const float* from =
            valid ? of.a + static_cast<u64>(of.row0 + row) * of.k + k0 + k : of.a;
        copy_async_16_or_zero(to + row * register_slab_stride + k, from, valid);
    }
    to += tile_m * register_slab_stride;
#pragma unroll
    for (u32 i = 0; i < register_slab * b_each / 256; i++) {
        const u32 index = thread + i * 256, k = index / b_each, column = index % b_each * 4;
        const bool valid = k0 + k < of.k_end && of.column0 + column < of.n;
        const float* from =
            valid ? of.b + static_cast<u64>(k0 + k) * of.n + of.column0 + column : of.b;
        copy_async_16_or_zero(to + k * tile_n + column, from, valid);
    }
}

// Where k or n is not a multiple of 4: the thread's column of A and of B in the next slab.
struct Columns {
    const float *a, *b;
    u32 a_rows;  // from the thread's first one on
    u32 b_end;   // where the rows end, 0 for a column outside
};

template <u32 tile_n> DEVICE Columns first_columns(const Operands& of) {
    const u32 thread = threadIdx.x, row = of.row0 + thread / register_slab;
    const u32 column = of.column0 + thread % tile_n;
    Columns from;
    from.a = of.a + static_cast<u64>(row) * of.k + of.k_first + thread % register_slab;
    from.b = of.b + static_cast<u64>(of.k_first + thread / tile_n) * of.n + column;
    from.a_rows = row < of.m ? of.m - row : 0;
    from.b_end = column < of.n ? of.k_end : 0;
    return from;
}

// Starts the copies of a slab, value by value.
template <u32 tile_m, u32 tile_n>
DEVICE void fetch_columns(float* to, Columns& from, const Operands& of, u32 k0) {
    const u32 thread = threadIdx.x, row = thread / register_slab, k = thread % register_slab;
    copy_async_column<tile_m / 16, 16>(to + row * register_slab_stride + k, register_slab_stride,
                                       from.a, of.k, k0 + k < of.k_end ? from.a_rows : 0);
    from.a += register_slab;
    const u32 apart = 256 / tile_n, b_row = k0 + thread / tile_n;
    copy_async_column<register_slab / apart, apart>(
        to + tile_m * register_slab_stride + thread, tile_n, from.b, of.n,
        b_row < from.b_end ? from.b_end - b_row : 0);
    from.b += static_cast<u64>(register_slab) * of.n;
}

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

    const Corner corner = corner_in_bands<tile_m, tile_n>(m, n);
    const u32 row0 = corner.row, column0 = corner.column;

    const Operands of = {a, b, m, n, k, row0, column0, k_first, k_end};
    Columns from = first_columns<tile_n>(of);
    auto fetch = [&](u32 k0, float* to) {
        if (vectors) {
            fetch_pieces<tile_m, tile_n>(to, of, k0);
        } else {
            fetch_columns<tile_m, tile_n>(to, from, of, k0);
        }
        copy_async_commit();
    };

    const u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const u32 warp_row = warp % row_warps * rows * 4, warp_column = warp / row_warps * fours * 32;
    float sum[rows][fours * 4] = {};
    through_ring<ring, register_slab>(
        shared, a_floats + b_floats, k_first, k_end, fetch, [&](const float* stage) {
            multiply_slab<rows, fours>(sum, stage + warp_row * register_slab_stride,
                                       stage + a_floats + warp_column, tile_n);
        });

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
