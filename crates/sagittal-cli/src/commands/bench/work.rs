//! The works that are timed, by name, and their arithmetic.
//!
//! Names, shapes and counts are those of the PyTorch program that Sagittal is compared with, so that both print the same
//! lines.

/// One piece of work.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    Convolution(Convolution),
    Unet(Unet),
}

/// A convolution of 3 taps along each axis, stride 1, with bias.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Convolution {
    pub(crate) name: &'static str,
    pub(crate) batch: usize,
    pub(crate) c_in: usize,
    pub(crate) c_out: usize,
    /// `[Z, Y, X]`; `Z` is 1 in 2-D.
    pub(crate) size: [usize; 3],
}

/// nnU-Net's plain U-Net of one input channel: two convolutions a stage, stride 2 from stage to stage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unet {
    pub(crate) name: &'static str,
    pub(crate) batch: usize,
    /// `[Z, Y, X]`; `Z` is 1 in 2-D.
    pub(crate) patch: [usize; 3],
    pub(crate) features: &'static [usize],
    pub(crate) classes: usize,
}

const fn conv(name: &'static str, batch: usize, [c_in, c_out]: [usize; 2], size: [usize; 3]) -> Work {
    Work::Convolution(Convolution { name, batch, c_in, c_out, size })
}

const fn unet(name: &'static str, batch: usize, patch: [usize; 3], features: &'static [usize], classes: usize) -> Work {
    Work::Unet(Unet { name, batch, patch, features, classes })
}

/// All works, quick ones first.
pub(crate) const WORKS: [Work; 9] = [
    conv("conv3d-1-32", 1, [1, 32], [40, 56, 40]),
    conv("conv3d-32", 1, [32, 32], [40, 56, 40]),
    conv("conv3d-64", 1, [64, 64], [20, 28, 20]),
    conv("conv3d-128", 1, [128, 128], [10, 14, 10]),
    conv("conv2d-32", 2, [32, 32], [1, 256, 256]),
    conv("conv2d-64", 2, [64, 64], [1, 128, 128]),
    unet("unet3d-b2", 2, [40, 56, 40], &[32, 64, 128, 256], 3),
    unet("unet3d-b9", 9, [40, 56, 40], &[32, 64, 128, 256], 3),
    unet("unet2d-b8", 8, [1, 256, 256], &[32, 64, 128, 256, 512, 512], 2),
];

/// The names that `--work` takes.
pub(crate) fn names() -> [&'static str; WORKS.len()] {
    WORKS.map(|work| work.name())
}

impl Work {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Convolution(work) => work.name,
            Self::Unet(work) => work.name,
        }
    }

    /// Billions of multiplications and additions of the forward pass by the direct algorithm; training takes three times
    /// as many.
    pub(crate) fn gflop(&self) -> f64 {
        let flop = match self {
            Self::Convolution(Convolution { batch, c_in, c_out, size, .. }) => {
                2 * taps(*size) * c_in * c_out * batch * size.iter().product::<usize>()
            }
            Self::Unet(work) => work.flop(),
        };
        flop as f64 / 1e9
    }
}

impl Unet {
    /// As the peers' program counts: heads, norms and the loss are left out.
    fn flop(&self) -> usize {
        let taps = taps(self.patch);
        let voxels = |stage: usize| {
            self.batch * self.patch.iter().product::<usize>() / stride(self.patch).iter().product::<usize>().pow(stage as u32)
        };
        let mut c_in = 1;
        let encoder = self.features.iter().enumerate().map(|(stage, &c)| {
            let products = voxels(stage) * taps * (c_in * c + c * c);
            c_in = c;
            products
        });
        let decoder = self.features.windows(2).enumerate().map(|(stage, pair)| {
            let [fine, coarse] = [pair[0], pair[1]];
            voxels(stage) * (coarse * fine + taps * (2 * fine * fine + fine * fine))
        });
        2 * (encoder.sum::<usize>() + decoder.sum::<usize>())
    }
}

/// Taps of a convolution on such a grid, `[KZ, KY, KX]`.
pub(crate) fn kernel(size: [usize; 3]) -> [usize; 3] {
    if size[0] == 1 { [1, 3, 3] } else { [3; 3] }
}

/// Step from stage to stage on such a grid.
pub(crate) fn stride(size: [usize; 3]) -> [usize; 3] {
    if size[0] == 1 { [1, 2, 2] } else { [2; 3] }
}

fn taps(size: [usize; 3]) -> usize {
    kernel(size).iter().product()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_is_that_of_the_peers() {
        // gflop of the forward pass as torch_speed.py prints it
        let expected = [
            ("conv3d-1-32", 0.155),
            ("conv3d-32", 4.955),
            ("conv3d-64", 2.477),
            ("conv3d-128", 1.239),
            ("conv2d-32", 2.416),
            ("conv2d-64", 2.416),
            ("unet3d-b2", 76.531),
            ("unet3d-b9", 344.391),
            ("unet2d-b8", 227.398),
        ];
        for (work, (name, gflop)) in WORKS.iter().zip(expected) {
            assert_eq!(work.name(), name);
            assert!((work.gflop() - gflop).abs() < 6e-4, "{name}: {}", work.gflop());
        }
    }
}
