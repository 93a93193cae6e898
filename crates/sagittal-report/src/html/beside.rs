//! The same cases scored otherwise (whole images, a second observer), and group by group.

use std::fmt::Write as _;

use sagittal_metrics::{LabelSummary, Metrics, Score, ScoredRegion, Subject};

use super::{escape, interval, score};

/// A row for everything that the cases were scored as, the main one first; nothing where there is only that.
pub(super) fn side_by_side(page: &mut String, metrics: &Metrics) {
    if metrics.beside.is_empty() {
        return;
    }
    // The voxels of several networks' folds are not ranked together: their cases are averaged.
    let of_cases = metrics.summary.iter().any(|label| label.pooled.is_none() && label.scores.contains_key(&Score::RocAuc));
    let auc = if of_cases { "ROC AUC, mean" } else { "ROC AUC" };
    head(page, "Side by side", &["Scored", auc, "Dice (F1)", "Accuracy", "Sensitivity", "Specificity"]);
    let main = std::iter::once((Subject::Prediction, metrics));
    for (subject, scored) in main.chain(metrics.beside.iter().map(|beside| (beside.subject, &beside.metrics))) {
        let who = match subject {
            Subject::Prediction => "prediction",
            Subject::SecondObserver => "second observer",
        };
        let region = match scored.region {
            ScoredRegion::WholeImage => "whole image",
            ScoredRegion::FieldOfView => "field of view",
            ScoredRegion::Mask => "mask",
        };
        for label in &scored.summary {
            let of = if scored.summary.len() > 1 { format!("{}: ", label.label.name) } else { String::new() };
            let pooled = label.pooled.as_ref().and_then(|pooled| pooled.score.roc_auc);
            let auc = if of_cases { mean(label, Score::RocAuc) } else { pooled };
            let means = [Score::Dice, Score::Accuracy, Score::Sensitivity, Score::Specificity].map(|of| mean(label, of));
            let cells: Vec<String> = std::iter::once(auc).chain(means).map(score).collect();
            row(page, &format!("{of}{who}, {region}"), &cells);
        }
    }
    page.push_str("</tbody></table></div></section>");
}

/// A row for every label of every group; nothing where there are no groups.
pub(super) fn groups(page: &mut String, metrics: &Metrics) {
    if metrics.groups.is_empty() {
        return;
    }
    head(page, "Groups", &["Group", "Cases", "Mean Dice", "95 % interval", "Mean HD95"]);
    for group in &metrics.groups {
        for label in &group.summary {
            let far = mean(label, Score::Hausdorff95).map_or("–".to_owned(), |far| format!("{far:.2}"));
            let cells = [label.dice.n.to_string(), score(label.dice.mean), interval(label.dice.mean_interval.as_ref()), far];
            row(page, &format!("{}: {}", group.group, label.label.name), &cells);
        }
    }
    page.push_str("</tbody></table></div></section>");
}

fn mean(label: &LabelSummary, of: Score) -> Option<f64> {
    label.scores.get(&of).and_then(|summary| summary.mean)
}

fn head(page: &mut String, title: &str, columns: &[&str]) {
    let _ = write!(page, "<section><h2>{title}</h2><div class=\"scroll\"><table class=\"summary\"><thead><tr>");
    for (idx, name) in columns.iter().enumerate() {
        let class = if idx > 0 { " class=\"num\"" } else { "" };
        let _ = write!(page, "<th scope=\"col\"{class}>{name}</th>");
    }
    page.push_str("</tr></thead><tbody>");
}

fn row(page: &mut String, name: &str, cells: &[String]) {
    let _ = write!(page, "<tr><th scope=\"row\">{}</th>", escape(name));
    for cell in cells {
        let _ = write!(page, "<td class=\"num\">{cell}</td>");
    }
    page.push_str("</tr>");
}
