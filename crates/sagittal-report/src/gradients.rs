//! Whether gradients fade on their way back through a network: the norm of each layer's gradient against the layer's place, at the
//! beginning, in the middle and at the end of a training (Bengio et al. 1994; Glorot and Bengio 2010).

use crate::{
    ProgressRecord,
    chart::{Chart, Series, YAxis},
};

/// The chart; `None` where no gradient was recorded.
pub(crate) fn chart(records: &[ProgressRecord]) -> Option<Chart> {
    let recorded: Vec<&ProgressRecord> = records.iter().filter(|record| !record.gradients.is_empty()).collect();
    let (first, last) = (recorded.first()?, recorded.last()?);
    let middle = recorded[recorded.len() / 2];
    let mut chosen: Vec<&ProgressRecord> = vec![first, middle, last];
    chosen.dedup_by_key(|record| record.epoch);
    let series = |(index, record): (usize, &&ProgressRecord)| Series {
        name: format!("epoch {}", record.epoch),
        colour: [5, 2, 3][index],
        // A norm of 0 has no place on the axis: the line has a gap there.
        points: (1..)
            .zip(&record.gradients)
            .map(|(place, layer)| (f64::from(place), layer.norm.filter(|norm| *norm > 0.0).map(f64::log10)))
            .collect(),
        value: Some(String::new()),
        ..Series::default()
    };
    let (Some(nearest), Some(farthest)) = (last.gradients.first(), last.gradients.last()) else { return None };
    let chart = Chart {
        title: "Gradient of each layer's weights".into(),
        x_name: "layer, from image to result".into(),
        series: chosen.iter().enumerate().map(series).collect(),
        y_axis: YAxis::Log10,
        note: format!(
            "Mean norm over an epoch, before clipping. Layer 1 is {}, layer {} is {}. Gradients come from the right, where the loss \
             is: a line that falls towards the left by powers of ten says that they fade on their way and that the first layers \
             hardly learn (vanishing gradients).",
            nearest.layer,
            last.gradients.len(),
            farthest.layer
        ),
        ..Chart::default()
    };
    (!chart.is_empty()).then_some(chart)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::LayerGradient;

    fn record(epoch: usize, norms: &[f64]) -> ProgressRecord {
        let layer = |(i, norm): (usize, &f64)| LayerGradient { layer: format!("layer<{i}"), norm: Some(*norm) };
        ProgressRecord { epoch, gradients: norms.iter().enumerate().map(layer).collect(), ..Default::default() }
    }

    #[test]
    fn the_first_the_middle_and_the_last_epoch_are_drawn_layer_by_layer() {
        let records: Vec<_> = (1..=9).map(|epoch| record(epoch, &[1e-6, 1e-3, 0.0, epoch as f64])).collect();
        let chart = chart(&records).unwrap();
        let names: Vec<_> = chart.series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, ["epoch 1", "epoch 5", "epoch 9"]);
        assert_eq!(chart.series[0].points[..3], [(1.0, Some(-6.0)), (2.0, Some(-3.0)), (3.0, None)]);
        let svg = crate::chart::svg(&chart);
        assert!(svg.contains("1e-6") && svg.contains("layer&lt;0") && !svg.contains("layer<0"), "{svg}");
    }

    #[test]
    fn there_is_no_chart_where_nothing_was_recorded_and_one_line_of_one_epoch() {
        assert_eq!(chart(&[]), None);
        assert_eq!(chart(&[record(1, &[])]), None);
        assert_eq!(chart(&[record(1, &[0.0, 0.0])]), None);
        assert_eq!(chart(&[record(1, &[]), record(2, &[1.0])]).unwrap().series.len(), 1);
    }
}
