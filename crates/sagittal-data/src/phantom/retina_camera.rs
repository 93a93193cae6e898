//! The colour picture of an eye's back: fundus, disc, macula, vessels, seen through a fundus camera.

use rand_chacha::ChaCha8Rng;

use super::{
    between, normal,
    smooth_field::SmoothField,
    smoothstep,
    vessel_raster::{Frame, VesselPicture},
};

/// Where the landmarks lie, in units of the field's radius from its centre, `(x, y)`.
pub(super) struct Landmarks {
    pub(super) disc: [f64; 2],
    pub(super) disc_radius: f64,
    pub(super) macula: [f64; 2],
}

/// Pigment, illumination and faults of one photograph.
pub(super) struct Camera {
    fundus: [f64; 3],
    choroid: SmoothField,
    shade: SmoothField,
    light_from: [f64; 2],
    falloff: f64,
    contrast: f64,
    noise_sd: f64,
    spots: Vec<Spot>,
}

/// A small lesion: a bright exudate or a dark haemorrhage. Both tempt a threshold.
struct Spot {
    at: [f64; 2],
    radius: f64,
    strength: f64,
}

/// How much of red, green and blue light a full depth of blood takes away; green shows vessels best.
const BLOOD_ABSORBS: [f64; 3] = [0.28, 0.52, 0.38];
/// Colour of the optic disc, 0 to 255.
const DISC_COLOUR: [f64; 3] = [250.0, 205.0, 135.0];

impl Camera {
    /// Draws a patient's pigment and a photograph's faults.
    pub(super) fn sample(rng: &mut ChaCha8Rng) -> Self {
        let n_spots = (between(rng, 0.0, 1.0) * 2.0 * 8.0 - 8.0).max(0.0) as usize;
        Self {
            fundus: [between(rng, 180.0, 215.0), between(rng, 88.0, 122.0), between(rng, 42.0, 72.0)],
            choroid: SmoothField::sample(rng, 0.09),
            shade: SmoothField::sample(rng, 0.6),
            light_from: [0.35 * normal(rng).clamp(-1.5, 1.5), 0.35 * normal(rng).clamp(-1.5, 1.5)],
            falloff: between(rng, 0.2, 0.45),
            contrast: between(rng, 0.75, 1.1),
            noise_sd: between(rng, 2.5, 5.0),
            spots: (0..n_spots).map(|_| Spot::sample(rng)).collect(),
        }
    }

    /// The picture `[C = 3][Y, X]`, whole numbers from 0 to 255, and the mask of the field of view.
    pub(super) fn take(
        &self,
        frame: Frame,
        landmarks: &Landmarks,
        vessels: &VesselPicture,
        rng: &mut ChaCha8Rng,
    ) -> ([Vec<f32>; 3], Vec<bool>) {
        let [height, width] = frame.size;
        let mut channels = [0; 3].map(|_| Vec::with_capacity(height * width));
        let mut inside = Vec::with_capacity(height * width);
        for y in 0..height {
            for x in 0..width {
                let (fx, fy) = frame.to_field(y as f64, x as f64);
                let reach = fx.hypot(fy);
                let edge = smoothstep(1.0 + 1.0 / frame.radius, 1.0 - 2.0 / frame.radius, reach);
                let colour = self.colour(landmarks, fx, fy, f64::from(vessels.blood[y * width + x]));
                for (channel, clean) in channels.iter_mut().zip(colour) {
                    // Outside the field the film is not quite black.
                    let value = 4.0 + edge * clean + (0.3 + 0.7 * edge) * self.noise_sd * normal(rng);
                    channel.push(value.round().clamp(0.0, 255.0) as f32);
                }
                inside.push(reach <= 1.0);
            }
        }
        (channels, inside)
    }

    /// Light from the point `(x, y)`, per colour, 0 to 255.
    fn colour(&self, landmarks: &Landmarks, x: f64, y: f64, blood: f64) -> [f64; 3] {
        let light =
            1.08 - self.falloff * ((x - self.light_from[0]).powi(2) + (y - self.light_from[1]).powi(2)) + 0.07 * self.shade.at([x, y, 0.0]);
        let texture = 1.0 + 0.05 * self.choroid.at([x, y, 0.5]);
        let from_disc = (x - landmarks.disc[0]).hypot((y - landmarks.disc[1]) * 0.93) / landmarks.disc_radius;
        let disc = smoothstep(1.12, 0.85, from_disc);
        let cup = 0.12 * smoothstep(0.6, 0.3, from_disc);
        let from_macula = (x - landmarks.macula[0]).hypot(y - landmarks.macula[1]);
        let macula = 0.42 * (-(from_macula / 0.17).powi(2)).exp();
        let spots: f64 = self.spots.iter().map(|spot| spot.at(x, y)).sum();
        [0, 1, 2].map(|c| {
            let ground = self.fundus[c] * texture * (1.0 - macula) * (1.0 + spots).max(0.2);
            let surface = ground + (DISC_COLOUR[c] * (0.92 + cup) - ground) * disc;
            surface * light.max(0.15) * (1.0 - self.contrast * BLOOD_ABSORBS[c] * blood)
        })
    }
}

impl Spot {
    fn sample(rng: &mut ChaCha8Rng) -> Self {
        let (reach, angle) = (between(rng, 0.2, 0.8), between(rng, 0.0, std::f64::consts::TAU));
        let strength = if between(rng, 0.0, 1.0) < 0.5 { 0.5 } else { -0.45 };
        Self { at: [reach * angle.cos(), reach * angle.sin()], radius: between(rng, 0.012, 0.03), strength }
    }

    fn at(&self, x: f64, y: f64) -> f64 {
        self.strength * smoothstep(1.3, 0.7, (x - self.at[0]).hypot(y - self.at[1]) / self.radius)
    }
}
