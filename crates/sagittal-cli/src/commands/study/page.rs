//! The study's page: gathers what `sagittal_report` draws.

use std::path::PathBuf;

use anyhow::Context;
use sagittal_data::Dataset;
use sagittal_image::io;
use sagittal_report::{
    CaseRole, Palette, StudyArm, StudyCase, StudyCell, StudyClaim, StudyColumn, StudyCurves, StudyInput, StudyPanel, StudyTable,
    representative_cases, side_by_side, study_html,
};

use super::{
    description::Study,
    folder::StudyFolder,
    measure::Measure,
    preparation::Preparation,
    results::{ArmResults, EpochGradients, Results},
    tables, words,
};
use crate::{commands::predict::label_extension, messages::Messages, whole_file};

/// Best, median and worst.
const ROLES: [CaseRole; 3] = [CaseRole::Best, CaseRole::Median, CaseRole::Worst];

/// Writes `DIR/report.html` and returns its path.
pub(super) fn write(
    study: &Study,
    dataset: &Dataset,
    preparation: &Preparation,
    results: &Results,
    folder: &StudyFolder,
    messages: &Messages,
) -> anyhow::Result<PathBuf> {
    let mut warnings: Vec<String> =
        results.failures.iter().map(|failure| format!("Arm {}, seed {}: {}", failure.arm, failure.seed, failure.reason)).collect();
    for (arm, run) in results.arms.iter().flat_map(|arm| arm.runs.iter().map(move |run| (arm, run))) {
        if !run.failed_cases.is_empty() {
            warnings.push(format!("Arm {}, seed {}: not scored: {}.", arm.name, run.seed, run.failed_cases.join(", ")));
        }
    }
    warnings.extend(results.cautions());
    let columns = results.columns();
    let cases = cases(study, dataset, preparation, results, folder).unwrap_or_else(|error| {
        warnings.push(format!("Cases are not shown: {error:#}."));
        Vec::new()
    });
    let arms = results.arms.iter().enumerate().map(|(index, arm)| arm_of(study, index, arm, &columns, folder));
    let record = &preparation.record;
    let provenance = [
        ("command", record.command.clone()),
        ("program", record.program.clone()),
        ("seeds", results.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
        ("threads", record.threads.to_string()),
        ("device", record.device.clone()),
        ("data set", record.dataset.clone()),
        ("data digest (SHA-256)", record.dataset_sha256.clone()),
    ];
    let claims = results.claims.iter().map(|claim| StudyClaim {
        says: claim.says.trim().to_owned(),
        source: claim.source.clone(),
        verdict: claim.verdict,
        verdict_words: claim.in_words(),
        findings: claim.tests.iter().map(|test| test.in_words.clone()).collect(),
    });
    let tables = results.tables.iter().map(|table| StudyTable {
        title: table.title.clone(),
        note: table.note.clone(),
        head: table.head.clone(),
        rows: table.rows.clone(),
    });
    let input = StudyInput {
        title: study.title.clone(),
        dataset: results.dataset.clone(),
        question: study.question.clone(),
        sources: study.sources.clone(),
        schedule: results.schedule.clone(),
        columns: columns.iter().map(|column| StudyColumn { title: column.title().to_owned(), meaning: column.meaning() }).collect(),
        arms: arms.collect(),
        claims: claims.collect(),
        cases,
        tables: tables.collect(),
        curves: gradient_curves(results),
        plan_words: preparation.plans.first().map_or(String::new(), |plan| plan.describe()),
        provenance: provenance.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        warnings,
    };
    let page = folder.0.join("report.html");
    whole_file::write(&page, study_html(&input))?;
    for warning in &input.warnings {
        messages.say(format_args!("note: {warning}"));
    }
    Ok(page)
}

fn arm_of(study: &Study, index: usize, arm: &ArmResults, columns: &[Measure], folder: &StudyFolder) -> StudyArm {
    let described = &study.arms[index];
    let cells = columns.iter().map(|column| {
        let effect = arm.summary.get(column.name());
        let [text, interval] = words::cell(*column, effect);
        StudyCell { value: effect.map(|effect| effect.value), text, interval }
    });
    let gif = arm.runs.first().filter(|_| study.show_training);
    let gif = gif.and_then(|run| std::fs::read(folder.run(described, run.seed, study.fold).gif()).ok());
    let mut links = Vec::new();
    for run in &arm.runs {
        let page = folder.run(described, run.seed, study.fold).root.join("report.html");
        if page.is_file() {
            links.push((format!("report of seed {}", run.seed), folder.link(&page)));
        }
        links.push((format!("output of seed {}", run.seed), folder.link(&folder.log(described, run.seed))));
    }
    StudyArm {
        name: arm.name.clone(),
        says: arm.says.trim().to_owned(),
        changes: described.changes.clone(),
        cells: cells.collect(),
        dice: arm.summary.get(Measure::DICE.name()).cloned(),
        family: described.family.clone(),
        parameters: arm.summary.get(Measure::Parameters.name()).map(|effect| effect.value),
        progress: arm.runs.iter().map(|run| run.progress.clone()).collect(),
        gif,
        links,
    }
}

/// Where gradients were recorded: how strong they are layer by layer at the beginning, and how the first layer's fares.
fn gradient_curves(results: &Results) -> Vec<StudyCurves> {
    let recorded = || results.arms.iter().filter_map(|arm| Some((arm, arm.runs.first().filter(|run| !run.gradients.is_empty())?)));
    if recorded().next().is_none() {
        return Vec::new();
    }
    let by_layer = recorded().map(|(arm, run)| {
        let first = &run.gradients[..run.gradients.len().div_ceil(4)];
        let layers = run.gradients[0].layers.len();
        let point = |layer: usize| ((layer + 1) as f64, tables::mean_norm(first, layer).map(f64::log10));
        (arm.name.clone(), (0..layers).map(point).collect())
    });
    let first_layer = recorded().map(|(arm, run)| {
        let norm = |epoch: &EpochGradients| epoch.layers.first().map(|layer| layer.1).filter(|norm| *norm > 0.0).map(f64::log10);
        (arm.name.clone(), run.gradients.iter().map(|epoch| (epoch.epoch as f64, norm(epoch))).collect())
    });
    vec![
        StudyCurves {
            title: "Gradient of each layer".to_owned(),
            x_name: "layer, from the input to the output".to_owned(),
            note:
                "Its norm; mean of the first quarter of the epochs, first seed. A line that falls to the left is a gradient that vanishes."
                    .to_owned(),
            lines: by_layer.collect(),
        },
        StudyCurves {
            title: "Gradient of the first layer".to_owned(),
            x_name: "epoch".to_owned(),
            note: "First seed.".to_owned(),
            lines: first_layer.collect(),
        },
    ]
}

/// The best, the median and the worst case of the first arm that has results, in all arms.
fn cases(
    study: &Study,
    dataset: &Dataset,
    preparation: &Preparation,
    results: &Results,
    folder: &StudyFolder,
) -> anyhow::Result<Vec<StudyCase>> {
    let Some(first) = results.arms.iter().find_map(|arm| arm.runs.first()) else { return Ok(Vec::new()) };
    let values: Vec<u16> = preparation.plans[0].labels.iter().skip(1).map(|label| label.value).collect();
    let palette = Palette::new(&values);
    let mut shown = Vec::new();
    for (role, id) in representative_cases(&first.metrics).into_iter().filter(|(role, _)| ROLES.contains(role)) {
        let case = dataset.training_case(&id).with_context(|| format!("the data set has no case {id} any more"))?;
        let (image, reference) = (dataset.read_image(case)?, dataset.read_labels(case)?);
        let name = format!("{id}{}", label_extension(case.images.first().context("it has no image")?));
        let mut titles = vec![("image".to_owned(), None), ("truth".to_owned(), None)];
        let mut maps = Vec::new();
        for (index, arm) in results.arms.iter().enumerate() {
            let Some(run) = arm.runs.first() else { continue };
            let path = folder.run(&study.arms[index], run.seed, study.fold).validation().join(&name);
            // A case that an arm could not predict has no file.
            let Ok(map) = io::read_label_map(&path) else { continue };
            maps.push(map);
            titles.push((arm.name.clone(), run.metrics.cases.iter().find(|score| score.case == id).and_then(|score| score.mean_dice)));
        }
        let pictures = side_by_side(&image, &reference, &maps.iter().collect::<Vec<_>>(), &palette)?;
        let panel = |((title, dice), picture): ((String, Option<f64>), sagittal_report::Picture)| -> anyhow::Result<StudyPanel> {
            Ok(StudyPanel { title, dice, png: picture.to_png()? })
        };
        let panels = titles.into_iter().zip(pictures).map(panel).collect::<Result<_, _>>()?;
        shown.push(StudyCase { role, case: id, panels });
    }
    Ok(shown)
}
