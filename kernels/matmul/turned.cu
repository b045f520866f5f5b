// As `matmul_f32_128x256` of staged.cu, but with A turned on its way into shared memory, so that a
// thread holds few operands at a time and can load the next while it multiplies. The order of the
// products matters: a thread goes down one column of its part of C and up the next, so that every
// product shares an operand with the one before it, and ptxas finds registers in which few of the
// other two lie in one bank (1.2 cycles a product by count of the machine code, 1.5 in staged.cu).
// k and n are multiples of 4. Parts along k: see staged.cu.
// architectures: 80 90
#include "device.h"
#include "tiles.h"

#if DEVICE_ARCH == 0 || DEVICE_ARCH >= 80
const u32 tile_m = 128, tile_n = 256, slab = 8, ring = 4;
const u32 a_stride = tile_m + 4;  // against bank conflicts of the turned copies
const u32 a_floats = slab * a_stride, stage_floats = a_floats + slab * tile_n;

// Where a thread's pieces of the next slab come from.
struct Pieces {
    const float* a;  // value thread%8 along k of every 32nd row
    const float* b;  // 4 columns of every 4th row along k
    u32 a_rows;      // bit i: row i of A is inside
    bool b_column;   // the columns of B are inside
};

DEVICE void fetch(Pieces& from, float* stage, u32 k0, u32 n, u32 k, u32 k_end) {
    const u32 thread = threadIdx.x, ak = thread % slab, row = thread / slab;
#pragma unroll
    for (u32 i = 0; i < 4; i++) {
        const bool valid = k0 + ak < k_end && (from.a_rows >> i & 1);
        const float* a = valid ? from.a + static_cast<u64>(i * 32) * k : from.a;
        copy_async_4_or_zero(stage + ak * a_stride + row + i * 32, a, valid);
    }
    const u32 bk = thread / 64, column = thread % 64 * 4;
#pragma unroll
    for (u32 i = 0; i < 2; i++) {
        const bool valid = from.b_column && k0 + bk + i * 4 < k_end;
        const float* b = valid ? from.b + static_cast<u64>(i * 4) * n : from.b;
        copy_async_16_or_zero(stage + a_floats + (bk + i * 4) * tile_n + column, b, valid);
    }
    copy_async_commit();
    from.a += slab;
    from.b += static_cast<u64>(slab) * n;
}

DEVICE float part_of(const float4* v, u32 i) {
    const float4 four = v[i / 4];
    return i % 4 == 0 ? four.x : i % 4 == 1 ? four.y : i % 4 == 2 ? four.z : four.w;
}

// A warp sums 32×128: lane l rows l/8·4 + 16i … + 3 and columns l%8·4 + 32j … + 3.
DEVICE void multiply(float (&sum)[8][16], const float* a, const float* b) {
    float4 left[2][2], right[2][4];
    auto load = [&](u32 kk) {
#pragma unroll
        for (u32 i = 0; i < 2; i++) {
            left[kk % 2][i] = *reinterpret_cast<const float4*>(a + kk * a_stride + i * 16);
        }
#pragma unroll
        for (u32 j = 0; j < 4; j++) {
            right[kk % 2][j] = *reinterpret_cast<const float4*>(b + kk * tile_n + j * 32);
        }
    };
    load(0);
#pragma unroll
    for (u32 kk = 0; kk < slab; kk++) {
        if (kk + 1 < slab) load(kk + 1);
#pragma unroll
        for (u32 j = 0; j < 16; j++) {
#pragma unroll
            for (u32 p = 0; p < 8; p++) {
                const u32 i = j % 2 ? 7 - p : p;
                sum[i][j] =
                    fmaf(part_of(left[kk % 2], i), part_of(right[kk % 2], j), sum[i][j]);
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(256, 1)
matmul_f32_turned(const float* a, const float* b, float* c, u32 m, u32 n, u32 k, u32 depth) {
    float* shared = dynamic_shared<float>();
    const u32 batch = gridDim.z / ((k + depth - 1) / depth), product = blockIdx.z % batch;
    c += static_cast<u64>(blockIdx.z) * m * n;
    const u32 k_first = blockIdx.z / batch * depth, k_end = min(k, k_first + depth);

    const Corner corner = corner_in_bands<tile_m, tile_n>(m, n);
    const u32 row0 = corner.row, column0 = corner.column;

    const u32 thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
    const u32 a_row = row0 + thread / slab, b_column = column0 + thread % 64 * 4;
    Pieces from;
    from.b_column = b_column < n;
    from.a_rows = 0;
    for (u32 i = 0; i < 4; i++) from.a_rows |= (a_row + i * 32 < m ? 1u : 0u) << i;
    from.a = a + (static_cast<u64>(product) * m + (a_row < m ? a_row : 0)) * k + k_first + thread % slab;
    from.b = b + (static_cast<u64>(product) * k + k_first + thread / 64) * n +
             (from.b_column ? b_column : 0);

    float sum[8][16] = {};
    const u32 warp_row = warp % 4 * 32, warp_column = warp / 4 * 128;
    const u32 a_at = warp_row + lane / 8 * 4, b_at = a_floats + warp_column + lane % 8 * 4;
    through_ring<ring, slab>(
        shared, stage_floats, k_first, k_end,
        [&](u32 k0, float* to) { fetch(from, to, k0, n, k, k_end); },
        [&](const float* stage) { multiply(sum, stage + a_at, stage + b_at); });

    const u32 row = row0 + a_at, column = column0 + warp_column + lane % 8 * 4;
#pragma unroll
    for (u32 i = 0; i < 8; i++) {
        if (row + i / 4 * 16 + i % 4 >= m) continue;
        float* to = c + static_cast<u64>(row + i / 4 * 16 + i % 4) * n + column;
#pragma unroll
        for (u32 j = 0; j < 4; j++) {
            const float* four = sum[i] + j * 4;
            if (column + j * 32 >= n) break;
            *reinterpret_cast<float4*>(to + j * 32) = make_float4(four[0], four[1], four[2], four[3]);
        }
    }
}
#endif
