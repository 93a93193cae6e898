//! `sagittal plan`: how a data set would be treated, in words, and on request as JSON.

use anyhow::Context;
use sagittal_data::{Case, Dataset, Fingerprint, Plan, PlanOptions};

use crate::{
    args::PlanArgs,
    messages::{Messages, Unit},
    outcome::{Outcome, WrongUse},
};

pub(crate) fn run(args: &PlanArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    WrongUse::unless_exists(&args.dataset, "the folder of a data set")?;
    let dataset = Dataset::open(&args.dataset)?;
    let cases: Vec<&Case> = dataset.training.iter().filter(|case| case.labels.is_some()).collect();
    let defaults = PlanOptions::default();
    let options = PlanOptions { memory_bytes: args.budget.memory.unwrap_or(defaults.memory_bytes), ..defaults };
    let fingerprint = {
        let progress = messages.progress("reading", Unit::Cases, cases.len() as u64);
        Fingerprint::extract(&dataset, &cases, options.orientation, &|done, total| progress.set(done as u64, total as u64))
            .context("cannot plan; `sagittal check` lists everything that is wrong with the data set")?
    };
    let plan = Plan::make(&fingerprint, &options)?;
    if let Some(file) = &args.output {
        plan.write(file)?;
        messages.say(format_args!(
            "wrote {}; edit it and train by it with: sagittal train DATASET -o RUN --plan {}",
            file.display(),
            file.display()
        ));
    }
    messages.result(&plan, || plan.describe())?;
    Ok(Outcome::Done)
}
