//! oneDNN as a session: layouts, modes, stale results, types. Families hold it to their own checks
//! in tests/conformance; without the library there is nothing to test here, which
//! `every_library_is_found_and_right_or_named_as_missing` tells.

use breakeven_kernels::recording::{
    BufferId, Command, ConvShape, GemmType, LibraryCall, Recording, Role, shared,
};
use breakeven_kernels::work::{LibraryName, Program};

use crate::backend::cpu::CpuBackend;
use crate::backend::cpu::blas::Libraries;
use crate::backend::{Backend, BackendError, Mode, Session};

/// Values that look random, the same in each run, in [-1, 1].
fn values(length: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..length).map(|_| next()).collect()
}

fn here() -> bool {
    Libraries::get().onednn().is_some()
}

fn shape(batch: u32, channels: [u32; 2], size: [u32; 2], kernel: [u32; 2]) -> ConvShape {
    ConvShape {
        batch,
        c_in: channels[0],
        height: size[0],
        width: size[1],
        c_out: channels[1],
        kernel_h: kernel[0],
        kernel_w: kernel[1],
        stride: 1,
        padding: 0,
        dilation: 1,
        groups: 1,
        layout: breakeven_kernels::recording::Layout::Nchw,
        dtype: GemmType::F32,
    }
}

/// Stride, padding, dilation, groups, depthwise, 1×1, 7×7, one channel; channels that are and are not
/// multiples of a vector, the former large enough for Winograd.
fn geometries() -> Vec<ConvShape> {
    vec![
        ConvShape { padding: 1, ..shape(1, [32, 32], [28, 28], [3, 3]) },
        ConvShape { padding: 1, ..shape(2, [64, 48], [14, 15], [3, 3]) },
        ConvShape { padding: 3, stride: 2, ..shape(2, [3, 33], [21, 24], [7, 7]) },
        ConvShape { padding: 2, dilation: 2, ..shape(1, [16, 16], [13, 11], [3, 3]) },
        ConvShape { padding: 1, stride: 2, groups: 4, ..shape(2, [32, 64], [9, 12], [3, 3]) },
        ConvShape { padding: 1, groups: 32, ..shape(2, [32, 32], [14, 14], [3, 3]) },
        ConvShape { padding: 2, groups: 18, ..shape(1, [18, 36], [9, 11], [5, 5]) },
        ConvShape { stride: 2, ..shape(3, [64, 65], [7, 8], [1, 1]) },
        ConvShape { padding: 4, stride: 3, ..shape(1, [5, 6], [13, 16], [1, 7]) },
        shape(1, [1, 1], [1, 1], [1, 1]),
    ]
}

/// The convolution of x with w, in f64 and by the definition.
fn convolved(s: &ConvShape, x: &[f32], w: &[f32]) -> Vec<f64> {
    let (depth, filters) = (s.c_in / s.groups, s.c_out / s.groups);
    let mut y = Vec::new();
    for image in 0..s.batch {
        for out in 0..s.c_out {
            for (row, column) in (0..s.out_h()).flat_map(|r| (0..s.out_w()).map(move |c| (r, c))) {
                let mut sum = 0.0;
                for channel in 0..depth {
                    let of_group = out / filters * depth + channel;
                    for (down, right) in
                        (0..s.kernel_h).flat_map(|d| (0..s.kernel_w).map(move |r| (d, r)))
                    {
                        let (i, j) = (
                            row * s.stride + down * s.dilation,
                            column * s.stride + right * s.dilation,
                        );
                        if i < s.padding || j < s.padding {
                            continue;
                        }
                        let (i, j) = (i - s.padding, j - s.padding);
                        if i < s.height && j < s.width {
                            let at = ((image * s.c_in + of_group) * s.height + i) * s.width + j;
                            let tap =
                                ((out * depth + channel) * s.kernel_h + down) * s.kernel_w + right;
                            sum += f64::from(x[at as usize]) * f64::from(w[tap as usize]);
                        }
                    }
                }
                y.push(sum);
            }
        }
    }
    y
}

/// A recording of one convolution, and what it should give.
fn layer(s: &ConvShape) -> (Recording, Vec<f64>) {
    let x = values((s.batch * s.c_in * s.height * s.width) as usize, 1);
    let w = values((s.c_out * (s.c_in / s.groups) * s.kernel_h * s.kernel_w) as usize, 2);
    let expected = convolved(s, &x, &w);
    let mut recording = Recording { library: Some(LibraryName::OneDnn), ..Recording::default() };
    let x = recording.upload("x", Role::Input, shared(x));
    let w = recording.upload("w", Role::Constant, shared(w));
    let y = recording.buffer("y", Role::Output, 4 * expected.len() as u64);
    recording.commands.push(Command::Library(LibraryCall::Conv2d { shape: *s, x, w, y }));
    (recording, expected)
}

fn assert_close(session: &mut dyn Session, expected: &[f64], tolerance: f64, what: &str) {
    let outputs: Vec<f32> = bytemuck::pod_collect_to_vec(&session.outputs().unwrap()[0]);
    assert_eq!(outputs.len(), expected.len(), "{what}");
    for (index, (out, right)) in outputs.iter().zip(expected).enumerate() {
        let error = (f64::from(*out) - right).abs();
        // Not the other way round: a NaN must fail.
        assert!(error <= tolerance, "{what}: value {index} is {out}, expected {right}");
    }
}

#[test]
fn convolutions_are_right_in_every_mode() {
    if !here() {
        return;
    }
    let mut device = CpuBackend.open("cpu").unwrap();
    for s in geometries() {
        let (recording, expected) = layer(&s);
        let mut session = device.load(Program::Recording(recording)).unwrap();
        assert_eq!(session.modes()[0], Mode::EndToEnd);
        let chosen = session.chosen().unwrap();
        for mode in [Mode::KernelWarm, Mode::EndToEnd, Mode::KernelCold, Mode::KernelWarm] {
            session.reset().unwrap();
            let timing = session.run(mode, 2).unwrap();
            assert!(timing.total_s > 0.0);
            assert_close(&mut *session, &expected, 2e-4, &format!("{s:?} {mode:?} {chosen}"));
            // Once more: what is in place already must not be brought there again.
            assert_close(&mut *session, &expected, 2e-4, &format!("{s:?} again"));
        }
        let costs = session.one_off();
        assert!(costs.plan_s.is_some_and(|s| s > 0.0) && costs.constants_s.is_some());
    }
}

#[test]
fn bf16_convolutions_are_right_or_refused_with_a_reason() {
    if !here() {
        return;
    }
    let mut device = CpuBackend.open("cpu").unwrap();
    for s in geometries() {
        let s = ConvShape { dtype: GemmType::Bf16, ..s };
        let x = cut((s.batch * s.c_in * s.height * s.width) as usize, 1);
        let w = cut((s.c_out * (s.c_in / s.groups) * s.kernel_h * s.kernel_w) as usize, 2);
        let expected = convolved(&s, &x, &w);
        let (mut recording, _) = layer(&s);
        for (buffer, values) in recording.buffers.iter_mut().zip([&x, &w]) {
            buffer.data = shared(upper_halves(values));
            buffer.bytes = 2 * values.len() as u64;
        }
        recording.buffers[2].bytes = 2 * expected.len() as u64;
        match device.load(Program::Recording(recording)) {
            Ok(mut session) => {
                for mode in [Mode::KernelWarm, Mode::EndToEnd] {
                    session.reset().unwrap();
                    session.run(mode, 2).unwrap();
                    let y: Vec<u16> = bytemuck::pod_collect_to_vec(&session.outputs().unwrap()[0]);
                    for (y, right) in y.iter().zip(&expected) {
                        let y = f64::from(f32::from_bits(u32::from(*y) << 16));
                        assert!((y - right).abs() <= 1e-3 + right.abs() / 256.0, "{s:?}: {y}");
                    }
                }
            }
            Err(BackendError::Unsupported { message, .. }) => {
                assert!(message.contains("oneDNN") && message.contains("processor"), "{message}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// Values that bf16 has.
fn cut(length: usize, seed: u32) -> Vec<f32> {
    let cut = |v: &f32| f32::from_bits(v.to_bits() & 0xffff_0000);
    values(length, seed).iter().map(cut).collect()
}

fn upper_halves(values: &[f32]) -> Vec<u16> {
    values.iter().map(|v| (v.to_bits() >> 16) as u16).collect()
}

#[test]
fn after_a_reset_no_result_is_left() {
    if !here() {
        return;
    }
    let mut device = CpuBackend.open("cpu").unwrap();
    let (recording, _) = layer(&geometries()[0]);
    let mut session = device.load(Program::Recording(recording)).unwrap();
    for mode in [Mode::KernelWarm, Mode::EndToEnd] {
        session.run(mode, 1).unwrap();
        session.reset().unwrap();
        let outputs = session.outputs().unwrap();
        assert!(outputs[0].iter().all(|byte| *byte == 0xff), "{mode:?}");
    }
}

#[test]
fn batches_of_bf16_products_are_right_or_refused_with_a_reason() {
    if !here() {
        return;
    }
    let mut device = CpuBackend.open("cpu").unwrap();
    for [m, n, k, batch] in [[5, 33, 17, 3], [64, 48, 32, 1], [1, 7, 40, 2], [3, 1, 1, 2]] {
        let bf16 = |length: usize, seed| upper_halves(&values(length, seed));
        let wide = |bits: u16| f64::from(f32::from_bits(u32::from(bits) << 16));
        let (a, b) = (bf16(batch * m * k, 3), bf16(batch * k * n, 4));
        let mut expected = Vec::new();
        for (i, row, column) in
            (0..batch).flat_map(|i| (0..m).flat_map(move |r| (0..n).map(move |c| (i, r, c))))
        {
            let product =
                |d: usize| wide(a[(i * m + row) * k + d]) * wide(b[(i * k + d) * n + column]);
            expected.push((0..k).map(product).sum());
        }
        let recording = product([m, n, k, batch], GemmType::Bf16, shared(a), shared(b));
        match device.load(Program::Recording(recording)) {
            Ok(mut session) => {
                assert!(session.chosen().is_some_and(|name| !name.is_empty()));
                session.reset().unwrap();
                session.run(Mode::KernelWarm, 2).unwrap();
                assert_close(&mut *session, &expected, 1e-4, "bf16");
            }
            Err(BackendError::Unsupported { message, .. }) => {
                assert!(message.contains("oneDNN") && message.contains("processor"), "{message}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

fn product(
    [m, n, k, batch]: [usize; 4],
    dtype: GemmType,
    a: bytes::Bytes,
    b: bytes::Bytes,
) -> Recording {
    let mut recording = Recording { library: Some(LibraryName::OneDnn), ..Recording::default() };
    let a = recording.upload("a", Role::Input, a);
    let b = recording.upload("b", Role::Constant, b);
    let c = recording.buffer("c", Role::Output, 4 * (batch * m * n) as u64);
    let [m, n, k, batch] = [m, n, k, batch].map(|size| size as u32);
    let call = LibraryCall::Gemm { m, n, k, batch, dtype, a, b, c };
    recording.commands.push(Command::Library(call));
    recording
}

#[test]
fn operands_shorter_than_their_tensors_are_refused() {
    if !here() {
        return;
    }
    let mut device = CpuBackend.open("cpu").unwrap();
    let (mut recording, _) = layer(&geometries()[0]);
    recording.buffers[0].bytes -= 4;
    let refused = device.load(Program::Recording(recording)).err().unwrap();
    assert!(matches!(&refused, BackendError::Run(m) if m.contains("invalid")), "{refused}");
    let short = product([4, 4, 4, 1], GemmType::Bf16, vec![0; 30].into(), vec![0; 32].into());
    if let Ok(mut session) = device.load(Program::Recording(short)) {
        assert!(session.run(Mode::KernelWarm, 1).is_err());
    }
}

#[test]
fn other_libraries_convolve_nothing() {
    let mut device = CpuBackend.open("cpu").unwrap();
    let (mut recording, _) = layer(&geometries()[0]);
    recording.library = Some(LibraryName::OpenBlas);
    let refused = device.load(Program::Recording(recording)).err().unwrap();
    assert!(
        matches!(&refused, BackendError::Unsupported { message, .. }
        if message.contains("OpenBLAS") && message.contains("convolution")),
        "{refused}"
    );
    let (mut twice, _) = layer(&geometries()[0]);
    twice.commands.push(Command::Library(LibraryCall::Conv2d {
        shape: geometries()[0],
        x: BufferId(0),
        w: BufferId(1),
        y: BufferId(2),
    }));
    assert!(device.load(Program::Recording(twice)).is_err());
}
