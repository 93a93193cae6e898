//! Surfaces into pixels: triangles with a depth for every pixel, shaded by smooth normals (Phong 1975).
//!
//! Drawn twice as large and then averaged, which smooths the edges. Of a transparent label the nearest surface is mixed in, in order of depth.

use super::{camera::Camera, net::Net};
use crate::canvas::{Picture, Rgb};

/// Pixels are divided so many times along each side.
const FINER: usize = 2;
/// The light comes from above left of the viewer; right, up, towards.
const KEY: [f32; 3] = [-0.42, 0.55, 0.72];
const FILL: [f32; 3] = [0.75, -0.1, 0.65];
const AMBIENT: f32 = 0.36;

/// A surface with its colour.
pub(super) struct Solid {
    pub(super) net: Net,
    pub(super) colour: Rgb,
}

/// What of the world is in the picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Right, anterior, superior; the middle of the picture.
    pub(super) centre_mm: [f32; 3],
    /// Pixels a mm.
    pub(super) scale: f32,
    /// Height and width in pixels.
    pub(super) size: [usize; 2],
}

/// The picture of `solids` on `ground`, their surfaces at `opacity` from 0 to 1.
pub(super) fn render(solids: &[Solid], camera: Camera, frame: Frame, opacity: f32, ground: Rgb) -> Picture {
    let [height, width] = frame.size;
    let (fine_width, fine_height) = (width * FINER, height * FINER);
    // What is seen at each fine pixel, of every solid its nearest surface: depth and colour.
    let mut layers: Vec<Vec<(f32, [f32; 3])>> = vec![Vec::new(); if opacity < 1.0 { fine_width * fine_height } else { 0 }];
    let mut nearest = vec![(f32::MIN, [0.0f32; 3]); fine_width * fine_height];
    for solid in solids {
        if opacity < 1.0 {
            nearest.fill((f32::MIN, [0.0; 3]));
        }
        draw(solid, camera, frame, &mut nearest, [fine_height, fine_width]);
        if opacity < 1.0 {
            let hits = layers.iter_mut().zip(&nearest).filter(|(_, hit)| hit.0 > f32::MIN);
            hits.for_each(|(layer, &hit)| layer.push(hit));
        }
    }
    let ground = ground.map(f32::from);
    let fine: Vec<[f32; 3]> = if opacity < 1.0 {
        let through = |layer: &mut Vec<(f32, [f32; 3])>| {
            layer.sort_by(|a, b| a.0.total_cmp(&b.0));
            layer.iter().fold(ground, |below, (_, colour)| [0, 1, 2].map(|c| below[c] * (1.0 - opacity) + colour[c] * opacity))
        };
        layers.iter_mut().map(through).collect()
    } else {
        nearest.iter().map(|&(depth, colour)| if depth > f32::MIN { colour } else { ground }).collect()
    };
    let mut picture = Picture::filled(width, height, [0; 3]);
    for y in 0..height {
        for x in 0..width {
            let parts = (0..FINER * FINER).map(|i| fine[(y * FINER + i / FINER) * fine_width + x * FINER + i % FINER]);
            let sum = parts.fold([0.0f32; 3], |sum, part| [0, 1, 2].map(|c| sum[c] + part[c]));
            picture.put(x, y, sum.map(|v| (v / (FINER * FINER) as f32).round().clamp(0.0, 255.0) as u8));
        }
    }
    picture
}

/// Draws one solid where it is nearer than what is there.
fn draw(solid: &Solid, camera: Camera, frame: Frame, nearest: &mut [(f32, [f32; 3])], [height, width]: [usize; 2]) {
    let scale = frame.scale * FINER as f32;
    let place = |point: &[f32; 3]| {
        let [right, up, towards] = camera.turn([0, 1, 2].map(|i| point[i] - frame.centre_mm[i]));
        [width as f32 / 2.0 + right * scale, height as f32 / 2.0 - up * scale, towards]
    };
    let points: Vec<[f32; 3]> = solid.net.points_mm.iter().map(place).collect();
    let normals: Vec<[f32; 3]> = solid.net.normals.iter().map(|&normal| camera.turn(normal)).collect();
    for quad in &solid.net.quads {
        let [a, b, c, d] = quad.map(|i| i as usize);
        for corners in [[a, b, c], [a, c, d]] {
            triangle(corners.map(|i| points[i]), corners.map(|i| normals[i]), solid.colour, nearest, [height, width]);
        }
    }
}

fn triangle(p: [[f32; 3]; 3], normals: [[f32; 3]; 3], colour: Rgb, nearest: &mut [(f32, [f32; 3])], [height, width]: [usize; 2]) {
    let edge = |a: [f32; 3], b: [f32; 3], x: f32, y: f32| (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]);
    let area = edge(p[0], p[1], p[2][0], p[2][1]);
    if area == 0.0 || !area.is_finite() {
        return;
    }
    let span = |k: usize, limit: usize| {
        let values = p.map(|corner| corner[k]);
        let low = values.into_iter().fold(f32::MAX, f32::min).floor().clamp(0.0, limit as f32);
        let high = values.into_iter().fold(f32::MIN, f32::max).ceil().clamp(0.0, limit as f32);
        low as usize..high as usize
    };
    for y in span(1, height) {
        for x in span(0, width) {
            let (at_x, at_y) = (x as f32 + 0.5, y as f32 + 0.5);
            let weights = [edge(p[1], p[2], at_x, at_y), edge(p[2], p[0], at_x, at_y), edge(p[0], p[1], at_x, at_y)].map(|w| w / area);
            if weights.iter().any(|w| *w < 0.0) {
                continue;
            }
            let depth: f32 = (0..3).map(|k| weights[k] * p[k][2]).sum();
            let pixel = &mut nearest[y * width + x];
            if depth > pixel.0 {
                let normal = [0, 1, 2].map(|i| (0..3).map(|k| weights[k] * normals[k][i]).sum::<f32>());
                *pixel = (depth, shaded(colour, normal));
            }
        }
    }
}

/// The colour of a surface that faces along `normal` (right, up, towards).
fn shaded(colour: Rgb, normal: [f32; 3]) -> [f32; 3] {
    let length = dot(normal, normal).sqrt().max(1e-6);
    let normal = normal.map(|v| v / length);
    // A surface that is seen from inside is lit as from outside.
    let normal = if normal[2] < 0.0 { normal.map(|v| -v) } else { normal };
    let key = dot(normal, KEY).max(0.0);
    let light = AMBIENT + 0.62 * key + 0.16 * dot(normal, FILL).max(0.0);
    // Edges that turn away darken, as they do on every drawing of anatomy.
    let rim = 0.55 + 0.45 * normal[2].sqrt();
    let mirrored = 2.0 * key * normal[2] - KEY[2];
    let gloss = 38.0 * mirrored.max(0.0).powi(18);
    colour.map(|c| f32::from(c) * light * rim + gloss)
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}
