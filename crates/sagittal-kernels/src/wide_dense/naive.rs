//! The obvious way, in f64.

use super::{WideLayer, WideTower};

/// As [`super::wide_dense`], voxel by voxel.
///
/// # Panics
/// If shapes do not fit each other.
pub fn wide_dense(towers: &[WideTower<'_>], layer: &WideLayer<'_>) -> Vec<f64> {
    let [n_z, n_y, n_x] = towers[0].size_out();
    let n_units = layer.bias.len();
    let mut output = Vec::new();
    for voxel in 0..n_z * n_y * n_x {
        let at = [voxel / (n_y * n_x), voxel / n_x % n_y, voxel % n_x];
        let mut units: Vec<f32> = Vec::new();
        for unit in 0..n_units {
            let mut row = layer.weight[unit * (layer.weight.len() / n_units)..].iter();
            let mut sum = f64::from(layer.bias[unit]);
            for tower in towers {
                let [k_z, k_y, k_x] = tower.kernel;
                for channel in 0..tower.channels {
                    for tap in 0..k_z * k_y * k_x {
                        let tap = [tap / (k_y * k_x), tap / k_x % k_y, tap % k_x];
                        let place = (0..3).fold(0, |place, axis| place * tower.size[axis] + at[axis] + tap[axis]);
                        let weight = row.next().expect("a weight for every tap");
                        sum += f64::from(*weight) * f64::from(tower.features[place * tower.channels + channel]);
                    }
                }
            }
            units.push(sum as f32);
        }
        (layer.activation)(&mut units);
        for (bias, weights) in layer.next_bias.iter().zip(layer.next_weight.chunks_exact(n_units)) {
            output.push(
                f64::from(*bias) + units.iter().zip(weights).map(|(unit, weight)| f64::from(*unit) * f64::from(*weight)).sum::<f64>(),
            );
        }
    }
    output
}
