#include "device.h"

template <int N> static __device__ u32 sum_shared(u32 mine) {
    __shared__ u32 part[N];
    part[threadIdx.x] = mine;
    for (u32 step = N / 2; step; step /= 2) {
        __syncthreads();
        if (threadIdx.x < step) part[threadIdx.x] += part[threadIdx.x + step];
    }
    __syncthreads();
    return part[0];
}

extern "C" __global__ void __launch_bounds__(256) block_sum(const u32* a, u32* o, u32 n) {
    const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    const u32 sum = sum_shared<256>(i < n ? a[i] : 0);
    if (threadIdx.x == 0) o[blockIdx.x] = sum;
}

extern "C" __global__ void warps(const u32* a, u32* o, u32 n) {
    const u32 i = threadIdx.x, lane = i % 32;
    if (i >= n) return;
    o[4 * i] = __shfl_down_sync(0xffffffffu, a[i], 3);
    o[4 * i + 1] = __shfl_xor_sync(0xffffffffu, a[i], 5);
    o[4 * i + 2] = __ballot_sync(0xffffffffu, lane % 3 == 2);
    const u32 mask = lane < 16 ? 0xffffu : 0xffff0000u;
    u32 half = a[i];
    if (lane < 16) {
        for (u32 step = 8; step; step /= 2) half += __shfl_xor_sync(mask, half, step);
    } else {
        for (u32 step = 1; step < 16; step *= 2) half += __shfl_xor_sync(mask, half, step);
    }
    o[4 * i + 3] = half;
}

// a: 16×16, then b: 16×16 of which the first 8 columns count; o: 16×8 f32.
extern "C" __global__ void tensor(const u32* a, float* o, u32 n) {
    __shared__ __align__(16) u32 tile[256];
    const u32 lane = threadIdx.x;
    for (u32 i = lane; i < n; i += 32) tile[i] = a[i];
    __syncwarp();
    u32 fa[4], fb[4];
    load_matrix_x4(fa, tile + (lane % 16) * 8 + lane / 16 * 4);
    load_matrix_x4_transposed(fb, tile + 128 + (lane % 16) * 8 + lane / 16 * 4);
    float d[4] = {0, 0, 0, 0};
    mma_m16n8k16_bf16(d, fa, fb);
    for (u32 i = 0; i < 4; i++) o[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = d[i];
}

// The same for f32 words: a 16×8 tile and an 8×8 tile.
extern "C" __global__ void tensor_tf32(const u32* a, float* o, u32 n) {
    __shared__ __align__(16) u32 tile[192];
    const u32 lane = threadIdx.x;
    for (u32 i = lane; i < n; i += 32) tile[i] = a[i];
    __syncwarp();
    u32 fa[4];
    load_matrix_x4(fa, tile + (lane % 16) * 8 + lane / 16 * 4);
    const u32* b = tile + 128 + lane % 4 * 8 + lane / 4;
    const u32 fb[2] = {b[0], b[4 * 8]};
    float d[4] = {0, 0, 0, 0};
    mma_m16n8k8_tf32(d, fa, fb);
    for (u32 i = 0; i < 4; i++) o[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = d[i];
}

extern "C" __global__ void no_barrier(const u32* a, u32* o, u32 n) {
    __shared__ u32 s[64];
    s[threadIdx.x] = a[threadIdx.x];
    o[threadIdx.x] = s[n - 1 - threadIdx.x];
}

extern "C" __global__ void copied(const u32* a, u32* o, u32 n) {
    u32* s = dynamic_shared<u32>();
    const u32 i = threadIdx.x * 4;
    for (u32 half = 0; half < n; half += 64) {
        if (i < 64) copy_async_16(s + i, a + half + i);
        copy_async_commit();
        copy_async_wait<0>();
        __syncthreads();
        for (u32 j = threadIdx.x; j < 64; j += 32) o[half + j] = s[j];
        __syncthreads();
    }
}

extern "C" __global__ void copied_too_early(const u32* a, u32* o, u32 n) {
    __shared__ __align__(16) u32 s[128];
    copy_async_16(s + threadIdx.x * 4, a + threadIdx.x * 4);
    copy_async_commit();
    copy_async_wait<1>();
    __syncthreads();
    for (u32 j = threadIdx.x; j < n; j += 32) o[j] = s[j];
}

extern "C" __global__ void copy_unchecked(const u32* a, u32* o, u32) {
    o[threadIdx.x] = a[threadIdx.x];
}

extern "C" __global__ void read_before(const u32* a, u32* o, u32) {
    o[threadIdx.x] = a[static_cast<i32>(threadIdx.x) - 1];
}

extern "C" __global__ void misaligned(const u32* a, u32* o, u32) {
    *reinterpret_cast<uint4*>(o) = *reinterpret_cast<const uint4*>(a + 1);
}

extern "C" __global__ void shared_index(const u32* a, u32* o, u32) {
    __shared__ u32 s[32];
    s[threadIdx.x] = a[threadIdx.x];
    __syncthreads();
    o[threadIdx.x] = s[threadIdx.x % 32];
}

extern "C" __global__ void wide_shift(const u32* a, u32* o, u32 n) {
    o[0] = a[1] << (n / 2);
}

extern "C" __global__ void some_wait(const u32* a, u32* o, u32) {
    if (threadIdx.x <= 32) __syncthreads();
    else __shfl_sync(0xffffffffu, a[0], 8);
    o[threadIdx.x] = a[0];
}

extern "C" __global__ void absent_lane(const u32* a, u32* o, u32) {
    if (threadIdx.x != 7) o[threadIdx.x] = __shfl_sync(0xffffffffu, a[threadIdx.x], 0);
    else __syncthreads();
}

extern "C" __global__ void unnamed_lane(const u32* a, u32* o, u32) {
    if (threadIdx.x < 16) o[threadIdx.x] = __shfl_sync(0xffffu, a[threadIdx.x], 20);
}

extern "C" __global__ void keep_even(const u32* a, u32* o, u32* count, u32 capacity, u32 n) {
    const u32 i = threadIdx.x;
    if (i >= n || a[i] % 2) return;
    const u32 at = atomicAdd(count, 4u);
    if (at + 4 <= capacity) o[at / 4] = a[i];
}
