//! Times of the whole way, on the built-in hippocampus phantom: starting, preprocessing, prediction.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail, ensure};
use sagittal_data::{
    Case, Dataset, Fingerprint, Plan, PlanOptions, Seed, TrainingSet, TrainingSetOptions,
    phantom::{self, PhantomOptions},
};
use sagittal_infer::{Ensemble, PredictOptions};
use sagittal_nets::Network;
use sagittal_tensor::Device;

use super::{Row, timing};

const NAME: &str = "pipeline";
const TRAINING_CASES: usize = 16;
/// More memory than the phantom's cases need.
const MEMORY_BYTES: u64 = 1 << 30;

/// Start-up of this program, preprocessing of training cases, prediction of one case.
pub(super) fn time(device: &Device) -> anyhow::Result<[Row; 3]> {
    let folder = Temporary::new()?;
    phantom::write_hippocampus(folder.path(), &PhantomOptions { cases: TRAINING_CASES, test_cases: 1, ..PhantomOptions::default() })?;
    let dataset = Dataset::open(folder.path())?;
    let cases: Vec<&Case> = dataset.training.iter().collect();
    let options = PlanOptions::default();
    let plan = Plan::make(&Fingerprint::extract(&dataset, &cases, options.orientation, &|_, _| ())?, &options)?;
    Ok([start_up()?, preprocessing(&dataset, &cases, &plan)?, prediction(&dataset, &plan, device)?])
}

/// From the call to the end of a program that only says its version.
fn start_up() -> anyhow::Result<Row> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let median_ms = timing::median_ms(|| {
        let status = Command::new(&program).arg("--version").stdout(Stdio::null()).status();
        ensure!(status.context("cannot start this program again")?.success(), "this program failed when it was started again");
        Ok(())
    })?;
    Ok(Row { work: NAME, pass: "start-up", median_ms, gflop: None, cases_per_s: None })
}

/// Files of images and labels to arrays for training, without the cache on disk.
fn preprocessing(dataset: &Dataset, cases: &[&Case], plan: &Plan) -> anyhow::Result<Row> {
    let options =
        TrainingSetOptions { cache: None, memory_bytes: MEMORY_BYTES, previous_stage: Default::default(), regions: Default::default() };
    let all_ms = timing::median_ms(|| {
        let set = TrainingSet::prepare(dataset, cases, plan, &options, &|_, _| ())?;
        ensure!(set.failures().is_empty(), "a case of the built-in phantom could not be preprocessed");
        Ok(())
    })?;
    let median_ms = all_ms / cases.len() as f64;
    Ok(Row { work: NAME, pass: "preprocess", median_ms, gflop: None, cases_per_s: Some(1e3 / median_ms) })
}

/// A file to its labels on its own grid, tiles mirrored, with the network of the phantom's plan (its weights untrained).
fn prediction(dataset: &Dataset, plan: &Plan, device: &Device) -> anyhow::Result<Row> {
    let network = Network::new(&plan.network, &mut Seed(0).stream(&[]), device)?;
    let ensemble = Ensemble::new(vec![network], plan.clone(), device);
    let Some(case) = dataset.test.first() else { bail!("the built-in phantom has no test case") };
    let median_ms = timing::median_ms(|| {
        ensemble.predict(&case.id, dataset.read_image(case)?, PredictOptions::default(), &mut |_, _| ControlFlow::Continue(()))?;
        Ok(())
    })?;
    Ok(Row { work: NAME, pass: "predict", median_ms, gflop: None, cases_per_s: Some(1e3 / median_ms) })
}

/// A folder of the system's place for such, deleted in the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("sagittal-bench-{}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // The figures are right even if the folder stays.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
