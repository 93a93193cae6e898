//! The end of a training: its validation cases as whole images, predicted, written and scored.

use std::ops::ControlFlow;

use anyhow::{Context, bail};
use sagittal_data::{Dataset, Fold, Plan, Seed};
use sagittal_image::{LabelMap, io};
use sagittal_infer::{Ensemble, PredictOptions};
use sagittal_metrics::{Bootstrap, CaseScore, FailedCase, LabelName, Metrics, ScoredRegion, score_case};
use sagittal_nets::Network;
use sagittal_tensor::Device;

use super::run_folder::RunFolder;
use crate::{
    commands::{evaluate, predict::label_extension},
    messages::{Messages, Unit},
    stop::Stop,
};

/// Predicts the validation cases with mirroring, writes `validation/CASE.ext`, `metrics.json` and `metrics.csv`.
#[allow(clippy::too_many_arguments, reason = "a training and everything that its scores depend on")]
pub(super) fn score(
    network: &Network,
    plan: &Plan,
    dataset: &Dataset,
    fold: &Fold,
    folder: &RunFolder,
    seed: Seed,
    device: &Device,
    messages: &Messages,
    stop: &Stop,
) -> anyhow::Result<Metrics> {
    let ensemble = Ensemble::new(vec![network.clone()], plan.clone(), device);
    let target = folder.validation();
    std::fs::create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;
    let labels: Vec<LabelName> =
        plan.labels.iter().skip(1).map(|label| LabelName { value: label.value, name: label.name.clone() }).collect();
    let values: Vec<u16> = labels.iter().map(|label| label.value).collect();
    let mut region = ScoredRegion::WholeImage;
    let mut score_one = |id: &str| -> anyhow::Result<CaseScore> {
        let case = dataset.training_case(id).context("the data set does not have it any more")?;
        let (image, reference) = (dataset.read_image(case)?, dataset.read_labels(case)?);
        let (geometry, header) = (image.geometry.clone(), image.header.clone());
        let labels = ensemble.predict(id, image, PredictOptions::default(), &mut |_, _| ControlFlow::Continue(()))?.labels;
        io::write_label_map(&target.join(format!("{id}{}", label_extension(&case.images[0]))), &labels, &geometry, &header)?;
        let inside = dataset.scored_voxels(case, &reference)?;
        if case.region.is_some() {
            region = ScoredRegion::FieldOfView;
        }
        let prediction = LabelMap { labels, geometry, header };
        Ok(CaseScore::new(id, score_case(&prediction, &reference, &values, inside.as_ref())?))
    };
    let (mut scores, mut failed) = (Vec::new(), Vec::new());
    {
        let progress = messages.progress("validating", Unit::Cases, fold.validation.len() as u64);
        for id in &fold.validation {
            if stop.requested() {
                bail!("stopped before all validation cases were scored; the same command with --resume scores them");
            }
            match score_one(id) {
                Ok(score) => scores.push(score),
                Err(error) => failed.push(FailedCase { case: id.clone(), reason: format!("{error:#}") }),
            }
            progress.advance();
        }
    }
    let bootstrap = Bootstrap { seed: seed.0, ..Bootstrap::default() };
    let metrics = Metrics::new(labels, region, scores, failed, &bootstrap);
    evaluate::write(&metrics, &target)?;
    Ok(metrics)
}
