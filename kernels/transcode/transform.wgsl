// The integer transforms: eight threads a block, eight blocks a workgroup. Layouts: gpu.rs, device_tables.rs.

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
@group(0) @binding(0) var<storage, read> coefficients: array<u32>;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> encoder: array<u32>;
@group(0) @binding(3) var<storage, read> plan: array<u32>;
@group(0) @binding(4) var<storage, read_write> planes: array<u32>;
@group(0) @binding(5) var<uniform> inverse_scalars: InverseScalars;

// forward: scaled, encoder, plan, spectrum, scalars
@group(0) @binding(0) var<storage, read> scaled: array<u32>;
@group(0) @binding(1) var<storage, read> forward_encoder: array<u32>;
@group(0) @binding(2) var<storage, read> forward_plan: array<u32>;
@group(0) @binding(3) var<storage, read_write> spectrum: array<u32>;
@group(0) @binding(4) var<uniform> forward_scalars: ForwardScalars;

// Samples of a block: rows 9 words apart, blocks 73, against bank conflicts.
const ROW = 9u;
const BLOCK = 73u;
var<workgroup> tile: array<i32, 584>;

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
    for (var i = 0u; i < 4u; i++) {
        tile[at + i * step] = x.a[i];
        tile[at + (i + 4u) * step] = x.b[i];
    }
}

// Component, column and row among the component's blocks, of the block of an MCU that `entry` of
// the plan describes.
fn place_of(mcu: vec2<u32>, entry: u32) -> vec3<u32> {
    let at = (vec2<u32>(entry) >> vec2<u32>(4u, 8u)) & vec2<u32>(15u);
    let each = (vec2<u32>(entry) >> vec2<u32>(12u, 16u)) & vec2<u32>(15u);
    return vec3<u32>(entry & 15u, mcu * each + at);
}

fn low_half(word: u32) -> i32 {
    return i32(word << 16u) >> 16u;
}

fn packed(x: vec4<i32>) -> u32 {
    let s = vec4<u32>(clamp(x + vec4<i32>(128), vec4<i32>(0), vec4<i32>(255)));
    return s.x | (s.y << 8u) | (s.z << 16u) | (s.w << 24u);
}

// Grid: 8 blocks of a row of MCUs, rows of MCUs, frames.
@compute @workgroup_size(64)
fn inverse(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let t = thread & 7u;
    let mine = (thread >> 3u) * BLOCK;
    let row_blocks = inverse_scalars.mcus_x * inverse_scalars.per_mcu;
    let b = group.x * 8u + (thread >> 3u);
    let valid = b < row_blocks;
    let mcu = vec2<u32>(b / inverse_scalars.per_mcu, group.y);
    let p = place_of(mcu, plan[48u + b % inverse_scalars.per_mcu]);
    if (valid) {
        let frame = (inverse_scalars.first_frame + group.z) * 9u;
        let quant = tables[frame + p.x] + t * 8u;
        let block = (group.z * groups.y + group.y) * row_blocks + b;
        for (var i = 0u; i < 8u; i++) {
            let word = coefficients[block * 32u + t * 4u + (i >> 1u)];
            let c = i32(word << (16u - 16u * (i & 1u))) >> 16u;
            let natural = encoder[t * 8u + i];
            let product = low_half(u32(c * i32(tables[quant + i])));
            tile[mine + (natural >> 3u) * ROW + (natural & 7u)] = product;
        }
    }
    workgroupBarrier();
    if (valid) {
        let x = inverse_pass(load(mine + t, ROW), 11u);
        let least = vec4<i32>(-32768);
        let most = vec4<i32>(32767);
        store(mine + t, ROW, Eight(clamp(x.a, least, most), clamp(x.b, least, most)));
    }
    workgroupBarrier();
    if (valid) {
        let x = inverse_pass(load(mine + t * ROW, 1u), 18u);
        let g = p.x * 16u;
        let row = plan[g] + (p.z * 8u + t) * plan[g + 1u] + p.y * 2u;
        let out = group.z * inverse_scalars.frame_words + row;
        planes[out] = packed(x.a);
        planes[out + 1u] = packed(x.b);
    }
}

fn unpacked(word: u32) -> vec4<i32> {
    let bytes = (vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
    return vec4<i32>(bytes) - vec4<i32>(128);
}

// A coefficient's quotient, rounded, halves away from zero, in 16 bits.
fn quantised(v: i32, divisor: u32) -> u32 {
    let q = i32((u32(abs(v)) + divisor / 2u) / divisor);
    return u32(select(q, -q, v < 0)) & 0xffffu;
}

// Same grid over the scaled planes.
@compute @workgroup_size(64)
fn forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let t = thread & 7u;
    let mine = (thread >> 3u) * BLOCK;
    let row_blocks = forward_scalars.mcus_x * forward_scalars.per_mcu;
    let b = group.x * 8u + (thread >> 3u);
    let valid = b < row_blocks;
    let mcu = vec2<u32>(b / forward_scalars.per_mcu, group.y);
    let p = place_of(mcu, forward_plan[60u + b % forward_scalars.per_mcu]);
    if (valid) {
        let g = p.x * 16u + 4u;
        let row = forward_plan[g] + (p.z * 8u + t) * forward_plan[g + 1u] + p.y * 2u;
        let origin = group.z * forward_scalars.frame_words + row;
        let x = Eight(unpacked(scaled[origin]), unpacked(scaled[origin + 1u]));
        store(mine + t * ROW, 1u, forward_pass(x, 2u, 0u, 11u));
    }
    workgroupBarrier();
    if (valid) {
        store(mine + t, ROW, forward_pass(load(mine + t, ROW), 0u, 2u, 15u));
    }
    workgroupBarrier();
    if (valid) {
        let divisors = select(128u, 64u, p.x == 0u) + t * 8u;
        let block = (group.z * groups.y + group.y) * row_blocks + b;
        for (var i = 0u; i < 4u; i++) {
            let n0 = forward_encoder[t * 8u + 2u * i];
            let n1 = forward_encoder[t * 8u + 2u * i + 1u];
            let low = tile[mine + (n0 >> 3u) * ROW + (n0 & 7u)];
            let high = tile[mine + (n1 >> 3u) * ROW + (n1 & 7u)];
            let d = divisors + 2u * i;
            spectrum[block * 32u + t * 4u + i] = quantised(low, forward_encoder[d])
                | (quantised(high, forward_encoder[d + 1u]) << 16u);
        }
    }
}
