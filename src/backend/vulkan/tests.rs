//! The interpreter on software Vulkan, with expected values computed by hand.

use breakeven_kernels::recording::{
    Arg, Command, Kernel, Module, Recording, Role, Used, WgslModule, shared,
};
use breakeven_kernels::work::{DeviceKind, Program};
use bytes::Bytes;

use super::Vulkan;
use crate::backend::{Backend, BackendError, Device, Mode, Timer};

static ARITHMETIC: WgslModule =
    WgslModule { name: "test/arithmetic", source: include_str!("test.wgsl"), features: &[] };
static FEATURES: WgslModule = WgslModule {
    name: "test/features",
    source: include_str!("test_features.wgsl"),
    features: &["shader-f16", "wgpu-int16", "subgroup"],
};
static BROKEN: WgslModule =
    WgslModule { name: "test/broken", source: "fn nonsense( {", features: &[] };
static GREEDY: WgslModule =
    WgslModule { name: "test/greedy", source: "", features: &["quantum-lanes"] };

const ALL_MODES: [Mode; 4] = [Mode::KernelCold, Mode::KernelWarm, Mode::EndToEnd, Mode::Pipelined];

fn device() -> Box<dyn Device> {
    let probe = Vulkan.probe();
    assert!(
        !probe.devices.is_empty(),
        "no Vulkan adapter, and the tests need one: install the package mesa-vulkan-drivers; \
         the backend says {:?}",
        probe.notes
    );
    Vulkan.open("vulkan:0").expect("a listed adapter opens")
}

fn kernel(module: &'static WgslModule, entry: &'static str) -> Kernel {
    Kernel {
        module: Module::Wgsl(module),
        entry,
        block: [64, 1, 1],
        shared_bytes: 0,
        overrides: Vec::new(),
    }
}

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(bytes)
}

/// out[i] = a[i] · scale + b[i] + bias, with the bias an override and `a` optionally packed.
fn scaled_sum(n: u32) -> Recording {
    let mut r = Recording::default();
    let a: Vec<f32> = (0..n).map(|i| i as f32).collect();
    let b: Vec<f32> = (0..n).map(|i| 1000.0 - i as f32).collect();
    let a = r.upload("a", Role::Input, shared(a));
    let b = r.upload("b", Role::Constant, shared(b));
    let middle = r.buffer("middle", Role::Scratch, u64::from(n) * 4);
    let out = r.buffer("out", Role::Output, u64::from(n) * 4);
    let mut add = kernel(&ARITHMETIC, "scaled_sum");
    add.overrides.push(("bias", 0.5));
    r.commands.push(Command::Clear(out));
    r.commands.push(Command::Dispatch {
        kernel: add,
        grid: [n.div_ceil(64), 1, 1],
        args: vec![Arg::Read(a), Arg::Read(b), Arg::Write(middle), Arg::U32(n), Arg::F32(3.0)],
    });
    r.commands.push(Command::Copy { from: middle, to: out, bytes: u64::from(n) * 4 });
    r
}

/// Writes `count` numbers 0, 1, 2 … to an output that starts with room for `room`.
fn counting(count: u32, room: u32) -> Recording {
    let mut r = Recording::default();
    let length = r.buffer("length", Role::Scratch, 8);
    let out = r.buffer("numbers", Role::Output, u64::from(room) * 4);
    r.buffers[out.0].used = Some(Used { buffer: length, index: 1 });
    r.commands.push(Command::Clear(length));
    r.commands.push(Command::Dispatch {
        kernel: kernel(&ARITHMETIC, "count_up"),
        grid: [count.div_ceil(64), 1, 1],
        args: vec![Arg::Write(length), Arg::Write(out), Arg::U32(count), Arg::Capacity(out)],
    });
    r
}

fn failure(recording: Recording) -> BackendError {
    let mut device = device();
    match device.load(Program::Recording(recording)) {
        Err(e) => e,
        Ok(mut session) => session.run(Mode::EndToEnd, 1).expect_err("must not work"),
    }
}

#[test]
fn every_mode_computes_the_same_and_takes_time() {
    let mut device = device();
    let mut session = device.load(Program::Recording(scaled_sum(1000))).unwrap();
    assert!(session.one_off().context_s.is_some_and(|s| s > 0.0));
    assert!(session.one_off().compile_s.is_some_and(|s| s > 0.0));
    assert_eq!(session.launches(), 1);
    for mode in ALL_MODES {
        session.reset().unwrap();
        let timing = session.run(mode, 4).unwrap();
        assert!(timing.total_s > 0.0, "{mode:?}: {timing:?}");
        assert!(timing.total_s <= timing.wall_s, "{mode:?}: {timing:?}");
        assert_eq!(timing.depth, if mode == Mode::Pipelined { 3 } else { 1 });
        let out = f32s(&session.outputs().unwrap()[0]);
        assert_eq!(out.len(), 1000);
        // 3·i + (1000 − i) + 0.5
        assert_eq!((out[0], out[1], out[999]), (1000.5, 1002.5, 2998.5), "{mode:?}");
    }
}

#[test]
fn large_data_pass_in_pieces_through_memory_that_is_made_once() {
    let n = (5 << 18) + 3;
    let expected: Vec<f32> = (0..n).map(|i| 2.0 * i as f32 + 1000.5).collect();
    let mut device = device();
    let mut session = device.load(Program::Recording(scaled_sum(n))).unwrap();
    for mode in [Mode::EndToEnd, Mode::Pipelined, Mode::EndToEnd] {
        session.prepare(mode).unwrap();
        let made = *session.one_off();
        for iterations in [1, 7] {
            session.reset().unwrap();
            session.run(mode, iterations).unwrap();
            assert!(f32s(&session.outputs().unwrap()[0]) == expected, "{mode:?}");
        }
        session.prepare(mode).unwrap();
        assert_eq!(*session.one_off(), made, "{mode:?}: a run made what was missing");
    }
}

#[test]
fn a_reset_hides_the_last_answer() {
    let mut device = device();
    let mut session = device.load(Program::Recording(scaled_sum(100))).unwrap();
    session.run(Mode::KernelWarm, 1).unwrap();
    session.reset().unwrap();
    assert!(f32s(&session.outputs().unwrap()[0]).iter().all(|v| v.is_nan()));
}

#[test]
fn an_output_that_overflows_grows_and_runs_again_in_every_mode() {
    for mode in ALL_MODES {
        let mut device = device();
        let mut session = device.load(Program::Recording(counting(1000, 100))).unwrap();
        session.reset().unwrap();
        session.run(mode, 2).unwrap();
        let expected: Vec<u32> = (0..1000).collect();
        let out: Vec<u32> = bytemuck::pod_collect_to_vec(&session.outputs().unwrap()[0]);
        assert_eq!(out, expected, "{mode:?}");
    }
}

#[test]
fn only_the_used_part_of_an_output_comes_back() {
    let mut device = device();
    let mut session = device.load(Program::Recording(counting(3, 5000))).unwrap();
    session.run(Mode::EndToEnd, 1).unwrap();
    assert_eq!(session.outputs().unwrap(), [[0u8, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]]);
}

#[test]
fn packing_and_unpacking_happen_around_every_call() {
    let mut recording = scaled_sum(64);
    recording.pack = Some(std::sync::Arc::new(|| Ok(vec![shared(vec![2.0f32; 64])])));
    recording.unpack = Some(std::sync::Arc::new(|raw| Ok(vec![raw[0][..4].to_vec()])));
    let mut device = device();
    let mut session = device.load(Program::Recording(recording)).unwrap();
    for mode in ALL_MODES {
        session.reset().unwrap();
        session.run(mode, 2).unwrap();
        // 3·2 + 1000 + 0.5
        assert_eq!(f32s(&session.outputs().unwrap()[0]), [1006.5], "{mode:?}");
    }
}

#[test]
fn pipelines_compile_once_per_device() {
    let mut device = device();
    device.load(Program::Recording(scaled_sum(64))).unwrap();
    let second = device.load(Program::Recording(scaled_sum(128))).unwrap();
    assert_eq!(second.one_off().compile_s, None);
    assert_eq!(second.one_off().context_s, None);
}

#[test]
fn a_broken_shader_is_an_error_with_the_compilers_words() {
    let mut r = Recording::default();
    let out = r.buffer("out", Role::Output, 4);
    r.commands.push(Command::Dispatch {
        kernel: kernel(&BROKEN, "main"),
        grid: [1, 1, 1],
        args: vec![Arg::Write(out)],
    });
    let message = failure(r).to_string();
    assert!(message.contains("test/broken") && message.contains("expected"), "{message}");
}

#[test]
fn arguments_that_do_not_match_the_shader_are_an_error() {
    let mut r = scaled_sum(64);
    let Command::Dispatch { args, .. } = &mut r.commands[1] else { unreachable!() };
    args.remove(0);
    assert!(matches!(failure(r), BackendError::Program { .. }));
}

#[test]
fn a_missing_feature_is_named() {
    let mut r = Recording::default();
    let kernel = kernel(&GREEDY, "main");
    r.commands.push(Command::Dispatch { kernel, grid: [1, 1, 1], args: vec![] });
    assert!(failure(r).to_string().contains("quantum-lanes"));
}

#[test]
fn a_buffer_beyond_the_binding_limit_is_refused_before_allocation() {
    let mut r = scaled_sum(64);
    r.buffer("huge", Role::Scratch, 1 << 50);
    let message = failure(r).to_string();
    assert!(message.contains("huge") && message.contains("1125899906842624"), "{message}");
}

#[test]
fn more_than_the_memory_is_refused_before_allocation() {
    let mut r = scaled_sum(64);
    for _ in 0..4096 {
        r.buffer("large", Role::Scratch, 100 << 20);
    }
    assert!(matches!(failure(r), BackendError::OutOfMemory { .. }));
}

#[test]
fn a_bad_copy_is_an_error_and_the_device_lives_on() {
    let mut device = device();
    let mut r = Recording::default();
    let small = r.upload("small", Role::Input, Bytes::from_static(&[1, 2, 3]));
    let out = r.buffer("out", Role::Output, 64);
    r.commands.push(Command::Copy { from: small, to: out, bytes: 64 });
    let mut session = device.load(Program::Recording(r)).unwrap();
    assert!(matches!(session.run(Mode::EndToEnd, 1), Err(BackendError::Program { .. })));
    drop(session);
    let mut session = device.load(Program::Recording(scaled_sum(64))).unwrap();
    session.run(Mode::EndToEnd, 1).unwrap();
    assert_eq!(f32s(&session.outputs().unwrap()[0])[0], 1000.5);
}

#[test]
fn software_adapters_are_labelled_and_unknown_ones_refused() {
    for info in Vulkan.probe().devices {
        let software = info.name.contains("llvmpipe");
        assert_eq!(info.kind == DeviceKind::SoftwareGpu, software, "{}", info.name);
        assert!(info.memory_bytes.is_some_and(|b| b > 0));
    }
    for id in ["vulkan:99", "vulkan:x", "cuda:0"] {
        assert!(matches!(Vulkan.open(id), Err(BackendError::NoDevice { .. })), "{id}");
    }
}

#[test]
fn timestamps_agree_with_the_wall_clock() {
    let mut device = device();
    let mut session = device.load(Program::Recording(scaled_sum(1 << 20))).unwrap();
    session.run(Mode::KernelWarm, 3).unwrap();
    let timing = session.run(Mode::KernelWarm, 10).unwrap();
    assert!(timing.total_s > 0.2 * timing.wall_s, "{timing:?}");
    assert!(matches!(timing.timer, Timer::GpuTimestamp | Timer::Wall));
}

#[test]
fn small_types_workgroup_memory_and_subgroups_compute_right() {
    let mut device = device();
    let offered = FEATURES.features.iter().all(|f| device.info().has(f));
    if !offered {
        let software = device.info().kind == DeviceKind::SoftwareGpu;
        assert!(!software, "software Vulkan offers all of them: {:?}", device.info().features);
        return;
    }
    let mut r = Recording::default();
    let out = r.buffer("out", Role::Output, 28);
    let kernel = kernel(&FEATURES, "features");
    r.commands.push(Command::Dispatch { kernel, grid: [1, 1, 1], args: vec![Arg::Write(out)] });
    let mut session = device.load(Program::Recording(r)).unwrap();
    session.run(Mode::KernelWarm, 1).unwrap();
    let out: Vec<u32> = bytemuck::pod_collect_to_vec(&session.outputs().unwrap()[0]);
    // 0 + 1 + … + 63
    assert_eq!(out[0], 2016);
    // Three times 0.1 in f16: 0x34cc where rounded twice, 0x34cd where once.
    let third = f32::from_bits(out[1]);
    assert!(third == 0.299_804_7 || third == 0.300_048_83, "{third}");
    assert_eq!(out[6], 2000);
    // 32767 + 1 wraps around, so that −5 + 7 is the larger one.
    assert_eq!(out[2] as i32, -32768);
    assert_eq!(out[3], 2);
    // 1·5 + 2·6 + 3·7 + 4·8
    assert_eq!(out[4], 70);
    assert_eq!(out[5], 1);
}

#[test]
fn a_lost_device_is_an_error_now_and_later() {
    let (adapter, info) = super::adapters::find(device().info().id.as_str()).unwrap();
    let gpu = super::gpu::Gpu::open(&adapter, &info).unwrap();
    let mut device =
        super::VulkanDevice { info, gpu, pipelines: super::Pipelines::default(), context_s: None };
    device.gpu.device.destroy();
    for _ in 0..2 {
        let end = device
            .load(Program::Recording(scaled_sum(64)))
            .and_then(|mut session| session.run(Mode::EndToEnd, 1));
        assert!(matches!(end, Err(BackendError::DeviceLost { .. })), "{end:?}");
    }
}
