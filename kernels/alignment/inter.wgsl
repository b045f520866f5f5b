// One invocation aligns one pair: strips of 8 query residues in registers, one row of H and F
// between strips in global memory, [column][invocation]. i32 throughout. See README.md for the
// recurrences and the tie rule, gpu.rs for the layout of `letters` and `pairs`.

// 0 local, 1 global, 2 semi-global.
override mode: u32;
// 0: equal letters score `matched`, others `mismatch`; 1: scores stand in `table`.
override matrix: u32;

struct Arguments {
    first: u32,
    count: u32,
    matched: i32,
    mismatch: i32,
    open: i32,
    extend: i32,
}

@group(0) @binding(0) var<storage, read> letters: array<u32>;
@group(0) @binding(1) var<storage, read> pairs: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<u32>;
@group(0) @binding(3) var<storage, read_write> boundary: array<vec2<i32>>;
@group(0) @binding(4) var<storage, read_write> results: array<i32>;
@group(0) @binding(5) var<uniform> arguments: Arguments;

const ROWS: i32 = 8;
const GROUP: u32 = 32;
const PAIR_WORDS: u32 = 5;

struct Best {
    score: i32,
    row: i32,
    column: i32,
}

// H of the present column, E towards the next one, and the letters, by row of the strip.
struct Strip {
    h0: vec4<i32>,
    h1: vec4<i32>,
    e0: vec4<i32>,
    e1: vec4<i32>,
    q0: vec4<u32>,
    q1: vec4<u32>,
}

struct Cell {
    h: i32,
    e: i32,
    f: i32,
    top: i32,
}

fn gap(length: i32) -> i32 {
    return select(arguments.open + (length - 1) * arguments.extend, 0, length == 0);
}

fn score(query: u32, letter: u32) -> i32 {
    if matrix == 0 {
        return select(arguments.mismatch, arguments.matched, query == letter);
    }
    let at = query * 32 + letter;
    return extractBits(i32(table[at / 4]), at % 4 * 8, 8u);
}

fn cell(diagonal: i32, e: i32, f: i32, top: i32, query: u32, letter: u32) -> Cell {
    var h = max(max(diagonal + score(query, letter), e), f);
    if mode == 0 {
        h = max(h, 0);
    }
    let opened = h - arguments.open;
    let extend = arguments.extend;
    return Cell(h, max(e - extend, opened), max(f - extend, opened), max(top, h));
}

// Moves the strip by one column. Returns F below its last row and the best H of the column.
fn advance(strip: ptr<function, Strip>, diagonal: i32, f: i32, letter: u32) -> Cell {
    let s = *strip;
    let c0 = cell(diagonal, s.e0.x, f, 0, s.q0.x, letter);
    let c1 = cell(s.h0.x, s.e0.y, c0.f, c0.top, s.q0.y, letter);
    let c2 = cell(s.h0.y, s.e0.z, c1.f, c1.top, s.q0.z, letter);
    let c3 = cell(s.h0.z, s.e0.w, c2.f, c2.top, s.q0.w, letter);
    let c4 = cell(s.h0.w, s.e1.x, c3.f, c3.top, s.q1.x, letter);
    let c5 = cell(s.h1.x, s.e1.y, c4.f, c4.top, s.q1.y, letter);
    let c6 = cell(s.h1.y, s.e1.z, c5.f, c5.top, s.q1.z, letter);
    let c7 = cell(s.h1.z, s.e1.w, c6.f, c6.top, s.q1.w, letter);
    (*strip).h0 = vec4(c0.h, c1.h, c2.h, c3.h);
    (*strip).h1 = vec4(c4.h, c5.h, c6.h, c7.h);
    (*strip).e0 = vec4(c0.e, c1.e, c2.e, c3.e);
    (*strip).e1 = vec4(c4.e, c5.e, c6.e, c7.e);
    return c7;
}

// Number of the first row of the strip whose H is `top`.
fn first_row(h0: vec4<i32>, h1: vec4<i32>, top: i32) -> i32 {
    let numbers = vec4(0, 1, 2, 3);
    let rows = min(select(vec4(8), numbers, h0 == vec4(top)),
                   select(vec4(8), numbers + 4, h1 == vec4(top)));
    return min(min(rows.x, rows.y), min(rows.z, rows.w));
}

// H of row `row` of the strip.
fn h_of(h0: vec4<i32>, h1: vec4<i32>, row: i32) -> i32 {
    let h = select(h0, h1, row >= 4);
    return select(select(h.x, h.y, row % 4 == 1), select(h.z, h.w, row % 4 == 3), row % 4 >= 2);
}

// `best`, or the present column where it is better, or as good and further left.
fn take(best: Best, strip: Strip, top: i32, column: i32, first: i32, rows: i32,
        columns: i32) -> Best {
    if mode == 0 {
        if top < best.score || top == 0 || (top == best.score && column >= best.column) {
            return best;
        }
        return Best(top, first + first_row(strip.h0, strip.h1, top), column);
    }
    let last = rows - 1;
    if last >= first + ROWS || (mode == 1 && column != columns - 1) {
        return best;
    }
    let h = h_of(strip.h0, strip.h1, last - first);
    if mode == 1 || column == 0 || h > best.score {
        return Best(h, last, column);
    }
    return best;
}

// The strip that starts in query row `first`, before column 0.
fn start(query: u32, first: i32) -> Strip {
    let at = query + u32(first) / 4 * GROUP;
    let shifts = vec4(0u, 8, 16, 24);
    var strip: Strip;
    strip.q0 = (vec4(letters[at]) >> shifts) & vec4(0xffu);
    strip.q1 = (vec4(letters[at + GROUP]) >> shifts) & vec4(0xffu);
    if mode != 0 {
        let steps = vec4(0, 1, 2, 3) * arguments.extend;
        strip.h0 = vec4(-gap(first + 1)) - steps;
        strip.h1 = vec4(-gap(first + 5)) - steps;
    }
    strip.e0 = strip.h0 - arguments.open;
    strip.e1 = strip.h1 - arguments.open;
    return strip;
}

fn align(query: u32, target_start: u32, rows: i32, columns: i32, mine: u32, stride: u32) -> Best {
    var best = Best(0, -1, -1);
    for (var first = 0; first < rows; first += ROWS) {
        var strip = start(query, first);
        var diagonal = select(-gap(first), 0, mode == 0);
        var word = 0u;
        for (var j = 0; j < columns; j++) {
            if j % 4 == 0 {
                word = letters[target_start + u32(j) / 4 * GROUP];
            }
            let letter = word & 0xff;
            word >>= 8u;
            let at = u32(j) * stride + mine;
            let edge = select(0, -gap(j + 1), mode == 1);
            var above = vec2(edge, edge - arguments.open);
            if first != 0 {
                above = boundary[at];
            }
            let last = advance(&strip, diagonal, above.y, letter);
            diagonal = above.x;
            if first + ROWS < rows {
                boundary[at] = vec2(last.h, last.f);
            }
            best = take(best, strip, last.top, j, first, rows, columns);
        }
    }
    return best;
}

// The answer where a sequence is empty (README.md has the table).
fn without_table(rows: i32, columns: i32) -> Best {
    if mode == 0 || (mode == 2 && rows == 0) {
        return Best(0, -1, -1);
    }
    return Best(-gap(rows + columns), rows - 1, columns - 1);
}

@compute @workgroup_size(64)
fn align_pairs(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let stride = groups.x * 64;
    for (var i = arguments.first + id.x; i < arguments.count; i += stride) {
        let pair = i * PAIR_WORDS;
        let rows = i32(pairs[pair]);
        let columns = i32(pairs[pair + 1]);
        var best: Best;
        if rows == 0 || columns == 0 {
            best = without_table(rows, columns);
        } else {
            best = align(pairs[pair + 2], pairs[pair + 3], rows, columns, id.x, stride);
        }
        let result = pairs[pair + 4] * 3;
        results[result] = best.score;
        results[result + 1] = best.row;
        results[result + 2] = best.column;
    }
}
