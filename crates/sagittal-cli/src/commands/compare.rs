//! `sagittal compare`: two runs on the same cases, score by score.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, bail, ensure};
use sagittal_metrics::{
    Better, Bootstrap, CaseScore, ClusterKind, Clusters, Interval, Metrics, Score, SignedRank, Summary,
    metrics_file::{csv_field, csv_number},
    paired::holm,
};
use serde::Serialize;

use crate::{
    args::CompareArgs,
    commands::evaluate::{in_region, short},
    messages::Messages,
    outcome::{Outcome, WrongUse},
    table, whole_file,
};

/// What is compared unless something is asked for, as far as both runs have it.
const USUAL: [Score; 6] = [Score::Dice, Score::Hausdorff95, Score::SurfaceDice, Score::LesionF1, Score::CentrelineDice, Score::RocAuc];

/// The comparison of two runs, as it stands in JSON.
#[derive(Debug, Serialize)]
struct Comparison {
    format_version: u32,
    a: String,
    b: String,
    /// Cases of one of the two only, which are not compared.
    only_a: Vec<String>,
    only_b: Vec<String>,
    /// What is compared: cases, or the means of the cases of a patient (a group).
    compared: ClusterKind,
    rows: Vec<Row>,
}

/// One score of one label.
#[derive(Debug, Serialize)]
struct Row {
    label: u16,
    name: String,
    score: Score,
    n_cases: usize,
    mean_a: Option<f64>,
    mean_b: Option<f64>,
    /// B - A, over cases in which both have the score.
    mean_difference: Option<f64>,
    median_difference: Option<f64>,
    difference_interval: Option<Interval>,
    test: SignedRank,
    /// Corrected for the number of rows.
    p_value_holm: Option<f64>,
}

pub(crate) fn run(args: &CompareArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    if let Some(file) = &args.output {
        WrongUse::unless_table(file)?;
    }
    let (a, b) = (read(&args.a)?, read(&args.b)?);
    let asked_for: Vec<Score> = args.score.iter().map(|name| score_named(name)).collect::<Result<_, _>>()?;
    let bootstrap = Bootstrap { seed: args.random.seed, ..Bootstrap::default() };
    let comparison = compare(args, &a, &b, &asked_for, &bootstrap)?;
    for (cases, path) in [(&comparison.only_a, &args.a), (&comparison.only_b, &args.b)] {
        if !cases.is_empty() {
            messages.say(format_args!("note: {} cases are in {} only and are not compared: {}", cases.len(), path.display(), some(cases)));
        }
    }
    if let Some(file) = &args.output {
        write(&comparison, file)?;
    }
    messages.result(&comparison, || in_words(&comparison, &a))?;
    Ok(Outcome::Done)
}

/// Reads scores from a file, from the folder that holds it, or from all folds of a run.
pub(crate) fn read(path: &Path) -> anyhow::Result<Metrics> {
    WrongUse::unless_exists(path, "a metrics.json, a folder that holds one, or a run")?;
    let files = if path.is_dir() { files_in(path)? } else { vec![path.to_owned()] };
    let read_one = |file: &std::path::PathBuf| -> anyhow::Result<Metrics> {
        let act = || format!("reading {}", file.display());
        let bytes = std::fs::read(file).with_context(act)?;
        Metrics::from_json(&String::from_utf8_lossy(&bytes)).with_context(act)
    };
    let folds = files.iter().map(read_one).collect::<Result<Vec<_>, _>>()?;
    Metrics::of_folds(folds, &Bootstrap::default()).with_context(|| format!("the folds of {}", path.display()))
}

fn files_in(folder: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let own = folder.join("metrics.json");
    if own.is_file() {
        return Ok(vec![own]);
    }
    let act = || format!("cannot list {}", folder.display());
    let mut folds = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(act)? {
        let entry = entry.with_context(act)?;
        let file = entry.path().join("validation").join("metrics.json");
        if entry.file_name().to_string_lossy().starts_with("fold_") && file.is_file() {
            folds.push(file);
        }
    }
    folds.sort();
    if folds.is_empty() {
        let cure = "name the folder that `sagittal evaluate -o` wrote, or a run that was validated";
        return Err(WrongUse(format!("{} holds no metrics.json; {cure}", folder.display())).into());
    }
    Ok(folds)
}

fn score_named(name: &str) -> Result<Score, WrongUse> {
    Score::named(name).ok_or_else(|| {
        let all: Vec<&str> = Score::all().map(Score::name).collect();
        WrongUse(format!("there is no score `{name}`; there are {}", all.join(", ")))
    })
}

fn compare(args: &CompareArgs, a: &Metrics, b: &Metrics, asked_for: &[Score], bootstrap: &Bootstrap) -> anyhow::Result<Comparison> {
    let (path_a, path_b) = (args.a.display(), args.b.display());
    if a.region != b.region {
        let (of_a, of_b) = (in_region(a.region), in_region(b.region));
        bail!("{path_a} and {path_b} were scored in different regions ({of_a}, {of_b}); evaluate both in the same one");
    }
    let (names_a, names_b) = (names(a), names(b));
    ensure!(names_a == names_b, "{path_a} has the labels {names_a}, {path_b} {names_b}; evaluate both with the same --labels");
    if let (Some(one), Some(other)) = (&a.distances, &b.distances) {
        let same = one.unit == other.unit && one.options == other.options;
        ensure!(same, "{path_a} and {path_b} measure distances differently; evaluate both with the same --tolerance and --surface");
    }
    let cases_b: BTreeMap<&str, &CaseScore> = b.cases.iter().map(|case| (&*case.case, case)).collect();
    let pairs: Vec<(&CaseScore, &CaseScore)> = a.cases.iter().filter_map(|case| Some((case, *cases_b.get(&*case.case)?))).collect();
    let is_pair = |name: &str| pairs.iter().any(|(case, _)| case.case == name);
    let only = |metrics: &Metrics| metrics.cases.iter().map(|case| case.case.clone()).filter(|case| !is_pair(case)).collect::<Vec<_>>();
    let (only_a, only_b) = (only(a), only(b));
    ensure!(!pairs.is_empty(), "{path_a} and {path_b} have no case in common: {} against {}", some(&only_a), some(&only_b));
    let has =
        |score: Score| pairs.iter().flat_map(|(a, b)| a.labels.iter().zip(&b.labels)).any(|(a, b)| score.of(a).and(score.of(b)).is_some());
    let scores: Vec<Score> =
        if asked_for.is_empty() { USUAL.into_iter().filter(|score| has(*score)).collect() } else { asked_for.to_vec() };
    if let Some(lacking) = scores.iter().find(|score| !has(**score)) {
        bail!("no case has {} in both runs; evaluate both so that it is scored", lacking.name());
    }
    // Either run may know whose the cases are.
    let clusters = match Clusters::of(pairs.iter().map(|(a, _)| *a)) {
        Clusters { kind: ClusterKind::Case, .. } => Clusters::of(pairs.iter().map(|(_, b)| *b)),
        clusters => clusters,
    };
    let mut rows = Vec::new();
    for score in scores {
        for (idx, label) in a.labels.iter().enumerate() {
            let both = |(a, b): &(&CaseScore, &CaseScore)| Some((score.of(&a.labels[idx])?, score.of(&b.labels[idx])?));
            let of_cases: Vec<Option<(f64, f64)>> = pairs.iter().map(both).collect();
            let both: Vec<(f64, f64)> = of_cases.iter().flatten().copied().collect();
            // What should be near zero is compared by how far it is from it.
            let distance = |value: f64| if score.better() == Better::NearZero { value.abs() } else { value };
            let differences: Vec<Option<f64>> = of_cases.iter().map(|pair| pair.map(|(a, b)| distance(b) - distance(a))).collect();
            let summary = Summary::of_clusters(differences.iter().copied(), &clusters, bootstrap);
            let mean = |of: fn(&(f64, f64)) -> f64| {
                (!both.is_empty()).then(|| both.iter().map(|pair| distance(of(pair))).sum::<f64>() / both.len() as f64)
            };
            // Cases of one patient are alike, and would make the test too sure.
            let of_clusters = clusters.split(&differences);
            let of_clusters: Vec<f64> = of_clusters.iter().map(|values| values.iter().sum::<f64>() / values.len() as f64).collect();
            rows.push(Row {
                label: label.value,
                name: label.name.clone(),
                score,
                n_cases: both.len(),
                mean_a: mean(|pair| pair.0),
                mean_b: mean(|pair| pair.1),
                mean_difference: summary.mean,
                median_difference: summary.median,
                difference_interval: summary.mean_interval,
                test: SignedRank::of(&of_clusters),
                p_value_holm: None,
            });
        }
    }
    let p_values: Vec<Option<f64>> = rows.iter().map(|row| row.test.p_value).collect();
    rows.iter_mut().zip(holm(&p_values)).for_each(|(row, p)| row.p_value_holm = p);
    Ok(Comparison { format_version: 1, a: path_a.to_string(), b: path_b.to_string(), only_a, only_b, compared: clusters.kind, rows })
}

fn names(metrics: &Metrics) -> String {
    metrics.labels.iter().map(|label| format!("{} {}", label.value, label.name)).collect::<Vec<_>>().join(", ")
}

/// The first few of many names.
fn some(names: &[String]) -> String {
    let shown = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > 5 { format!("{shown}, …") } else { shown }
}

fn in_words(comparison: &Comparison, a: &Metrics) -> String {
    let p = |value: Option<f64>| match value {
        None => "-".to_owned(),
        Some(value) if value < 1e-3 => format!("{value:.0e}"),
        Some(value) => format!("{value:.3}"),
    };
    let mut text = format!("A {}\nB {}\n{}\n\n", comparison.a, comparison.b, in_region(a.region));
    let mut last = None;
    let mut rows: Vec<[String; 9]> = vec![["", "n", "A", "B", "B - A", "95 % interval", "p", "p Holm", "effect"].map(str::to_owned)];
    for row in &comparison.rows {
        if last != Some(row.score) {
            last = Some(row.score);
            let better = match row.score.better() {
                Better::Higher => "higher is better",
                Better::Lower => "lower is better",
                Better::NearZero => "distance from 0",
            };
            let mut title: [String; 9] = Default::default();
            title[0] = format!("{} ({better})", row.score.title());
            rows.push(title);
        }
        let interval = row.difference_interval.as_ref().map_or("-".to_owned(), |i| format!("{:.3}..{:.3}", i.low, i.high));
        let name: String = format!("  {} {}", row.label, row.name).chars().take(14).collect();
        let n = row.test.n.to_string();
        let [mean_a, mean_b, difference] = [row.mean_a, row.mean_b, row.mean_difference].map(short);
        let effect = row.test.rank_biserial.map_or("-".to_owned(), |effect| format!("{effect:+.2}"));
        rows.push([name, n, mean_a, mean_b, difference, interval, p(row.test.p_value), p(row.p_value_holm), effect]);
    }
    // A title must not widen the column of names.
    let titles: Vec<(usize, String)> =
        rows.iter().enumerate().filter(|(_, row)| row[1].is_empty()).map(|(i, row)| (i, row[0].clone())).collect();
    titles.iter().for_each(|(i, _)| rows[*i][0] = "-".to_owned());
    let mut lines: Vec<String> = table::aligned(&rows).lines().map(str::to_owned).collect();
    titles.into_iter().for_each(|(i, title)| lines[i] = title);
    text += &lines.join("\n");
    text += "\n\np: Wilcoxon's signed-rank test, two-sided; p Holm: corrected for all rows\n";
    if comparison.compared != ClusterKind::Case {
        let compared = comparison.compared.name();
        text += &format!("n: {compared}; the test compares the mean differences of their cases,\n");
        text += &format!("   and intervals draw {compared} with all of their cases\n");
    }
    text += "effect: rank-biserial correlation, -1 (B always lower) to +1 (always higher)\n";
    text
}

/// Writes the table, or everything.
fn write(comparison: &Comparison, file: &Path) -> anyhow::Result<()> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("json") => whole_file::write(file, serde_json::to_string_pretty(comparison)? + "\n"),
        _ => whole_file::write(file, as_csv(comparison)),
    }
}

fn as_csv(comparison: &Comparison) -> String {
    let mut text = String::from(
        "score,label,name,n_cases,n,n_equal,mean_a,mean_b,mean_difference,median_difference,interval_low,interval_high,p_value,p_value_holm,rank_biserial\n",
    );
    for row in &comparison.rows {
        let interval = row.difference_interval.as_ref();
        let numbers = [
            row.mean_a,
            row.mean_b,
            row.mean_difference,
            row.median_difference,
            interval.map(|i| i.low),
            interval.map(|i| i.high),
            row.test.p_value,
            row.p_value_holm,
            row.test.rank_biserial,
        ];
        let numbers: Vec<String> = numbers.into_iter().map(csv_number).collect();
        let (n, n_equal) = (row.test.n, row.test.n_equal);
        text +=
            &format!("{},{},{},{},{n},{n_equal},{}\n", row.score.name(), row.label, csv_field(&row.name), row.n_cases, numbers.join(","));
    }
    text
}
