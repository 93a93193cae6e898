//! The loss of Seo's post (2018): a soft-max over all pixels of a picture, as if the mask were one class among its pixels.
//!
//! `-sum_i t_i log softmax(z)_i`, the mean over a batch and, as every label has a map of its own, the sum over labels. With the mask
//! as target the sum of the `t_i` is its area `A`, and the loss is `A` times the cross entropy of the mask divided by its area: large
//! masks count more, and its least value is not 0 but `A log A`.

use super::MaskTarget;
use sagittal_data::Batch;
use sagittal_tensor::{Tensor, TensorData};

/// Takes a pixel that nobody labelled out of every soft-max.
const OUT: f32 = -1e30;

/// The loss of maps whose pixels compete.
///
/// # Shapes
/// - `maps`: `[N, Z, Y, X, M]`, map `m` of label `m + 1`
/// - `labels`: classes `[N, Z, Y, X]`, 255 = not scored
///
/// # Panics
/// If there is another number of labels than pixels.
pub fn softmax_over_pixels(maps: Tensor<5>, labels: &[u8], target: MaskTarget) -> Tensor<1> {
    let [n, z, y, x, m] = maps.dims();
    let pixels = z * y * x;
    assert_eq!(labels.len(), n * pixels, "one label per pixel");
    let device = maps.device();
    let tensor = |values| Tensor::<3>::from_data(TensorData::new(values, [n, pixels, m]), &device);
    let mut shares = vec![0.0f32; n * pixels * m];
    for (picture, labels) in shares.chunks_exact_mut(pixels * m).zip(labels.chunks_exact(pixels)) {
        for map in 0..m {
            let is_of_map = |label: &u8| usize::from(*label) == map + 1;
            let area = labels.iter().filter(|label| is_of_map(label)).count();
            let share = if target == MaskTarget::Normalized { 1.0 / area.max(1) as f32 } else { 1.0 };
            for (pixel, _) in labels.iter().enumerate().filter(|(_, label)| is_of_map(label)) {
                picture[pixel * m + map] = share;
            }
        }
    }
    let mut z = maps.reshape([n, pixels, m]);
    if labels.contains(&Batch::IGNORE) {
        let out = labels.iter().flat_map(|label| std::iter::repeat_n(if *label == Batch::IGNORE { OUT } else { 0.0 }, m)).collect();
        z = z + tensor(out);
    }
    // Relative to the largest, which no gradient flows through, as it drops out.
    let largest = z.clone().detach().max_dim(1);
    let z = z - largest;
    let log_softmax = z.clone() - z.exp().sum_dim(1).log();
    (log_softmax * tensor(shares)).sum() * (-1.0 / n as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sagittal_tensor::Device;

    fn loss(maps: &[f32], shape: [usize; 5], labels: &[u8], target: MaskTarget) -> (f32, Vec<f32>) {
        let maps = Tensor::<5>::from_data(TensorData::new(maps.to_vec(), shape), Device::cpu().plain()).autodiff().require_grad();
        let loss = softmax_over_pixels(maps.clone(), labels, target);
        let value = loss.clone().into_scalar::<f32>();
        let gradient = maps.grad(&loss.backward()).expect("a gradient of the maps");
        (value, gradient.into_data().iter::<f32>().collect())
    }

    #[test]
    fn even_maps_cost_the_area_times_the_logarithm_of_the_pixels() {
        // Two pictures of four pixels, masks of 2 and 1 pixels; the gradient is A p - t, over 2 pictures.
        let labels = [1, 1, 0, 0, 0, 0, 0, 1];
        let (value, gradient) = loss(&[0.5; 8], [2, 1, 2, 2, 1], &labels, MaskTarget::AsItIs);
        assert!((value - 1.5 * 4.0f32.ln()).abs() < 1e-5, "{value}");
        assert_eq!(gradient, [-0.25, -0.25, 0.25, 0.25, 0.125, 0.125, 0.125, -0.375]);
        let (value, gradient) = loss(&[0.5; 8], [2, 1, 2, 2, 1], &labels, MaskTarget::Normalized);
        assert!((value - 4.0f32.ln()).abs() < 1e-5, "{value}");
        assert_eq!(gradient, [-0.125, -0.125, 0.125, 0.125, 0.125, 0.125, 0.125, -0.375]);
    }

    #[test]
    fn labels_have_maps_of_their_own_and_pixels_without_truth_none() {
        // Of the three pixels the last is not scored: both maps are soft-maxes of two.
        let maps = [0.0, 1.0, 0.0, 1.0, 9.0, 9.0];
        let (value, gradient) = loss(&maps, [1, 1, 1, 3, 2], &[1, 2, Batch::IGNORE], MaskTarget::AsItIs);
        assert!((value - 2.0 * 2.0f32.ln()).abs() < 1e-5, "{value}");
        assert_eq!(gradient, [-0.5, 0.5, 0.5, -0.5, 0.0, 0.0]);
        // An empty mask asks for nothing, large maps do not overflow.
        let (value, gradient) = loss(&[500.0, -500.0], [1, 1, 1, 2, 1], &[0, 0], MaskTarget::Normalized);
        assert_eq!((value, gradient), (0.0, vec![0.0, 0.0]));
    }
}
