// Huffman decoding: a thread per restart interval, or, where intervals are long, a thread per
// sub-sequence of so many bytes: decode.cu says how, and why it ends and stays in bounds whatever
// the data. Goes on from reader.wgsl. Layouts of buffers and tables: gpu.rs, device_tables.rs.

struct Scalars {
    first_interval: u32,
    count: u32,
    first_frame: u32,
    frame_blocks: u32,
    per_mcu: u32,
    lanes: u32,
}

struct SynchroniseScalars {
    frames: u32,
    first_group: u32,
}

struct ChainScalars {
    frames: u32,
    first_group: u32,
    first_frame: u32,
}

struct ScatterScalars {
    frames: u32,
    first_group: u32,
    first_frame: u32,
    frame_blocks: u32,
    per_mcu: u32,
}

struct AddScalars {
    first_interval: u32,
    interval_count: u32,
    first_frame: u32,
    frame_blocks: u32,
    per_mcu: u32,
    luma_blocks: u32,
}

// decode: coefficients (two a word, zigzag order, low half first; zero before), scalars
@group(0) @binding(4) var<storage, read_write> coefficients: array<u32>;
@group(0) @binding(5) var<uniform> scalars: Scalars;

// synchronise and chain: cuts, states, scalars
@group(0) @binding(4) var<storage, read> cuts: array<u32>;
@group(0) @binding(5) var<storage, read_write> states: array<u32>;
@group(0) @binding(6) var<uniform> synchronise_scalars: SynchroniseScalars;
@group(0) @binding(6) var<uniform> chain_scalars: ChainScalars;

// scatter: cuts, states, coefficients, scalars
@group(0) @binding(5) var<storage, read> known: array<u32>;
@group(0) @binding(6) var<storage, read_write> scattered: array<atomic<u32>>;
@group(0) @binding(7) var<uniform> scatter_scalars: ScatterScalars;

// add_up: intervals, coefficients, scalars
@group(0) @binding(0) var<storage, read> add_intervals: array<u32>;
@group(0) @binding(1) var<storage, read_write> added: array<u32>;
@group(0) @binding(2) var<uniform> add_scalars: AddScalars;

// Bytes of a sub-sequence, words of an interval's entry, no interval.
const SUB = 128u;
const INTERVAL = 7u;
const NONE = 0xffffffffu;

@compute @workgroup_size(32)
fn decode(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group.x * scalars.lanes + t;
    if (t >= scalars.lanes || i >= scalars.count) {
        return;
    }
    let interval = (scalars.first_interval + i) * INTERVAL;
    end = intervals[interval] + intervals[interval + 1u];
    limit = NONE;
    start_at(intervals[interval], false);
    let frame = intervals[interval + 2u];
    read_codes(frame);
    var out = (frame - scalars.first_frame) * scalars.frame_blocks;
    out = (out + intervals[interval + 3u] * scalars.per_mcu) * 32u;
    at_block(0u);
    k = 0u;
    var last = vec3<i32>();
    var to = 0u;
    var pending = 0u;
    // One loop, so that invocations wait for each other's codes, not for their blocks.
    for (var blocks = intervals[interval + 4u] * scalars.per_mcu; blocks > 0u;) {
        let first = k == 0u;
        var v = next();
        if (first) {
            v += last[c];
            last[c] = v;
        }
        let n = k - 1u;
        if (v != 0 && n < 64u) {
            if ((n >> 1u) != to) {
                coefficients[out + to] = pending;
                to = n >> 1u;
                pending = 0u;
            }
            pending |= (u32(v) & 0xffffu) << (16u * (n & 1u));
        }
        if (k >= 64u) {
            coefficients[out + to] = pending;
            to = 0u;
            pending = 0u;
            out += 32u;
            k = 0u;
            at_block(select(0u, j + 1u, j + 1u < scalars.per_mcu));
            blocks--;
        }
    }
}

// The bits of sub-sequence `number` of the interval at `interval` after the first `skip`.
fn begin(interval: u32, number: u32, skip: u32) {
    let first = intervals[interval] + number * SUB;
    end = intervals[interval] + intervals[interval + 1u];
    limit = min(first + SUB, end);
    // The first byte may be stuffing after the last one of the sub-sequence before.
    var before = 0u;
    if (number > 0u) {
        before = (scan[(first - 1u) >> 2u] >> (8u * ((first - 1u) & 3u))) & 255u;
    }
    start_at(first, before == 255u);
    consume(skip);
    refill();
}

// The state at the end of sub-sequence `number` of an interval from that at its start (bits that
// belong to a code before, block and coefficient that come next), and how many blocks end in it.
fn count(interval: u32, number: u32, state: u32) -> vec2<u32> {
    read_codes(intervals[interval + 2u]);
    begin(interval, number, state & 31u);
    at_block((state >> 8u) & 15u);
    k = (state >> 16u) & 63u;
    let period = intervals[interval + 6u];
    var completed = 0u;
    while (filled > over) {
        next();
        if (k >= 64u) {
            k = 0u;
            at_block(select(0u, j + 1u, j + 1u < period));
            completed++;
        }
    }
    return vec2<u32>(min(over - filled, 31u) | (j << 8u) | (k << 16u), completed);
}

var<workgroup> ends: array<u32, 256>;
var<workgroup> changes: atomic<u32>;
var<workgroup> changed: u32;

// Whether any thread of the workgroup has set `changes`, which is cleared before the next barrier.
fn any_changes(t: u32) -> bool {
    workgroupBarrier();
    if (t == 0u) {
        changed = atomicExchange(&changes, 0u);
    }
    return workgroupUniformLoad(&changed) != 0u;
}

// Brings the sub-sequences of 256 into step: where each starts and ends, if the first one's guess is
// right. A state has four words: start, end, blocks completed in it, blocks of the frame completed
// before it. `cuts` says for each frame where its sub-sequences start, in 256s, then for each
// sub-sequence its interval. Grid: 256 sub-sequences.
@compute @workgroup_size(256)
fn synchronise(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let cut = (synchronise_scalars.first_group + group.x) * 256u + t;
    let i = cuts[synchronise_scalars.frames + 1u + cut];
    let valid = i != NONE;
    let interval = select(0u, i, valid) * INTERVAL;
    let number = select(0u, cut - intervals[interval + 5u], valid);
    var start = 0u;
    var found = vec2<u32>();
    if (t == 0u) {
        found = count(interval, number, start);
        ends[0] = found.x;
    }
    workgroupBarrier();
    // Any guess would do. This one is right where a flat picture repeats the same codes, among which
    // a wrong one would stay wrong.
    if (number > 0u && t > 0u) {
        start = ends[0];
    }
    if (valid && t > 0u) {
        found = count(interval, number, start);
        ends[t] = found.x;
    }
    for (var round = 0u; round < 256u; round++) {
        workgroupBarrier();
        var before = start;
        if (t > 0u && number > 0u) {
            before = ends[t - 1u];
        }
        let redo = valid && before != start;
        if (redo) {
            atomicStore(&changes, 1u);
        }
        if (!any_changes(t)) {
            break;
        }
        if (redo) {
            start = before;
            found = count(interval, number, start);
            ends[t] = found.x;
        }
    }
    let mine = (group.x * 256u + t) * 4u;
    states[mine] = start;
    states[mine + 1u] = found.x;
    states[mine + 2u] = found.y;
}

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

// Goes on from `state` into the 256 sub-sequences from `cut`, whose states stand from `s` on, until
// in step with what is known there. Says whether their last end changed.
fn go_on(cut: u32, s: u32, state: u32) -> bool {
    var begun = state;
    for (var n = 0u; n < 256u; n++) {
        let known_at = s + n * 4u;
        let i = cuts[chain_scalars.frames + 1u + cut + n];
        if (i == NONE) {
            return false;
        }
        let first = intervals[i * INTERVAL + 5u];
        if (cut + n == first || states[known_at] == begun) {
            return false;
        }
        let found = count(i * INTERVAL, cut + n - first, begun);
        let old = states[known_at + 1u];
        states[known_at] = begun;
        states[known_at + 1u] = found.x;
        states[known_at + 2u] = found.y;
        if (n == 255u) {
            return found.x != old;
        }
        begun = found.x;
    }
    return false;
}

// Brings the 256s of a frame into step, a thread each, the first ones in subgroups of their own; then
// adds up the blocks before each sub-sequence. Grid: frames.
@compute @workgroup_size(256)
fn chain(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let start = cuts[chain_scalars.first_frame + group.x];
    let stop = cuts[chain_scalars.first_frame + group.x + 1u];
    let first_group = chain_scalars.first_group;
    for (var first = start; first < stop; first += 256u) {
        let number = first + (t >> 5u) + (t & 31u) * 8u;
        let mine = number > start && number < stop;
        let cut = number * 256u;
        let s = (cut - first_group * 256u) * 4u;
        for (var round = 0u; round < 257u; round++) {
            var state = 0u;
            if (mine) {
                state = states[s - 3u];
            }
            storageBarrier();
            workgroupBarrier();
            if (mine && go_on(cut, s, state)) {
                atomicStore(&changes, 1u);
            }
            storageBarrier();
            if (!any_changes(t)) {
                break;
            }
        }
    }
    var done = 0u;
    for (var first = start; first < stop; first++) {
        let s = ((first - first_group) * 256u + t) * 4u;
        let sum = prefix_sum(t, states[s + 2u]);
        states[s + 3u] = done + sum.x;
        done += sum.y;
        workgroupBarrier();
    }
}

fn flush(at_word: u32, pending: u32, both: bool) {
    if (pending == 0u) {
        return;
    }
    if (both) {
        atomicOr(&scattered[at_word], pending);
    } else {
        atomicStore(&scattered[at_word], pending);
    }
}

// Writes the coefficients of each sub-sequence, DC values as differences, into blocks that are zero
// before; a word that two of them share gets a half from each. Grid: 64 sub-sequences.
@compute @workgroup_size(64)
fn scatter(@builtin(global_invocation_id) id: vec3<u32>) {
    let per_mcu = scatter_scalars.per_mcu;
    let base = scatter_scalars.first_group * 256u;
    let cut = base + id.x;
    let i = cuts[scatter_scalars.frames + 1u + cut];
    if (i == NONE) {
        return;
    }
    let interval = i * INTERVAL;
    let first_cut = intervals[interval + 5u];
    let frame = intervals[interval + 2u];
    var block = known[id.x * 4u + 3u] - known[(first_cut - base) * 4u + 3u];
    let blocks = intervals[interval + 4u] * per_mcu;
    let first = (frame - scatter_scalars.first_frame) * scatter_scalars.frame_blocks;
    var out = (first + intervals[interval + 3u] * per_mcu + block) * 32u;
    let state = known[id.x * 4u];
    read_codes(frame);
    begin(interval, cut - first_cut, state & 31u);
    at_block(block % per_mcu);
    k = (state >> 16u) & 63u;
    var to = k >> 1u;
    var pending = 0u;
    // Only the first word and the last may be shared with others.
    var both = true;
    while (filled > over && block < blocks) {
        let v = next();
        let n = k - 1u;
        let ends = k >= 64u;
        if (v != 0 && n < 64u) {
            if ((n >> 1u) != to) {
                flush(out + to, pending, both);
                to = n >> 1u;
                pending = 0u;
                both = false;
            }
            pending |= (u32(v) & 0xffffu) << (16u * (n & 1u));
        }
        if (ends) {
            flush(out + to, pending, both);
            to = 0u;
            pending = 0u;
            both = false;
            k = 0u;
            block++;
            out += 32u;
            at_block(select(0u, j + 1u, j + 1u < per_mcu));
        }
    }
    flush(out + to, pending, true);
}

// Adds up the differences of one component's DC values in an interval, 16 blocks a thread. Grid:
// components, then intervals in two dimensions.
@compute @workgroup_size(256)
fn add_up(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let number = group.z * groups.y + group.y;
    if (number >= add_scalars.interval_count) {
        return;
    }
    let interval = (add_scalars.first_interval + number) * INTERVAL;
    let per_mcu = add_scalars.per_mcu;
    var each = add_scalars.luma_blocks;
    var j = 0u;
    if (group.x > 0u) {
        each = (per_mcu - add_scalars.luma_blocks) / 2u;
        j = add_scalars.luma_blocks + (group.x - 1u) * each;
    }
    let frame = add_intervals[interval + 2u] - add_scalars.first_frame;
    let blocks = frame * add_scalars.frame_blocks + add_intervals[interval + 3u] * per_mcu + j;
    let count = add_intervals[interval + 4u] * each;
    var done = 0u;
    for (var first = 0u; first < count; first += 4096u) {
        let mine = first + t * 16u;
        var words = array<u32, 16>();
        var sum = 0u;
        for (var i = 0u; i < 16u; i++) {
            let n = mine + i;
            if (n < count) {
                words[i] = added[(blocks + n / each * per_mcu + n % each) * 32u];
            }
            sum += words[i];
        }
        let before = prefix_sum(t, sum);
        sum = done + before.x;
        for (var i = 0u; i < 16u; i++) {
            let n = mine + i;
            sum += words[i];
            if (n < count) {
                let word = (words[i] & 0xffff0000u) | (sum & 0xffffu);
                added[(blocks + n / each * per_mcu + n % each) * 32u] = word;
            }
        }
        done += before.y;
        workgroupBarrier();
    }
}
