#![allow(clippy::unwrap_used, reason = "tests")]

use sagittal_image::{Geometry, Volume};
use sagittal_metrics::Interval;

use super::*;
use crate::ProgressRecord;

fn arm(name: &str, dice: f64, low: f64) -> StudyArm {
    let record = |epoch: usize| ProgressRecord {
        epoch,
        elapsed_s: Some(epoch as f64 * 10.0),
        training_loss: Some(0.5),
        validation_dice: vec![Some(dice)],
        ..ProgressRecord::default()
    };
    let progress = Progress { records: (1..5).map(record).collect(), unreadable_lines: vec![] };
    let interval = Some(Interval { low, high: 0.95, level: 0.95, method: "m".into() });
    StudyArm {
        name: name.into(),
        says: "what differs".into(),
        changes: "momentum = 0".into(),
        cells: vec![StudyCell { value: Some(dice), text: format!("{dice}"), interval: "0.1 to 0.2".into() }],
        dice: Some(Effect { value: dice, interval, n_cases: 3, n_runs: 2 }),
        family: Some("deep".into()),
        parameters: Some(1e6),
        progress: vec![progress.clone(), progress],
        gif: Some(b"GIF89a".to_vec()),
        links: vec![("run".into(), "runs/a/seed_0".into())],
    }
}

fn input() -> StudyInput {
    let claim = |verdict| StudyClaim {
        says: "a <is> better".into(),
        source: "somebody & son".into(),
        verdict,
        verdict_words: format!("{}, with <one> seed", verdict.name()),
        findings: vec!["0.1 > 0".into()],
    };
    let panel = StudyPanel { title: "truth".into(), dice: Some(0.5), png: vec![1, 2] };
    StudyInput {
        title: "A <b> study".into(),
        dataset: "set".into(),
        question: "First.\n\nSecond.".into(),
        sources: vec!["Lai 2015".into()],
        schedule: "1 minute each".into(),
        columns: vec![StudyColumn { title: "Dice".into(), meaning: "overlap".into() }],
        arms: vec![arm("one", 0.8, 0.7), arm("two", 0.9, 0.85)],
        claims: [Verdict::Confirmed, Verdict::NotConfirmed, Verdict::Undecided].map(claim).to_vec(),
        cases: vec![StudyCase { role: CaseRole::Best, case: "c<1>".into(), panels: vec![panel] }],
        tables: vec![StudyTable {
            title: "Size & accuracy".into(),
            note: "read off".into(),
            head: vec!["Dice".into(), "<flat>".into()],
            rows: vec![vec!["0.8".into(), "12 nodes".into()]],
        }],
        curves: vec![StudyCurves {
            title: "Gradients".into(),
            lines: vec![("two".into(), vec![(1.0, Some(2.0))])],
            ..StudyCurves::default()
        }],
        plan_words: "Plan  words".into(),
        provenance: vec![("command".into(), "sagittal study".into())],
        warnings: vec!["one & two".into()],
    }
}

#[test]
fn the_page_is_whole_escaped_and_asks_nobody_for_anything() {
    let page = study_html(&input());
    for tag in ["div", "section", "article", "table", "tr", "td", "th", "figure", "svg", "ul", "li", "p", "h3", "blockquote", "pre", "main"]
    {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    for text in [
        "A &lt;b&gt; study",
        "a &lt;is&gt; better",
        "c&lt;1&gt;",
        "undecided, with &lt;one&gt; seed",
        "not confirmed",
        "Gradients",
        "First.</p>",
        "Size &amp; accuracy",
        "<td>12 nodes</td>",
        "&lt;flat&gt;",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("<b> study"));
}

#[test]
fn every_arm_is_named_once_in_a_legend_and_has_a_line_for_every_training() {
    let page = study_html(&input());
    let from = page.find("Dice on validation patches").unwrap();
    let chart = &page[from..from + page[from..].find("</figure>").unwrap()];
    assert_eq!(chart.matches("<polyline").count(), 4);
    assert_eq!(chart.matches("<li>").count(), 2, "{chart}");
}

#[test]
fn a_study_without_results_is_a_page_all_the_same() {
    let mut empty = input();
    empty.arms.iter_mut().for_each(|arm| *arm = StudyArm { name: arm.name.clone(), ..StudyArm::default() });
    (empty.cases, empty.curves) = (vec![], vec![]);
    let page = study_html(&empty);
    assert!(!page.contains("NaN") && !page.contains("inf") && page.contains("</html>"));
    assert!(study_html(&StudyInput::default()).contains("</html>"));
}

#[test]
fn a_case_is_shown_as_image_truth_and_predictions_of_one_size() {
    let geometry = Geometry::picture([6, 8]);
    let image = Image {
        channels: vec![Volume::new([1, 6, 8], (0..48).map(|i| i as f32).collect())],
        geometry: geometry.clone(),
        header: Default::default(),
    };
    let map = |label: u16| LabelMap { labels: Volume::filled([1, 6, 8], label), geometry: geometry.clone(), header: Default::default() };
    let (truth, other) = (map(1), map(0));
    let pictures = side_by_side(&image, &truth, &[&truth, &other], &Palette::new(&[1])).unwrap();
    assert_eq!(pictures.len(), 4);
    assert!(pictures.iter().all(|picture| (picture.width(), picture.height()) == (pictures[0].width(), pictures[0].height())));
    // The one is filled, the other is not.
    assert_ne!(pictures[2].pixels(), pictures[3].pixels());
}
