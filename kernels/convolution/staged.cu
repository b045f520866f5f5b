// 2-D forward convolution, f32, for chips that copy to shared memory by themselves (compute capability
// 8.0 on): one matrix product per group. What lies under the taps is gathered straight into a ring in
// shared memory; the padding arrives as zeros. A block of 256 threads makes one tile. Where `part` is
// less than the products of an output value, that many are a part of their own, and the parts stand one
// after the other (each a whole y): blockIdx.z = part index · groups + group.
// architectures: 80 90
#include "device.h"
#include "tiles.h"

#if DEVICE_ARCH == 0 || DEVICE_ARCH >= 80
const u32 ring = 3;

// A product of an output value: where its x is, from the position's first tap on.
struct Tap {
    u32 offset;  // elements
    u32 y, x;    // rows and columns
    u32 unused;
};

struct Geometry {
    u32 batch, c_in, height, width, c_out, stride, padding, groups, out_h, out_w, depth, part;
};

// Starts the copies of a slab's filters: of the group's from `row0` on, products `k0` up to `end`.
template <u32 tile_m, bool vectors>
DEVICE void fetch_filters(float* to, const float* w, const Geometry& g, u32 group, u32 filters,
                          u32 row0, u32 k0, u32 end) {
    const u32 thread = threadIdx.x;
    if (vectors) {
        w += static_cast<u64>(group) * filters * g.depth;
#pragma unroll
        for (u32 i = 0; i < tile_m / 64; i++) {
            const u32 index = thread + i * 256, row = index / 4, k = index % 4 * 4;
            const bool valid = row0 + row < filters && k0 + k < end;
            // Half as many registers as to choose between pointers.
            const u32 from = valid ? (row0 + row) * g.depth + k0 + k : 0;
            copy_async_16_or_zero(to + row * register_slab_stride + k, w + from, valid);
        }
    } else {
        const u32 row = thread / register_slab, k = thread % register_slab;
        const u32 left = row0 + row < filters && k0 + k < end ? filters - row0 - row : 0;
        const u32 from = (group * filters + row0 + row) * g.depth + k0 + k;
        copy_async_column<tile_m / 16, 16>(to + row * register_slab_stride + k,
                                           register_slab_stride, w + from, g.depth, left);
    }
}

// NCHW: rows are the group's filters, columns the output positions of all images.
// `row_warps` × (8 / row_warps) warps, each 4·rows × 32·fours. `vectors`: depth and part are
// multiples of 4.
template <u32 row_warps, u32 rows, u32 fours, bool vectors>
DEVICE void convolve(const float* x, const float* w, const Tap* taps, float* y, const Geometry& g) {
    const u32 tile_m = row_warps * rows * 4, tile_n = 8 / row_warps * fours * 32;
    const u32 w_floats = tile_m * register_slab_stride, x_floats = register_slab * tile_n;
    float* shared = dynamic_shared<float>();
    const u32 filters = g.c_out / g.groups, channels = g.c_in / g.groups;
    const u32 positions = g.out_h * g.out_w, columns = g.batch * positions;
    const u32 row0 = blockIdx.y * tile_m, column0 = blockIdx.x * tile_n;
    const u32 group = blockIdx.z % g.groups, first = blockIdx.z / g.groups * g.part;
    const u32 end = min(g.depth, first + g.part);
    y += static_cast<u64>(blockIdx.z / g.groups) * g.batch * g.c_out * positions;

    // A thread gathers one column of the tile, some of its values along the depth.
    const u32 thread = threadIdx.x, share = register_slab * tile_n / 256;
    const u32 my_column = thread % tile_n, my_first = thread / tile_n * share;
    const bool inside = column0 + my_column < columns;
    const u32 image = inside ? (column0 + my_column) / positions : 0;
    const u32 position = inside ? (column0 + my_column) % positions : 0;
    // Above and to the left of the image these are large.
    const u32 place_y = position / g.out_w * g.stride - g.padding;
    const u32 place_x = position % g.out_w * g.stride - g.padding;
    const u32 place =
        ((image * g.c_in + group * channels) * g.height + place_y) * g.width + place_x;

    auto fetch = [&](u32 k0, float* to) {
        fetch_filters<tile_m, vectors>(to, w, g, group, filters, row0, k0, end);
        float* there = to + w_floats + my_first * tile_n + my_column;
#pragma unroll
        for (u32 i = 0; i < share; i++) {
            const u32 k = k0 + my_first + i;
            bool valid = inside && k < end;
            const uint4 tap = *reinterpret_cast<const uint4*>(taps + (k < end ? k : 0));
            valid = valid && place_y + tap.y < g.height && place_x + tap.z < g.width;
            copy_async_4_or_zero(there + i * tile_n, valid ? x + (place + tap.x) : x, valid);
        }
        copy_async_commit();
    };

    const u32 warp = thread / 32, lane = thread % 32;
    const u32 warp_row = warp % row_warps * rows * 4, warp_column = warp / row_warps * fours * 32;
    float sum[rows][fours * 4] = {};
    through_ring<ring, register_slab>(
        shared, w_floats + x_floats, first, end, fetch, [&](const float* stage) {
            multiply_slab<rows, fours>(sum, stage + warp_row * register_slab_stride,
                                       stage + w_floats + warp_column, tile_n);
        });

    const u32 row = row0 + warp_row + lane / 8;
    const bool whole = positions % 4 == 0;  // four columns are of one image, and 16-byte aligned
#pragma unroll
    for (u32 j = 0; j < fours; j++) {
        const u32 column = column0 + warp_column + j * 32 + lane % 8 * 4;
#pragma unroll
        for (u32 q = 0; q < 4; q++) {
            if (column + q >= columns) break;
            const u32 of = (column + q) / positions, at = (column + q) % positions;
            float* to = y + (of * g.c_out + group * filters + row) * positions + at;
#pragma unroll
            for (u32 i = 0; i < rows; i++) {
                if (row + i * 4 >= filters) break;
                const float* four = sum[i] + j * 4;
                if (whole) {
                    *reinterpret_cast<float4*>(to + i * 4 * positions) =
                        make_float4(four[0], four[1], four[2], four[3]);
                } else {
                    to[i * 4 * positions] = four[q];
                }
            }
            if (whole) break;
        }
    }
}

// Of output position `row`, counted over all images, the element of `channel` under the first tap, and that
// tap's row and column (16 bits each, counted from the corner of the padding).
DEVICE uint2 corner_of(const Geometry& g, u32 row, u32 channel) {
    const u32 positions = g.out_h * g.out_w, image = row / positions, position = row % positions;
    const u32 at_y = position / g.out_w * g.stride, at_x = position % g.out_w * g.stride;
    const u32 pixel = (image * g.height + at_y - g.padding) * g.width + at_x - g.padding;
    // Where there is no position, a row below every image.
    return make_uint2(pixel * g.c_in + channel, image < g.batch ? at_y << 16 | at_x : 1u << 31);
}

// NHWC: rows are the output positions of all images, columns the group's filters, so that all is read and
// written along memory. w is `[group][product of an output value][filter]`, the products pixel by pixel.
// Warps as above. `vectors`: a group's channels and filters are multiples of 4.
template <u32 row_warps, u32 rows, u32 fours, bool vectors>
DEVICE void convolve_pixels(const float* x, const float* w, const Tap* taps, float* y,
                            const Geometry& g) {
    const u32 tile_m = row_warps * rows * 4, tile_n = 8 / row_warps * fours * 32;
    const u32 x_floats = tile_m * register_slab_stride, w_floats = register_slab * tile_n;
    float* shared = dynamic_shared<float>();
    const u32 filters = g.c_out / g.groups, channels = g.c_in / g.groups;
    const u32 all = g.batch * g.out_h * g.out_w;
    const u32 row0 = blockIdx.x * tile_m, column0 = blockIdx.y * tile_n;
    const u32 group = blockIdx.z % g.groups, first = blockIdx.z / g.groups * g.part;
    const u32 end = min(g.depth, first + g.part);
    w += static_cast<u64>(group) * g.depth * filters;
    y += static_cast<u64>(blockIdx.z / g.groups) * all * g.c_out;

    // In registers they would crowd out the sums.
    __shared__ uint2 corners[tile_m];
    const u32 thread = threadIdx.x;
    for (u32 i = thread; i < tile_m; i += 256) {
        corners[i] = corner_of(g, row0 + i, group * channels);
    }
    __syncthreads();

    // A thread gathers the same products of a few rows.
    const u32 step = vectors ? 4 : 1, each = register_slab / step, share = tile_m * each / 256;
    const u32 my_k = thread % each * step;
    auto fetch = [&](u32 k0, float* to) {
        const u32 k = k0 + my_k;
        const uint4 tap = *reinterpret_cast<const uint4*>(taps + (k < end ? k : 0));
#pragma unroll
        for (u32 i = 0; i < share; i++) {
            const u32 row = (thread + i * 256) / each;
            const uint2 corner = corners[row];
            // Above and to the left of the image these are large.
            const u32 at = corner.y + (tap.y << 16) + tap.z;
            const u32 at_y = (at >> 16) - g.padding, at_x = (at & 0xffff) - g.padding;
            const bool valid = k < end && at_y < g.height && at_x < g.width;
            const float* from = valid ? x + (corner.x + tap.x) : x;
            float* there = to + row * register_slab_stride + my_k;
            copy_async_floats_or_zero<vectors>(there, from, valid);
        }
#pragma unroll
        for (u32 i = 0; i < w_floats / step / 256; i++) {
            const u32 index = (thread + i * 256) * step;
            const u32 row = k0 + index / tile_n, column = column0 + index % tile_n;
            const bool valid = row < end && column < filters;
            const float* from = valid ? w + row * filters + column : w;
            copy_async_floats_or_zero<vectors>(to + x_floats + index, from, valid);
        }
        copy_async_commit();
    };

    const u32 warp = thread / 32, lane = thread % 32;
    const u32 warp_row = warp % row_warps * rows * 4, warp_column = warp / row_warps * fours * 32;
    float sum[rows][fours * 4] = {};
    through_ring<ring, register_slab>(
        shared, x_floats + w_floats, first, end, fetch, [&](const float* stage) {
            multiply_slab<rows, fours>(sum, stage + warp_row * register_slab_stride,
                                       stage + x_floats + warp_column, tile_n);
        });

#pragma unroll
    for (u32 i = 0; i < rows; i++) {
        const u32 row = row0 + warp_row + lane / 8 + i * 4;
        if (row >= all) break;
        float* to = y + static_cast<u64>(row) * g.c_out + group * filters;
#pragma unroll
        for (u32 j = 0; j < fours; j++) {
            const u32 column = column0 + warp_column + j * 32 + lane % 8 * 4;
            const float* four = sum[i] + j * 4;
            if (vectors && column < filters) {
                *reinterpret_cast<float4*>(to + column) =
                    make_float4(four[0], four[1], four[2], four[3]);
            }
#pragma unroll
            for (u32 q = 0; q < 4; q++) {
                if (!vectors && column + q < filters) to[column + q] = four[q];
            }
        }
    }
}

#define ARGS                                                                                     \
    const float *x, const float *w, const u32 *taps, float *y, u32 batch, u32 c_in, u32 height,  \
        u32 width, u32 c_out, u32 stride, u32 padding, u32 groups, u32 out_h, u32 out_w,         \
        u32 depth, u32 part
#define GIVEN                                                                                    \
    x, w, reinterpret_cast<const Tap*>(taps), y,                                                 \
        Geometry {                                                                               \
        batch, c_in, height, width, c_out, stride, padding, groups, out_h, out_w, depth, part    \
    }

extern "C" __global__ void __launch_bounds__(256, 2) convolution_128x128(ARGS) {
    convolve<4, 8, 2, true>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 2) convolution_64x128(ARGS) {
    convolve<4, 4, 2, true>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 2) convolution_64x256(ARGS) {
    convolve<2, 8, 2, true>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 2) convolution_128x128_unaligned(ARGS) {
    convolve<4, 8, 2, false>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 2) convolution_64x128_unaligned(ARGS) {
    convolve<4, 4, 2, false>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 2) convolution_64x256_unaligned(ARGS) {
    convolve<2, 8, 2, false>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 2) convolution_pixels_128x128(ARGS) {
    convolve_pixels<4, 8, 2, true>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 2) convolution_pixels_128x64(ARGS) {
    convolve_pixels<8, 4, 2, true>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 2) convolution_pixels_256x64(ARGS) {
    convolve_pixels<8, 8, 2, true>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 2) convolution_pixels_128x64_unaligned(ARGS) {
    convolve_pixels<8, 4, 2, false>(GIVEN);
}
#endif
