//! Arguments of `explain`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Write a page that explains a part of what networks are made of, with numbers and plots from this program's own functions
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sagittal explain activations -o activations.html\n  sagittal explain activations -o activations.svg\n\n\
                        A file that ends in .svg gets the plots alone, side by side on the same axes."
)]
pub(crate) struct ExplainArgs {
    /// What to explain
    #[arg(value_enum)]
    pub(crate) topic: Topic,

    /// The page, .html, or its plots, .svg
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// What can be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Topic {
    /// Activation functions: each with its derivative, and which criteria it meets
    Activations,
}
