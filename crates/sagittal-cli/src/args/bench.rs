//! Arguments of `bench`.

use clap::{Args, builder::PossibleValuesParser};

use super::OnDevice;
use crate::commands::bench::work;

/// Time this machine on named works, and the whole way from a file to its labels
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sagittal bench --threads 2\n  sagittal bench --json --work unet3d-b2 --work conv3d-32\n\n\
                        Each figure is the median of three runs after one that does not count. GF/s count the multiplications and \
                        additions of the direct algorithm, so that a faster algorithm can exceed the machine's peak. With --json \
                        each result is one line of its own.")]
pub(crate) struct BenchArgs {
    /// Time only this work; may be given more than once [default: all works, and start-up, preprocessing and prediction]
    #[arg(long = "work", value_name = "NAME", value_parser = PossibleValuesParser::new(work::names()))]
    pub(crate) works: Vec<String>,

    #[command(flatten)]
    pub(crate) on: OnDevice,
}
