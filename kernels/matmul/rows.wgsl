// Up to 8 rows of C = A·B: B is read once, 64 columns by a workgroup, its rows dealt to 4 groups
// of 64 invocations and to num_workgroups.y parts. The sums of the parts stand one after the other
// in `part_sums` (a part is `batch` whole C); matmul_sum_parts adds them in order.

struct Sizes { m: u32, n: u32, k: u32, depth: u32 }

// Words: an f32, or two bf16 with the first in the lower half.
override is_bf16: bool = false;

@group(0) @binding(0) var<storage, read> a: array<u32>;
@group(0) @binding(1) var<storage, read> b: array<u32>;
@group(0) @binding(2) var<storage, read_write> part_sums: array<f32>;
@group(0) @binding(3) var<uniform> sizes: Sizes;

// [group][row][column]
var<workgroup> group_sums: array<f32, 2048>;

fn widen(word: u32, index: u32) -> f32 {
    if (!is_bf16) { return bitcast<f32>(word); }
    return bitcast<f32>(select(word << 16u, word & 0xffff0000u, (index & 1u) == 1u));
}

fn word_of(index: u32) -> u32 {
    return select(index, index / 2u, is_bf16);
}

@compute @workgroup_size(256)
fn matmul_rows(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let lane = local % 64u;
    let part = local / 64u;
    let column = group.x * 64u + lane;
    let a_first = group.z * sizes.m * sizes.k;
    let b_first = group.z * sizes.k * sizes.n;
    let k0 = group.y * sizes.depth;
    let k1 = min(sizes.k, k0 + sizes.depth);
    var sums: array<f32, 8>;
    if (column < sizes.n) {
        for (var k = k0 + part; k < k1; k += 4u) {
            let b_index = b_first + k * sizes.n + column;
            let value = widen(b[word_of(b_index)], b_index);
            for (var i = 0u; i < sizes.m; i++) {
                let a_index = a_first + i * sizes.k + k;
                sums[i] += widen(a[word_of(a_index)], a_index) * value;
            }
        }
    }
    for (var i = 0u; i < 8u; i++) {
        group_sums[(part * 8u + i) * 64u + lane] = sums[i];
    }
    workgroupBarrier();
    if (column < sizes.n) {
        let first = (group.y * groups.z + group.z) * sizes.m * sizes.n;
        for (var i = part; i < sizes.m; i += 4u) {
            let at = i * 64u + lane;
            let upper = group_sums[at] + group_sums[at + 512u];
            let lower = group_sums[at + 1024u] + group_sums[at + 1536u];
            part_sums[first + i * sizes.n + column] = upper + lower;
        }
    }
}
