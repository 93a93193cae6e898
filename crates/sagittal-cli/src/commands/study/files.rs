//! The results as files: `results.json`, `results.csv`, `summary.md`.

use std::fmt::Write as _;

use sagittal_metrics::metrics_file::{csv_field, csv_number};

use super::{description::Study, folder::StudyFolder, measure::Measure, results::Results, words};
use crate::whole_file;

/// Writes all of them.
pub(super) fn write(study: &Study, results: &Results, folder: &StudyFolder) -> anyhow::Result<()> {
    whole_file::write(&folder.0.join("results.json"), serde_json::to_string_pretty(results)? + "\n")?;
    whole_file::write(&folder.0.join("results.csv"), as_csv(results))?;
    whole_file::write(&folder.0.join("summary.md"), as_markdown(study, results))
}

/// A row for every training.
fn as_csv(results: &Results) -> String {
    let columns = results.columns();
    let mut text = String::from("arm,seed");
    columns.iter().for_each(|column| text += &format!(",{column}"));
    results.labels.iter().for_each(|label| text += &format!(",{}", csv_field(&format!("dice {label}"))));
    text += "\n";
    for (arm, run) in results.arms.iter().flat_map(|arm| arm.runs.iter().map(move |run| (arm, run))) {
        text += &format!("{},{}", csv_field(&arm.name), run.seed);
        for column in &columns {
            let value = match run.cases.get(column.name()) {
                Some(cases) => {
                    let defined: Vec<f64> = results.cases.iter().filter_map(|case| cases.get(case).copied().flatten()).collect();
                    (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
                }
                None => run.measures.get(column.name()).copied(),
            };
            text += &format!(",{}", csv_number(value));
        }
        results.labels.iter().for_each(|label| text += &format!(",{}", csv_number(run.dice_of_labels.get(label).copied().flatten())));
        text += "\n";
    }
    text
}

/// Text and numbers, without a picture of anybody's data.
fn as_markdown(study: &Study, results: &Results) -> String {
    let mut text = format!(
        "# {}\n\nData: {}, {} validation case{}",
        study.title,
        results.dataset,
        results.cases.len(),
        if results.cases.len() == 1 { "" } else { "s" }
    );
    let n_groups = results.groups.iter().collect::<std::collections::BTreeSet<_>>().len();
    if n_groups < results.cases.len() {
        let _ = write!(text, " in {n_groups} groups");
    }
    let _ = writeln!(text, " of fold {}.\n\n{}\n\n{}", study.fold, study.question.trim(), results.schedule);
    if !study.sources.is_empty() {
        let _ = writeln!(text, "\nSources: {}.", study.sources.join("; "));
    }
    let columns = results.columns();
    text += "\n## Results\n\nMeans over cases and trainings, with 95 % intervals.\n\n| arm |";
    columns.iter().for_each(|column| text += &format!(" {} |", column.title()));
    text += "\n|---|";
    columns.iter().for_each(|_| text += "---|");
    text += "\n";
    for arm in &results.arms {
        let _ = write!(text, "| {} |", arm.name);
        columns.iter().for_each(|column| text += &format!(" {} |", words::cell_in_line(*column, arm.summary.get(column.name()))));
        text += "\n";
    }
    text += "\n";
    for arm in &results.arms {
        let seeds: Vec<String> = arm.runs.iter().map(|run| run.seed.to_string()).collect();
        let trained =
            arm.summary.get(Measure::TrainingS.name()).map_or(String::new(), |effect| format!(", {} each", words::seconds(effect.value)));
        let _ = writeln!(
            text,
            "- **{}**: {} (seeds {}{trained})",
            arm.name,
            arm.says.trim(),
            if seeds.is_empty() { "none".to_owned() } else { seeds.join(", ") }
        );
    }
    results.cautions().iter().for_each(|caution| text += &format!("\n{caution}\n"));
    for table in &results.tables {
        let _ = writeln!(text, "\n## {}\n\n{}", table.title, table.note);
        if !table.rows.is_empty() {
            let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
            let _ = write!(text, "\n{}|{}\n", row(&table.head), "---|".repeat(table.head.len()));
            table.rows.iter().for_each(|cells| text += &row(cells));
        }
    }
    if !results.claims.is_empty() {
        text += "\n## Claims\n";
    }
    for claim in &results.claims {
        let _ = writeln!(text, "\n**{}**: \"{}\" ({})\n", capital(&claim.in_words()), claim.says.trim(), claim.source);
        claim.tests.iter().for_each(|test| text += &format!("- {}\n", test.in_words));
    }
    if !results.failures.is_empty() {
        text += "\n## What failed\n\n";
        results.failures.iter().for_each(|failure| text += &format!("- {}, seed {}: {}\n", failure.arm, failure.seed, failure.reason));
    }
    text
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>() + characters.as_str())
}
