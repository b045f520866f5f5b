// 2-D forward convolution, f32 or bf16, NCHW or NHWC (they differ in the strides), as one matrix product per
// group: rows are the group's filters, columns the output positions of all images, and the right
// operand (what lies under the taps) is gathered straight into shared memory. Edges and padding are
// zeros there.
#include "device.h"

struct Geometry {
    u32 batch, c_in, height, width, c_out, kernel_h, kernel_w, stride, padding, dilation, groups;
    u32 out_h, out_w;
    // Elements from one channel, row and column of x to the next.
    u32 x_channel, x_row, x_column;
    // Elements from one filter and position of y to the next.
    u32 y_filter, y_position;
    // Products of an output value from one channel and tap to the next.
    u32 k_channel, k_tap;
};

// Where an output position reads: its image and the coordinates under the first tap.
struct Place {
    u32 image;
    i32 y, x;
};

DEVICE Place place_of(const Geometry& g, u32 column) {
    const u32 positions = g.out_h * g.out_w;
    const u32 position = column % positions;
    Place place;
    place.image = column / positions;
    place.y = static_cast<i32>(position / g.out_w * g.stride) - static_cast<i32>(g.padding);
    place.x = static_cast<i32>(position % g.out_w * g.stride) - static_cast<i32>(g.padding);
    return place;
}

DEVICE float widen(float x) { return x; }
DEVICE float widen(u16 x) { return bf16_to_float(x); }
DEVICE void put(float* y, float x) { *y = x; }
DEVICE void put(u16* y, float x) { *y = float_to_bf16(x); }

// The value of `channel` under tap (ky, kx); zero in the padding.
template <class T>
DEVICE float under_tap(const Geometry& g, const T* x, const Place& place, u32 channel, u32 ky,
                       u32 kx) {
    const u32 iy = static_cast<u32>(place.y + static_cast<i32>(ky * g.dilation));
    const u32 ix = static_cast<u32>(place.x + static_cast<i32>(kx * g.dilation));
    // A negative coordinate is large as u32.
    if (iy >= g.height || ix >= g.width) return 0.0f;
    return widen(x[place.image * g.c_in * g.height * g.width + channel * g.x_channel + iy * g.x_row +
                   ix * g.x_column]);
}

// Thread (x, y) of 16×16 sums rows y·4 … y·4+3 (and the same 64 further down) by as many columns.
// The next slab of operands waits in registers while this one is multiplied.
template <u32 tile, u32 slab, class T>
DEVICE void convolve(const T* x, const T* w, T* y, const Geometry& g) {
    const u32 parts = tile / 64;          // pieces of 4 rows (columns) of a thread
    const u32 loads = tile * slab / 256;  // values of each operand that a thread carries
    __shared__ __align__(16) float w_tile[slab][tile + 4];  // transposed; padded against conflicts
    __shared__ __align__(16) float x_tile[slab][tile];
    const u32 thread = threadIdx.x, tx = thread % 16, ty = thread / 16;
    const u32 filters = g.c_out / g.groups, channels = g.c_in / g.groups;
    const u32 taps = g.kernel_h * g.kernel_w, depth = channels * taps;
    const u32 positions = g.out_h * g.out_w, columns = g.batch * positions;
    const u32 row0 = blockIdx.y * tile, column0 = blockIdx.x * tile, group = blockIdx.z;
    w += static_cast<u64>(group) * filters * depth;
    // A thread gathers one column of the tile.
    const u32 my_column = column0 + thread % tile;
    const Place place = place_of(g, min(my_column, columns - 1));

    float w_next[loads], x_next[loads];
    auto fetch = [&](u32 k0) {
#pragma unroll
        for (u32 i = 0; i < loads; i++) {
            const u32 index = thread + i * 256;
            const u32 row = row0 + index / slab, wk = k0 + index % slab;
            w_next[i] = row < filters && wk < depth ? widen(w[row * depth + wk]) : 0.0f;
            const u32 xk = k0 + index / tile;
            const u32 channel = group * channels + xk / g.k_channel % channels;
            const u32 tap = xk / g.k_tap % taps;
            x_next[i] = xk < depth && my_column < columns
                            ? under_tap(g, x, place, channel, tap / g.kernel_w, tap % g.kernel_w)
                            : 0.0f;
        }
    };

    float sum[parts * 4][parts * 4] = {};
    fetch(0);
    for (u32 k0 = 0; k0 < depth; k0 += slab) {
#pragma unroll
        for (u32 i = 0; i < loads; i++) {
            const u32 index = thread + i * 256;
            w_tile[index % slab][index / slab] = w_next[i];
            x_tile[index / tile][index % tile] = x_next[i];
        }
        __syncthreads();
        if (k0 + slab < depth) fetch(k0 + slab);
#pragma unroll
        for (u32 kk = 0; kk < slab; kk++) {
            float4 wv[parts], xv[parts];
#pragma unroll
            for (u32 p = 0; p < parts; p++) {
                wv[p] = *reinterpret_cast<const float4*>(&w_tile[kk][p * 64 + ty * 4]);
                xv[p] = *reinterpret_cast<const float4*>(&x_tile[kk][p * 64 + tx * 4]);
            }
#pragma unroll
            for (u32 p = 0; p < parts; p++) {
                const float rows[4] = {wv[p].x, wv[p].y, wv[p].z, wv[p].w};
#pragma unroll
                for (u32 i = 0; i < 4; i++) {
#pragma unroll
                    for (u32 q = 0; q < parts; q++) {
                        float* s = sum[p * 4 + i] + q * 4;
                        s[0] = fmaf(rows[i], xv[q].x, s[0]);
                        s[1] = fmaf(rows[i], xv[q].y, s[1]);
                        s[2] = fmaf(rows[i], xv[q].z, s[2]);
                        s[3] = fmaf(rows[i], xv[q].w, s[3]);
                    }
                }
            }
        }
        __syncthreads();
    }

#pragma unroll
    for (u32 j = 0; j < parts * 4; j++) {
        const u32 column = column0 + j / 4 * 64 + tx * 4 + j % 4;
        const u32 image = column / positions, position = column % positions;
        T* to = y + image * g.c_out * positions + group * filters * g.y_filter +
                position * g.y_position;
#pragma unroll
        for (u32 i = 0; i < parts * 4; i++) {
            const u32 row = row0 + i / 4 * 64 + ty * 4 + i % 4;
            if (row < filters && column < columns) put(to + row * g.y_filter, sum[i][j]);
        }
    }
}

#define GEOMETRY                                                                                 \
    u32 batch, u32 c_in, u32 height, u32 width, u32 c_out, u32 kernel_h, u32 kernel_w,           \
        u32 stride, u32 padding, u32 dilation, u32 groups, u32 out_h, u32 out_w, u32 x_channel,  \
        u32 x_row, u32 x_column, u32 y_filter, u32 y_position, u32 k_channel, u32 k_tap
#define GIVEN                                                                                    \
    {batch, c_in, height, width, c_out, kernel_h, kernel_w, stride, padding, dilation, groups,   \
     out_h, out_w, x_channel, x_row, x_column, y_filter, y_position, k_channel, k_tap}

extern "C" __global__ void __launch_bounds__(256)
convolution_128(const float* x, const float* w, float* y, GEOMETRY) {
    const Geometry g = GIVEN;
    convolve<128, 8>(x, w, y, g);
}

extern "C" __global__ void __launch_bounds__(256)
convolution_64(const float* x, const float* w, float* y, GEOMETRY) {
    const Geometry g = GIVEN;
    convolve<64, 16>(x, w, y, g);
}

extern "C" __global__ void __launch_bounds__(256)
convolution_bf16_64(const u16* x, const u16* w, u16* y, GEOMETRY) {
    const Geometry g = GIVEN;
    convolve<64, 16>(x, w, y, g);
}

// Filters over a single channel: one thread sums one output value.
template <class T> DEVICE void depthwise(const T* x, const T* w, T* y, const Geometry& g) {
    const u32 index = (blockIdx.y * gridDim.x + blockIdx.x) * 256 + threadIdx.x;
    const u32 positions = g.out_h * g.out_w;
    if (index >= g.batch * g.c_out * positions) return;
    // In the order of y, whatever that is.
    const u32 filter = index / g.y_filter % g.c_out, position = index / g.y_position % positions;
    const Place place = place_of(g, index / (g.c_out * positions) * positions + position);
    const u32 channel = filter / (g.c_out / g.groups);
    const T* taps = w + filter * g.kernel_h * g.kernel_w;
    float sum = 0.0f;
    for (u32 ky = 0; ky < g.kernel_h; ky++) {
        for (u32 kx = 0; kx < g.kernel_w; kx++) {
            const float tap = widen(taps[ky * g.kernel_w + kx]);
            sum = fmaf(tap, under_tap(g, x, place, channel, ky, kx), sum);
        }
    }
    put(y + index, sum);
}

extern "C" __global__ void __launch_bounds__(256)
convolution_depthwise(const float* x, const float* w, float* y, GEOMETRY) {
    const Geometry g = GIVEN;
    depthwise(x, w, y, g);
}

extern "C" __global__ void __launch_bounds__(256)
convolution_bf16_depthwise(const u16* x, const u16* w, u16* y, GEOMETRY) {
    const Geometry g = GIVEN;
    depthwise(x, w, y, g);
}
