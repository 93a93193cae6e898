//! The scores as a table for people.

use sagittal_metrics::{Metrics, ScoredRegion, Summary};

use crate::table;

/// The summary over cases, one row per label, then the failures.
pub(crate) fn in_words(metrics: &Metrics) -> String {
    let region = match metrics.region {
        ScoredRegion::WholeImage => "whole image",
        ScoredRegion::FieldOfView => "inside the field of view",
        ScoredRegion::Mask => "inside the given mask",
    };
    let n_failed = metrics.failed.len();
    let mut text = format!("{} cases scored, {n_failed} failed; {region}\n\n", metrics.cases.len());
    let mut rows = vec![["label", "cases", "mean Dice", "95 % interval", "median", "lowest", "highest", "mean IoU"].map(str::to_owned)];
    for label in &metrics.summary {
        rows.push(row(format!("{} {}", label.label.value, label.label.name), &label.dice, Some(&label.iou)));
    }
    if metrics.summary.len() > 1 {
        rows.push(row("mean of labels".to_owned(), &metrics.foreground_dice, None));
    }
    text += &table::aligned(&rows);
    let n_undefined: usize = metrics.summary.iter().map(|label| label.dice.n_undefined).sum();
    if n_undefined > 0 {
        text += &format!("\n{n_undefined} scores are not defined, because both masks are empty, and are left out\n");
    }
    if n_failed > 0 {
        text += "\nfailed:\n";
    }
    for failure in &metrics.failed {
        text += &format!("  {}: {}\n", failure.case, failure.reason);
    }
    text
}

fn row(name: String, dice: &Summary, iou: Option<&Summary>) -> [String; 8] {
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    let interval = dice.mean_interval.as_ref().map_or("-".to_owned(), |interval| format!("{:.4} to {:.4}", interval.low, interval.high));
    let mean_iou = number(iou.and_then(|iou| iou.mean));
    [name, dice.n.to_string(), number(dice.mean), interval, number(dice.median), number(dice.min), number(dice.max), mean_iou]
}
