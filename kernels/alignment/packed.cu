// One thread aligns two pairs, in the halves of its words: strips of ROWS query residues in
// registers, one row of H and F between strips in global memory, [column][thread]. 16-bit
// arithmetic; gpu.rs gives only pairs whose scores fit. See README.md for the recurrences and the
// tie rule, gpu.rs for the layout of `letters` and `pairs`.

#include "device.h"

enum Mode { LOCAL, GLOBAL, SEMI_GLOBAL };

constexpr i32 ROWS = 16;
constexpr u32 GROUP = 32;
constexpr u32 PAIR_WORDS = 5;
constexpr u32 CODES = 32;
// Target codes from here on match nothing.
constexpr u32 LETTERS = 4;

struct Scores {
    i32 matched, mismatch, open, extend;

    __device__ i32 gap(i32 length) const {
        return length == 0 ? 0 : open + (length - 1) * extend;
    }
};

struct Best {
    i32 score, row, column;
};

// The two pairs of a thread.
struct Two {
    i32 rows[2], columns[2];
    // Words of queries and targets; those of both stand side by side.
    const u32* query[2];
    const u32* target[2];
};

// The same number in both halves.
DEVICE u32 both(i32 x) { return __byte_perm(static_cast<u32>(x), 0, 0x1010); }
DEVICE i32 half_of(u32 x, i32 half) { return static_cast<i16>(half == 0 ? x & 0xffff : x >> 16); }

// The answer where a sequence is empty (README.md has the table).
template <int mode> DEVICE Best without_table(i32 query, i32 target, const Scores& s) {
    if (mode == LOCAL || (mode == SEMI_GLOBAL && query == 0)) return {0, -1, -1};
    return {-s.gap(query + target), query - 1, target - 1};
}

// What a strip needs to know of its query residues. DNA: a residue's scores against A, C, G, T, a
// byte each. Matrices: the residue's row of the table.
struct Query {
    u32 first[ROWS], second[ROWS];
};

// A column's target residues. DNA: which bytes of a row's scores count, and the halves where none
// does (N, padding). Matrices: the codes.
struct Letters {
    u32 selector, special;
};

template <bool matrix> DEVICE u32 prepared(u32 code, const Scores& s) {
    if (matrix) return code * CODES;
    const u32 none = (static_cast<u32>(s.mismatch) & 0xff) * 0x01010101u;
    if (code >= LETTERS) return none;
    const u32 shift = code * 8;
    return (none & ~(0xffu << shift)) | (static_cast<u32>(s.matched) & 0xff) << shift;
}

template <bool matrix>
DEVICE Letters letters_of(u32 first, u32 second, bool first_ends, bool second_ends) {
    if (matrix) {
        return {first | second << 16, 0};
    }
    const bool none[2] = {first >= LETTERS || first_ends, second >= LETTERS || second_ends};
    const u32 a = none[0] ? 0 : first, b = 4 + (none[1] ? 0 : second);
    // A byte each, and its sign eight times over.
    return {a | (a | 8) << 4 | b << 8 | (b | 8) << 12,
            (none[0] ? 0xffffu : 0u) | (none[1] ? 0xffff0000u : 0u)};
}

template <bool matrix>
DEVICE u32 score_of(const Query& query, i32 r, const Letters& letters, const i8* table, u32 mismatch) {
    if (matrix) {
        const i32 first = table[query.first[r] + (letters.selector & 0xffff)];
        const i32 second = table[query.second[r] + (letters.selector >> 16)];
        return __byte_perm(static_cast<u32>(first), static_cast<u32>(second), 0x5410);
    }
    const u32 found = permute_signed(query.first[r], query.second[r], letters.selector);
    return (found & ~letters.special) | (mismatch & letters.special);
}

// H of the cells of one column, and of the column before it on entry; E towards the next column.
struct Strip {
    u32 h[ROWS], e[ROWS];
};

// Moves a strip by one column. `f` enters as F of the first row and leaves as that of the row below
// the strip. Returns the best of the column (local only): H · 16 + 15 − row, so that of equal ones
// the first row is the best.
template <int mode, bool matrix>
DEVICE u32 advance(Strip& strip, const Query& query, u32 diagonal, u32& f, const Letters& letters,
                   const i8* table, u32 mismatch, u32 less_open, u32 less_extend) {
    u32 top = 0, key = 0;
#pragma unroll
    for (i32 r = 0; r < ROWS; r++) {
        const u32 paired =
            __vadd2(diagonal, score_of<matrix>(query, r, letters, table, mismatch));
        const u32 h = mode == LOCAL ? __vimax3_s16x2_relu(paired, strip.e[r], f)
                                    : __vimax3_s16x2(paired, strip.e[r], f);
        diagonal = strip.h[r];
        strip.h[r] = h;
        const u32 opened = __vadd2(h, less_open);
        strip.e[r] = __viaddmax_s16x2(strip.e[r], less_extend, opened);
        f = __viaddmax_s16x2(f, less_extend, opened);
        if (mode == LOCAL) {
            // Multiplied as one word: neither half reaches the other.
            const u32 next = h * 16 + static_cast<u32>(ROWS - 1 - r) * 0x00010001u;
            if (r % 2 == 0) {
                key = next;
            } else {
                top = __vimax3_s16x2(top, key, next);
            }
        }
    }
    return top;
}

// The best of a strip by half, as `advance` returns it, and its column.
struct StripBest {
    u32 key;
    i32 column[2];
};

// Local: takes a column over where its score is better; an equal one further right is not.
DEVICE void take_local(StripBest& best, u32 top, i32 column) {
    const u32 limit = best.key | 0x000f000fu;
    const u32 changed = __vmaxs2(top, limit) ^ limit;
    if (changed == 0) return;
    if (changed & 0xffff) {
        best.key = (best.key & 0xffff0000u) | (top & 0xffff);
        best.column[0] = column;
    }
    if (changed >> 16) {
        best.key = (best.key & 0xffff) | (top & 0xffff0000u);
        best.column[1] = column;
    }
}

// Takes a strip's best over where it is better, or as good and further left.
DEVICE void merge(Best& best, u32 key, i32 column, i32 first) {
    const i32 score = static_cast<i32>(key) >> 4;
    if (score < best.score || score == 0 || (score == best.score && column >= best.column)) return;
    best = {score, first + ROWS - 1 - static_cast<i32>(key & 15), column};
}

// Global, semi-global: looks at the last row of one pair, if it is in the strip.
template <int mode>
DEVICE void take_last(Best& best, const Strip& strip, i32 half, i32 column, i32 first, i32 last,
                      i32 columns) {
    if (last < first || last >= first + ROWS || column >= columns) return;
    if (mode == GLOBAL && column != columns - 1) return;
    // A mask, because a choice between elements would make the compiler index memory.
    u32 word = 0;
#pragma unroll
    for (i32 r = 0; r < ROWS; r++) word |= strip.h[r] & -static_cast<u32>(last - first == r);
    const i32 h = half_of(word, half);
    if (mode == GLOBAL || column == 0 || h > best.score) best = {h, last, column};
}

// Aligns two pairs; `boundary` points to the thread's own column 0, `stride` apart.
template <int mode, bool matrix>
DEVICE void align(const Two& two, Best best[2], uint2* boundary, u32 stride, const i8* table,
                  const Scores& s) {
    const i32 rows = max(two.rows[0], two.rows[1]), columns = max(two.columns[0], two.columns[1]);
    // In registers, so that no two additions have different constants (device.h).
    const u32 less_open = both(-s.open), less_extend = both(-s.extend), mismatch = both(s.mismatch);
    for (i32 first = 0; first < rows; first += ROWS) {
        Strip strip;
        Query query;
#pragma unroll
        for (i32 r = 0; r < ROWS; r++) {
            const u32 at = static_cast<u32>(first + r) / 4 * GROUP, shift = (first + r) % 4 * 8;
            query.first[r] = prepared<matrix>(two.query[0][at] >> shift & 0xff, s);
            query.second[r] = prepared<matrix>(two.query[1][at] >> shift & 0xff, s);
            strip.h[r] = mode == LOCAL ? 0 : both(-s.gap(first + r + 1));
            strip.e[r] = __vadd2(strip.h[r], less_open);
        }
        u32 diagonal = mode == LOCAL ? 0 : both(-s.gap(first));
        StripBest found = {0, {0, 0}};
        u32 words[2] = {0, 0};
        for (i32 j = 0; j < columns; j++) {
            if (j % 4 == 0) {
                const u32 at = static_cast<u32>(j) / 4 * GROUP;
                words[0] = j < two.columns[0] ? two.target[0][at] : 0;
                words[1] = j < two.columns[1] ? two.target[1][at] : 0;
            }
            const Letters letters = letters_of<matrix>(words[0] & 0xff, words[1] & 0xff,
                                                       j >= two.columns[0], j >= two.columns[1]);
            words[0] >>= 8;
            words[1] >>= 8;
            const u64 at = static_cast<u64>(j) * stride;
            const u32 edge = mode == GLOBAL ? both(-s.gap(j + 1)) : 0;
            const uint2 above =
                first == 0 ? make_uint2(edge, __vadd2(edge, less_open)) : boundary[at];
            u32 f = above.y;
            const u32 top = advance<mode, matrix>(strip, query, diagonal, f, letters, table,
                                                  mismatch, less_open, less_extend);
            diagonal = above.x;
            if (first + ROWS < rows) boundary[at] = make_uint2(strip.h[ROWS - 1], f);
            if (mode == LOCAL) {
                // Padding of matrices could score; of DNA it never does.
                if (!matrix || (j < two.columns[0] && j < two.columns[1])) {
                    take_local(found, top, j);
                } else {
                    const u32 kept = j < two.columns[0] ? 0xffffu : j < two.columns[1] ? 0xffff0000u : 0;
                    take_local(found, top & kept, j);
                }
            } else {
                take_last<mode>(best[0], strip, 0, j, first, two.rows[0] - 1, two.columns[0]);
                take_last<mode>(best[1], strip, 1, j, first, two.rows[1] - 1, two.columns[1]);
            }
        }
        if (mode == LOCAL) {
            merge(best[0], found.key & 0xffff, found.column[0], first);
            merge(best[1], found.key >> 16, found.column[1], first);
        }
    }
}

template <int mode, bool matrix>
DEVICE void align_all(const u32* letters, const u32* pairs, const u32* table_words, uint2* boundary,
                      i32* results, u32 count, const Scores& s) {
    __shared__ u32 table[CODES * CODES / 4];
    if (matrix) {
        for (u32 i = threadIdx.x; i < CODES * CODES / 4; i += blockDim.x) table[i] = table_words[i];
        __syncthreads();
    }
    const u32 thread = blockIdx.x * blockDim.x + threadIdx.x;
    const u32 threads = gridDim.x * blockDim.x;
    for (u32 i = 2 * thread; i < count; i += 2 * threads) {
        Two two;
        Best best[2] = {{0, -1, -1}, {0, -1, -1}};
        const u32* described[2] = {pairs + i * PAIR_WORDS,
                                   pairs + (i + 1 < count ? i + 1 : i) * PAIR_WORDS};
#pragma unroll
        for (i32 half = 0; half < 2; half++) {
            const u32* pair = described[half];
            const bool empty = pair[0] == 0 || pair[1] == 0;
            two.rows[half] = empty ? 0 : pair[0];
            two.columns[half] = empty ? 0 : pair[1];
            two.query[half] = letters + pair[2];
            two.target[half] = letters + pair[3];
        }
        align<mode, matrix>(two, best, boundary + thread, threads,
                            reinterpret_cast<const i8*>(table), s);
#pragma unroll
        for (i32 half = 0; half < 2; half++) {
            const u32* pair = described[half];
            if (two.rows[half] == 0) best[half] = without_table<mode>(pair[0], pair[1], s);
            i32* result = results + pair[4] * 3;
            result[0] = best[half].score;
            result[1] = best[half].row;
            result[2] = best[half].column;
        }
    }
}

#define KERNEL(name, mode, matrix)                                                              \
    extern "C" __global__ void __launch_bounds__(64) name(                                     \
        const u32* letters, const u32* pairs, const u32* table, uint2* boundary, i32* results, \
        u32 count, i32 matched, i32 mismatch, i32 open, i32 extend) {                          \
        align_all<mode, matrix>(letters, pairs, table, boundary, results, count,               \
                                Scores{matched, mismatch, open, extend});                      \
    }

KERNEL(local_dna, LOCAL, false)
KERNEL(global_dna, GLOBAL, false)
KERNEL(semi_global_dna, SEMI_GLOBAL, false)
KERNEL(local_protein, LOCAL, true)
KERNEL(global_protein, GLOBAL, true)
KERNEL(semi_global_protein, SEMI_GLOBAL, true)
