#![allow(clippy::float_cmp, reason = "tests")]

use super::*;

/// A ball in the middle of a grid that is just large enough.
fn ball(spacing_mm: [f64; 3], radius_mm: f64) -> Mask {
    let shape = spacing_mm.map(|step| 2 * ((radius_mm / step).ceil() as usize + 2) + 1);
    let inside = (0..shape.iter().product()).map(|i: usize| {
        let at = [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]];
        (0..3).map(|k| ((at[k] as f64 - (shape[k] / 2) as f64) * spacing_mm[k]).powi(2)).sum::<f64>() <= radius_mm * radius_mm
    });
    // The middle is at 0, 0, 0.
    let first_mm = [0, 1, 2].map(|k| -((shape[k] / 2) as f64) * spacing_mm[k]);
    Mask { inside: inside.collect(), shape, spacing_mm, first_mm }
}

#[test]
fn a_ball_is_round_whatever_its_voxels() {
    for (spacing_mm, tolerance_mm) in [([1.0; 3], 0.6), ([5.0, 0.5, 0.5], 1.6), ([0.7, 3.0, 0.7], 1.0)] {
        let (radius, mask) = (20.0, ball(spacing_mm, 20.5));
        let net = Net::around(&mask);
        let radii: Vec<f64> = net.points_mm.iter().map(|p| p.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt()).collect();
        let mean = radii.iter().sum::<f64>() / radii.len() as f64;
        let worst = radii.iter().map(|r| (r - radius).abs()).fold(0.0, f64::max);
        // As long as it is wide and high, in mm.
        let extent = [0, 1, 2].map(|i| {
            let values = net.points_mm.iter().map(|p| p[i]);
            values.clone().fold(f32::MIN, f32::max) - values.fold(f32::MAX, f32::min)
        });
        assert!((mean - 20.5).abs() < 0.4, "{spacing_mm:?}: mean radius {mean:.2}, extent {extent:?}");
        assert!(worst < tolerance_mm + 0.5, "{spacing_mm:?}: worst {worst:.2} mm, extent {extent:?}");
        // Whether a tip ends before or behind a slice is not in the mask: half a voxel at either end is open.
        for (length, step) in extent.iter().zip([2, 1, 0].map(|axis| spacing_mm[axis] as f32)) {
            assert!((length - 41.0).abs() <= 0.65 * step + 0.3, "{spacing_mm:?}: {extent:?}");
        }
    }
}

#[test]
fn normals_point_out_and_the_net_is_closed() {
    let net = Net::around(&ball([5.0, 0.5, 0.5], 12.0));
    for (point, normal) in net.points_mm.iter().zip(&net.normals) {
        let outward: f32 = (0..3).map(|i| point[i] * normal[i]).sum::<f32>() / point.iter().map(|v| v * v).sum::<f32>().sqrt();
        assert!(outward > 0.5, "at {point:?}: {outward}");
    }
    // In a closed surface every side of a mesh is that of another one, run through the other way.
    let mut sides = std::collections::HashMap::new();
    for quad in &net.quads {
        for k in 0..4 {
            *sides.entry((quad[k], quad[(k + 1) % 4])).or_insert(0i32) += 1;
        }
    }
    assert!(sides.iter().all(|((a, b), n)| sides.get(&(*b, *a)) == Some(n)), "the net has a hole");
}

#[test]
fn one_voxel_has_a_surface_within_half_a_voxel() {
    let mut inside = vec![false; 27];
    inside[13] = true;
    let net = Net::around(&Mask { inside, shape: [3; 3], spacing_mm: [4.0, 1.0, 2.0], first_mm: [-4.0, -1.0, -2.0] });
    assert_eq!((net.points_mm.len(), net.quads.len()), (8, 6));
    assert!(net.points_mm.iter().all(|[x, y, z]| x.abs() <= 1.0 && y.abs() <= 0.5 && z.abs() <= 2.0), "{:?}", net.points_mm);
}
