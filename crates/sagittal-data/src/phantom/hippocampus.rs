//! The model of the 3-D phantom: a hippocampus-like pair of parts among neighbours that look alike.
//!
//! A scene is a function from a point (mm, right-anterior-superior, from the centre of the field of view) to a material.
//! The two labelled parts lie along one curve that descends towards the front: a flattened `posterior` part (body and
//! tail) and a thicker `anterior` part (head) whose inner side curls up. Both have the signal of grey matter, and so have their
//! neighbours: folded cortex below, an amygdala-like body that touches the head from above, deep nuclei behind. Thin
//! dark clefts (ventricle, cistern) and bright sheets (white matter) separate some of them, not all. So no
//! threshold separates the parts from the rest: shape and place must be learned.
//!
//! Varied from case to case: size along each axis, rotation, position, length, slope and bend of the curve, thickness, where
//! the parts meet, contrast between tissues, folds, a smooth deformation of everything, and the faults of [`Acquisition`].
//!
//! Sizes follow the published look of T1-weighted hippocampus crops at 1 mm; nothing is copied from any image.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use sagittal_image::Volume;

use super::{
    acquisition::{Acquisition, Material},
    between, normal,
    smooth_field::SmoothField,
    smoothstep,
};

/// Label names, from background on; the value is the position.
pub(super) const LABELS: [&str; 3] = ["background", "anterior", "posterior"];
const ANTERIOR: u16 = 1;
const POSTERIOR: u16 = 2;

/// One case: image and labels `[Z, Y, X]`, voxels of 1 mm.
pub(super) fn draw(rng: &mut ChaCha8Rng) -> (Volume<f32>, Volume<u16>) {
    let anatomy = Anatomy::sample(rng);
    let acquisition = Acquisition::sample(rng);
    acquisition.take(anatomy.shape, |point| anatomy.deform(point), |point| anatomy.material(point), rng)
}

/// Everything that differs between two patients.
struct Anatomy {
    shape: [usize; 3],
    // From the field of view to the model: shift, then turn, then scale, then a smooth deformation.
    shift_mm: [f64; 3],
    turn: [[f64; 3]; 3],
    scale: [f64; 3],
    warp: [SmoothField; 3],
    texture: SmoothField,
    folds: SmoothField,
    course: Course,
    signal: Signal,
    fold_phase: f64,
    ventricle_mm: f64,
    cistern_mm: f64,
}

/// The curve along which both parts lie, and how thick they are around it.
struct Course {
    length_mm: f64,
    slope: f64,
    arch_mm: f64,
    bow_mm: f64,
    /// Where the parts meet, along the anterior axis.
    border_mm: f64,
    body_half_mm: [f64; 2], // across (right), up
    head_half_mm: [f64; 2],
}

/// Signal of each tissue, 1 = white matter.
struct Signal {
    white: f64,
    grey: f64,
    part: f64,
    nucleus: f64,
    stem: f64,
    fluid: f64,
}

impl Anatomy {
    fn sample(rng: &mut ChaCha8Rng) -> Self {
        let grow = between(rng, 0.9, 1.1);
        let grey = between(rng, 0.58, 0.68);
        Self {
            shape: [rng.random_range(34..=38), rng.random_range(47..=54), rng.random_range(32..=38)],
            shift_mm: [0; 3].map(|_| 1.5 * normal(rng).clamp(-2.0, 2.0)),
            turn: rotation([0; 3].map(|_| 0.09 * normal(rng).clamp(-2.0, 2.0))),
            scale: [0; 3].map(|_| grow * between(rng, 0.95, 1.05)),
            warp: [0; 3].map(|_| SmoothField::sample(rng, 13.0)),
            texture: SmoothField::sample(rng, 3.0),
            folds: SmoothField::sample(rng, 9.0),
            course: Course {
                length_mm: between(rng, 34.0, 39.0),
                slope: between(rng, 0.22, 0.42),
                arch_mm: between(rng, 0.0, 3.0),
                bow_mm: between(rng, 0.5, 3.5),
                border_mm: between(rng, 1.0, 6.0),
                body_half_mm: [between(rng, 5.3, 6.3), between(rng, 3.4, 4.1)],
                head_half_mm: [between(rng, 6.4, 7.4), between(rng, 4.3, 5.0)],
            },
            signal: Signal {
                white: 1.0,
                grey,
                part: grey * between(rng, 0.96, 1.04),
                nucleus: between(rng, 0.72, 0.82),
                stem: between(rng, 0.85, 0.95),
                fluid: between(rng, 0.1, 0.25),
            },
            fold_phase: between(rng, 0.0, std::f64::consts::TAU),
            ventricle_mm: between(rng, 1.0, 2.2),
            cistern_mm: between(rng, 1.5, 3.5),
        }
    }

    /// From the field of view to the model.
    fn deform(&self, point: [f64; 3]) -> [f64; 3] {
        let shifted = [0, 1, 2].map(|axis| point[axis] - self.shift_mm[axis]);
        let turned = self.turn.map(|row| row[0] * shifted[0] + row[1] * shifted[1] + row[2] * shifted[2]);
        let scaled = [0, 1, 2].map(|axis| turned[axis] / self.scale[axis]);
        [0, 1, 2].map(|axis| scaled[axis] + 1.0 * self.warp[axis].at(scaled))
    }

    /// What lies at a point of the model: the first structure that claims it, from the labelled parts outwards.
    fn material(&self, point: [f64; 3]) -> Material {
        let [right, anterior, superior] = point;
        let section = self.course.section(point);
        if section.radius < 1.0 {
            let label = if anterior > self.course.border_mm { ANTERIOR } else { POSTERIOR };
            let signal = self.signal.part * (1.0 + 0.05 * self.texture.at(point));
            return Material { signal, label };
        }
        let signal = self
            .around(&section)
            .or_else(|| self.amygdala(point))
            .or_else(|| self.brain_stem(point))
            .or_else(|| self.deep_nuclei([right, anterior, superior - section.centre_mm[1]]))
            .unwrap_or_else(|| self.cortex([right, anterior, superior - section.centre_mm[1]]));
        Material { signal: signal * (1.0 + 0.04 * self.texture.at(point)), label: 0 }
    }

    /// The thin layers that touch the parts: ventricle outside and above, a bright sheet on top and below.
    fn around(&self, section: &Section) -> Option<f64> {
        let Section { radius, half_mm, direction: [across, up], along, .. } = *section;
        if !(-0.06..1.03).contains(&along) {
            return None;
        }
        let gap_mm = (radius - 1.0) * half_mm[1];
        let towards_ventricle = -0.75 * across + 0.66 * up;
        if towards_ventricle > 0.45 && gap_mm < self.ventricle_mm * smoothstep(0.1, 0.75, along) {
            return Some(self.signal.fluid);
        }
        if up > 0.5 && across > -0.4 && gap_mm < 0.9 * smoothstep(1.0, 0.55, along) {
            return Some(0.95 * self.signal.white);
        }
        if up < 0.15 && gap_mm < 2.4 {
            // A gap in the bright sheet: there the part touches the cortex (the subiculum), and no edge shows.
            let open = across > 0.72 && up > -0.6;
            return Some(if open { self.signal.grey } else { self.signal.white });
        }
        None
    }

    /// A grey body in front of and above the head, touching it.
    fn amygdala(&self, [right, anterior, superior]: [f64; 3]) -> Option<f64> {
        let head = self.course.centre(self.course.length_mm * 0.42);
        let reach = ellipsoid([right - head[0] - 1.0, anterior - self.course.length_mm * 0.40, superior - head[1] - 8.5], [7.5, 7.0, 5.0]);
        (reach < 1.0).then_some(self.signal.part)
    }

    /// A bright column on the inner side behind a dark cistern.
    fn brain_stem(&self, [right, anterior, superior]: [f64; 3]) -> Option<f64> {
        let half = [8.0, 13.0, 26.0];
        let reach = ellipsoid([right - 19.5, anterior + 3.0, superior + 5.0], half);
        let gap_mm = (reach - 1.0) * half[0];
        if gap_mm < 0.0 { Some(self.signal.stem) } else { (gap_mm < self.cistern_mm).then_some(self.signal.fluid) }
    }

    /// Above the parts: nuclei with soft borders in white matter, and a dark ventricle at the back. Heights are above the curve.
    fn deep_nuclei(&self, [right, anterior, height]: [f64; 3]) -> Option<f64> {
        if height < 4.5 {
            return None;
        }
        let ventricle = ellipsoid([right + 6.0, anterior + 21.0, height - 11.0], [6.0, 9.0, 3.5]);
        if ventricle < 1.0 {
            return Some(self.signal.fluid);
        }
        let mottled = self.folds.at([right, anterior, height]);
        let depth = smoothstep(-0.25, 0.35, mottled + 0.04 * (height - 9.0) - 0.02 * right);
        Some(self.signal.white + (self.signal.nucleus - self.signal.white) * depth)
    }

    /// Beside and below: folded sheets of grey matter with a dark cleft in the middle and white matter between.
    fn cortex(&self, [right, anterior, height]: [f64; 3]) -> f64 {
        const PERIOD_MM: f64 = 10.5;
        let bend = 2.2 * (0.33 * right + 0.08 * anterior + self.fold_phase).sin() + 1.6 * self.folds.at([right, anterior, 0.3 * height]);
        // Sheets lie below the curve and turn upwards at the outer side.
        let depth = -height - 7.0 + bend + 0.045 * (right + 4.0).min(0.0).powi(2);
        match depth.rem_euclid(PERIOD_MM) {
            _ if depth < -3.5 => self.signal.white,
            d if d < 3.0 => self.signal.grey,
            d if d < 3.7 => self.signal.fluid + 0.1,
            d if d < 6.7 => self.signal.grey,
            _ => self.signal.white,
        }
    }
}

/// Where a point lies relative to the cross-section of the curve at its anterior position.
struct Section {
    /// 0 at the back end of the curve, 1 at the front.
    along: f64,
    /// Centre of the section: right, superior.
    centre_mm: [f64; 2],
    half_mm: [f64; 2],
    /// 1 on the surface of the labelled parts.
    radius: f64,
    /// Unit direction from the centre: across (right = inner side), up.
    direction: [f64; 2],
}

impl Course {
    /// Centre of the section at an anterior position: right, superior.
    fn centre(&self, anterior: f64) -> [f64; 2] {
        let t = 2.0 * anterior / self.length_mm;
        [self.bow_mm * (t * t - 0.4) - 3.0, -self.slope * anterior + self.arch_mm * (0.5 - t * t) - 1.5]
    }

    fn section(&self, [right, anterior, superior]: [f64; 3]) -> Section {
        let along = anterior / self.length_mm + 0.5;
        let centre_mm = self.centre(anterior);
        let head = smoothstep(self.border_mm - 1.5, self.border_mm + 2.5, anterior);
        // The tail tapers over three tenths of the length, the head ends bluntly.
        let taper = if along < 0.3 { (0.3 - along) / 0.3 } else { (along - 0.78).max(0.0) / 0.22 };
        let full = (1.0 - taper.min(1.0).powi(2)).sqrt().max(0.02);
        let half_mm = [0, 1].map(|i| full * (self.body_half_mm[i] + head * (self.head_half_mm[i] - self.body_half_mm[i])));
        let across = (right - centre_mm[0]) / half_mm[0];
        // The section of the body is a crescent, open below; that of the head curls up on the inner side.
        let curl = (1.0 - head) * 0.45 * (0.3 - across.clamp(-1.3, 1.3).powi(2)) + head * 0.5 * across.clamp(0.0, 1.3).powi(2);
        let up = (superior - centre_mm[1]) / half_mm[1] - curl;
        let radius = if taper >= 1.0 { f64::INFINITY } else { across.hypot(up) };
        let norm = across.hypot(up).max(1e-9);
        Section { along, centre_mm, half_mm, radius, direction: [across / norm, up / norm] }
    }
}

/// Below 1 inside an axis-aligned ellipsoid around the origin.
fn ellipsoid(point: [f64; 3], half_mm: [f64; 3]) -> f64 {
    (0..3).map(|axis| (point[axis] / half_mm[axis]).powi(2)).sum::<f64>().sqrt()
}

/// Rotation by three angles in radians, about the right, anterior and superior axes in turn.
fn rotation([a, b, c]: [f64; 3]) -> [[f64; 3]; 3] {
    let ((sa, ca), (sb, cb), (sc, cc)) = (a.sin_cos(), b.sin_cos(), c.sin_cos());
    [
        [cb * cc, sa * sb * cc - ca * sc, ca * sb * cc + sa * sc],
        [cb * sc, sa * sb * sc + ca * cc, ca * sb * sc - sa * cc],
        [-sb, sa * cb, ca * cb],
    ]
}
