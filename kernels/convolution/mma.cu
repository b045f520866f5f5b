// 2-D forward convolution on tensor cores (compute capability 8.0 on), of bf16 or of f32 that they read as
// TF32: one matrix product per group. What lies under the taps is gathered straight into a ring in shared
// memory by pieces of 16 bytes, which are channels of a pixel; the padding arrives as zeros. x is
// `[image][pixel][group][channel]`, a group's channels whole pieces (`…_pixels` brings other images into
// that order), w `[group][filter][tap][channel]` with the same channels. A block of 256 threads makes one tile. Where
// `part` is less than the products of an output value, that many are a part of their own, and the parts
// stand one after the other (each a whole y in f32) to be added: blockIdx.z = part index ·
// groups + group.
// architectures: 80
#include "device.h"
#include "tiles.h"

#if DEVICE_ARCH == 0 || DEVICE_ARCH >= 80
const u32 ring = 3;
// Products of a slab and values from one row of a tile to the next, padded so that the rows of a fragment
// lie in distinct banks; products of a piece.
template <class T> struct Along {
    enum : u32 { piece = 16 / sizeof(T), slab = 4 * piece, pitch = 5 * piece };
};

// A piece of the products of an output value: where their x is, from the position's first tap on.
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

DEVICE void product(float d[4], const u32 a[4], const u32 b[2], u16) { mma_m16n8k16_bf16(d, a, b); }
DEVICE void product(float d[4], const u32 a[4], const u32 b[2], float) { mma_m16n8k8_tf32(d, a, b); }

DEVICE void put(u16* y, float x) { *y = float_to_bf16(x); }
DEVICE void put(float* y, float x) { *y = x; }
DEVICE void put_two(u16* y, const float* x) {
    *reinterpret_cast<u32*>(y) = floats_to_bf16(x[0], x[1]);
}
DEVICE void put_two(float* y, const float* x) {
    *reinterpret_cast<float2*>(y) = make_float2(x[0], x[1]);
}

// sum += a slab of `left` (the warp's first row of the tile) times one of `right` (its first column).
template <u32 rows, u32 columns, class T>
DEVICE void multiply(float (&sum)[rows][columns][4], const T* left, const T* right) {
    const u32 lane = threadIdx.x % 32, pitch = Along<T>::pitch, piece = Along<T>::piece;
    left += lane % 16 * pitch + lane / 16 * piece;
    right += (lane / 16 * 8 + lane % 8) * pitch + lane / 8 % 2 * piece;
#pragma unroll
    for (u32 k = 0; k < Along<T>::slab; k += 2 * piece) {
        u32 l[rows][4], r[columns / 2][4];
#pragma unroll
        for (u32 i = 0; i < rows; i++) load_matrix_x4(l[i], left + i * 16 * pitch + k);
#pragma unroll
        for (u32 j = 0; j < columns / 2; j++) load_matrix_x4(r[j], right + j * 16 * pitch + k);
#pragma unroll
        for (u32 i = 0; i < rows; i++) {
#pragma unroll
            for (u32 j = 0; j < columns; j++) product(sum[i][j], l[i], r[j / 2] + j % 2 * 2, T());
        }
    }
}

// Where sums go: row and column of the first of a warp, of the group's product.
struct Target {
    u32 row, column, rows, columns;
};

// `planes`: rows are filters and columns positions, else the other way round.
template <bool planes, u32 rows, u32 columns, class T>
DEVICE void store(const float (&sum)[rows][columns][4], T* y, const Geometry& g, Target to) {
    const u32 lane = threadIdx.x % 32, group = blockIdx.z % g.groups;
    const u32 filters = g.c_out / g.groups, positions = g.out_h * g.out_w;
    const u32 down = planes ? positions : g.c_out;  // elements from a row to the next
    const bool whole = g.part >= g.depth;
    const bool pairs = (planes ? positions : g.c_out | filters) % 2 == 0;
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
                whole ? put_two(y + at, two) : put_two(parts + at, two);
            } else {
                whole ? put(y + at, two[odd]) : put(parts + at, two[odd]);
            }
        }
    }
}

// `row_warps` × (8 / row_warps) warps, each 16·rows × 8·columns.
template <bool planes, u32 row_warps, u32 rows, u32 columns, class T>
DEVICE void convolve(const T* x, const T* w, const Tap* taps, T* y, const Geometry& g) {
    const u32 piece = Along<T>::piece, slab = Along<T>::slab, pitch = Along<T>::pitch;
    const u32 tile_m = row_warps * rows * 16, tile_n = 8 / row_warps * columns * 8;
    const u32 places = planes ? tile_n : tile_m, rest = planes ? tile_m : tile_n;
    const u32 stage_values = (tile_m + tile_n) * pitch;
    T* shared = dynamic_shared<T>();
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
    const u32 my_k = thread % 4 * piece, my_row = thread / 4;
    auto fetch = [&](u32 k0, T* stage) {
        const u32 k = k0 + my_k;
        const uint4 tap = *reinterpret_cast<const uint4*>(taps + (k < end ? k / piece : 0));
        T* there = stage + my_row * pitch + my_k;
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
    through_ring<ring, slab>(shared, stage_values, first, end, fetch, [&](const T* stage) {
        multiply<rows, columns>(sum, stage + left, stage + right);
    });
    const Target to = planes ? Target{filter0 + warp_row, position0 + warp_column, filters, all}
                             : Target{position0 + warp_row, filter0 + warp_column, all, filters};
    store<planes, rows, columns>(sum, y, g, to);
}

// x, `x_channel` and `x_pixel` elements from a channel and a pixel to the next, as the kernels above want
// it; channels that are not there are zeros. A thread fills a piece, `padded` channels of a group; `all`
// pixels of images of `plane`.
struct Images {
    u32 all, plane, c_in, groups, padded, x_channel, x_pixel;
};

template <class T> DEVICE void turn(const T* x, T* pixels, const Images& g) {
    const u32 piece = Along<T>::piece, at = blockIdx.x * 64 + threadIdx.x / 4;
    const u32 filled = (blockIdx.y * 4 + threadIdx.x % 4) * piece;
    if (at >= g.all || filled >= g.groups * g.padded) return;
    const u32 channels = g.c_in / g.groups, group = filled / g.padded, first = filled % g.padded;
    const T* from = x + at / g.plane * g.c_in * g.plane + at % g.plane * g.x_pixel +
                    (group * channels + first) * g.x_channel;
    __align__(16) T values[piece];
#pragma unroll
    for (u32 c = 0; c < piece; c++) {
        values[c] = first + c < channels ? from[c * g.x_channel] : static_cast<T>(0);
    }
    *reinterpret_cast<uint4*>(pixels + static_cast<u64>(at) * g.groups * g.padded + filled) =
        *reinterpret_cast<const uint4*>(values);
}

#define ARGS(T)                                                                                  \
    const T *x, const T *w, const u32 *taps, T *y, u32 batch, u32 channels, u32 height,          \
        u32 width, u32 c_out, u32 stride, u32 padding, u32 groups, u32 out_h, u32 out_w,         \
        u32 depth, u32 part
#define GIVEN                                                                                    \
    x, w, reinterpret_cast<const Tap*>(taps), y,                                                 \
        Geometry {                                                                               \
        batch, channels, height, width, c_out, stride, padding, groups, out_h, out_w, depth, part \
    }
#define IMAGES(T)                                                                                \
    const T *x, T *pixels, u32 all, u32 plane, u32 c_in, u32 groups, u32 padded, u32 x_channel,  \
        u32 x_pixel

// Filters × positions for NCHW.
extern "C" __global__ void __launch_bounds__(256, 2) convolution_bf16_128x128(ARGS(u16)) {
    convolve<true, 2, 4, 4>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 2) convolution_bf16_64x128(ARGS(u16)) {
    convolve<true, 2, 2, 4>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 1) convolution_bf16_128x256(ARGS(u16)) {
    convolve<true, 2, 4, 8>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 2) convolution_tf32_128x128(ARGS(float)) {
    convolve<true, 2, 4, 4>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 2) convolution_tf32_64x128(ARGS(float)) {
    convolve<true, 2, 2, 4>(GIVEN);
}
// Positions × filters for NHWC.
extern "C" __global__ void __launch_bounds__(256, 2) convolution_bf16_pixels_128x128(ARGS(u16)) {
    convolve<false, 2, 4, 4>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 2) convolution_bf16_pixels_128x64(ARGS(u16)) {
    convolve<false, 4, 2, 4>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 1) convolution_bf16_pixels_256x128(ARGS(u16)) {
    convolve<false, 4, 4, 8>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 2) convolution_tf32_pixels_128x128(ARGS(float)) {
    convolve<false, 2, 4, 4>(GIVEN);
}
extern "C" __global__ void __launch_bounds__(256, 2) convolution_tf32_pixels_128x64(ARGS(float)) {
    convolve<false, 4, 2, 4>(GIVEN);
}

extern "C" __global__ void __launch_bounds__(256) convolution_bf16_pixels(IMAGES(u16)) {
    turn(x, pixels, Images{all, plane, c_in, groups, padded, x_channel, x_pixel});
}
extern "C" __global__ void __launch_bounds__(256) convolution_tf32_pixels(IMAGES(float)) {
    turn(x, pixels, Images{all, plane, c_in, groups, padded, x_channel, x_pixel});
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
