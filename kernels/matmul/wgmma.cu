// C = A·B in bf16 with the warpgroup instructions of compute capability 9.0 (not of later ones):
// row major, k, n and depth multiples of 8. A block of two warpgroups
// makes 128×256 of C, each 64 rows of it; slabs of 64 along k pass through a ring in shared memory.
// Where `depth` is less than k, that many values along k are a part of their own, and the parts stand
// one after the other (each `batch` whole C) for `matmul_sum_parts`: blockIdx.z = part · batch + product.
// architectures: 90a
#include "device.h"
#include "tiles.h"

const u32 tile_m = 128, tile_n = 256, slab_k = 64;
const u32 ring = 4;                          // slabs in shared memory
const u32 ahead = ring - 2;                  // slabs under way while one is multiplied
const u32 a_bytes = tile_m * slab_k * 2, b_bytes = slab_k * tile_n * 2;
const u32 stage_bytes = a_bytes + b_bytes;
const u32 b_stride = slab_k * 128;           // bytes from 64 columns of B to the next 64
const u32 group_rows = 16;                   // tiles of rows that blocks go down before the next column

// Where a thread's pieces of 16 bytes come from: 4 rows of A, 32 apart, and 8 rows of B, 8 apart.
struct Pieces {
    const u16* a;
    const u16* b;
    u32 a_k, b_k;       // place along k in the next slab
    u32 a_rows;         // bit i: row i of A is inside
    bool b_column;      // the column of B is inside
    u32 a_to, b_to;     // where they go in a stage
};

DEVICE void fetch(Pieces& from, u8* stage, u32 n, u32 k, u32 k_end) {
#pragma unroll
    for (u32 i = 0; i < 4; i++) {
        const bool valid = from.a_k < k_end && (from.a_rows >> i & 1);
        const u16* source = from.a + static_cast<u64>(i * 32) * k;
        copy_async_16_or_zero(stage + from.a_to + i * 32 * 128, valid ? source : from.a, valid);
    }
#pragma unroll
    for (u32 i = 0; i < 8; i++) {
        const bool valid = from.b_column && from.b_k + i * 8 < k_end;
        const u16* source = from.b + static_cast<u64>(i * 8) * n;
        copy_async_16_or_zero(stage + a_bytes + from.b_to + i * 8 * 128, valid ? source : from.b, valid);
    }
    copy_async_commit();
    from.a += slab_k;
    from.b += static_cast<u64>(slab_k) * n;
    from.a_k += slab_k;
    from.b_k += slab_k;
}

extern "C" __global__ void __launch_bounds__(256, 1)
matmul_bf16_wgmma(const u16* a, const u16* b, float* c, u32 m, u32 n, u32 k, u32 depth) {
    u8* shared = dynamic_shared<u8>();
    shared += (1024 - (reinterpret_cast<u64>(shared) & 1023)) & 1023;
    const u32 batch = gridDim.z / ((k + depth - 1) / depth), product = blockIdx.z % batch;
    a += static_cast<u64>(product) * m * k;
    b += static_cast<u64>(product) * k * n;
    c += static_cast<u64>(blockIdx.z) * m * n;
    const u32 k_first = blockIdx.z / batch * depth, k_end = min(k, k_first + depth);

    const Corner corner = corner_in_bands<tile_m, tile_n, group_rows>(m, n);
    const u32 row0 = corner.row, column0 = corner.column;

    const u32 thread = threadIdx.x, group = thread / 128;
    Pieces from;
    {
        const u32 row = thread / 8, piece = thread % 8;
        const bool inside_a = row0 + row < m;
        from.a_k = k_first + piece * 8;
        from.a = a + (inside_a ? static_cast<u64>(row0 + row) * k : 0) + from.a_k;
        from.a_rows = 0;
        for (u32 i = 0; i < 4; i++) from.a_rows |= (row0 + row + i * 32 < m ? 1u : 0u) << i;
        from.a_to = row * 128 + (piece ^ row % 8) * 16;
    }
    {
        const u32 row = thread / 32, piece = thread % 32, column = column0 + piece * 8;
        from.b_column = column < n;
        from.b_k = k_first + row;
        from.b = b + static_cast<u64>(from.b_k) * n + (from.b_column ? column : 0);
        from.b_to = piece / 8 * b_stride + row * 128 + (piece % 8 ^ row) * 16;
    }

    float sum[128] = {};
    const u32 slabs = (k_end - k_first + slab_k - 1) / slab_k;
    for (u32 slab = 0; slab < ahead; slab++) fetch(from, shared + slab * stage_bytes, n, k, k_end);
    for (u32 slab = 0; slab < slabs; slab++) {
        copy_async_wait<ahead - 1>();
        fence_async_reads();
        // Now the slab is there, and all have done with the one before the last.
        __syncthreads();
        const u8* stage = shared + slab % ring * stage_bytes;
        warpgroup_begin();
#pragma unroll
        for (u32 step = 0; step < slab_k / 16; step++) {
            warpgroup_mma_m64n256k16_bf16(sum, stage + group * 64 * 128, stage + a_bytes, b_stride,
                                          step);
        }
        warpgroup_commit();
        fetch(from, shared + (slab + ahead) % ring * stage_bytes, n, k, k_end);
        warpgroup_wait<1>(sum);
    }
    warpgroup_wait<0>(sum);

    const u32 lane = thread % 32, warp = thread % 128 / 32;
    const u32 row = row0 + group * 64 + warp * 16 + lane / 4;
    float* to = c + static_cast<u64>(row) * n + column0 + lane % 4 * 2;
#pragma unroll
    for (u32 half = 0; half < 2; half++, to += static_cast<u64>(8) * n) {
        if (row + half * 8 >= m) break;
#pragma unroll
        for (u32 j = 0; j < 32; j++) {
            if (column0 + j * 8 + lane % 4 * 2 < n) {
                *reinterpret_cast<float2*>(to + j * 8) =
                    make_float2(sum[j * 4 + half * 2], sum[j * 4 + half * 2 + 1]);
            }
        }
    }
}
