use std::io;

use half::bf16;
use proptest::prelude::*;

use super::input::{Product, to_tf32};
use super::*;
use crate::params::Value;
use crate::work::{OpKind, Program, Tuning};

struct NoFiles;

impl Files for NoFiles {
    fn open(&self, _name: &str) -> io::Result<Box<dyn io::Read + Send>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn cpu() -> DeviceInfo {
    DeviceInfo { threads: Some(2), ..DeviceInfo::bare_cpu() }
}

fn shape(dtype: GemmType, m: usize, n: usize, k: usize, batch: usize) -> Shape {
    Shape { dtype, m, n, k, batch }
}

/// Runs `cpu/simd` twice (poisoned in between) and returns C.
fn compute(input: &Product) -> Vec<Vec<u8>> {
    compute_by(input, &Tuning::default())
}

fn compute_by(input: &Product, tuning: &Tuning) -> Vec<Vec<u8>> {
    let program = input.program(&IMPLEMENTATIONS[0], &cpu(), tuning).unwrap();
    let Program::Native(mut native) = program else { panic!("cpu/simd is native") };
    native.run().unwrap();
    native.poison();
    assert!(input.check(&native.outputs()).is_err(), "poison passes the check");
    native.run().unwrap();
    native.outputs()
}

fn verify(shape: Shape) {
    verify_seed(shape, 7);
}

fn verify_seed(shape: Shape, seed: u64) {
    let input = Product::random(shape, seed);
    for tuning in input.tunings(&IMPLEMENTATIONS[0], &cpu()) {
        let check = input.check(&compute_by(&input, &tuning));
        assert!(check.is_ok(), "{} by {}: {check:?}", shape.key(), tuning.name);
    }
}

#[test]
fn right_at_the_edges_of_tiles_for_all_types() {
    for dtype in GemmType::ALL {
        for m in [1, 7, 8, 9, 63, 64, 65, 127, 129] {
            for (n, k) in [(1, 1), (7, 3), (47, 64), (48, 257), (65, 63), (129, 127)] {
                verify(shape(dtype, m, n, k, 1));
            }
        }
    }
}

/// Several blocks of columns, with every kind of rest beside whole registers.
#[test]
fn few_rows_and_many_columns_are_right_with_every_rest() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    pool.install(|| {
        for m in [1, 8, 9, 16] {
            for n in [384, 385, 392, 400, 416, 431] {
                verify(shape(GemmType::F32, m, n, 37, 1));
            }
        }
        verify(shape(GemmType::F32, 5, 391, 3, 3));
    });
}

/// Blocks of k after the first are fetched while one is computed: nothing is taken twice or left out.
#[test]
fn long_sums_are_right_in_panels() {
    for dtype in GemmType::ALL {
        verify(shape(dtype, 33, 100, 1100, 1));
        verify(shape(dtype, 20, 300, 700, 2));
    }
}

/// Several strips of B, rows of A that are packed (a page apart) or not, and several tasks in each direction.
#[test]
fn large_products_are_right_in_blocks() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    pool.install(|| {
        for dtype in [GemmType::F32, GemmType::Bf16] {
            for (m, n, k) in [(205, 300, 2048), (70, 20, 2048), (203, 4101, 257), (97, 129, 520)] {
                verify(shape(dtype, m, n, k, 1));
            }
        }
    });
}

/// Where rows of B are a page apart, a block is packed while the one before is multiplied: of this product, of the
/// next one, and never of a product before.
#[test]
fn blocks_that_are_packed_early_are_those_that_come_next() {
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            for (m, n, k, batch) in [(33, 1024, 700, 1), (64, 2048, 1100, 1), (20, 1024, 512, 3)] {
                for seed in [7, 8] {
                    verify_seed(shape(GemmType::F32, m, n, k, batch), seed);
                }
            }
        });
    }
}

#[test]
fn batches_are_independent_products() {
    for dtype in GemmType::ALL {
        verify(shape(dtype, 3, 50, 20, 5));
        verify(shape(dtype, 20, 50, 21, 5));
    }
}

#[test]
fn a_small_product_is_what_one_computes_by_hand() {
    // [1 2; 3 4] · [5 6; 7 8] = [19 22; 43 50]
    let mut input = Product::random(shape(GemmType::F32, 2, 2, 2, 1), 1);
    input.a = super::input::Operand::F32([1.0, 2.0, 3.0, 4.0].into());
    input.b = super::input::Operand::F32([5.0, 6.0, 7.0, 8.0].into());
    let c = judge::floats(&compute(&input)[0]);
    assert_eq!(c, [19.0, 22.0, 43.0, 50.0]);
    assert!(input.check(&[bytemuck::cast_slice(&[19f32, 22.0, 43.0, 50.0]).to_vec()]).is_ok());
    assert!(input.check(&[bytemuck::cast_slice(&[19f32, 22.0, 43.0, 50.001]).to_vec()]).is_err());
}

/// The product of `input`'s operands after `round`, exactly summed.
fn product_of_rounded(input: &Product, round: impl Fn(f32) -> f32) -> Vec<Vec<u8>> {
    let Shape { m, n, k, .. } = input.shape;
    let (a, b) = (input.a.widened(), input.b.widened());
    let mut c = vec![0f64; m * n];
    for i in 0..m {
        for p in 0..k {
            let a = f64::from(round(a[i * k + p]));
            for j in 0..n {
                c[i * n + j] += a * f64::from(round(b[p * n + j]));
            }
        }
    }
    vec![c.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect()]
}

#[test]
fn lower_precision_never_passes_for_f32() {
    // The second is past the size of a full comparison.
    for (m, n, k) in [(64, 64, 64), (33, 4200, 4000)] {
        let input = Product::random(shape(GemmType::F32, m, n, k, 1), 3);
        let exact = input.check(&product_of_rounded(&input, |x| x)).unwrap();
        assert_eq!(exact.method, if m == 64 { "full" } else { "freivalds+samples" });
        assert!(input.check(&product_of_rounded(&input, to_tf32)).is_err());
        assert!(input.check(&product_of_rounded(&input, |x| bf16::from_f32(x).to_f32())).is_err());
    }
}

#[test]
fn adapters_for_small_devices_get_small_tiles() {
    let names = |invocations: u32, bytes: u32| {
        let device = DeviceInfo {
            max_workgroup_invocations: Some(invocations),
            max_shared_bytes: Some(bytes),
            ..DeviceInfo::bare_cpu()
        };
        let shape = shape(GemmType::F32, 512, 512, 512, 1);
        let tunings = super::device::tunings(&shape, Language::Wgsl, &device);
        tunings.into_iter().map(|tuning| tuning.name).collect::<Vec<_>>()
    };
    assert_eq!(names(256, 16384), ["64×64", "128×128"]);
    assert_eq!(names(128, 16384).len(), 1);
    assert_eq!(names(1024, 16383).len(), 1);
}

#[test]
fn operands_of_eight_bits_never_pass_for_bf16() {
    // The second is past the size of a full comparison.
    for (m, n, k) in [(64, 64, 64), (33, 4200, 4000)] {
        let input = Product::random(shape(GemmType::Bf16, m, n, k, 1), 3);
        assert!(input.check(&product_of_rounded(&input, |x| x)).is_ok());
        // As whole numbers of 8 bits, and with four digits (E4M3).
        assert!(input.check(&product_of_rounded(&input, |x| (x * 127.0).round() / 127.0)).is_err());
        let four = |x: f32| f32::from_bits((x.to_bits() + (1 << 19)) >> 20 << 20);
        assert!(input.check(&product_of_rounded(&input, four)).is_err());
    }
}

#[test]
fn tf32_operands_are_rounded_to_the_nearest_and_ties_to_even() {
    let step = 2f32.powi(-10);
    let cases = [
        (1.0, 1.0),
        (1.0 + 0.5 * step, 1.0),
        (1.0 + 1.5 * step, 1.0 + 2.0 * step),
        (-1.0 - 0.75 * step, -1.0 - step),
        (2.0 - 0.25 * step, 2.0),
    ];
    for (x, rounded) in cases {
        assert_eq!(to_tf32(x), rounded, "{x}");
    }
    let input = Product::random(shape(GemmType::Tf32, 9, 7, 5, 1), 1);
    assert!(input.a.widened().iter().chain(&*input.b.widened()).all(|x| to_tf32(*x) == *x));
}

/// Sums as tensor cores make them: of each eight products what f32 cannot hold is cut off.
fn product_with_cut_sums(input: &Product) -> Vec<Vec<u8>> {
    let Shape { m, n, k, .. } = input.shape;
    let (a, b) = (input.a.widened(), input.b.widened());
    let cut = |x: f64| {
        let nearest = x as f32;
        let beyond = f64::from(nearest).abs() > x.abs();
        f32::from_bits(nearest.to_bits() - u32::from(beyond))
    };
    let sum = |i: usize, j: usize| {
        (0..k).step_by(8).fold(0f32, |sum, first| {
            let product = |p| f64::from(a[i * k + p]) * f64::from(b[p * n + j]);
            cut(f64::from(sum) + (first..k.min(first + 8)).map(product).sum::<f64>())
        })
    };
    let c = (0..m).flat_map(|i| (0..n).map(move |j| (i, j)));
    vec![c.flat_map(|(i, j)| sum(i, j).to_le_bytes()).collect()]
}

#[test]
fn tf32_is_any_product_of_its_operands_in_f32_but_none_of_bf16() {
    // The second is past the size of a full comparison.
    for (m, n, k) in [(64, 64, 64), (33, 4200, 4000)] {
        let input = Product::random(shape(GemmType::Tf32, m, n, k, 1), 3);
        assert!(input.check(&product_of_rounded(&input, |x| x)).is_ok());
        assert!(input.check(&product_of_rounded(&input, to_tf32)).is_ok());
        assert!(input.check(&product_of_rounded(&input, |x| bf16::from_f32(x).to_f32())).is_err());
    }
    let long = Product::random(shape(GemmType::Tf32, 4, 4, 1 << 16, 1), 3);
    let check = long.check(&product_with_cut_sums(&long)).unwrap();
    assert!((5e-5..4e-4).contains(&check.max_rel_err), "{check:?}");
    assert_eq!(check.bound, 5e-4);
}

#[test]
fn one_wrong_value_of_a_large_product_is_found() {
    let input = Product::random(shape(GemmType::F32, 65, 3000, 3000, 1), 5);
    let right = compute(&input);
    assert!(input.check(&right).is_ok());
    for index in [0, 65 * 3000 - 1, 31 * 3000 + 1234] {
        for wrong in [f32::NAN, f32::INFINITY, 100.0] {
            let mut outputs = right.clone();
            outputs[0][index * 4..][..4].copy_from_slice(&wrong.to_le_bytes());
            assert!(input.check(&outputs).is_err(), "{wrong} at {index} passes");
        }
    }
}

#[test]
fn outputs_of_the_wrong_size_are_a_mismatch() {
    let input = Product::random(shape(GemmType::F32, 2, 2, 2, 1), 1);
    assert!(input.check(&[]).is_err());
    assert!(input.check(&[vec![0; 15]]).is_err());
}

#[test]
fn work_counts_each_operand_once() {
    let f32_work = shape(GemmType::F32, 2, 3, 4, 1).work();
    assert_eq!((f32_work.ops, f32_work.useful), (48.0, 48.0));
    // A is 2×4, B 4×3, C 2×3, four bytes each.
    assert_eq!(
        (f32_work.bytes_in, f32_work.bytes_constant, f32_work.bytes_out),
        (80.0, 48.0, 24.0)
    );
    let bf16_work = shape(GemmType::Bf16, 2, 3, 4, 10).work();
    assert_eq!((bf16_work.ops, bf16_work.items), (480.0, 10.0));
    assert_eq!(
        (bf16_work.bytes_in, bf16_work.bytes_constant, bf16_work.bytes_out),
        (400.0, 240.0, 240.0)
    );
    // In memory TF32 is f32; only its arithmetic is another.
    let tf32_work = shape(GemmType::Tf32, 2, 3, 4, 1).work();
    assert_eq!((tf32_work.op_kind, f32_work.op_kind), (OpKind::Tf32, OpKind::F32));
    assert_eq!(Work { op_kind: OpKind::F32, ..tf32_work }, f32_work);
}

fn cuda(capability: (u32, u32)) -> DeviceInfo {
    DeviceInfo {
        backend: "cuda".into(),
        compute_units: Some(132),
        compute_capability: Some(capability),
        ..DeviceInfo::bare_cpu()
    }
}

#[test]
fn tensor_cores_multiply_tf32_where_there_are_any() {
    let names = |capability, [m, n, k]: [usize; 3]| -> Vec<String> {
        let shape = shape(GemmType::Tf32, m, n, k, 1);
        let named = device::tunings(&shape, Language::Cuda, &cuda(capability));
        named.into_iter().map(|tuning| tuning.name).collect()
    };
    let all = |names: Vec<String>, start: &str| names.iter().all(|name| name.starts_with(start));
    for newer in [(8, 0), (8, 9), (9, 0), (12, 0)] {
        assert!(all(names(newer, [2048; 3]), "matmul_tf32_128x"));
        assert!(all(names(newer, [100, 100, 99]), "matmul_tf32_128x128_unaligned"));
        // One row is read as f32; of a few rows tensor cores may make a tile.
        assert_eq!(names(newer, [1, 4096, 4096]), ["rows"]);
        let few = names(newer, [5, 4096, 4096]);
        assert!(few[0] == "rows" && all(few[1..].to_vec(), "matmul_tf32_128x"), "{few:?}");
    }
    assert!(all(names((7, 5), [2048; 3]), "matmul_f32_"));
    assert_eq!(names((7, 5), [5, 4096, 4096]), ["rows"]);
}

fn case(pairs: &[(&str, Value)]) -> Result<Box<dyn Case>, CaseError> {
    let mut params = Params::default();
    for (key, value) in pairs {
        params.set(key, value.clone());
    }
    MATMUL.case(&params, &NoFiles)
}

#[test]
fn keys_and_bad_parameters() {
    let size = |key, v| (key, Value::Int(v));
    let square = [size("m", 2048), size("n", 2048), size("k", 2048)];
    assert_eq!(case(&square).unwrap().key(), "matmul dtype=f32 m=2048 n=2048 k=2048");
    let batched = [
        size("m", 1),
        size("n", 2),
        size("k", 3),
        size("batch", 4),
        ("dtype", Value::Text("bf16".into())),
    ];
    assert_eq!(case(&batched).unwrap().key(), "matmul dtype=bf16 m=1 n=2 k=3 batch=4");
    let tf32 = [size("m", 1), size("n", 2), size("k", 3), ("dtype", Value::Text("tf32".into()))];
    assert_eq!(case(&tf32).unwrap().key(), "matmul dtype=tf32 m=1 n=2 k=3");
    let message = |pairs: &[(&str, Value)]| case(pairs).err().expect("refused").to_string();
    assert!(message(&square[..2]).contains("`k` is missing"));
    assert!(message(&[size("m", 0), size("n", 1), size("k", 1)]).contains("m = 0"));
    assert!(message(&[size("m", 1 << 30), size("n", 1), size("k", 1 << 30)]).contains("2^38"));
    assert!(message(&[("dtype", Value::Text("fp32".into()))]).contains("did you mean `f32`"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_shape_is_right(m in 1usize..90, n in 1usize..150, k in 1usize..600,
                          batch in 1usize..4, dtype in 0usize..3) {
        verify(shape(GemmType::ALL[dtype], m, n, k, batch));
    }
}
