//! By which plan a run trains, and what is refused about it.

use anyhow::Context;
use sagittal_data::{
    Dataset, Plan, PlanOptions,
    plan::{RegionOfInterest, time_words},
};
use sagittal_tensor::Device;

use super::{origin::Origin, run_folder::RunFolder};
use crate::{
    args::TrainArgs,
    commands::{plan, region_masks::RegionMasks},
    messages::Messages,
    outcome::WrongUse,
};

/// The plan by which the run trains: the run's own if it has one, else one that was given, else a new one.
pub(super) fn plan_of(
    args: &TrainArgs,
    origin: Option<&Origin>,
    dataset: &Dataset,
    folder: &RunFolder,
    masks: &RegionMasks,
    device: &Device,
    messages: &Messages,
) -> anyhow::Result<Plan> {
    let own = folder.root.join(Plan::FILE_NAME);
    if own.is_file() {
        let plan = Plan::read(&own)?;
        if let Some(given) = &args.plan
            && Plan::read(given).map(|given| as_asked(Plan { estimate: plan.estimate, ..given }, args))? != plan
        {
            let cure = "leave --plan out, or name another folder with -o";
            return Err(WrongUse(format!("{} is not the plan of the run, {}; {cure}", given.display(), own.display())).into());
        }
        if let Some(length) = args.pretrain
            && plan.training.pretraining.is_none_or(|own| own.length != length)
        {
            let cure = "leave --pretrain out, or name another folder with -o";
            return Err(WrongUse(format!("the plan of the run, {}, has another pre-training; {cure}", own.display())).into());
        }
        refuse_other_dataset(&plan, dataset)?;
        refuse_too_large(&plan, args)?;
        return Ok(plan);
    }
    let mut plan = match &args.plan {
        Some(given) => Plan::read(given)?,
        None => {
            let defaults = PlanOptions::default();
            let memory_bytes = args.budget.memory.unwrap_or(defaults.memory_bytes);
            let region_masks = masks.are_there(&dataset.training);
            let options = PlanOptions { net: args.net, memory_bytes, region_masks, ..defaults };
            let orientation = origin.map_or(options.orientation, |origin| origin.plan.orientation);
            let fingerprint = plan::fingerprint(dataset, orientation, messages)?;
            crate::whole_file::write(&folder.root.join("fingerprint.json"), &serde_json::to_string_pretty(&fingerprint)?)?;
            match (origin, args.length.time) {
                (Some(origin), _) => {
                    messages.say("training by the plan of the model that is started from, with the channels and labels of the data set");
                    origin.plan.adapted_to(&fingerprint).context("the model's plan does not fit the data set")?
                }
                (None, Some(time)) => {
                    let (plan, words) = plan::within_time(&options, time, &fingerprint, device, messages)?;
                    messages.say(format_args!("planned for {}, because --plan was not given\n{}", time_words(time), words.trim_end()));
                    plan
                }
                (None, None) => Plan::make(&fingerprint, &options)?,
            }
        }
    };
    plan = as_asked(plan, args);
    plan.validate()?;
    refuse_other_dataset(&plan, dataset)?;
    refuse_too_large(&plan, args)?;
    // Whoever edited the plan did not work out what it costs now.
    plan.estimate = plan.estimated();
    plan.write(&own)?;
    Ok(plan)
}

/// The plan with what `--teacher` and `--pretrain` add to it, so that it alone tells how to repeat the training.
fn as_asked(mut plan: Plan, args: &TrainArgs) -> Plan {
    if args.teacher.is_some() {
        plan.training.distillation.get_or_insert_default();
    }
    if let Some(length) = args.pretrain {
        plan.training.pretraining.get_or_insert_default().length = length;
    }
    plan
}

/// Refuses a plan that was made for other images than the data set has.
fn refuse_other_dataset(plan: &Plan, dataset: &Dataset) -> Result<(), WrongUse> {
    let same_labels = plan.labels == dataset.labels && plan.regions == dataset.regions && plan.ignore_label == dataset.ignore_label;
    if plan.channels.len() == dataset.channels.len() && same_labels {
        return Ok(());
    }
    let cure = "plan this data set with `sagittal plan`, or name another run with -o";
    Err(WrongUse(format!("the plan was made for other channels or labels than {} has; {cure}", dataset.name)))
}

/// Refuses masks that the plan does not ask for.
pub(super) fn refuse_masks_without_use(args: &TrainArgs, plan: &Plan) -> Result<(), WrongUse> {
    match &args.roi {
        Some(folder) if plan.region_of_interest != Some(RegionOfInterest::Masks) => Err(WrongUse(format!(
            "the plan does not ask for masks, so --roi {} has no meaning; leave it out, or plan a voxel classifier with `sagittal plan \
             --net patch-2d --roi`",
            folder.display()
        ))),
        _ => Ok(()),
    }
}

/// Refuses a plan that takes more memory than was allowed; one that is made here fits.
fn refuse_too_large(plan: &Plan, args: &TrainArgs) -> Result<(), WrongUse> {
    let needed = plan.estimated().memory_bytes;
    match args.budget.memory {
        Some(allowed) if needed > allowed => Err(WrongUse(format!(
            "training by this plan takes about {} MB, and --memory allows {} MB; make its patch or batch smaller, or make a plan \
             with `sagittal plan --memory`",
            needed.div_ceil(1 << 20),
            allowed >> 20
        ))),
        _ => Ok(()),
    }
}
