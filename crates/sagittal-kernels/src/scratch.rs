//! Buffers that a kernel needs for a moment, kept per thread between calls: fresh pages cost more than the arithmetic.

use std::cell::RefCell;

/// Sixteen numbers: a cache line, so that rows of a buffer can start on one.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Line([f32; 16]);

thread_local! {
    static KEPT: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `f` with a buffer of `len` numbers whose values are whatever the last user left.
///
/// The buffer starts on a cache line. Calls nest: a task that the waiting thread takes over gets another buffer.
pub(crate) fn with_buffer<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    let lines = len.div_ceil(16);
    let mut buffer = KEPT.with_borrow_mut(|kept| {
        // The smallest that is large enough, else the largest: it grows.
        let best = (0..kept.len()).min_by_key(|&i| {
            let size = kept[i].len();
            (size < lines, if size < lines { usize::MAX - size } else { size })
        });
        best.map_or_else(Vec::new, |i| kept.swap_remove(i))
    });
    if buffer.len() < lines {
        // Nothing to keep: a fresh one costs no copy.
        buffer = vec![Line([0.0; 16]); lines];
    }
    // SAFETY: a `Line` is 16 `f32` without padding, and `len` of them fit into the buffer.
    let result = f(unsafe { std::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast::<f32>(), len) });
    KEPT.with_borrow_mut(|kept| kept.push(buffer));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_kept_and_nest() {
        let first = with_buffer(1000, |a| {
            assert_eq!(a.as_ptr() as usize % 64, 0);
            let inner = with_buffer(10, |b| b.as_ptr() as usize);
            assert_ne!(inner, a.as_ptr() as usize);
            a.as_ptr() as usize
        });
        assert_eq!(with_buffer(900, |a| a.as_ptr() as usize), first);
        assert_eq!(with_buffer(0, |a| a.len()), 0);
    }
}
