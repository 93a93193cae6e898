use super::*;
use crate::testing::{instruction_sets, noise, with_threads};
use crate::with_simd;

const ALL: [Activation; 10] = [
    Activation::RELU,
    Activation::LeakyRelu { slope: 0.01 },
    Activation::LeakyRelu { slope: 1.0 },
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Softplus,
    Activation::Elu,
    Activation::Gelu,
    Activation::Silu,
    Activation::Sine,
];

/// Everywhere that matters: dense near 0, out to where every function has reached its end.
fn inputs() -> Vec<f32> {
    let dense = (-40_000..=40_000).map(|i| i as f32 * 5e-4);
    let far = [0.0, -0.0, 1e-30, -1e-30, 1e-7, -1e-7, 50.0, -50.0, 87.0, -87.0, 88.5, -88.5, 200.0, -200.0, 1e4, -1e4, 1e30, -1e30];
    dense.chain(far).collect()
}

fn forward(activation: Activation, x: &[f32]) -> Vec<f32> {
    let mut y = x.to_vec();
    activation_in_place(activation, &mut y);
    y
}

fn slopes(activation: Activation, x: &[f32]) -> Vec<f32> {
    let mut d = vec![1.0; x.len()];
    activation_backward_in_place(activation, x, &mut d);
    d
}

/// Largest error relative to the value, or to 1 where that is larger.
fn worst(x: &[f32], found: &[f32], expected: impl Fn(f64) -> f64) -> (f64, f32) {
    let error = |(x, found): (&f32, &f32)| {
        let expected = expected(f64::from(*x));
        ((f64::from(*found) - expected).abs() / expected.abs().max(1.0), *x)
    };
    x.iter().zip(found).map(error).fold((0.0, 0.0), |a, b| if b.0 > a.0 || b.0.is_nan() { b } else { a })
}

#[test]
fn fast_values_and_slopes_equal_the_definition_to_a_few_roundings() {
    let mut x = inputs();
    for activation in ALL {
        if activation == Activation::Sine {
            // Beyond, one rounding of x is more than a turn.
            x.retain(|x| x.abs() < 1e6);
        }
        for set in instruction_sets() {
            let (y, d) = with_simd(set, || (forward(activation, &x), slopes(activation, &x)));
            let (error, at) = worst(&x, &y, |x| activation.value(x));
            assert!(error < 3e-7, "{activation:?} {set:?}: {error} at {at}");
            let (error, at) = worst(&x, &d, |x| activation.derivative(x));
            assert!(error < 4e-7, "slope of {activation:?} {set:?}: {error} at {at}");
        }
    }
}

#[test]
fn small_numbers_keep_their_relative_accuracy() {
    let x: Vec<f32> = (1..2000).flat_map(|i| [i as f32 * 1e-6, i as f32 * -1e-6]).collect();
    for activation in [Activation::Tanh, Activation::Elu, Activation::Gelu, Activation::Silu, Activation::Sine] {
        for (x, y) in x.iter().zip(forward(activation, &x)) {
            let expected = activation.value(f64::from(*x));
            // GELU's distribution function is a fraction of 1.2e-7 off before it is rounded, and twice its error counts at 0.
            assert!((f64::from(y) - expected).abs() < 6e-7 * expected.abs(), "{activation:?} of {x}: {y}, not {expected}");
        }
    }
}

#[test]
fn derivatives_are_those_of_the_values() {
    const STEP: f64 = 1e-5;
    for activation in ALL {
        for i in -600..=600 {
            // Never at the kink.
            let x = (f64::from(i) + 0.5) * 0.01;
            let quotient = (activation.value(x + STEP) - activation.value(x - STEP)) / (2.0 * STEP);
            assert!((quotient - activation.derivative(x)).abs() < 1e-8, "{activation:?} at {x}");
        }
    }
}

#[test]
fn every_length_and_number_of_threads_and_set_of_instructions_gives_the_same_bits() {
    for activation in ALL {
        for n in [0, 1, 7, 33, PIECE + 5] {
            let (x, d_y) = (noise(n, 1), noise(n, 2));
            let run = || {
                let mut d = d_y.clone();
                activation_backward_in_place(activation, &x, &mut d);
                (forward(activation, &x), d)
            };
            let expected = with_threads(1, run);
            assert_eq!(with_threads(3, run), expected, "{activation:?} of {n}");
            for set in instruction_sets() {
                assert_eq!(with_threads(1, || with_simd(set, run)), expected, "{activation:?} of {n}, {set:?}");
            }
        }
    }
}

#[test]
fn what_is_no_number_stays_none() {
    for activation in ALL {
        let y = forward(activation, &[f32::NAN, 1.0]);
        assert!(y[0].is_nan() && y[1].is_finite(), "{activation:?}: {y:?}");
    }
}

#[test]
fn values_and_gradients_are_those_of_pytorch() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/activations.npz");
    let golden = |key: &str| sagittal_testing::read_npz(&path, key).expect("the golden file").values;
    let x = golden("x");
    for (name, activation) in [
        ("relu", Activation::RELU),
        ("leaky_relu", Activation::LeakyRelu { slope: 0.01 }),
        ("tanh", Activation::Tanh),
        ("sigmoid", Activation::Sigmoid),
        ("softplus", Activation::Softplus),
        ("elu", Activation::Elu),
        ("gelu", Activation::Gelu),
        ("silu", Activation::Silu),
        ("sine", Activation::Sine),
    ] {
        for (what, found) in [("value", forward(activation, &x)), ("gradient", slopes(activation, &x))] {
            for ((x, found), expected) in x.iter().zip(found).zip(golden(&format!("{name}_{what}"))) {
                let error = (found - expected).abs() / expected.abs().max(1.0);
                assert!(error < 5e-7, "{what} of {name} at {x}: {found}, not {expected}");
            }
        }
    }
}
