//! Vessels onto pixels: how much of each pixel is vessel, and how much light it takes away.

use super::vessel_tree::{Kind, Vessel};

/// Points per pixel along each axis.
const POINTS: usize = 3;

/// A picture's frame: `[height, width]` in pixels and where the field of view lies in it.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) size: [usize; 2],
    /// Centre of the field of view, `[y, x]` in pixels.
    pub(super) centre: [f64; 2],
    /// Radius of the field of view in pixels.
    pub(super) radius: f64,
}

impl Frame {
    /// From pixels to units of the field's radius: `(x, y)`.
    pub(super) fn to_field(self, y: f64, x: f64) -> (f64, f64) {
        ((x - self.centre[1]) / self.radius, (y - self.centre[0]) / self.radius)
    }
}

/// What the vessels do to each pixel, `[Y, X]`.
pub(super) struct VesselPicture {
    /// Share of the pixel that is vessel, 0 to 1.
    pub(super) coverage: Vec<f32>,
    /// Depth of blood seen through the pixel, 0 to about 1.
    pub(super) blood: Vec<f32>,
}

/// Draws all vessels. A cross-section is round: the blood seen at distance `r` from the axis is `sqrt(1 - r^2)`; arteries
/// reflect light along their middle third.
pub(super) fn draw(frame: Frame, vessels: &[Vessel]) -> VesselPicture {
    let [height, width] = frame.size;
    let (fine_height, fine_width) = (height * POINTS, width * POINTS);
    let mut fine = vec![0f32; fine_height * fine_width];
    let scale = frame.radius * POINTS as f64;
    let offset = frame.centre.map(|c| (c + 0.5) * POINTS as f64 - 0.5);
    for vessel in vessels {
        for pair in vessel.nodes.windows(2) {
            let [from, to] =
                [pair[0], pair[1]].map(|node| (offset[0] + node.y * scale, offset[1] + node.x * scale, node.half_width * scale));
            let reach = from.2.max(to.2) + 1.0;
            let rows = span(from.0.min(to.0) - reach, from.0.max(to.0) + reach, fine_height);
            let columns = span(from.1.min(to.1) - reach, from.1.max(to.1) + reach, fine_width);
            for y in rows {
                for x in columns.clone() {
                    let (distance, half_width) = distance_to_segment(y as f64, x as f64, from, to);
                    let r = distance / half_width;
                    if r < 1.0 {
                        let depth = (1.0 - r * r).sqrt();
                        let seen = match vessel.kind {
                            Kind::Vein => 0.35 + 0.65 * depth,
                            Kind::Artery => 0.3 + 0.5 * depth - 0.25 * (1.0 - 3.0 * r).max(0.0),
                        };
                        let point = &mut fine[y * fine_width + x];
                        *point = point.max(seen as f32);
                    }
                }
            }
        }
    }
    gather(&fine, frame.size)
}

fn span(low: f64, high: f64, length: usize) -> std::ops::Range<usize> {
    let clamp = |value: f64| value.clamp(0.0, length as f64) as usize;
    clamp(low.floor())..clamp(high.ceil() + 1.0)
}

/// Distance from `(y, x)` to the segment, and the half width at the nearest point.
fn distance_to_segment(y: f64, x: f64, from: (f64, f64, f64), to: (f64, f64, f64)) -> (f64, f64) {
    let (dy, dx) = (to.0 - from.0, to.1 - from.1);
    let length2 = (dy * dy + dx * dx).max(1e-12);
    let t = (((y - from.0) * dy + (x - from.1) * dx) / length2).clamp(0.0, 1.0);
    ((y - from.0 - t * dy).hypot(x - from.1 - t * dx), from.2 + t * (to.2 - from.2))
}

fn gather(fine: &[f32], [height, width]: [usize; 2]) -> VesselPicture {
    let per_pixel = (POINTS * POINTS) as f32;
    let mut picture = VesselPicture { coverage: vec![0.0; height * width], blood: vec![0.0; height * width] };
    for (fine_idx, &seen) in fine.iter().enumerate() {
        if seen > 0.0 {
            let (fine_y, fine_x) = (fine_idx / (width * POINTS), fine_idx % (width * POINTS));
            let idx = fine_y / POINTS * width + fine_x / POINTS;
            picture.coverage[idx] += 1.0 / per_pixel;
            picture.blood[idx] += seen / per_pixel;
        }
    }
    picture
}
