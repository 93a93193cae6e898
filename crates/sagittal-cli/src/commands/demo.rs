//! `sagittal demo`: the main job from end to end on a built-in synthetic set.

use anyhow::{Context, bail};
use sagittal_data::{
    Case, Dataset, Fingerprint, FoldChoice, Plan, PlanOptions,
    phantom::{self, PhantomOptions, PhantomSet},
    planner::NetName,
};
use serde_json::json;

use crate::{
    args::{Budgeted, CheckpointChoice, DemoArgs, EvaluateArgs, Length, PhantomKind, PredictArgs, ReportArgs, Scoring, TrainArgs},
    commands::{check, evaluate, predict, report, train},
    messages::Messages,
    outcome::{Outcome, WrongUse},
    stop::Stop,
};

const TRAINING_CASES: usize = 20;
const TEST_CASES: usize = 4;
/// Half of what a training of an hour has: a demonstration lasts minutes, and many quick steps teach more than few slow ones.
const BASE_FEATURES: usize = 8;
/// Retina pictures are drawn at half of DRIVE's size: a demonstration lasts minutes.
const PICTURE_SIZE: [usize; 2] = [292, 283];

pub(crate) fn run(args: &DemoArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    let stop = Stop::on_ctrl_c()?;
    if args.out.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        let cure = "name another with --out, or delete it";
        return Err(WrongUse(format!("{} is not empty; {cure}", args.out.display())).into());
    }
    let (data, run, labels) = (args.out.join("data"), args.out.join("run"), args.out.join("labels"));

    messages.say("\n== phantom: drawing a synthetic data set");
    let set = draw(args, &data)?;
    messages.say(format_args!("{} training and {} test cases in {}", set.training.len(), set.test.len(), data.display()));

    messages.say("\n== check: reading every case");
    let dataset = Dataset::open(&data)?;
    let faults = check::find_faults(&dataset, messages);
    messages.say(check::in_words(&dataset, &faults));
    if check::outcome(&faults) != Outcome::Done {
        bail!("the built-in data set has faults, which is a fault of this program");
    }

    messages.say("\n== plan and train: fold 0");
    let plan_file = args.out.join(Plan::FILE_NAME);
    let cases: Vec<&Case> = dataset.training.iter().collect();
    let options = PlanOptions { base_features: Some(BASE_FEATURES), ..PlanOptions::default() };
    let fingerprint = Fingerprint::extract(&dataset, &cases, options.orientation, &|_, _| {})?;
    Plan::make(&fingerprint, &options)?.write(&plan_file)?;
    let training = TrainArgs {
        dataset: data.clone(),
        output: run.clone(),
        plan: Some(plan_file),
        net: NetName::Unet,
        roi: None,
        fold: FoldChoice::Index(0),
        cross_validate: false,
        length: Length { time: Some(args.time), epochs: None },
        patience: None,
        from: None,
        previous: None,
        record_gradients: false,
        teacher: None,
        pretrain: None,
        resume: false,
        budget: Budgeted { memory: None },
        random: args.random,
        on: args.on,
        cache: None,
    };
    let Ok(validation) = train::train(&training, messages, &stop)?.metrics else {
        messages.say(format_args!(
            "go on with: sagittal train {} -o {} --time {}s --resume",
            data.display(),
            run.display(),
            args.time.as_secs()
        ));
        return Ok(Outcome::Stopped);
    };
    messages.say(evaluate::in_words(&validation));

    messages.say("\n== predict and evaluate: the test cases");
    let prediction = PredictArgs {
        roi: None,
        paths: vec![run.clone(), data.clone()],
        output: labels.clone(),
        checkpoint: CheckpointChoice::Final,
        no_mirror: false,
        probabilities: true,
        uncertainty: false,
        flag_below: 0.0,
        dropout_samples: None,
        random: args.random,
        memory: None,
        on: args.on,
    };
    let predicted = predict::predict(&prediction, messages, &stop)?;
    if !predicted.not_reached.is_empty() {
        messages.say(format_args!("go on with: sagittal predict {} {} -o {}", run.display(), data.display(), labels.display()));
        return Ok(Outcome::Stopped);
    }
    if let Some((case, reason)) = predicted.failed.first() {
        bail!("case {case}: {reason}");
    }
    let reference = match args.kind {
        PhantomKind::Hippocampus => data.join("labelsTs"),
        PhantomKind::Retina => data.join("test").join("1st_manual"),
    };
    let evaluation = EvaluateArgs {
        predictions: labels.clone(),
        reference,
        labels: None,
        output: Some(labels),
        scoring: Scoring::default(),
        random: args.random,
    };
    let test = evaluate::evaluate(&evaluation, messages)?;
    messages.say(evaluate::in_words(&test));

    messages.say("\n== report");
    let page = report::write(&ReportArgs { run }, messages)?;
    let page = std::path::absolute(&page).with_context(|| format!("cannot find {}", page.display()))?;
    let (validation_dice, test_dice) = (validation.foreground_dice.mean, test.foreground_dice.mean);
    let json = json!({ "report": page, "validation_dice": validation_dice, "test_dice": test_dice });
    let dice = |mean: Option<f64>| mean.map_or("undefined".to_owned(), |mean| format!("{mean:.3}"));
    messages.result(&json, || {
        format!("mean foreground Dice: validation {}, test {}\nopen {}", dice(validation_dice), dice(test_dice), page.display())
    })?;
    Ok(if validation.failed.is_empty() && test.failed.is_empty() { Outcome::Done } else { Outcome::SomeFailed })
}

fn draw(args: &DemoArgs, folder: &std::path::Path) -> anyhow::Result<PhantomSet> {
    let options = PhantomOptions { cases: TRAINING_CASES, test_cases: TEST_CASES, seed: args.random.seed, ..PhantomOptions::default() };
    Ok(match args.kind {
        PhantomKind::Hippocampus => phantom::write_hippocampus(folder, &options)?,
        PhantomKind::Retina => phantom::write_retina(folder, &PhantomOptions { picture_size: PICTURE_SIZE, ..options })?,
    })
}
