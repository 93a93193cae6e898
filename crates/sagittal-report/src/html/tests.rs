use sagittal_metrics::{
    Beside, Bootstrap, CaseScore, FailedCase, LabelName, LabelScore, Metrics, Overlap, PooledProbability, ProbabilityScore, Subject,
    VolumeUnit, probability::ReliabilityBin,
};

use super::*;
use crate::{CasePicture, CaseRole, Curves, LayerCurve, Progress};

const NASTY: &str = "<script>alert('x')</script>&\"quoted\"";

fn label_score(label: u16, true_positive: u64) -> LabelScore {
    let overlap = Overlap { true_positive, false_positive: true_positive / 4, false_negative: true_positive / 5, true_negative: 9 };
    LabelScore::new(label, overlap, 1.0, VolumeUnit::Pixel)
}

fn input(n_cases: usize, n_labels: u16) -> ReportInput {
    let labels: Vec<LabelName> = (1..=n_labels).map(|value| LabelName { value, name: format!("{NASTY}{value}") }).collect();
    let case = |i: usize| CaseScore::new(format!("{NASTY}{i}"), (1..=n_labels).map(|label| label_score(label, 10 * i as u64)).collect());
    let failed = vec![FailedCase { case: NASTY.into(), reason: NASTY.into() }];
    ReportInput {
        dataset: NASTY.into(),
        fold: Some(NASTY.into()),
        model: Some(NASTY.into()),
        plan_words: format!("{NASTY}\n\n\n{NASTY}"),
        classes: labels.iter().map(|label| label.name.clone()).collect(),
        metrics: Some(Metrics::new(labels, ScoredRegion::FieldOfView, (0..n_cases).map(case).collect(), failed, &Bootstrap::default())),
        pictures: vec![CasePicture { case: NASTY.into(), role: CaseRole::Worst, dice: None, png: vec![1, 2, 3] }],
        progress: Progress::parse("{\"epoch\":1,\"training_loss\":1.0,\"validation_dice\":[null,0.5]}\nbroken"),
        probabilities: vec![Curves {
            name: NASTY.into(),
            pooled: PooledProbability {
                score: ProbabilityScore::default(),
                roc_auc_error_at_most: 0.0,
                best_threshold: None,
                roc: vec![[0.0, 0.0], [f64::NAN, 0.3], [1.0, 1.0]],
                precision_recall: vec![[0.0, 1.0]],
                reliability: vec![ReliabilityBin { mean_probability: 0.5, share_positive: f64::NAN, n: 3 }],
            },
        }],
        pretraining: vec![LayerCurve { name: "encoder.stages.0".into(), losses: vec![(1, 0.9), (2, 0.4)] }],
        training_gif: Some(vec![1]),
        provenance: vec![(NASTY.into(), NASTY.into())],
        warnings: vec![NASTY.into()],
        ..ReportInput::default()
    }
}

#[test]
fn nothing_from_outside_reaches_the_page_unescaped() {
    let page = html(&input(3, 2));
    assert!(!page.contains("<script>alert") && !page.contains("&\"quoted"), "unescaped text");
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;quoted&quot;"));
}

#[test]
fn the_page_asks_nobody_for_anything() {
    // Every kind of chart is on the page, and more labels than are shown at once.
    let page = html(&input(7, 8));
    for section in ["Sizes", "Probabilities", "<details>", "from the worst to the best"] {
        assert!(page.contains(section), "{section}");
    }
    for request in ["http://", "https://", "url(", "@import", "fetch(", "<link", "src=\"/"] {
        assert!(!page.contains(request), "{request}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn what_was_scored_otherwise_and_groups_have_tables() {
    let mut input = input(4, 1);
    let metrics = input.metrics.as_mut().expect("there are scores");
    let cases: Vec<CaseScore> =
        metrics.cases.iter().map(|case| CaseScore { group: Some(format!("{NASTY}, east")), ..case.clone() }).collect();
    let again = |region| Metrics::new(metrics.labels.clone(), region, cases.clone(), Vec::new(), &Bootstrap::default());
    let second = Beside { subject: Subject::SecondObserver, metrics: again(ScoredRegion::WholeImage) };
    *metrics = Metrics { beside: vec![second], ..again(ScoredRegion::FieldOfView) };
    let page = html(&input);
    for part in ["Side by side", "prediction, field of view", "second observer, whole image", "<h2>Groups</h2>", ", east: "] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<script>alert"), "unescaped text");
    for tag in ["tr", "td", "table", "section"] {
        assert_eq!(
            page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count(),
            page.matches(&format!("</{tag}>")).count()
        );
    }
}

#[test]
fn a_plan_in_columns_becomes_rows_and_text_stays_text() {
    let words = "Data      two <labels>\nPatch     64 x 64,\n          large\n\nA sentence.\n\n  begins indented";
    let page = html(&ReportInput { plan_words: words.into(), ..ReportInput::default() });
    assert!(page.contains("<dl><dt>Data</dt><dd>two &lt;labels&gt;</dd><dt>Patch</dt><dd>64 x 64, large</dd></dl><p>A sentence.</p>"));
    assert!(page.contains("<p>  begins indented</p>"));
}

#[test]
fn every_state_of_a_run_has_a_page() {
    let page = html(&ReportInput::default());
    assert!(page.contains("not evaluated yet") && page.contains("No epoch is recorded"));
    assert!(page.contains("not a medical device"));
    for (n_cases, n_labels) in [(0, 0), (0, 2), (1, 1), (2, 1), (3, 9), (12, 2)] {
        let page = html(&input(n_cases, n_labels));
        assert!(!page.contains("NaN") && !page.contains(">inf"), "{n_cases} cases, {n_labels} labels");
    }
}

#[test]
fn elements_are_closed() {
    let page = html(&input(4, 3));
    for element in [
        "div",
        "section",
        "table",
        "tr",
        "td",
        "th",
        "figure",
        "svg",
        "ul",
        "li",
        "p",
        "button",
        "main",
        "header",
        "dl",
        "text",
        "title",
        "details",
        "summary",
        "figcaption",
    ] {
        let opened = page.matches(&format!("<{element}>")).count() + page.matches(&format!("<{element} ")).count();
        assert_eq!(opened, page.matches(&format!("</{element}>")).count(), "{element}");
    }
}
