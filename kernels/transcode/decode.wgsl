// Huffman decoding, a thread per restart interval. Layouts of buffers and tables: gpu.rs, device_tables.rs.

struct Scalars {
    first_interval: u32,
    count: u32,
    first_frame: u32,
    frame_blocks: u32,
    per_mcu: u32,
}

@group(0) @binding(0) var<storage, read> scan: array<u32>;
@group(0) @binding(1) var<storage, read> intervals: array<u32>;
@group(0) @binding(2) var<storage, read> tables: array<u32>;
@group(0) @binding(3) var<storage, read> plan: array<u32>;
// Two coefficients a word, zigzag order, low half first; zero before.
@group(0) @binding(4) var<storage, read_write> coefficients: array<u32>;
@group(0) @binding(5) var<uniform> scalars: Scalars;

// Position in the file and its end; bits read but not used, left-aligned, and how many.
var<private> at: u32;
var<private> end: u32;
var<private> bits: u32;
var<private> filled: u32;

fn byte_at(i: u32) -> u32 {
    return (scan[i >> 2u] >> (8u * (i & 3u))) & 255u;
}

// Makes at least 25 bits available, zeros after the end; a zero byte after 0xff is stuffing.
fn refill() {
    while (filled <= 24u) {
        var byte = 0u;
        if (at < end) {
            byte = byte_at(at);
            at++;
            if (byte == 255u && at < end && byte_at(at) == 0u) {
                at++;
            }
        }
        bits |= byte << (24u - filled);
        filled += 8u;
    }
}

fn consume(count: u32) {
    bits <<= count;
    filled -= count;
}

// The next symbol of the code at `table`: 512 short codes, 18 limits, 18 offsets, 256 symbols.
fn symbol(table: u32) -> u32 {
    refill();
    let found = tables[table + (bits >> 23u)];
    if (found != 0u) {
        consume(found >> 8u);
        return found & 255u;
    }
    let code = bits >> 16u;
    var length = 10u;
    while (length < 16u && code >= tables[table + 512u + length]) {
        length++;
    }
    let index = (code >> (16u - length)) + tables[table + 530u + length];
    consume(length);
    return tables[table + 548u + (index & 255u)];
}

// A signed value of `size` bits (at most 15).
fn value(size: u32) -> i32 {
    if (size == 0u) {
        return 0;
    }
    refill();
    let found = i32(bits >> (32u - size));
    consume(size);
    if (found < (1i << (size - 1u))) {
        return found - (1i << size) + 1;
    }
    return found;
}

// One block into the words from `out`; returns its DC value.
fn block(dc: u32, ac: u32, last: i32, out: u32) -> i32 {
    let first = last + value(symbol(dc) & 15u);
    var word = 0u;
    var pending = u32(first) & 0xffffu;
    var k = 1u;
    while (k < 64u) {
        let s = symbol(ac);
        let size = s & 15u;
        if (size == 0u && s != 0xf0u) {
            break;
        }
        k += s >> 4u;
        let v = value(size);
        if (k < 64u) {
            if ((k >> 1u) != word) {
                coefficients[out + word] = pending;
                word = k >> 1u;
                pending = 0u;
            }
            pending |= (u32(v) & 0xffffu) << (16u * (k & 1u));
        }
        k++;
    }
    coefficients[out + word] = pending;
    return first;
}

@compute @workgroup_size(64)
fn decode(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= scalars.count) {
        return;
    }
    let interval = (scalars.first_interval + id.x) * 5u;
    at = intervals[interval];
    end = at + intervals[interval + 1u];
    bits = 0u;
    filled = 0u;
    let frame = intervals[interval + 2u];
    let entry = frame * 9u;
    var out = (frame - scalars.first_frame) * scalars.frame_blocks;
    out = (out + intervals[interval + 3u] * scalars.per_mcu) * 32u;
    var last = vec3<i32>();
    for (var mcu = 0u; mcu < intervals[interval + 4u]; mcu++) {
        for (var j = 0u; j < scalars.per_mcu; j++) {
            let c = plan[48u + j] & 15u;
            last[c] = block(tables[entry + 3u + c], tables[entry + 6u + c], last[c], out);
            out += 32u;
        }
    }
}
