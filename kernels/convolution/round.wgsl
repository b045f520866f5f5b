// y in bf16, two values a word, from sums in f32: rounded to the nearest, ties to even.

struct Sizes { values: u32, parts: u32 }

@group(0) @binding(0) var<storage, read> sums: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<uniform> sizes: Sizes;

// Bits, because a shader may take no NaN for one.
fn rounded(index: u32) -> u32 {
    if (index >= sizes.values) { return 0u; }
    let bits = sums[index];
    if ((bits & 0x7fffffffu) > 0x7f800000u) { return (bits >> 16u) | 0x40u; }
    return (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
}

@compute @workgroup_size(256)
fn convolution_round(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let word = (group.y * groups.x + group.x) * 256u + local;
    if (word * 2u >= sizes.values) { return; }
    y[word] = rounded(word * 2u) | (rounded(word * 2u + 1u) << 16u);
}
