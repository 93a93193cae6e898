//! Arguments of `view`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sagittal_report::{Plane, Window, Zoom};

use super::quantity;

/// Show an image, with labels over it, as a picture (.png) or a moving one (.gif)
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sagittal view scan.nii.gz labels.nii.gz -o planes.png\n  \
                        sagittal view scan.nii.gz labels.nii.gz -o turning.gif --as surface\n  \
                        sagittal view scan.nii.gz mine.nii.gz --reference theirs.nii.gz -o compared.png\n  \
                        sagittal view ct.nii.gz -o slice.png --plane axial --slice 40 --window lung\n\n\
                        Without --as, a .png shows planes (an agreement, with --reference) and a .gif a sweep. 3-D images are shown in \
                        radiological convention: the patient's right is on the left; letters name the sides, whatever the orientation \
                        of the file. Slices are counted from 0 as the file counts them.")]
pub(crate) struct ViewArgs {
    /// The image
    pub(crate) image: PathBuf,

    /// A label map on the image's grid
    pub(crate) labels: Option<PathBuf>,

    /// The picture to write: .png, or .gif for `sweep` and `surface`
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// What is drawn [default: by the output's extension]
    #[arg(long = "as", value_name = "FORM", value_enum)]
    pub(crate) form: Option<Form>,

    /// A second label map, to compare the first with
    #[arg(long, value_name = "FILE", requires = "labels")]
    pub(crate) reference: Option<PathBuf>,

    /// Names of the labels: a dataset.json, a plan.json, a model, or names with commas between, from label 1 on [default: the dataset.json
    /// beside the labels]
    #[arg(long, value_name = "FILE|NAMES", requires = "labels")]
    pub(crate) names: Option<String>,

    /// Intensities shown black and white, such as -160,240, or a CT window: brain, subdural, stroke, lung, mediastinum, abdomen, liver, bone
    /// [default: 0.5th to 99.5th percentile]
    #[arg(long, value_name = "LOW,HIGH|NAME", value_parser = window, allow_hyphen_values = true)]
    pub(crate) window: Option<Window>,

    /// Channel to show, counted from 0 [default: 0; a colour picture in its colours]
    #[arg(long, value_name = "N")]
    pub(crate) channel: Option<usize>,

    /// Direction of slicing; for planes and comparisons, one slice instead of three [default: axial]
    #[arg(long, value_name = "PLANE", value_enum)]
    pub(crate) plane: Option<PlaneName>,

    /// One slice, counted from 0 as the file counts [default: through the middle of the labels]
    #[arg(long, value_name = "N")]
    pub(crate) slice: Option<usize>,

    /// Slices of a montage [default: 20], at most of a sweep [default: 120], or frames of a turning surface [default: 48]
    #[arg(long, value_name = "N", value_parser = frames)]
    pub(crate) count: Option<usize>,

    /// How labels are drawn
    #[arg(long, value_name = "STYLE", value_enum)]
    pub(crate) draw: Option<Drawing>,

    /// How much the colours of labels hide, 0 to 1 [default: 0.35; compared 0.6; surfaces 1]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) opacity: Option<f32>,

    /// Magnification around the middle of the labels, such as 2.5, or `labels` for the labels and a little around them
    #[arg(long, value_name = "FACTOR|labels", value_parser = zoom)]
    pub(crate) zoom: Option<Zoom>,

    /// Width of the picture in pixels, about [default: 1000; .gif 480]
    #[arg(long, value_name = "PIXELS", value_parser = size)]
    pub(crate) size: Option<usize>,
}

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Three planes through the middle of the labels, or one slice with --plane or --slice
    Planes,
    /// Many slices side by side
    Montage,
    /// A GIF through all slices
    Sweep,
    /// The labels as solid bodies: from three sides (.png) or turning (.gif)
    Surface,
    /// Where labels and reference agree, what is extra, what was missed
    Compare,
    /// All errors of a volume at once: their thickness along each direction of view
    Errors,
}

/// A direction of slicing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlaneName {
    /// Across the body, seen from the feet
    Axial,
    /// Seen from the front
    Coronal,
    /// Seen from the patient's left
    Sagittal,
}

impl From<PlaneName> for Plane {
    fn from(name: PlaneName) -> Self {
        match name {
            PlaneName::Axial => Self::Axial,
            PlaneName::Coronal => Self::Coronal,
            PlaneName::Sagittal => Self::Sagittal,
        }
    }
}

/// How labels are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Drawing {
    /// Filled and with their borders; the default
    Both,
    /// Filled
    Fill,
    /// Their borders
    Contour,
}

/// Reads a window: two numbers, or the name of a CT window.
fn window(text: &str) -> Result<Window, String> {
    let cure = || {
        let names: Vec<&str> = Window::ct_preset_names().collect();
        format!("write two numbers such as -160,240, or one of {}", names.join(", "))
    };
    if let Some(preset) = Window::ct_preset(text.trim()) {
        return Ok(preset);
    }
    let (low, high) = text.split_once(',').ok_or_else(|| format!("`{text}` is no window; {}", cure()))?;
    let number = |part: &str| {
        let value = part.trim().parse::<f32>().ok().filter(|value| value.is_finite());
        value.ok_or_else(|| format!("`{part}` is no number; {}", cure()))
    };
    let window = Window { low: number(low)?, high: number(high)? };
    if window.low < window.high { Ok(window) } else { Err(format!("expected the lower number first, found {text}; {}", cure())) }
}

/// Reads a zoom: a factor of 1 or more, or `labels`.
fn zoom(text: &str) -> Result<Zoom, String> {
    if text.trim() == "labels" {
        return Ok(Zoom::Labels);
    }
    let factor = text.trim().parse::<f64>().ok().filter(|factor| factor.is_finite() && *factor >= 1.0);
    factor.map(Zoom::Factor).ok_or_else(|| format!("expected a number of at least 1 such as 2.5, or `labels`, found `{text}`"))
}

fn share(text: &str) -> Result<f32, String> {
    let share = text.trim().parse::<f32>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("expected a number from 0 to 1 such as 0.5, found `{text}`"))
}

fn frames(text: &str) -> Result<usize, String> {
    // A GIF of more frames is no longer a picture, and its palette is chosen with all frames in memory.
    const MOST: usize = 500;
    quantity::count(text).and_then(|n| if n <= MOST { Ok(n) } else { Err(format!("expected at most {MOST}, found {n}")) })
}

fn size(text: &str) -> Result<usize, String> {
    let pixels = text.trim().parse::<usize>().ok().filter(|pixels| (64..=8000).contains(pixels));
    pixels.ok_or_else(|| format!("expected a number of pixels from 64 to 8000, found `{text}`"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn windows_are_two_numbers_or_a_name() {
        assert_eq!(window("-160,240"), Ok(Window { low: -160.0, high: 240.0 }));
        assert_eq!(window(" 0.5, 1e3 "), Ok(Window { low: 0.5, high: 1000.0 }));
        assert_eq!(window("lung"), Ok(Window { low: -1350.0, high: 150.0 }));
        for (text, part) in [
            ("heart", "`heart` is no window"),
            ("240,-160", "the lower number first"),
            ("5,5", "the lower number first"),
            ("a,5", "`a` is no number"),
            ("nan,5", "`nan` is no number"),
        ] {
            let error = window(text).unwrap_err();
            assert!(error.contains(part) && error.contains("mediastinum"), "{text}: {error}");
        }
    }

    #[test]
    fn zooms_shares_sizes_and_counts_have_limits() {
        assert_eq!((zoom("2.5"), zoom("labels")), (Ok(Zoom::Factor(2.5)), Ok(Zoom::Labels)));
        for text in ["0.5", "-1", "inf", "mask", ""] {
            assert!(zoom(text).unwrap_err().contains("at least 1"), "{text}");
        }
        assert!(share("1").is_ok() && share("1.1").is_err() && share("nan").is_err());
        assert!(size("64").is_ok() && size("9000").is_err() && frames("501").is_err() && frames("0").is_err());
    }
}
