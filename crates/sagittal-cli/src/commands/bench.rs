//! `sagittal bench`: how fast this machine is on named works, and on the whole way from a file to its labels.
//!
//! Times only mean something beside others that were taken on the same machine at the same time; the peak that is measured
//! along with them is the yardstick within one call.

mod convolution;
mod pipeline;
mod timing;
mod unet;
pub(crate) mod work;

use std::io::{ErrorKind, Write};

use sagittal_tensor::measured_peak_gflops;
use serde::Serialize;

use crate::{
    args::BenchArgs,
    device,
    messages::{Form, Messages},
    outcome::Outcome,
    stop::Stop,
    table::aligned,
};
use work::{WORKS, Work};

/// One time. With `--json` each is a line of its own, so that another program can read along.
#[derive(Clone, Debug, Serialize)]
struct Row {
    work: &'static str,
    pass: &'static str,
    median_ms: f64,
    /// Arithmetic of the direct algorithm, in billions.
    #[serde(skip_serializing_if = "Option::is_none")]
    gflop: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cases_per_s: Option<f64>,
}

/// Times of the two passes of a work.
#[derive(Clone, Copy, Debug)]
struct Passes {
    forward_ms: f64,
    train_ms: f64,
}

pub(crate) fn run(args: &BenchArgs, form: Form, messages: &Messages) -> anyhow::Result<Outcome> {
    let stop = Stop::on_ctrl_c()?;
    let device = device::open(args.on, messages)?;
    let mut rows = Vec::new();
    let mut done = |row: Row| {
        let printed = if form == Form::Json { print_line(&row) } else { Ok(()) };
        rows.push(row);
        printed
    };
    for work in WORKS.iter().filter(|work| args.works.is_empty() || args.works.iter().any(|name| name == work.name())) {
        if stop.requested() {
            return Ok(Outcome::SomeFailed);
        }
        messages.say(format_args!("timing {}", work.name()));
        let Passes { forward_ms, train_ms } = match work {
            Work::Convolution(work) => convolution::time(work, &device)?,
            Work::Unet(work) => unet::time(work, &device)?,
        };
        let gflop = work.gflop();
        for (pass, median_ms, gflop) in [("forward", forward_ms, gflop), ("train", train_ms, 3.0 * gflop)] {
            done(Row { work: work.name(), pass, median_ms, gflop: Some(gflop), cases_per_s: None })?;
        }
    }
    if args.works.is_empty() && !stop.requested() {
        messages.say("timing start-up, preprocessing and prediction");
        for row in pipeline::time(&device)? {
            done(row)?;
        }
    }
    if form == Form::Words {
        // The yardstick is measured on the processor and says nothing about a GPU.
        let peak = device.part().is_none().then(measured_peak_gflops);
        messages.result(&rows, || in_words(&rows, peak))?;
    }
    Ok(Outcome::Done)
}

/// Writes a result at once; a reader that has gone away is no failure.
fn print_line(row: &Row) -> anyhow::Result<()> {
    let line = serde_json::to_string(row)?;
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn in_words(rows: &[Row], peak: Option<f64>) -> String {
    let mut cells = vec![["work", "pass", "ms", "GF/s", "of peak", "cases/s"].map(str::to_owned)];
    let written = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.2}"));
    cells.extend(rows.iter().map(|row| {
        let gflops = row.gflop.map(|gflop| gflop / row.median_ms * 1e3);
        let share = gflops.zip(peak).map_or(String::new(), |(speed, peak)| format!("{:.0} %", 100.0 * speed / peak));
        let speed = gflops.map_or(String::new(), |speed| format!("{speed:.0}"));
        [row.work.to_owned(), row.pass.to_owned(), written(Some(row.median_ms)), speed, share, written(row.cases_per_s)]
    }));
    let threads = rayon::current_num_threads();
    let yardstick = peak.map_or(String::new(), |peak| format!("\npeak: {peak:.0} GF/s, measured in registers on {threads} thread(s)"));
    aligned(&cells) + &yardstick
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_the_comparison_reads() {
        let row = Row { work: "conv3d-32", pass: "forward", median_ms: 12.5, gflop: Some(4.955), cases_per_s: None };
        let line = serde_json::to_string(&row).expect("plain data");
        assert_eq!(line, r#"{"work":"conv3d-32","pass":"forward","median_ms":12.5,"gflop":4.955}"#);
    }

    #[test]
    fn a_table_shows_speed_only_where_there_is_arithmetic() {
        let row = Row { work: "pipeline", pass: "predict", median_ms: 500.0, gflop: None, cases_per_s: Some(2.0) };
        let table = in_words(&[row], Some(100.0));
        assert!(table.contains("predict") && table.contains("2.00") && !table.contains(" %"), "{table}");
    }

    #[test]
    fn a_table_of_a_gpu_has_speeds_but_no_share_of_the_processors_peak() {
        let row = Row { work: "conv3d-32", pass: "forward", median_ms: 10.0, gflop: Some(5.0), cases_per_s: None };
        let (on_cpu, on_gpu) = (in_words(std::slice::from_ref(&row), Some(1000.0)), in_words(&[row], None));
        assert!(on_cpu.contains("500") && on_cpu.contains("50 %") && on_cpu.contains("peak: 1000 GF/s"), "{on_cpu}");
        assert!(on_gpu.contains("500") && !on_gpu.contains(" %") && !on_gpu.contains("peak:"), "{on_gpu}");
    }
}
