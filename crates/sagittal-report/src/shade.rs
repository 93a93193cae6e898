//! An image's own colours: grey by a window, or the three channels of a photograph as they are.

use sagittal_image::{Image, Rank};

use crate::Window;

/// How voxels become colours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shade {
    /// The first channel through a window.
    Grey(Window),
    /// Three channels as red, green and blue, each through the same window.
    Rgb(Window),
}

impl Shade {
    /// A 2-D image of three channels, all from 0 to 65535, is a photograph; of anything else the first channel is shown.
    pub(crate) fn of(image: &Image) -> Self {
        let photograph = image.geometry.rank == Rank::Two && image.channels.len() == 3;
        let values = || image.channels.iter().flat_map(|channel| channel.voxels());
        if photograph && values().all(|&v| (0.0..=65535.0).contains(&v)) {
            let brightest = values().fold(0.0f32, |a, &b| a.max(b));
            return Self::Rgb(Window { low: 0.0, high: if brightest > 255.0 { 65535.0 } else { 255.0 } });
        }
        Self::Grey(image.channels.first().map_or(Window { low: 0.0, high: 1.0 }, Window::of))
    }

    /// The same with a window that somebody chose.
    pub(crate) fn through(self, window: Window) -> Self {
        match self {
            Self::Grey(_) => Self::Grey(window),
            Self::Rgb(_) => Self::Rgb(window),
        }
    }

    /// The intensities of black and white.
    pub(crate) fn window(&self) -> Window {
        let (Self::Grey(window) | Self::Rgb(window)) = *self;
        window
    }

    /// The colour of the voxel at `idx` in memory order, each component 0 to 1.
    pub(crate) fn colour(&self, image: &Image, idx: usize) -> [f32; 3] {
        match self {
            Self::Grey(window) => [image.channels.first().map_or(0.0, |channel| window.grey(channel.voxels()[idx])); 3],
            Self::Rgb(window) => [0, 1, 2].map(|c| window.grey(image.channels[c].voxels()[idx])),
        }
    }
}
