//! `sagittal phantom`: a built-in synthetic data set, written as an ordinary one.

use sagittal_data::phantom::{self, PhantomError, PhantomOptions, PhantomSet};

use crate::{
    args::{PhantomArgs, PhantomKind},
    messages::Messages,
    outcome::{Outcome, WrongUse},
};

pub(crate) fn run(args: &PhantomArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    WrongUse::if_file(&args.output)?;
    let options = PhantomOptions { cases: args.cases, test_cases: args.test_cases, seed: args.random.seed, ..PhantomOptions::default() };
    let written = match args.kind {
        PhantomKind::Hippocampus => phantom::write_hippocampus(&args.output, &options),
        PhantomKind::Retina => phantom::write_retina(&args.output, &options),
    };
    let PhantomSet { root, training, test } = written.map_err(|error| match error {
        // A folder that is in use already was named by mistake.
        PhantomError::NotEmpty { .. } => WrongUse(error.to_string()).into(),
        other => anyhow::Error::new(other),
    })?;
    let json = serde_json::json!({ "folder": root, "training": training, "test": test, "seed": options.seed });
    messages.result(&json, || {
        let (n_training, n_test, folder) = (training.len(), test.len(), root.display());
        format!("wrote {n_training} training and {n_test} test cases to {folder}\nnext: sagittal check {folder}")
    })?;
    Ok(Outcome::Done)
}
