//! What was asked for, read and checked before the first case is scored.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, bail};
use sagittal_data::Label;
use sagittal_metrics::{CaseScore, LabelName, Metrics, ScoreOptions, SurfaceElements, SurfaceOptions};

use super::{pairs::Pair, regions::Regions, structures::Structures, truth::Truth};
use crate::{
    args::{Scoring, SurfaceKind},
    messages::Messages,
    outcome::WrongUse,
};

/// The name of what each case belongs to.
type Named = BTreeMap<String, String>;

/// Everything that all cases are scored by.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) truth: Truth,
    pub(crate) regions: Regions,
    /// Values that label maps may hold.
    pub(crate) labels: Vec<LabelName>,
    /// What is scored.
    pub(crate) structures: Structures,
    pub(crate) options: ScoreOptions,
    /// The group of each case.
    pub(crate) groups: Option<Named>,
    /// The patient of each case, where the user named them.
    pub(crate) patients: Option<Named>,
    /// Per label, a threshold of its probability that was chosen on other cases.
    pub(crate) thresholds: BTreeMap<u16, f64>,
}

impl Setup {
    pub(crate) fn new(scoring: &Scoring, truth: Truth, regions: Regions, labels: Vec<LabelName>, pairs: &[Pair]) -> anyhow::Result<Self> {
        let tolerance = scoring.tolerance.unwrap_or(SurfaceOptions::default().tolerance);
        let surface = match scoring.surface.unwrap_or_default() {
            SurfaceKind::Triangles => Some(SurfaceOptions { elements: SurfaceElements::Triangles, tolerance }),
            SurfaceKind::BorderVoxels => Some(SurfaceOptions { elements: SurfaceElements::BorderVoxels, tolerance }),
            SurfaceKind::None => None,
        };
        let options = ScoreOptions { surface, lesions: scoring.lesions, vessels: scoring.vessels };
        let plain: Vec<Label> = labels.iter().map(|label| Label { value: label.value, name: label.name.clone() }).collect();
        let structures = Structures::of(&plain, &truth.regions);
        let groups = scoring.groups.as_deref().map(|file| read_groups(file, "groups")).transpose()?;
        let patients = scoring.patients.as_deref().map(|file| read_groups(file, "patients")).transpose()?;
        let thresholds = match &scoring.threshold_from {
            Some(file) => read_thresholds(file, &labels, pairs)?,
            None => BTreeMap::new(),
        };
        Ok(Self { truth, regions, labels, structures, options, groups, patients, thresholds })
    }

    /// The patient of a pair's case: the one that the user named, or else the data set's.
    pub(crate) fn patient_of(&self, pair: &Pair) -> Option<String> {
        match &self.patients {
            Some(patients) => patients.get(&pair.case).cloned(),
            None => pair.patient.clone(),
        }
    }

    /// Says which cases belong to no group, or are of no patient: a misspelt name would otherwise leave a case out in silence.
    pub(crate) fn note_unknown(&self, metrics: &Metrics, messages: &Messages) {
        /// What the user named, what it is called, what is found of a case, and of which.
        type Lacking<'a> = (&'a Option<Named>, &'static str, &'static str, fn(&CaseScore) -> bool);
        let lacking: [Lacking<'_>; 2] = [
            (&self.groups, "groups", "is in no group", |case| case.group.is_none()),
            (&self.patients, "patients", "is of no patient that was named; it counts as one of its own", |case| case.patient.is_none()),
        ];
        for (named, what, finding, lacks) in lacking {
            let Some(named) = named else { continue };
            for case in metrics.cases.iter().filter(|case| lacks(case)) {
                messages.say(format_args!("note: case {} {finding}", case.case));
            }
            for case in named.keys().filter(|case| !metrics.cases.iter().any(|scored| scored.case == **case)) {
                messages.say(format_args!("note: the {what} name case {case}, which is not scored"));
            }
        }
    }
}

/// Reads the group (or patient) of each case: a JSON object, or rows `case,group` with or without that heading.
fn read_groups(file: &Path, what: &str) -> anyhow::Result<Named> {
    WrongUse::unless_exists(file, &format!("the {what} of cases, as JSON or CSV"))?;
    let act = || format!("reading {what} from {}", file.display());
    let text = std::fs::read_to_string(file).with_context(act)?;
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(&text).context("expected an object such as {\"case_1\": \"hospital A\"}").with_context(act);
    }
    let mut groups = BTreeMap::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let clean = |text: &str| text.trim().trim_matches('"').to_owned();
        match line.split(&[',', ';', '\t'][..]).map(clean).collect::<Vec<_>>().as_slice() {
            [only] if only.is_empty() => {}
            [case, group] if number == 0 && case.eq_ignore_ascii_case("case") && is_heading(group) => {}
            [case, group] => {
                if let Some(other) = groups.insert(case.clone(), group.clone()).filter(|other| other != group) {
                    bail!("{} names case {case} twice, in group {other} and in group {group}; leave one of them", file.display());
                }
            }
            _ => bail!("line {} of {} is `{line}`, expected `case,group`", number + 1, file.display()),
        }
    }
    Ok(groups)
}

fn is_heading(text: &str) -> bool {
    ["group", "patient"].iter().any(|heading| text.eq_ignore_ascii_case(heading))
}

/// The best thresholds that were found on the cases of another evaluation.
fn read_thresholds(file: &Path, labels: &[LabelName], pairs: &[Pair]) -> anyhow::Result<BTreeMap<u16, f64>> {
    WrongUse::unless_exists(file, "the metrics.json of other cases with probabilities")?;
    let act = || format!("reading thresholds from {}", file.display());
    let metrics = Metrics::from_json(&std::fs::read_to_string(file).with_context(act)?).with_context(act)?;
    if let Some(pair) = pairs.iter().find(|pair| metrics.cases.iter().any(|case| case.case == pair.case)) {
        let cure = "choose it on other cases, such as those of the training";
        let finding = format!("{} chose its threshold on case {} too, which is to be scored", file.display(), pair.case);
        return Err(WrongUse(format!("{finding}; {cure}")).into());
    }
    let best = metrics.summary.iter().filter_map(|label| Some((label.label.value, label.pooled.as_ref()?.best_threshold?.threshold)));
    let best: BTreeMap<u16, f64> = best.collect();
    if let Some(label) = labels.iter().find(|label| !best.contains_key(&label.value)) {
        let cure = "evaluate predictions of training cases that have CASE.npz beside them, with -o, and name that metrics.json";
        bail!("{} holds no threshold for label {} {}; {cure}", file.display(), label.value, label.name);
    }
    Ok(best)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_from_json_and_csv() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("groups");
        let cases: [(&str, Result<usize, &str>); 8] = [
            ("{\"a\": \"east\", \"b\": \"west\"}", Ok(2)),
            ("case,group\na,east\nb,west\n", Ok(2)),
            ("Case,Patient\na,east\nb,west\n", Ok(2)),
            ("\u{feff}a;east\r\n\"b\";\"west\"\r\n\r\n", Ok(2)),
            ("", Ok(0)),
            ("a,east,1\n", Err("line 1")),
            ("a,east\na,west\n", Err("names case a twice")),
            ("{\"a\": 1}", Err("expected an object")),
        ];
        for (text, expected) in cases {
            std::fs::write(&file, text).unwrap();
            match (read_groups(&file, "groups").map_err(|error| format!("{error:#}")), expected) {
                (Ok(found), Ok(n)) => assert!(found.len() == n && (n == 0 || found["b"] == "west"), "{text}: {found:?}"),
                (Err(found), Err(part)) => assert!(found.contains(part), "{text}: {found}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
