// C = A·B, row major, one product per workgroup z. A workgroup of 64 invocations makes 64×64 of C,
// each invocation 8×8 of it; both operands pass through workgroup memory in slabs of 16 along k.
// Edges are zeros in workgroup memory and masked at the store.

struct Sizes { m: u32, n: u32, k: u32 }

// Words: an f32, or two bf16 with the first in the lower half.
override is_bf16: bool = false;

@group(0) @binding(0) var<storage, read> a: array<u32>;
@group(0) @binding(1) var<storage, read> b: array<u32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<uniform> sizes: Sizes;

// [k][4 rows] and [k][4 columns]
var<workgroup> a_tile: array<vec4<f32>, 256>;
var<workgroup> b_tile: array<vec4<f32>, 256>;

fn half_word(word: u32, index: u32) -> f32 {
    return bitcast<f32>(select(word << 16u, word & 0xffff0000u, (index & 1u) == 1u));
}

fn a_at(first: u32, row: u32, k: u32) -> f32 {
    if (row >= sizes.m || k >= sizes.k) { return 0.0; }
    let index = first + row * sizes.k + k;
    if (is_bf16) { return half_word(a[index / 2u], index); }
    return bitcast<f32>(a[index]);
}

fn b_at(first: u32, k: u32, column: u32) -> f32 {
    if (k >= sizes.k || column >= sizes.n) { return 0.0; }
    let index = first + k * sizes.n + column;
    if (is_bf16) { return half_word(b[index / 2u], index); }
    return bitcast<f32>(b[index]);
}

@compute @workgroup_size(64)
fn matmul_tiled(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row0 = group.y * 64u;
    let column0 = group.x * 64u;
    let a_first = group.z * sizes.m * sizes.k;
    let b_first = group.z * sizes.k * sizes.n;
    let tx = local % 8u;
    let ty = local / 8u;
    // [row][4 columns], columns 4·tx … and 32 + 4·tx …
    var sums: array<vec4<f32>, 16>;
    for (var k0 = 0u; k0 < sizes.k; k0 += 16u) {
        for (var i = 0u; i < 4u; i++) {
            let index = local + i * 64u;
            let ak = k0 + index % 16u;
            let row = row0 + index / 16u * 4u;
            a_tile[index % 16u * 16u + index / 16u] = vec4<f32>(
                a_at(a_first, row, ak),
                a_at(a_first, row + 1u, ak),
                a_at(a_first, row + 2u, ak),
                a_at(a_first, row + 3u, ak),
            );
            let bk = k0 + index / 16u;
            let column = column0 + index % 16u * 4u;
            b_tile[index] = vec4<f32>(
                b_at(b_first, bk, column),
                b_at(b_first, bk, column + 1u),
                b_at(b_first, bk, column + 2u),
                b_at(b_first, bk, column + 3u),
            );
        }
        workgroupBarrier();
        for (var kk = 0u; kk < 16u; kk++) {
            let upper = a_tile[kk * 16u + ty];
            let lower = a_tile[kk * 16u + 8u + ty];
            let left = b_tile[kk * 16u + tx];
            let right = b_tile[kk * 16u + 8u + tx];
            for (var i = 0u; i < 4u; i++) {
                sums[2u * i] += upper[i] * left;
                sums[2u * i + 1u] += upper[i] * right;
                sums[2u * i + 8u] += lower[i] * left;
                sums[2u * i + 9u] += lower[i] * right;
            }
        }
        workgroupBarrier();
    }
    let c_first = group.z * sizes.m * sizes.n;
    for (var i = 0u; i < 8u; i++) {
        let row = row0 + i / 4u * 32u + ty * 4u + i % 4u;
        for (var j = 0u; j < 8u; j++) {
            let column = column0 + j / 4u * 32u + tx * 4u + j % 4u;
            if (row < sizes.m && column < sizes.n) {
                c[c_first + row * sizes.n + column] = sums[2u * i + j / 4u][j % 4u];
            }
        }
    }
}
