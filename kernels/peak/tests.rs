//! The probes end in answers worked out by other means, and wrong answers are refused.

use half::bf16;

use super::input::{MULTIPLIER, PeakInput, triad};
use super::{IntType, PEAK, Probe, cpu, portable};
use crate::params::{Params, Value};
use crate::work::{
    Case, CaseError, DeviceInfo, Family, Files, Implementation, Input, Program, Tuning,
};

struct NoFiles;
impl Files for NoFiles {
    fn open(&self, name: &str) -> std::io::Result<Box<dyn std::io::Read + Send>> {
        Err(std::io::Error::other(name.to_owned()))
    }
}

fn params(pairs: &[(&str, Value)]) -> Params {
    let mut p = Params::default();
    pairs.iter().for_each(|(k, v)| p.set(k, v.clone()));
    p
}

fn text(v: &str) -> Value {
    Value::Text(v.into())
}

fn case(pairs: &[(&str, Value)]) -> Result<Box<dyn Case>, CaseError> {
    PEAK.case(&params(pairs), &NoFiles)
}

fn implementation(name: &str) -> &'static Implementation {
    PEAK.implementations().iter().find(|i| i.name == name).unwrap()
}

/// Small cases of everything a CPU can run.
fn small() -> Vec<Probe> {
    let mut all = vec![
        Probe::FmaF32 { chains: 8192, steps: 48 },
        Probe::Int { dtype: IntType::I8, chains: 8192, steps: 528 },
        Probe::Int { dtype: IntType::I16, chains: 8192, steps: 48 },
        Probe::Int { dtype: IntType::I32, chains: 8192, steps: 48 },
        Probe::Memory { n: 100_000 },
    ];
    if cpu::has_bf16() {
        all.push(Probe::FmaBf16 { chains: 64, steps: 16 });
    }
    all
}

#[test]
fn keys_are_canonical_and_name_every_parameter() {
    let key = |pairs: &[(&str, Value)]| case(pairs).unwrap().key();
    assert_eq!(key(&[("kind", text("fma"))]), "peak kind=fma dtype=f32 chains=1048576 steps=4096");
    assert_eq!(
        key(&[("dtype", text("bf16")), ("kind", text("fma")), ("chains", Value::Int(64))]),
        "peak kind=fma dtype=bf16 chains=64 steps=1024"
    );
    assert_eq!(
        key(&[("dtype", text("tf32")), ("kind", text("fma"))]),
        "peak kind=fma dtype=tf32 chains=16384 steps=1024"
    );
    assert_eq!(
        key(&[("kind", text("int")), ("dtype", text("int8"))]),
        "peak kind=int dtype=int8 chains=1048576 steps=4096"
    );
    assert_eq!(key(&[("kind", text("memory"))]), "peak kind=memory bytes=402653184");
    assert_eq!(
        key(&[("kind", text("transfer")), ("bytes", Value::Int(100))]),
        "peak kind=transfer direction=both bytes=96"
    );
    assert_eq!(key(&[("kind", text("launch"))]), "peak kind=launch");
}

#[test]
fn bad_parameters_name_the_key_and_the_way_out() {
    let message = |pairs: &[(&str, Value)]| case(pairs).err().unwrap().to_string();
    assert!(message(&[]).contains("kind"));
    assert!(message(&[("kind", text("memori"))]).contains("did you mean `memory`"));
    assert!(message(&[("knd", text("fma"))]).contains("did you mean `kind`"));
    let stray = message(&[("kind", text("launch")), ("bytes", Value::Int(64))]);
    assert!(stray.contains("bytes = 64") && stray.contains("launch"), "{stray}");
    let odd = message(&[("kind", text("fma")), ("steps", Value::Int(17))]);
    assert!(odd.contains("steps = 17") && odd.contains("multiple of 16"), "{odd}");
    assert!(message(&[("kind", text("fma")), ("chains", Value::Int(0))]).contains("chains = 0"));
}

#[test]
fn work_counts_an_fma_as_two_and_a_triad_as_three_arrays() {
    let work = Probe::FmaF32 { chains: 4096, steps: 100 }.work();
    assert_eq!((work.useful, work.useful_unit.as_str()), (819_200.0, "FLOP"));
    let work = Probe::FmaBf16 { chains: 32, steps: 10 }.work();
    // 2 · 16 · 8 · 16 a tile and step
    assert_eq!(work.useful, 1_310_720.0);
    assert_eq!(Probe::FmaTf32 { chains: 32, steps: 10 }.work().useful, work.useful);
    let work = Probe::Memory { n: 1000 }.work();
    assert_eq!((work.useful, work.bytes_in, work.bytes_out), (12_000.0, 8000.0, 4000.0));
    let work = Probe::Transfer { bytes: 1000 }.work();
    assert_eq!((work.useful, work.useful_unit.as_str()), (2000.0, "byte"));
}

#[test]
fn every_probe_of_the_cpu_ends_in_the_right_answer() {
    for probe in small() {
        let input = PeakInput::new(probe, 7);
        for tuning in input.tunings(implementation("cpu/simd"), &DeviceInfo::bare_cpu()) {
            let program =
                input.program(implementation("cpu/simd"), &DeviceInfo::bare_cpu(), &tuning);
            let Ok(Program::Native(mut native)) = program else {
                panic!("{probe:?} has no native program")
            };
            for _ in 0..2 {
                native.run().unwrap();
                let check = input.check(&native.outputs());
                assert!(check.is_ok(), "{probe:?} {tuning:?}: {check:?}");
            }
            native.poison();
            assert!(input.check(&native.outputs()).is_err(), "{probe:?}: poison passed");
        }
    }
}

#[test]
fn one_step_more_or_less_is_a_wrong_answer() {
    let steps = |probe, d: i64| match probe {
        Probe::FmaF32 { chains, steps } => {
            Probe::FmaF32 { chains, steps: (i64::from(steps) + d) as u32 }
        }
        Probe::FmaBf16 { chains, steps } => {
            Probe::FmaBf16 { chains, steps: (i64::from(steps) + d) as u32 }
        }
        Probe::Int { dtype, chains, steps } => {
            Probe::Int { dtype, chains, steps: (i64::from(steps) + d) as u32 }
        }
        other => other,
    };
    let full = Probe::FmaF32 { chains: 4096, steps: 4096 };
    for probe in small().into_iter().chain([full]) {
        if matches!(probe, Probe::Memory { .. }) {
            continue;
        }
        for d in [-2, -1, 1, 2] {
            let other = PeakInput::new(steps(probe, d), 7);
            let Ok(mut native) = cpu::program(&other, true) else { panic!("{probe:?}") };
            native.run().unwrap();
            let check = PeakInput::new(probe, 7).check(&native.outputs());
            assert!(check.is_err(), "{probe:?} accepts {d} steps more");
        }
    }
}

#[test]
fn plain_rust_gives_the_same_answers() {
    let input = PeakInput::new(Probe::FmaF32 { chains: 4096, steps: 4096 }, 3);
    let (x, b) = input.f32_lanes();
    let mut out = vec![0.0f32; 4096];
    portable::fma(&mut out, &x, &b, MULTIPLIER, 4096);
    let check = input.check(&[bytemuck::cast_slice(&out).to_vec()]).unwrap();
    assert!(check.max_rel_err < check.bound / 2.0, "{check:?}");

    let input = PeakInput::new(Probe::FmaBf16 { chains: 32, steps: 16 }, 3);
    let (a, b): (Vec<bf16>, Vec<bf16>) = input.tiles();
    let mut out = vec![0.0f32; 32 * 128];
    portable::tiles(&mut out, &a, &b, 16);
    input.check(&[bytemuck::cast_slice(&out).to_vec()]).unwrap();

    let input = PeakInput::new(Probe::Int { dtype: IntType::I32, chains: 4096, steps: 64 }, 3);
    let (x, floor) = input.int_lanes();
    let mut out = vec![0i32; 4096];
    portable::int(&mut out, &x, &floor, 64, |x, floor| (x + 3).max(floor));
    input.check(&[bytemuck::cast_slice(&out).to_vec()]).unwrap();
}

#[test]
fn a_single_wrong_word_is_found() {
    let input = PeakInput::new(Probe::Transfer { bytes: 4096 }, 5);
    let right: Vec<u32> = (0..1024).map(|i| !input.word(i)).collect();
    let bytes = |words: &[u32]| vec![bytemuck::cast_slice(words).to_vec()];
    assert_eq!(input.check(&bytes(&right)).unwrap().compared, 1024);
    let mut wrong = right.clone();
    wrong[1000] ^= 1;
    assert!(input.check(&bytes(&wrong)).unwrap_err().to_string().contains("word 1000"));
    assert!(input.check(&bytes(&right[1..])).is_err(), "a short output passed");

    let input = PeakInput::new(Probe::Memory { n: 1024 }, 5);
    let sum = |i| {
        let (b, c) = triad(5, i);
        b + 3.0 * c
    };
    let right: Vec<f32> = (0..1024).map(sum).collect();
    input.check(&[bytemuck::cast_slice(&right).to_vec()]).unwrap();
}

#[test]
fn what_a_device_cannot_do_has_a_reason() {
    let why = |pairs: &[(&str, Value)], name: &str, info: &DeviceInfo| {
        case(pairs).unwrap().supports(implementation(name), info).err().map(|u| u.0)
    };
    let cpu = DeviceInfo::bare_cpu();
    assert!(why(&[("kind", text("transfer"))], "cpu/simd", &cpu).unwrap().contains("link"));
    assert!(why(&[("kind", text("launch"))], "cpu/simd", &cpu).unwrap().contains("launch"));
    let bf16 = [("kind", text("fma")), ("dtype", text("bf16"))];
    let turing = DeviceInfo { compute_capability: Some((7, 5)), ..DeviceInfo::bare_cpu() };
    assert!(why(&bf16, "cuda/probe", &turing).unwrap().contains("8.0"));
    assert!(why(&bf16, "vulkan/probe", &cpu).unwrap().contains("WGSL"));
    let tf32 = [("kind", text("fma")), ("dtype", text("tf32"))];
    assert!(why(&tf32, "cuda/probe", &turing).unwrap().contains("8.0"));
    assert!(why(&tf32, "vulkan/probe", &cpu).unwrap().contains("WGSL"));
    assert!(why(&tf32, "cpu/simd", &cpu).unwrap().contains("f32 rate"));
    let small = DeviceInfo { max_buffer_bytes: Some(1 << 20), ..DeviceInfo::bare_cpu() };
    assert!(why(&[("kind", text("memory"))], "vulkan/probe", &small).unwrap().contains("1048576"));
    assert_eq!(why(&[("kind", text("memory"))], "vulkan/probe", &cpu), None);
    let default = Tuning::default();
    let input = case(&bf16).unwrap().input(1).unwrap();
    assert!(input.program(implementation("vulkan/probe"), &cpu, &default).is_err());
}
