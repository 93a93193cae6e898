//! Writes the 3-D phantom as nnU-Net lays out a raw data set, with the truth of the test part beside it.

use std::path::Path;

use sagittal_image::{
    Geometry,
    io::{SourceHeader, write_image, write_label_map},
};
use serde_json::json;

use super::{FIRST_TEST_STREAM, PhantomError, PhantomOptions, PhantomSet, case_rng, hippocampus, make_folder};

const NAME: &str = "hippocampus_phantom";
const FILE_ENDING: &str = ".nii.gz";

/// Draws and writes all cases; `dir` exists and is empty.
pub(super) fn write(dir: &Path, options: &PhantomOptions) -> Result<PhantomSet, PhantomError> {
    let mut set = PhantomSet { root: dir.into(), training: Vec::new(), test: Vec::new() };
    let parts = [("Tr", options.cases, 0, &mut set.training), ("Ts", options.test_cases, FIRST_TEST_STREAM, &mut set.test)];
    let mut number = 0;
    for (part, n_cases, first_stream, names) in parts {
        for stream in (first_stream..).take(n_cases) {
            number += 1;
            let name = format!("{NAME}_{number:03}");
            write_case(dir, part, &name, options.seed, stream)?;
            names.push(name);
        }
    }
    write_description(dir, options)?;
    Ok(set)
}

fn write_case(dir: &Path, part: &str, name: &str, seed: u64, stream: u64) -> Result<(), PhantomError> {
    let (image, labels) = hippocampus::draw(&mut case_rng(seed, stream));
    let geometry = Geometry::volume(image.shape(), [1.0; 3]);
    let header = SourceHeader::default();
    let (images, truths) = (dir.join(format!("images{part}")), dir.join(format!("labels{part}")));
    make_folder(&images)?;
    make_folder(&truths)?;
    write_image(&images.join(format!("{name}_0000{FILE_ENDING}")), &[image], &geometry, &header)?;
    write_label_map(&truths.join(format!("{name}{FILE_ENDING}")), &labels, &geometry, &header)?;
    Ok(())
}

fn write_description(dir: &Path, options: &PhantomOptions) -> Result<(), PhantomError> {
    let labels: serde_json::Map<_, _> =
        hippocampus::LABELS.iter().enumerate().map(|(value, name)| ((*name).into(), json!(value))).collect();
    let description = json!({
        "name": NAME,
        "description": "synthetic: a hippocampus-like pair of parts among look-alike neighbours; drawn, not measured",
        "licence": "CC0-1.0",
        "channel_names": { "0": "MRI" },
        "labels": labels,
        "numTraining": options.cases,
        "numTest": options.test_cases,
        "file_ending": FILE_ENDING,
        "phantom": { "kind": "hippocampus", "seed": options.seed },
    });
    let path = dir.join("dataset.json");
    std::fs::write(&path, format!("{description:#}\n")).map_err(|source| PhantomError::File { path, source })
}
