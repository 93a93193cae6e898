//! Inside what the voxels are counted.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use sagittal_image::{Geometry, Volume, io};
use sagittal_metrics::ScoredRegion;

use super::pairs::{self, Pair};
use crate::{args::Scoring, outcome::WrongUse};

/// The region of the main scores, and where else the same cases are scored.
#[derive(Debug)]
pub(crate) struct Regions {
    pub(crate) main: ScoredRegion,
    /// Shown beside the main one.
    beside: Option<ScoredRegion>,
    mask: Option<PathBuf>,
}

impl Regions {
    /// Chooses by what was asked for, or else by what the data set has.
    pub(crate) fn choose(scoring: &Scoring, pairs: &[Pair]) -> Result<Self, WrongUse> {
        let has_fov = !pairs.is_empty() && pairs.iter().all(|pair| pair.region.is_some());
        if let Some(mask) = &scoring.roi {
            WrongUse::unless_exists(mask, "a mask or a folder of them")?;
            return Ok(Self { main: ScoredRegion::Mask, beside: None, mask: Some(mask.clone()) });
        }
        if scoring.fov && !has_fov {
            let lacking = pairs.iter().find(|pair| pair.region.is_none()).map_or("no case", |pair| &pair.case);
            let cure = "--fov needs a data set in the DRIVE layout with mask/; give masks with --roi instead";
            return Err(WrongUse(format!("there is no field of view for {lacking}; {cure}")));
        }
        let (main, beside) = match (has_fov, scoring.whole_image) {
            (true, false) => (ScoredRegion::FieldOfView, Some(ScoredRegion::WholeImage)),
            _ => (ScoredRegion::WholeImage, None),
        };
        Ok(Self { main, beside, mask: None })
    }

    /// The regions of a case, whose reference lies on `grid`, the main one first; `None` is everywhere.
    pub(crate) fn of(&self, pair: &Pair, grid: &Geometry) -> anyhow::Result<Vec<(ScoredRegion, Option<Volume<bool>>)>> {
        let regions = [Some(self.main), self.beside].into_iter().flatten();
        let inside = |region| -> anyhow::Result<_> {
            let file = match (region, &self.mask) {
                (ScoredRegion::Mask, Some(mask)) => Some(mask_of(mask, &pair.case)?),
                (ScoredRegion::FieldOfView, _) => pair.region.clone(),
                _ => None,
            };
            let Some(file) = file else { return Ok((region, None)) };
            let mask = io::read_label_map(&file)?;
            pairs::on_grid_of(&pair.reference, grid, &file, &mask.geometry)?;
            let inside = mask.labels.map(|&value| value != 0);
            let cure = "mark what is to be scored, or leave the case out";
            ensure!(inside.voxels().contains(&true), "{} is 0 everywhere, so that nothing would be scored; {cure}", file.display());
            Ok((region, Some(inside)))
        };
        regions.map(inside).collect()
    }
}

/// The mask of a case: the file itself, or the file of the case's name in a folder.
fn mask_of(mask: &Path, case: &str) -> anyhow::Result<PathBuf> {
    if !mask.is_dir() {
        return Ok(mask.to_owned());
    }
    match pairs::by_case(mask, pairs::name)?.remove(case).as_deref() {
        Some([only]) => Ok(only.clone()),
        Some(several) => anyhow::bail!("{} holds {} masks named {case}; leave one of them", mask.display(), several.len()),
        None => anyhow::bail!("has no mask; expected {case} with an image's extension in {}", mask.display()),
    }
}
