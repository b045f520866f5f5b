// One invocation aligns two pairs, in the halves of its vectors: strips of 8 query residues in
// registers, one row of H and F between strips in global memory, [column][invocation]. `Number` has
// 16 bits, integer or float; gpu.rs says which in front of this text, and gives only pairs whose
// scores are exact in it. See README.md for the recurrences and the tie rule, gpu.rs for the layout of
// `letters` and `pairs`.

// 0 local, 1 global, 2 semi-global.
override mode: u32;
// 0: equal letters score `matched`, others `mismatch`; 1: scores stand in `table`.
override matrix: u32;

struct Arguments {
    count: u32,
    matched: i32,
    mismatch: i32,
    open: i32,
    extend: i32,
}

@group(0) @binding(0) var<storage, read> letters: array<u32>;
@group(0) @binding(1) var<storage, read> pairs: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<u32>;
@group(0) @binding(3) var<storage, read_write> boundary: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read_write> results: array<i32>;
@group(0) @binding(5) var<uniform> arguments: Arguments;

alias Two = vec2<Number>;

const ROWS: i32 = 8;
const GROUP: u32 = 32;
const PAIR_WORDS: u32 = 5;
// A code that no query has.
const NO_LETTER: u32 = 7;

struct Best {
    score: i32,
    row: i32,
    column: i32,
}

// Scores and costs in both halves.
struct Costs {
    matched: Two,
    mismatch: Two,
    open: Two,
    extend: Two,
}

// H of the present column, E towards the next one, and the letters, by row of the strip.
struct Strip {
    h0: Two, h1: Two, h2: Two, h3: Two, h4: Two, h5: Two, h6: Two, h7: Two,
    e0: Two, e1: Two, e2: Two, e3: Two, e4: Two, e5: Two, e6: Two, e7: Two,
    q0: Two, q1: Two, q2: Two, q3: Two, q4: Two, q5: Two, q6: Two, q7: Two,
}

struct Cell {
    h: Two,
    e: Two,
    f: Two,
    top: Two,
}

// Two pairs: lengths, and where their words begin.
struct Both {
    rows: vec2<i32>,
    columns: vec2<i32>,
    query: vec2<u32>,
    target_start: vec2<u32>,
}

fn two(x: i32) -> Two {
    return Two(Number(x));
}

fn gap(length: i32) -> i32 {
    return select(arguments.open + (length - 1) * arguments.extend, 0, length == 0);
}

fn look_up(query: Number, letter: Number) -> Number {
    let at = u32(query) * 32 + u32(letter);
    return Number(extractBits(i32(table[at / 4]), at % 4 * 8, 8u));
}

fn score(query: Two, letter: Two, costs: Costs) -> Two {
    if matrix == 0 {
        return select(costs.mismatch, costs.matched, query == letter);
    }
    return Two(look_up(query.x, letter.x), look_up(query.y, letter.y));
}

fn cell(diagonal: Two, e: Two, f: Two, top: Two, query: Two, letter: Two, costs: Costs) -> Cell {
    var h = max(max(diagonal + score(query, letter, costs), e), f);
    if mode == 0 {
        h = max(h, two(0));
    }
    let opened = h - costs.open;
    return Cell(h, max(e - costs.extend, opened), max(f - costs.extend, opened), max(top, h));
}

// Moves the strip by one column. Returns F below its last row and the best H of the column.
fn advance(strip: ptr<function, Strip>, diagonal: Two, f: Two, letter: Two, costs: Costs) -> Cell {
    let s = *strip;
    let c0 = cell(diagonal, s.e0, f, two(0), s.q0, letter, costs);
    let c1 = cell(s.h0, s.e1, c0.f, c0.top, s.q1, letter, costs);
    let c2 = cell(s.h1, s.e2, c1.f, c1.top, s.q2, letter, costs);
    let c3 = cell(s.h2, s.e3, c2.f, c2.top, s.q3, letter, costs);
    let c4 = cell(s.h3, s.e4, c3.f, c3.top, s.q4, letter, costs);
    let c5 = cell(s.h4, s.e5, c4.f, c4.top, s.q5, letter, costs);
    let c6 = cell(s.h5, s.e6, c5.f, c5.top, s.q6, letter, costs);
    let c7 = cell(s.h6, s.e7, c6.f, c6.top, s.q7, letter, costs);
    *strip = Strip(c0.h, c1.h, c2.h, c3.h, c4.h, c5.h, c6.h, c7.h,
                   c0.e, c1.e, c2.e, c3.e, c4.e, c5.e, c6.e, c7.e,
                   s.q0, s.q1, s.q2, s.q3, s.q4, s.q5, s.q6, s.q7);
    return c7;
}

// H of rows 0 to 3, then 4 to 7, of one of the two pairs.
fn h_of_rows(strip: Strip, half: u32) -> array<vec4<i32>, 2> {
    if half == 0 {
        return array(
            vec4(i32(strip.h0.x), i32(strip.h1.x), i32(strip.h2.x), i32(strip.h3.x)),
            vec4(i32(strip.h4.x), i32(strip.h5.x), i32(strip.h6.x), i32(strip.h7.x)),
        );
    }
    return array(
        vec4(i32(strip.h0.y), i32(strip.h1.y), i32(strip.h2.y), i32(strip.h3.y)),
        vec4(i32(strip.h4.y), i32(strip.h5.y), i32(strip.h6.y), i32(strip.h7.y)),
    );
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
fn take(best: Best, strip: Strip, half: u32, top: i32, column: i32, first: i32, rows: i32,
        columns: i32) -> Best {
    if column >= columns {
        return best;
    }
    if mode == 0 {
        if top < best.score || top == 0 || (top == best.score && column >= best.column) {
            return best;
        }
        let h = h_of_rows(strip, half);
        return Best(top, first + first_row(h[0], h[1], top), column);
    }
    let last = rows - 1;
    if last < first || last >= first + ROWS || (mode == 1 && column != columns - 1) {
        return best;
    }
    let rows_h = h_of_rows(strip, half);
    let h = h_of(rows_h[0], rows_h[1], last - first);
    if mode == 1 || column == 0 || h > best.score {
        return Best(h, last, column);
    }
    return best;
}

// Codes of query row `row` of the strip that begins at `query`, of both pairs.
fn codes(words: vec4<u32>, row: u32) -> Two {
    let of_row = select(vec2(words.x, words.z), vec2(words.y, words.w), vec2(row >= 4));
    let letter = (of_row >> vec2(row % 4 * 8)) & vec2(0xffu);
    return Two(Number(letter.x), Number(letter.y));
}

// The strip that starts in query row `first`, before column 0.
fn start(query: vec2<u32>, first: i32, costs: Costs) -> Strip {
    let at = query + u32(first) / 4 * GROUP;
    let words = vec4(letters[at.x], letters[at.x + GROUP], letters[at.y], letters[at.y + GROUP]);
    let none = mode == 0;
    let h0 = two(select(-gap(first + 1), 0, none));
    let h1 = two(select(-gap(first + 2), 0, none));
    let h2 = two(select(-gap(first + 3), 0, none));
    let h3 = two(select(-gap(first + 4), 0, none));
    let h4 = two(select(-gap(first + 5), 0, none));
    let h5 = two(select(-gap(first + 6), 0, none));
    let h6 = two(select(-gap(first + 7), 0, none));
    let h7 = two(select(-gap(first + 8), 0, none));
    let o = costs.open;
    return Strip(h0, h1, h2, h3, h4, h5, h6, h7,
                 h0 - o, h1 - o, h2 - o, h3 - o, h4 - o, h5 - o, h6 - o, h7 - o,
                 codes(words, 0), codes(words, 1), codes(words, 2), codes(words, 3),
                 codes(words, 4), codes(words, 5), codes(words, 6), codes(words, 7));
}

fn align(both: Both, mine: u32, stride: u32) -> array<Best, 2> {
    var best0 = Best(0, -1, -1);
    var best1 = best0;
    let costs = Costs(two(arguments.matched), two(arguments.mismatch), two(arguments.open),
                      two(arguments.extend));
    let rows = max(both.rows.x, both.rows.y);
    let columns = max(both.columns.x, both.columns.y);
    for (var first = 0; first < rows; first += ROWS) {
        var strip = start(both.query, first, costs);
        var diagonal = two(select(-gap(first), 0, mode == 0));
        var words = vec2(0u);
        for (var j = 0; j < columns; j++) {
            let inside = vec2(j) < both.columns;
            if j % 4 == 0 {
                let at = both.target_start + u32(j) / 4 * GROUP;
                words = vec2(letters[select(0u, at.x, inside.x)], letters[select(0u, at.y, inside.y)]);
            }
            // Padding of matrices may have any code: nothing is taken from there.
            let none = select(NO_LETTER, 0u, matrix == 1);
            let codes = select(vec2(none), words & vec2(0xffu), inside);
            let letter = Two(Number(codes.x), Number(codes.y));
            words >>= vec2(8u);
            let at = u32(j) * stride + mine;
            let edge = two(select(0, -gap(j + 1), mode == 1));
            var above = edge;
            var f = edge - costs.open;
            if first != 0 {
                above = unpacked(boundary[at].x);
                f = unpacked(boundary[at].y);
            }
            let last = advance(&strip, diagonal, f, letter, costs);
            diagonal = above;
            if first + ROWS < rows {
                boundary[at] = vec2(packed(last.h), packed(last.f));
            }
            best0 = take(best0, strip, 0u, i32(last.top.x), j, first, both.rows.x, both.columns.x);
            best1 = take(best1, strip, 1u, i32(last.top.y), j, first, both.rows.y, both.columns.y);
        }
    }
    return array(best0, best1);
}

// The answer where a sequence is empty (README.md has the table).
fn without_table(rows: i32, columns: i32) -> Best {
    if mode == 0 || (mode == 2 && rows == 0) {
        return Best(0, -1, -1);
    }
    return Best(-gap(rows + columns), rows - 1, columns - 1);
}

fn write(pair: u32, found: Best) {
    let rows = i32(pairs[pair]);
    let columns = i32(pairs[pair + 1]);
    var best = found;
    if rows == 0 || columns == 0 {
        best = without_table(rows, columns);
    }
    let result = pairs[pair + 4] * 3;
    results[result] = best.score;
    results[result + 1] = best.row;
    results[result + 2] = best.column;
}

@compute @workgroup_size(64)
fn align_pairs(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let stride = groups.x * 64;
    for (var i = 2 * id.x; i < arguments.count; i += 2 * stride) {
        // An odd pair out is aligned in both halves.
        let pair = vec2(i, min(i + 1, arguments.count - 1)) * PAIR_WORDS;
        var rows = vec2(i32(pairs[pair.x]), i32(pairs[pair.y]));
        var columns = vec2(i32(pairs[pair.x + 1]), i32(pairs[pair.y + 1]));
        let filled = (rows > vec2(0)) & (columns > vec2(0));
        rows = select(vec2(0), rows, filled);
        columns = select(vec2(0), columns, filled);
        let query = vec2(pairs[pair.x + 2], pairs[pair.y + 2]);
        let targets = vec2(pairs[pair.x + 3], pairs[pair.y + 3]);
        let best = align(Both(rows, columns, query, targets), id.x, stride);
        write(pair.x, best[0]);
        write(pair.y, best[1]);
    }
}
