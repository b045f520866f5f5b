//! Plans over a family made up for the purpose.

use breakeven_kernels::params::{ParamReader, Params, Value};
use breakeven_kernels::work::{CaseError, Input, LibraryName, OpKind, Unsupported, Work};
use proptest::prelude::*;

use super::*;

struct Toy;
struct ToyCase(usize);

static TOY: [Implementation; 4] = [
    Implementation { name: "cpu/simd", language: Language::Native, summary: "" },
    Implementation {
        name: "cpu/openblas",
        language: Language::Library(LibraryName::OpenBlas),
        summary: "",
    },
    Implementation { name: "cuda/tiled", language: Language::Cuda, summary: "" },
    Implementation { name: "cuda/odd", language: Language::Cuda, summary: "" },
];

impl Family for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }
    fn summary(&self) -> &'static str {
        "nothing"
    }
    fn implementations(&self) -> &'static [Implementation] {
        &TOY
    }
    fn case(&self, params: &Params, _files: &dyn Files) -> Result<Box<dyn Case>, CaseError> {
        let reader = ParamReader::new("toy", params, &["n", "dtype"])?;
        Ok(Box::new(ToyCase(reader.size("n", Some(7))?)))
    }
}

impl Case for ToyCase {
    fn key(&self) -> String {
        format!("toy n={}", self.0)
    }
    fn work(&self) -> Work {
        Work {
            op_kind: OpKind::F32,
            ops: 1.0,
            bytes_touched: 1.0,
            bytes_in: 1.0,
            bytes_constant: 0.0,
            bytes_out: 1.0,
            useful: 1.0,
            useful_unit: "FLOP".into(),
            items: 1.0,
            item_unit: "toy".into(),
        }
    }
    fn host_bytes(&self) -> u64 {
        self.0 as u64
    }
    fn device_bytes(&self) -> u64 {
        self.0 as u64
    }
    fn supports(&self, i: &Implementation, _device: &DeviceInfo) -> Result<(), Unsupported> {
        if i.name == "cuda/odd" && self.0.is_multiple_of(2) {
            return Err(Unsupported("even sizes are not odd".into()));
        }
        Ok(())
    }
    fn input(&self, _seed: u64) -> Result<Box<dyn Input>, CaseError> {
        Err(CaseError::BadInput { family: "toy", name: String::new(), problem: String::new() })
    }
}

struct NoFiles;
impl Files for NoFiles {
    fn open(&self, _name: &str) -> std::io::Result<Box<dyn std::io::Read + Send>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

fn device(id: &str, kind: DeviceKind, languages: &[Language]) -> DeviceInfo {
    DeviceInfo {
        id: id.into(),
        backend: id.split(':').next().unwrap().into(),
        kind,
        name: id.into(),
        vendor: None,
        architecture: None,
        driver: None,
        memory_bytes: Some(100),
        threads: None,
        cores: None,
        compute_units: None,
        compute_capability: None,
        cache_bytes: None,
        languages: languages.to_vec(),
        libraries: vec![],
        features: vec![],
        max_workgroup_invocations: None,
        max_shared_bytes: None,
        max_buffer_bytes: None,
    }
}

fn suite(sizes: &[i64]) -> Suite {
    let case = |n: &i64| {
        let mut params = Params::default();
        params.set("n", Value::Int(*n));
        let axis = Some("n".to_owned());
        SuiteCase {
            place: "s.toml, case 1".into(),
            family: "toy".into(),
            params,
            axis,
            tied: vec![],
        }
    };
    let cases = sizes.iter().map(case).collect();
    Suite { name: "s".into(), summary: String::new(), budget_s: Some(3.0), cases, folder: None }
}

fn plan_toy(sizes: &[i64], devices: &[DeviceInfo], filter: &Filter) -> Result<Plan, PlanError> {
    plan_families(&[&Toy], &suite(sizes), devices, &NoFiles, filter)
}

fn cpu() -> DeviceInfo {
    device("cpu", DeviceKind::Cpu, &[Language::Native])
}

fn gpu() -> DeviceInfo {
    device("cuda:0", DeviceKind::Gpu, &[Language::Cuda])
}

#[test]
fn jobs_of_a_case_are_adjacent_and_every_gap_has_its_reason() {
    let plan = plan_toy(&[1, 2], &[cpu(), gpu()], &Filter::default()).unwrap();
    let jobs: Vec<String> = plan
        .jobs
        .iter()
        .map(|j| format!("{} {} {}", j.case_key, j.device, j.implementation.name))
        .collect();
    assert_eq!(
        jobs,
        [
            "toy n=1 cpu cpu/simd",
            "toy n=1 cuda:0 cuda/tiled",
            "toy n=1 cuda:0 cuda/odd",
            "toy n=2 cpu cpu/simd",
            "toy n=2 cuda:0 cuda/tiled",
        ]
    );
    let skips: Vec<String> = plan
        .skips
        .iter()
        .map(|s| format!("{} {} {}", s.case_key, s.implementation, s.reason))
        .collect();
    assert_eq!(skips.len(), 3);
    assert!(skips[0].starts_with("toy n=1 cpu/openblas OpenBLAS was not found"), "{skips:?}");
    assert_eq!(skips[2], "toy n=2 cuda/odd even sizes are not odd");
    let series = plan.jobs[0].series.as_ref().unwrap();
    assert_eq!((series.key.as_str(), series.axis.as_str(), series.value), ("toy n=*", "n", 1.0));
}

#[test]
fn limits_and_software_adapters_are_skips() {
    let software = device("vulkan:0", DeviceKind::SoftwareGpu, &[Language::Cuda]);
    let plan = plan_toy(&[1], std::slice::from_ref(&software), &Filter::default()).unwrap();
    assert!(plan.jobs.is_empty() && plan.skips[0].reason.contains("--allow-software"));
    let allow = Filter { allow_software: true, ..Filter::default() };
    assert_eq!(plan_toy(&[1], &[software], &allow).unwrap().jobs.len(), 2);

    let plan = plan_toy(&[101], &[gpu()], &Filter::default()).unwrap();
    assert!(plan.skips[0].reason.contains("101 B of device memory"), "{:?}", plan.skips);
    let small = Filter { memory_bytes: Some(50), ..Filter::default() };
    let plan = plan_toy(&[99], &[cpu()], &small).unwrap();
    assert!(plan.skips.iter().any(|s| s.reason.contains("99 B of host memory")));

    let tpu = device("tpu:0", DeviceKind::Gpu, &[]);
    let plan = plan_toy(&[1], &[tpu], &Filter::default()).unwrap();
    assert_eq!(plan.skips[0].reason, "toy has no implementation for tpu:0");
}

#[test]
fn filters_that_match_nothing_are_errors() {
    let only = |glob: &str| Filter { implementation_globs: vec![glob.into()], ..Filter::default() };
    assert_eq!(plan_toy(&[1], &[cpu(), gpu()], &only("cuda/*")).unwrap().jobs.len(), 2);
    let message = plan_toy(&[1], &[cpu()], &only("cuba/*")).err().unwrap().to_string();
    assert!(message.contains("cuba/*") && message.contains("cuda/tiled"), "{message}");
    let message = plan_toy(&[1], &[cpu()], &only("cuda/*")).err().unwrap().to_string();
    assert!(message.contains("leaves nothing to run on cpu"), "{message}");
}

#[test]
fn families_and_cases_are_named_in_messages() {
    let mut wrong = suite(&[1]);
    wrong.cases[0].family = "toi".into();
    let of = |s: &Suite| plan_families(&[&Toy], s, &[cpu()], &NoFiles, &Filter::default());
    let message = of(&wrong).err().unwrap().to_string();
    assert!(message.contains("s.toml, case 1") && message.contains("did you mean `toy`?"));
    let message = of(&suite(&[0])).err().unwrap().to_string();
    assert!(message.contains("s.toml, case 1") && message.contains("n = 0"), "{message}");
    // The same case under two spellings is planned once.
    let mut twice = suite(&[7]);
    twice.cases.push(SuiteCase { params: Params::default(), axis: None, ..twice.cases[0].clone() });
    assert_eq!(of(&twice).unwrap().jobs.len(), 1);
}

proptest! {
    #[test]
    fn globs_agree_with_a_slow_matcher(glob in "[ab*?]{0,6}", text in "[ab]{0,6}") {
        fn slow(glob: &[u8], text: &[u8]) -> bool {
            match glob.split_first() {
                None => text.is_empty(),
                Some((b'*', rest)) => (0..=text.len()).any(|i| slow(rest, &text[i..])),
                Some((c, rest)) => text
                    .split_first()
                    .is_some_and(|(t, tail)| (*c == b'?' || c == t) && slow(rest, tail)),
            }
        }
        prop_assert_eq!(glob_matches(&glob, &text), slow(glob.as_bytes(), text.as_bytes()));
    }
}
