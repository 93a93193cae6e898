//! Which intensities are black and white.

use sagittal_image::Volume;

/// Percentiles of the voxels that become black and white; robust against a few very bright vessels.
const LOW: f64 = 0.005;
const HIGH: f64 = 0.995;

/// Percentiles are those of at most about this many voxels, evenly spread: of more they hardly differ, and take seconds.
const MOST_RANKED: usize = 4 << 20;
/// Windows of CT in Hounsfield units as radiologists set them: name, centre, width.
const CT_PRESETS: [(&str, f32, f32); 8] = [
    ("brain", 40.0, 80.0),
    ("subdural", 75.0, 215.0),
    ("stroke", 40.0, 40.0),
    ("lung", -600.0, 1500.0),
    ("mediastinum", 50.0, 350.0),
    ("abdomen", 50.0, 400.0),
    ("liver", 30.0, 150.0),
    ("bone", 400.0, 1800.0),
];

/// The intensities shown as black and as white.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Black, and everything below.
    pub low: f32,
    /// White, and everything above.
    pub high: f32,
}

impl Window {
    /// The CT window of this name: `brain`, `subdural`, `stroke`, `lung`, `mediastinum`, `abdomen`, `liver`, `bone`.
    pub fn ct_preset(name: &str) -> Option<Self> {
        let (_, centre, width) = CT_PRESETS.into_iter().find(|(known, ..)| *known == name)?;
        Some(Self { low: centre - width / 2.0, high: centre + width / 2.0 })
    }

    /// The names that [`Window::ct_preset`] knows.
    pub fn ct_preset_names() -> impl Iterator<Item = &'static str> {
        CT_PRESETS.into_iter().map(|(name, ..)| name)
    }

    /// The window from the 0.5th to the 99.5th percentile of the finite voxels.
    ///
    /// Where these are equal (a nearly binary image) the full range is used, and for a constant image any window shows it grey.
    pub fn of(volume: &Volume<f32>) -> Self {
        // An odd step meets every row and column of the even sizes that scanners have.
        let step = (volume.voxels().len() / MOST_RANKED) | 1;
        let mut finite: Vec<f32> = volume.voxels().iter().step_by(step).copied().filter(|v| v.is_finite()).collect();
        if finite.is_empty() {
            return Self { low: 0.0, high: 1.0 };
        }
        let last = finite.len() - 1;
        let mut rank = |share: f64| *finite.select_nth_unstable_by((last as f64 * share).round() as usize, f32::total_cmp).1;
        let percentiles = Self { low: rank(LOW), high: rank(HIGH) };
        if percentiles.low < percentiles.high {
            return percentiles;
        }
        let full = Self { low: rank(0.0), high: rank(1.0) };
        if full.low < full.high { full } else { Self { low: full.low - 1.0, high: full.low + 1.0 } }
    }

    /// The grey of an intensity, 0 to 1; what is not a number is black.
    pub fn grey(&self, value: f32) -> f32 {
        if value.is_nan() { 0.0 } else { ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_ignores_the_extremes() {
        let mut voxels: Vec<f32> = (0..1000).map(|i| i as f32).collect();
        voxels[999] = 1e9;
        voxels[0] = f32::NAN;
        let window = Window::of(&Volume::new([10, 10, 10], voxels));
        assert!((4.0..8.0).contains(&window.low) && (992.0..998.0).contains(&window.high), "{window:?}");
        assert_eq!((window.grey(-5.0), window.grey(1e9), window.grey(f32::NAN)), (0.0, 1.0, 0.0));
    }

    #[test]
    fn presets_are_those_of_the_textbooks() {
        assert_eq!(Window::ct_preset("lung"), Some(Window { low: -1350.0, high: 150.0 }));
        assert_eq!(Window::ct_preset("heart"), None);
        assert!(Window::ct_preset_names().all(|name| Window::ct_preset(name).is_some_and(|window| window.low < window.high)));
    }

    #[test]
    fn constant_empty_and_binary_images_have_a_window() {
        let constant = Window::of(&Volume::filled([2, 2, 2], 7.0));
        assert_eq!(constant.grey(7.0), 0.5);
        assert_eq!(Window::of(&Volume::filled([1, 1, 1], f32::NAN)), Window { low: 0.0, high: 1.0 });
        let mut sparse = Volume::filled([10, 10, 10], 0.0);
        sparse.voxels_mut()[3] = 1.0;
        assert_eq!(Window::of(&sparse), Window { low: 0.0, high: 1.0 });
    }
}
