//! Times the surface distances of two label maps without the reading of their files: what `tests/reference/metrics_speed.py` compares with
//! functions of other programs. Prints the time that passed, that of the processor, and what was found, three times.
//!
//! ```sh
//! cargo run --release -p sagittal-metrics --example surface_speed -- PREDICTION REFERENCE LABEL...
//! ```

use std::{error::Error, path::PathBuf, time::Instant};

use sagittal_image::io::read_label_map;
use sagittal_metrics::{ScoreOptions, SurfaceOptions, score_case_with};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [prediction, reference, labels @ ..] = &arguments[..] else { return Err("name a prediction, a reference and labels".into()) };
    let labels = labels.iter().map(|label| label.to_string_lossy().parse()).collect::<Result<Vec<u16>, _>>()?;
    let (prediction, reference) = (read_label_map(prediction)?, read_label_map(reference)?);
    let options = ScoreOptions { surface: Some(SurfaceOptions::default()), ..ScoreOptions::default() };
    for _ in 0..3 {
        let (start, processor) = (Instant::now(), processor_s());
        let scores = score_case_with(&prediction, &reference, &labels, None, options)?;
        let hd95: Vec<Option<f64>> = scores.iter().map(|score| score.surface.and_then(|surface| surface.hausdorff95)).collect();
        println!("{:.3} s, {:.2} s, HD95 {hd95:?}", start.elapsed().as_secs_f64(), processor_s() - processor);
    }
    Ok(())
}

/// The time that all threads spent on a processor, in steps of 10 ms; only Linux says so, elsewhere it is no number.
fn processor_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().into_iter().flat_map(str::split_whitespace);
    let ticks: Vec<f64> = fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    if ticks.len() == 2 { (ticks[0] + ticks[1]) / 100.0 } else { f64::NAN }
}
