use std::io;

use half::bf16;
use proptest::prelude::*;

use super::input::Product;
use super::*;
use crate::params::Value;
use crate::work::{Program, Tuning};

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
    let program = input.program(&IMPLEMENTATIONS[0], &cpu(), &Tuning::default()).unwrap();
    let Program::Native(mut native) = program else { panic!("cpu/simd is native") };
    native.run().unwrap();
    native.poison();
    assert!(input.check(&native.outputs()).is_err(), "poison passes the check");
    native.run().unwrap();
    native.outputs()
}

fn verify(shape: Shape) {
    let input = Product::random(shape, 7);
    let check = input.check(&compute(&input));
    assert!(check.is_ok(), "{}: {check:?}", shape.key());
}

#[test]
fn right_at_the_edges_of_tiles_for_both_types() {
    for dtype in [GemmType::F32, GemmType::Bf16] {
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
    for dtype in [GemmType::F32, GemmType::Bf16] {
        verify(shape(dtype, 33, 100, 1100, 1));
        verify(shape(dtype, 20, 300, 700, 2));
    }
}

#[test]
fn batches_are_independent_products() {
    for dtype in [GemmType::F32, GemmType::Bf16] {
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

fn tf32(x: f32) -> f32 {
    // 10 explicit mantissa bits, to nearest.
    f32::from_bits((x.to_bits() + 0x1000) & !0x1fff)
}

#[test]
fn lower_precision_never_passes_for_f32() {
    // The second is past the size of a full comparison.
    for (m, n, k) in [(64, 64, 64), (33, 4200, 4000)] {
        let input = Product::random(shape(GemmType::F32, m, n, k, 1), 3);
        let exact = input.check(&product_of_rounded(&input, |x| x)).unwrap();
        assert_eq!(exact.method, if m == 64 { "full" } else { "freivalds+samples" });
        assert!(input.check(&product_of_rounded(&input, tf32)).is_err());
        assert!(input.check(&product_of_rounded(&input, |x| bf16::from_f32(x).to_f32())).is_err());
    }
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
                          batch in 1usize..4, is_bf16: bool) {
        verify(shape(if is_bf16 { GemmType::Bf16 } else { GemmType::F32 }, m, n, k, batch));
    }
}
