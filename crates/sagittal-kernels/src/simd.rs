//! Which vector instructions the kernels use, chosen at run time, and the vector type that kernels are written against.
//!
//! A kernel is written once, generic over `Vector`, as a `Kernel`; `Simd::run` compiles it for each instruction set
//! (the `#[target_feature]` functions are in the modules below) and calls the one that was chosen.

use std::cell::Cell;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

/// A set of vector instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Simd {
    /// 16 numbers at a time (x86-64 with AVX-512F).
    Avx512,
    /// 8 numbers at a time (x86-64 with AVX2 and FMA).
    Avx2,
    /// 4 numbers at a time (every 64-bit ARM).
    Neon,
    /// Arrays of 8 numbers that the compiler may or may not turn into vectors; works everywhere.
    Portable,
}

thread_local! {
    static FORCED: Cell<Option<Simd>> = const { Cell::new(None) };
}

/// The instructions that kernels called from this thread use: the widest of this machine, unless [`with_simd`] says
/// otherwise.
pub fn simd() -> Simd {
    FORCED.get().unwrap_or_else(Simd::widest)
}

/// Runs `f` with the kernels that it calls held to `simd`; for tests and measurements. Other threads are not touched: a
/// kernel asks once, on the thread that called it, and hands the answer to its tasks.
///
/// # Panics
/// If this machine does not have these instructions.
pub fn with_simd<R>(simd: Simd, f: impl FnOnce() -> R) -> R {
    assert!(simd.is_available(), "this machine has no {simd:?}");
    struct Restore(Option<Simd>);
    impl Drop for Restore {
        fn drop(&mut self) {
            FORCED.set(self.0);
        }
    }
    let _restore = Restore(FORCED.replace(Some(simd)));
    f()
}

impl Simd {
    /// Every instruction set, widest first.
    pub const ALL: [Self; 4] = [Self::Avx512, Self::Avx2, Self::Neon, Self::Portable];

    /// The widest instruction set of this machine.
    pub fn widest() -> Self {
        Self::ALL.into_iter().find(|s| s.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this machine has the instructions.
    #[cfg(target_arch = "x86_64")]
    pub fn is_available(self) -> bool {
        match self {
            Self::Avx512 => is_x86_feature_detected!("avx512f") && Self::Avx2.is_available(),
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Self::Neon => false,
            Self::Portable => true,
        }
    }

    /// Whether this machine has the instructions.
    #[cfg(target_arch = "aarch64")]
    pub fn is_available(self) -> bool {
        matches!(self, Self::Neon | Self::Portable)
    }

    /// Whether this machine has the instructions.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub fn is_available(self) -> bool {
        self == Self::Portable
    }

    /// Numbers in one vector.
    pub fn lanes(self) -> usize {
        match self {
            Self::Avx512 => 16,
            Self::Avx2 | Self::Portable => 8,
            Self::Neon => 4,
        }
    }

    /// Runs a kernel compiled for these instructions.
    ///
    /// # Panics
    /// If this machine does not have them: a value that [`simd`] gave always works.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        debug_assert!(self.is_available(), "this machine has no {self:?}");
        match self {
            // SAFETY: values of this type come from `simd`, which gives only instruction sets that were detected
            // (or checked by `with_simd`).
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::run(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::run(kernel) },
            // SAFETY: every 64-bit ARM processor has NEON.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => unsafe { neon::run(kernel) },
            // SAFETY: needs no particular instructions.
            _ => unsafe { kernel.run::<portable::Portable>() },
        }
    }
}

/// Work written once for every instruction set.
///
/// `run`, and all that it calls per element, must be `#[inline(always)]`: only then does it take over the instruction set
/// of the `#[target_feature]` function that it is called from. Closures do not inherit it and have no place in there.
pub(crate) trait Kernel {
    type Output;

    /// # Safety
    /// The machine must have the instructions of `V`.
    unsafe fn run<V: Vector>(self) -> Self::Output;
}

/// A vector of `f32`.
///
/// # Safety (of every method)
/// The machine must have the instructions, and pointers must be valid for the numbers that are read or written: `LANES`
/// of them, or `n <= LANES` for the `_first` methods. No alignment is asked for.
pub(crate) trait Vector: Copy {
    /// Numbers in one vector.
    const LANES: usize;
    /// Output pixels of the matrix kernels: rows of the register tile, which is two vectors wide.
    const ROWS: usize;

    unsafe fn zero() -> Self;
    unsafe fn splat(x: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    /// The first `n` numbers, zeros behind them.
    unsafe fn load_first(from: *const f32, n: usize) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn store_first(self, to: *mut f32, n: usize);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// `self * factor + addend`, rounded once or twice.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// `addend - self * factor`, rounded once or twice.
    unsafe fn neg_mul_add(self, factor: Self, addend: Self) -> Self;
    /// Lane by lane: `above` where `self > 0`, else `otherwise`.
    unsafe fn where_positive(self, above: Self, otherwise: Self) -> Self;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forcing_ends_with_its_scope() {
        let before = simd();
        with_simd(Simd::Portable, || assert_eq!(simd(), Simd::Portable));
        assert_eq!(simd(), before);
    }

    #[test]
    fn every_available_vector_type_computes_the_same() {
        struct Everything<'a>(&'a [f32], &'a mut [f32]);
        impl Kernel for Everything<'_> {
            type Output = ();

            #[inline(always)]
            unsafe fn run<V: Vector>(self) {
                let Self(x, y) = self;
                let mut i = 0;
                while i < x.len() {
                    let n = V::LANES.min(x.len() - i);
                    // SAFETY: `n` numbers are left from `i` on, in both slices.
                    unsafe {
                        let a = V::load_first(x.as_ptr().add(i), n);
                        let b = a.mul(V::splat(2.0)).add(V::splat(0.5)).sub(V::zero());
                        let c = a.mul_add(b, V::splat(3.0)).where_positive(a, b);
                        a.neg_mul_add(b, c).store_first(y.as_mut_ptr().add(i), n);
                    }
                    i += n;
                }
            }
        }
        let x = crate::testing::noise(37, 1);
        for simd in crate::testing::instruction_sets() {
            let mut y = vec![f32::NAN; x.len()];
            simd.run(Everything(&x, &mut y));
            for (&x, &y) in x.iter().zip(&y) {
                let b = x * 2.0 + 0.5;
                let c = if x * b + 3.0 > 0.0 { x } else { b };
                assert!((y - (c - x * b)).abs() < 1e-5, "{simd:?}: {y}");
            }
        }
    }
}
