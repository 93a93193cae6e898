//! A study as its TOML file says it: the question, the arms, the claims. See `docs/reference/study.md`.

use std::{collections::BTreeSet, str::FromStr, time::Duration};

use anyhow::{Context, bail, ensure};
use sagittal_data::planner::NetName;
use sagittal_metrics::{Contrast, Limits};
use serde::{Deserialize, Deserializer, de::Error as _};

use super::measure::Measure;
use crate::args::duration;

/// The version of the format that this program reads.
const FORMAT_VERSION: u32 = 1;
/// Beyond this a mistyped list is likelier than a wish.
const MOST_SEEDS: usize = 100;

/// A comparison of several ways to train.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Study {
    format_version: u32,
    /// A few words.
    pub(crate) title: String,
    /// What is asked, and why, so that a student understands it; blank lines part paragraphs.
    pub(crate) question: String,
    /// Where it comes from.
    #[serde(default)]
    pub(crate) sources: Vec<String>,
    /// What data the study is about.
    #[serde(default)]
    pub(crate) needs: Needs,
    /// At most so many cases of the fold are used.
    #[serde(default)]
    pub(crate) cases: CaseLimits,
    /// For everything, where no time is given.
    #[serde(deserialize_with = "duration_of")]
    pub(crate) time: Duration,
    /// No training is shorter than this.
    #[serde(deserialize_with = "duration_of")]
    pub(crate) least_time: Duration,
    /// Seeds to train with, in this order, as many as the time allows.
    #[serde(default = "Study::seeds")]
    pub(crate) seeds: Vec<u64>,
    /// The fold whose cases are held out.
    #[serde(default)]
    pub(crate) fold: usize,
    /// Whether the report shows the GIF of each arm's training.
    #[serde(default)]
    pub(crate) show_training: bool,
    /// What every arm has that does not say otherwise.
    #[serde(default)]
    pub(crate) defaults: Settings,
    /// What is compared.
    pub(crate) arms: Vec<Arm>,
    /// What is said about it.
    #[serde(default)]
    pub(crate) claims: Vec<Claim>,
}

/// What data a study is about.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Needs {
    /// Spatial axes of the images: 2, 3, or either where nothing is said.
    #[serde(default)]
    pub(crate) axes: Option<u8>,
    /// Why, in a sentence.
    #[serde(default)]
    pub(crate) because: String,
}

/// Limits on the cases of the fold: evenly spread ones of its sorted list are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaseLimits {
    #[serde(default)]
    pub(crate) training: Option<usize>,
    #[serde(default)]
    pub(crate) validation: Option<usize>,
}

/// How an arm is planned and trained; of the defaults what is said here takes the place.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The network, as `--net` has it.
    #[serde(default, deserialize_with = "net_of")]
    pub(crate) net: Option<NetName>,
    /// The shape of a U-Net, where it is not the planner's.
    #[serde(default)]
    pub(crate) unet: UnetShape,
    /// Whether patches are changed at random.
    #[serde(default)]
    pub(crate) augmentation: Option<Augmentation>,
    /// Trains for so many epochs instead of a share of the time.
    #[serde(default)]
    pub(crate) epochs: Option<usize>,
    /// How many times as long it is trained as an arm that says nothing of it.
    #[serde(default)]
    pub(crate) share: Option<f64>,
    /// Another arm, whose model of the same seed the training starts from.
    #[serde(default)]
    pub(crate) from: Option<String>,
    /// Another arm, whose model of the same seed teaches.
    #[serde(default)]
    pub(crate) teacher: Option<String>,
    /// Whether gradients are recorded layer by layer.
    #[serde(default)]
    pub(crate) record_gradients: Option<bool>,
    /// Fields of the plan, over what the planner chose.
    #[serde(default)]
    pub(crate) plan: toml::Table,
}

/// The shape of a U-Net, on any data set: the planner's kernels and strides stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnetShape {
    /// At most so many resolutions, at least 2.
    #[serde(default)]
    pub(crate) stages: Option<usize>,
    /// Features of the first stage.
    #[serde(default)]
    pub(crate) features: Option<usize>,
    /// How many times as many each further stage has.
    #[serde(default)]
    pub(crate) widening: Option<f64>,
    /// Convolutions of every stage.
    #[serde(default)]
    pub(crate) convs: Option<usize>,
}

/// Whether patches are changed at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Augmentation {
    /// nnU-Net's changes.
    Nnunet,
    /// None.
    None,
}

/// One way to train.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "toml::Table")]
pub(crate) struct Arm {
    /// A short name, also that of its folder.
    pub(crate) name: String,
    /// What differs, in words.
    pub(crate) says: String,
    /// Arms of one family are one line where quality is drawn against size.
    pub(crate) family: Option<String>,
    /// The settings as the file has them.
    pub(crate) changes: String,
    pub(crate) settings: Settings,
}

/// Something that is said of the arms.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claim {
    /// The sentence of the source.
    pub(crate) says: String,
    /// The source.
    pub(crate) source: String,
    /// What must hold; all of it.
    pub(crate) tests: Vec<Test>,
}

/// A number of an arm, or of two, and where it must lie.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Test {
    /// What is measured.
    #[serde(deserialize_with = "parsed")]
    pub(crate) measure: Measure,
    /// Of which arm.
    pub(crate) arm: String,
    /// Beside which other one.
    #[serde(default)]
    pub(crate) against: Option<String>,
    /// How the two are compared.
    #[serde(default)]
    pub(crate) contrast: Contrast,
    #[serde(default)]
    pub(crate) above: Option<f64>,
    #[serde(default)]
    pub(crate) below: Option<f64>,
}

impl Study {
    /// Reads a study; `place` names it in errors.
    pub(crate) fn parse(text: &str, place: &str) -> anyhow::Result<Self> {
        let study: Self = toml::from_str(text)
            .map_err(|error| anyhow::anyhow!("{}", error.to_string().trim_end()))
            .with_context(|| format!("{place} is no study"))?;
        study.validate().with_context(|| format!("{place} is no study that can be run"))?;
        Ok(study)
    }

    fn seeds() -> Vec<u64> {
        vec![0, 1, 2]
    }

    /// The arm of this name and its place.
    pub(crate) fn arm(&self, name: &str) -> Option<(usize, &Arm)> {
        self.arms.iter().enumerate().find(|(_, arm)| arm.name == name)
    }

    fn validate(&self) -> anyhow::Result<()> {
        let found = self.format_version;
        ensure!(found == FORMAT_VERSION, "format_version is {found}, expected {FORMAT_VERSION}; use a program of its time");
        ensure!(!self.arms.is_empty(), "it has no arm; add one under [[arms]]");
        ensure!(
            !self.seeds.is_empty() && self.seeds.len() <= MOST_SEEDS,
            "seeds has {} entries, expected 1 to {MOST_SEEDS}",
            self.seeds.len()
        );
        let distinct: BTreeSet<u64> = self.seeds.iter().copied().collect();
        ensure!(distinct.len() == self.seeds.len(), "seeds names one twice: {:?}", self.seeds);
        ensure!(matches!(self.needs.axes, None | Some(2 | 3)), "needs.axes is {:?}, expected 2 or 3", self.needs.axes.unwrap_or(0));
        for (field, limit) in [("training", self.cases.training), ("validation", self.cases.validation)] {
            ensure!(limit != Some(0), "cases.{field} is 0, expected at least 1");
        }
        ensure!(
            self.defaults.from.is_none() && self.defaults.teacher.is_none(),
            "defaults name an arm in `from` or `teacher`; say it of arms"
        );
        let mut names = BTreeSet::new();
        for arm in &self.arms {
            let name = &arm.name;
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            let fine = !name.is_empty() && name.len() <= 60 && name.chars().all(plain) && !name.starts_with('.');
            ensure!(fine, "arm name {name:?} is no folder's name; use letters, digits, - and _");
            // Before its own name counts: a model must be there before it is used.
            for (field, other) in [("from", &arm.settings.from), ("teacher", &arm.settings.teacher)] {
                if let Some(other) = other
                    && !names.contains(&other.to_lowercase())
                {
                    bail!("arm {name}: {field} is {other:?}, expected the name of an arm above it");
                }
            }
            // Folders of some systems do not know capitals.
            ensure!(names.insert(name.to_lowercase()), "two arms are called {name}");
            ensure!(arm.settings.epochs != Some(0), "arm {name}: epochs is 0, expected at least 1");
            let share = arm.settings.share.unwrap_or(1.0);
            ensure!((1.0..=100.0).contains(&share), "arm {name}: share is {share}, expected 1 to 100 times what other arms get");
            let both = arm.settings.share.is_some() && arm.settings.epochs.is_some();
            ensure!(!both, "arm {name} has a share of the time and a number of epochs; say one of them");
        }
        for (number, claim) in self.claims.iter().enumerate().map(|(index, claim)| (index + 1, claim)) {
            ensure!(!claim.tests.is_empty(), "claim {number} has no test; add one under [[claims.tests]]");
            for test in &claim.tests {
                for name in std::iter::once(&test.arm).chain(&test.against) {
                    ensure!(self.arm(name).is_some(), "claim {number} names arm {name:?}, expected one of {}", self.names());
                }
                let limits = test.above.is_some() || test.below.is_some();
                ensure!(limits, "claim {number}: a test of {} has neither `above` nor `below`", test.measure);
                let ratio = test.contrast == Contrast::Ratio && test.against.is_none();
                ensure!(!ratio, "claim {number}: a ratio needs a second arm, `against`");
            }
        }
        Ok(())
    }

    fn names(&self) -> String {
        self.arms.iter().map(|arm| arm.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl Test {
    pub(crate) fn limits(&self) -> Limits {
        Limits { above: self.above, below: self.below }
    }
}

impl TryFrom<toml::Table> for Arm {
    type Error = String;

    /// serde cannot refuse unknown fields of a type that holds another's, so the arm's own are taken out first.
    fn try_from(mut table: toml::Table) -> Result<Self, String> {
        let mut text = |field: &str| match table.remove(field) {
            Some(toml::Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(format!("{field} of an arm is {other}, expected a text")),
            None => Ok(None),
        };
        let name = text("name")?.ok_or("an arm has no `name`")?;
        let says = text("says")?.ok_or_else(|| format!("arm {name} does not say what differs; add `says`"))?;
        let family = text("family")?;
        let changes = toml::to_string(&table).map_err(|error| format!("arm {name}: {error}"))?;
        let settings = table.try_into().map_err(|error| format!("arm {name}: {}", one_line(&error)))?;
        Ok(Self { name, says, family, changes, settings })
    }
}

/// An error that knows no place in a file, without the lines that it leaves empty.
fn one_line(error: &toml::de::Error) -> String {
    error.message().split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Settings {
    /// How many times as long as others it is trained; 0 if for a number of epochs.
    pub(crate) fn shares(&self) -> f64 {
        if self.epochs.is_some() { 0.0 } else { self.share.unwrap_or(1.0) }
    }

    /// These, and of `defaults` what they do not say.
    pub(crate) fn over(&self, defaults: &Self) -> Self {
        let (own, usual) = (self.clone(), defaults.clone());
        let mut plan = usual.plan;
        merge(&mut plan, own.plan);
        Self {
            net: own.net.or(usual.net),
            unet: UnetShape {
                stages: own.unet.stages.or(usual.unet.stages),
                features: own.unet.features.or(usual.unet.features),
                widening: own.unet.widening.or(usual.unet.widening),
                convs: own.unet.convs.or(usual.unet.convs),
            },
            augmentation: own.augmentation.or(usual.augmentation),
            epochs: own.epochs.or(usual.epochs),
            share: own.share.or(usual.share),
            from: own.from,
            teacher: own.teacher,
            record_gradients: own.record_gradients.or(usual.record_gradients),
            plan,
        }
    }
}

/// Puts `over` into `table`, table by table.
fn merge(table: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(value)) => merge(inner, value),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

fn duration_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    duration(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn net_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NetName>, D::Error> {
    parsed(deserializer).map(Some)
}

fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err = String>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

#[cfg(test)]
mod tests;
