//! The sections of the page.

use std::fmt::Write as _;

use base64::{Engine, engine::general_purpose::STANDARD};
use sagittal_metrics::Verdict;

use super::{StudyArm, StudyInput, StudyTable, forest};
use crate::{
    ProgressRecord,
    chart::{self, Chart, Series, XAxis, YAxis},
    html::{escape, score},
    palette::{Palette, hex},
};

pub(super) fn header(page: &mut String, input: &StudyInput) {
    let _ = write!(page, "<header><p class=\"brand\">Sagittal study</p><h1>{}</h1>", escape(&input.title));
    let n_runs: usize = input.arms.iter().map(|arm| arm.progress.len()).sum();
    let _ = write!(page, "<p class=\"subtitle\">{} · {} arms · {n_runs} trainings</p>", escape(&input.dataset), input.arms.len());
    for warning in &input.warnings {
        let _ = write!(page, "<p class=\"warning\">{}</p>", escape(warning));
    }
    page.push_str("</header>");
}

pub(super) fn question(page: &mut String, input: &StudyInput) {
    page.push_str("<section class=\"prose\"><h2>What is compared, and why</h2>");
    for paragraph in input.question.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()) {
        let _ = write!(page, "<p>{}</p>", escape(paragraph));
    }
    if !input.sources.is_empty() {
        page.push_str("<p class=\"note\">Sources:</p><ul class=\"note\">");
        input.sources.iter().for_each(|source| page.push_str(&format!("<li>{}</li>", escape(source))));
        page.push_str("</ul>");
    }
    let _ = write!(page, "<p class=\"note\">{}</p></section>", escape(&input.schedule));
}

pub(super) fn verdicts(page: &mut String, input: &StudyInput) {
    if input.claims.is_empty() {
        return;
    }
    page.push_str("<section><h2>What the sources claim, and what was found</h2>");
    for claim in &input.claims {
        let class = match claim.verdict {
            Verdict::Confirmed => "confirmed",
            Verdict::NotConfirmed => "not-confirmed",
            Verdict::Undecided => "undecided",
        };
        let verdict = escape(&claim.verdict_words);
        let _ = write!(
            page,
            "<article class=\"claim {class}\"><p class=\"verdict\">{verdict}</p><blockquote>{}</blockquote><p class=\"note\">{}</p><ul>",
            escape(&claim.says),
            escape(&claim.source)
        );
        claim.findings.iter().for_each(|finding| page.push_str(&format!("<li>{}</li>", escape(finding))));
        page.push_str("</ul></article>");
    }
    page.push_str("</section>");
}

pub(super) fn results(page: &mut String, input: &StudyInput) {
    page.push_str("<section><h2>Results</h2>");
    page.push_str(&forest::svg(&input.arms));
    page.push_str("<p class=\"note screen\">Press a heading to sort.</p><div class=\"scroll\"><table class=\"cases sortable\"><thead><tr>");
    page.push_str("<th scope=\"col\"><button type=\"button\">Arm</button></th>");
    for column in &input.columns {
        let _ = write!(
            page,
            "<th scope=\"col\" class=\"num\" title=\"{}\"><button type=\"button\">{}</button></th>",
            escape(&column.meaning),
            escape(&column.title)
        );
    }
    page.push_str("</tr></thead><tbody>");
    for (index, arm) in input.arms.iter().enumerate() {
        let _ = write!(page, "<tr><th scope=\"row\">{}{}</th>", chip(index), escape(&arm.name));
        for cell in &arm.cells {
            let value = cell.value.filter(|value| value.is_finite()).map_or(String::new(), |value| value.to_string());
            let interval = if cell.interval.is_empty() { String::new() } else { format!("<br><small>{}</small>", escape(&cell.interval)) };
            let _ = write!(page, "<td class=\"num\" data-v=\"{value}\">{}{interval}</td>", escape(&cell.text));
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table></div><ul class=\"note\">");
    for column in input.columns.iter().filter(|column| !column.meaning.is_empty()) {
        let _ = write!(page, "<li><b>{}</b>: {}</li>", escape(&column.title), escape(&column.meaning));
    }
    page.push_str("</ul>");
    let against_size = against_size(&input.arms);
    if !against_size.is_empty() {
        let _ = write!(page, "<div class=\"charts one\">{}</div>", chart::svg(&against_size));
    }
    input.tables.iter().for_each(|further| table(page, further));
    page.push_str("</section>");
}

fn table(page: &mut String, table: &StudyTable) {
    let _ = write!(page, "<h3>{}</h3><p class=\"note\">{}</p>", escape(&table.title), escape(&table.note));
    if table.rows.is_empty() {
        return;
    }
    page.push_str("<div class=\"scroll\"><table class=\"cases\"><thead><tr>");
    table.head.iter().for_each(|title| page.push_str(&format!("<th scope=\"col\">{}</th>", escape(title))));
    page.push_str("</tr></thead><tbody>");
    for cells in &table.rows {
        page.push_str("<tr>");
        cells.iter().for_each(|cell| page.push_str(&format!("<td>{}</td>", escape(cell))));
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table></div>");
}

/// Quality against size, for arms that belong to families.
fn against_size(arms: &[StudyArm]) -> Chart {
    let mut families: Vec<&str> = arms.iter().filter_map(|arm| arm.family.as_deref()).collect();
    families.dedup();
    let of = |(index, family): (usize, &&str)| {
        let members = arms.iter().filter(|arm| arm.family.as_deref() == Some(*family));
        let mut points: Vec<(f64, Option<f64>)> =
            members.filter_map(|arm| Some((arm.parameters? / 1000.0, Some(arm.dice.as_ref()?.value)))).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Series { name: (*family).to_owned(), colour: index, points, ..Series::default() }
    };
    Chart {
        title: "Dice against size".into(),
        x_name: "thousands of parameters".into(),
        x_axis: XAxis::Measure(None),
        series: families.iter().enumerate().map(of).collect(),
        ..Chart::default()
    }
}

pub(super) fn pictures(page: &mut String, input: &StudyInput) {
    if input.cases.is_empty() {
        return;
    }
    page.push_str(
        "<section><h2>The same cases in every arm</h2><p class=\"note\">The slice with the most labels. Predictions are filled, the line is \
         the truth. Best, median and worst are those of the first arm.</p>",
    );
    for case in &input.cases {
        let _ = write!(page, "<h3>{} <small>{}</small></h3><div class=\"panels\">", case.role.name(), escape(&case.case));
        for panel in &case.panels {
            let dice = panel.dice.map_or(String::new(), |dice| format!("<span class=\"num\">{}</span>", score(Some(dice))));
            let title = escape(&panel.title);
            let _ = write!(
                page,
                "<figure><img alt=\"{}: {title}\" src=\"data:image/png;base64,{}\"><figcaption>{title} {dice}</figcaption></figure>",
                escape(&case.case),
                STANDARD.encode(&panel.png)
            );
        }
        page.push_str("</div>");
    }
    page.push_str("</section>");
}

pub(super) fn learning(page: &mut String, input: &StudyInput) {
    let charts: Vec<Chart> = [
        curves(input, "Dice on validation patches", Some((0.0, 1.0)), |record| record.mean_dice()),
        curves(input, "Training loss", None, |record| record.training_loss),
        curves(input, "Validation loss", None, |record| record.validation_loss),
    ]
    .into_iter()
    .chain(input.curves.iter().map(|curves| further(input, curves)))
    .filter(|chart| !chart.is_empty())
    .collect();
    let gifs = input.arms.iter().filter_map(|arm| Some((arm, arm.gif.as_ref()?)));
    let gifs: Vec<_> = gifs.collect();
    if charts.is_empty() && gifs.is_empty() {
        return;
    }
    page.push_str("<section><h2>Learning</h2><div class=\"charts\">");
    charts.iter().for_each(|one| page.push_str(&chart::svg(one)));
    page.push_str("</div>");
    for (arm, gif) in gifs {
        let name = escape(&arm.name);
        let _ = write!(
            page,
            "<figure class=\"case wide\"><figcaption><b>{name}</b> one validation case, one frame an epoch</figcaption>\
             <div class=\"scroll\"><img alt=\"{name}: image, true mask, predicted mask and both overlays, epoch by epoch\" \
             src=\"data:image/gif;base64,{}\"></div></figure>",
            STANDARD.encode(gif)
        );
    }
    page.push_str("</section>");
}

/// A line for every training over the time that it took, all of an arm in its colour.
fn curves(input: &StudyInput, title: &str, y_at_least: Option<(f64, f64)>, value: fn(&ProgressRecord) -> Option<f64>) -> Chart {
    let longest_s =
        input.arms.iter().flat_map(|arm| &arm.progress).filter_map(|progress| progress.records.last()?.elapsed_s).fold(0.0, f64::max);
    let (unit, unit_s) = if longest_s > 300.0 { ("minutes of training", 60.0) } else { ("seconds of training", 1.0) };
    let mut series = Vec::new();
    for (index, arm) in input.arms.iter().enumerate() {
        let mut name = arm.name.clone();
        for progress in &arm.progress {
            let points = progress.records.iter().filter_map(|record| Some((record.elapsed_s? / unit_s, value(record))));
            let one = Series { name: std::mem::take(&mut name), colour: index, points: points.collect(), ..Series::default() };
            // The legend names an arm once, and says no last value: that is what the table is for.
            series.push(Series { value: Some(String::new()), ..one });
        }
    }
    series.retain(|one| one.defined().next().is_some());
    Chart { title: title.into(), x_name: unit.into(), x_axis: XAxis::Measure(Some((0.0, 0.0))), series, y_at_least, ..Chart::default() }
}

fn further(input: &StudyInput, curves: &super::StudyCurves) -> Chart {
    let series = curves.lines.iter().enumerate().map(|(index, (name, points))| Series {
        name: name.clone(),
        // Lines of an arm have its colour.
        colour: input.arms.iter().position(|arm| &arm.name == name).unwrap_or(index),
        points: points.clone(),
        value: Some(String::new()),
        ..Series::default()
    });
    let (title, x_name, note) = (curves.title.clone(), curves.x_name.clone(), curves.note.clone());
    Chart { title, x_name, note, x_axis: XAxis::Measure(None), y_axis: YAxis::Log10, series: series.collect(), ..Chart::default() }
}

pub(super) fn settings(page: &mut String, input: &StudyInput) {
    page.push_str("<section><h2>The arms</h2>");
    for (index, arm) in input.arms.iter().enumerate() {
        let _ = write!(page, "<article class=\"arm\"><h3>{}{}</h3><p>{}</p>", chip(index), escape(&arm.name), escape(&arm.says));
        if !arm.changes.trim().is_empty() {
            let _ = write!(page, "<pre>{}</pre>", escape(arm.changes.trim()));
        }
        if !arm.links.is_empty() {
            page.push_str("<p class=\"note\">Beside this page:");
            for (name, target) in &arm.links {
                let _ = write!(page, " <a href=\"{}\">{}</a>", escape(target), escape(name));
            }
            page.push_str("</p>");
        }
        page.push_str("</article>");
    }
    page.push_str("</section>");
}

/// The square in an arm's colour.
fn chip(index: usize) -> String {
    format!("<i style=\"background:{}\"></i>", hex(Palette::nth(index)))
}
