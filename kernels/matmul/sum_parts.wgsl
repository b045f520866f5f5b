// c[i] = the sum of `parts` values of `part_sums`, `values` apart, in order.

struct Sizes { values: u32, parts: u32 }

@group(0) @binding(0) var<storage, read> part_sums: array<f32>;
@group(0) @binding(1) var<storage, read_write> c: array<f32>;
@group(0) @binding(2) var<uniform> sizes: Sizes;

@compute @workgroup_size(256)
fn matmul_sum_parts(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= sizes.values) { return; }
    var sum = 0.0;
    for (var part = 0u; part < sizes.parts; part++) {
        sum += part_sums[part * sizes.values + id.x];
    }
    c[id.x] = sum;
}
