//! What an activation function should be (Seo 2018): differentiable, not linear, monotonic. Found out from its values alone.

use sagittal_tensor::Activation;

/// Which of the three criteria a function meets, where layers use it (from -10 to 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Criteria {
    /// It has a derivative everywhere: the slopes on both sides of every number are the same.
    pub is_differentiable: bool,
    /// It is no straight line, so that layers one after the other can do more than one.
    pub is_nonlinear: bool,
    /// It never falls.
    pub is_monotonic: bool,
}

/// Numbers at which a function is looked at lie so far apart; 0, where functions have their kinks, is one of them.
const STEP: f64 = 1.0 / 128.0;
/// Half of them.
const N: i32 = 1280;
/// Distance over which a slope is taken, and how far the slopes on both sides may differ: a smooth function's by this distance times its
/// curvature, which is at most 1 or 2.
const SLOPE_OVER: f64 = 1e-6;
const SLOPES_DIFFER: f64 = 1e-4;
/// Rounding of values of up to 10.
const ROUNDING: f64 = 1e-12;

impl Criteria {
    /// Of a function.
    pub fn of(activation: Activation) -> Self {
        let f = |x: f64| activation.value(x);
        let at = || (-N..=N).map(|i| f64::from(i) * STEP);
        let jump = |x: f64| {
            let (left, right) = ((f(x) - f(x - SLOPE_OVER)) / SLOPE_OVER, (f(x + SLOPE_OVER) - f(x)) / SLOPE_OVER);
            (left - right).abs()
        };
        // Of a straight line every value is the mean of those to the left and right.
        let bend = |x: f64| (f(x) - 0.5 * (f(x - 1.0) + f(x + 1.0))).abs();
        Self {
            is_differentiable: at().all(|x| jump(x) < SLOPES_DIFFER),
            is_nonlinear: at().any(|x| bend(x) > SLOPES_DIFFER),
            is_monotonic: at().all(|x| f(x + STEP) >= f(x) - ROUNDING),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation_of;
    use sagittal_data::plan::ActivationKind;

    #[test]
    fn criteria_are_those_that_mathematics_knows() {
        for (kind, is_differentiable, is_monotonic) in [
            (ActivationKind::Relu, false, true),
            (ActivationKind::LeakyRelu, false, true),
            (ActivationKind::Tanh, true, true),
            (ActivationKind::Sigmoid, true, true),
            (ActivationKind::Softplus, true, true),
            // Its slope is 1 on both sides of 0.
            (ActivationKind::Elu, true, true),
            // Both fall on the left: GELU below -0.75, SiLU below -1.28.
            (ActivationKind::Gelu, true, false),
            (ActivationKind::Silu, true, false),
            (ActivationKind::Sine, true, false),
        ] {
            let found = Criteria::of(activation_of(kind, 0.01));
            assert_eq!(found, Criteria { is_differentiable, is_nonlinear: true, is_monotonic }, "{kind:?}");
        }
        let line = Activation::LeakyRelu { slope: 1.0 };
        assert_eq!(Criteria::of(line), Criteria { is_differentiable: true, is_nonlinear: false, is_monotonic: true });
    }

    #[test]
    fn the_kink_of_a_relu_is_at_zero_and_nowhere_else() {
        for (kind, below) in [(ActivationKind::Relu, 0.0), (ActivationKind::LeakyRelu, 0.01)] {
            let activation = activation_of(kind, 0.01);
            let quotient = |x: f64, h: f64| (activation.value(x + h) - activation.value(x)) / h;
            for h in [1e-2, 1e-5, 1e-8] {
                assert!((quotient(0.0, h) - 1.0).abs() < 1e-9 && (quotient(0.0, -h) - below).abs() < 1e-9, "{kind:?} over {h}");
                assert!((quotient(0.5, h.min(0.1)) - quotient(0.5, -h.min(0.1))).abs() < 1e-6, "{kind:?} at 0.5 over {h}");
            }
        }
    }
}
