//! How tasks of one kernel write to one buffer.

/// A pointer into a buffer of which tasks write disjoint ranges.
#[derive(Clone, Copy)]
pub(crate) struct Shared(*mut f32);

// SAFETY: whoever uses it splits the buffer among the tasks; it lives as long as the call that made it.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(crate) fn of(buffer: &mut [f32]) -> Self {
        Self(buffer.as_mut_ptr())
    }

    /// For a tensor that may also be read elsewhere; see [`Shared::of`] for who may write.
    pub(crate) fn from_ptr(buffer: *mut f32) -> Self {
        Self(buffer)
    }

    pub(crate) fn get(self) -> *mut f32 {
        self.0
    }
}
