use super::*;

/// A mask drawn in characters: digits are labels, `.` is background; one line is one row.
fn drawn(picture: &str) -> Volume<u16> {
    let rows: Vec<&str> = picture.split_whitespace().collect();
    let voxels = rows.iter().flat_map(|row| row.chars()).map(|c| c.to_digit(10).unwrap_or(0) as u16).collect();
    Volume::new([1, rows.len(), rows[0].len()], voxels)
}

#[test]
fn drawn_masks_count_as_by_hand() {
    let reference = drawn(
        "..11..
         .1111.
         .1122.
         ...22.",
    );
    let prediction = drawn(
        "......
         .111..
         .1112.
         ..2222",
    );
    let counts = count(&prediction, &reference, &[1, 2, 3], None);
    // Label 1: reference 8 voxels, prediction 6, 5 in both.
    assert_eq!(counts[0], Overlap { true_positive: 5, false_positive: 1, false_negative: 3, true_negative: 15 });
    assert_eq!(counts[0].dice(), Some(10.0 / 14.0));
    assert_eq!(counts[0].iou(), Some(5.0 / 9.0));
    assert_eq!(counts[0].precision(), Some(5.0 / 6.0));
    assert_eq!(counts[0].sensitivity(), Some(5.0 / 8.0));
    // Label 2: reference 4, prediction 5, 3 in both.
    assert_eq!(counts[1], Overlap { true_positive: 3, false_positive: 2, false_negative: 1, true_negative: 18 });
    // Label 3 is nowhere.
    assert_eq!(counts[2], Overlap { true_negative: 24, ..Overlap::default() });
}

#[test]
fn only_the_region_counts() {
    let reference = drawn("11.. 11..");
    let prediction = drawn("1111 ....");
    let region = drawn("1110 0000").map(|&v| v == 1);
    let counts = count(&prediction, &reference, &[1], Some(&region));
    assert_eq!(counts[0], Overlap { true_positive: 2, false_positive: 1, false_negative: 0, true_negative: 0 });
}

#[test]
fn the_empty_mask_table_holds() {
    struct Case {
        reference: &'static str,
        prediction: &'static str,
        dice: Option<f64>,
        iou: Option<f64>,
        precision: Option<f64>,
        sensitivity: Option<f64>,
    }
    let case = |reference, prediction, [dice, iou, precision, sensitivity]: [Option<f64>; 4]| Case {
        reference,
        prediction,
        dice,
        iou,
        precision,
        sensitivity,
    };
    for c in [
        case("...", "...", [None; 4]),
        case("...", ".1.", [Some(0.0), Some(0.0), Some(0.0), None]),
        case(".1.", "...", [Some(0.0), Some(0.0), None, Some(0.0)]),
        case(".1.", "1..", [Some(0.0); 4]),
        case(".1.", ".1.", [Some(1.0); 4]),
        // one voxel, and the whole picture
        case("1", "1", [Some(1.0); 4]),
        case("111", ".1.", [Some(0.5), Some(1.0 / 3.0), Some(1.0), Some(1.0 / 3.0)]),
    ] {
        let overlap = count(&drawn(c.prediction), &drawn(c.reference), &[1], None)[0];
        let found = [overlap.dice(), overlap.iou(), overlap.precision(), overlap.sensitivity()];
        assert_eq!(found, [c.dice, c.iou, c.precision, c.sensitivity], "reference {} prediction {}", c.reference, c.prediction);
    }
}

#[test]
fn dice_is_symmetric_and_tied_to_iou() {
    let (a, b) = (drawn("11..22 1.1.22"), drawn("1.1122 11..2."));
    for (forth, back) in count(&a, &b, &[1, 2], None).into_iter().zip(count(&b, &a, &[1, 2], None)) {
        assert_eq!(forth.dice(), back.dice());
        let (dice, iou) = (forth.dice().unwrap_or(0.0), forth.iou().unwrap_or(0.0));
        assert!((dice - 2.0 * iou / (1.0 + iou)).abs() < 1e-15);
    }
}

#[test]
fn a_label_asked_for_twice_is_answered_twice() {
    let counts = count(&drawn("11."), &drawn("1.."), &[1, 1], None);
    assert_eq!(counts[0], counts[1]);
    assert_eq!(counts[0].dice(), Some(2.0 / 3.0));
}
