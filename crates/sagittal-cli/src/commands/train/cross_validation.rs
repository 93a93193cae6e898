//! `sagittal train --cross-validate`: every fold, one after the other.

use anyhow::Context;
use sagittal_data::{Dataset, FoldChoice, Splits};
use sagittal_metrics::Metrics;

use super::{Trained, run_folder::RunFolder, train};
use crate::{args::TrainArgs, commands::compare, messages::Messages, stop::Stop};

/// Trains the folds that are not finished; the scores of all of them together.
///
/// Where somebody asked to stop, what came of the fold that was stopped.
pub(super) fn train_every_fold(args: &TrainArgs, messages: &Messages, stop: &Stop) -> anyhow::Result<Trained> {
    let splits_file = args.output.join(Splits::FILE_NAME);
    let (mut fold, mut n_left_out) = (0, 0);
    loop {
        let of_fold = TrainArgs { fold: FoldChoice::Index(fold), cross_validate: false, ..args.clone() };
        let is_finished = RunFolder::new(&args.output, of_fold.fold).validation().join("metrics.json").is_file();
        if args.resume && is_finished {
            messages.say(format_args!("fold {fold} is trained and scored already"));
        } else {
            messages.say(format_args!("fold {fold}"));
            let trained = train(&of_fold, messages, stop)?;
            n_left_out = n_left_out.max(trained.n_left_out);
            if trained.metrics.is_err() {
                return Ok(Trained { n_left_out, ..trained });
            }
        }
        // The first fold has written them.
        let splits = Splits::read(&splits_file, &Dataset::open(&args.dataset)?)?;
        fold += 1;
        if fold >= splits.n_folds() {
            break;
        }
    }
    let metrics: Metrics = compare::read(&args.output).context("the scores of the cross-validation")?;
    Ok(Trained { metrics: Ok(metrics), n_left_out })
}
