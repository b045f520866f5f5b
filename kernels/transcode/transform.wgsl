// The integer transforms: eight invocations a block of samples, 24 such blocks at once, six times:
// transform.cu says why. Layouts: gpu.rs, device_tables.rs.

struct InverseScalars {
    first_frame: u32,
    mcus_x: u32,
    per_mcu: u32,
    frame_words: u32,
}

struct ForwardScalars {
    mcus_x: u32,
    per_mcu: u32,
    frame_words: u32,
}

// inverse: coefficients, tables, encoder, plan, planes, scalars
@group(0) @binding(0) var<storage, read> coefficients: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> encoder: array<u32>;
@group(0) @binding(3) var<storage, read> plan: array<u32>;
@group(0) @binding(4) var<storage, read_write> planes: array<vec2<u32>>;
@group(0) @binding(5) var<uniform> inverse_scalars: InverseScalars;

// forward: scaled, encoder, plan, spectrum, scalars
@group(0) @binding(0) var<storage, read> scaled: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read> forward_encoder: array<u32>;
@group(0) @binding(2) var<storage, read> forward_plan: array<u32>;
@group(0) @binding(3) var<storage, read_write> spectrum: array<vec4<u32>>;
@group(0) @binding(4) var<uniform> forward_scalars: ForwardScalars;

// Blocks at once, and how often, in a workgroup (as in gpu.rs).
const BLOCKS = 24u;
const PASSES = 6u;
// Samples of a block: rows 9 words apart, blocks 72, against bank conflicts.
const ROW = 9u;
const BLOCK = 72u;
var<workgroup> tile: array<i32, 1728>;
// inverse: coefficients as they come, 8 vectors a block and 2 more against bank conflicts. forward:
// coefficients as they go.
var<workgroup> raw: array<vec4<u32>, 240>;
var<workgroup> done: array<i32, 1728>;

struct Eight {
    a: vec4<i32>,
    b: vec4<i32>,
}

// The four odd sums of either direction.
fn odd_part(x: vec4<i32>) -> vec4<i32> {
    return x.x * vec4<i32>(11363, 9633, 6437, 2260)
        + x.y * vec4<i32>(9633, -2259, -11362, -6436)
        + x.z * vec4<i32>(6437, -11362, 2261, 9633)
        + x.w * vec4<i32>(2260, -6436, 9633, -11363);
}

// Samples from coefficients 0 to 3 and 4 to 7; rounded after `bits`.
fn inverse_pass(x: Eight, bits: u32) -> Eight {
    let odd = odd_part(vec4<i32>(x.a.y, x.a.w, x.b.y, x.b.w));
    let sum = (x.a.x + x.b.x) * 8192;
    let difference = (x.a.x - x.b.x) * 8192;
    let high = x.a.z * 10703 + x.b.z * 4433;
    let low = x.a.z * 4433 - x.b.z * 10704;
    let even = vec4<i32>(sum + high, difference + low, difference - low, sum - high)
        + vec4<i32>(1i << (bits - 1u));
    return Eight((even + odd) >> vec4<u32>(bits), ((even - odd) >> vec4<u32>(bits)).wzyx);
}

// Coefficients from samples; `up` and `down` shift those that need no multiplication.
fn forward_pass(x: Eight, up: u32, down: u32, bits: u32) -> Eight {
    let s = x.a + x.b.wzyx;
    let half = 1i << (bits - 1u);
    let odd = (odd_part(x.a - x.b.wzyx) + vec4<i32>(half)) >> vec4<u32>(bits);
    let small = (1i << down) >> 1u;
    let outer = s.x + s.w;
    let inner = s.y + s.z;
    let a = s.x - s.w;
    let b = s.y - s.z;
    let x0 = (((outer + inner) << up) + small) >> down;
    let x4 = (((outer - inner) << up) + small) >> down;
    let x2 = (a * 10703 + b * 4433 + half) >> bits;
    let x6 = (a * 4433 - b * 10704 + half) >> bits;
    return Eight(vec4<i32>(x0, odd.x, x2, odd.y), vec4<i32>(x4, odd.z, x6, odd.w));
}

fn load(at: u32, step: u32) -> Eight {
    return Eight(
        vec4<i32>(tile[at], tile[at + step], tile[at + 2u * step], tile[at + 3u * step]),
        vec4<i32>(
            tile[at + 4u * step], tile[at + 5u * step], tile[at + 6u * step], tile[at + 7u * step]
        ),
    );
}

fn store(at: u32, step: u32, x: Eight) {
    tile[at] = x.a.x;
    tile[at + step] = x.a.y;
    tile[at + 2u * step] = x.a.z;
    tile[at + 3u * step] = x.a.w;
    tile[at + 4u * step] = x.b.x;
    tile[at + 5u * step] = x.b.y;
    tile[at + 6u * step] = x.b.z;
    tile[at + 7u * step] = x.b.w;
}

// Component, column and row among the component's blocks, of the block of an MCU that `entry` of
// the plan describes.
fn place_of(mcu: vec2<u32>, entry: u32) -> vec3<u32> {
    let at = (vec2<u32>(entry) >> vec2<u32>(4u, 8u)) & vec2<u32>(15u);
    let each = (vec2<u32>(entry) >> vec2<u32>(12u, 16u)) & vec2<u32>(15u);
    return vec3<u32>(entry & 15u, mcu * each + at);
}

fn low_half(words: vec4<i32>) -> vec4<i32> {
    return (words << vec4<u32>(16u)) >> vec4<u32>(16u);
}

// Four coefficients of a block that stands from `block` in `raw`.
fn gathered(block: u32, at: vec4<u32>) -> vec4<i32> {
    let words = vec4<u32>(
        raw[block + (at.x >> 3u)][(at.x >> 1u) & 3u],
        raw[block + (at.y >> 3u)][(at.y >> 1u) & 3u],
        raw[block + (at.z >> 3u)][(at.z >> 1u) & 3u],
        raw[block + (at.w >> 3u)][(at.w >> 1u) & 3u],
    );
    return vec4<i32>(words << (vec4<u32>(16u) - 16u * (at & vec4<u32>(1u)))) >> vec4<u32>(16u);
}

fn packed(x: vec4<i32>) -> u32 {
    let s = vec4<u32>(clamp(x + vec4<i32>(128), vec4<i32>(0), vec4<i32>(255)));
    return s.x | (s.y << 8u) | (s.z << 16u) | (s.w << 24u);
}

// Grid: 6 times 24 blocks of a row of MCUs, rows of MCUs, frames.
@compute @workgroup_size(192)
fn inverse(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let t = thread & 7u;
    let slot = thread >> 3u;
    let mine = slot * BLOCK;
    let per_mcu = inverse_scalars.per_mcu;
    let row_blocks = inverse_scalars.mcus_x * per_mcu;
    let first = group.x * (BLOCKS * PASSES);
    let entry = plan[48u + slot % per_mcu];
    let p = place_of(vec2<u32>((first + slot) / per_mcu, group.y), entry);
    // Of column t: where its coefficients stand, and their quantisers.
    let order = 864u + t;
    let above = vec4<u32>(
        encoder[order], encoder[order + 8u], encoder[order + 16u], encoder[order + 24u]
    );
    let below = vec4<u32>(
        encoder[order + 32u], encoder[order + 40u], encoder[order + 48u], encoder[order + 56u]
    );
    let quant = tables[(inverse_scalars.first_frame + group.z) * 9u + p.x];
    let a = vec4<i32>(vec4<u32>(
        tables[quant + above.x], tables[quant + above.y],
        tables[quant + above.z], tables[quant + above.w],
    ));
    let b = vec4<i32>(vec4<u32>(
        tables[quant + below.x], tables[quant + below.y],
        tables[quant + below.z], tables[quant + below.w],
    ));
    var at = ((group.z * groups.y + group.y) * row_blocks + first + slot) * 8u + t;
    let g = p.x * 16u;
    let row = plan[g] + (p.z * 8u + t) * plan[g + 1u];
    var out = (group.z * inverse_scalars.frame_words + row) / 2u + p.y;
    let step = BLOCKS / per_mcu * ((entry >> 12u) & 15u);
    for (var turn = 0u; turn < PASSES; turn++) {
        let start = first + turn * BLOCKS;
        if (start >= row_blocks) {
            break;
        }
        let valid = start + slot < row_blocks;
        if (valid) {
            raw[slot * 10u + t] = coefficients[at];
        }
        workgroupBarrier();
        let upper = low_half(gathered(slot * 10u, above) * a);
        let lower = low_half(gathered(slot * 10u, below) * b);
        let x = inverse_pass(Eight(upper, lower), 11u);
        let least = vec4<i32>(-32768);
        let most = vec4<i32>(32767);
        store(mine + t, ROW, Eight(clamp(x.a, least, most), clamp(x.b, least, most)));
        workgroupBarrier();
        if (valid) {
            let y = inverse_pass(load(mine + t * ROW, 1u), 18u);
            planes[out] = vec2<u32>(packed(y.a), packed(y.b));
        }
        at += BLOCKS * 8u;
        out += step;
    }
}

fn unpacked(word: u32) -> vec4<i32> {
    let bytes = (vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
    return vec4<i32>(bytes) - vec4<i32>(128);
}

// Quotients of coefficients, rounded, halves away from zero. A half more, before the product with
// what is only about the divisors' inverse, keeps away from whole numbers: coefficients have 14 bits.
fn quantised(v: vec4<i32>, halves: vec4<u32>, inverses: vec4<f32>) -> vec4<i32> {
    let sizes = vec4<f32>(vec4<u32>(abs(v)) + halves) + vec4<f32>(0.5);
    let q = vec4<i32>(sizes * inverses);
    return select(q, -q, v < vec4<i32>(0));
}

fn column(at: u32) -> vec4<u32> {
    return vec4<u32>(
        forward_encoder[at], forward_encoder[at + 8u], forward_encoder[at + 16u],
        forward_encoder[at + 24u]
    );
}

fn divisors(quant: u32, at: vec4<u32>) -> vec4<u32> {
    return vec4<u32>(
        forward_encoder[quant + at.x], forward_encoder[quant + at.y],
        forward_encoder[quant + at.z], forward_encoder[quant + at.w]
    );
}

fn put(block: u32, at: vec4<u32>, v: vec4<i32>) {
    done[block + at.x + (at.x >> 3u)] = v.x;
    done[block + at.y + (at.y >> 3u)] = v.y;
    done[block + at.z + (at.z >> 3u)] = v.z;
    done[block + at.w + (at.w >> 3u)] = v.w;
}

fn pair(at: u32) -> u32 {
    return (u32(done[at]) & 0xffffu) | (u32(done[at + 1u]) << 16u);
}

// Same grid over the scaled planes.
@compute @workgroup_size(192)
fn forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let t = thread & 7u;
    let slot = thread >> 3u;
    let mine = slot * BLOCK;
    let per_mcu = forward_scalars.per_mcu;
    let row_blocks = forward_scalars.mcus_x * per_mcu;
    let first = group.x * (BLOCKS * PASSES);
    let entry = forward_plan[60u + slot % per_mcu];
    let p = place_of(vec2<u32>((first + slot) / per_mcu, group.y), entry);
    // Of column t: where its coefficients go, and their divisors.
    let above = column(864u + t);
    let below = column(896u + t);
    let quant = select(128u, 64u, p.x == 0u);
    let a = divisors(quant, above);
    let b = divisors(quant, below);
    let over_a = vec4<f32>(1.0) / vec4<f32>(a);
    let over_b = vec4<f32>(1.0) / vec4<f32>(b);
    let g = p.x * 16u + 4u;
    let row = forward_plan[g] + (p.z * 8u + t) * forward_plan[g + 1u];
    var at = (group.z * forward_scalars.frame_words + row) / 2u + p.y;
    let step = BLOCKS / per_mcu * ((entry >> 12u) & 15u);
    var out = ((group.z * groups.y + group.y) * row_blocks + first + slot) * 8u + t;
    for (var turn = 0u; turn < PASSES; turn++) {
        let start = first + turn * BLOCKS;
        if (start >= row_blocks) {
            break;
        }
        let valid = start + slot < row_blocks;
        if (valid) {
            let words = scaled[at];
            let x = forward_pass(Eight(unpacked(words.x), unpacked(words.y)), 2u, 0u, 11u);
            store(mine + t * ROW, 1u, x);
        }
        workgroupBarrier();
        let y = forward_pass(load(mine + t, ROW), 0u, 2u, 15u);
        put(mine, above, quantised(y.a, a / 2u, over_a));
        put(mine, below, quantised(y.b, b / 2u, over_b));
        workgroupBarrier();
        if (valid) {
            let origin = mine + t * 9u;
            spectrum[out] = vec4<u32>(
                pair(origin), pair(origin + 2u), pair(origin + 4u), pair(origin + 6u)
            );
        }
        at += step;
        out += BLOCKS * 8u;
    }
}
