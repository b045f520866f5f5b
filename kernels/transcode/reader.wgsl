// Bits and codes of a scan: the first half of decode.wgsl, and of its module. decode.cu says why no
// reader leaves its bounds. Layouts of buffers and tables: gpu.rs, device_tables.rs.

// All but add_up:
@group(0) @binding(0) var<storage, read> scan: array<u32>;
@group(0) @binding(1) var<storage, read> intervals: array<u32>;
@group(0) @binding(2) var<storage, read> tables: array<u32>;
@group(0) @binding(3) var<storage, read> plan: array<u32>;

// Where the byte that comes next stands, one past the last one, and the word around it, as it stands
// in memory: read long before anything waits for it. Whether a zero byte there is stuffing.
var<private> at: u32;
var<private> end: u32;
var<private> word: u32;
var<private> stuffed: bool;
// Bits read but not used, left-aligned in two words, and how many; how many of those read so far stand
// at or behind the byte `limit`.
var<private> high: u32;
var<private> low: u32;
var<private> filled: u32;
var<private> limit: u32;
var<private> over: u32;

fn read_word() {
    if (at < end) {
        word = scan[at >> 2u];
    }
}

// Appends a word's highest bits to the at most 32 that are there.
fn append(fresh: u32, count: u32) {
    if (filled < 32u) {
        high |= fresh >> filled;
        low = (fresh << 1u) << (31u - filled);
    } else {
        low |= fresh >> (filled - 32u);
    }
    filled += count;
}

// Takes the next byte, unless all of the word are taken; a zero byte after 0xff is stuffing.
fn take_byte(start: bool) {
    if (!start && (at & 3u) == 0u) {
        return;
    }
    let inside = at < end;
    let byte = select(0u, (word >> (8u * (at & 3u))) & 255u, inside);
    if (stuffed && inside && byte == 0u) {
        stuffed = false;
    } else {
        over += select(0u, 8u, at >= limit);
        append(byte << 24u, 8u);
        stuffed = byte == 255u;
    }
    at++;
}

// Most words have no 0xff in them and are taken at once. No loop: software adapters (Mesa's llvmpipe)
// end every loop of a program after 65,535 iterations of all of them together.
fn take_word() {
    let marks = (~word - 0x01010101u) & word & 0x80808080u;
    let whole = at + 4u <= end && (at + 4u <= limit || at >= limit);
    if (marks == 0u && !stuffed && (at & 3u) == 0u && whole) {
        over += select(0u, 32u, at >= limit);
        let w = word;
        append((w << 24u) | ((w & 0xff00u) << 8u) | ((w >> 8u) & 0xff00u) | (w >> 24u), 32u);
        at += 4u;
    } else {
        take_byte(true);
        take_byte(false);
        take_byte(false);
        take_byte(false);
    }
    read_word();
}

// Makes at least 33 bits available, more than a code with its value has, if at least one was: of four
// bytes two are no stuffing.
fn refill() {
    if (filled <= 32u) {
        take_word();
        if (filled <= 32u) {
            take_word();
        }
    }
}

// At most 31 bits.
fn consume(count: u32) {
    high = (high << count) | ((low >> 1u) >> (31u - count));
    low <<= count;
    filled -= count;
}

// Makes bits available from the byte `first` on.
fn start_at(first: u32, after: bool) {
    at = first;
    stuffed = after;
    high = 0u;
    low = 0u;
    filled = 0u;
    over = 0u;
    read_word();
    refill();
    refill();
}

// Block of the MCU, its component and that one's codes; the coefficient that comes next.
var<private> j: u32;
var<private> c: u32;
var<private> dc: u32;
var<private> ac: u32;
var<private> k: u32;
// The components of an MCU's blocks, two bits each; where their codes stand.
var<private> order: u32;
var<private> dc_codes: vec3<u32>;
var<private> ac_codes: vec3<u32>;

fn at_block(number: u32) {
    j = number;
    c = (order >> (2u * j)) & 3u;
    dc = dc_codes[c];
    ac = ac_codes[c];
}

fn read_codes(frame: u32) {
    let entry = frame * 9u;
    dc_codes = vec3<u32>(tables[entry + 3u], tables[entry + 4u], tables[entry + 5u]);
    ac_codes = vec3<u32>(tables[entry + 6u], tables[entry + 7u], tables[entry + 8u]);
    order = 0u;
    for (var n = 0u; n < 12u; n++) {
        order |= (plan[48u + n] & 3u) << (2u * n);
    }
}

// Length (times 256) and symbol of a code of 10 bits or more, of which 16 are given. One past the
// last code of each length stands left-aligned at 512, never less than that of the length before.
fn long_code(table: u32, bits: u32) -> u32 {
    let limits = vec4<u32>(
        tables[table + 522u], tables[table + 523u], tables[table + 524u], tables[table + 525u]
    );
    let more = vec2<u32>(tables[table + 526u], tables[table + 527u]);
    let beyond = vec4<u32>(vec4<u32>(bits) >= limits);
    let behind = vec2<u32>(vec2<u32>(bits) >= more);
    let length = 10u + beyond.x + beyond.y + beyond.z + beyond.w + behind.x + behind.y;
    let index = (bits >> (16u - length)) + tables[table + 530u + length];
    return (length << 8u) | tables[table + 548u + (index & 255u)];
}

// Decodes the next code of a block and its value, which is that of coefficient `k` - 1 afterwards; a
// `k` of 64 or more ends the block. Refills afterwards. Tables: 512 short codes, 18 limits, 18
// offsets, 256 symbols.
fn next() -> i32 {
    let first = k == 0u;
    let table = select(ac, dc, first);
    var found = tables[table + (high >> 23u)];
    if (found == 0u) {
        found = long_code(table, high >> 16u);
    }
    let size = found & 15u;
    let run = (found >> 4u) & 15u;
    let ends = !first && size == 0u && run != 15u;
    k = select(k + select(run + 1u, 1u, first), 64u, ends);
    consume(found >> 8u);
    // A value that begins with 0 stands for a negative one.
    let below = ~u32(i32(high) >> 31u) & ((1u << size) - 1u);
    let value = i32(((high >> 1u) >> (31u - size)) - below);
    consume(size);
    refill();
    return value;
}

