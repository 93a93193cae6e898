//! `quality.json`: how good each label map probably is, and which to look at first.

use std::path::Path;

use anyhow::Context;
use sagittal_data::Plan;
use serde_json::{Map, Value, json};

use crate::whole_file;

/// Name of the file beside the label maps.
const FILE_NAME: &str = "quality.json";

/// What the probabilities of every case promise.
pub(super) struct Quality {
    /// Labels or regions, in the network's order without the background.
    names: Vec<String>,
    flag_below: f64,
    /// Case, and the Dice of each label; `None` where it is neither given nor thought possible.
    cases: Vec<(String, Vec<Option<f64>>)>,
}

impl Quality {
    pub(super) fn new(plan: &Plan, flag_below: f64) -> Self {
        let names = if plan.regions.is_empty() {
            plan.labels.iter().skip(1).map(|label| label.name.clone()).collect()
        } else {
            plan.regions.iter().map(|region| region.name.clone()).collect()
        };
        Self { names, flag_below, cases: Vec::new() }
    }

    pub(super) fn add(&mut self, case: &str, expected_dice: &[Option<f64>]) {
        self.cases.push((case.to_owned(), expected_dice.to_vec()));
    }

    /// Cases with a label below the limit, and those in which nothing at all was found.
    pub(super) fn flagged(&self) -> Vec<String> {
        self.cases.iter().filter(|(_, dice)| self.is_flagged(dice)).map(|(case, _)| case.clone()).collect()
    }

    fn is_flagged(&self, dice: &[Option<f64>]) -> bool {
        dice.iter().flatten().any(|dice| *dice < self.flag_below) || dice.iter().all(Option::is_none)
    }

    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let cases: Vec<Value> = self.cases.iter().map(|(case, dice)| self.case(case, dice)).collect();
        let text = serde_json::to_string_pretty(&json!({ "format_version": 1, "flag_below": self.flag_below, "cases": cases }))
            .context("cannot write the quality of the cases as JSON")?;
        whole_file::write(&folder.join(FILE_NAME), text.as_bytes())
    }

    fn case(&self, case: &str, dice: &[Option<f64>]) -> Value {
        let by_name: Map<String, Value> = self.names.iter().zip(dice).map(|(name, dice)| (name.clone(), json!(dice))).collect();
        json!({ "case": case, "expected_dice": by_name, "flagged": self.is_flagged(dice) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubtful_and_empty_cases_are_flagged() {
        let mut quality = Quality { names: vec!["a".into(), "b".into()], flag_below: 0.7, cases: Vec::new() };
        quality.add("sure", &[Some(0.9), None]);
        quality.add("doubtful", &[Some(0.9), Some(0.69)]);
        quality.add("empty", &[None, None]);
        assert_eq!(quality.flagged(), ["doubtful", "empty"]);
        assert_eq!(quality.case("sure", &[Some(0.9), None])["expected_dice"]["a"], 0.9);
    }
}
