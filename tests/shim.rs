//! The host shim itself: it runs CUDA C rightly, and it catches what a GPU would let pass.

use std::sync::Arc;

use breakeven_kernels::recording::{
    Arg, Command, CudaModule, GemmType, Kernel, LibraryCall, Module, Recording, Role, Used, shared,
};

#[path = "shim/mod.rs"]
mod shim;

use shim::{Order, ShimError, run_recording};

const ORDERS: [Order; 4] = [Order::Forward, Order::Reverse, Order::Random(1), Order::Random(2)];

static KERNELS: CudaModule =
    CudaModule { name: "shim/selftest", source: include_str!("shim/selftest.cu"), ptx: &[] };

fn kernel(entry: &'static str, threads: u32) -> Kernel {
    Kernel {
        module: Module::Cuda(&KERNELS),
        entry,
        block: [threads, 1, 1],
        shared_bytes: 256,
        overrides: Vec::new(),
    }
}

/// One dispatch of `entry` with an input of `input` and an output of `outputs` words.
fn words(entry: &'static str, grid: u32, threads: u32, input: &[u32], outputs: u64) -> Recording {
    let mut r = Recording::default();
    let a = r.upload("a", Role::Input, shared(input.to_vec()));
    let o = r.buffer("o", Role::Output, outputs * 4);
    r.commands.push(Command::Dispatch {
        kernel: kernel(entry, threads),
        grid: [grid, 1, 1],
        args: vec![Arg::Read(a), Arg::Write(o), Arg::U32(input.len() as u32)],
    });
    r
}

fn run_words(recording: &Recording, order: Order) -> Result<Vec<u32>, ShimError> {
    run_recording(recording, order).map(|o| bytemuck::pod_collect_to_vec(&o[0]))
}

#[test]
fn a_block_sum_with_barriers_is_right_in_every_order() {
    let input: Vec<u32> = (0..1000).collect();
    for order in ORDERS {
        let sums = run_words(&words("block_sum", 4, 256, &input, 4), order).unwrap();
        // 0+…+255, 256+…+511, 512+…+767, 768+…+999
        assert_eq!(sums, [32640, 98176, 163_712, 204_972], "{order:?}");
    }
}

#[test]
fn warp_operations_exchange_between_lanes() {
    let input: Vec<u32> = (0..64).collect();
    for order in ORDERS {
        let o = run_words(&words("warps", 1, 64, &input, 64 * 4), order).unwrap();
        for i in 0..64u32 {
            let (lane, warp) = (i % 32, i / 32 * 32);
            let [down, xor, ballot, half] = o[i as usize * 4..][..4] else { panic!() };
            assert_eq!(down, if lane < 29 { i + 3 } else { i }, "{order:?} {i}");
            assert_eq!(xor, warp + (lane ^ 5), "{order:?} {i}");
            assert_eq!(ballot, 0x2492_4924, "{order:?} {i}");
            // Each half warp sums itself under its own mask.
            let first = warp + lane / 16 * 16;
            assert_eq!(half, (first..first + 16).sum::<u32>(), "{order:?} {i}");
        }
    }
}

#[test]
fn tensor_core_wrapper_multiplies_what_load_matrix_lays_out() {
    // a[i][k] = i + k, b[k][j] = k − j, small integers: exact in bf16 and f32.
    let bf16 = |x: i32| u32::from(half::bf16::from_f32(x as f32).to_bits());
    let mut values: Vec<u32> = (0..256).map(|x| bf16(x / 16 + x % 16)).collect();
    values.extend((0..256).map(|x| bf16(x / 16 - x % 16)));
    let packed: Vec<u32> = values.chunks(2).map(|p| p[0] | p[1] << 16).collect();
    for order in ORDERS {
        let out = run_words(&words("tensor", 1, 32, &packed, 128), order).unwrap();
        for (x, bits) in out.iter().enumerate() {
            let (i, j) = ((x / 8) as i32, (x % 8) as i32);
            let expected: i32 = (0..16).map(|k| (i + k) * (k - j)).sum();
            assert_eq!(f32::from_bits(*bits), expected as f32, "{order:?} ({i}, {j})");
        }
    }
}

#[test]
fn tf32_wrapper_multiplies_what_tf32_keeps_of_its_operands() {
    // a[i][k] = 1 + i + k and a quarter of TF32's last place more, b[k][j] = k − j.
    let float = |x: i32| (x as f32).to_bits();
    let mut values: Vec<u32> = (0..128).map(|x| float(1 + x / 8 + x % 8) + 0x7ff).collect();
    values.extend((0..64).map(|x| float(x / 8 - x % 8)));
    for order in ORDERS {
        let out = run_words(&words("tensor_tf32", 1, 32, &values, 128), order).unwrap();
        for (x, bits) in out.iter().enumerate() {
            let (i, j) = ((x / 8) as i32, (x % 8) as i32);
            let expected: i32 = (0..8).map(|k| (1 + i + k) * (k - j)).sum();
            assert_eq!(f32::from_bits(*bits), expected as f32, "{order:?} ({i}, {j})");
        }
    }
}

#[test]
fn a_missing_barrier_shows_as_poison_or_as_a_difference_between_orders() {
    let input: Vec<u32> = (0..64).collect();
    let run = |order| run_words(&words("no_barrier", 1, 64, &input, 64), order).unwrap();
    assert_ne!(run(Order::Forward), run(Order::Reverse));
    assert!(run(Order::Forward).contains(&0xCBCB_CBCB));
}

#[test]
fn asynchronous_copies_arrive_only_at_their_wait() {
    let input: Vec<u32> = (0..128).collect();
    for order in ORDERS {
        assert_eq!(run_words(&words("copied", 1, 32, &input, 128), order).unwrap(), input);
    }
    let early = run_words(&words("copied_too_early", 1, 32, &input, 128), Order::Forward).unwrap();
    assert!(early.iter().all(|x| *x == 0xCBCB_CBCB), "{early:?}");
}

fn failure(recording: &Recording, order: Order) -> String {
    match run_recording(recording, order) {
        Err(ShimError::Failed(message)) => message,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn accesses_outside_a_buffer_are_named() {
    let input: Vec<u32> = (0..64).collect();
    // 64 words of input, thread 64 of 128 reads past them; the 16-byte granule hides nothing here.
    let past = failure(&words("copy_unchecked", 1, 128, &input, 128), Order::Forward);
    assert!(past.contains("thread (64,0,0)") && past.contains("byte 256 of buffer `a`"), "{past}");
    let before = failure(&words("read_before", 1, 32, &input, 32), Order::Reverse);
    assert!(before.contains("byte -4 of buffer `a`"), "{before}");
    let slack = failure(&words("copy_unchecked", 1, 64, &input, 63), Order::Forward);
    assert!(slack.contains("buffer `o` was overrun"), "{slack}");
}

#[test]
fn undefined_behaviour_is_refused() {
    let input: Vec<u32> = (0..64).collect();
    for (entry, threads, expected) in [
        ("misaligned", 1, "misaligned or null access at shim_selftest"),
        ("shared_index", 64, "index out of bounds at shim_selftest"),
        ("wide_shift", 1, "shift by the operand's width or more"),
        ("some_wait", 64, "33 threads wait at __syncthreads and 31 in warp operations"),
        ("absent_lane", 32, "whose masks name lanes that do not come"),
        ("unnamed_lane", 32, "shuffle reads a lane that does not take part"),
    ] {
        let message = failure(&words(entry, 1, threads, &input, 64), Order::Forward);
        assert!(message.contains(expected), "{entry}: {message}");
    }
    // A failed launch leaves nothing behind that harms the next one.
    assert!(run_words(&words("block_sum", 1, 256, &input, 1), Order::Forward).is_ok());
}

#[test]
fn arguments_and_launch_bounds_are_compared_with_the_declaration() {
    let mut wrong = words("block_sum", 1, 256, &[1, 2], 1);
    if let Command::Dispatch { args, .. } = &mut wrong.commands[0] {
        args[2] = Arg::F32(2.0);
    }
    assert!(failure(&wrong, Order::Forward).contains("declared (rwu), given (rwf)"));
    let wide = failure(&words("block_sum", 1, 512, &[1, 2], 1), Order::Forward);
    assert!(wide.contains("512 threads a block, bounds are 1 to 256"), "{wide}");
}

#[test]
fn an_output_that_overflows_is_grown_until_it_fits() {
    let input: Vec<u32> = (0..200).collect();
    let mut r = Recording::default();
    let a = r.upload("a", Role::Input, shared(input));
    let count = r.buffer("count", Role::Scratch, 4);
    let o = r.buffer("o", Role::Output, 16);
    r.buffers[o.0].used = Some(Used { buffer: count, index: 0 });
    r.commands.push(Command::Clear(count));
    r.commands.push(Command::Dispatch {
        kernel: kernel("keep_even", 256),
        grid: [1, 1, 1],
        args: vec![Arg::Read(a), Arg::Write(o), Arg::Write(count), Arg::Capacity(o), Arg::U32(200)],
    });
    for order in ORDERS {
        let mut kept = run_words(&r, order).unwrap();
        kept.sort_unstable();
        assert_eq!(kept, (0..200).step_by(2).collect::<Vec<u32>>(), "{order:?}");
    }
}

#[test]
fn host_packing_surrounds_the_device_work() {
    let mut r = words("block_sum", 1, 256, &[0; 3], 1);
    r.pack = Some(Arc::new(|| Ok(vec![shared(vec![5u32, 6, 7])])));
    r.unpack = Some(Arc::new(|mut outputs| {
        outputs[0].push(42);
        Ok(outputs)
    }));
    assert_eq!(run_recording(&r, Order::Forward).unwrap(), [vec![18, 0, 0, 0, 42]]);
}

#[test]
fn library_calls_are_device_only() {
    let mut r = words("block_sum", 1, 256, &[1], 1);
    let (a, c) = (r.buffer("b", Role::Scratch, 4), r.buffer("c", Role::Output, 4));
    r.commands.push(Command::Library(LibraryCall::Gemm {
        m: 1,
        n: 1,
        k: 1,
        batch: 1,
        dtype: GemmType::F32,
        a,
        b: a,
        c,
    }));
    assert!(matches!(run_recording(&r, Order::Forward), Err(ShimError::DeviceOnly(_))));
}
