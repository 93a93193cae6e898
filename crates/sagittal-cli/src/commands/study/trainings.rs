//! The trainings of a study: each an ordinary `sagittal train`, one after the other, seed by seed.

use std::path::Path;

use anyhow::{Context, bail};
use clap::Parser;
use sagittal_data::{Plan, Splits};
use sagittal_train::has_checkpoint;

use super::{
    description::{Settings, Study},
    folder::StudyFolder,
    preparation::Preparation,
    results::Failure,
};
use crate::{
    args::{Cli, Command, ReportArgs, StudyArgs, TrainArgs},
    commands::{report, train},
    messages::Messages,
    stop::Stop,
};

/// Trains what is not trained yet; the trainings that failed. `None` if somebody asked to stop.
///
/// First every arm with the first seed: a study that is broken off has something to compare.
pub(super) fn run(
    args: &StudyArgs,
    study: &Study,
    preparation: &Preparation,
    folder: &StudyFolder,
    messages: &Messages,
    stop: &Stop,
) -> anyhow::Result<Option<Vec<Failure>>> {
    let seeds = preparation.seeds(study);
    let n_runs = seeds.len() * study.arms.len();
    let mut failures: Vec<Failure> = Vec::new();
    let all = seeds.iter().flat_map(|&seed| (0..study.arms.len()).map(move |arm| (seed, arm)));
    for (number, (seed, index)) in all.enumerate() {
        let arm = &study.arms[index];
        let title = format!("training {} of {n_runs}: {}, seed {seed}", number + 1, arm.name);
        let run = folder.run(arm, seed, study.fold);
        if run.validation().join("metrics.json").is_file() {
            messages.say(format_args!("{title} is finished already"));
            continue;
        }
        if stop.requested() {
            return Ok(None);
        }
        let trained = words_of(args, study, preparation, folder, index, seed).and_then(|words| {
            let log = messages.to_log(&folder.log(arm, seed))?;
            log.say(format_args!("{}", in_shell(&words)));
            let parsed = parse(&words)?;
            let resumed = if has_checkpoint(&run.fold.checkpoint()) { ", going on where it was interrupted" } else { "" };
            messages.say(format_args!("{title}{resumed}"));
            provide(folder, &run.root)?;
            let typed = TrainArgs { cache: Some(folder.cache()), ..parsed };
            let trained = train::train(&typed, &log, stop);
            if let Err(error) = &trained {
                log.error(error);
            }
            trained
        });
        match trained {
            Ok(trained) => match trained.metrics {
                Err(_) => return Ok(None),
                Ok(metrics) => {
                    let dice = metrics.foreground_dice.mean.map_or("not defined".to_owned(), |dice| format!("{dice:.3}"));
                    messages.say(format_args!("    mean foreground Dice {dice}"));
                    // The page of the run alone is no reason to lose a study.
                    if let Err(error) = report::write(&ReportArgs { run: run.root.clone() }, &messages.to_log(&folder.log(arm, seed))?) {
                        messages.say(format_args!("    its own report could not be written: {error:#}"));
                    }
                }
            },
            Err(error) => {
                let reason = format!("{error:#}");
                messages.say(format_args!("    failed: {reason}"));
                failures.push(Failure { arm: arm.name.clone(), seed, reason });
            }
        }
    }
    Ok(Some(failures))
}

/// What would be typed to train an arm with a seed by itself.
fn words_of(
    args: &StudyArgs,
    study: &Study,
    preparation: &Preparation,
    folder: &StudyFolder,
    index: usize,
    seed: u64,
) -> anyhow::Result<Vec<String>> {
    let (arm, settings) = (&study.arms[index], &preparation.settings[index]);
    let run = folder.run(arm, seed, study.fold);
    let path = |path: &Path| path.display().to_string();
    let mut words = vec!["sagittal".to_owned(), "train".to_owned(), preparation.record.dataset.clone(), "-o".to_owned(), path(&run.root)];
    let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
    option("--plan", path(&folder.plan(arm)));
    option("--fold", study.fold.to_string());
    option("--seed", seed.to_string());
    match settings.epochs {
        Some(epochs) => option("--epochs", epochs.to_string()),
        None => option("--time", format!("{:.3}s", preparation.record.schedule.training_s * settings.shares())),
    }
    if let Some(memory) = args.budget.memory {
        option("--memory", format!("{}K", memory.div_ceil(1024)));
    }
    option("--device", args.on.device.to_string());
    for (name, other) in [("--from", &settings.from), ("--teacher", &settings.teacher)] {
        let Some((_, other)) = other.as_ref().and_then(|other| study.arm(other)) else { continue };
        let model = folder.run(other, seed, study.fold).fold.model();
        if !folder.run(other, seed, study.fold).validation().join("metrics.json").is_file() {
            bail!("it needs the model of arm {}, whose training failed", other.name);
        }
        option(name, path(&model));
    }
    words.extend(flags(settings));
    if has_checkpoint(&run.fold.checkpoint()) {
        words.push("--resume".to_owned());
    }
    Ok(words)
}

/// Options without a value.
fn flags(settings: &Settings) -> Vec<String> {
    if settings.record_gradients == Some(true) { vec!["--record-gradients".to_owned()] } else { Vec::new() }
}

/// The words as the command line reads them.
fn parse(words: &[String]) -> anyhow::Result<TrainArgs> {
    let cli = Cli::try_parse_from(words).map_err(|error| anyhow::anyhow!("{}", error.render().to_string().trim_end()))?;
    match cli.command {
        Command::Train(args) => Ok(args),
        _ => bail!("`{}` trains nothing, which is a fault of this program", in_shell(words)),
    }
}

/// The words as one types them into a shell.
fn in_shell(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,".contains(c);
    let quoted = |word: &String| {
        if !word.is_empty() && word.chars().all(plain) { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// Gives a run the cases that all runs share.
fn provide(folder: &StudyFolder, run: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(run).with_context(|| format!("cannot make {}", run.display()))?;
    for name in [Splits::FILE_NAME, "fingerprint.json"] {
        let target = run.join(name);
        if !target.is_file() {
            let source = folder.0.join(name);
            let content = std::fs::read(&source).with_context(|| format!("cannot read {}", source.display()))?;
            crate::whole_file::write(&target, content)?;
        }
    }
    // The run's own is written by the training; that of the arm must be there.
    debug_assert!(run.parent().is_some_and(|arm| arm.join(Plan::FILE_NAME).is_file()));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_command_can_be_typed_again() {
        let words = ["sagittal", "train", "a b", "it's", "-o", "x/y"].map(str::to_owned);
        assert_eq!(in_shell(&words), r"sagittal train 'a b' 'it'\''s' -o x/y");
    }

    #[test]
    fn words_are_read_as_typed_and_unknown_ones_refused() {
        let words = ["sagittal", "train", "set", "-o", "run", "--time", "12.345s", "--seed", "2"].map(str::to_owned);
        let args = parse(&words).unwrap();
        assert_eq!((args.random.seed, args.length.time.unwrap().as_millis()), (2, 12_345));
        assert!(
            parse(&["sagittal", "train", "set", "-o", "run", "--magic"].map(str::to_owned)).unwrap_err().to_string().contains("--magic")
        );
    }
}
