// Huffman encoding: a workgroup per row of MCUs. Layouts of buffers and tables: gpu.rs, device_tables.rs.

struct EntropyScalars {
    row_blocks: u32,
    per_mcu: u32,
    raw_words: u32,
}

struct PlaceScalars {
    count: u32,
    first_row: u32,
}

struct EmitScalars {
    raw_words: u32,
    capacity: u32,
}

// entropy: spectrum, encoder, plan, raw, rows, scalars
@group(0) @binding(0) var<storage, read> spectrum: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> encoder: array<u32>;
@group(0) @binding(2) var<storage, read> plan: array<u32>;
@group(0) @binding(3) var<storage, read_write> raw: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> rows: array<u32>;
@group(0) @binding(5) var<uniform> entropy_scalars: EntropyScalars;

// place: rows, lengths, scalars
@group(0) @binding(0) var<storage, read_write> placed: array<u32>;
@group(0) @binding(1) var<storage, read_write> lengths: array<u32>;
@group(0) @binding(2) var<uniform> place_scalars: PlaceScalars;

// emit: raw, rows, bytes, scalars
@group(0) @binding(0) var<storage, read> packed: array<u32>;
@group(0) @binding(1) var<storage, read> starts: array<u32>;
@group(0) @binding(2) var<storage, read_write> bytes: array<u32>;
@group(0) @binding(3) var<uniform> emit_scalars: EmitScalars;

var<workgroup> sums: array<u32, 512>;

// Sum of `mine` over the threads before this one (x) and over all 256 (y). The next barrier
// frees the sums for reuse.
fn prefix_sum(t: u32, mine: u32) -> vec2<u32> {
    sums[t] = mine;
    workgroupBarrier();
    // From one half to the other and back, so that a step needs one barrier.
    var half = 0u;
    for (var step = 1u; step < 256u; step *= 2u) {
        var sum = sums[half + t];
        if (t >= step) {
            sum += sums[half + t - step];
        }
        half = 256u - half;
        sums[half + t] = sum;
        workgroupBarrier();
    }
    return vec2<u32>(sums[t] - mine, sums[255]);
}

// Whether a pass over a block writes; next word, bits pending for it, left-aligned, and how many.
var<private> writing: bool;
var<private> word_at: u32;
var<private> pending: u32;
var<private> filled: u32;

fn put(bits: u32, length: u32) {
    let space = 32u - filled;
    if (length < space) {
        pending |= bits << (space - length);
        filled += length;
        return;
    }
    let over = length - space;
    atomicOr(&raw[word_at], pending | (bits >> over));
    word_at++;
    pending = 0u;
    if (over > 0u) {
        pending = bits << (32u - over);
    }
    filled = over;
}

// Length in bits of a symbol's code and the `size` bits of `v`, written where that is asked.
fn coded(code: u32, v: i32, size: u32) -> u32 {
    let length = (code >> 16u) + size;
    if (writing) {
        let low = u32(v + (v >> 31u)) & ((1u << size) - 1u);
        put(((code & 0xffffu) << size) | low, length);
    }
    return length;
}

fn coefficient(block: u32, k: u32) -> i32 {
    let word = spectrum[block * 8u + (k >> 3u)][(k >> 1u) & 3u];
    return i32(word << (16u - 16u * (k & 1u))) >> 16u;
}

fn size_of(v: i32) -> u32 {
    return 32u - countLeadingZeros(u32(abs(v)));
}

// A bit for each of eight coefficients, set where it is not zero.
fn nonzero(at: u32) -> u32 {
    let words = spectrum[at];
    let low = select(vec4<u32>(), vec4<u32>(1u, 4u, 16u, 64u), (words & vec4<u32>(0xffffu)) != vec4<u32>());
    let high = select(vec4<u32>(), vec4<u32>(2u, 8u, 32u, 128u), (words >> vec4<u32>(16u)) != vec4<u32>());
    let bits = low | high;
    return bits.x | bits.y | bits.z | bits.w;
}

// The same for a whole block: first half, second half.
fn nonzeros(block: u32) -> vec2<u32> {
    let at = block * 8u;
    let first = nonzero(at) | (nonzero(at + 1u) << 8u) | (nonzero(at + 2u) << 16u)
        | (nonzero(at + 3u) << 24u);
    let second = nonzero(at + 4u) | (nonzero(at + 5u) << 8u) | (nonzero(at + 6u) << 16u)
        | (nonzero(at + 7u) << 24u);
    return vec2<u32>(first, second);
}

// Length in bits of a block whose coefficients that are not zero `mask` names.
fn code_block(block: u32, mask: vec2<u32>, last_dc: i32, dc: u32, ac: u32) -> u32 {
    let difference = coefficient(block, 0u) - last_dc;
    let size = size_of(difference);
    var bits = coded(encoder[dc + size], difference, size);
    var low = mask.x & ~1u;
    var high = mask.y;
    var next = 1u;
    while ((low | high) != 0u) {
        var k = 0u;
        if (low != 0u) {
            k = countTrailingZeros(low);
            low &= low - 1u;
        } else {
            k = 32u + countTrailingZeros(high);
            high &= high - 1u;
        }
        var run = k - next;
        next = k + 1u;
        while (run > 15u) {
            bits += coded(encoder[ac + 0xf0u], 0, 0u);
            run -= 16u;
        }
        let v = coefficient(block, k);
        let size = size_of(v);
        bits += coded(encoder[ac + (((run << 4u) | size) & 255u)], v, size);
    }
    if (next < 64u) {
        bits += coded(encoder[ac], 0, 0u);
    }
    return bits;
}

// Bit lengths, their prefix sum, the packed bits, and how long they get when stuffed. Grid: rows,
// frames.
@compute @workgroup_size(256)
fn entropy(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let row = group.y * groups.x + group.x;
    let out = row * entropy_scalars.raw_words;
    let row_blocks = entropy_scalars.row_blocks;
    var done = 0u;
    for (var first = 0u; first < row_blocks; first += 256u) {
        let b = first + t;
        let valid = b < row_blocks;
        let entry = plan[60u + b % entropy_scalars.per_mcu];
        let luma = (entry & 15u) == 0u;
        // So many blocks before is the last one of the same component.
        let back = entry >> 20u;
        let block = row * row_blocks + b;
        let dc = select(208u, 192u, luma);
        let ac = select(480u, 224u, luma);
        var last = 0;
        var bits = 0u;
        var mask = vec2<u32>();
        writing = false;
        if (valid) {
            if (b >= back) {
                last = coefficient(block - back, 0u);
            }
            mask = nonzeros(block);
            bits = code_block(block, mask, last, dc, ac);
        }
        let sum = prefix_sum(t, bits);
        let at = done + sum.x;
        let end = done + sum.y;
        for (var w = (done + 31u) / 32u + t; w < (end + 31u) / 32u; w += 256u) {
            atomicStore(&raw[out + w], 0u);
        }
        storageBarrier();
        workgroupBarrier();
        if (valid) {
            writing = true;
            word_at = out + at / 32u;
            pending = 0u;
            filled = at & 31u;
            code_block(block, mask, last, dc, ac);
            if (filled > 0u) {
                atomicOr(&raw[word_at], pending);
            }
        }
        storageBarrier();
        workgroupBarrier();
        done = end;
    }
    let count = (done + 7u) / 8u;
    let ones = count * 8u - done;
    if (t == 0u && ones > 0u) {
        atomicOr(&raw[out + done / 32u], ((1u << ones) - 1u) << (32u - (done & 31u) - ones));
    }
    storageBarrier();
    workgroupBarrier();
    var stuffed = 0u;
    for (var w = t; w < (count + 3u) / 4u; w += 256u) {
        let word = atomicLoad(&raw[out + w]);
        for (var i = 0u; i < 32u; i += 8u) {
            stuffed += select(0u, 1u, ((word >> i) & 255u) == 255u);
        }
    }
    let sum = prefix_sum(t, stuffed);
    if (t == 0u) {
        rows[row * 3u] = count;
        rows[row * 3u + 1u] = count + sum.y;
    }
}

// Where each row's bytes start in the output, in words; one workgroup. `lengths` holds the bytes
// used so far, then every row's length.
@compute @workgroup_size(256)
fn place(@builtin(local_invocation_index) t: u32) {
    var base = lengths[0] / 4u;
    for (var first = 0u; first < place_scalars.count; first += 256u) {
        let i = first + t;
        var length = 0u;
        if (i < place_scalars.count) {
            length = placed[i * 3u + 1u];
        }
        let sum = prefix_sum(t, (length + 3u) / 4u);
        if (i < place_scalars.count) {
            placed[i * 3u + 2u] = base + sum.x;
            lengths[1u + place_scalars.first_row + i] = length;
        }
        base += sum.y;
        workgroupBarrier();
    }
    if (t == 0u) {
        lengths[0] = base * 4u;
    }
}

// Up to 3 bytes left over and 256 words of 4 bytes, each stuffed.
var<workgroup> stage: array<atomic<u32>, 516>;

// Copies a row's bytes to the output with a zero after every 0xff. Grid: rows, frames.
@compute @workgroup_size(256)
fn emit(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let row = group.y * groups.x + group.x;
    let origin = row * emit_scalars.raw_words;
    let count = starts[row * 3u];
    var out = starts[row * 3u + 2u];
    for (var i = t; i < 516u; i += 256u) {
        atomicStore(&stage[i], 0u);
    }
    workgroupBarrier();
    var carried = 0u;
    for (var first = 0u; first * 4u < count; first += 256u) {
        let w = first + t;
        var n = 0u;
        var word = 0u;
        if (w * 4u < count) {
            n = min(4u, count - w * 4u);
            word = packed[origin + w];
        }
        var mine = n;
        for (var i = 0u; i < n; i++) {
            mine += select(0u, 1u, ((word >> (24u - 8u * i)) & 255u) == 255u);
        }
        let sum = prefix_sum(t, mine);
        var p = carried + sum.x;
        for (var i = 0u; i < n; i++) {
            let byte = (word >> (24u - 8u * i)) & 255u;
            atomicOr(&stage[p >> 2u], byte << (8u * (p & 3u)));
            p += select(1u, 2u, byte == 255u);
        }
        workgroupBarrier();
        let all = carried + sum.y;
        let last = (first + 256u) * 4u >= count;
        let whole = select(all / 4u, (all + 3u) / 4u, last);
        for (var i = t; i < whole; i += 256u) {
            if ((out + i) * 4u + 4u <= emit_scalars.capacity) {
                bytes[out + i] = atomicLoad(&stage[i]);
            }
        }
        let rest = atomicLoad(&stage[all / 4u]);
        workgroupBarrier();
        for (var i = t; i < 516u; i += 256u) {
            atomicStore(&stage[i], select(0u, rest, i == 0u && (all & 3u) > 0u));
        }
        workgroupBarrier();
        out += whole;
        carried = all & 3u;
    }
}
