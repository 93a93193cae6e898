//! The meeting place of the threads that make batches and the one that takes them in order.

use crate::{Batch, DataError};
use std::{
    any::Any,
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// A batch, why there is none, or the panic of its maker.
pub(super) type Made = Result<Result<Batch, DataError>, Box<dyn Any + Send>>;

/// Steps to be made and batches to be taken; at most `ahead` steps beyond the one that is waited for.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    ahead: u64,
}

#[derive(Debug)]
struct State {
    /// The first step nobody makes yet.
    next_made: u64,
    /// The first step nobody took yet.
    next_taken: u64,
    ready: BTreeMap<u64, Made>,
    stopped: bool,
}

impl Queue {
    pub(super) fn new(first_step: u64, ahead: usize) -> Self {
        let state = State { next_made: first_step, next_taken: first_step, ready: BTreeMap::new(), stopped: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), ahead: ahead as u64 }
    }

    /// The next step to make; waits while enough is prepared. `None` when it is over.
    pub(super) fn take_step(&self) -> Option<u64> {
        let mut state = self.lock();
        while !state.stopped && state.next_made >= state.next_taken.saturating_add(self.ahead) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.stopped {
            return None;
        }
        state.next_made += 1;
        Some(state.next_made - 1)
    }

    /// Hands over what was made.
    pub(super) fn put(&self, step: u64, made: Made) {
        self.lock().ready.insert(step, made);
        self.changed.notify_all();
    }

    /// Waits for the batch of a step.
    pub(super) fn get(&self, step: u64) -> Made {
        let mut state = self.lock();
        loop {
            if let Some(made) = state.ready.remove(&step) {
                state.next_taken = step + 1;
                drop(state);
                self.changed.notify_all();
                return made;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Tells the makers to end.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
