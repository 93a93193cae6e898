//! The `sagittal` program: words in, words out.
//!
//! `main` turns what happened into an exit code, `run` is the table of commands; each file in `commands` reads from top
//! to bottom as what happens.
#![forbid(unsafe_code)]

mod args;
mod commands;
mod device;
mod machine;
mod messages;
mod outcome;
mod stop;
mod table;
mod whole_file;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use args::{Cli, Command, Everywhere};
use messages::{Form, Messages};
use outcome::Outcome;

/// Keeps the large buffers of a training step for the next step.
#[global_allocator]
static ALLOCATOR: sagittal_tensor::KeepingAllocator = sagittal_tensor::KeepingAllocator::new(4 << 30);

fn main() -> ExitCode {
    let Cli { everywhere, command } = Cli::parse();
    let messages = Messages::new(everywhere.json);
    match run(everywhere, command, &messages) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            messages.error(&error);
            outcome::exit_code(&error)
        }
    }
}

fn run(everywhere: Everywhere, command: Command, messages: &Messages) -> anyhow::Result<Outcome> {
    start_threads(everywhere.threads)?;
    match command {
        Command::Demo(args) => commands::demo::run(&args, messages),
        Command::Check(args) => commands::check::run(&args, messages),
        Command::Plan(args) => commands::plan::run(&args, messages),
        Command::Train(args) => commands::train::run(&args, messages),
        Command::Predict(args) => commands::predict::run(&args, messages),
        Command::Report(args) => commands::report::run(&args, messages),
        Command::Study(args) => commands::study::run(&args, messages),
        Command::Import(args) => commands::import::run(&args, messages),
        Command::Export(args) => commands::export::run(&args, messages),
        Command::View(args) => commands::view::run(&args, messages),
        Command::Explain(args) => commands::explain::run(&args, messages),
        Command::Evaluate(args) => commands::evaluate::run(&args, messages),
        Command::Choose(args) => commands::choose::run(&args, messages),
        Command::Calibrate(args) => commands::calibrate::run(&args, messages),
        Command::Compare(args) => commands::compare::run(&args, messages),
        Command::Statistics(args) => commands::statistics::run(&args, messages),
        Command::Phantom(args) => commands::phantom::run(&args, messages),
        Command::Fetch(args) => commands::fetch::run(&args, messages),
        Command::Bench(args) => {
            let form = if everywhere.json { Form::Json } else { Form::Words };
            commands::bench::run(&args, form, messages)
        }
    }
}

/// Fixes the number of threads of the whole program before anything computes.
fn start_threads(n_threads: Option<usize>) -> anyhow::Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads.unwrap_or(0));
    pool.build_global().context("cannot start the threads; ask for fewer with --threads")
}
