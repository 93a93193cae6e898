//! The studies that the program brings along.

/// Name and TOML, in the order in which they are listed.
const STUDIES: &[(&str, &str)] = &[
    ("thesis", include_str!("builtin/thesis.toml")),
    ("blog", include_str!("builtin/blog.toml")),
    ("optimisers", include_str!("builtin/optimisers.toml")),
    ("activations", include_str!("builtin/activations.toml")),
    ("depth", include_str!("builtin/depth.toml")),
    ("vanishing-gradient", include_str!("builtin/vanishing-gradient.toml")),
    ("pretraining", include_str!("builtin/pretraining.toml")),
    ("dropout", include_str!("builtin/dropout.toml")),
    ("distillation", include_str!("builtin/distillation.toml")),
];

/// The TOML of a built-in study.
pub(super) fn text(name: &str) -> Option<&'static str> {
    STUDIES.iter().find(|study| study.0 == name).map(|study| study.1)
}

/// The names of all of them.
pub(crate) fn names() -> Vec<&'static str> {
    STUDIES.iter().map(|study| study.0).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use sagittal_data::{
        Dataset, Fingerprint, Plan, PlanOptions,
        phantom::{self, PhantomOptions},
    };

    use super::*;
    use crate::commands::study::{arm_plan::arm_plan, description::Study};

    #[test]
    fn every_built_in_study_can_be_read_and_says_where_it_comes_from() {
        for &(name, text) in STUDIES {
            let study = Study::parse(text, name).unwrap();
            assert!(!study.sources.is_empty() && study.question.len() > 300, "{name}");
            assert!(study.arms.len() > 1 && !study.claims.is_empty(), "{name}");
            assert!(study.arms.iter().all(|arm| arm.says.len() > 10), "{name}");
        }
    }

    fn fingerprint(place: &Path) -> Fingerprint {
        let dataset = Dataset::open(place).unwrap();
        let cases: Vec<_> = dataset.training.iter().collect();
        Fingerprint::extract(&dataset, &cases, PlanOptions::default().orientation, &|_, _| {}).unwrap()
    }

    #[test]
    fn every_arm_of_every_built_in_study_can_be_planned_for_the_data_that_it_is_about() {
        let (volumes, pictures) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let options = PhantomOptions { cases: 2, test_cases: 0, picture_size: [80, 90], ..PhantomOptions::default() };
        phantom::write_hippocampus(volumes.path(), &options).unwrap();
        phantom::write_retina(pictures.path(), &options).unwrap();
        let (volumes, pictures) = (fingerprint(volumes.path()), fingerprint(pictures.path()));
        for &(name, text) in STUDIES {
            let study = Study::parse(text, name).unwrap();
            for (axes, data) in [(3, &volumes), (2, &pictures)] {
                if study.needs.axes.is_some_and(|needed| needed != axes) {
                    continue;
                }
                for arm in &study.arms {
                    let settings = arm.settings.over(&study.defaults);
                    let net = settings.net.unwrap_or_default();
                    let base = Plan::make(data, &PlanOptions { net, ..PlanOptions::default() });
                    let planned = base.map_err(anyhow::Error::from).and_then(|base| arm_plan(&arm.name, &settings, &base));
                    assert!(planned.is_ok(), "{name}, {}, {axes}-D: {:#}", arm.name, planned.unwrap_err());
                }
            }
        }
    }
}
