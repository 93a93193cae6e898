//! Buffers for results that a kernel overwrites from end to end.

/// A vector of `len` numbers of no particular value, for a result that is overwritten completely.
///
/// Clearing the results of a training step first costs a tenth of the step.
pub fn overwritten_vec(len: usize) -> Vec<f32> {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    {
        let mut values: Vec<f32> = Vec::with_capacity(len);
        let start = values.as_mut_ptr();
        // SAFETY: the capacity is `len`. The block of assembly may, as far as the compiler can know, have written every one
        // of the numbers behind the pointer that it is given, so they count as initialised; any bits are a valid f32.
        unsafe {
            std::arch::asm!("/* {0} */", in(reg) start, options(nostack, preserves_flags));
            values.set_len(len);
        }
        values
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    vec![0.0; len]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_length_and_can_be_written() {
        for len in [0, 1, 1000, 1_000_000] {
            let mut values = overwritten_vec(len);
            assert_eq!(values.len(), len);
            values.fill(2.0);
            assert!(values.iter().all(|&v| v == 2.0));
        }
    }
}
