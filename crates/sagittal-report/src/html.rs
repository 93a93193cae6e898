//! One page that says how a run went: a single file without any request to anywhere, for the screen, the phone and paper.
//!
//! Sections in the order in which people ask: how good, is it trustworthy, what does it look like, how did it learn, how was it made.
//! Everything that comes from outside is escaped; pictures are inlined as base64.

mod beside;
mod scores;

use std::fmt::Write as _;

use base64::{Engine, engine::general_purpose::STANDARD};
use sagittal_metrics::{Interval, ScoredRegion};

use crate::{
    ReportInput, chart, curves, gradients,
    palette::{Palette, hex},
};

const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/table.js");

/// The page.
pub fn html(input: &ReportInput) -> String {
    let title = format!("Sagittal: {}", input.dataset);
    let mut page = String::with_capacity(1 << 20);
    begin(&mut page, &title);
    header(&mut page, input);
    if let Some(metrics) = &input.metrics {
        scores::summary(&mut page, metrics);
    }
    scores::probabilities(&mut page, &input.probabilities);
    if let Some(metrics) = &input.metrics {
        beside::side_by_side(&mut page, metrics);
        beside::groups(&mut page, metrics);
    }
    pictures(&mut page, input);
    learning(&mut page, input);
    if let Some(metrics) = &input.metrics {
        scores::cases(&mut page, metrics);
    }
    plan(&mut page, &input.plan_words);
    provenance(&mut page, &input.provenance);
    end(&mut page);
    page
}

/// Everything before a page's content.
pub(crate) fn begin(page: &mut String, title: &str) {
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\
         <title>{}</title><style>{STYLE}</style></head><body><main>",
        escape(title)
    );
}

/// Everything after it.
pub(crate) fn end(page: &mut String) {
    let _ = writeln!(page, "</main><script>{SCRIPT}</script></body></html>");
}

/// Text for HTML, also inside attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}

/// A score for people: three decimals, a dash where it is not defined.
pub(crate) fn score(value: Option<f64>) -> String {
    value.filter(|v| v.is_finite()).map_or("–".into(), |value| format!("{value:.3}"))
}

fn interval(interval: Option<&Interval>) -> String {
    interval.map_or("–".into(), |i| format!("{:.3} – {:.3}", i.low, i.high))
}

fn header(page: &mut String, input: &ReportInput) {
    let subtitle: Vec<String> = [input.model.clone(), input.fold.clone()].into_iter().flatten().collect();
    let _ = write!(page, "<header><p class=\"brand\">Sagittal report</p><h1>{}</h1>", escape(&input.dataset));
    if !subtitle.is_empty() {
        let _ = write!(page, "<p class=\"subtitle\">{}</p>", escape(&subtitle.join(" · ")));
    }
    page.push_str("<dl class=\"facts\">");
    let mut fact = |name: &str, value: &str, detail: &str, class: &str| {
        let _ = write!(page, "<div class=\"{class}\"><dt>{name}</dt><dd>{}<small>{}</small></dd></div>", escape(value), escape(detail));
    };
    match &input.metrics {
        Some(metrics) => {
            let foreground = &metrics.foreground_dice;
            let detail = foreground
                .mean_interval
                .as_ref()
                .map_or("one case: no interval".into(), |i| format!("{:.0} % interval {:.3} – {:.3}", 100.0 * i.level, i.low, i.high));
            let detail = if foreground.n == 0 { "no case has a defined Dice".into() } else { detail };
            fact("Mean foreground Dice", &score(foreground.mean), &detail, "main");
            let inside = match metrics.region {
                ScoredRegion::WholeImage => "scored over whole images",
                ScoredRegion::FieldOfView => "scored inside the field of view",
                ScoredRegion::Mask => "scored inside the given mask",
            };
            let failed = if metrics.failed.is_empty() { inside.to_owned() } else { format!("{inside}; {} failed", metrics.failed.len()) };
            fact("Cases", &metrics.cases.len().to_string(), &failed, "");
        }
        None => fact("Mean foreground Dice", "–", "whole images are not evaluated yet", "main"),
    }
    if let Some(last) = input.progress.records.last() {
        let minutes = input.minutes.or(last.elapsed_s.map(|s| s / 60.0));
        fact("Training", &minutes.map_or("–".into(), duration), &format!("{} epochs", last.epoch), "");
    } else if let Some(minutes) = input.minutes {
        fact("Training", &duration(minutes), "", "");
    }
    if let Some(seed) = input.seed {
        fact("Seed", &seed.to_string(), "repeats this run", "");
    }
    page.push_str("</dl>");
    for warning in &input.warnings {
        let _ = write!(page, "<p class=\"warning\">{}</p>", escape(warning));
    }
    page.push_str("</header>");
}

fn duration(minutes: f64) -> String {
    match minutes {
        m if !m.is_finite() => "–".into(),
        m if m < 1.0 => format!("{:.0} s", m * 60.0),
        m if m < 100.0 => format!("{m:.1} min"),
        m => format!("{:.1} h", m / 60.0),
    }
}

fn pictures(page: &mut String, input: &ReportInput) {
    if input.pictures.is_empty() {
        return;
    }
    page.push_str(
        "<section><h2>Pictures</h2><p class=\"note\">The prediction is filled, the truth is the line around it. Radiological view: the patient's right is on the left.</p><ul class=\"legend\">",
    );
    for (idx, name) in input.classes.iter().enumerate() {
        let _ = write!(page, "<li><i style=\"background:{}\"></i>{}</li>", hex(Palette::nth(idx)), escape(name));
    }
    page.push_str("</ul>");
    for picture in &input.pictures {
        let _ = write!(
            page,
            "<figure class=\"case\"><figcaption><b>{}</b> {} <span class=\"num\">Dice {}</span></figcaption><div class=\"scroll\"><img alt=\"{}\" src=\"data:image/png;base64,{}\"></div></figure>",
            picture.role.name(),
            escape(&picture.case),
            score(picture.dice),
            escape(&format!("{} {}: image, truth and prediction", picture.role.name(), picture.case)),
            STANDARD.encode(&picture.png)
        );
    }
    page.push_str("</section>");
}

fn learning(page: &mut String, input: &ReportInput) {
    page.push_str("<section><h2>Learning</h2>");
    let charts = curves::charts(&input.progress.records, &input.classes);
    if charts.is_empty() {
        page.push_str("<p class=\"note\">No epoch is recorded.</p>");
    }
    page.push_str("<div class=\"charts\">");
    let pretraining = curves::pretraining_chart(&input.pretraining);
    charts.iter().chain(&gradients::chart(&input.progress.records)).chain(&pretraining).for_each(|one| page.push_str(&chart::svg(one)));
    page.push_str("</div>");
    if !input.progress.unreadable_lines.is_empty() {
        let lines: Vec<String> = input.progress.unreadable_lines.iter().map(ToString::to_string).collect();
        let _ = write!(page, "<p class=\"note\">Not readable in progress.jsonl: line {}.</p>", lines.join(", "));
    }
    if let Some(gif) = &input.training_gif {
        let _ = write!(
            page,
            "<figure class=\"case wide\"><figcaption><b>Training</b> one validation case, one frame an epoch</figcaption>\
             <div class=\"scroll\"><img alt=\"image, true mask, predicted mask and both overlays, epoch by epoch\" src=\"data:image/gif;base64,{}\"></div></figure>",
            STANDARD.encode(gif)
        );
    }
    page.push_str("</section>");
}

/// How it was planned, in words.
pub(crate) fn plan(page: &mut String, plan_words: &str) {
    if plan_words.trim().is_empty() {
        return;
    }
    page.push_str("<section><h2>Plan</h2><div class=\"plan\">");
    for paragraph in plan_words.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        plan_paragraph(page, paragraph);
    }
    page.push_str("</div></section>");
}

/// Lines that begin with a name in a column of their own, and go on below it, become rows that fit any width; all others stay text.
fn plan_paragraph(page: &mut String, paragraph: &str) {
    let is_continued = |line: &str| line.starts_with("  ");
    let named = |line: &str| line.split_once("  ").is_some_and(|(name, text)| !name.is_empty() && !text.trim().is_empty());
    let mut lines = paragraph.lines().peekable();
    if !paragraph.lines().all(|line| is_continued(line) || named(line)) || lines.peek().is_none_or(|line| is_continued(line)) {
        let _ = write!(page, "<p>{}</p>", escape(paragraph.trim_end()));
        return;
    }
    page.push_str("<dl>");
    while let Some((name, text)) = lines.next().and_then(|line| line.split_once("  ")) {
        let mut text = text.trim().to_owned();
        while let Some(more) = lines.next_if(|line| is_continued(line)) {
            text = format!("{text} {}", more.trim());
        }
        let _ = write!(page, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(&text));
    }
    page.push_str("</dl>");
}

/// What is needed to repeat it, and the end of the page's text.
pub(crate) fn provenance(page: &mut String, provenance: &[(String, String)]) {
    page.push_str("<section><h2>How it was made</h2>");
    if !provenance.is_empty() {
        page.push_str("<table class=\"provenance\"><tbody>");
        for (name, value) in provenance {
            let _ = write!(page, "<tr><th scope=\"row\">{}</th><td><code>{}</code></td></tr>", escape(name), escape(value));
        }
        page.push_str("</tbody></table>");
    }
    page.push_str(
        "</section><footer>Sagittal is a research program and not a medical device: nothing on this page may guide the care of a patient.</footer>",
    );
}

#[cfg(test)]
mod tests;
