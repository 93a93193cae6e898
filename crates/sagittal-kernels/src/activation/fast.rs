//! Approximations in f32 that a compiler turns into vector instructions: no branch, no call, no table.
//!
//! Each is within a few roundings of the truth (`tests.rs` says how many). None uses a fused multiply-add, so results are the
//! same bit by bit whatever the instruction set.

use std::f64::consts::{FRAC_1_PI, PI};

/// Added to and taken from a number below 2^22, it rounds it to a whole one, which its lowest bits then hold.
const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23
/// The same for f64.
const ROUND_WIDE: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52
/// `ln 2` in two parts, the first of few bits so that its multiples are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// `2^k` and `exp(r) - 1` with `x = k ln 2 + r` and `r` at most half of `ln 2` in size.
///
/// Polynomial of Cephes' `expf` (Moshier). Beyond what f32 holds, `x` is taken as the nearest that fits.
#[inline(always)]
fn exp_parts(x: f32) -> (f32, f32) {
    let x = if x > 88.0 { 88.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let k = rounded - ROUND;
    let r = x - k * LN_2[0] - k * LN_2[1];
    let mut p = 1.987_569_2e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 0.166_666_66;
    p = p * r + 0.5;
    // The exponent's bits: k + 127.
    let power = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    (f32::from_bits(power), p * r * r + r)
}

#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let (power, rest) = exp_parts(x);
    power + power * rest
}

#[inline(always)]
fn exp_minus_one(x: f32) -> f32 {
    let (power, rest) = exp_parts(x);
    power * rest + (power - 1.0)
}

/// `(1 - e) / (1 + e)` with `e = exp(-2 |x|)`, which keeps its accuracy near 0 as `1 - e` is worked out directly.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let less = exp_minus_one(-2.0 * x.abs());
    (-less / (2.0 + less)).copysign(x)
}

#[inline(always)]
pub(super) fn tanh_slope(x: f32) -> f32 {
    let less = exp_minus_one(-2.0 * x.abs());
    let sum = 2.0 + less;
    // 1 - tanh² = 4 e / (1 + e)²
    4.0 * (less + 1.0) / (sum * sum)
}

#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
pub(super) fn sigmoid_slope(x: f32) -> f32 {
    let e = exp(-x.abs());
    let sum = 1.0 + e;
    e / (sum * sum)
}

/// `max(x, 0) + ln(1 + e)` with `e = exp(-|x|)`; the logarithm is `2 artanh(e / (2 + e))`, whose series is short for numbers of
/// at most a third.
#[inline(always)]
pub(super) fn softplus(x: f32) -> f32 {
    let e = exp(-x.abs());
    let s = e / (2.0 + e);
    let z = s * s;
    let mut p = 1.0 / 13.0;
    p = p * z + 1.0 / 11.0;
    p = p * z + 1.0 / 9.0;
    p = p * z + 1.0 / 7.0;
    p = p * z + 1.0 / 5.0;
    p = p * z + 1.0 / 3.0;
    let positive = if x > 0.0 { x } else { 0.0 };
    positive + 2.0 * (s + s * z * p)
}

#[inline(always)]
pub(super) fn elu(x: f32) -> f32 {
    let below = exp_minus_one(x);
    if x > 0.0 { x } else { below }
}

#[inline(always)]
pub(super) fn elu_slope(x: f32) -> f32 {
    let below = exp(x);
    if x > 0.0 { 1.0 } else { below }
}

/// The normal distribution function: half of the complementary error function, which on the left keeps its relative accuracy as it
/// falls to nothing (Press et al. 1992, "Numerical Recipes" section 6.2: a fractional error of at most 1.2e-7).
#[inline(always)]
fn normal_distribution(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * z);
    let mut p = 0.170_872_77;
    p = p * t - 0.822_152_2;
    p = p * t + 1.488_515_9;
    p = p * t - 1.135_204;
    p = p * t + 0.278_868_08;
    p = p * t - 0.186_288_06;
    p = p * t + 0.096_784_18;
    p = p * t + 0.374_091_96;
    p = p * t + 1.000_023_7;
    p = p * t - 1.265_512_2;
    let half = 0.5 * t * exp(p - z * z);
    if x > 0.0 { 1.0 - half } else { half }
}

#[inline(always)]
pub(super) fn gelu(x: f32) -> f32 {
    x * normal_distribution(x)
}

#[inline(always)]
pub(super) fn gelu_slope(x: f32) -> f32 {
    const DENSITY_AT_0: f32 = 0.398_942_3; // 1 / sqrt(2 pi)
    normal_distribution(x) + x * DENSITY_AT_0 * exp(-0.5 * x * x)
}

#[inline(always)]
pub(super) fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

#[inline(always)]
pub(super) fn silu_slope(x: f32) -> f32 {
    // Not `1 - sigmoid`, of which little is left where `x` is large.
    sigmoid(x) + x * sigmoid_slope(x)
}

#[inline(always)]
pub(super) fn sin(x: f32) -> f32 {
    sin_after(f64::from(x), 0.0)
}

#[inline(always)]
pub(super) fn cos(x: f32) -> f32 {
    sin_after(f64::from(x), 0.5)
}

/// `sin(x + shift pi)`, with `x + shift pi = k pi + r`. In f64, where taking away even millions of `pi` loses nothing that f32
/// would show.
#[inline(always)]
fn sin_after(x: f64, shift: f64) -> f32 {
    let turns = x * FRAC_1_PI + shift + ROUND_WIDE;
    let k = turns - ROUND_WIDE;
    let r = x - (k - shift) * PI;
    let z = r * r;
    // Taylor's series of the sine at 0, for r up to pi / 2.
    let mut p = 1.0 / 6_227_020_800.0;
    p = p * z - 1.0 / 39_916_800.0;
    p = p * z + 1.0 / 362_880.0;
    p = p * z - 1.0 / 5_040.0;
    p = p * z + 1.0 / 120.0;
    p = p * z - 1.0 / 6.0;
    let sine = r + r * z * p;
    // Every odd k turns the sign.
    f64::from_bits(sine.to_bits() ^ (turns.to_bits() << 63)) as f32
}
