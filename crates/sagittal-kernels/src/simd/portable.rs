//! Arrays of eight numbers: works on every machine, and shows what the other vector types mean.

use super::Vector;

#[derive(Clone, Copy)]
pub(super) struct Portable([f32; 8]);

// SAFETY (of every block): the trait's callers promise valid pointers.
#[allow(clippy::undocumented_unsafe_blocks, reason = "one reason for all, above")]
impl Vector for Portable {
    const LANES: usize = 8;
    /// Two 128-bit registers to a vector and 16 of them on the plainest x86-64: more rows would spill.
    const ROWS: usize = 3;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0.0; 8])
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; 8])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(unsafe { from.cast::<[f32; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self {
        let mut lanes = [0.0; 8];
        unsafe { std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), n) };
        Self(lanes)
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { to.cast::<[f32; 8]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        unsafe { std::ptr::copy_nonoverlapping(self.0.as_ptr(), to, n) }
    }
    #[inline(always)]
    unsafe fn add(mut self, other: Self) -> Self {
        for i in 0..8 {
            self.0[i] += other.0[i];
        }
        self
    }
    #[inline(always)]
    unsafe fn sub(mut self, other: Self) -> Self {
        for i in 0..8 {
            self.0[i] -= other.0[i];
        }
        self
    }
    #[inline(always)]
    unsafe fn mul(mut self, other: Self) -> Self {
        for i in 0..8 {
            self.0[i] *= other.0[i];
        }
        self
    }
    #[inline(always)]
    unsafe fn mul_add(mut self, factor: Self, addend: Self) -> Self {
        for i in 0..8 {
            self.0[i] = self.0[i] * factor.0[i] + addend.0[i];
        }
        self
    }
    #[inline(always)]
    unsafe fn neg_mul_add(mut self, factor: Self, addend: Self) -> Self {
        for i in 0..8 {
            self.0[i] = addend.0[i] - self.0[i] * factor.0[i];
        }
        self
    }
    #[inline(always)]
    unsafe fn where_positive(mut self, above: Self, otherwise: Self) -> Self {
        for i in 0..8 {
            self.0[i] = if self.0[i] > 0.0 { above.0[i] } else { otherwise.0[i] };
        }
        self
    }
}
