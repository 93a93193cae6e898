//! How long a data set takes from its files to patches for training:
//! `cargo run --release -p sagittal-data --example loading_speed DATASET`.

use sagittal_data::{
    Case, Dataset, Fingerprint, Loader, LoaderOptions, Plan, PlanOptions, Purpose, Seed, TrainingSet, TrainingSetOptions, check,
    plan::OrientationRule,
};
use std::{error::Error, path::PathBuf, sync::Arc, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let path: PathBuf = std::env::args_os().nth(1).ok_or("name the folder of a data set")?.into();
    let dataset = Dataset::open(&path)?;
    let since = |start: Instant| start.elapsed().as_secs_f64();
    let cases: Vec<&Case> = dataset.training.iter().collect();
    let start = Instant::now();
    let fingerprint = Fingerprint::extract(&dataset, &cases, OrientationRule::Canonical, &|_, _| {})?;
    println!("fingerprint of {} cases {:.2} s", cases.len(), since(start));
    let start = Instant::now();
    let n_faults = check::check(&dataset, &|_, _| {}).len();
    println!("check {:.2} s, {n_faults} faults", since(start));
    let plan = Plan::make(&fingerprint, &PlanOptions::default())?;
    let cache = tempfile::tempdir()?;
    for (memory_bytes, what) in [(1 << 30, "preprocessed"), (1 << 30, "from the cache, in memory"), (0, "from the cache, on disk")] {
        let options = TrainingSetOptions {
            cache: Some(cache.path().into()),
            memory_bytes,
            previous_stage: Default::default(),
            regions: Default::default(),
        };
        let start = Instant::now();
        let set = Arc::new(TrainingSet::prepare(&dataset, &cases, &plan, &options, &|_, _| {})?);
        let prepared = since(start);
        let options = LoaderOptions { seed: Seed(1), first_step: 0, threads: 0, ahead: 2, purpose: Purpose::Training };
        let mut loader = Loader::start(set, &plan, options);
        let (start, n_batches) = (Instant::now(), 100);
        for _ in 0..n_batches {
            loader.next_batch()?;
        }
        let per_patch = 1000.0 * since(start) / (n_batches * plan.batch_size) as f64;
        println!("{what} {prepared:.2} s; {per_patch:.2} ms a patch of {:?} on one core", plan.patch);
    }
    Ok(())
}
