// Probes of a device's limits: chains that live in registers, a triad, a transfer's echo, a
// lone store. Chain i starts from lane i % 16 of its tables; a thread keeps 8 chains, so that
// neighbouring threads start from different lanes and nothing is uniform.

@group(0) @binding(0) var<storage, read> starts_f32: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> addends_f32: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out_f32: array<vec4<f32>>;
struct FmaScalars { a: f32, steps: u32 }
@group(0) @binding(3) var<uniform> fma_scalars: FmaScalars;

// x = a·x + b
@compute @workgroup_size(256)
fn fma_f32(@builtin(global_invocation_id) id: vec3<u32>) {
    let first = id.x * 2u;
    let a = vec4<f32>(fma_scalars.a);
    var x = starts_f32[first % 4u];
    var y = starts_f32[(first + 1u) % 4u];
    let b = addends_f32[first % 4u];
    let c = addends_f32[(first + 1u) % 4u];
    for (var s = 0u; s < fma_scalars.steps; s += 8u) {
        x = fma(x, a, b); y = fma(y, a, c);
        x = fma(x, a, b); y = fma(y, a, c);
        x = fma(x, a, b); y = fma(y, a, c);
        x = fma(x, a, b); y = fma(y, a, c);
        x = fma(x, a, b); y = fma(y, a, c);
        x = fma(x, a, b); y = fma(y, a, c);
        x = fma(x, a, b); y = fma(y, a, c);
        x = fma(x, a, b); y = fma(y, a, c);
    }
    out_f32[first] = x;
    out_f32[first + 1u] = y;
}

@group(0) @binding(0) var<storage, read> starts_i32: array<vec4<i32>>;
@group(0) @binding(1) var<storage, read> floors_i32: array<vec4<i32>>;
@group(0) @binding(2) var<storage, read_write> out_i32: array<vec4<i32>>;
struct AddMaxScalars { a: i32, steps: u32 }
@group(0) @binding(3) var<uniform> add_max_scalars: AddMaxScalars;

// x = max(x + a, floor)
@compute @workgroup_size(256)
fn add_max_i32(@builtin(global_invocation_id) id: vec3<u32>) {
    let first = id.x * 2u;
    let a = vec4<i32>(add_max_scalars.a);
    var x = starts_i32[first % 4u];
    var y = starts_i32[(first + 1u) % 4u];
    let b = floors_i32[first % 4u];
    let c = floors_i32[(first + 1u) % 4u];
    for (var s = 0u; s < add_max_scalars.steps; s += 8u) {
        x = max(x + a, b); y = max(y + a, c);
        x = max(x + a, b); y = max(y + a, c);
        x = max(x + a, b); y = max(y + a, c);
        x = max(x + a, b); y = max(y + a, c);
        x = max(x + a, b); y = max(y + a, c);
        x = max(x + a, b); y = max(y + a, c);
        x = max(x + a, b); y = max(y + a, c);
        x = max(x + a, b); y = max(y + a, c);
    }
    out_i32[first] = x;
    out_i32[first + 1u] = y;
}

@group(0) @binding(0) var<storage, read> triad_b: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> triad_c: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> triad_out: array<vec4<f32>>;
struct TriadScalars { factor: f32, vectors: u32 }
@group(0) @binding(3) var<uniform> triad_scalars: TriadScalars;

// out = b + factor·c
@compute @workgroup_size(256)
fn triad(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let factor = vec4<f32>(triad_scalars.factor);
    for (var i = id.x; i < triad_scalars.vectors; i += groups.x * 256u) {
        triad_out[i] = fma(triad_c[i], factor, triad_b[i]);
    }
}

@group(0) @binding(0) var<storage, read> words: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> inverted: array<vec4<u32>>;
struct InvertScalars { vectors: u32 }
@group(0) @binding(2) var<uniform> invert_scalars: InvertScalars;

// Flips every bit of what was uploaded.
@compute @workgroup_size(256)
fn invert(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    for (var i = id.x; i < invert_scalars.vectors; i += groups.x * 256u) {
        inverted[i] = ~words[i];
    }
}

@group(0) @binding(0) var<storage, read_write> touched: array<u32>;
struct TouchScalars { value: u32 }
@group(0) @binding(1) var<uniform> touch_scalars: TouchScalars;

// As little as a kernel can do and still be checked.
@compute @workgroup_size(32)
fn touch(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x == 0u {
        touched[0] = touch_scalars.value;
    }
}
