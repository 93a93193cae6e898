//! Which file format a path names.

use std::path::{Path, PathBuf};

/// A file format that images are read from, and label maps written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// NIfTI-1 or NIfTI-2 in one file, `.nii`.
    Nifti,
    /// NIfTI-1 or NIfTI-2 in one gzip-compressed file, `.nii.gz`.
    NiftiGz,
    /// NIfTI as a header `.hdr` beside its voxels `.img`; read only.
    NiftiPair,
    /// NRRD in one file, `.nrrd`.
    Nrrd,
    /// NRRD as a header `.nhdr` beside its voxels.
    NrrdDetached,
    /// MetaImage in one file, `.mha`.
    MetaImage,
    /// MetaImage as a header `.mhd` beside its voxels `.raw`.
    MetaImageDetached,
    /// PNG.
    Png,
    /// JPEG; read only, because it changes values.
    Jpeg,
    /// TIFF, one page.
    Tiff,
    /// BMP.
    Bmp,
    /// GIF, its first frame.
    Gif,
}

/// Every spelling of every extension; a format's first one is how it is written.
const EXTENSIONS: &[(&str, Format)] = &[
    (".nii.gz", Format::NiftiGz),
    (".nii", Format::Nifti),
    (".hdr", Format::NiftiPair),
    (".nrrd", Format::Nrrd),
    (".nhdr", Format::NrrdDetached),
    (".mha", Format::MetaImage),
    (".mhd", Format::MetaImageDetached),
    (".png", Format::Png),
    (".jpg", Format::Jpeg),
    (".jpeg", Format::Jpeg),
    (".tif", Format::Tiff),
    (".tiff", Format::Tiff),
    (".bmp", Format::Bmp),
    (".gif", Format::Gif),
];

impl Format {
    /// The format that the path's extension names, whatever its case.
    pub fn of_path(path: &Path) -> Option<Self> {
        split(path).map(|(_, format)| format)
    }

    /// The extension as it is written, with its dot.
    pub fn extension(self) -> &'static str {
        // The table holds every variant; the fallback keeps this free of panics.
        EXTENSIONS.iter().find(|(_, format)| *format == self).map_or(".nii.gz", |(extension, _)| extension)
    }

    /// Whether the format is a photograph's: 2-D and without a place in the world.
    pub fn is_picture(self) -> bool {
        matches!(self, Self::Png | Self::Jpeg | Self::Tiff | Self::Bmp | Self::Gif)
    }
}

/// The file's name without folder and extension (`.nii.gz` counts as one); `None` if it is no image file's name.
pub fn image_stem(path: &Path) -> Option<&str> {
    split(path).map(|(stem, _)| stem)
}

/// The path with another extension: the file of voxels beside a header.
pub(super) fn sibling(path: &Path, extension: &str) -> PathBuf {
    path.with_file_name(format!("{}{extension}", image_stem(path).unwrap_or("voxels")))
}

fn split(path: &Path) -> Option<(&str, Format)> {
    let name = path.file_name()?.to_str()?;
    EXTENSIONS.iter().find_map(|(extension, format)| {
        let at = name.len().checked_sub(extension.len())?;
        let (stem, end) = (name.get(..at)?, name.get(at..)?);
        (end.eq_ignore_ascii_case(extension) && !stem.is_empty()).then_some((stem, *format))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_into_stem_and_format() {
        let cases = [
            ("a/case_001_0000.nii.gz", Some(("case_001_0000", Format::NiftiGz))),
            ("a/B.NII", Some(("B", Format::Nifti))),
            ("x.1.nrrd", Some(("x.1", Format::Nrrd))),
            ("photo.JPEG", Some(("photo", Format::Jpeg))),
            ("x.hdr", Some(("x", Format::NiftiPair))),
            // Names that hold no stem, or no extension, or another one.
            (".nii.gz", None),
            ("case", None),
            ("case.txt", None),
            ("case.gz", None),
        ];
        for (path, expected) in cases {
            let path = Path::new(path);
            assert_eq!(image_stem(path).zip(Format::of_path(path)), expected, "{}", path.display());
        }
    }

    #[test]
    fn a_format_reads_back_from_its_own_extension() {
        for (_, format) in EXTENSIONS {
            assert_eq!(Format::of_path(Path::new(&format!("x{}", format.extension()))), Some(*format));
        }
    }
}
