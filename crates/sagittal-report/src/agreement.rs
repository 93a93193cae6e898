//! Where two label maps agree and where they do not, voxel by voxel, each kind in a colour.
//!
//! The four colours are Okabe and Ito's (2008) that stay furthest apart for readers with protanopia, deuteranopia and tritanopia.

use sagittal_image::Volume;

use crate::Palette;

/// Both maps hold the same label.
pub(crate) const AGREE: u16 = 1;
/// Only the first map labels the voxel.
pub(crate) const EXTRA: u16 = 2;
/// Only the reference labels the voxel.
pub(crate) const MISSED: u16 = 3;
/// Both label it, differently.
pub(crate) const CONFUSED: u16 = 4;

/// The kind of every voxel; 0 where neither map labels it.
///
/// # Panics
/// If the shapes differ (a programming error).
pub(crate) fn of(labels: &Volume<u16>, reference: &Volume<u16>) -> Volume<u16> {
    assert_eq!(labels.shape(), reference.shape(), "label maps are compared on one grid");
    let kind = |(&found, &expected): (&u16, &u16)| match (found, expected) {
        (0, 0) => 0,
        (0, _) => MISSED,
        (_, 0) => EXTRA,
        (a, b) if a == b => AGREE,
        _ => CONFUSED,
    };
    Volume::new(labels.shape(), labels.voxels().iter().zip(reference.voxels()).map(kind).collect())
}

/// Colours and names of the kinds.
pub(crate) fn palette() -> Palette {
    Palette::coloured([
        (AGREE, "both agree".to_owned(), [0, 158, 115]),
        (EXTRA, "extra, not in the reference".to_owned(), [230, 159, 0]),
        (MISSED, "missed, only in the reference".to_owned(), [86, 180, 233]),
        (CONFUSED, "labelled differently".to_owned(), [204, 121, 167]),
    ])
}

/// How many voxels are of each kind, in the order of the palette.
pub(crate) fn counts(kinds: &Volume<u16>) -> [u64; 4] {
    let mut counts = [0; 4];
    kinds.voxels().iter().filter(|kind| (AGREE..=CONFUSED).contains(kind)).for_each(|&kind| counts[usize::from(kind) - 1] += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_labels_has_its_kind() {
        let row = |labels: [u16; 6]| Volume::new([1, 1, 6], labels.to_vec());
        let kinds = of(&row([0, 1, 2, 1, 0, 2]), &row([0, 1, 2, 0, 1, 1]));
        assert_eq!(kinds.voxels(), [0, AGREE, AGREE, EXTRA, MISSED, CONFUSED]);
        assert_eq!(counts(&kinds), [2, 1, 1, 1]);
    }

    /// How a dichromat sees a colour, in linear light: Machado, Oliveira and Fernandes 2009, severity 1.
    const DICHROMATS: [[[f64; 3]; 3]; 3] = [
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ];

    /// CIELAB of linear sRGB (D65).
    fn lab(rgb: [f64; 3]) -> [f64; 3] {
        let [r, g, b] = rgb.map(|v| v.clamp(0.0, 1.0));
        let xyz = [0.4124 * r + 0.3576 * g + 0.1805 * b, 0.2126 * r + 0.7152 * g + 0.0722 * b, 0.0193 * r + 0.1192 * g + 0.9505 * b];
        let f = |t: f64| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let [x, y, z] = [f(xyz[0] / 0.9505), f(xyz[1]), f(xyz[2] / 1.089)];
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    #[test]
    fn colour_blind_readers_tell_the_kinds_apart() {
        let linear = |v: u8| {
            let v = f64::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        let colours: Vec<[f64; 3]> = (AGREE..=CONFUSED).filter_map(|kind| palette().colour(kind)).map(|c| c.map(linear)).collect();
        for matrix in DICHROMATS {
            let seen: Vec<[f64; 3]> = colours.iter().map(|c| lab(matrix.map(|row| row.iter().zip(c).map(|(m, v)| m * v).sum()))).collect();
            for i in 0..seen.len() {
                for j in 0..i {
                    let distance = (0..3).map(|k| (seen[i][k] - seen[j][k]).powi(2)).sum::<f64>().sqrt();
                    // A difference of 10 is seen at a glance (Mokrzycki and Tatol 2011 call 5 a different colour).
                    assert!(distance > 10.0, "kinds {} and {}: {distance:.1} with {matrix:?}", i + 1, j + 1);
                }
            }
        }
    }
}
