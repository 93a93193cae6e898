//! Makes a sample report, GIF and progress picture from the truth of a data set in nnU-Net's layout, with **made-up** predictions
//! (the truth, bent the less the longer a made-up training lasts). It shows what the crate draws; it measures nothing.
//!
//! `cargo run --release -p sagittal-report --example sample_report -- DATASET OUT`

use std::{error::Error, path::Path};

use sagittal_image::{
    Image, LabelMap, Volume,
    io::{image_stem, read_image, read_label_map},
};
use sagittal_metrics::{
    Bootstrap, CaseScore, LabelName, Metrics, PooledProbability, ProbabilityScore, ScoredRegion, probability::ReliabilityBin, score_case,
};
use sagittal_report::{
    CasePicture, Compared, Curves, Palette, Progress, ReportInput, TrainingGif, html, progress_png, representative_cases, three_planes,
};

const EPOCHS: usize = 30;
const MOST_CASES: usize = 24;

struct Case {
    name: String,
    image: Image,
    truth: LabelMap,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dataset, out] = arguments.as_slice() else { return Err("usage: sample_report DATASET OUT".into()) };
    let (dataset, out) = (Path::new(dataset), Path::new(out));
    std::fs::create_dir_all(out)?;
    let (labels, cases) = load(dataset)?;
    let values: Vec<u16> = labels.iter().map(|label| label.value).collect();
    let palette = Palette::new(&values);

    let gif = TrainingGif::start(&out.join("frames"), &cases[0].image, &cases[0].truth, &palette)?;
    let mut lines = String::new();
    for epoch in 1..=EPOCHS {
        let prediction = bent(&cases[0].truth, 9.0 * (-0.12 * epoch as f64).exp(), epoch as f64 * 0.1);
        let scores = CaseScore::new("", score_case(&prediction, &cases[0].truth, &values, None)?);
        gif.add(epoch, scores.mean_dice, &cases[0].image, &cases[0].truth, &prediction)?;
        lines.push_str(&record(epoch, &scores));
    }
    let progress = Progress::parse(&lines);
    let training_gif = gif.encode()?;
    std::fs::write(out.join("training.gif"), &training_gif)?;
    let classes: Vec<String> = labels.iter().map(|label| label.name.clone()).collect();
    std::fs::write(out.join("progress.png"), progress_png(&progress.records, &classes)?)?;

    let predictions: Vec<LabelMap> =
        cases.iter().enumerate().map(|(i, case)| bent(&case.truth, 0.5 + 0.11 * (i * 7 % 17) as f64, i as f64)).collect();
    let mut scores = Vec::new();
    for (case, prediction) in cases.iter().zip(&predictions) {
        scores.push(CaseScore::new(&case.name, score_case(prediction, &case.truth, &values, None)?));
    }
    let metrics = Metrics::new(labels, ScoredRegion::WholeImage, scores, vec![], &Bootstrap::default());
    let mut pictures = Vec::new();
    for (role, name) in representative_cases(&metrics) {
        let idx = cases.iter().position(|case| case.name == name).ok_or("a case that was scored is gone")?;
        let compared = Compared {
            image: &cases[idx].image,
            reference: Some(&cases[idx].truth),
            prediction: Some(&predictions[idx]),
            palette: &palette,
        };
        pictures.push(CasePicture { case: name, role, dice: metrics.cases[idx].mean_dice, png: three_planes(&compared, 1040)?.to_png()? });
    }
    let input = ReportInput {
        dataset: format!("{} (sample, made-up predictions)", dataset.file_name().unwrap_or_default().to_string_lossy()),
        fold: Some("fold 0 of 5".into()),
        model: Some("plain U-Net, 3 stages".into()),
        minutes: Some(2.4),
        seed: Some(1),
        plan_words: "Images are cropped to what is not zero and brought to 1.00 x 1.00 x 1.00 mm.\nIntensities: each image minus its mean, over its standard deviation.\n\nPatches of 40 x 56 x 40 voxels, 9 at a time; 3 stages of 32, 64 and 128 features.".into(),
        classes,
        progress,
        metrics: Some(metrics),
        pictures,
        pretraining: Vec::new(),
        training_gif: Some(training_gif),
        probabilities: labels_of_curves(),
        provenance: [("command", "sagittal train hippocampus -o run --fold 0 --time 2m"), ("version", "0.1.0"), ("threads", "2"), ("device", "cpu")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        warnings: vec!["This page is a sample: its predictions are bent truths, not a network's.".into()],
    };
    std::fs::write(out.join("report.html"), html(&input))?;
    Ok(())
}

/// The labels that `dataset.json` declares, and the first cases that have a truth.
fn load(dataset: &Path) -> Result<(Vec<LabelName>, Vec<Case>), Box<dyn Error>> {
    let description: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(dataset.join("dataset.json"))?)?;
    let declared = description["labels"].as_object().ok_or("dataset.json declares no labels")?;
    let label =
        |(name, value): (&String, &serde_json::Value)| Some(LabelName { value: u16::try_from(value.as_u64()?).ok()?, name: name.clone() });
    let labels = declared.iter().filter_map(label).filter(|label| label.value > 0).collect();
    let mut paths: Vec<_> = std::fs::read_dir(dataset.join("labelsTr"))?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let mut cases = Vec::new();
    for path in paths.iter().take(MOST_CASES) {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let name = image_stem(path).unwrap_or(&file).to_owned();
        let image = dataset.join("imagesTr").join(file.replacen(&name, &format!("{name}_0000"), 1));
        cases.push(Case { name, image: read_image(&image)?, truth: read_label_map(path)? });
    }
    if cases.is_empty() { Err("the data set has no cases".into()) } else { Ok((labels, cases)) }
}

/// The label map looked at through uneven glass of the given strength, in voxels.
fn bent(truth: &LabelMap, strength: f64, phase: f64) -> LabelMap {
    let [depth, height, width] = truth.labels.shape();
    let moved = |position: usize, other: usize, n: usize| {
        let shift = strength * (0.23 * other as f64 + 0.11 * position as f64 + phase).sin();
        (position as f64 + shift).round().clamp(0.0, n as f64 - 1.0) as usize
    };
    let voxel = |idx: usize| {
        let (z, y, x) = (idx / (height * width), idx / width % height, idx % width);
        *truth.labels.at([moved(z, x, depth), moved(y, z + x, height), moved(x, y, width)])
    };
    let voxels = (0..truth.labels.voxels().len()).map(voxel).collect();
    LabelMap { labels: Volume::new([depth, height, width], voxels), ..truth.clone() }
}

/// Made-up curves of two labels: a power law as ROC, and probabilities that promise too much.
fn labels_of_curves() -> Vec<Curves> {
    let of = |(name, power): (&str, f64)| {
        let share = |i: usize| i as f64 / 40.0;
        let bin = |i: usize| {
            let predicted = i as f64 / 10.0 + 0.05;
            ReliabilityBin {
                mean_probability: predicted,
                share_positive: predicted.powf(1.0 + power),
                n: 2000 - 380 * (i.min(9 - i)) as u64,
            }
        };
        let score = ProbabilityScore {
            roc_auc: Some(1.0 / (1.0 + power)),
            average_precision: Some(1.0 - 0.9 / (1.0 + 1.0 / power)),
            calibration_error: Some(0.04),
            ..ProbabilityScore::default()
        };
        let pooled = PooledProbability {
            score,
            roc_auc_error_at_most: 0.0,
            best_threshold: None,
            reliability: (0..10).map(bin).collect(),
            roc: (0..=40).map(|i| [share(i).powf(2.0), share(i).powf(2.0 * power)]).collect(),
            precision_recall: (0..=40).map(|i| [share(i), 1.0 - 0.9 * share(i).powf(1.0 / power)]).collect(),
        };
        Curves { name: name.into(), pooled }
    };
    [("anterior", 0.08), ("posterior", 0.15)].map(of).to_vec()
}

/// A line of `progress.jsonl`.
fn record(epoch: usize, scores: &CaseScore) -> String {
    let dice: Vec<Option<f64>> = scores.labels.iter().map(|label| label.dice).collect();
    let loss = |offset: f64| offset - 0.9 + (-0.15 * epoch as f64).exp() + 0.03 * (epoch as f64 * 1.7 + offset).sin();
    let rate = 0.01 * (1.0 - epoch as f64 / (EPOCHS as f64 + 1.0)).powf(0.9);
    let record = serde_json::json!({
        "epoch": epoch, "step": epoch * 50, "elapsed_s": epoch as f64 * 4.8, "learning_rate": rate,
        "training_loss": loss(0.0), "validation_loss": loss(0.06), "validation_dice": dice, "samples_per_s": 3.2,
    });
    format!("{record}\n")
}
