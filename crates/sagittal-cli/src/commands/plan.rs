//! `sagittal plan`: how a data set would be treated, in words, and on request as JSON.

mod speed;

use std::time::Duration;

use anyhow::Context;
use sagittal_data::{
    Case, Dataset, Fingerprint, Plan, PlanOptions,
    plan::{self, OrientationRule},
    planner::{self, NnunetOptions, TimedPlan},
};
use sagittal_tensor::Device;

use crate::{
    args::{Configuration, PlanArgs, Preset},
    commands::region_masks::RegionMasks,
    messages::{Messages, Unit},
    outcome::{Outcome, WrongUse},
};

pub(crate) fn run(args: &PlanArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    WrongUse::unless_exists(&args.dataset, "the folder of a data set")?;
    args.output.as_deref().map_or(Ok(()), WrongUse::if_folder)?;
    let dataset = Dataset::open(&args.dataset)?;
    // nnU-Net takes images as the files have them.
    let orientation = if args.like.is_some() { OrientationRule::File } else { PlanOptions::default().orientation };
    let fingerprint = fingerprint(&dataset, orientation, messages)?;
    let (plan, remark) = match (args.like, args.time) {
        (Some(_), _) => like_nnunet(args, &fingerprint)?,
        (None, Some(time)) => within_time(&options(args, &dataset), time, &fingerprint, &Device::cpu(), messages)?,
        (None, None) => (Plan::make(&fingerprint, &options(args, &dataset))?, String::new()),
    };
    if let Some(file) = &args.output {
        plan.write(file)?;
        messages.say(format_args!(
            "wrote {}; edit it and train by it with: sagittal train DATASET -o RUN --plan {}",
            file.display(),
            file.display()
        ));
    }
    messages.result(&plan, || plan.describe() + &remark)?;
    Ok(Outcome::Done)
}

/// Reads every labelled case.
pub(crate) fn fingerprint(dataset: &Dataset, orientation: OrientationRule, messages: &Messages) -> anyhow::Result<Fingerprint> {
    let cases: Vec<&Case> = dataset.training.iter().filter(|case| case.labels.is_some()).collect();
    let progress = messages.progress("reading", Unit::Cases, cases.len() as u64);
    Fingerprint::extract(dataset, &cases, orientation, &|done, total| progress.set(done as u64, total as u64))
        .context("cannot plan; `sagittal check` lists everything that is wrong with the data set")
}

fn options(args: &PlanArgs, dataset: &Dataset) -> PlanOptions {
    let defaults = PlanOptions::default();
    let memory_bytes = args.budget.memory.unwrap_or(defaults.memory_bytes);
    let region_masks = args.roi || RegionMasks::default().are_there(&dataset.training);
    PlanOptions { net: args.net, memory_bytes, region_masks, ..defaults }
}

/// nnU-Net's plan that was asked for, and which others it makes of the data set.
fn like_nnunet(args: &PlanArgs, fingerprint: &Fingerprint) -> anyhow::Result<(Plan, String)> {
    let preset = match args.preset.unwrap_or(Preset::Plain) {
        Preset::Plain => planner::Preset::Plain,
        Preset::ResencM => planner::Preset::ResEncM,
        Preset::ResencL => planner::Preset::ResEncL,
        Preset::ResencXl => planner::Preset::ResEncXl,
    };
    let memory_gb = args.budget.memory.map(|bytes| bytes as f64 / f64::from(1 << 30));
    let mut plans = Plan::like_nnunet(fingerprint, &NnunetOptions { preset, memory_gb, ..NnunetOptions::default() })?;
    let names: Vec<&str> = plans.iter().map(|(configuration, _)| configuration.name()).collect();
    let wanted = match args.configuration {
        Some(Configuration::TwoD) => planner::Configuration::TwoD,
        Some(Configuration::Lowres) => planner::Configuration::Lowres,
        Some(Configuration::Cascade) => planner::Configuration::Cascade,
        Some(Configuration::Fullres) => planner::Configuration::Fullres,
        // What nnU-Net's users train first.
        None if plans.len() > 1 => planner::Configuration::Fullres,
        None => planner::Configuration::TwoD,
    };
    let words = format!("{}; nnU-Net plans of this data set: {}", wanted.name(), names.join(", "));
    let Some(place) = plans.iter().position(|(configuration, _)| *configuration == wanted) else {
        let (name, names) = (wanted.name(), names.join(", "));
        return Err(WrongUse(format!("nnU-Net makes no {name} of this data set; choose among {names}")).into());
    };
    Ok((plans.swap_remove(place).1, plan::paragraph("Configuration", &words)))
}

/// The plan for a time, and what that time is compared with nnU-Net's schedule.
pub(crate) fn within_time(
    options: &PlanOptions,
    time: Duration,
    fingerprint: &Fingerprint,
    device: &Device,
    messages: &Messages,
) -> anyhow::Result<(Plan, String)> {
    messages.say("timing a few training steps on this machine");
    let mut step_s = |plan: &Plan| speed::step_s(plan, device);
    let TimedPlan { plan, step_s, steps } = Plan::within_time(fingerprint, options, time, &mut step_s)?;
    let mut words = format!("a step takes {} here, so about {steps} steps fit into {}", milliseconds(step_s), plan::time_words(time));
    if let Some((configuration, stock_s)) = stock_schedule_s(fingerprint, &plan, step_s) {
        let stock = plan::time_words(Duration::from_secs_f64(stock_s.round()));
        words += &format!("; nnU-Net's schedule, 1000 epochs of 250 steps of its {configuration}, would take about {stock} here");
    }
    Ok((plan, plan::paragraph("Time", &words)))
}

/// What nnU-Net's own plan and schedule would take, by its arithmetic and the speed that was measured.
fn stock_schedule_s(fingerprint: &Fingerprint, measured: &Plan, step_s: f64) -> Option<(&'static str, f64)> {
    let mut plans = Plan::like_nnunet(fingerprint, &NnunetOptions::default()).ok()?;
    // 2d and, of volumes, 3d_fullres.
    plans.truncate(2);
    let (configuration, stock) = plans.pop()?;
    let work = |plan: &Plan| plan.estimate.multiply_adds_per_patch as f64 * plan.batch_size as f64;
    let steps = (stock.training.epochs * stock.training.iterations_per_epoch) as f64;
    Some((configuration.name(), steps * step_s * work(&stock) / work(measured)))
}

fn milliseconds(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", 1e3 * seconds) } else { format!("{seconds:.1} s") }
}
