//! All that is decided before the first training: cases, plans, how long each training is.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use sagittal_data::{
    Case, Dataset, Fingerprint, Fold, FoldChoice, Plan, PlanOptions, Splits, TrainingSet, TrainingSetOptions, planner::NetName,
};
use sagittal_tensor::Device;

use super::{
    arm_plan,
    description::{Arm, CaseLimits, Settings, Study},
    folder::{FINGERPRINT, Record, StudyFolder},
    schedule::{Given, Schedule},
};
use crate::{
    args::StudyArgs,
    commands::{
        plan,
        region_masks::RegionMasks,
        train::{self, region_files},
    },
    messages::{Messages, Unit},
    outcome::WrongUse,
    stop::Stop,
};

/// Before predictions are timed, this part of the time is thought to be left for training.
const GUESSED_FOR_TRAINING: f64 = 0.8;

/// What the trainings of a study follow.
#[derive(Clone, Debug)]
pub(super) struct Preparation {
    pub(super) record: Record,
    pub(super) fold: Fold,
    /// Of every arm, its settings over the study's.
    pub(super) settings: Vec<Settings>,
    /// Of every arm.
    pub(super) plans: Vec<Plan>,
}

impl Preparation {
    /// Decides, or reads what was decided by the call that began; `None` if somebody asked to stop.
    #[allow(clippy::too_many_arguments, reason = "everything that decides what is trained")]
    pub(super) fn make(
        args: &StudyArgs,
        text: &str,
        study: &Study,
        dataset: &Dataset,
        folder: &StudyFolder,
        device: &Device,
        begin: Instant,
        messages: &Messages,
        stop: &Stop,
    ) -> anyhow::Result<Option<Self>> {
        let settings: Vec<Settings> = study.arms.iter().map(|arm| settings_of(arm, study, args)).collect();
        let digest = dataset.digest();
        if let Some(record) = folder.record()? {
            folder.refuse_other(&record, text, &digest, args.length.time, args.length.epochs)?;
            messages.say("going on with the study that was begun");
            let splits = Splits::read(&folder.0.join(Splits::FILE_NAME), dataset)?;
            let plans = study.arms.iter().map(|arm| Plan::read(&folder.plan(arm))).collect::<Result<_, _>>()?;
            return Ok(Some(Self { record, fold: splits.fold(FoldChoice::Index(study.fold))?, settings, plans }));
        }
        std::fs::create_dir_all(&folder.0).with_context(|| format!("cannot make {}", folder.0.display()))?;
        let splits = splits_of(study, dataset)?;
        let fold = splits.fold(FoldChoice::Index(study.fold)).map_err(|error| WrongUse(error.to_string()))?;
        let fingerprint = plan::fingerprint(dataset, PlanOptions::default().orientation, messages)?;
        let total = args.length.time.unwrap_or(study.time);
        let plans = plans_of(study, &settings, &fingerprint, args, total, device, messages)?;
        splits.write(&folder.0.join(Splits::FILE_NAME))?;
        crate::whole_file::write(&folder.0.join(FINGERPRINT), &serde_json::to_string_pretty(&fingerprint)?)?;
        for (arm, plan) in study.arms.iter().zip(&plans) {
            let path = folder.plan(arm);
            let parent = path.parent().unwrap_or(&folder.0);
            std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
            plan.write(&path)?;
        }
        if !args.dry_run {
            preprocess(dataset, &fold, &plans, folder, messages)?;
        }
        let Some(validation_s) = validation_times(study, &plans, dataset, &fold, folder, device, messages, stop)? else { return Ok(None) };
        let shares: Vec<f64> = settings.iter().map(Settings::shares).collect();
        let given = Given {
            left: total.saturating_sub(begin.elapsed()),
            validation_s: &validation_s,
            shares: &shares,
            most_seeds: study.seeds.len(),
            least: study.least_time,
        };
        let schedule = Schedule::share(&given).map_err(|needed| {
            let [least, needed, total] = [study.least_time, needed + begin.elapsed(), total].map(sagittal_data::plan::time_words);
            WrongUse(format!(
                "{total} are too short for {} arms of at least {least} each (times their shares), with their predictions; give about \
                 {needed} with --time, or lower least_time in a study of your own (--print writes this one)",
                study.arms.len()
            ))
        })?;
        let command: Vec<String> = std::env::args().collect();
        let record = Record {
            format_version: 1,
            program: concat!("sagittal ", env!("CARGO_PKG_VERSION")).to_owned(),
            command: command.join(" "),
            dataset: train::absolute(&dataset.root),
            dataset_sha256: digest,
            time_s: args.length.time.map(|time| time.as_secs_f64()),
            epochs: args.length.epochs,
            threads: rayon::current_num_threads(),
            device: args.on.device.to_string(),
            schedule,
        };
        folder.decide(&record, text)?;
        Ok(Some(Self { record, fold, settings, plans }))
    }

    /// The seeds that are trained with.
    pub(super) fn seeds<'a>(&self, study: &'a Study) -> &'a [u64] {
        &study.seeds[..self.record.schedule.n_seeds.min(study.seeds.len())]
    }
}

/// An arm's settings over the study's; `--epochs` holds for all.
fn settings_of(arm: &Arm, study: &Study, args: &StudyArgs) -> Settings {
    let settings = arm.settings.over(&study.defaults);
    Settings { epochs: args.length.epochs.or(settings.epochs), ..settings }
}

/// The usual folds; of the study's, at most so many cases.
fn splits_of(study: &Study, dataset: &Dataset) -> anyhow::Result<Splits> {
    let labelled = dataset.training.iter().filter(|case| case.labels.is_some()).count();
    let splits = Splits::make(dataset, Splits::N_FOLDS.min(labelled), Splits::NNUNET_SEED)?;
    if study.cases == CaseLimits::default() {
        return Ok(splits);
    }
    let folds = (0..splits.n_folds()).map(|index| splits.fold(FoldChoice::Index(index))).collect::<Result<Vec<_>, _>>()?;
    let limited = folds.into_iter().enumerate().map(|(index, fold)| match index == study.fold {
        true => Fold { training: spread(fold.training, study.cases.training), validation: spread(fold.validation, study.cases.validation) },
        false => fold,
    });
    let limited: Vec<Fold> = limited.collect();
    serde_json::from_value(serde_json::to_value(limited)?).context("the folds have the form of splits")
}

/// At most `limit` of the cases, evenly spread over their list.
fn spread(cases: Vec<String>, limit: Option<usize>) -> Vec<String> {
    let Some(limit) = limit.filter(|&limit| limit < cases.len()) else { return cases };
    (0..limit).map(|index| cases[(2 * index + 1) * cases.len() / (2 * limit)].clone()).collect()
}

/// The plan of every arm. All arms of one network start from the same plan of it.
fn plans_of(
    study: &Study,
    settings: &[Settings],
    fingerprint: &Fingerprint,
    args: &StudyArgs,
    total: Duration,
    device: &Device,
    messages: &Messages,
) -> anyhow::Result<Vec<Plan>> {
    let mut bases: Vec<(NetName, Plan)> = Vec::new();
    let mut plans = Vec::new();
    for (arm, settings) in study.arms.iter().zip(settings) {
        let net = settings.net.unwrap_or_default();
        let base = match bases.iter().find(|base| base.0 == net) {
            Some((_, base)) => base.clone(),
            None => {
                let time = settings.epochs.is_none().then(|| guessed_time(study, total));
                let base = base_plan(net, time, fingerprint, args, device, messages)
                    .with_context(|| format!("arm {}: {net} cannot be planned for {}", arm.name, fingerprint.dataset))?;
                bases.push((net, base.clone()));
                base
            }
        };
        plans.push(arm_plan::arm_plan(&arm.name, settings, &base)?);
    }
    Ok(plans)
}

/// About how long each training will be: with as many seeds as leave it its least.
fn guessed_time(study: &Study, total: Duration) -> Duration {
    let shares: f64 = study.arms.iter().map(|arm| arm.settings.over(&study.defaults).shares()).sum();
    let share = |n_seeds: usize| total.mul_f64(GUESSED_FOR_TRAINING / (n_seeds as f64 * shares.max(1.0)));
    (1..=study.seeds.len()).rev().map(share).find(|&time| time >= study.least_time).unwrap_or(study.least_time)
}

/// The planner's plan of a network; of a U-Net one that learns something in the time.
fn base_plan(
    net: NetName,
    time: Option<Duration>,
    fingerprint: &Fingerprint,
    args: &StudyArgs,
    device: &Device,
    messages: &Messages,
) -> anyhow::Result<Plan> {
    let defaults = PlanOptions::default();
    let options = PlanOptions { net, memory_bytes: args.budget.memory.unwrap_or(defaults.memory_bytes), ..defaults };
    let mut plan = match (net, time) {
        (NetName::Unet | NetName::Unet2d, Some(time)) => plan::within_time(&options, time, fingerprint, device, messages)?.0,
        _ => Plan::make(fingerprint, &options)?,
    };
    // The schedule says how long.
    plan.training.time_s = None;
    Ok(plan)
}

/// Preprocesses all cases once for all arms.
fn preprocess(dataset: &Dataset, fold: &Fold, plans: &[Plan], folder: &StudyFolder, messages: &Messages) -> anyhow::Result<()> {
    let mut keys = Vec::new();
    let cases: Vec<&Case> = fold.training.iter().chain(&fold.validation).filter_map(|id| dataset.training_case(id)).collect();
    for plan in plans {
        let key = plan.preprocessing_key();
        if keys.contains(&key) {
            continue;
        }
        keys.push(key);
        let options = TrainingSetOptions {
            cache: Some(folder.cache()),
            memory_bytes: 0,
            previous_stage: Default::default(),
            regions: region_files(dataset, fold, &RegionMasks::default(), plan)?,
        };
        let progress = messages.progress("preprocessing", Unit::Cases, cases.len() as u64);
        TrainingSet::prepare(dataset, &cases, plan, &options, &|done, total| progress.set(done as u64, total as u64))
            .context("cannot prepare the study; `sagittal check` lists everything that is wrong with the data set")?;
    }
    Ok(())
}

/// Seconds that the validation cases take in every arm: one is predicted and scored, by a network that has learned nothing.
#[allow(clippy::too_many_arguments, reason = "what a prediction is made of")]
fn validation_times(
    study: &Study,
    plans: &[Plan],
    dataset: &Dataset,
    fold: &Fold,
    folder: &StudyFolder,
    device: &Device,
    messages: &Messages,
    stop: &Stop,
) -> anyhow::Result<Option<Vec<f64>>> {
    messages.say("timing the prediction of a case in every arm");
    let Some(id) = fold.validation.get(fold.validation.len() / 2) else { return Ok(Some(vec![0.0; plans.len()])) };
    let place = folder.0.join("timing");
    let mut seconds: Vec<f64> = Vec::new();
    for (index, (arm, plan)) in study.arms.iter().zip(plans).enumerate() {
        if stop.requested() {
            return Ok(None);
        }
        let same = |other: &Plan| other.network == plan.network && other.patch == plan.patch && other.spacing_mm == plan.spacing_mm;
        let n_cases = train::n_predicted(plan, fold) as f64;
        let known = plans[..index].iter().position(same).map(|other| seconds[other]);
        seconds.push(match known {
            Some(known) => known,
            None => {
                let taken = train::validation_s(plan, dataset, id, &place, device, messages, stop);
                match taken.with_context(|| format!("arm {}: case {id} cannot be predicted", arm.name))? {
                    Some(taken) => taken * n_cases,
                    None => return Ok(None),
                }
            }
        });
    }
    remove(&place);
    Ok(Some(seconds))
}

/// What cannot be removed does no harm.
fn remove(place: &Path) {
    let _ = std::fs::remove_dir_all(place);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_cases_are_spread_over_all() {
        let cases: Vec<String> = (0..10).map(|i| i.to_string()).collect();
        assert_eq!(spread(cases.clone(), Some(3)), ["1", "5", "8"]);
        assert_eq!(spread(cases.clone(), Some(1)), ["5"]);
        assert_eq!(spread(cases.clone(), Some(10)), cases);
        assert_eq!(spread(cases.clone(), None), cases);
    }
}
