//! The studies that the program brings along.

/// Name and TOML, in the order in which they are listed.
const STUDIES: &[(&str, &str)] = &[
    ("optimisers", include_str!("builtin/optimisers.toml")),
    ("activations", include_str!("builtin/activations.toml")),
    ("depth", include_str!("builtin/depth.toml")),
    ("dropout", include_str!("builtin/dropout.toml")),
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

    use super::*;
    use crate::commands::study::description::Study;

    #[test]
    fn every_built_in_study_can_be_read_and_says_where_it_comes_from() {
        for &(name, text) in STUDIES {
            let study = Study::parse(text, name).unwrap();
            assert!(!study.sources.is_empty() && study.question.len() > 300, "{name}");
            assert!(study.arms.len() > 1 && !study.claims.is_empty(), "{name}");
            assert!(study.arms.iter().all(|arm| arm.says.len() > 10), "{name}");
        }
    }
}
