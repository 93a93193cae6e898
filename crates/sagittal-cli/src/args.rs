//! What was typed. The commands turn it into built objects; nothing here opens a file.
//!
//! An option stands only with the commands on which it has an effect. `--threads` and `--json` have one everywhere.

mod bench;
mod datasets;
mod exchange;
mod explain;
mod quantity;
mod results;
mod study;
mod training;
mod view;

use clap::{Args, Parser, Subcommand};
use sagittal_tensor::DeviceName;

pub(crate) use bench::BenchArgs;
pub(crate) use datasets::{CheckArgs, Configuration, FetchArgs, PhantomArgs, PhantomKind, PlanArgs, Preset};
pub(crate) use exchange::{
    CheckpointChoice, ExportArgs, ExportFileArgs, ExportNnunetArgs, ExportTo, ImportArgs, ImportFrom, ImportNnunetArgs, LogitChoice,
};
pub(crate) use explain::{ExplainArgs, Topic};
pub(crate) use quantity::duration;
pub(crate) use results::{
    CalibrateArgs, ChooseArgs, CompareArgs, EvaluateArgs, PredictArgs, ReportArgs, Scoring, StatisticsArgs, SurfaceKind,
};
pub(crate) use study::StudyArgs;
pub(crate) use training::{DemoArgs, Length, TrainArgs};
pub(crate) use view::{Drawing, Form, ViewArgs};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "sagittal",
    version,
    about = "Plans, trains, runs and scores segmentation networks for medical images, in 2-D and 3-D.",
    after_help = "Exit codes: 0 done; 1 some case or step failed (the rest is done and the failures are listed); 2 wrong use; 130 \
                  stopped by Ctrl-C; what is written is whole, a training goes on with --resume, a study with the same command.\n\
                  Results go to standard output, messages to standard error. Not a medical device.",
    arg_required_else_help = true,
    max_term_width = 110
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Everywhere {
    /// Number of threads that compute [default: one per processor]
    #[arg(long, global = true, value_name = "N", value_parser = quantity::count)]
    pub(crate) threads: Option<usize>,

    /// Print the result as JSON on standard output instead of words and tables
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// The commands, in the order in which a project needs them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(DemoArgs),
    Check(CheckArgs),
    Plan(PlanArgs),
    Train(TrainArgs),
    Predict(PredictArgs),
    Evaluate(EvaluateArgs),
    Compare(CompareArgs),
    Choose(ChooseArgs),
    Calibrate(CalibrateArgs),
    Statistics(StatisticsArgs),
    Report(ReportArgs),
    Study(StudyArgs),
    Import(ImportArgs),
    Export(ExportArgs),
    View(ViewArgs),
    Explain(ExplainArgs),
    Phantom(PhantomArgs),
    Fetch(FetchArgs),
    Bench(BenchArgs),
}

/// Where randomness begins.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Seeded {
    /// Where randomness begins: the same seed, threads and machine give the same result
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
}

/// How much memory may be used.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Budgeted {
    /// Memory to stay within, such as 8G or 500M (units of 1024) [default: chosen by the plan]
    #[arg(long, value_name = "SIZE", value_parser = quantity::bytes)]
    pub(crate) memory: Option<u64>,
}

/// What computes.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct OnDevice {
    /// What computes the network: cpu, gpu or cuda:0, as far as this program was built for them
    #[arg(long, value_name = "DEVICE", default_value_t = DeviceName::Cpu)]
    pub(crate) device: DeviceName,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let call = format!("sagittal {} ", command.get_name());
            assert!(help.contains("Example") && help.contains(&call), "{}: {help}", command.get_name());
        }
    }
}
