//! What the program says: results on standard output, everything else on standard error.
//!
//! On a terminal long work shows a bar; elsewhere (a file, a log of a cluster) plain lines, seldom enough to read.
//! A command that runs others keeps what they say in a file of its own each.
//! Writing to a closed pipe, as in `sagittal check SET | head`, is no failure.

use std::{
    fmt::Display,
    fs::File,
    io::{ErrorKind, IsTerminal, Write},
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::Context;
use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// Time between two plain lines about the same work.
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(10);

/// The two voices of the program.
#[derive(Debug)]
pub(crate) struct Messages {
    results: Form,
    log: Option<Log>,
}

/// A file that takes what would else be said on standard error.
type Log = Arc<Mutex<File>>;

/// The form of results on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Words and tables for people.
    Words,
    /// One JSON document for programs.
    Json,
}

/// What progress counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Cases,
    Bytes,
}

impl Messages {
    pub(crate) fn new(json: bool) -> Self {
        Self { results: if json { Form::Json } else { Form::Words }, log: None }
    }

    /// The same voices, but what is said goes to the end of a file. Bars stay on the terminal.
    pub(crate) fn to_log(&self, path: &Path) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { results: self.results, log: Some(Arc::new(Mutex::new(file))) })
    }

    /// Whether what is said goes to a file.
    pub(crate) fn has_log(&self) -> bool {
        self.log.is_some()
    }

    /// Says one line to the person at the terminal.
    pub(crate) fn say(&self, text: impl Display) {
        line_to(self.log.as_ref(), text);
    }

    /// Says why the command ended, with all causes.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        self.say(format_args!("error: {error:#}"));
    }

    /// Gives the result in the form that was asked for: `words` are made only if they are printed.
    pub(crate) fn result(&self, json: &impl Serialize, words: impl FnOnce() -> String) -> anyhow::Result<()> {
        let text = match self.results {
            Form::Words => words(),
            Form::Json => serde_json::to_string_pretty(json)?,
        };
        let mut out = std::io::stdout().lock();
        match writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Begins to show the progress of `title`; `total` may be 0 while it is unknown.
    pub(crate) fn progress(&self, title: &str, unit: Unit, total: u64) -> Progress {
        let on_terminal = std::io::stderr().is_terminal();
        let target = if on_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let counts = match unit {
            Unit::Cases => "{pos} of {len}",
            Unit::Bytes => "{bytes} of {total_bytes}",
        };
        let style = ProgressStyle::with_template(&format!("{title} {{bar:30}} {counts}, {{eta}} left"));
        let bar = ProgressBar::with_draw_target(Some(total), target).with_style(style.expect("the template above is well formed"));
        let last_line = if on_terminal && self.log.is_none() { None } else { Some(Mutex::new(Instant::now())) };
        Progress { title: title.to_owned(), unit, bar, last_line, log: self.log.clone() }
    }
}

/// The progress of one piece of work; threads may share it.
#[derive(Debug)]
pub(crate) struct Progress {
    title: String,
    unit: Unit,
    bar: ProgressBar,
    /// When the last plain line was written; `None` on a terminal.
    last_line: Option<Mutex<Instant>>,
    log: Option<Log>,
}

impl Progress {
    /// Says that `done` of `total` is done.
    pub(crate) fn set(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        self.plain_line(done, total);
    }

    /// Says that one more is done; threads may share the work.
    pub(crate) fn advance(&self) {
        self.bar.inc(1);
        self.plain_line(self.bar.position(), self.bar.length().unwrap_or(0));
    }

    /// Writes a line now and then where there is no bar.
    fn plain_line(&self, done: u64, total: u64) {
        let Some(Ok(mut last)) = self.last_line.as_ref().map(Mutex::lock) else { return };
        if last.elapsed() >= PLAIN_LINE_EVERY {
            *last = Instant::now();
            line_to(self.log.as_ref(), self.in_words(done, total));
        }
    }

    /// `checking: 26 of 195 (13 %), 2 minutes left`.
    fn in_words(&self, done: u64, total: u64) -> String {
        let percent = (100 * done).checked_div(total).unwrap_or(0);
        let left = HumanDuration(self.bar.eta());
        match self.unit {
            Unit::Cases => format!("{}: {done} of {total} ({percent} %), {left} left", self.title),
            Unit::Bytes => format!("{}: {} of {} ({percent} %), {left} left", self.title, HumanBytes(done), HumanBytes(total)),
        }
    }
}

impl Drop for Progress {
    /// The bar goes, so that it is not in the way of what is said next.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Writes one line to a log, else to standard error. A log that cannot be written is no reason to stop what it tells of.
fn line_to(log: Option<&Log>, text: impl Display) {
    match log.map(|log| log.lock()) {
        Some(Ok(mut file)) => {
            let _ = writeln!(file, "{text}");
        }
        _ => line(text),
    }
}

/// Writes one line to standard error; if nobody reads it any more, there is nobody to tell.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_reads_as_a_sentence() {
        let messages = Messages::new(false);
        let words = messages.progress("checking", Unit::Cases, 195).in_words(26, 195);
        assert!(words.starts_with("checking: 26 of 195 (13 %), ") && words.ends_with(" left"), "{words}");
        let words = messages.progress("downloading", Unit::Bytes, 0).in_words(1 << 20, 0);
        assert!(words.starts_with("downloading: 1.00 MiB of 0 B (0 %)"), "{words}");
    }
}
