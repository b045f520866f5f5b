// What the kernels share whose blocks make a tile of a product: where the tile lies, the way of operands
// through shared memory, and the sums of f32 in registers.
#ifndef BREAKEVEN_TILES_H
#define BREAKEVEN_TILES_H
#include "device.h"

// ---- places ---------------------------------------------------------------------------------

// First row and column of the tile of a block: blocks go down `band` tiles of rows before the next column,
// so that neighbours share rows of the left operand and columns of the right one while those are in the
// cache.
struct Corner {
    u32 row, column;
};
template <u32 tile_m, u32 tile_n, u32 band = 8> DEVICE Corner corner_in_bands(u32 m, u32 n) {
    const u32 all_rows = (m + tile_m - 1) / tile_m, columns = (n + tile_n - 1) / tile_n;
    const u32 first = blockIdx.x / (band * columns) * band, inside = blockIdx.x % (band * columns);
    const u32 height = min(band, all_rows - first);
    return {(first + inside % height) * tile_m, inside / height * tile_n};
}

// ---- shared memory --------------------------------------------------------------------------

// Has `multiply` the slabs of products `first` to `end` one after the other. They pass through a ring of
// stages of `stage` values in shared memory, where `fetch(k, to)` starts the copies of the one from product k
// on, and commits them.
template <u32 ring, u32 slab, class T, class Fetch, class Multiply>
DEVICE void through_ring(T* shared, u32 stage, u32 first, u32 end, const Fetch& fetch,
                         const Multiply& multiply) {
    for (u32 s = 0; s < ring - 1; s++) fetch(first + s * slab, shared + s * stage);
    u32 at = 0, next = ring - 1;
    for (u32 k = first; k < end; k += slab) {
        copy_async_wait<ring - 2>();
        // Now the slab is there, and all have done with the one before it.
        __syncthreads();
        fetch(k + (ring - 1) * slab, shared + next * stage);
        multiply(shared + at * stage);
        at = at + 1 == ring ? 0 : at + 1;
        next = next + 1 == ring ? 0 : next + 1;
    }
}

// ---- register tiles --------------------------------------------------------------------------
// A warp sums 4·rows × 32·fours of a product in f32: lane l has rows l/8 + 4i and columns
// l%8·4 + 32j … + 3, so that each read of shared memory is one for the whole warp.

// Values along k of a slab; rows of the left operand are padded by 4 against bank conflicts.
// An enumeration, because a constant would stand in the machine code of every module.
enum : u32 { register_slab = 16, register_slab_stride = register_slab + 4 };

// sum[i][4j…] += a slab of the left operand (the warp's first row; `register_slab_stride` values a
// row) times one of the right (the warp's first column; `stride` values a row of k).
template <u32 rows, u32 fours>
DEVICE void multiply_slab(float (&sum)[rows][fours * 4], const float* left, const float* right,
                          u32 stride) {
    const u32 lane = threadIdx.x % 32;
    left += lane / 8 * register_slab_stride;
    right += lane % 8 * 4;
#pragma unroll
    for (u32 k = 0; k < register_slab; k += 4) {
        float4 l[rows];
#pragma unroll
        for (u32 i = 0; i < rows; i++) {
            l[i] = *reinterpret_cast<const float4*>(left + i * 4 * register_slab_stride + k);
        }
#pragma unroll
        for (u32 q = 0; q < 4; q++) {
            float4 r[fours];
#pragma unroll
            for (u32 j = 0; j < fours; j++) {
                r[j] = *reinterpret_cast<const float4*>(right + (k + q) * stride + j * 32);
            }
#pragma unroll
            for (u32 i = 0; i < rows; i++) {
                const float x = q == 0 ? l[i].x : q == 1 ? l[i].y : q == 2 ? l[i].z : l[i].w;
#pragma unroll
                for (u32 j = 0; j < fours; j++) {
                    sum[i][j * 4] = fmaf(x, r[j].x, sum[i][j * 4]);
                    sum[i][j * 4 + 1] = fmaf(x, r[j].y, sum[i][j * 4 + 1]);
                    sum[i][j * 4 + 2] = fmaf(x, r[j].z, sum[i][j * 4 + 2]);
                    sum[i][j * 4 + 3] = fmaf(x, r[j].w, sum[i][j * 4 + 3]);
                }
            }
        }
    }
}

#endif
