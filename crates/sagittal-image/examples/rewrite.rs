//! Reads every image file of a folder and writes label maps and images on its grid, in its own format and in others.
//!
//! `tests/reference/image_files.py verify` reads the results with other programs.

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use sagittal_image::{
    Volume,
    io::{Format, image_stem, read_image, write_image, write_label_map},
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [source, target] = arguments.as_slice() else {
        return Err("expected two folders: one with images, one for the results".into());
    };
    std::fs::create_dir_all(target)?;
    let mut paths = std::fs::read_dir(source)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>, std::io::Error>>()?;
    paths.retain(|path| image_stem(path).is_some());
    paths.sort();
    for path in paths {
        rewrite(&path, target)?;
    }
    Ok(())
}

fn rewrite(path: &Path, target: &Path) -> Result<(), Box<dyn Error>> {
    let image = read_image(path)?;
    let shape = image.geometry.shape;
    let labels = |from: usize| Volume::new(shape, (0..image.geometry.n_voxels()).map(|i| (from + i * 5 % 7) as u16).collect());
    let own = match Format::of_path(path).ok_or("no image")? {
        Format::NiftiPair => Format::Nifti,
        Format::Jpeg => Format::Png,
        other => other,
    };
    let stem = path.file_name().ok_or("no name")?.to_string_lossy().replace('.', "_");
    for extension in [own.extension(), ".nii.gz", ".nrrd", ".mha", ".mhd"] {
        let file = |kind: &str| target.join(format!("{stem}__{kind}{extension}"));
        let (geometry, header) = (&image.geometry, &image.header);
        write_label_map(&file("labels8"), &labels(0), geometry, header)?;
        if !matches!(own, Format::Gif | Format::Bmp) || extension != own.extension() {
            write_label_map(&file("labels16"), &labels(250), geometry, header)?;
        }
        if own != Format::Gif || extension != own.extension() {
            write_image(&file("image"), &image.channels, geometry, header)?;
        }
    }
    Ok(())
}
