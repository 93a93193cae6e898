//! Dropout: parts of a layer's output are left out of a training step, at random, so that no unit can rely on another
//! (Srivastava et al. 2014). What stays is scaled up, so that nothing has to change when dropout is off.
//!
//! Of convolutions whole channels are left out (Tompson et al. 2015): neighbouring voxels say nearly the same, and leaving out
//! single ones would take nothing away.

use rand::RngExt;
use sagittal_data::Seed;
use sagittal_tensor::{Tensor, scale_channels};

/// Whether parts of layers are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropout {
    /// Nothing is left out: for validation and prediction.
    Off,
    /// For a step of training: what is left out follows from this seed alone, and is different in each sample of a batch. Every
    /// layer has a stream of its own.
    Seeded(u64),
    /// For Monte-Carlo dropout (Gal and Ghahramani 2016): the same, but alike in all samples of a batch, so that it does not matter
    /// which tiles of an image come together: one seed stands for one thinned network.
    Alike(u64),
}

/// A place in a network where parts of the output may be left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropoutLayer {
    /// Which of the network's.
    index: u64,
    probability: f64,
}

impl DropoutLayer {
    /// `None` where nothing is ever left out. `index` tells the layers of a network apart.
    ///
    /// # Panics
    /// If the probability is not from 0 to less than 1.
    pub fn new(index: u64, probability: f64) -> Option<Self> {
        assert!((0.0..1.0).contains(&probability), "a probability of dropout of {probability}");
        (probability > 0.0).then_some(Self { index, probability })
    }

    /// Leaves out whole channels of `[N, Z, Y, X, C]`, or single units of `[N, C]`: in every sample other ones.
    ///
    /// # Shapes
    /// - `x`, result: `[N, .., C]`
    pub fn forward<const D: usize>(self, x: Tensor<D>, dropout: Dropout) -> Tensor<D> {
        let dims = x.dims();
        let (n, c) = (dims[0], dims[D - 1]);
        match dropout {
            Dropout::Off => x,
            Dropout::Seeded(seed) => scale_channels(x, self.factors(n * c, seed)),
            Dropout::Alike(seed) => scale_channels(x, self.factors(c, seed).repeat(n)),
        }
    }

    /// 0 for what is left out, else what keeps the mean.
    fn factors(self, n: usize, seed: u64) -> Vec<f32> {
        let kept = (1.0 / (1.0 - self.probability)) as f32;
        let mut rng = Seed(seed).stream(&[self.index]);
        (0..n).map(|_| if rng.random::<f64>() < self.probability { 0.0 } else { kept }).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use sagittal_tensor::Device;

    fn layer(index: u64, probability: f64) -> DropoutLayer {
        DropoutLayer::new(index, probability).unwrap()
    }

    #[test]
    fn the_part_left_out_is_the_probability_and_the_mean_stays() {
        for probability in [0.05, 0.2, 0.5, 0.9] {
            let n = 40_000;
            let factors = layer(3, probability).factors(n, 1);
            let left_out = factors.iter().filter(|f| **f == 0.0).count() as f64 / n as f64;
            // Five standard deviations of a binomial distribution.
            let tolerance = 5.0 * (probability * (1.0 - probability) / n as f64).sqrt();
            assert!((left_out - probability).abs() < tolerance, "{probability}: {left_out}");
            let mean = factors.iter().map(|f| f64::from(*f)).sum::<f64>() / n as f64;
            assert!((mean - 1.0).abs() < tolerance / (1.0 - probability), "{probability}: {mean}");
        }
    }

    #[test]
    fn masks_follow_from_seed_and_layer_alone() {
        let a = layer(1, 0.5).factors(64, 7);
        assert_eq!(layer(1, 0.5).factors(64, 7), a);
        assert_ne!(layer(2, 0.5).factors(64, 7), a);
        assert_ne!(layer(1, 0.5).factors(64, 8), a);
    }

    #[test]
    fn whole_channels_are_left_out_and_nothing_where_it_is_off() {
        let device = Device::cpu();
        let x = Tensor::<5>::ones([2, 3, 4, 5, 6], device.plain());
        let numbers = |dropout| layer(0, 0.5).forward(x.clone(), dropout).into_data().try_to_vec::<f32>().unwrap();
        assert!(numbers(Dropout::Off).iter().all(|v| *v == 1.0));
        let masked = numbers(Dropout::Seeded(5));
        for (i, value) in masked.iter().enumerate() {
            // The same as at the sample's first voxel.
            assert_eq!(*value, masked[i / 360 * 360 + i % 6]);
        }
        assert!(masked.contains(&0.0) && masked.contains(&2.0));
        assert_ne!(masked[..360], masked[360..], "each sample of a batch has its own");
        let alike = numbers(Dropout::Alike(5));
        assert_eq!(alike[..360], alike[360..]);
        assert_eq!(DropoutLayer::new(0, 0.0), None);
    }
}
