// C = A·B, row major. A block of 256 threads makes one tile of C; both operands pass through shared
// memory. Edges are zeros in shared memory and masked at the store, so sizes are arbitrary.
#include "device.h"
#include "tiles.h"

DEVICE float widen(float x) { return x; }
DEVICE float widen(u16 x) { return bf16_to_float(x); }

// ---- f32 arithmetic -----------------------------------------------------------------------
// For chips that do not copy to shared memory by themselves; others use staged.cu. No parts along k.
// Thread (x, y) of 16×16 sums rows y·4 … y·4+3 (and the same 64 further down) by as many columns.
// The next slab of operands waits in registers while this one is multiplied.
template <u32 tile, u32 slab, class T>
DEVICE void tile_f32(const T* a, const T* b, float* c, u32 m, u32 n, u32 k) {
    const u32 parts = tile / 64;            // pieces of 4 rows (columns) of a thread
    const u32 loads = tile * slab / 256;    // values of each operand that a thread carries
    __shared__ __align__(16) float a_tile[slab][tile + 4];  // transposed; padded against conflicts
    __shared__ __align__(16) float b_tile[slab][tile];
    const u32 thread = threadIdx.x, tx = thread % 16, ty = thread / 16;
    const u32 row0 = blockIdx.y * tile, column0 = blockIdx.x * tile;
    a += static_cast<u64>(blockIdx.z) * m * k;
    b += static_cast<u64>(blockIdx.z) * k * n;
    c += static_cast<u64>(blockIdx.z) * m * n;

    float a_next[loads], b_next[loads];
    auto fetch = [&](u32 k0) {
#pragma unroll
        for (u32 i = 0; i < loads; i++) {
            const u32 index = thread + i * 256;
            const u32 row = row0 + index / slab, ak = k0 + index % slab;
            a_next[i] = row < m && ak < k ? widen(a[static_cast<u64>(row) * k + ak]) : 0.0f;
            const u32 bk = k0 + index / tile, column = column0 + index % tile;
            b_next[i] = bk < k && column < n ? widen(b[static_cast<u64>(bk) * n + column]) : 0.0f;
        }
    };

    float sum[parts * 4][parts * 4] = {};
    fetch(0);
    for (u32 k0 = 0; k0 < k; k0 += slab) {
#pragma unroll
        for (u32 i = 0; i < loads; i++) {
            const u32 index = thread + i * 256;
            a_tile[index % slab][index / slab] = a_next[i];
            b_tile[index / tile][index % tile] = b_next[i];
        }
        __syncthreads();
        if (k0 + slab < k) fetch(k0 + slab);
#pragma unroll
        for (u32 kk = 0; kk < slab; kk++) {
            float4 av[parts], bv[parts];
#pragma unroll
            for (u32 p = 0; p < parts; p++) {
                av[p] = *reinterpret_cast<const float4*>(&a_tile[kk][p * 64 + ty * 4]);
                bv[p] = *reinterpret_cast<const float4*>(&b_tile[kk][p * 64 + tx * 4]);
            }
#pragma unroll
            for (u32 p = 0; p < parts; p++) {
                const float rows[4] = {av[p].x, av[p].y, av[p].z, av[p].w};
#pragma unroll
                for (u32 i = 0; i < 4; i++) {
#pragma unroll
                    for (u32 q = 0; q < parts; q++) {
                        float* s = sum[p * 4 + i] + q * 4;
                        s[0] = fmaf(rows[i], bv[q].x, s[0]);
                        s[1] = fmaf(rows[i], bv[q].y, s[1]);
                        s[2] = fmaf(rows[i], bv[q].z, s[2]);
                        s[3] = fmaf(rows[i], bv[q].w, s[3]);
                    }
                }
            }
        }
        __syncthreads();
    }

#pragma unroll
    for (u32 i = 0; i < parts * 4; i++) {
        const u32 row = row0 + i / 4 * 64 + ty * 4 + i % 4;
#pragma unroll
        for (u32 j = 0; j < parts * 4; j++) {
            const u32 column = column0 + j / 4 * 64 + tx * 4 + j % 4;
            if (row < m && column < n) c[static_cast<u64>(row) * n + column] = sum[i][j];
        }
    }
}

extern "C" __global__ void __launch_bounds__(256)
matmul_f32_128(const float* a, const float* b, float* c, u32 m, u32 n, u32 k, u32) {
    tile_f32<128, 8>(a, b, c, m, n, k);
}

extern "C" __global__ void __launch_bounds__(256)
matmul_f32_64(const float* a, const float* b, float* c, u32 m, u32 n, u32 k, u32) {
    tile_f32<64, 16>(a, b, c, m, n, k);
}

// bf16 where there are no tensor cores for it: widened as it is read.
extern "C" __global__ void __launch_bounds__(256)
matmul_bf16_plain(const u16* a, const u16* b, float* c, u32 m, u32 n, u32 k, u32) {
    tile_f32<64, 16>(a, b, c, m, n, k);
}

// ---- bf16 on tensor cores -----------------------------------------------------------------
// A block makes 128×128 of C: 2×4 warps, each 64×32 (4×4 fragments of 16×8). Slabs of 32 along k
// pass through a ring in shared memory. `vectors`: k, n and depth are multiples of 8, so that 16 bytes
// move at a time; otherwise each value is read by itself. Where `depth` is less than k, that many
// values along k are a part of their own: see staged.cu. Chips that have no such instruction use
// matmul_bf16_plain.
#if DEVICE_ARCH == 0 || DEVICE_ARCH >= 80
const u32 ring = 3;
const u32 slab_k = 32;
const u32 a_stride = slab_k + 8;  // padded so that the rows of a fragment lie in distinct banks
const u32 b_stride = 128 + 8;
const u32 a_values = 128 * a_stride, stage_values = a_values + slab_k * b_stride;

template <bool vectors>
DEVICE void fetch_bf16(u16* stage, const u16* a, const u16* b, u32 row0, u32 column0, u32 k0, u32 m,
                       u32 n, u32 k, u32 k_end) {
    const u32 thread = threadIdx.x;
    u16 *a_tile = stage, *b_tile = stage + a_values;
    if (vectors) {
#pragma unroll
        for (u32 i = 0; i < 2; i++) {
            const u32 index = thread + i * 256;  // 512 pieces of 8 values in each operand
            const u32 row = index / 4, ak = index % 4 * 8;
            const bool a_valid = row0 + row < m && k0 + ak < k_end;
            const u64 a_from = a_valid ? static_cast<u64>(row0 + row) * k + k0 + ak : 0;
            copy_async_16_or_zero(a_tile + row * a_stride + ak, a + a_from, a_valid);
            const u32 bk = index / 16, column = index % 16 * 8;
            const bool b_valid = k0 + bk < k_end && column0 + column < n;
            const u64 b_from = b_valid ? static_cast<u64>(k0 + bk) * n + column0 + column : 0;
            copy_async_16_or_zero(b_tile + bk * b_stride + column, b + b_from, b_valid);
        }
    } else {
        for (u32 index = thread; index < 128 * slab_k; index += 256) {
            const u32 row = index / slab_k, ak = index % slab_k;
            const bool a_valid = row0 + row < m && k0 + ak < k_end;
            a_tile[row * a_stride + ak] =
                a_valid ? a[static_cast<u64>(row0 + row) * k + k0 + ak] : static_cast<u16>(0);
            const u32 bk = index / 128, column = index % 128;
            const bool b_valid = k0 + bk < k_end && column0 + column < n;
            b_tile[bk * b_stride + column] =
                b_valid ? b[static_cast<u64>(k0 + bk) * n + column0 + column] : static_cast<u16>(0);
        }
    }
    copy_async_commit();
}

template <bool vectors>
DEVICE void tile_bf16(const u16* a, const u16* b, float* c, u32 m, u32 n, u32 k, u32 depth) {
    u16* shared = dynamic_shared<u16>();
    const u32 thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
    const u32 warp_row = warp / 4 * 64, warp_column = warp % 4 * 32;
    const u32 row0 = blockIdx.y * 128, column0 = blockIdx.x * 128;
    const u32 batch = gridDim.z / ((k + depth - 1) / depth), product = blockIdx.z % batch;
    a += static_cast<u64>(product) * m * k;
    b += static_cast<u64>(product) * k * n;
    c += static_cast<u64>(blockIdx.z) * m * n;
    const u32 k_first = blockIdx.z / batch * depth, k_end = min(k, k_first + depth);

    float sum[4][4][4] = {};
    auto fetch = [&](u32 k0, u16* to) {
        fetch_bf16<vectors>(to, a, b, row0, column0, k0, m, n, k, k_end);
    };
    through_ring<ring, slab_k>(shared, stage_values, k_first, k_end, fetch, [&](const u16* stage) {
        const u16 *a_tile = stage, *b_tile = a_tile + a_values;
#pragma unroll
        for (u32 kk = 0; kk < slab_k; kk += 16) {
            u32 af[4][4], bf[2][4];
#pragma unroll
            for (u32 i = 0; i < 4; i++) {
                const u32 row = warp_row + i * 16 + lane % 16;
                load_matrix_x4(af[i], a_tile + row * a_stride + kk + lane / 16 * 8);
            }
#pragma unroll
            for (u32 j = 0; j < 2; j++) {
                const u32 column = warp_column + j * 16 + lane / 16 * 8;
                load_matrix_x4_transposed(bf[j], b_tile + (kk + lane % 16) * b_stride + column);
            }
#pragma unroll
            for (u32 i = 0; i < 4; i++) {
#pragma unroll
                for (u32 j = 0; j < 4; j++) mma_m16n8k16_bf16(sum[i][j], af[i], bf[j / 2] + j % 2 * 2);
            }
        }
    });

#pragma unroll
    for (u32 i = 0; i < 4; i++) {
#pragma unroll
        for (u32 j = 0; j < 4; j++) {
#pragma unroll
            for (u32 p = 0; p < 4; p++) {
                const u32 row = row0 + warp_row + i * 16 + p / 2 * 8 + lane / 4;
                const u32 column = column0 + warp_column + j * 8 + lane % 4 * 2 + p % 2;
                if (row < m && column < n) c[static_cast<u64>(row) * n + column] = sum[i][j][p];
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(256, 2)
matmul_bf16_mma(const u16* a, const u16* b, float* c, u32 m, u32 n, u32 k, u32 depth) {
    tile_bf16<true>(a, b, c, m, n, k, depth);
}

extern "C" __global__ void __launch_bounds__(256, 2)
matmul_bf16_mma_unaligned(const u16* a, const u16* b, float* c, u32 m, u32 n, u32 k, u32 depth) {
    tile_bf16<false>(a, b, c, m, n, k, depth);
}
#endif
