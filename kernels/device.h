// The one header of all .cu files: fixed-width types and the instructions that CUDA C has no
// plain name for. Each wrapper has a PTX body for the GPU and a C++ body; the C++ body serves
// architectures that lack the instruction and the host shim (tests/shim), which runs every
// kernel on the CPU.
//
// How to write a .cu file
//  * `#include "device.h"` and nothing else. Kernels are
//    `extern "C" __global__ void __launch_bounds__(256) name(const float* a, u32 n, ...)`;
//    parameters are pointers (const = read only) and 32-bit scalars (u32, i32, float), in the
//    order of the Recording's `Arg`s. The shim compares the kinds of both.
//  * Ordinary CUDA C works on both sides: threadIdx, blockIdx, blockDim, gridDim, __syncthreads,
//    __syncwarp, `__shared__ T tile[N]` inside functions (templates too), __constant__ and
//    `__device__ const` tables, __shfl_*_sync, __ballot_sync, __any_sync, __all_sync, atomic*
//    on u32, i32, float (add) and u64 (add, min, max), __ldg, __clz, __popc, __ffs, __brev,
//    __byte_perm, __funnelshift_l/r, __dp4a, __umulhi, min, max, fmaf, the SIMD-in-a-word
//    intrinsics __vadd2, __vsub2, __vmaxs2, __vmins2 and the DPX intrinsics __viaddmax_*,
//    __viaddmin_*, __vimax*, __vimin3_*, __vibmax_*, and vector types float2/4, int2/4,
//    uint2/4, ushort2/4, uchar4 with make_*.
//  * Dynamic shared memory: `T* s = dynamic_shared<T>()`; never `extern __shared__`.
//  * No inline asm outside this header, no printf, no standard library, no `long`.
//  * Warp operations: the block is a multiple of 32 threads (x fastest); every lane named in the
//    mask that has not returned calls the same operation; nobody reads a lane outside the mask.
//  * Every thread that has not returned meets at every __syncthreads.
//  * Blocks run in any order, one after another on the shim: a block must not wait for another
//    one (no look-back by spinning), nor a thread for a value of its own block without a barrier.
//  * Buffers start 16-byte aligned at least (256 on a GPU); vector accesses must be aligned.
//    Reading or writing past a buffer's end fails the test; shared memory starts poisoned (0xCB)
//    in each block, and so do outputs and scratch.
//  * cp.async data are not there before `copy_async_wait<N>()` *and* __syncthreads.
//  * Constants go into registers or arguments where two __vadd2 would add different immediates
//    to one operand (ptxas 12.9 drops the second).
#ifndef BREAKEVEN_DEVICE_H
#define BREAKEVEN_DEVICE_H

typedef unsigned char u8;
typedef signed char i8;
typedef unsigned short u16;
typedef short i16;
typedef unsigned int u32;
typedef int i32;
typedef unsigned long long u64;
typedef long long i64;

#ifdef __CUDACC_RTC__
#define DEVICE __device__ __forceinline__
// Architecture × 10 of the code being compiled; 0 on the host shim.
#define DEVICE_ARCH (__CUDA_ARCH__ / 10)
#else
#ifndef BREAKEVEN_SHIM
#error "outside NVRTC this header needs tests/shim/cuda.h included before it"
#endif
#define DEVICE static inline
#define DEVICE_ARCH 0
#endif

// ---- shared memory -------------------------------------------------------------------------

// Start of the block's dynamic shared memory (`Kernel::shared_bytes` of them), 16-byte aligned.
template <class T> DEVICE T* dynamic_shared() {
#if DEVICE_ARCH
    extern __shared__ __align__(16) u8 dynamic_shared_bytes[];
    return reinterpret_cast<T*>(dynamic_shared_bytes);
#else
    return static_cast<T*>(shim_dynamic_shared());
#endif
}

#if DEVICE_ARCH
// 32-bit shared-window address of a generic pointer, as PTX instructions take it.
DEVICE u32 shared_address(const void* p) {
    return static_cast<u32>(__cvta_generic_to_shared(p));
}
#endif

// Starts the copy of 16 bytes from global to shared memory; both 16-byte aligned.
DEVICE void copy_async_16(void* shared, const void* global) {
#if DEVICE_ARCH >= 80
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\n" ::"r"(shared_address(shared)),
                 "l"(__cvta_generic_to_global(global))
                 : "memory");
#elif DEVICE_ARCH
    *static_cast<uint4*>(shared) = *static_cast<const uint4*>(global);
#else
    shim_copy_async(shared, global, 16, 16);
#endif
}

// The same, but writes 16 zero bytes and does not read `global` where `valid` is false.
DEVICE void copy_async_16_or_zero(void* shared, const void* global, bool valid) {
#if DEVICE_ARCH >= 80
    const u32 bytes = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(shared_address(shared)),
                 "l"(__cvta_generic_to_global(global)), "r"(bytes)
                 : "memory");
#elif DEVICE_ARCH
    *static_cast<uint4*>(shared) =
        valid ? *static_cast<const uint4*>(global) : make_uint4(0, 0, 0, 0);
#else
    shim_copy_async(shared, global, valid ? 16 : 0, 16);
#endif
}

// The same for 4 bytes, 4-byte aligned (slower; for unaligned rows).
DEVICE void copy_async_4_or_zero(void* shared, const void* global, bool valid) {
#if DEVICE_ARCH >= 80
    const u32 bytes = valid ? 4 : 0;
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;\n" ::"r"(shared_address(shared)),
                 "l"(__cvta_generic_to_global(global)), "r"(bytes)
                 : "memory");
#elif DEVICE_ARCH
    *static_cast<u32*>(shared) = valid ? *static_cast<const u32*>(global) : 0u;
#else
    shim_copy_async(shared, global, valid ? 4 : 0, 4);
#endif
}

// Closes the group of copies that this thread has started since the last commit.
DEVICE void copy_async_commit() {
#if DEVICE_ARCH >= 80
    asm volatile("cp.async.commit_group;\n" ::: "memory");
#elif !DEVICE_ARCH
    shim_copy_async_commit();
#endif
}

// Waits until at most the `pending` newest groups of this thread are still under way.
template <int pending> DEVICE void copy_async_wait() {
#if DEVICE_ARCH >= 80
    asm volatile("cp.async.wait_group %0;\n" ::"n"(pending) : "memory");
#elif !DEVICE_ARCH
    shim_copy_async_wait(pending);
#endif
}

// ---- bf16 ----------------------------------------------------------------------------------

// The lower and upper bf16 of a word as f32 (exact).
DEVICE float bf16_low(u32 pair) { return __uint_as_float(pair << 16); }
DEVICE float bf16_high(u32 pair) { return __uint_as_float(pair & 0xffff0000u); }
DEVICE float bf16_to_float(u16 x) { return __uint_as_float(static_cast<u32>(x) << 16); }

// Rounds to the nearest bf16, ties to even; a NaN stays one.
DEVICE u16 float_to_bf16(float x) {
    const u32 bits = __float_as_uint(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<u16>((bits >> 16) | 0x40u);
    return static_cast<u16>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

// ---- tensor cores --------------------------------------------------------------------------

// Loads four 8×8 matrices of 16-bit values from shared memory. Lane i names row i%8 (16 bytes,
// 16-byte aligned) of matrix i/8; it receives in r[j] columns 2(i%4), 2(i%4)+1 of row i/4 of
// matrix j: the layout of an A fragment of `mma_m16n8k16_bf16`. All 32 lanes take part.
DEVICE void load_matrix_x4(u32 r[4], const void* row) {
#if DEVICE_ARCH >= 75
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
#else
    const u32 lane = (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) & 31;
    const u64 mine = reinterpret_cast<u64>(row);
    for (u32 j = 0; j < 4; j++) {
        const u64 from = __shfl_sync(0xffffffffu, mine, j * 8 + lane / 4);
        r[j] = reinterpret_cast<const u32*>(from)[lane % 4];
    }
#endif
}

// The same with each matrix transposed: r[j] holds rows 2(i%4), 2(i%4)+1 of column i/4: the
// layout of a B fragment from row-major k×n storage.
DEVICE void load_matrix_x4_transposed(u32 r[4], const void* row) {
#if DEVICE_ARCH >= 75
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
#else
    const u32 lane = (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) & 31;
    const u64 mine = reinterpret_cast<u64>(row);
    for (u32 j = 0; j < 4; j++) {
        const u64 even = __shfl_sync(0xffffffffu, mine, j * 8 + lane % 4 * 2);
        const u64 odd = __shfl_sync(0xffffffffu, mine, j * 8 + lane % 4 * 2 + 1);
        r[j] = reinterpret_cast<const u16*>(even)[lane / 4] |
               static_cast<u32>(reinterpret_cast<const u16*>(odd)[lane / 4]) << 16;
    }
#endif
}

// d += a·b for a 16×16 tile of a, a 16×8 tile of b (bf16) and a 16×8 tile of d (f32), spread
// over the 32 lanes. With g = lane/4 and t = lane%4 (low half of a word = lower index):
//   a[0] = (row g, cols 2t,2t+1)     a[1] = (row g+8, cols 2t,2t+1)
//   a[2] = (row g, cols 2t+8,2t+9)   a[3] = (row g+8, cols 2t+8,2t+9)
//   b[0] = (rows 2t,2t+1, col g)     b[1] = (rows 2t+8,2t+9, col g)
//   d[0],d[1] = (row g, cols 2t,2t+1)   d[2],d[3] = (row g+8, cols 2t,2t+1)
DEVICE void mma_m16n8k16_bf16(float d[4], const u32 a[4], const u32 b[2]) {
#if DEVICE_ARCH >= 80
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    const u32 all = 0xffffffffu;
    const u32 lane = (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) & 31;
    const u32 g = lane / 4, t = lane % 4;
    for (u32 half = 0; half < 2; half++) {      // k 0…7, then 8…15
        for (u32 pair = 0; pair < 4; pair++) {  // k = 8·half + 2·pair, and the next
            const u32 top = __shfl_sync(all, a[2 * half], g * 4 + pair);
            const u32 bottom = __shfl_sync(all, a[2 * half + 1], g * 4 + pair);
            const u32 left = __shfl_sync(all, b[half], 8 * t + pair);
            const u32 right = __shfl_sync(all, b[half], 8 * t + 4 + pair);
            d[0] += bf16_low(top) * bf16_low(left) + bf16_high(top) * bf16_high(left);
            d[1] += bf16_low(top) * bf16_low(right) + bf16_high(top) * bf16_high(right);
            d[2] += bf16_low(bottom) * bf16_low(left) + bf16_high(bottom) * bf16_high(left);
            d[3] += bf16_low(bottom) * bf16_low(right) + bf16_high(bottom) * bf16_high(right);
        }
    }
#endif
}

// ---- bytes ---------------------------------------------------------------------------------

// Byte i of the result is byte `selector >> 4·i & 7` of b:a, or, where bit 3 is set, that byte's
// sign in all bits.
DEVICE u32 permute_signed(u32 a, u32 b, u32 selector) {
#if DEVICE_ARCH
    u32 r;
    asm("prmt.b32 %0, %1, %2, %3;\n" : "=r"(r) : "r"(a), "r"(b), "r"(selector));
    return r;
#else
    return __byte_perm(a, b, selector);
#endif
}

// Both values held to 16 signed bits; the first is the lower half.
DEVICE u32 pack_signed(i32 low, i32 high) {
#if DEVICE_ARCH >= 75
    u32 r;
    asm("cvt.pack.sat.s16.s32 %0, %1, %2;" : "=r"(r) : "r"(high), "r"(low));
    return r;
#else
    return (static_cast<u32>(min(max(low, -32768), 32767)) & 0xffff) |
           static_cast<u32>(min(max(high, -32768), 32767)) << 16;
#endif
}

// Four values held to a byte each, the first one lowest.
DEVICE u32 pack_samples(const i32* x) {
#if DEVICE_ARCH >= 75
    u32 high, r;
    asm("cvt.pack.sat.u8.s32.b32 %0, %1, %2, 0;" : "=r"(high) : "r"(x[3]), "r"(x[2]));
    asm("cvt.pack.sat.u8.s32.b32 %0, %1, %2, %3;" : "=r"(r) : "r"(x[1]), "r"(x[0]), "r"(high));
    return r;
#else
    u32 r = 0;
    for (u32 i = 0; i < 4; i++) r |= static_cast<u32>(min(max(x[i], 0), 255)) << (8 * i);
    return r;
#endif
}

// c plus the products of the two signed 16-bit halves of `pair`, lower first, with the lower two of
// four unsigned bytes, the upper two, or the upper two of signed ones.
DEVICE i32 dot_low(u32 pair, u32 bytes, i32 c) {
#if DEVICE_ARCH
    i32 r;
    asm("dp2a.lo.s32.u32 %0, %1, %2, %3;" : "=r"(r) : "r"(pair), "r"(bytes), "r"(c));
    return r;
#else
    return c + static_cast<i16>(pair & 0xffff) * static_cast<i32>(bytes & 255) +
           static_cast<i16>(pair >> 16) * static_cast<i32>(bytes >> 8 & 255);
#endif
}
DEVICE i32 dot_high(u32 pair, u32 bytes, i32 c) {
#if DEVICE_ARCH
    i32 r;
    asm("dp2a.hi.s32.u32 %0, %1, %2, %3;" : "=r"(r) : "r"(pair), "r"(bytes), "r"(c));
    return r;
#else
    return dot_low(pair, bytes >> 16, c);
#endif
}
DEVICE i32 dot_high_signed(u32 pair, u32 bytes, i32 c) {
#if DEVICE_ARCH
    i32 r;
    asm("dp2a.hi.s32.s32 %0, %1, %2, %3;" : "=r"(r) : "r"(pair), "r"(bytes), "r"(c));
    return r;
#else
    return c + static_cast<i16>(pair & 0xffff) * static_cast<i8>(bytes >> 16 & 255) +
           static_cast<i16>(pair >> 16) * static_cast<i8>(bytes >> 24);
#endif
}

// ---- half2: two f16 in a word --------------------------------------------------------------

DEVICE float half_to_float(u16 x) {
#if DEVICE_ARCH
    float r;
    asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(x));
    return r;
#else
    return shim_half_to_float(x);
#endif
}

// Rounds to the nearest f16, ties to even.
DEVICE u16 float_to_half(float x) {
#if DEVICE_ARCH
    u16 r;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(r) : "f"(x));
    return r;
#else
    return shim_float_to_half(x);
#endif
}

DEVICE u32 half2_make(float low, float high) {
    return float_to_half(low) | static_cast<u32>(float_to_half(high)) << 16;
}
DEVICE float half2_low(u32 x) { return half_to_float(static_cast<u16>(x)); }
DEVICE float half2_high(u32 x) { return half_to_float(static_cast<u16>(x >> 16)); }

DEVICE u32 half2_add(u32 a, u32 b) {
#if DEVICE_ARCH
    u32 r;
    asm("add.rn.f16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
    return r;
#else
    return half2_make(half2_low(a) + half2_low(b), half2_high(a) + half2_high(b));
#endif
}

// a·b + c, rounded once (f32 holds the exact product; the sum of the C++ body rounds in f32
// first, which agrees for the integers up to 2048 that kernels use it for).
DEVICE u32 half2_fma(u32 a, u32 b, u32 c) {
#if DEVICE_ARCH
    u32 r;
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
    return r;
#else
    return half2_make(fmaf(half2_low(a), half2_low(b), half2_low(c)),
                      fmaf(half2_high(a), half2_high(b), half2_high(c)));
#endif
}

DEVICE u32 half2_max(u32 a, u32 b) {
#if DEVICE_ARCH >= 80
    u32 r;
    asm("max.f16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
    return r;
#else
    return half2_make(fmaxf(half2_low(a), half2_low(b)), fmaxf(half2_high(a), half2_high(b)));
#endif
}

#endif
