// 2-D forward convolution, f32 or bf16, NCHW or NHWC (they differ in the strides), as one matrix product per
// group (workgroup z): rows are the group's filters, columns the output positions of all images, and
// the right operand (what lies under the taps) is gathered straight into workgroup memory. A workgroup
// of 64 invocations makes 64×64, each invocation 8×8 of it. Edges and padding are zeros in workgroup
// memory. Sums are stored as f32; `round.wgsl` rounds those of bf16 images.

struct Geometry {
    batch: u32,
    c_in: u32,
    height: u32,
    width: u32,
    c_out: u32,
    kernel_h: u32,
    kernel_w: u32,
    stride: u32,
    padding: u32,
    dilation: u32,
    groups: u32,
    out_h: u32,
    out_w: u32,
    // Elements from one channel, row and column of x to the next.
    x_channel: u32,
    x_row: u32,
    x_column: u32,
    // Elements from one filter and position of y to the next.
    y_filter: u32,
    y_position: u32,
    // Products of an output value from one channel and tap to the next.
    k_channel: u32,
    k_tap: u32,
}

// Words: an f32, or two bf16 with the first in the lower half.
override is_bf16: bool = false;

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read> w: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> g: Geometry;

// [k][4 rows] and [k][4 columns]
var<workgroup> w_tile: array<vec4<f32>, 256>;
var<workgroup> x_tile: array<vec4<f32>, 256>;

// Where an output position reads: image, and row and column under the first tap. Coordinates in
// the padding wrap to large numbers.
fn place_of(column: u32) -> vec3<u32> {
    let positions = g.out_h * g.out_w;
    let position = column % positions;
    return vec3<u32>(
        column / positions,
        position / g.out_w * g.stride - g.padding,
        position % g.out_w * g.stride - g.padding,
    );
}

fn x_at(index: u32) -> f32 {
    if (is_bf16) { return half_word(x[index / 2u], index); }
    return bitcast<f32>(x[index]);
}

fn w_at(index: u32) -> f32 {
    if (is_bf16) { return half_word(w[index / 2u], index); }
    return bitcast<f32>(w[index]);
}

fn half_word(word: u32, index: u32) -> f32 {
    return bitcast<f32>(select(word << 16u, word & 0xffff0000u, (index & 1u) == 1u));
}

fn under_tap(place: vec3<u32>, channel: u32, ky: u32, kx: u32) -> f32 {
    let row = place.y + ky * g.dilation;
    let column = place.z + kx * g.dilation;
    if (row >= g.height || column >= g.width) { return 0.0; }
    let image = place.x * g.c_in * g.height * g.width;
    return x_at(image + channel * g.x_channel + row * g.x_row + column * g.x_column);
}

fn weight(first: u32, row: u32, k: u32, filters: u32, depth: u32) -> f32 {
    if (row >= filters || k >= depth) { return 0.0; }
    return w_at(first + row * depth + k);
}

@compute @workgroup_size(64)
fn convolution(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let filters = g.c_out / g.groups;
    let channels = g.c_in / g.groups;
    let taps = g.kernel_h * g.kernel_w;
    let depth = channels * taps;
    let positions = g.out_h * g.out_w;
    let columns = g.batch * positions;
    let row0 = group.y * 64u;
    let column0 = group.x * 64u;
    let w_first = group.z * filters * depth;
    let tx = local % 8u;
    let ty = local / 8u;
    // An invocation gathers four columns of the tile.
    let my_column = column0 + local % 16u * 4u;
    var places: array<vec3<u32>, 4>;
    for (var j = 0u; j < 4u; j++) {
        places[j] = place_of(min(my_column + j, columns - 1u));
    }
    // [row][4 columns], columns 4·tx … and 32 + 4·tx …
    var sums: array<vec4<f32>, 16>;
    for (var k0 = 0u; k0 < depth; k0 += 16u) {
        for (var i = 0u; i < 4u; i++) {
            let index = local + i * 64u;
            let wk = k0 + index % 16u;
            let row = row0 + index / 16u * 4u;
            w_tile[index % 16u * 16u + index / 16u] = vec4<f32>(
                weight(w_first, row, wk, filters, depth),
                weight(w_first, row + 1u, wk, filters, depth),
                weight(w_first, row + 2u, wk, filters, depth),
                weight(w_first, row + 3u, wk, filters, depth),
            );
            let xk = k0 + index / 16u;
            let channel = group.z * channels + xk / g.k_channel % channels;
            let tap = xk / g.k_tap % taps;
            let ky = tap / g.kernel_w;
            let kx = tap % g.kernel_w;
            var values = vec4<f32>();
            if (xk < depth) {
                values = vec4<f32>(
                    under_tap(places[0], channel, ky, kx),
                    under_tap(places[1], channel, ky, kx),
                    under_tap(places[2], channel, ky, kx),
                    under_tap(places[3], channel, ky, kx),
                );
            }
            x_tile[index] = values;
        }
        workgroupBarrier();
        for (var kk = 0u; kk < 16u; kk++) {
            let upper = w_tile[kk * 16u + ty];
            let lower = w_tile[kk * 16u + 8u + ty];
            let left = x_tile[kk * 16u + tx];
            let right = x_tile[kk * 16u + 8u + tx];
            for (var i = 0u; i < 4u; i++) {
                sums[2u * i] += upper[i] * left;
                sums[2u * i + 1u] += upper[i] * right;
                sums[2u * i + 8u] += lower[i] * left;
                sums[2u * i + 9u] += lower[i] * right;
            }
        }
        workgroupBarrier();
    }
    for (var j = 0u; j < 8u; j++) {
        let column = column0 + j / 4u * 32u + tx * 4u + j % 4u;
        let image = column / positions;
        let to = image * g.c_out * positions + group.z * filters * g.y_filter
            + column % positions * g.y_position;
        for (var i = 0u; i < 8u; i++) {
            let row = row0 + i / 4u * 32u + ty * 4u + i % 4u;
            if (row < filters && column < columns) {
                y[to + row * g.y_filter] = sums[2u * i + j / 4u][j % 4u];
            }
        }
    }
}

// Filters over a single channel: one invocation sums one output value.
@compute @workgroup_size(256)
fn convolution_depthwise(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let index = (group.y * groups.x + group.x) * 256u + local;
    let positions = g.out_h * g.out_w;
    if (index >= g.batch * g.c_out * positions) { return; }
    // In the order of y, whatever that is.
    let filter_index = index / g.y_filter % g.c_out;
    let position = index / g.y_position % positions;
    let place = place_of(index / (g.c_out * positions) * positions + position);
    let channel = filter_index / (g.c_out / g.groups);
    let first = filter_index * g.kernel_h * g.kernel_w;
    var sum = 0.0;
    for (var ky = 0u; ky < g.kernel_h; ky++) {
        for (var kx = 0u; kx < g.kernel_w; kx++) {
            sum += w_at(first + ky * g.kernel_w + kx) * under_tap(place, channel, ky, kx);
        }
    }
    y[index] = sum;
}
