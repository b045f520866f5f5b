// Kernels of the interpreter's own tests.

override bias: f32 = 0.0;

struct SumScalars { n: u32, scale: f32 }
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> sum: array<f32>;
@group(0) @binding(3) var<uniform> sum_scalars: SumScalars;

@compute @workgroup_size(64)
fn scaled_sum(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < sum_scalars.n {
        sum[id.x] = a[id.x] * sum_scalars.scale + b[id.x] + bias;
    }
}

struct CountScalars { count: u32, capacity: u32 }
@group(0) @binding(0) var<storage, read_write> length: array<atomic<u32>>;
@group(0) @binding(1) var<storage, read_write> numbers: array<u32>;
@group(0) @binding(2) var<uniform> count_scalars: CountScalars;

@compute @workgroup_size(64)
fn count_up(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= count_scalars.count {
        return;
    }
    atomicAdd(&length[1], 4u);
    if id.x * 4u + 4u <= count_scalars.capacity {
        numbers[id.x] = id.x;
    }
}
