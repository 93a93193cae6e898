//! Activation functions: the one definition that everything in the program uses.
//!
//! [`Activation::value`] and [`Activation::derivative`] are the definition, in f64 and number by number; plots and criteria are
//! worked out from them. [`activation_in_place`] and [`activation_backward_in_place`] are the fast twins on slices in f32; their
//! approximations are in `activation/fast.rs`.

mod fast;
#[cfg(test)]
mod tests;

use crate::simd::{Kernel, Vector, simd};
use rayon::prelude::*;
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `x` above 0, `slope x` below; ReLU where the slope is 0 (Maas et al. 2013).
    LeakyRelu {
        /// Below 0.
        slope: f32,
    },
    /// The hyperbolic tangent.
    Tanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `ln(1 + exp(x))`.
    Softplus,
    /// `x` above 0, `exp(x) - 1` below (Clevert et al. 2016).
    Elu,
    /// `x` times the normal distribution function of `x`, exact (Hendrycks and Gimpel 2016).
    Gelu,
    /// `x` times its sigmoid (Elfwing et al. 2018).
    Silu,
    /// The sine.
    Sine,
}

impl Activation {
    /// ReLU: a leaky one without a leak.
    pub const RELU: Self = Self::LeakyRelu { slope: 0.0 };

    /// Its value at `x`.
    pub fn value(self, x: f64) -> f64 {
        match self {
            Self::LeakyRelu { slope } => {
                if x > 0.0 {
                    x
                } else {
                    f64::from(slope) * x
                }
            }
            Self::Tanh => x.tanh(),
            Self::Sigmoid => sigmoid(x),
            Self::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Self::Elu => {
                if x > 0.0 {
                    x
                } else {
                    x.exp_m1()
                }
            }
            Self::Gelu => x * normal_distribution(x),
            Self::Silu => x * sigmoid(x),
            Self::Sine => x.sin(),
        }
    }

    /// Its derivative at `x`; where it has none, at the kink of a leaky ReLU, the slope below it, as PyTorch.
    pub fn derivative(self, x: f64) -> f64 {
        match self {
            Self::LeakyRelu { slope } => {
                if x > 0.0 {
                    1.0
                } else {
                    f64::from(slope)
                }
            }
            Self::Tanh => 1.0 - x.tanh().powi(2),
            Self::Sigmoid => sigmoid(x) * sigmoid(-x),
            Self::Softplus => sigmoid(x),
            Self::Elu => x.min(0.0).exp(),
            Self::Gelu => normal_distribution(x) + x * (-0.5 * x * x).exp() / (2.0 * PI).sqrt(),
            Self::Silu => sigmoid(x) * (1.0 + x * sigmoid(-x)),
            Self::Sine => x.cos(),
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn normal_distribution(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// Numbers of a piece of work: 64 KiB of each array.
const PIECE: usize = 16_384;

/// `x = f(x)`, number by number.
pub fn activation_in_place(activation: Activation, x: &mut [f32]) {
    let simd = simd();
    x.par_chunks_mut(PIECE).for_each(|x| simd.run(Forward { activation, x }));
}

/// `d_y = d_y f'(x)`: the gradient with respect to `x`, the input, written over that with respect to the result.
///
/// # Panics
/// If the slices differ in length.
pub fn activation_backward_in_place(activation: Activation, x: &[f32], d_y: &mut [f32]) {
    assert_eq!(x.len(), d_y.len(), "a gradient of equal shape");
    let simd = simd();
    d_y.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE)).for_each(|(d_y, x)| simd.run(Backward { activation, x, d_y }));
}

struct Forward<'a> {
    activation: Activation,
    x: &'a mut [f32],
}

struct Backward<'a> {
    activation: Activation,
    x: &'a [f32],
    d_y: &'a mut [f32],
}

// Loops, not closures: only what is inlined here is compiled for the instruction set.
macro_rules! each {
    ($x:expr, $function:expr) => {
        for x in $x {
            *x = $function(*x);
        }
    };
    ($d_y:expr, $x:expr, $function:expr) => {
        for (d_y, x) in $d_y.iter_mut().zip($x) {
            *d_y *= $function(*x);
        }
    };
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { activation, x } = self;
        match activation {
            Activation::LeakyRelu { slope } => {
                for x in x {
                    *x = if *x > 0.0 { *x } else { slope * *x };
                }
            }
            Activation::Tanh => each!(x, fast::tanh),
            Activation::Sigmoid => each!(x, fast::sigmoid),
            Activation::Softplus => each!(x, fast::softplus),
            Activation::Elu => each!(x, fast::elu),
            Activation::Gelu => each!(x, fast::gelu),
            Activation::Silu => each!(x, fast::silu),
            Activation::Sine => each!(x, fast::sin),
        }
    }
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { activation, x, d_y } = self;
        match activation {
            Activation::LeakyRelu { slope } => {
                for (d_y, x) in d_y.iter_mut().zip(x) {
                    *d_y = if *x > 0.0 { *d_y } else { slope * *d_y };
                }
            }
            Activation::Tanh => each!(d_y, x, fast::tanh_slope),
            Activation::Sigmoid => each!(d_y, x, fast::sigmoid_slope),
            Activation::Softplus => each!(d_y, x, fast::sigmoid),
            Activation::Elu => each!(d_y, x, fast::elu_slope),
            Activation::Gelu => each!(d_y, x, fast::gelu_slope),
            Activation::Silu => each!(d_y, x, fast::silu_slope),
            Activation::Sine => each!(d_y, x, fast::cos),
        }
    }
}
