//! Masks of the region of interest: from a folder, or the data set's own.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sagittal_data::{Case, Plan, plan::RegionOfInterest};
use sagittal_image::{
    LabelMap,
    io::{self, Format, image_stem},
};

use crate::outcome::WrongUse;

/// Where masks are looked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct RegionMasks {
    /// The folder that was named, with its files by the cases they are of.
    folder: Option<(PathBuf, std::collections::BTreeMap<String, PathBuf>)>,
}

impl RegionMasks {
    /// Those of `folder`, `CASE.ext` each, or, where none is named, those that cases have themselves.
    pub(crate) fn open(folder: Option<&Path>) -> anyhow::Result<Self> {
        let Some(folder) = folder else { return Ok(Self::default()) };
        WrongUse::unless_exists(folder, "a folder of masks, CASE.ext each")?;
        let act = || format!("cannot list {}", folder.display());
        let mut files = std::collections::BTreeMap::new();
        for entry in std::fs::read_dir(folder).with_context(act)? {
            let path = entry.with_context(act)?.path();
            if let (Some(_), Some(stem)) = (Format::of_path(&path), image_stem(&path).map(str::to_owned)) {
                files.insert(stem, path);
            }
        }
        if files.is_empty() {
            return Err(WrongUse(format!("{} holds no masks; name a folder with a file CASE.ext for every case", folder.display())).into());
        }
        Ok(Self { folder: Some((folder.to_owned(), files)) })
    }

    /// Whether masks say what the region is: they were named, or every one of the cases has its own.
    pub(crate) fn are_there<'a>(&self, cases: impl IntoIterator<Item = &'a Case>) -> bool {
        let mut cases = cases.into_iter().peekable();
        self.folder.is_some() || (cases.peek().is_some() && cases.all(|case| case.region.is_some()))
    }

    /// The file of a case's mask, where the plan asks for masks.
    pub(crate) fn file(&self, case: &Case, plan: &Plan) -> Result<Option<PathBuf>, WrongUse> {
        if plan.region_of_interest != Some(RegionOfInterest::Masks) {
            return Ok(None);
        }
        match &self.folder {
            None => Ok(case.region.clone()),
            Some((folder, files)) => files.get(&case.id).cloned().map(Some).ok_or_else(|| {
                WrongUse(format!("{} holds no mask of case {}, expected {}.ext there; draw it", folder.display(), case.id, case.id))
            }),
        }
    }

    /// The mask of a case, where the plan asks for one and there is one.
    pub(crate) fn read(&self, case: &Case, plan: &Plan) -> anyhow::Result<Option<LabelMap>> {
        let Some(file) = self.file(case, plan)? else { return Ok(None) };
        Ok(Some(io::read_label_map(&file).with_context(|| format!("reading the mask of case {}", case.id))?))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn case(id: &str, region: Option<&str>) -> Case {
        Case { id: id.to_owned(), region: region.map(PathBuf::from), ..Case::default() }
    }

    #[test]
    fn masks_are_those_of_the_folder_or_of_every_case() {
        let own = RegionMasks::open(None).unwrap();
        assert!(!own.are_there(&[]) && !own.are_there(&[case("a", Some("a.gif")), case("b", None)]));
        assert!(own.are_there(&[case("a", Some("a.gif"))]));
        let place = tempfile::tempdir().unwrap();
        let empty = RegionMasks::open(Some(place.path())).unwrap_err().to_string();
        assert!(empty.contains("holds no masks"), "{empty}");
        std::fs::write(place.path().join("a.nii.gz"), "").unwrap();
        assert!(RegionMasks::open(Some(place.path())).unwrap().are_there(&[case("a", None)]));
        assert!(RegionMasks::open(Some(&place.path().join("nowhere"))).is_err());
    }
}
