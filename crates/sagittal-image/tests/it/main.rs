//! Files and resampling against other programs' results.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod corpses;
mod files;
mod mutation;
mod nnunet;
mod resample;
mod round_trip;
