//! How long a training step of a plan takes on this machine: some are done.

use std::time::{Duration, Instant};

use sagittal_data::{Batch, Plan, Seed};
use sagittal_nets::Network;
use sagittal_tensor::Device;
use sagittal_train::Trainer;

use crate::commands::train::trainer_options;

/// Steps that are timed, after one that is not, because buffers and threads start in it.
const MOST_STEPS: usize = 4;
/// No further step is begun after this time.
const LONGEST: Duration = Duration::from_secs(4);

/// Seconds of one step of training, the quickest of a few: what else the machine does only makes steps slower.
pub(super) fn step_s(plan: &Plan, device: &Device) -> anyhow::Result<f64> {
    let network = Network::new(&plan.network, &mut Seed(0).stream(&[]), device)?;
    let mut trainer = Trainer::new(network, trainer_options(plan, Seed(0)), device.clone());
    let batch = batch(plan);
    let begin = Instant::now();
    // A rate of 0: noise teaches nothing, and a loss that explodes would be an error.
    trainer.step(&batch, 0.0)?;
    let mut quickest = begin.elapsed();
    for _ in 0..MOST_STEPS {
        if begin.elapsed() > LONGEST {
            break;
        }
        let start = Instant::now();
        trainer.step(&batch, 0.0)?;
        quickest = quickest.min(start.elapsed());
    }
    Ok(quickest.as_secs_f64().max(1e-6))
}

/// Noise with labels without any pattern: arithmetic takes the same time on everything.
fn batch(plan: &Plan) -> Batch {
    let [z, y, x] = plan.input_size();
    let (n, c) = (plan.batch_size, plan.n_inputs());
    // Fractional parts of multiples of the golden ratio are spread evenly.
    let noise = |index: usize| (index as f64 * 0.618_033_988_749_895).fract();
    let images = (0..n * c * z * y * x).map(|index| (2.0 * noise(index) - 1.0) as f32).collect();
    let n_labels = n * plan.patch.iter().product::<usize>();
    let labels = (0..n_labels).map(|index| (noise(index) * plan.labels.len() as f64) as u8).collect();
    Batch { step: 0, images, labels, shape: [n, c, z, y, x] }
}
