// What kernels may build on where the adapter offers it: f16, 16-bit integers, packed dot
// products, workgroup memory and subgroups.
enable f16;
enable wgpu_int16;

@group(0) @binding(0) var<storage, read_write> out: array<u32>;

var<workgroup> sum: array<u32, 64>;

@compute @workgroup_size(64)
fn features(@builtin(local_invocation_index) i: u32) {
    sum[i] = i;
    workgroupBarrier();
    for (var width = 32u; width > 0u; width /= 2u) {
        if i < width {
            sum[i] += sum[i + width];
        }
        workgroupBarrier();
    }
    // 1 for each lane of the subgroup that is there, itself included: at least 1.
    let lanes = subgroupAdd(1u);
    if i == 0u {
        let half = vec2<f16>(0.1h, 1000.0h) * vec2<f16>(3.0h, 2.0h);
        let short = vec2<i16>(i16(32767), i16(-5)) + vec2<i16>(i16(1), i16(7));
        out[0] = sum[0];
        out[1] = bitcast<u32>(f32(half.x));
        out[6] = u32(half.y);
        out[2] = bitcast<u32>(vec2<i32>(short).x);
        out[3] = u32(max(short.x, short.y));
        out[4] = dot4U8Packed(0x01020304u, 0x05060708u);
        out[5] = select(0u, 1u, lanes >= 1u && lanes <= 128u);
    }
}
