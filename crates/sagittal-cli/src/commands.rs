//! One file per command; each reads from top to bottom as what happens.

pub(crate) mod bench;
pub(crate) mod calibrate;
pub(crate) mod check;
pub(crate) mod choose;
pub(crate) mod compare;
pub(crate) mod demo;
pub(crate) mod evaluate;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod fetch;
pub(crate) mod import;
pub(crate) mod phantom;
pub(crate) mod plan;
pub(crate) mod predict;
pub(crate) mod region_masks;
pub(crate) mod report;
pub(crate) mod statistics;
pub(crate) mod study;
pub(crate) mod train;
pub(crate) mod view;
