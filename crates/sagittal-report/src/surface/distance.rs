//! The signed distance of every voxel to the border of a label, in mm.
//!
//! Exact Euclidean distances along one axis after the other (Felzenszwalb and Huttenlocher 2012, "Distance transforms of sampled
//! functions"), in time linear in the voxels.

/// Larger than any distance, and finite so that differences of it are numbers.
const FAR: f32 = 1e20;

/// Positive inside of `mask`, negative outside: the distance to the nearest voxel of the other side, whose border lies half way. Voxels across
/// `apart`, if it is given, do not count; a slice without any of the other side is [`FAR`] from it.
///
/// # Shapes
/// - `mask`, and the result: `shape`, `[Z, Y, X]`
///
/// # Panics
/// If the mask does not fill its shape (a programming error).
pub(super) fn signed_mm(mask: &[bool], shape: [usize; 3], spacing_mm: [f64; 3], apart: Option<usize>) -> Vec<f32> {
    assert_eq!(mask.len(), shape.iter().product::<usize>(), "the mask fills its shape");
    let squared = |to: bool| {
        let mut field: Vec<f32> = mask.iter().map(|&inside| if inside == to { 0.0 } else { FAR }).collect();
        for axis in (0..3).filter(|axis| Some(*axis) != apart) {
            along(&mut field, shape, axis, spacing_mm[axis]);
        }
        field
    };
    let (to_outside, to_inside) = (squared(false), squared(true));
    to_outside.iter().zip(&to_inside).map(|(outside, inside)| outside.sqrt() - inside.sqrt()).collect()
}

/// Replaces every line along `axis` by the lower envelope of the parabolas that stand on its points.
fn along(field: &mut [f32], shape: [usize; 3], axis: usize, step: f64) {
    let n = shape[axis];
    let stride = [shape[1] * shape[2], shape[2], 1][axis];
    let (mut line, mut apex, mut until) = (vec![0.0; n], vec![0usize; n], vec![0.0; n + 1]);
    for start in (0..field.len()).filter(|idx| (idx / stride).is_multiple_of(n.max(1))) {
        for (i, value) in line.iter_mut().enumerate() {
            *value = f64::from(field[start + i * stride]);
        }
        // Parabolas that are lowest somewhere, from left to right, and where the next one takes over.
        let mut n_lowest = 0;
        for i in 0..n {
            if line[i] >= f64::from(FAR) {
                continue;
            }
            let crossing = |j: usize| {
                let (a, b) = (i as f64 * step, j as f64 * step);
                ((line[i] + a * a) - (line[j] + b * b)) / (2.0 * (a - b))
            };
            while n_lowest > 0 && crossing(apex[n_lowest - 1]) <= until[n_lowest - 1] {
                n_lowest -= 1;
            }
            until[n_lowest] = if n_lowest == 0 { f64::NEG_INFINITY } else { crossing(apex[n_lowest - 1]) };
            apex[n_lowest] = i;
            n_lowest += 1;
        }
        let mut k = 0;
        for i in 0..n {
            if n_lowest == 0 {
                break;
            }
            let at = i as f64 * step;
            while k + 1 < n_lowest && until[k + 1] < at {
                k += 1;
            }
            field[start + i * stride] = ((at - apex[k] as f64 * step).powi(2) + line[apex[k]]) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, by looking at every pair.
    fn naive(mask: &[bool], shape: [usize; 3], spacing_mm: [f64; 3], apart: Option<usize>) -> Vec<f32> {
        let place = |i: usize| [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]];
        let distance =
            |a: [usize; 3], b: [usize; 3]| (0..3).map(|k| ((a[k] as f64 - b[k] as f64) * spacing_mm[k]).powi(2)).sum::<f64>().sqrt() as f32;
        let nearest = |i: usize| {
            let others = (0..mask.len()).filter(|&j| mask[j] != mask[i] && apart.is_none_or(|axis| place(i)[axis] == place(j)[axis]));
            others.map(|j| distance(place(i), place(j))).fold(f32::INFINITY, f32::min)
        };
        (0..mask.len()).map(|i| if mask[i] { nearest(i) } else { -nearest(i) }).collect()
    }

    #[test]
    fn distances_are_those_of_every_pair() {
        for (case, (shape, spacing_mm)) in
            [([3, 4, 5], [5.0, 0.5, 0.7]), ([1, 7, 6], [1.0; 3]), ([6, 1, 1], [2.0, 1.0, 1.0]), ([4, 4, 4], [0.3, 2.0, 1.0])]
                .into_iter()
                .enumerate()
        {
            let n = shape.iter().product::<usize>();
            let mask: Vec<bool> = (0..n).map(|i| (i * 7919 + case * 31) % 11 < 4).collect();
            for apart in [None, Some(0), Some(2)] {
                for (found, expected) in signed_mm(&mask, shape, spacing_mm, apart).iter().zip(naive(&mask, shape, spacing_mm, apart)) {
                    let is_far = expected.is_infinite() && found.abs() > 1e9 && found.signum() == expected.signum();
                    assert!(
                        is_far || (found - expected).abs() < 1e-4 * expected.abs(),
                        "{shape:?}, {apart:?}: {found} instead of {expected}"
                    );
                }
            }
        }
    }
}
