//! The names by which networks are asked for.

use crate::plan::PatchView;
use std::{fmt, str::FromStr};

/// A network by name, before it is known what data it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetName {
    /// The U-Net, of as many axes as the images have.
    #[default]
    Unet,
    /// The U-Net of slices.
    Unet2d,
    /// A voxel classifier.
    Patch(PatchView),
    /// From a whole picture to its mask through dense layers.
    ImageToMask,
}

impl NetName {
    /// Every network.
    pub const ALL: [Self; 7] = [
        Self::Unet,
        Self::Unet2d,
        Self::Patch(PatchView::Slice),
        Self::Patch(PatchView::Stacked),
        Self::Patch(PatchView::Triplanar),
        Self::Patch(PatchView::Volume),
        Self::ImageToMask,
    ];

    /// The name, such as `patch-2d`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unet => "unet",
            Self::Unet2d => "unet-2d",
            Self::Patch(PatchView::Slice) => "patch-2d",
            Self::Patch(PatchView::Stacked) => "patch-stacked2d",
            Self::Patch(PatchView::Triplanar) => "patch-triplanar",
            Self::Patch(PatchView::Volume) => "patch-3d",
            Self::ImageToMask => "image-to-mask",
        }
    }
}

impl fmt::Display for NetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for NetName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|net| net.name() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.into_iter().map(Self::name).collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_is_found_by_its_name() {
        for net in NetName::ALL {
            assert_eq!(net.name().parse(), Ok(net));
        }
        assert!("resnet".parse::<NetName>().is_err_and(|error| error.contains("patch-stacked2d")));
    }
}
