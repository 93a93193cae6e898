//! How a MetaImage header places voxels in the world, and back.

use std::collections::BTreeMap;

use crate::{
    Geometry, Rank,
    io::{
        fault::Fault,
        placement::{self, Placement},
        text_header::{lps, lps_vectors, numbers},
    },
};

/// The header's fields by name.
pub(super) type Fields = BTreeMap<String, String>;

/// The fields that place voxels; the spellings of one field in turn, the usual one first.
const PLACING: &[&[&str]] = &[
    &["TransformMatrix", "Orientation", "Rotation"],
    &["Offset", "Origin", "Position"],
    &["CenterOfRotation"],
    &["AnatomicalOrientation"],
    &["ElementSpacing"],
    &["ElementSize"],
    &["DistanceUnits"],
];

/// The lines that place voxels, as the header has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Frame {
    /// `(field, value)`.
    fields: Vec<(String, String)>,
}

impl Frame {
    pub(super) fn of_header(header: &Fields) -> Self {
        let find = |name: &&str| header.get(*name).map(|value| ((*name).to_owned(), value.clone()));
        Self { fields: PLACING.iter().filter_map(|names| names.iter().find_map(find)).collect() }
    }

    /// The frame that says `geometry`.
    pub(super) fn of_geometry(geometry: &Geometry) -> Self {
        let (units, origin) = lps_vectors(geometry);
        let text = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<String>>().join(" ");
        let [z_mm, y_mm, x_mm] = geometry.spacing_or_one();
        let fields = [
            ("TransformMatrix", text(&units.concat())),
            ("Offset", text(&origin)),
            ("CenterOfRotation", text(&vec![0.0; origin.len()])),
            ("ElementSpacing", text(&[x_mm, y_mm, z_mm][..origin.len()])),
        ];
        Self { fields: fields.map(|(name, value)| (name.to_owned(), value)).to_vec() }
    }

    /// The lines of a header.
    pub(super) fn lines(&self) -> String {
        self.fields.iter().map(|(name, value)| format!("{name} = {value}\n")).collect()
    }

    fn get(&self, spelling: usize) -> Option<(&str, &str)> {
        let names = PLACING[spelling];
        self.fields.iter().find(|(name, _)| names.contains(&name.as_str())).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The geometry of a grid of `shape` (`[Z, Y, X]`), out of a header of `n_dims` axes.
    pub(super) fn geometry(&self, n_dims: usize, rank: Rank, shape: [usize; 3]) -> Result<Geometry, Fault> {
        let n = n_dims.min(3);
        let to_mm = match self.get(6).map(|(_, unit)| unit) {
            Some("m") => 1e3,
            Some("cm") => 10.0,
            Some("um" | "µm") => 1e-3,
            _ => 1.0,
        };
        let values = |field: usize, n: usize| self.get(field).map(|(name, text)| numbers(name, text, n)).transpose();
        let mut spacing = [1.0; 3];
        if let Some(stated) = values(4, n_dims)?.or(values(5, n_dims)?) {
            // Some programs write negative spacings; the direction is the matrix's matter.
            spacing.iter_mut().zip(stated).for_each(|(to, from)| *to = from.abs() * to_mm);
        }
        let mut steps = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        if let Some(matrix) = values(0, n_dims * n_dims)? {
            for axis in 0..n {
                steps[axis] = [0.0; 3];
                steps[axis].iter_mut().zip(&matrix[axis * n_dims..][..n]).for_each(|(to, from)| *to = *from);
            }
        }
        for (axis, step) in steps.iter_mut().enumerate() {
            *step = lps(step.map(|component| component * spacing[axis]));
        }
        let mut origin = [0.0; 3];
        if let Some(stated) = values(1, n_dims)? {
            origin.iter_mut().zip(stated).for_each(|(to, from)| *to = from * to_mm);
        }
        placement::geometry(rank, shape, Placement { steps, origin_mm: lps(origin), spacing_mm: Some(spacing) })
    }
}
