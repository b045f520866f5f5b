// The separable filter, with weights in pairs as in scale.cu; edges are in the weights. Layouts of
// buffers and of `plan`: gpu.rs, device_tables.rs.

struct Scalars {
    in_words: u32,
    out_words: u32,
    components: u32,
}

@group(0) @binding(1) var<storage, read> plan: array<i32>;
@group(0) @binding(3) var<uniform> scalars: Scalars;

// down: planes, plan, middle, scalars
@group(0) @binding(0) var<storage, read> planes: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> middle: array<vec4<u32>>;

// across: middle, plan, scaled, scalars
@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read_write> scaled: array<u32>;

fn low_half(word: i32) -> i32 {
    return (word << 16u) >> 16u;
}

fn bytes(word: u32) -> vec4<i32> {
    return vec4<i32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u));
}

fn halves(sums: vec4<i32>) -> vec2<u32> {
    let s = vec4<u32>(sums >> vec4<u32>(8u));
    return (s.xz & vec2<u32>(0xffffu)) | (s.yw << vec2<u32>(16u));
}

// Planes to middle rows of 16-bit samples, eight of a row an invocation; rows that overlap in a
// workgroup. Grid: 256 samples of a row, 8 output rows, components x frames.
@compute @workgroup_size(256)
fn down(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let frame = group.z / scalars.components;
    let g = (group.z % scalars.components) * 16u;
    let stride = u32(plan[g + 1u]) / 2u;
    let x = group.x * 32u + (t & 31u);
    let y = group.y * 8u + (t >> 5u);
    if (x >= stride || i32(y) >= plan[g + 7u]) {
        return;
    }
    var at = (frame * scalars.in_words + u32(plan[g])) / 2u + x;
    at += u32(plan[u32(plan[g + 9u]) + y]) * stride;
    let pairs = u32(plan[g + 11u]);
    let weights = u32(plan[g + 10u]) + y * pairs;
    var left = vec4<i32>(128);
    var right = vec4<i32>(128);
    for (var k = 0u; k < pairs; k++) {
        let upper = planes[at];
        let lower = planes[at + stride];
        at += 2u * stride;
        let w = plan[weights + k];
        let first = low_half(w);
        let second = w >> 16u;
        left += first * bytes(upper.x) + second * bytes(lower.x);
        right += first * bytes(upper.y) + second * bytes(lower.y);
    }
    let out = (frame * scalars.out_words + u32(plan[g + 8u])) / 4u;
    middle[out + y * stride + x] = vec4<u32>(halves(left), halves(right));
}

// Four rows a word, for each column; then the next four rows.
var<workgroup> tile: array<u32, 512>;

fn samples(sums: vec4<i32>) -> u32 {
    let s = vec4<u32>(clamp(sums >> vec4<u32>(20u), vec4<i32>(0), vec4<i32>(255)));
    return s.x | (s.y << 8u) | (s.z << 16u) | (s.w << 24u);
}

// A word of each of four rows from the one column.
fn column_of(at: u32, step: vec4<u32>) -> vec4<i32> {
    return vec4<i32>(vec4<u32>(
        source[at + step.x], source[at + step.y], source[at + step.z], source[at + step.w]
    ));
}

// Middle rows to scaled planes, padding included: one column of eight rows an invocation, so that
// neighbours read neighbouring words and a weight serves eight rows; the samples change hands in
// workgroup memory, where rows make words. Grid: 256 columns, 8 rows, components x frames.
@compute @workgroup_size(256)
fn across(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let frame = group.z / scalars.components;
    let g = (group.z % scalars.components) * 16u;
    let stride = u32(plan[g + 5u]);
    let y = group.y * 8u;
    let width = u32(plan[g + 6u]);
    let column = min(group.x * 256u + t, width - 1u);
    var at = frame * scalars.in_words + u32(plan[g + 8u]);
    at += u32(plan[u32(plan[g + 12u]) + column]) / 2u;
    let last = vec4<u32>(u32(plan[g + 7u]) - 1u);
    let words = u32(plan[g + 1u]) * 2u;
    let upper = min(vec4<u32>(y) + vec4<u32>(0u, 1u, 2u, 3u), last) * words;
    let lower = min(vec4<u32>(y) + vec4<u32>(4u, 5u, 6u, 7u), last) * words;
    var weights = u32(plan[g + 13u]) + column;
    var sums = vec4<i32>(1i << 19u);
    var more = sums;
    // What lies outside the component is of no use, but all must meet at the barrier.
    let inside = group.x * 64u < stride && y < u32(plan[g + 15u]);
    let pairs = select(0, plan[g + 14u], inside);
    for (var k = 0; k < pairs; k++) {
        let w = plan[weights];
        weights += width;
        let first = low_half(w);
        let second = w >> 16u;
        let a = column_of(at, upper);
        let b = column_of(at, lower);
        at++;
        sums += first * ((a << vec4<u32>(16u)) >> vec4<u32>(16u)) + second * (a >> vec4<u32>(16u));
        more += first * ((b << vec4<u32>(16u)) >> vec4<u32>(16u)) + second * (b >> vec4<u32>(16u));
    }
    tile[t] = samples(sums);
    tile[256u + t] = samples(more);
    workgroupBarrier();
    let x = group.x * 64u + (t & 63u);
    let row = t >> 6u;
    if (!inside || x >= stride) {
        return;
    }
    let origin = frame * scalars.out_words + u32(plan[g + 4u]) + (y + row) * stride + x;
    for (var half = 0u; half < 2u; half++) {
        let start = half * 256u + (t & 63u) * 4u;
        let columns = vec4<u32>(tile[start], tile[start + 1u], tile[start + 2u], tile[start + 3u]);
        let s = ((columns >> vec4<u32>(8u * row)) & vec4<u32>(255u)) << vec4<u32>(0u, 8u, 16u, 24u);
        scaled[origin + half * 4u * stride] = s.x | s.y | s.z | s.w;
    }
}
