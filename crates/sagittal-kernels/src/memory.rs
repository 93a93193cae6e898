//! An allocator that keeps large blocks: a training loop asks for the same few hundred megabytes again and again, and
//! giving them back to the system costs a page fault for every four kilobytes at the next step.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;
use std::sync::Mutex;

/// Requests below this size go straight to the system's allocator.
const LARGE: usize = 256 * 1024;
/// Size classes per power of two: a block is at most an eighth larger than asked for.
const STEPS: usize = 8;
/// Classes from 256 KiB to 256 GiB; larger requests go to the system.
const CLASSES: usize = 20 * STEPS;
/// Kept blocks per class; more are given back.
const KEPT_PER_CLASS: usize = 64;
/// A request of this size that no kept block fits sends the kept ones back to the system first.
const LARGEST_BESIDE_KEPT: usize = 64 << 20;
/// Alignment of kept blocks: a cache line, and enough for any vector.
const ALIGN: usize = 64;

/// Keeps freed blocks of 256 KiB and more for the next request of about their size.
///
/// Install it in the binary with `#[global_allocator]`. Blocks lie in classes an eighth of a power of two apart. At most
/// `limit` bytes are kept unused; what is freed beyond that goes back to the system.
#[derive(Debug)]
pub struct KeepingAllocator {
    limit: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    bytes: usize,
    count: [u8; CLASSES],
    blocks: [[*mut u8; KEPT_PER_CLASS]; CLASSES],
}

// SAFETY: the pointers are freed blocks that nobody else holds; the mutex hands each to one thread.
unsafe impl Send for Kept {}

impl KeepingAllocator {
    /// An allocator that keeps at most `limit` bytes of unused blocks.
    pub const fn new(limit: usize) -> Self {
        let blocks = [[null_mut(); KEPT_PER_CLASS]; CLASSES];
        Self { limit, kept: Mutex::new(Kept { bytes: 0, count: [0; CLASSES], blocks }) }
    }

    /// Bytes of freed blocks that are kept now.
    pub fn kept_bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        // A panic cannot happen while it is held; were it poisoned, its contents would still be right.
        self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A kept block of the class, if there is one.
    fn take(&self, class: usize) -> Option<*mut u8> {
        let mut kept = self.lock();
        let last = kept.count[class].checked_sub(1)?;
        kept.count[class] = last;
        kept.bytes -= class_size(class);
        Some(kept.blocks[class][usize::from(last)])
    }

    /// A fresh block of the class. Before a large one is asked for, what is kept goes back to the system: work that has
    /// changed its sizes will not come back to the old ones, and both together might not fit.
    fn fresh(&self, class: usize, from_system: unsafe fn(&System, Layout) -> *mut u8) -> *mut u8 {
        if class_size(class) >= LARGEST_BESIDE_KEPT {
            self.give_back();
        }
        // SAFETY: the layout of a class has a size above zero.
        unsafe { from_system(&System, class_layout(class)) }
    }

    /// Gives all kept blocks back to the system.
    fn give_back(&self) {
        let mut kept = self.lock();
        for class in 0..CLASSES {
            for i in 0..usize::from(kept.count[class]) {
                // SAFETY: a kept block came from the system with the layout of its class, and nobody holds it.
                unsafe { System.dealloc(kept.blocks[class][i], class_layout(class)) };
            }
            kept.count[class] = 0;
        }
        kept.bytes = 0;
    }

    /// Keeps a block, if there is room for it.
    fn keep(&self, class: usize, block: *mut u8) -> bool {
        let mut kept = self.lock();
        let count = usize::from(kept.count[class]);
        if count == KEPT_PER_CLASS || kept.bytes + class_size(class) > self.limit {
            return false;
        }
        kept.blocks[class][count] = block;
        kept.count[class] += 1;
        kept.bytes += class_size(class);
        true
    }
}

/// The class of a request, or `None` where the system's allocator serves it.
fn class_of(layout: Layout) -> Option<usize> {
    if layout.size() < LARGE || layout.align() > ALIGN {
        return None;
    }
    // 2^power <= size - 1 < 2^(power + 1), and `step` counts the eighths of it that are filled.
    let size = layout.size() - 1;
    let power = size.ilog2();
    let step = (size >> (power - STEPS.ilog2())) - STEPS;
    let class = (power as usize + 1 - LARGE.ilog2() as usize) * STEPS + step;
    (class < CLASSES).then_some(class)
}

/// Bytes of the blocks of a class: the smallest class holds 256 KiB exactly.
fn class_size(class: usize) -> usize {
    let (power, step) = (class / STEPS, class % STEPS);
    (STEPS + step + 1) << (LARGE.ilog2() as usize - 1 + power - STEPS.ilog2() as usize)
}

fn class_layout(class: usize) -> Layout {
    // SAFETY: 64 is a power of two, and the largest class, rounded up, is far below isize::MAX.
    unsafe { Layout::from_size_align_unchecked(class_size(class), ALIGN) }
}

// SAFETY: blocks come from the system's allocator, are at least as large and as aligned as asked for, and are handed to one
// owner at a time; a class depends on the layout alone, so a block returns to the class that it came from.
unsafe impl GlobalAlloc for KeepingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class_of(layout) {
            // SAFETY: the caller's promise is passed on.
            None => unsafe { System.alloc(layout) },
            Some(class) => self.take(class).unwrap_or_else(|| self.fresh(class, System::alloc)),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class_of(layout) else {
            // SAFETY: the caller's promise is passed on.
            return unsafe { System.alloc_zeroed(layout) };
        };
        match self.take(class) {
            Some(block) => {
                // SAFETY: the block is at least `layout.size()` bytes long and nobody else's.
                unsafe { block.write_bytes(0, layout.size()) };
                block
            }
            None => self.fresh(class, System::alloc_zeroed),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match class_of(layout) {
            // SAFETY: the caller's promise is passed on; such a block came from the system with this layout.
            None => unsafe { System.dealloc(block, layout) },
            Some(class) if self.keep(class, block) => {}
            // SAFETY: the block came from the system with the layout of its class.
            Some(class) => unsafe { System.dealloc(block, class_layout(class)) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises that `new_size`, rounded up to the alignment, does not overflow.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        match (class_of(layout), class_of(new_layout)) {
            // SAFETY: the caller's promise is passed on.
            (None, None) => unsafe { System.realloc(block, layout, new_size) },
            (Some(old), Some(new)) if old == new => block,
            _ => {
                // SAFETY: both blocks are valid for the smaller of the two sizes and do not overlap.
                unsafe {
                    let moved = self.alloc(new_layout);
                    if !moved.is_null() {
                        std::ptr::copy_nonoverlapping(block, moved, layout.size().min(new_size));
                        self.dealloc(block, layout);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 16).expect("a small layout")
    }

    #[test]
    fn a_block_is_at_most_an_eighth_larger_than_asked_for() {
        assert_eq!(class_of(layout(LARGE - 1)), None);
        assert_eq!(class_size(class_of(layout(LARGE)).expect("a class")), LARGE);
        for size in (LARGE..20 * LARGE).step_by(4093) {
            let class = class_of(layout(size)).expect("a class");
            assert!(class_size(class) >= size && class_size(class) <= size + size / STEPS + 1, "{size} is served by {}", class_size(class));
            assert!(class == 0 || class_size(class - 1) < size);
        }
    }

    #[test]
    fn freed_blocks_return_zeroed_when_asked() {
        let allocator = KeepingAllocator::new(1 << 30);
        // SAFETY: blocks are used within their layouts and freed once.
        unsafe {
            let first = allocator.alloc(layout(LARGE));
            first.write_bytes(0xAB, LARGE);
            allocator.dealloc(first, layout(LARGE));
            assert_eq!(allocator.kept_bytes(), LARGE);
            let second = allocator.alloc_zeroed(layout(LARGE - 100 + 100));
            assert_eq!(first, second);
            assert!(std::slice::from_raw_parts(second, LARGE).iter().all(|&b| b == 0));
            let grown = allocator.realloc(second, layout(LARGE), 3 * LARGE);
            assert!(std::slice::from_raw_parts(grown, LARGE).iter().all(|&b| b == 0));
            let shrunk = allocator.realloc(grown, layout(3 * LARGE), 100);
            assert_eq!(*shrunk, 0);
            allocator.dealloc(shrunk, layout(100));
        }
        assert_eq!(allocator.kept_bytes(), LARGE + class_size(class_of(layout(3 * LARGE)).expect("a class")));
    }

    #[test]
    fn a_large_request_that_nothing_fits_empties_the_store() {
        let allocator = KeepingAllocator::new(1 << 30);
        // SAFETY: blocks are freed once, with their layouts.
        unsafe {
            let small = allocator.alloc(layout(LARGE));
            allocator.dealloc(small, layout(LARGE));
            let large = allocator.alloc_zeroed(layout(LARGEST_BESIDE_KEPT));
            assert_eq!(allocator.kept_bytes(), 0);
            allocator.dealloc(large, layout(LARGEST_BESIDE_KEPT));
        }
        assert_eq!(allocator.kept_bytes(), LARGEST_BESIDE_KEPT);
    }

    #[test]
    fn no_more_than_the_limit_is_kept() {
        let allocator = KeepingAllocator::new(2 * LARGE);
        // SAFETY: blocks are freed once, with their layouts.
        unsafe {
            let blocks: Vec<_> = (0..5).map(|_| allocator.alloc(layout(LARGE))).collect();
            for block in blocks {
                allocator.dealloc(block, layout(LARGE));
            }
        }
        assert_eq!(allocator.kept_bytes(), 2 * LARGE);
    }

    #[test]
    fn threads_never_share_a_block() {
        let allocator = KeepingAllocator::new(1 << 28);
        std::thread::scope(|scope| {
            for mark in 0..4_u8 {
                let allocator = &allocator;
                scope.spawn(move || {
                    for round in 0..200_usize {
                        let layout = layout(LARGE + round % 7 * 40_000);
                        // SAFETY: the block is used within its layout and freed once.
                        unsafe {
                            let block = allocator.alloc(layout);
                            block.write_bytes(mark, layout.size());
                            std::thread::yield_now();
                            assert!(std::slice::from_raw_parts(block, layout.size()).iter().all(|&b| b == mark));
                            allocator.dealloc(block, layout);
                        }
                    }
                });
            }
        });
    }
}
