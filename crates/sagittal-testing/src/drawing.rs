//! Masks as they are drawn in tests.

/// The voxels of a drawing, `#` = inside and `.` = outside, in memory order; white space is passed over.
///
/// # Panics
/// If the drawing holds another character.
pub fn ascii_mask(drawing: &str) -> Vec<bool> {
    let voxel = |c: char| match c {
        '#' => true,
        '.' => false,
        other => panic!("a drawing consists of `#` and `.`, found `{other}`"),
    };
    drawing.chars().filter(|c| !c.is_whitespace()).map(voxel).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_drawing_becomes_voxels() {
        assert_eq!(super::ascii_mask("#. \n .#"), [true, false, false, true]);
    }
}
