//! Times the surface distances of two label maps without the reading of their files: what `tests/reference/metrics_speed.py` compares with
//! functions of other programs.
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
        let start = Instant::now();
        let scores = score_case_with(&prediction, &reference, &labels, None, options)?;
        let hd95: Vec<Option<f64>> = scores.iter().map(|score| score.surface.and_then(|surface| surface.hausdorff95)).collect();
        println!("{:.3} s, HD95 {hd95:?}", start.elapsed().as_secs_f64());
    }
    Ok(())
}
