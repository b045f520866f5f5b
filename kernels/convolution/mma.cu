// 2-D forward convolution, bf16, on tensor cores (compute capability 8.0 on): one matrix product per
// group. What lies under the taps is gathered straight into a ring in shared memory, 8 channels of a
// pixel at a time; the padding arrives as zeros. x is `[image][pixel][group][channel]`, a group's
// channels a multiple of 8 (`convolution_bf16_pixels` brings other images into that order), w
// `[group][filter][tap][channel]` with the same channels. A block of 256 threads makes one tile. Where
// `part` is less than the products of an output value, that many are a part of their own, and the parts
// stand one after the other (each a whole y in f32) for `convolution_round`: blockIdx.z = part index ·
// groups + group.
// architectures: 80
#include "device.h"

#if DEVICE_ARCH == 0 || DEVICE_ARCH >= 80
const u32 ring = 3;
const u32 slab = 32;
const u32 pitch = slab + 8;  // padded so that the rows of a fragment lie in distinct banks

// Eight products of an output value: where their x is, from the position's first tap on.
struct Tap {
    u32 offset;  // elements
    u32 y, x;    // rows and columns
    u32 unused;
};

// `channels` of a pixel, of all groups.
struct Geometry {
    u32 batch, channels, height, width, c_out, stride, padding, groups, out_h, out_w, depth, part;
};

// Element under the first tap and its row and column, in the upper and lower half, where a position
// reads; a row below every image where there is no such position.
DEVICE uint2 first_tap(const Geometry& g, u32 at, u32 channel) {
    const u32 positions = g.out_h * g.out_w, image = at / positions, position = at % positions;
    const u32 y = position / g.out_w * g.stride, x = position % g.out_w * g.stride;
    const u32 pixel = (image * g.height + y - g.padding) * g.width + x - g.padding;
    return make_uint2(pixel * g.channels + channel, image < g.batch ? y << 16 | x : 1u << 31);
}

// sum += a slab of `left` (the warp's first row of the tile) times one of `right` (its first column).
template <u32 rows, u32 columns>
DEVICE void multiply(float (&sum)[rows][columns][4], const u16* left, const u16* right) {
    const u32 lane = threadIdx.x % 32;
    left += lane % 16 * pitch + lane / 16 * 8;
    right += (lane / 16 * 8 + lane % 8) * pitch + lane / 8 % 2 * 8;
#pragma unroll
    for (u32 k = 0; k < slab; k += 16) {
        u32 l[rows][4], r[columns / 2][4];
#pragma unroll
        for (u32 i = 0; i < rows; i++) load_matrix_x4(l[i], left + i * 16 * pitch + k);
#pragma unroll
        for (u32 j = 0; j < columns / 2; j++) load_matrix_x4(r[j], right + j * 16 * pitch + k);
#pragma unroll
        for (u32 i = 0; i < rows; i++) {
#pragma unroll
            for (u32 j = 0; j < columns; j++) mma_m16n8k16_bf16(sum[i][j], l[i], r[j / 2] + j % 2 * 2);
        }
    }
}

// Where sums go: row and column of the first of a warp, of the group's product.
struct Target {
    u32 row, column, rows, columns;
};

// `planes`: rows are filters and columns positions, else the other way round.
template <bool planes, u32 rows, u32 columns>
DEVICE void store(const float (&sum)[rows][columns][4], u16* y, const Geometry& g, Target to) {
    const u32 lane = threadIdx.x % 32, group = blockIdx.z % g.groups;
    const u32 filters = g.c_out / g.groups, positions = g.out_h * g.out_w;
    const u32 down = planes ? positions : g.c_out;  // elements from a row to the next
    const bool whole = g.part >= g.depth;
    const bool pairs = whole && (planes ? positions : g.c_out | filters) % 2 == 0;
    float* parts = reinterpret_cast<float*>(y) +
                   static_cast<u64>(blockIdx.z / g.groups) * g.batch * g.c_out * positions;
#pragma unroll
    for (u32 j = 0; j < columns * 2; j++) {
        const u32 odd = j % 2, column = to.column + j / 2 * 8 + lane % 4 * 2 + odd;
        if (column >= to.columns || (pairs && odd)) continue;
        const u32 start =
            planes ? (column / positions * g.c_out + group * filters) * positions + column % positions
                   : group * filters + column;
#pragma unroll
        for (u32 i = 0; i < rows * 2; i++) {
            const u32 row = to.row + i * 8 + lane / 4, at = start + row * down;
            if (row >= to.rows) continue;
            const float* two = sum[i / 2][j / 2] + i % 2 * 2;
            if (pairs) {
                *reinterpret_cast<u32*>(y + at) =
                    float_to_bf16(two[0]) | static_cast<u32>(float_to_bf16(two[1])) << 16;
            } else if (whole) {
                y[at] = float_to_bf16(two[odd]);
            } else {
                parts[at] = two[odd];
            }
        }
    }
}

// `row_warps` × (8 / row_warps) warps, each 16·rows × 8·columns.
template <bool planes, u32 row_warps, u32 rows, u32 columns>
DEVICE void convolve(const u16* x, const u16* w, const Tap* taps, u16* y, const Geometry& g) {
    const u32 tile_m = row_warps * rows * 16, tile_n = 8 / row_warps * columns * 8;
    const u32 places = planes ? tile_n : tile_m, rest = planes ? tile_m : tile_n;
    const u32 stage_values = (tile_m + tile_n) * pitch;
    u16* shared = dynamic_shared<u16>();
    const u32 filters = g.c_out / g.groups, all = g.batch * g.out_h * g.out_w;
    const u32 position0 = blockIdx.x * places, filter0 = blockIdx.y * rest;
    const u32 group = blockIdx.z % g.groups, first = blockIdx.z / g.groups * g.part;
    const u32 end = min(g.depth, first + g.part);
    w += static_cast<u64>(group) * filters * g.depth;

    // In registers they would crowd out the sums.
    __shared__ uint2 corners[places];
    const u32 thread = threadIdx.x, channel = g.channels / g.groups * group;
    for (u32 i = thread; i < places; i += 256) corners[i] = first_tap(g, position0 + i, channel);
    __syncthreads();

    // A thread gathers the same products of a few positions and filters.
    const u32 my_k = thread % 4 * 8, my_row = thread / 4;
    auto fetch = [&](u32 k0, u16* stage) {
        const u32 k = k0 + my_k;
        const uint4 tap = *reinterpret_cast<const uint4*>(taps + (k < end ? k / 8 : 0));
        u16* there = stage + my_row * pitch + my_k;
#pragma unroll
        for (u32 i = 0; i < places / 64; i++, there += 64 * pitch) {
            const uint2 corner = corners[my_row + i * 64];
            // Above and to the left of the image these are large.
            const u32 at = corner.y + (tap.y << 16) + tap.z;
            const u32 at_y = (at >> 16) - g.padding, at_x = (at & 0xffff) - g.padding;
            const bool valid = k < end && at_y < g.height && at_x < g.width;
            copy_async_16_or_zero(there, valid ? x + (corner.x + tap.x) : x, valid);
        }
#pragma unroll
        for (u32 i = 0; i < rest / 64; i++, there += 64 * pitch) {
            const u32 filter = filter0 + my_row + i * 64;
            const bool valid = k < end && filter < filters;
            copy_async_16_or_zero(there, valid ? w + filter * g.depth + k : w, valid);
        }
        copy_async_commit();
    };

    const u32 warp = thread / 32;
    const u32 warp_row = warp % row_warps * rows * 16, warp_column = warp / row_warps * columns * 8;
    const u32 left = (warp_row + (planes ? places : 0)) * pitch;
    const u32 right = (warp_column + (planes ? 0 : places)) * pitch;
    float sum[rows][columns][4] = {};
    for (u32 s = 0; s < ring - 1; s++) fetch(first + s * slab, shared + s * stage_values);
    u32 at = 0, next = ring - 1;
    for (u32 k0 = first; k0 < end; k0 += slab) {
        copy_async_wait<ring - 2>();
        // Now the slab is there, and all have done with the one before it.
        __syncthreads();
        fetch(k0 + (ring - 1) * slab, shared + next * stage_values);
        multiply<rows, columns>(sum, shared + at * stage_values + left,
                                shared + at * stage_values + right);
        at = at + 1 == ring ? 0 : at + 1;
        next = next + 1 == ring ? 0 : next + 1;
    }
    const Target to = planes ? Target{filter0 + warp_row, position0 + warp_column, filters, all}
                             : Target{position0 + warp_row, filter0 + warp_column, all, filters};
    store<planes, rows, columns>(sum, y, g, to);
}

#define ARGS                                                                                     \
    const u16 *x, const u16 *w, const u32 *taps, u16 *y, u32 batch, u32 channels, u32 height,    \
        u32 width, u32 c_out, u32 stride, u32 padding, u32 groups, u32 out_h, u32 out_w,         \
        u32 depth, u32 part
#define GIVEN                                                                                    \
    x, w, reinterpret_cast<const Tap*>(taps), y,                                                 \
        Geometry {                                                                               \
        batch, channels, height, width, c_out, stride, padding, groups, out_h, out_w, depth, part \
    }

// Filters × positions for NCHW.
extern "C" __global__ void __launch_bounds__(256, 2) convolution_bf16_128x128(ARGS) {
    convolve<true, 2, 4, 4>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 2) convolution_bf16_64x128(ARGS) {
    convolve<true, 2, 2, 4>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 1) convolution_bf16_128x256(ARGS) {
    convolve<true, 2, 4, 8>(GIVEN);
}
// Positions × filters for NHWC.
extern "C" __global__ void __launch_bounds__(256, 2) convolution_bf16_pixels_128x128(ARGS) {
    convolve<false, 2, 4, 4>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 2) convolution_bf16_pixels_128x64(ARGS) {
    convolve<false, 4, 2, 4>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 1) convolution_bf16_pixels_256x128(ARGS) {
    convolve<false, 4, 4, 8>(GIVEN);
}

// x, `x_channel` and `x_pixel` elements from a channel and a pixel to the next, as the kernels above want
// it; channels that are not there are zeros. A thread fills 8 channels, `padded` of a group; `all` pixels
// of images of `plane`.
extern "C" __global__ void __launch_bounds__(256)
convolution_bf16_pixels(const u16* x, u16* pixels, u32 all, u32 plane, u32 c_in, u32 groups,
                        u32 padded, u32 x_channel, u32 x_pixel) {
    const u32 at = blockIdx.x * 64 + threadIdx.x / 4;
    const u32 filled = (blockIdx.y * 4 + threadIdx.x % 4) * 8;
    if (at >= all || filled >= groups * padded) return;
    const u32 channels = c_in / groups, group = filled / padded, first = filled % padded;
    const u16* from = x + at / plane * c_in * plane + at % plane * x_pixel +
                      (group * channels + first) * x_channel;
    u32 words[4] = {};
#pragma unroll
    for (u32 c = 0; c < 8; c++) {
        if (first + c < channels) words[c / 2] |= static_cast<u32>(from[c * x_channel]) << c % 2 * 16;
    }
    *reinterpret_cast<uint4*>(pixels + static_cast<u64>(at) * groups * padded + filled) =
        make_uint4(words[0], words[1], words[2], words[3]);
}

// y from `parts` sums, in order, rounded once.
extern "C" __global__ void __launch_bounds__(256)
convolution_round(const float* partial, u16* y, u32 values, u32 parts) {
    const u32 index = (blockIdx.y * gridDim.x + blockIdx.x) * 256 + threadIdx.x;
    if (index >= values) return;
    float sum = 0.0f;
#pragma unroll 4
    for (u32 p = 0; p < parts; p++) sum += partial[static_cast<u64>(p) * values + index];
    y[index] = float_to_bf16(sum);
}
#endif
