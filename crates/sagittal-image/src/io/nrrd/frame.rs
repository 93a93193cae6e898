//! How an NRRD header places voxels in the world, and back.

use std::fmt::Write;

use super::header::Header;
use crate::{
    Geometry, Rank,
    io::{
        fault::{COPY_AGAIN, Fault},
        placement::{self, Placement},
        text_header::{lps, lps_vectors, numbers},
    },
};

/// The lines that place voxels, as the header has them, of spatial axes only.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Frame {
    /// Whole lines, `space: left-posterior-superior` and the like.
    lines: Vec<String>,
    /// Entries per spatial axis.
    directions: Option<Vec<String>>,
    spacings: Option<Vec<String>>,
}

impl Frame {
    /// Takes the lines out of the header; `axes` are the spatial ones.
    pub(super) fn of_header(header: &Header, axes: &[usize]) -> Self {
        let line = |field: &str| header.get(field).map(|value| format!("{field}: {value}"));
        let lines = ["space", "space dimension", "space units", "space origin"].into_iter().filter_map(line).collect();
        let pick = |entries: Vec<&str>| axes.iter().map(|axis| entries.get(*axis).map(|entry| (*entry).to_owned())).collect();
        let directions = header.space_directions().and_then(pick);
        let spacings = header.get("spacings").map(|text| text.split_whitespace().collect()).and_then(pick);
        Self { lines, directions, spacings }
    }

    /// The frame that says `geometry`.
    pub(super) fn of_geometry(geometry: &Geometry) -> Self {
        let Some(spacing_mm) = geometry.spacing_mm else { return Self::default() };
        let (units, origin) = lps_vectors(geometry);
        let vector = |values: Vec<f64>| {
            let mut text = String::from("(");
            for (i, value) in values.iter().enumerate() {
                // Writing to a string cannot fail.
                let _ = write!(text, "{}{value}", if i > 0 { "," } else { "" });
            }
            text + ")"
        };
        let space = if geometry.rank == Rank::Two { "space dimension: 2" } else { "space: left-posterior-superior" };
        let steps = units.into_iter().enumerate().map(|(axis, unit)| vector(unit.iter().map(|v| v * spacing_mm[2 - axis]).collect()));
        Self { directions: Some(steps.collect()), lines: vec![space.into(), format!("space origin: {}", vector(origin))], spacings: None }
    }

    /// The lines of a header whose axes are the spatial ones and, behind them, `n_more`.
    pub(super) fn lines(&self, n_more: usize) -> Vec<String> {
        let mut lines = self.lines.clone();
        if let Some(directions) = &self.directions {
            lines.push(format!("space directions: {}{}", directions.join(" "), " none".repeat(n_more)));
        } else if let Some(spacings) = &self.spacings {
            lines.push(format!("spacings: {}{}", spacings.join(" "), " nan".repeat(n_more)));
        }
        lines
    }

    /// The geometry of a grid of `shape` (`[Z, Y, X]`).
    pub(super) fn geometry(&self, header: &Header, rank: Rank, shape: [usize; 3]) -> Result<Geometry, Fault> {
        let n = if rank == Rank::Two { 2 } else { 3 };
        let to_mm = millimetres(header);
        let to_world = |text: &str, field: &str| -> Result<[f64; 3], Fault> {
            let inner = text.trim().trim_start_matches('(').trim_end_matches(')');
            // A slice may be placed in a space of three axes.
            let components = numbers(field, inner, n).or_else(|fault| numbers(field, inner, 3).map_err(|_| fault))?;
            let mut vector = [0.0; 3];
            vector.iter_mut().zip(components).for_each(|(to, from)| *to = from * to_mm);
            Ok(from_space(header.get("space"), vector))
        };
        let mut steps = [[0.0; 3]; 3];
        if let Some(directions) = &self.directions {
            for (step, direction) in steps.iter_mut().zip(directions) {
                *step = to_world(direction, "space directions")?;
            }
        } else if let Some(spacings) = &self.spacings {
            let spacings = numbers("spacings", &spacings.join(" "), n)?;
            for (axis, spacing) in spacings.into_iter().enumerate() {
                steps[axis][axis] = spacing;
                steps[axis] = lps(steps[axis]);
            }
        } else if header.get("space directions").is_some() {
            return Err(Fault::malformed("expected one entry in `space directions` per axis, found fewer", COPY_AGAIN));
        } else {
            let picture = Geometry { rank, shape, ..Geometry::picture([1, 1]) };
            return Ok(picture);
        }
        let origin_mm = header.get("space origin").map_or(Ok([0.0; 3]), |text| to_world(text, "space origin"))?;
        placement::geometry(rank, shape, Placement { steps, origin_mm, spacing_mm: None })
    }
}

/// A vector of the header's space along right, anterior, superior. Spaces that say nothing of the patient count as
/// left, posterior, superior, as in ITK.
fn from_space(space: Option<&str>, vector: [f64; 3]) -> [f64; 3] {
    match space.unwrap_or_default().to_ascii_lowercase().as_str() {
        "right-anterior-superior" | "ras" => vector,
        "left-anterior-superior" | "las" => [0.0 - vector[0], vector[1], vector[2]],
        _ => lps(vector),
    }
}

/// Millimetres per unit of the header's space.
fn millimetres(header: &Header) -> f64 {
    let unit = header.get("space units").and_then(|units| units.split_whitespace().next()).unwrap_or("mm");
    match unit.trim_matches('"') {
        "m" => 1e3,
        "cm" => 10.0,
        "um" | "µm" | "micron" | "microns" => 1e-3,
        _ => 1.0,
    }
}
