//! Tables beside the table of results: what follows from several arms together.

use serde::Serialize;

use super::{
    description::Study,
    measure::Measure,
    results::{ArmResults, EpochGradients, QUARTER},
};

/// A table with a heading for every column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Table {
    pub(super) title: String,
    /// How to read it.
    pub(super) note: String,
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// Those that a study has something for.
pub(super) fn of(study: &Study, arms: &[ArmResults]) -> Vec<Table> {
    same_accuracy(study, arms).into_iter().chain(gradients(arms)).collect()
}

/// An arm's size and quality.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    nodes: f64,
    parameters: f64,
    dice: f64,
}

/// How large networks of each family must be for the same Dice.
fn same_accuracy(study: &Study, arms: &[ArmResults]) -> Option<Table> {
    let mut families: Vec<(&str, Vec<Point>)> = Vec::new();
    for (described, arm) in study.arms.iter().zip(arms) {
        let value = |measure: Measure| arm.summary.get(measure.name()).map(|effect| effect.value);
        let Some(family) = described.family.as_deref() else { continue };
        let (Some(nodes), Some(parameters), Some(dice)) = (value(Measure::Nodes), value(Measure::Parameters), value(Measure::DICE)) else {
            continue;
        };
        let point = Point { nodes, parameters, dice };
        match families.iter_mut().find(|(name, _)| *name == family) {
            Some((_, points)) => points.push(point),
            None => families.push((family, vec![point])),
        }
    }
    families.iter_mut().for_each(|(_, points)| points.sort_by(|a, b| a.nodes.total_cmp(&b.nodes)));
    if families.len() < 2 {
        return None;
    }
    let best = |points: &[Point]| points.iter().map(|point| point.dice).fold(f64::NEG_INFINITY, f64::max);
    let mut levels: Vec<f64> = families.iter().map(|(_, points)| best(points)).collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let row = |&level: &f64| -> Vec<String> {
        let needs = families.iter().map(|(_, points)| needed_words(points, level));
        std::iter::once(format!("{level:.3}")).chain(needs).collect()
    };
    let note = "Each row is the best Dice of one family, and what each family needs for it: nodes (feature maps) and parameters, read off on \
                straight lines between its arms over the logarithm of the size, where they first reach that Dice; at most so many, where its \
                smallest network reaches it already; a dash where none does. Means of all trainings; their intervals are in the table above.";
    Some(Table {
        title: "Size for the same accuracy".into(),
        note: note.into(),
        head: std::iter::once("Dice".to_owned()).chain(families.iter().map(|(name, _)| (*name).to_owned())).collect(),
        rows: levels.iter().map(row).collect(),
    })
}

/// What a family needs for a Dice.
fn needed_words(points: &[Point], level: f64) -> String {
    let Some((nodes, parameters)) = needed(points, level) else { return "-".to_owned() };
    let bound = if points.first().is_some_and(|smallest| smallest.dice >= level) { "at most " } else { "" };
    format!("{bound}{nodes:.0} nodes, {} parameters", super::measure::large(parameters))
}

/// Nodes and parameters at which a line through the points first reaches a level. The points are sorted by size.
fn needed(points: &[Point], level: f64) -> Option<(f64, f64)> {
    if let Some(first) = points.first().filter(|first| first.dice >= level) {
        return Some((first.nodes, first.parameters));
    }
    points.windows(2).find(|pair| pair[1].dice >= level).map(|pair| {
        let part = (level - pair[0].dice) / (pair[1].dice - pair[0].dice);
        let between = |a: f64, b: f64| (a.ln() + part * (b.ln() - a.ln())).exp();
        (between(pair[0].nodes, pair[1].nodes), between(pair[0].parameters, pair[1].parameters))
    })
}

/// The norm of each layer's gradient, where it was recorded: of the first seed, over the first and the last quarter of the epochs.
fn gradients(arms: &[ArmResults]) -> Option<Table> {
    let recorded = arms.iter().filter_map(|arm| Some((arm, arm.runs.first().filter(|run| !run.gradients.is_empty())?)));
    let rows = recorded.map(|(arm, run)| {
        let n = ((run.gradients.len() as f64 * QUARTER).ceil() as usize).max(1);
        let end = run.gradients.len() - n;
        vec![arm.name.clone(), norms_of_layers(&run.gradients[..n]), norms_of_layers(&run.gradients[end..])]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    (!rows.is_empty()).then(|| Table {
        title: "Gradient of each layer".into(),
        note:
            "The norm of the gradient of each layer's weights, from the input to the output; geometric mean of the first and of the last \
               quarter of the epochs, first seed."
                .into(),
        head: ["arm", "at the beginning", "at the end"].map(str::to_owned).to_vec(),
        rows,
    })
}

fn norms_of_layers(epochs: &[EpochGradients]) -> String {
    let n_layers = epochs.first().map_or(0, |epoch| epoch.layers.len());
    let norms = (0..n_layers).map(|layer| mean_norm(epochs, layer).map_or("0".to_owned(), |norm| format!("{norm:.1e}")));
    norms.collect::<Vec<_>>().join(", ")
}

/// Geometric mean over epochs of a layer's norm, where it is not 0.
pub(super) fn mean_norm(epochs: &[EpochGradients], layer: usize) -> Option<f64> {
    let logs = epochs.iter().filter_map(|epoch| Some(epoch.layers.get(layer)?.1)).filter(|norm| *norm > 0.0).map(f64::ln);
    let logs: Vec<f64> = logs.collect();
    (!logs.is_empty()).then(|| (logs.iter().sum::<f64>() / logs.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[(f64, f64)]) -> Vec<Point> {
        values.iter().map(|&(nodes, dice)| Point { nodes, parameters: nodes * nodes, dice }).collect()
    }

    #[test]
    fn sizes_are_read_off_where_a_family_first_reaches_the_level() {
        let rising = points(&[(10.0, 0.5), (40.0, 0.7), (80.0, 0.8)]);
        let (nodes, parameters) = needed(&rising, 0.6).unwrap_or_default();
        // Half the way in Dice is half the way in the logarithm of the size.
        assert!((nodes - 20.0).abs() < 1e-9 && (parameters - 400.0).abs() < 1e-9, "{nodes} {parameters}");
        assert_eq!(needed(&rising, 0.4), Some((10.0, 100.0)));
        assert_eq!(needed(&rising, 0.9), None);
        // A larger network may be worse: what counts is the first that is good enough.
        let bent = points(&[(10.0, 0.5), (20.0, 0.4), (40.0, 0.6)]);
        let (nodes, _) = needed(&bent, 0.5).unwrap_or_default();
        assert_eq!(nodes, 10.0);
        let (nodes, _) = needed(&bent, 0.6).unwrap_or_default();
        assert!((nodes - 40.0).abs() < 1e-9, "{nodes}");
        assert_eq!(needed_words(&rising, 0.7), "40 nodes, 1600 parameters");
        assert_eq!(needed_words(&rising, 0.5), "at most 10 nodes, 100 parameters");
        assert_eq!(needed_words(&rising, 0.9), "-");
    }

    #[test]
    fn norms_are_means_of_logarithms_and_leave_zeros_out() {
        let epoch = |epoch, norms: [f64; 2]| EpochGradients { epoch, layers: norms.map(|norm| ("layer".to_owned(), norm)).to_vec() };
        let epochs = [epoch(1, [1e-4, 0.0]), epoch(2, [1e-2, 0.0])];
        assert!((mean_norm(&epochs, 0).unwrap_or_default() - 1e-3).abs() < 1e-12);
        assert_eq!(mean_norm(&epochs, 1), None);
        assert_eq!(norms_of_layers(&epochs), "1.0e-3, 0");
    }
}
