// The header of all .cu files: fixed-width types and the instructions that CUDA C has no
// plain name for. Each wrapper has a PTX body for the GPU and a C++ body; the C++ body serves
// the host shim (tests/shim), which runs every kernel on the CPU, and mostly architectures that lack
// the instruction.
//
// How to write a .cu file
//  * `#include "device.h"`, where it helps `"tiles.h"`, and nothing else. Kernels are
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

// Four floats or, where they are not `vectors` of 16 bytes, one.
template <bool vectors>
DEVICE void copy_async_floats_or_zero(float* shared, const float* global, bool valid) {
    if (vectors) {
        copy_async_16_or_zero(shared, global, valid);
    } else {
        copy_async_4_or_zero(shared, global, valid);
    }
}

// `count` floats of a column, one from every `step` rows, with zeros from row `left` on, which is not
// read. Rows are `to_stride` and `from_stride` floats long. One pointer goes down the column and one
// number tells what is inside: places chosen for each value take registers that sums need.
template <u32 count, u32 step>
DEVICE void copy_async_column(float* shared, u32 to_stride, const float* global, u32 from_stride,
                              u32 left) {
#pragma unroll
    for (u32 i = 0; i < count; i++) {
        copy_async_4_or_zero(shared + i * step * to_stride, global, i * step < left);
        global += static_cast<u64>(step) * from_stride;
    }
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
#if DEVICE_ARCH >= 80
    u16 r;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(r) : "f"(x));
    return r;
#else
    const u32 bits = __float_as_uint(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<u16>((bits >> 16) | 0x40u);
    return static_cast<u16>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
#endif
}

// Two of them in a word, the first one lower.
DEVICE u32 floats_to_bf16(float low, float high) {
#if DEVICE_ARCH >= 80
    u32 r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
    return r;
#else
    return float_to_bf16(low) | static_cast<u32>(float_to_bf16(high)) << 16;
#endif
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
#elif !DEVICE_ARCH
    u64 rows[32];
    shim_gather(reinterpret_cast<u64>(row), rows);
    const u32 lane = shim_lane();
    for (u32 j = 0; j < 4; j++) {
        r[j] = reinterpret_cast<const u32*>(rows[j * 8 + lane / 4])[lane % 4];
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
#elif !DEVICE_ARCH
    u64 rows[32];
    shim_gather(reinterpret_cast<u64>(row), rows);
    const u32 lane = shim_lane();
    for (u32 j = 0; j < 4; j++) {
        const u64* two = rows + j * 8 + lane % 4 * 2;
        r[j] = reinterpret_cast<const u16*>(two[0])[lane / 4] |
               static_cast<u32>(reinterpret_cast<const u16*>(two[1])[lane / 4]) << 16;
    }
#endif
}

#if !DEVICE_ARCH
// What the lanes of a warp hold of the operands of a product: words of a lane two by two.
struct WarpOperands {
    u64 left[2][32], right[32];
    WarpOperands(const u32 a[4], const u32 b[2]) {
        for (u32 i = 0; i < 2; i++) {
            shim_gather(a[2 * i] | static_cast<u64>(a[2 * i + 1]) << 32, left[i]);
        }
        shim_gather(b[0] | static_cast<u64>(b[1]) << 32, right);
    }
    u32 a(u32 word, u32 lane) const { return static_cast<u32>(left[word / 2][lane] >> word % 2 * 32); }
    u32 b(u32 word, u32 lane) const { return static_cast<u32>(right[lane] >> word * 32); }
};
#endif

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
#elif !DEVICE_ARCH
    WarpOperands all(a, b);
    const u32 lane = shim_lane(), g = lane / 4, t = lane % 4;
    for (u32 i = 0; i < 4; i++) {
        for (u32 pair = 0; pair < 8; pair++) {  // k = 2·pair, and the next
            const u32 x = all.a(i / 2 + pair / 4 * 2, g * 4 + pair % 4);
            const u32 y = all.b(pair / 4, (2 * t + i % 2) * 4 + pair % 4);
            d[i] += bf16_low(x) * bf16_low(y) + bf16_high(x) * bf16_high(y);
        }
    }
#endif
}

// An f32 as tensor cores read it in TF32: the lower 13 bits of the mantissa are not looked at.
DEVICE float tf32_to_float(u32 word) { return __uint_as_float(word & 0xffffe000u); }

// d += a·b for a 16×8 tile of a, an 8×8 tile of b (f32 words, read as TF32) and a 16×8 tile of d
// (f32), spread over the 32 lanes. With g = lane/4 and t = lane%4:
//   a[0] = (row g, col t)     a[1] = (row g+8, col t)
//   a[2] = (row g, col t+4)   a[3] = (row g+8, col t+4): as `load_matrix_x4` lays out 4 floats a row
//   b[0] = (row t, col g)     b[1] = (row t+4, col g)
//   d[0],d[1] = (row g, cols 2t,2t+1)   d[2],d[3] = (row g+8, cols 2t,2t+1)
DEVICE void mma_m16n8k8_tf32(float d[4], const u32 a[4], const u32 b[2]) {
#if DEVICE_ARCH >= 80
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif !DEVICE_ARCH
    WarpOperands all(a, b);
    const u32 lane = shim_lane(), g = lane / 4, t = lane % 4;
    for (u32 i = 0; i < 4; i++) {
        for (u32 k = 0; k < 8; k++) {
            d[i] += tf32_to_float(all.a(i / 2 + k / 4 * 2, g * 4 + k % 4)) *
                    tf32_to_float(all.b(k / 4, (2 * t + i % 2) * 4 + k % 4));
        }
    }
#endif
}

// ---- tensor cores of compute capability 9.0a -------------------------------------------------
// A warpgroup (4 warps, the first a multiple of 4) multiplies from shared memory, on its own time:
// begin, multiply as often as wanted, commit, wait. In between, nothing else touches the sums, and
// shared memory that ordinary stores or cp.async have written needs `fence_async_reads` in each
// writing thread before the barrier.
//
// Operands lie in swizzled 16-byte pieces: piece p of 128-byte row r stands at `r·128 + (p ^ r%8)·16`.
// A: 64 rows of 64 values along k. B: 64 rows (k) of 64 columns, further columns `stride` bytes on.
// Both begin at multiples of 1024 bytes.

DEVICE void fence_async_reads() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    asm volatile("fence.proxy.async.shared::cta;\n" ::: "memory");
#endif
}

DEVICE void warpgroup_begin() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory");
#endif
}

DEVICE void warpgroup_commit() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory");
#endif
}

// Waits until at most the `pending` newest groups of this warpgroup are still under way; with 0 the
// sums may be read.
template <int pending> DEVICE void warpgroup_wait(float d[128]) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    asm volatile("wgmma.wait_group.sync.aligned %0;\n" ::"n"(pending) : "memory");
    if (pending == 0) {
#pragma unroll
        for (u32 i = 0; i < 128; i++) asm volatile("" : "+f"(d[i])::"memory");
    }
#endif
}

// d += A·B for values 16·`step` … +15 along k: 64×256 of d, spread over the 128 threads of a
// warpgroup. Of thread t, with w = t/32, g = t%32/4 and c = t%4:
//   d[4j], d[4j+1] = (row 16w + g, columns 8j + 2c, 8j + 2c + 1);  d[4j+2], d[4j+3] = 8 rows below.
DEVICE void warpgroup_mma_m64n256k16_bf16(float d[128], const void* a, const void* b, u32 stride,
                                          u32 step) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    // Descriptors: start / 16, leading and stride byte offsets / 16, swizzle of 128 bytes. Along k a
    // row of A goes on in the next 32 bytes, B in the next 16 rows.
    const u64 form = 1ull << 62 | static_cast<u64>(1024 >> 4) << 32;
    const u64 from_a = form | 1ull << 16 | (shared_address(a) + step * 32) >> 4 & 0x3fff;
    const u64 from_b =
        form | static_cast<u64>(stride >> 4) << 16 | (shared_address(b) + step * 2048) >> 4 & 0x3fff;
    asm volatile("wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
                 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
                 "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"
                 "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"
                 "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63,"
                 "%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,"
                 "%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95,"
                 "%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111,"
                 "%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127}, "
                 "%128, %129, 1, 1, 1, 0, 1;\n"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]),
                   "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
                   "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]),
                   "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
                   "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]),
                   "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),
                   "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]),
                   "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]),
                   "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]),
                   "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]),
                   "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]),
                   "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]),
                   "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]),
                   "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]),
                   "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]),
                   "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63]),
                   "+f"(d[64]), "+f"(d[65]), "+f"(d[66]), "+f"(d[67]),
                   "+f"(d[68]), "+f"(d[69]), "+f"(d[70]), "+f"(d[71]),
                   "+f"(d[72]), "+f"(d[73]), "+f"(d[74]), "+f"(d[75]),
                   "+f"(d[76]), "+f"(d[77]), "+f"(d[78]), "+f"(d[79]),
                   "+f"(d[80]), "+f"(d[81]), "+f"(d[82]), "+f"(d[83]),
                   "+f"(d[84]), "+f"(d[85]), "+f"(d[86]), "+f"(d[87]),
                   "+f"(d[88]), "+f"(d[89]), "+f"(d[90]), "+f"(d[91]),
                   "+f"(d[92]), "+f"(d[93]), "+f"(d[94]), "+f"(d[95]),
                   "+f"(d[96]), "+f"(d[97]), "+f"(d[98]), "+f"(d[99]),
                   "+f"(d[100]), "+f"(d[101]), "+f"(d[102]), "+f"(d[103]),
                   "+f"(d[104]), "+f"(d[105]), "+f"(d[106]), "+f"(d[107]),
                   "+f"(d[108]), "+f"(d[109]), "+f"(d[110]), "+f"(d[111]),
                   "+f"(d[112]), "+f"(d[113]), "+f"(d[114]), "+f"(d[115]),
                   "+f"(d[116]), "+f"(d[117]), "+f"(d[118]), "+f"(d[119]),
                   "+f"(d[120]), "+f"(d[121]), "+f"(d[122]), "+f"(d[123]),
                   "+f"(d[124]), "+f"(d[125]), "+f"(d[126]), "+f"(d[127])
                 : "l"(from_a), "l"(from_b));
#elif !DEVICE_ARCH
    const u32 thread = threadIdx.x % 128, row = thread / 32 * 16 + thread % 32 / 4;
    auto value = [](const void* from, u32 r, u32 column) {
        const u16* line = static_cast<const u16*>(from) + r * 64;
        return bf16_to_float(line[((column / 8) ^ (r % 8)) * 8 + column % 8]);
    };
    for (u32 i = 0; i < 128; i++) {
        const u32 column = i / 4 * 8 + thread % 4 * 2 + i % 2, r = row + i / 2 % 2 * 8;
        const void* columns = static_cast<const u8*>(b) + column / 64 * stride;
        for (u32 k = step * 16; k < step * 16 + 16; k++) {
            d[i] += value(a, r, k) * value(columns, k, column % 64);
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
