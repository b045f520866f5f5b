// One thread aligns one pair: strips of ROWS query residues in registers, one row of H and F
// between strips in global memory, [column][thread]. Or one warp aligns one pair: each lane has a
// strip and runs a column behind the one above it; the row between 32 strips is [column][warp]. i32
// throughout. See README.md for the recurrences and the tie rule, gpu.rs for the layout of `letters`
// and `pairs`.

#include "device.h"

enum Mode { LOCAL, GLOBAL, SEMI_GLOBAL };

constexpr i32 ROWS = 16;
constexpr u32 GROUP = 32;
constexpr u32 PAIR_WORDS = 5;
constexpr u32 CODES = 32;
constexpr u32 QUERY_PAD = 31;
constexpr u32 LANES = 32;
constexpr u32 ALL_LANES = 0xffffffffu;

struct Scores {
    i32 matched, mismatch, open, extend;

    __device__ i32 gap(i32 length) const {
        return length == 0 ? 0 : open + (length - 1) * extend;
    }
};

struct Best {
    i32 score, row, column;
};

// The answer where a sequence is empty (README.md has the table).
template <int mode> DEVICE Best without_table(i32 query, i32 target, const Scores& s) {
    if (mode == LOCAL || (mode == SEMI_GLOBAL && query == 0)) return {0, -1, -1};
    return {-s.gap(query + target), query - 1, target - 1};
}

// H of the cells of one column, and of the column before it on entry; E towards the next column.
struct Strip {
    i32 h[ROWS], e[ROWS], query[ROWS];
};

// Moves a strip by one column. `f` enters as F of the first row and leaves as that of the row
// below the strip. Returns the best H of the column (local only).
template <int mode, bool matrix>
DEVICE i32 advance(Strip& strip, i32 diagonal, i32& f, i32 letter, const i8* table,
                   const Scores& s) {
    i32 top = 0;
#pragma unroll
    for (i32 r = 0; r < ROWS; r++) {
        const i32 score = matrix ? table[strip.query[r] * CODES + letter]
                                 : (strip.query[r] == letter ? s.matched : s.mismatch);
        const i32 h = mode == LOCAL ? __vimax3_s32_relu(diagonal + score, strip.e[r], f)
                                    : __vimax3_s32(diagonal + score, strip.e[r], f);
        diagonal = strip.h[r];
        strip.h[r] = h;
        const i32 opened = h - s.open;
        strip.e[r] = __viaddmax_s32(strip.e[r], -s.extend, opened);
        f = __viaddmax_s32(f, -s.extend, opened);
        if (mode == LOCAL) top = max(top, h);
    }
    return top;
}

// Takes a column over into `best` where it is better, or as good and further left.
template <int mode>
DEVICE void take(Best& best, const Strip& strip, i32 top, i32 column, i32 first, i32 last,
                 i32 columns) {
    if (mode == LOCAL) {
        if (top < best.score || top == 0 || (top == best.score && column >= best.column)) return;
        i32 row = 0;
#pragma unroll
        for (i32 r = ROWS - 1; r >= 0; r--) row = strip.h[r] == top ? r : row;
        best = {top, first + row, column};
        return;
    }
    if (last < first || last >= first + ROWS) return;
    if (mode == GLOBAL && column != columns - 1) return;
    // A mask, because a choice between elements would make the compiler index memory.
    i32 h = 0;
#pragma unroll
    for (i32 r = 0; r < ROWS; r++) h |= strip.h[r] & -static_cast<i32>(last - first == r);
    if (mode == GLOBAL || column == 0 || h > best.score) best = {h, last, column};
}

// The strip of `first`, before column 0; rows from `rows` on are padding.
template <int mode>
DEVICE void start(Strip& strip, const u32* query, i32 first, i32 rows, const Scores& s) {
#pragma unroll
    for (i32 r = 0; r < ROWS; r++) {
        const u32 word = first < rows ? query[(first + r) / 4 * GROUP] : QUERY_PAD * 0x01010101u;
        strip.query[r] = word >> (r % 4 * 8) & 0xff;
        strip.h[r] = mode == LOCAL ? 0 : -s.gap(first + r + 1);
        strip.e[r] = strip.h[r] - s.open;
    }
}

// Aligns one pair; `boundary` points to the thread's own column 0, `stride` apart.
template <int mode, bool matrix>
DEVICE Best align(const u32* query, const u32* target, i32 rows, i32 columns, int2* boundary,
                  u32 stride, const i8* table, const Scores& s) {
    Best best = {0, -1, -1};
    for (i32 first = 0; first < rows; first += ROWS) {
        Strip strip;
        start<mode>(strip, query, first, rows, s);
        i32 diagonal = mode == LOCAL ? 0 : -s.gap(first);
        u32 word = 0;
        for (i32 j = 0; j < columns; j++) {
            if (j % 4 == 0) word = target[j / 4 * GROUP];
            const i32 letter = word & 0xff;
            word >>= 8;
            const u64 at = static_cast<u64>(j) * stride;
            const i32 edge = mode == GLOBAL ? -s.gap(j + 1) : 0;
            const int2 above = first == 0 ? make_int2(edge, edge - s.open) : boundary[at];
            i32 f = above.y;
            const i32 top = advance<mode, matrix>(strip, diagonal, f, letter, table, s);
            diagonal = above.x;
            if (first + ROWS < rows) boundary[at] = make_int2(strip.h[ROWS - 1], f);
            take<mode>(best, strip, top, j, first, rows - 1, columns);
        }
    }
    return best;
}

// Pairs from `first` to before `count`.
template <int mode, bool matrix>
DEVICE void align_all(const u32* letters, const u32* pairs, const u32* table_words, int2* boundary,
                      i32* results, u32 first, u32 count, const Scores& s) {
    __shared__ u32 table[CODES * CODES / 4];
    if (matrix) {
        for (u32 i = threadIdx.x; i < CODES * CODES / 4; i += blockDim.x) table[i] = table_words[i];
        __syncthreads();
    }
    const u32 thread = blockIdx.x * blockDim.x + threadIdx.x;
    const u32 threads = gridDim.x * blockDim.x;
    for (u32 i = first + thread; i < count; i += threads) {
        const u32* pair = pairs + i * PAIR_WORDS;
        const i32 rows = pair[0], columns = pair[1];
        const Best best =
            rows == 0 || columns == 0
                ? without_table<mode>(rows, columns, s)
                : align<mode, matrix>(letters + pair[2], letters + pair[3], rows, columns,
                                      boundary + thread, threads,
                                      reinterpret_cast<const i8*>(table), s);
        i32* result = results + pair[4] * 3;
        result[0] = best.score;
        result[1] = best.row;
        result[2] = best.column;
    }
}

// The best of all lanes, in every lane.
template <int mode> DEVICE Best best_of_lanes(Best best, i32 rows) {
    if constexpr (mode == LOCAL) {
        for (u32 step = LANES / 2; step > 0; step /= 2) {
            const i32 score = __shfl_xor_sync(ALL_LANES, best.score, step);
            const i32 row = __shfl_xor_sync(ALL_LANES, best.row, step);
            const i32 column = __shfl_xor_sync(ALL_LANES, best.column, step);
            const bool before = column < best.column || (column == best.column && row < best.row);
            if (score > best.score || (score == best.score && before)) best = {score, row, column};
        }
        return best;
    } else {
        const i32 lane = (rows - 1) / ROWS % static_cast<i32>(LANES);
        return {__shfl_sync(ALL_LANES, best.score, lane), __shfl_sync(ALL_LANES, best.row, lane),
                __shfl_sync(ALL_LANES, best.column, lane)};
    }
}

// Aligns one pair with all lanes of a warp; `boundary` points to the warp's own column 0.
template <int mode, bool matrix>
DEVICE Best align_by_warp(const u32* query, const u32* target, i32 rows, i32 columns,
                          int2* boundary, u32 stride, const i8* table, const Scores& s) {
    const i32 lane = threadIdx.x % LANES;
    Best best = {0, -1, -1};
    for (i32 round = 0; round < rows; round += ROWS * LANES) {
        const i32 first = round + lane * ROWS;
        const bool more = round + static_cast<i32>(ROWS * LANES) < rows;
        Strip strip;
        start<mode>(strip, query, first, rows, s);
        i32 diagonal = mode == LOCAL ? 0 : -s.gap(first);
        i32 letter = 0, h = 0, f = 0;
        u32 word = 0;
        for (i32 step = 0; step < columns + static_cast<i32>(LANES) - 1; step++) {
            // What the lane above had and found one step before.
            letter = __shfl_up_sync(ALL_LANES, letter, 1);
            h = __shfl_up_sync(ALL_LANES, h, 1);
            f = __shfl_up_sync(ALL_LANES, f, 1);
            const i32 j = step - lane;
            if (lane == 0 && j < columns) {
                if (j % 4 == 0) word = target[j / 4 * GROUP];
                letter = word & 0xff;
                word >>= 8;
                const i32 edge = mode == GLOBAL ? -s.gap(j + 1) : 0;
                const int2 above =
                    round == 0 ? make_int2(edge, edge - s.open) : boundary[static_cast<u64>(j) * stride];
                h = above.x;
                f = above.y;
            }
            if (j >= 0 && j < columns) {
                const i32 above = h;
                const i32 top = advance<mode, matrix>(strip, diagonal, f, letter, table, s);
                diagonal = above;
                h = strip.h[ROWS - 1];
                if (more && lane == static_cast<i32>(LANES) - 1) {
                    boundary[static_cast<u64>(j) * stride] = make_int2(h, f);
                }
                take<mode>(best, strip, top, j, first, rows - 1, columns);
            }
        }
        // The last lane's row is there for the first one.
        __syncwarp();
    }
    return best_of_lanes<mode>(best, rows);
}

// The same as `align_all`, a pair for each warp.
template <int mode, bool matrix>
DEVICE void align_all_by_warp(const u32* letters, const u32* pairs, const u32* table_words,
                              int2* boundary, i32* results, u32 first, u32 count,
                              const Scores& s) {
    __shared__ u32 table[CODES * CODES / 4];
    if (matrix) {
        for (u32 i = threadIdx.x; i < CODES * CODES / 4; i += blockDim.x) table[i] = table_words[i];
        __syncthreads();
    }
    const u32 warp = (blockIdx.x * blockDim.x + threadIdx.x) / LANES;
    const u32 warps = gridDim.x * blockDim.x / LANES;
    for (u32 i = first + warp; i < count; i += warps) {
        const u32* pair = pairs + i * PAIR_WORDS;
        const i32 rows = pair[0], columns = pair[1];
        const Best best =
            rows == 0 || columns == 0
                ? without_table<mode>(rows, columns, s)
                : align_by_warp<mode, matrix>(letters + pair[2], letters + pair[3], rows, columns,
                                              boundary + warp, warps,
                                              reinterpret_cast<const i8*>(table), s);
        i32* result = results + pair[4] * 3;
        const u32 lane = threadIdx.x % LANES;
        if (lane == 0) result[0] = best.score;
        if (lane == 1) result[1] = best.row;
        if (lane == 2) result[2] = best.column;
    }
}

#define KERNEL(name, mode, matrix)                                                              \
    extern "C" __global__ void __launch_bounds__(64) name(                                     \
        const u32* letters, const u32* pairs, const u32* table, int2* boundary, i32* results,  \
        u32 first, u32 count, i32 matched, i32 mismatch, i32 open, i32 extend) {               \
        align_all<mode, matrix>(letters, pairs, table, boundary, results, first, count,        \
                                Scores{matched, mismatch, open, extend});                      \
    }                                                                                          \
    extern "C" __global__ void __launch_bounds__(64) name##_by_warp(                           \
        const u32* letters, const u32* pairs, const u32* table, int2* boundary, i32* results,  \
        u32 first, u32 count, i32 matched, i32 mismatch, i32 open, i32 extend) {               \
        align_all_by_warp<mode, matrix>(letters, pairs, table, boundary, results, first,       \
                                        count, Scores{matched, mismatch, open, extend});       \
    }

KERNEL(local_dna, LOCAL, false)
KERNEL(global_dna, GLOBAL, false)
KERNEL(semi_global_dna, SEMI_GLOBAL, false)
KERNEL(local_protein, LOCAL, true)
KERNEL(global_protein, GLOBAL, true)
KERNEL(semi_global_protein, SEMI_GLOBAL, true)
