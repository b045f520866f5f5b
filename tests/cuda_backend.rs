//! The CUDA backend on a stand-in for NVIDIA's driver and libraries (tests/fake_nvidia), because
//! most machines have no GPU: every mode, growth, library calls, errors, and nothing leaked.
//!
//! The dynamic loader reads LD_LIBRARY_PATH when a process starts, so the outer test compiles the
//! stand-ins and runs this program again with them in the path.

use std::path::Path;
use std::process::Command as Process;
use std::sync::Arc;

use breakeven::backend::cuda::Cuda;
use breakeven::backend::{Backend, BackendError, Device, Mode, Timer};
use breakeven_kernels::recording::{
    Arg, BufferId, Command, ConvShape, CudaModule, GemmType, Kernel, Layout, LibraryCall, Module,
    Recording, Role, Used, shared,
};
use breakeven_kernels::work::{Language, LibraryName, Program};
use bytes::Bytes;

const MODES: [Mode; 4] = [Mode::EndToEnd, Mode::KernelWarm, Mode::Pipelined, Mode::KernelCold];

static GOOD: CudaModule = CudaModule {
    name: "fake/good",
    source: "",
    ptx: &[(70, "wrong choice"), (80, ".target sm_80 scaled_sum count_up fault"), (90, "wrong")],
};
static BROKEN: CudaModule =
    CudaModule { name: "fake/broken", source: "", ptx: &[(80, "nonsense")] };
static NEWER: CudaModule = CudaModule { name: "fake/newer", source: "", ptx: &[(90, "")] };

#[test]
fn the_backend_does_what_recordings_say_on_a_stand_in_driver() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fake_nvidia");
    std::fs::create_dir_all(&folder).expect("a folder under target");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake_nvidia");
    let compile = |source: &str, library: &str, link: &[&str]| {
        let status = Process::new("g++")
            .args(["-std=c++17", "-O1", "-w", "-fPIC", "-shared", "-o"])
            .arg(folder.join(library))
            .arg(sources.join(source))
            .arg("-L")
            .arg(&folder)
            .args(link)
            .status();
        assert!(status.expect("g++ is installed").success(), "{source} does not compile");
    };
    compile("cuda.cpp", "libcuda.so", &[]);
    compile("libraries.cpp", "libcublasLt.so", &["-lcuda"]);
    compile("libraries.cpp", "libcudnn.so", &["-lcuda"]);
    let run = Process::new(std::env::current_exe().expect("own path"))
        .args(["--exact", "inside", "--ignored", "--nocapture"])
        .env("LD_LIBRARY_PATH", &folder)
        .output()
        .expect("this program starts");
    let text = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{}\n{text}", run.status);
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "needs the stand-in driver in LD_LIBRARY_PATH; the test above runs it"]
fn inside() {
    finds_the_device();
    let mut device = Cuda.open("cuda:0").expect("the stand-in opens");
    runs_kernels_in_every_mode(device.as_mut());
    grows_outputs_in_every_mode(device.as_mut());
    packs_and_unpacks(device.as_mut());
    passes_large_data_in_pieces(device.as_mut());
    times_no_making_of_slots(device.as_mut());
    multiplies(device.as_mut());
    reads_operands_as_tf32_for_that_type_alone(device.as_mut());
    convolves(device.as_mut());
    refuses_bad_programs(device.as_mut());
    // The stand-in aborts if anything is left when its context is released.
    drop(device);
    let mut device = Cuda.open("cuda:0").expect("the stand-in opens again");
    survives_a_lost_device(device.as_mut());
}

fn finds_the_device() {
    let probe = Cuda.probe();
    let info = &probe.devices[0];
    assert_eq!((info.id.as_str(), info.name.as_str()), ("cuda:0", "Fake GPU"));
    assert_eq!(info.compute_capability, Some((8, 6)));
    assert_eq!(info.architecture.as_deref(), Some("Ampere"));
    assert_eq!((info.compute_units, info.cache_bytes), (Some(10), Some(1 << 20)));
    assert_eq!(info.libraries, ["cublaslt 12.4.5", "cudnn 9.1.0"]);
    let (lt, dnn) = (LibraryName::CublasLt, LibraryName::Cudnn);
    assert_eq!(info.languages, [Language::Cuda, Language::Library(lt), Language::Library(dnn)]);
    // Neither sensors nor their absence stop anything.
    assert!(probe.notes.iter().any(|n| n.subject == "nvml"), "{:?}", probe.notes);
    let missing = Cuda.open("cuda:1").err().expect("there is one device").to_string();
    assert!(missing.contains("no device cuda:1: there are cuda:0 to cuda:0"), "{missing}");
}

fn dispatch(module: &'static CudaModule, entry: &'static str, args: Vec<Arg>) -> Command {
    let kernel = Kernel {
        module: Module::Cuda(module),
        entry,
        block: [256, 1, 1],
        shared_bytes: 64 << 10,
        overrides: Vec::new(),
    };
    Command::Dispatch { kernel, grid: [1, 1, 1], args }
}

/// out[i] = 3·i + (100 − i), through a scratch buffer and a copy.
fn scaled_sum(n: u32) -> Recording {
    let mut r = Recording::default();
    let a = r.upload("a", Role::Input, shared((0..n).map(|i| i as f32).collect::<Vec<_>>()));
    let b: Vec<_> = (0..n).map(|i| 100.0 - i as f32).collect();
    let b = r.upload("b", Role::Constant, shared(b));
    let middle = r.buffer("middle", Role::Scratch, u64::from(n) * 4);
    let out = r.buffer("out", Role::Output, u64::from(n) * 4);
    r.commands.push(Command::Clear(out));
    let args = vec![Arg::Read(a), Arg::Read(b), Arg::Write(middle), Arg::U32(n), Arg::F32(3.0)];
    r.commands.push(dispatch(&GOOD, "scaled_sum", args));
    r.commands.push(Command::Copy { from: middle, to: out, bytes: u64::from(n) * 4 });
    r
}

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(bytes)
}

fn runs_kernels_in_every_mode(device: &mut dyn Device) {
    let expected: Vec<f32> = (0..1000).map(|i| 2.0 * i as f32 + 100.0).collect();
    let mut session = device.load(Program::Recording(scaled_sum(1000))).expect("loads");
    assert_eq!((session.modes(), session.launches()), (&MODES[..], 1));
    let one_off = *session.one_off();
    assert!(one_off.context_s.is_some() && one_off.compile_s.is_some(), "{one_off:?}");
    assert!(one_off.constants_s.is_some() && one_off.plan_s.is_none(), "{one_off:?}");
    for mode in MODES {
        for iterations in [1, 2, 70] {
            session.reset().expect("resets");
            let timing = session.run(mode, iterations).expect("runs");
            assert_eq!(f32s(&session.outputs().expect("outputs")[0]), expected, "{mode:?}");
            assert!(timing.total_s > 0.0 && timing.total_s <= timing.wall_s, "{timing:?}");
            let kernel_mode = matches!(mode, Mode::KernelCold | Mode::KernelWarm);
            assert_eq!(timing.timer == Timer::CudaEvent, kernel_mode, "{mode:?}");
            assert_eq!(timing.depth, if mode == Mode::Pipelined { 3 } else { 1 });
            let parts = [timing.upload_s, timing.kernel_s, timing.download_s];
            assert_eq!(parts.iter().all(Option::is_some), mode == Mode::EndToEnd, "{timing:?}");
        }
        // Poison must not pass for a result.
        session.reset().expect("resets");
        assert_ne!(f32s(&session.outputs().expect("outputs")[0]), expected);
    }
    drop(session);
    // The second load compiles nothing and has the context already.
    let session = device.load(Program::Recording(scaled_sum(10))).expect("loads");
    let one_off = session.one_off();
    assert_eq!((one_off.context_s, one_off.compile_s), (None, None));
}

/// Writes `count` numbers to an output that starts with `room` bytes.
fn counting(count: u32, room: u64) -> Recording {
    let mut r = Recording::default();
    let length = r.buffer("length", Role::Scratch, 8);
    let out = r.buffer("numbers", Role::Output, room);
    r.buffers[out.0].used = Some(Used { buffer: length, index: 1 });
    r.commands.push(Command::Clear(length));
    let args = vec![Arg::Write(length), Arg::Write(out), Arg::U32(count), Arg::Capacity(out)];
    r.commands.push(dispatch(&GOOD, "count_up", args));
    r
}

fn grows_outputs_in_every_mode(device: &mut dyn Device) {
    for mode in MODES {
        let mut session = device.load(Program::Recording(counting(100, 10))).expect("loads");
        session.reset().expect("resets");
        session.run(mode, 5).expect("runs");
        let numbers: Vec<u32> =
            bytemuck::pod_collect_to_vec(&session.outputs().expect("outputs")[0]);
        assert_eq!(numbers, (0..100).collect::<Vec<u32>>(), "{mode:?}");
    }
}

fn packs_and_unpacks(device: &mut dyn Device) {
    let mut r = scaled_sum(4);
    r.pack = Some(Arc::new(|| Ok(vec![shared(vec![10f32, 20.0, 30.0, 40.0])])));
    r.unpack = Some(Arc::new(|mut outputs| {
        outputs.push(vec![7]);
        Ok(outputs)
    }));
    let mut session = device.load(Program::Recording(r)).expect("loads");
    for mode in MODES {
        session.reset().expect("resets");
        session.run(mode, 4).expect("runs");
        let outputs = session.outputs().expect("outputs");
        // 3·10 + 100, 3·20 + 99, …
        assert_eq!(f32s(&outputs[0]), [130.0, 159.0, 188.0, 217.0], "{mode:?}");
        assert_eq!(outputs[1], [7]);
    }
}

/// Several pieces of page-locked memory, the last a short one, and small data beside them.
fn passes_large_data_in_pieces(device: &mut dyn Device) {
    let n = (5 << 18) + 3;
    let expected: Vec<f32> = (0..n).map(|i| i as f32 * 3.0 + (100.0 - i as f32)).collect();
    let mut r = scaled_sum(n);
    let small = r.upload("small", Role::Input, shared(vec![1.0f32; 4]));
    let copied = r.buffer("copied", Role::Output, 16);
    r.commands.push(Command::Copy { from: small, to: copied, bytes: 16 });
    let mut session = device.load(Program::Recording(r)).expect("loads");
    for mode in [Mode::EndToEnd, Mode::Pipelined, Mode::EndToEnd] {
        for iterations in [1, 7] {
            session.reset().expect("resets");
            let timing = session.run(mode, iterations).expect("runs");
            let outputs = session.outputs().expect("outputs");
            assert!(f32s(&outputs[0]) == expected, "{mode:?}");
            assert_eq!(f32s(&outputs[1]), [1.0; 4], "{mode:?}");
            let parts = [timing.upload_s, timing.kernel_s, timing.download_s];
            let sum: f64 = parts.iter().flatten().sum();
            assert!(sum <= 1.001 * timing.total_s, "{timing:?}");
        }
    }
    drop(session);
    let numbers = 700_000;
    let mut r = counting(numbers, 4);
    r.unpack = Some(Arc::new(Ok));
    for mode in MODES {
        let mut session = device.load(Program::Recording(r.clone())).expect("loads");
        session.run(mode, 4).expect("runs");
        let outputs = session.outputs().expect("outputs");
        let found: Vec<u32> = bytemuck::pod_collect_to_vec(&outputs[0]);
        assert!(found == (0..numbers).collect::<Vec<u32>>(), "{mode:?}");
    }
}

/// The stand-in takes 0.1 s to lock memory as large as this: 0.2 s a slot.
fn times_no_making_of_slots(device: &mut dyn Device) {
    const LOCKING_S: f64 = 0.2;
    let recording = scaled_sum(3 << 18);
    for (mode, slots) in [(Mode::EndToEnd, 1.0), (Mode::Pipelined, 3.0)] {
        for ask_first in [true, false] {
            let mut session = device.load(Program::Recording(recording.clone())).expect("loads");
            let loaded_s = session.one_off().allocate_s.expect("known");
            if ask_first {
                session.prepare(mode).expect("there is room");
            }
            let timing = session.run(mode, 1).expect("runs");
            // Host seconds go by the same stretch of time as these.
            assert!(timing.total_s <= timing.wall_s && timing.wall_s < LOCKING_S, "{timing:?}");
            let made_s = session.one_off().allocate_s.expect("known") - loaded_s;
            assert!(made_s >= slots * LOCKING_S, "{mode:?}: {made_s}");
            // It is made once.
            session.run(mode, 4).expect("runs");
            session.prepare(mode).expect("there is room");
            let once_s = session.one_off().allocate_s.expect("known") - loaded_s;
            assert!(once_s < made_s + LOCKING_S / 2.0, "{mode:?}: {made_s}, {once_s}");
        }
    }
}

fn multiplies(device: &mut dyn Device) {
    let (m, n, k, batch) = (3u32, 4u32, 5u32, 2u32);
    // Small integers: exact in all types.
    let a: Vec<f32> = (0..batch * m * k).map(|i| (i % 7) as f32 - 3.0).collect();
    let b: Vec<f32> = (0..batch * k * n).map(|i| (i % 5) as f32 - 1.0).collect();
    let mut expected = Vec::new();
    for p in 0..batch {
        for i in 0..m {
            for j in 0..n {
                let term =
                    |l: u32| a[((p * m + i) * k + l) as usize] * b[((p * k + l) * n + j) as usize];
                expected.push((0..k).map(term).sum::<f32>());
            }
        }
    }
    for dtype in [GemmType::F32, GemmType::Bf16, GemmType::Tf32] {
        let bytes = |values: &[f32]| match dtype {
            GemmType::F32 | GemmType::Tf32 => shared(values.to_vec()),
            GemmType::Bf16 => {
                shared(values.iter().map(|v| (v.to_bits() >> 16) as u16).collect::<Vec<_>>())
            }
        };
        let mut r = Recording::default();
        let a = r.upload("a", Role::Input, bytes(&a));
        let b = r.upload("b", Role::Constant, bytes(&b));
        let c = r.buffer("c", Role::Output, u64::from(batch * m * n) * 4);
        r.commands.push(Command::Library(LibraryCall::Gemm { m, n, k, batch, dtype, a, b, c }));
        let outputs = run_all(device, r);
        assert_eq!(outputs, expected, "{dtype:?}");
    }
}

/// Of 1 + 2⁻¹² TF32 keeps 1.
fn reads_operands_as_tf32_for_that_type_alone(device: &mut dyn Device) {
    let x = 1.0 + 2f32.powi(-12);
    for (dtype, expected) in [(GemmType::F32, x), (GemmType::Tf32, 1.0)] {
        let mut r = Recording::default();
        let a = r.upload("a", Role::Input, shared(vec![x]));
        let b = r.upload("b", Role::Constant, shared(vec![1f32]));
        let c = r.buffer("c", Role::Output, 4);
        let (m, n, k, batch) = (1, 1, 1, 1);
        r.commands.push(Command::Library(LibraryCall::Gemm { m, n, k, batch, dtype, a, b, c }));
        assert_eq!(run_all(device, r), [expected], "{dtype:?}");
    }
}

/// The first output, which all modes must agree on.
fn run_all(device: &mut dyn Device, recording: Recording) -> Vec<f32> {
    let mut session = device.load(Program::Recording(recording)).expect("loads");
    assert!(session.one_off().plan_s.is_some());
    let mut outputs = Vec::new();
    for mode in MODES {
        session.reset().expect("resets");
        session.run(mode, 5).expect("runs");
        outputs.push(f32s(&session.outputs().expect("outputs")[0]));
    }
    assert!(outputs.iter().all(|o| *o == outputs[0]));
    outputs.swap_remove(0)
}

fn convolves(device: &mut dyn Device) {
    let shape = ConvShape {
        batch: 2,
        c_in: 4,
        height: 7,
        width: 6,
        c_out: 6,
        kernel_h: 3,
        kernel_w: 2,
        stride: 2,
        padding: 1,
        dilation: 2,
        groups: 2,
        layout: Layout::Nchw,
        dtype: GemmType::F32,
    };
    // (7 + 2 − 4 − 1)/2 + 1 = 3 rows, (6 + 2 − 2 − 1)/2 + 1 = 3 columns
    let (rows, columns) = (3, 3);
    let x: Vec<f32> = (0..2 * 4 * 7 * 6).map(|i| (i % 9) as f32 - 4.0).collect();
    let w: Vec<f32> = (0..6 * 2 * 3 * 2).map(|i| (i % 4) as f32 - 1.0).collect();
    let mut expected = Vec::new();
    for image in 0..2 {
        for out in 0..6usize {
            for i in 0..rows {
                for j in 0..columns {
                    expected.push(tap_sum(&x, &w, image, out, i, j));
                }
            }
        }
    }
    let values = expected.len() as u64;
    let mut run = |shape: ConvShape, x: Bytes, w: Bytes| {
        let mut r = Recording::default();
        let x = r.upload("x", Role::Input, x);
        let w = r.upload("w", Role::Constant, w);
        let y = r.buffer("y", Role::Output, values * shape.dtype.bytes() as u64);
        r.commands.push(Command::Library(LibraryCall::Conv2d { shape, x, w, y }));
        run_all(device, r)
    };
    assert_eq!(run(shape, shared(x.clone()), shared(w.clone())), expected);
    let (x_last, w_last) = (channels_last(&x, [2, 4, 7, 6]), channels_last(&w, [6, 2, 3, 2]));
    let nhwc = ConvShape { layout: Layout::Nhwc, ..shape };
    let turned = run(nhwc, shared(x_last.clone()), shared(w_last.clone()));
    let expected = channels_last(&expected, [2, 6, 3, 3]);
    assert_eq!(turned, expected);
    // 1 + 2⁻¹² is 1 in TF32: f32 must not be read so, TF32 may.
    let fine = |x: &[f32]| -> Vec<f32> { x.iter().map(|v| v * (1.0 + 1.0 / 4096.0)).collect() };
    let exact = run(nhwc, shared(fine(&x_last)), shared(w_last.clone()));
    assert_eq!(exact, fine(&expected));
    let tf32 = ConvShape { dtype: GemmType::Tf32, ..nhwc };
    assert_eq!(run(tf32, shared(fine(&x_last)), shared(w_last.clone())), expected);
    // All are integers of fewer than 8 digits.
    let narrow = |values: &[f32]| -> Bytes {
        shared(values.iter().map(|v| half::bf16::from_f32(*v)).collect::<Vec<_>>())
    };
    let bf16 = ConvShape { dtype: GemmType::Bf16, ..nhwc };
    let words: Vec<u8> = run(bf16, narrow(&x_last), narrow(&w_last))
        .iter()
        .flat_map(|pair| pair.to_le_bytes())
        .collect();
    assert_eq!(words, narrow(&expected));
}

/// NCHW values as NHWC.
fn channels_last(values: &[f32], [n, c, h, w]: [usize; 4]) -> Vec<f32> {
    let mut turned = Vec::new();
    for image in 0..n {
        for pixel in 0..h * w {
            turned.extend((0..c).map(|channel| values[(image * c + channel) * h * w + pixel]));
        }
    }
    turned
}

/// One output value of the shape in [`convolves`]: 2 input channels a group, stride, dilation 2.
fn tap_sum(x: &[f32], w: &[f32], image: usize, out: usize, i: usize, j: usize) -> f32 {
    let mut sum = 0.0;
    for c in 0..2 {
        for r in 0..3 {
            for s in 0..2 {
                let (p, q) = (i * 2 + r * 2, j * 2 + s * 2);
                if (1..=7).contains(&p) && (1..=6).contains(&q) {
                    let channel = out / 3 * 2 + c;
                    sum += x[((image * 4 + channel) * 7 + p - 1) * 6 + q - 1]
                        * w[((out * 2 + c) * 3 + r) * 2 + s];
                }
            }
        }
    }
    sum
}

fn refusal(device: &mut dyn Device, recording: Recording) -> BackendError {
    device.load(Program::Recording(recording)).err().expect("it is refused")
}

fn refuses_bad_programs(device: &mut dyn Device) {
    let with = |command| Recording { commands: vec![command], ..Recording::default() };
    let broken = refusal(device, with(dispatch(&BROKEN, "anything", vec![]))).to_string();
    assert!(
        broken.contains("fake/broken") && broken.contains("ptxas: this is not PTX"),
        "{broken}"
    );
    let newer = refusal(device, with(dispatch(&NEWER, "anything", vec![]))).to_string();
    assert!(newer.contains("no PTX for compute capability 8.6"), "{newer}");
    let absent = refusal(device, with(dispatch(&GOOD, "absent", vec![]))).to_string();
    assert!(absent.contains("find kernel absent"), "{absent}");
    let outside = refusal(device, with(Command::Clear(BufferId(3)))).to_string();
    assert!(outside.contains("no buffer 3"), "{outside}");
    let mut large = Recording::default();
    large.buffer("large", Role::Scratch, 100 << 20);
    assert!(matches!(
        refusal(device, large),
        BackendError::OutOfMemory { needed_bytes: 104_857_600, available_bytes: 67_108_864, .. }
    ));
}

fn survives_a_lost_device(device: &mut dyn Device) {
    let mut r = Recording::default();
    r.buffer("out", Role::Output, 4);
    r.commands.push(dispatch(&GOOD, "fault", vec![]));
    let mut session = device.load(Program::Recording(r)).expect("loads");
    for mode in MODES {
        let lost = session.run(mode, 3).expect_err("the kernel faults");
        assert!(matches!(lost, BackendError::DeviceLost { .. }), "{mode:?}: {lost}");
    }
    drop(session);
    assert!(matches!(refusal(device, scaled_sum(4)), BackendError::DeviceLost { .. }));
}
