use std::io;

use proptest::prelude::*;

use super::input::Images;
use super::*;
use crate::matmul::judge::floats;
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

/// batch, c_in, size, c_out, kernel; stride, padding and dilation 1, 0 and 1.
fn layer(batch: u32, c_in: u32, size: (u32, u32), c_out: u32, kernel: (u32, u32)) -> ConvShape {
    ConvShape {
        batch,
        c_in,
        height: size.0,
        width: size.1,
        c_out,
        kernel_h: kernel.0,
        kernel_w: kernel.1,
        stride: 1,
        padding: 0,
        dilation: 1,
        groups: 1,
        layout: Layout::Nchw,
        dtype: GemmType::F32,
    }
}

fn compute(input: &Images) -> Vec<Vec<u8>> {
    compute_by(input, &IMPLEMENTATIONS[0], &Tuning::default())
}

fn compute_by(input: &Images, implementation: &Implementation, tuning: &Tuning) -> Vec<Vec<u8>> {
    let program = input.program(implementation, &cpu(), tuning).unwrap();
    let Program::Native(mut native) = program else { panic!("cpu/simd is native") };
    native.run().unwrap();
    native.poison();
    assert!(input.check(&native.outputs()).is_err(), "poison passes the check");
    native.run().unwrap();
    native.outputs()
}

/// Every CPU implementation that takes the layer, in both layouts and types.
fn verify(shape: ConvShape) {
    let both = [Layout::Nchw, Layout::Nhwc].map(|layout| ConvShape { layout, ..shape });
    for shape in both {
        for dtype in GemmType::ALL {
            verify_as_it_lies(ConvShape { dtype, ..shape });
        }
    }
}

fn verify_as_it_lies(shape: ConvShape) {
    let layer = Layer(shape);
    let input = Images::random(layer, 7);
    for implementation in &IMPLEMENTATIONS[..2] {
        if layer.supports(implementation, &cpu()).is_err() {
            continue;
        }
        for tuning in input.tunings(implementation, &cpu()) {
            let check = input.check(&compute_by(&input, implementation, &tuning));
            let name = (implementation.name, &tuning.name);
            assert!(check.is_ok(), "{} {name:?}: {check:?}", layer.key());
        }
    }
}

#[test]
fn right_by_transformed_tiles() {
    // Images that tiles fit and just do not, channels and filters that registers fit and do not.
    for (size, c_in, c_out) in [((8, 8), 16, 32), ((7, 9), 17, 40), ((1, 6), 33, 16)] {
        for padding in [1, 2] {
            verify(ConvShape { padding, ..layer(3, c_in, size, c_out, (3, 3)) });
        }
    }
    verify(layer(1, 64, (30, 61), 48, (3, 3)));
}

#[test]
fn infinities_spread_as_far_as_their_taps() {
    let shape = ConvShape { padding: 1, ..layer(1, 16, (9, 9), 16, (3, 3)) };
    for layout in [Layout::Nchw, Layout::Nhwc] {
        let mut input = Images::random(Layer(ConvShape { layout, ..shape }), 7);
        let mut x = input.x.to_vec();
        let at = if layout == Layout::Nchw { 4 * 9 + 4 } else { (4 * 9 + 4) * 16 };
        x[at] = f32::INFINITY;
        input.x = x.into();
        for implementation in &IMPLEMENTATIONS[..2] {
            for tuning in input.tunings(implementation, &cpu()) {
                let program = input.program(implementation, &cpu(), &tuning).unwrap();
                let Program::Native(mut native) = program else { panic!("native") };
                native.run().unwrap();
                let y = floats(&native.outputs()[0]);
                for (i, y) in y.iter().enumerate() {
                    let position = if layout == Layout::Nchw { i % 81 } else { i / 16 };
                    let near = |at: usize| (3..=5).contains(&at);
                    let reached = near(position / 9) && near(position % 9);
                    assert_eq!(!y.is_finite(), reached, "{} at {position}", implementation.name);
                }
            }
        }
    }
}

#[test]
fn right_for_the_layers_of_image_networks() {
    let plain = layer(2, 16, (14, 14), 24, (3, 3));
    verify(ConvShape { padding: 1, ..plain });
    verify(ConvShape { padding: 1, stride: 2, ..plain });
    verify(ConvShape { padding: 2, dilation: 2, ..plain });
    verify(ConvShape { padding: 1, groups: 8, ..plain });
    verify(layer(2, 16, (14, 14), 24, (1, 1)));
    verify(ConvShape { stride: 2, ..layer(1, 16, (14, 14), 24, (1, 1)) });
    verify(ConvShape { stride: 2, padding: 3, ..layer(1, 3, (30, 31), 64, (7, 7)) });
    // Depthwise, with one and with two filters a channel.
    verify(ConvShape { padding: 1, groups: 16, c_out: 16, ..plain });
    verify(ConvShape { padding: 1, groups: 16, c_out: 32, stride: 2, ..plain });
    let depthwise = ConvShape { padding: 1, groups: 21, ..layer(2, 21, (9, 40), 21, (3, 3)) };
    verify(depthwise);
    verify(ConvShape { stride: 2, ..depthwise });
    verify(ConvShape { stride: 3, padding: 3, dilation: 2, ..depthwise });
    verify(ConvShape { padding: 1, groups: 2, c_out: 70, ..plain });
    // Filters as large as the image, and larger than it.
    verify(layer(1, 3, (5, 7), 4, (5, 7)));
    verify(ConvShape { padding: 3, ..layer(1, 3, (2, 3), 4, (5, 1)) });
}

/// Positions of an image a page, so that channels lie a page apart.
#[test]
fn right_for_pointwise_layers_whose_channels_lie_a_page_apart() {
    verify(layer(2, 300, (32, 32), 33, (1, 1)));
}

#[test]
fn right_where_positions_fill_tiles_just_not() {
    for width in [1, 7, 63, 64, 65, 127, 129] {
        verify(ConvShape { padding: 1, ..layer(1, 3, (3, width), 9, (3, 3)) });
    }
}

#[test]
fn a_small_layer_is_what_one_computes_by_hand() {
    // [1 2 3; 4 5 6; 7 8 9] under [1 0; 0 1] gives [1+5 2+6; 4+8 5+9].
    let mut input = Images::random(Layer(layer(1, 1, (3, 3), 1, (2, 2))), 1);
    input.x = (1..10).map(|v| v as f32).collect();
    input.w = [1.0, 0.0, 0.0, 1.0].into();
    let y = compute(&input);
    assert_eq!(floats(&y[0]), [6.0, 8.0, 12.0, 14.0]);
    assert!(input.check(&y).is_ok());
    let wrong = [6f32, 8.0, 12.0, 14.001];
    assert!(input.check(&[bytemuck::cast_slice(&wrong).to_vec()]).is_err());
}

#[test]
fn lower_precision_never_passes() {
    // The second is past the size of a full comparison (3136 · 64 · 2880 multiply–adds).
    for (shape, method) in [
        (layer(1, 8, (9, 9), 8, (3, 3)), "full"),
        (ConvShape { padding: 1, ..layer(1, 320, (56, 56), 64, (3, 3)) }, "freivalds+samples"),
    ] {
        let right = Images::random(Layer(shape), 3);
        let outputs = compute(&right);
        assert_eq!(right.check(&outputs).unwrap().method, method);
        for bits in [13, 16] {
            // TF32 keeps 10 bits of the mantissa, bf16 7.
            let round = |x: &f32| f32::from_bits((x.to_bits() + (1 << (bits - 1))) >> bits << bits);
            let mut rounded = Images::random(Layer(shape), 3);
            rounded.x = rounded.x.iter().map(round).collect();
            rounded.w = rounded.w.iter().map(round).collect();
            assert!(right.check(&program_outputs(&rounded)).is_err(), "{bits} bits cut pass");
        }
        for wrong in [f32::NAN, 1e4] {
            let mut outputs = outputs.clone();
            let middle = outputs[0].len() / 8 * 4;
            outputs[0][middle..][..4].copy_from_slice(&wrong.to_le_bytes());
            assert!(right.check(&outputs).is_err(), "{wrong} passes");
        }
    }
}

fn program_outputs(input: &Images) -> Vec<Vec<u8>> {
    let program = input.program(&IMPLEMENTATIONS[0], &cpu(), &Tuning::default()).unwrap();
    let Program::Native(mut native) = program else { panic!("cpu/simd is native") };
    native.run().unwrap();
    native.outputs()
}

#[test]
fn bf16_results_are_bf16_and_less_precision_never_passes() {
    for (shape, method) in [
        (layer(1, 8, (9, 9), 8, (3, 3)), "full"),
        (ConvShape { padding: 1, ..layer(1, 320, (56, 56), 64, (3, 3)) }, "freivalds+samples"),
    ] {
        let layer = Layer(ConvShape { dtype: GemmType::Bf16, ..shape });
        let input = Images::random(layer, 3);
        assert!(input.x.iter().chain(&*input.w).all(|v| v.to_bits() & 0xffff == 0));
        let outputs = compute(&input);
        assert_eq!(outputs[0].len(), layer.y_len() * 2);
        let check = input.check(&outputs).unwrap();
        // Half a unit in the last of 8 digits: 2⁻⁸ of a value at most, 1.7e-3 of many by rms.
        assert_eq!(check.method, method);
        assert!((1.2e-3..2.2e-3).contains(&check.max_rel_err), "{}", check.max_rel_err);
        let digits = |bits: u32| {
            move |x: &f32| {
                f32::from_bits((x.to_bits() + (1 << (23 - bits))) >> (24 - bits) << (24 - bits))
            }
        };
        // Operands with 7 and 4 digits (E4M3), and as whole numbers of 8 bits.
        let whole = |x: &f32| (x * 127.0).round() / 127.0;
        let [seven, four] = [digits(7), digits(4)];
        for less in [&seven as &dyn Fn(&f32) -> f32, &four, &whole] {
            let mut lower = Images::random(layer, 3);
            lower.x = lower.x.iter().map(less).collect();
            lower.w = lower.w.iter().map(less).collect();
            assert!(input.check(&program_outputs(&lower)).is_err(), "less precision passes");
        }
        for wrong in [f32::NAN, 1e4] {
            let mut outputs = outputs.clone();
            let middle = outputs[0].len() / 4 * 2;
            outputs[0][middle..][..2].copy_from_slice(&wrong.to_le_bytes()[2..]);
            assert!(input.check(&outputs).is_err(), "{wrong} passes");
        }
    }
}

#[test]
fn a_product_missing_at_an_edge_never_passes() {
    for dtype in GemmType::ALL {
        let shape = ConvShape { padding: 1, dtype, ..layer(1, 64, (12, 12), 16, (3, 3)) };
        // The last pixel of the image in one of 64 channels.
        let [input, short] = [1.0, 0.0].map(|pixel| {
            let mut input = Images::random(Layer(shape), 3);
            let mut x = input.x.to_vec();
            x[12 * 12 - 1] = pixel;
            input.x = x.into();
            input
        });
        assert!(input.check(&program_outputs(&input)).is_ok(), "{dtype:?}");
        assert!(input.check(&program_outputs(&short)).is_err(), "{dtype:?}");
    }
}

#[test]
fn tf32_may_be_computed_in_f32_but_not_in_bf16() {
    let layer = Layer(ConvShape { dtype: GemmType::Tf32, ..layer(1, 64, (12, 12), 16, (3, 3)) });
    let input = Images::random(layer, 3);
    // 10 bits of mantissa are left.
    assert!(input.x.iter().chain(&*input.w).all(|v| v.to_bits() & 0x1fff == 0));
    assert!(input.x.iter().any(|v| v.to_bits() & 0xffff != 0));
    assert!(input.check(&compute(&input)).unwrap().max_rel_err < 1e-6);
    let round = |x: &f32| half::bf16::from_f32(*x).to_f32();
    let mut rounded = Images::random(layer, 3);
    rounded.x = rounded.x.iter().map(round).collect();
    rounded.w = rounded.w.iter().map(round).collect();
    assert!(input.check(&program_outputs(&rounded)).is_err(), "bf16 passes");
}

#[test]
fn work_counts_each_operand_once() {
    // y is 2 × 4 × 4 × 4 = 128 values of 3·3·3 = 27 products; x 2 × 3 × 6 × 6 = 216; w 108.
    let work = Layer(layer(2, 3, (6, 6), 4, (3, 3))).work();
    assert_eq!((work.ops, work.items), (2.0 * 128.0 * 27.0, 2.0));
    assert_eq!((work.bytes_in, work.bytes_constant, work.bytes_out), (1296.0, 432.0, 512.0));
    assert_eq!(work.op_kind, OpKind::F32);
    let narrow = ConvShape { dtype: GemmType::Bf16, ..layer(2, 3, (6, 6), 4, (3, 3)) };
    let half = Layer(narrow).work();
    assert_eq!((half.ops, half.op_kind), (work.ops, OpKind::Bf16));
    assert_eq!((half.bytes_in, half.bytes_constant, half.bytes_out), (648.0, 216.0, 256.0));
}

fn case(pairs: &[(&str, i64)], texts: &[(&str, &str)]) -> Result<Box<dyn Case>, CaseError> {
    let mut params = Params::default();
    for (key, value) in pairs {
        params.set(key, Value::Int(*value));
    }
    for (key, value) in texts {
        params.set(key, Value::Text((*value).into()));
    }
    CONVOLUTION.case(&params, &NoFiles)
}

#[test]
fn keys_and_bad_parameters() {
    let base = [("c_in", 64), ("height", 56), ("width", 28), ("c_out", 32)];
    let with = |more: &[(&'static str, i64)]| [&base, more].concat();
    let key = |more: &[(&'static str, i64)]| case(&with(more), &[]).unwrap().key();
    assert_eq!(
        key(&[("batch", 8), ("kernel", 3), ("padding", 1)]),
        "convolution dtype=f32 batch=8 c_in=64 height=56 width=28 c_out=32 kernel=3 stride=1 \
         padding=1"
    );
    assert!(
        key(&[("kernel_h", 3), ("kernel_w", 1), ("groups", 2), ("dilation", 3)])
            .ends_with("kernel_h=3 kernel_w=1 stride=1 padding=0 dilation=3 groups=2")
    );
    let narrow = case(&with(&[("kernel", 1)]), &[("dtype", "bf16")]).unwrap().key();
    assert!(narrow.starts_with("convolution dtype=bf16 batch=1 c_in=64 "));
    let message = |more: &[(&'static str, i64)], texts: &[(&str, &str)]| {
        case(&with(more), texts).err().expect("refused").to_string()
    };
    assert!(message(&[], &[]).contains("`kernel` is missing"));
    assert!(message(&[("kernel_h", 3)], &[]).contains("`kernel_w` is missing"));
    assert!(message(&[("kernel", 3), ("kernel_h", 3)], &[]).contains("either"));
    assert!(message(&[("kernel", 3), ("groups", 3)], &[]).contains("multiple of groups = 3"));
    assert!(message(&[("kernel", 29)], &[]).contains("width = 28"));
    assert!(message(&[("kernel", 0)], &[]).contains("kernel = 0"));
    assert!(message(&[("kernel", 3)], &[("layout", "hwcn")]).contains("nchw, nhwc"));
    assert!(message(&[("kernal", 3)], &[]).contains("did you mean `kernel`"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_layer_is_right(batch in 1u32..3, groups in 1u32..4, c_in in 1u32..6, c_out in 1u32..12,
                          size in (1u32..20, 1u32..70), kernel in (1u32..5, 1u32..5),
                          stride in 1u32..4, padding in 0u32..3, dilation in 1u32..3) {
        let shape = ConvShape {
            stride, padding, dilation, groups,
            ..layer(batch, c_in * groups, size, c_out * groups, kernel)
        };
        let span = |taps: u32| dilation * (taps - 1) + 1;
        prop_assume!(span(kernel.0) <= size.0 + 2 * padding);
        prop_assume!(span(kernel.1) <= size.1 + 2 * padding);
        verify(shape);
    }

    #[test]
    fn any_depthwise_layer_is_right(batch in 1u32..3, channels in 1u32..40, filters in 1u32..3,
                                    size in (1u32..30, 1u32..80), kernel in 1u32..8,
                                    stride in 1u32..4, padding in 0u32..12, dilation in 0u32..4) {
        let shape = ConvShape {
            stride,
            padding,
            // Mostly 1.
            dilation: dilation.saturating_sub(1).max(1),
            groups: channels,
            ..layer(batch, channels, size, channels * filters, (kernel, kernel))
        };
        let span = shape.dilation * (kernel - 1) + 1;
        prop_assume!(span <= size.0.min(size.1) + 2 * padding);
        verify(shape);
    }
}
