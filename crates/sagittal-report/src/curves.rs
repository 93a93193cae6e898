//! The learning curves of a training: loss, Dice per class, learning rate.

use crate::{
    LayerCurve, ProgressRecord, ReportError,
    canvas::Picture,
    chart::{self, Chart, Series},
};

/// The charts that have anything to show. `classes` names the foreground classes in the order of `validation_dice`.
pub(crate) fn charts(records: &[ProgressRecord], classes: &[String]) -> Vec<Chart> {
    let line = |name: &str, colour: usize, value: &dyn Fn(&ProgressRecord) -> Option<f64>| Series {
        name: name.to_owned(),
        colour,
        points: records.iter().map(|record| (record.epoch as f64, value(record))).collect(),
        ..Series::default()
    };
    let loss = vec![line("training", 5, &|r| r.training_loss), line("validation", 3, &|r| r.validation_loss)];
    let n_classes = records.iter().map(|record| record.validation_dice.len()).max().unwrap_or(0);
    let dice = (0..n_classes)
        .map(|class| {
            let name = classes.get(class).cloned().unwrap_or_else(|| format!("class {}", class + 1));
            line(&name, class, &|r| r.validation_dice.get(class).copied().flatten())
        })
        .collect();
    let rate = vec![line("learning rate", 2, &|r| r.learning_rate)];
    let chart = |title: &str, series: Vec<Series>, y_at_least| Chart {
        title: title.into(),
        x_name: "epoch".into(),
        series: series.into_iter().filter(|s| s.defined().next().is_some()).collect(),
        y_at_least,
        ..Chart::default()
    };
    [chart("Loss", loss, None), chart("Dice on validation patches", dice, Some((0.0, 1.0))), chart("Learning rate", rate, Some((0.0, 0.0)))]
        .into_iter()
        .filter(|chart| !chart.is_empty())
        .collect()
}

/// How the layers learned without labels, where they did: one line a layer, in the order of the layers.
pub(crate) fn pretraining_chart(layers: &[LayerCurve]) -> Option<Chart> {
    let series = layers.iter().enumerate().map(|(colour, layer)| Series {
        name: layer.name.clone(),
        colour,
        points: layer.losses.iter().map(|(step, loss)| (*step as f64, Some(*loss))).collect(),
        ..Series::default()
    });
    let chart = Chart {
        title: "Restoring the input, layer by layer, without labels".into(),
        x_name: "step of the layer".into(),
        series: series.filter(|series| series.defined().next().is_some()).collect(),
        y_at_least: Some((0.0, 1.0)),
        note: "Squared error over the variance of what is restored: 1 is what its mean alone would reach.".into(),
        ..Chart::default()
    };
    (!chart.is_empty()).then_some(chart)
}

/// The learning curves as one PNG, charts side by side; says so where there is nothing to show yet.
///
/// # Errors
/// [`ReportError::Encode`] if the picture cannot be compressed.
pub fn progress_png(records: &[ProgressRecord], classes: &[String]) -> Result<Vec<u8>, ReportError> {
    const SIZE: [usize; 2] = [520, 360];
    let charts = charts(records, classes);
    let mut picture = Picture::filled(SIZE[0] * charts.len().max(1), SIZE[1], [255; 3]);
    for (idx, one) in charts.iter().enumerate() {
        chart::draw(&mut picture, [idx * SIZE[0], 0], SIZE, one);
    }
    if charts.is_empty() {
        crate::text::draw(&mut picture, [20, SIZE[1] / 2], "no epoch is finished yet", [90; 3]);
    }
    picture.to_png()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn layers_that_learned_without_labels_are_lines_of_one_chart() {
        assert_eq!(pretraining_chart(&[]), None);
        let layer = |name: &str, losses: &[(u64, f64)]| LayerCurve { name: name.into(), losses: losses.to_vec() };
        assert_eq!(pretraining_chart(&[layer("a", &[])]), None);
        let chart = pretraining_chart(&[layer("a", &[(1, 0.9), (2, 0.5)]), layer("b", &[(1, 1.2)])]).unwrap();
        let lines: Vec<_> = chart.series.iter().map(|s| (s.name.as_str(), s.points.len(), s.colour)).collect();
        assert_eq!(lines, [("a", 2, 0), ("b", 1, 1)]);
    }

    #[test]
    fn only_charts_with_data_are_drawn() {
        let names = |records: &[ProgressRecord]| charts(records, &["head".into()]).into_iter().map(|c| c.title).collect::<Vec<_>>();
        assert!(names(&[]).is_empty());
        let without_validation = ProgressRecord { epoch: 1, training_loss: Some(0.5), validation_dice: vec![None], ..Default::default() };
        assert_eq!(names(std::slice::from_ref(&without_validation)), ["Loss"]);
        assert_eq!(charts(&[without_validation], &[])[0].series.len(), 1);
        let full = ProgressRecord { epoch: 1, validation_dice: vec![Some(0.5), Some(0.4)], learning_rate: Some(0.1), ..Default::default() };
        let series: Vec<_> = charts(&[full], &["head".into()])[0].series.iter().map(|s| s.name.clone()).collect();
        assert_eq!(series, ["head", "class 2"]);
    }

    #[test]
    fn a_picture_is_made_of_any_record() {
        for records in
            [vec![], vec![ProgressRecord::default()], vec![ProgressRecord { training_loss: Some(f64::NAN), ..Default::default() }]]
        {
            let png = progress_png(&records, &[]).unwrap();
            assert!(image::load_from_memory(&png).unwrap().width() >= 300);
        }
    }
}
