// The separable filter, four samples a thread. Layouts of buffers and of `plan`: gpu.rs, device_tables.rs.

struct Scalars {
    in_words: u32,
    out_words: u32,
    components: u32,
}

@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read> plan: array<i32>;
@group(0) @binding(2) var<storage, read_write> result: array<u32>;
@group(0) @binding(3) var<uniform> scalars: Scalars;

// Planes to middle rows of 16-bit samples. Grid: words of a row, output rows, components x frames.
@compute @workgroup_size(64)
fn down(@builtin(global_invocation_id) id: vec3<u32>) {
    let frame = id.z / scalars.components;
    let g = (id.z % scalars.components) * 16u;
    let stride = u32(plan[g + 1u]);
    if (id.x >= stride || i32(id.y) >= plan[g + 7u]) {
        return;
    }
    let origin = frame * scalars.in_words + u32(plan[g]) + id.x;
    let first = plan[u32(plan[g + 9u]) + id.y];
    let taps = u32(plan[g + 11u]);
    let weights = u32(plan[g + 10u]) + id.y * taps;
    let last = plan[g + 3u] - 1;
    var sums = vec4<i32>(128);
    for (var k = 0u; k < taps; k++) {
        let row = u32(clamp(first + i32(k), 0, last));
        let word = vec4<u32>(source[origin + row * stride]);
        let samples = (word >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
        sums += plan[weights + k] * vec4<i32>(samples);
    }
    let s = vec4<u32>(sums >> vec4<u32>(8u));
    let out = frame * scalars.out_words + u32(plan[g + 8u]) + (id.y * stride + id.x) * 2u;
    result[out] = (s.x & 0xffffu) | (s.y << 16u);
    result[out + 1u] = (s.z & 0xffffu) | (s.w << 16u);
}

// Middle rows to scaled planes, padding included. Grid: words of a row, rows, components x frames.
@compute @workgroup_size(64)
fn across(@builtin(global_invocation_id) id: vec3<u32>) {
    let frame = id.z / scalars.components;
    let g = (id.z % scalars.components) * 16u;
    let stride = u32(plan[g + 5u]);
    if (id.x >= stride || i32(id.y) >= plan[g + 15u]) {
        return;
    }
    let row = u32(min(i32(id.y), plan[g + 7u] - 1) * plan[g + 1u] * 2);
    let origin = frame * scalars.in_words + u32(plan[g + 8u]) + row;
    let taps = u32(plan[g + 14u]);
    let last = plan[g + 2u] - 1;
    var word = 0u;
    for (var i = 0u; i < 4u; i++) {
        let column = u32(min(i32(id.x * 4u + i), plan[g + 6u] - 1));
        let first = plan[u32(plan[g + 12u]) + column];
        let weights = u32(plan[g + 13u]) + column * taps;
        var sum = 1i << 19u;
        for (var k = 0u; k < taps; k++) {
            let x = u32(clamp(first + i32(k), 0, last));
            let sample = i32(source[origin + (x >> 1u)] << (16u - 16u * (x & 1u))) >> 16u;
            sum += plan[weights + k] * sample;
        }
        word |= u32(clamp(sum >> 20u, 0, 255)) << (8u * i);
    }
    result[frame * scalars.out_words + u32(plan[g + 4u]) + id.y * stride + id.x] = word;
}
