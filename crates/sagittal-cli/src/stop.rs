//! Ctrl-C: the first asks long work to stop at its next step, the second ends the program at once.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::Context;

use crate::outcome::STOPPED_BY_CTRL_C;

/// Whether the user has asked to stop. Copies share one answer.
#[derive(Clone, Debug)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens for Ctrl-C, and for the signals by which a cluster or a shell ends a program. To be called once.
    pub(crate) fn on_ctrl_c() -> anyhow::Result<Self> {
        let stop = Self(Arc::new(AtomicBool::new(false)));
        let flag = Arc::clone(&stop.0);
        ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::SeqCst) {
                std::process::exit(STOPPED_BY_CTRL_C.into());
            }
            crate::messages::line("stopping at the next step; press Ctrl-C again to stop at once");
        })
        .context("cannot listen for Ctrl-C")?;
        Ok(stop)
    }

    /// Listens to nobody.
    #[cfg(test)]
    pub(crate) fn never() -> Self {
        Self(Arc::new(AtomicBool::new(false)))
    }

    /// As if Ctrl-C had been pressed already.
    #[cfg(test)]
    pub(crate) fn at_once() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// Whether work should stop at its next step.
    pub(crate) fn requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
