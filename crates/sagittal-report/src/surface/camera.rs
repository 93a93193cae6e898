//! From where a surface is looked at: an orthographic camera, so that a millimetre is as long in front as behind.

use crate::Plane;

/// Right, anterior, superior.
pub(super) type Direction = [f32; 3];

/// The directions of a picture in the patient; all three are unit vectors at right angles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Camera {
    /// To the right of the picture.
    pub(super) right: Direction,
    /// To its top.
    pub(super) up: Direction,
    /// From the picture to whoever looks at it.
    pub(super) towards: Direction,
}

impl Camera {
    /// The view that shows the same sides in the same places as a slice across this plane: from the feet, the front, the patient's left.
    pub(super) fn of_plane(plane: Plane) -> Self {
        match plane {
            Plane::Axial => Self { right: [-1.0, 0.0, 0.0], up: [0.0, 1.0, 0.0], towards: [0.0, 0.0, -1.0] },
            Plane::Coronal => Self { right: [-1.0, 0.0, 0.0], up: [0.0, 0.0, 1.0], towards: [0.0, 1.0, 0.0] },
            Plane::Sagittal => Self { right: [0.0, -1.0, 0.0], up: [0.0, 0.0, 1.0], towards: [-1.0, 0.0, 0.0] },
        }
    }

    /// The view after walking around the patient, from the front to the patient's left and on, by `turn` radians, looking down by `tilt` radians.
    pub(super) fn around(turn: f32, tilt: f32) -> Self {
        let (sin, cos) = turn.sin_cos();
        let right = [-cos, -sin, 0.0];
        let level = [-sin, cos, 0.0];
        let (tilt_sin, tilt_cos) = tilt.sin_cos();
        let towards = [level[0] * tilt_cos, level[1] * tilt_cos, tilt_sin];
        let up = [-level[0] * tilt_sin, -level[1] * tilt_sin, tilt_cos];
        Self { right, up, towards }
    }

    /// A direction in the patient as right, up and towards the viewer.
    pub(super) fn turn(&self, [x, y, z]: Direction) -> [f32; 3] {
        [self.right, self.up, self.towards].map(|d| d[0] * x + d[1] * y + d[2] * z)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cross(a: Direction, b: Direction) -> Direction {
        [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    }

    #[test]
    fn cameras_do_not_mirror() {
        let walks = (0..8).flat_map(|i| [-0.3f32, 0.0, 0.5].map(|tilt| Camera::around(i as f32 * 0.7, tilt)));
        for camera in Plane::ALL.map(Camera::of_plane).into_iter().chain(walks) {
            let expected = cross(camera.right, camera.up);
            assert!((0..3).all(|i| (expected[i] - camera.towards[i]).abs() < 1e-5), "{camera:?}");
        }
    }

    #[test]
    fn views_show_the_sides_that_their_letters_name() {
        let side = |letter| match letter {
            'R' => [1.0, 0.0, 0.0],
            'L' => [-1.0, 0.0, 0.0],
            'A' => [0.0, 1.0, 0.0],
            'P' => [0.0, -1.0, 0.0],
            'S' => [0.0, 0.0, 1.0],
            _ => [0.0, 0.0, -1.0],
        };
        for plane in Plane::ALL {
            let camera = Camera::of_plane(plane);
            let [left, right, top, bottom] = plane.letters().map(|letter| camera.turn(side(letter)));
            assert_eq!((left[0], right[0], top[1], bottom[1]), (-1.0, 1.0, 1.0, -1.0), "{plane:?}");
        }
        assert_eq!(Camera::around(0.0, 0.0).towards, [0.0, 1.0, 0.0]);
        // A quarter of the way round the viewer stands at the patient's left.
        assert!(Camera::around(std::f32::consts::FRAC_PI_2, 0.0).towards[0] < -0.99);
    }
}
