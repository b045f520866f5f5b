// C = A·B in f32, row major, one product per workgroup z; k and n are multiples of 4, so that 16 bytes
// move at a time. A workgroup of 256 invocations makes 128×128 of C, each invocation 8×8 of it: rows
// 4y … and 64 + 4y …, columns 4x … and 64 + 4x … . Two slabs of 8 along k lie in workgroup memory: one
// is multiplied, then the other is written from registers, which were filled in the meantime.
// Edges are zeros there and masked at the store.

struct Sizes { m: u32, n: u32, k: u32 }

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> sizes: Sizes;

// [slab][k][4 rows] and [slab][k][4 columns]
var<workgroup> a_tile: array<vec4<f32>, 512>;
var<workgroup> b_tile: array<vec4<f32>, 512>;

@compute @workgroup_size(256)
fn matmul_tiled_vec4(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let tx = local % 16u;
    let ty = local / 16u;
    let a_row = group.y * 128u + local / 2u;
    let a_k = local % 2u * 4u;
    let b_k = local / 32u;
    let b_column = group.x * 128u + local % 32u * 4u;
    let a_from = (group.z * sizes.m + a_row) * sizes.k + a_k;
    let b_from = (group.z * sizes.k + b_k) * sizes.n + b_column;
    // Where they go in a slab: four values along k of one row; one of four columns.
    let a_to = a_k * 32u + local / 8u;
    let a_part = local / 2u % 4u;

    var a_next = vec4<f32>();
    var b_next = vec4<f32>();
    if (a_row < sizes.m && a_k < sizes.k) { a_next = a[a_from / 4u]; }
    if (b_k < sizes.k && b_column < sizes.n) { b_next = b[b_from / 4u]; }
    for (var q = 0u; q < 4u; q++) { a_tile[a_to + q * 32u][a_part] = a_next[q]; }
    b_tile[local] = b_next;
    workgroupBarrier();

    // [row][4 columns], columns 4x … and 64 + 4x …
    var sums: array<vec4<f32>, 16>;
    var slab = 0u;
    for (var k0 = 0u; k0 < sizes.k; k0 += 8u) {
        let k1 = k0 + 8u;
        a_next = vec4<f32>();
        b_next = vec4<f32>();
        if (a_row < sizes.m && k1 + a_k < sizes.k) { a_next = a[(a_from + k1) / 4u]; }
        if (k1 + b_k < sizes.k && b_column < sizes.n) { b_next = b[(b_from + k1 * sizes.n) / 4u]; }
        for (var kk = 0u; kk < 8u; kk++) {
            let at = slab + kk * 32u;
            let upper = a_tile[at + ty];
            let lower = a_tile[at + 16u + ty];
            let left = b_tile[at + tx];
            let right = b_tile[at + 16u + tx];
            sums[0] += upper.x * left;
            sums[1] += upper.x * right;
            sums[2] += upper.y * left;
            sums[3] += upper.y * right;
            sums[4] += upper.z * left;
            sums[5] += upper.z * right;
            sums[6] += upper.w * left;
            sums[7] += upper.w * right;
            sums[8] += lower.x * left;
            sums[9] += lower.x * right;
            sums[10] += lower.y * left;
            sums[11] += lower.y * right;
            sums[12] += lower.z * left;
            sums[13] += lower.z * right;
            sums[14] += lower.w * left;
            sums[15] += lower.w * right;
        }
        slab = 256u - slab;
        for (var q = 0u; q < 4u; q++) { a_tile[slab + a_to + q * 32u][a_part] = a_next[q]; }
        b_tile[slab + local] = b_next;
        workgroupBarrier();
    }

    let column = group.x * 128u + tx * 4u;
    for (var i = 0u; i < 8u; i++) {
        let row = group.y * 128u + i / 4u * 64u + ty * 4u + i % 4u;
        if (row >= sizes.m) { continue; }
        let to = (group.z * sizes.m + row) * sizes.n + column;
        if (column < sizes.n) { c[to / 4u] = sums[2u * i]; }
        if (column + 64u < sizes.n) { c[to / 4u + 16u] = sums[2u * i + 1u]; }
    }
}
