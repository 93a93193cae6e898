#![allow(clippy::unwrap_used, reason = "tests")]

use image::AnimationDecoder;
use sagittal_image::{Geometry, Volume};

use super::*;

/// A bright box in a dark volume, and label maps with boxes of growing size.
fn case(geometry: Geometry, channels: usize) -> (Image, impl Fn(usize) -> LabelMap) {
    let shape = geometry.shape;
    let within = move |idx: usize, reach: usize| {
        let at = [idx / (shape[1] * shape[2]), idx / shape[2] % shape[1], idx % shape[2]];
        (0..3).all(|axis| at[axis].abs_diff(shape[axis] / 2) <= reach)
    };
    let n = geometry.n_voxels();
    let channel = Volume::new(shape, (0..n).map(|idx| if within(idx, 4) { 200.0 } else { (idx % 7) as f32 }).collect());
    let image = Image { channels: vec![channel; channels], geometry: geometry.clone(), header: Default::default() };
    let labels = move |reach| LabelMap {
        labels: Volume::new(shape, (0..n).map(|idx| u16::from(within(idx, reach)) * 255).collect()),
        geometry: geometry.clone(),
        header: Default::default(),
    };
    (image, labels)
}

fn frames(gif: &[u8]) -> Vec<image::Frame> {
    image::codecs::gif::GifDecoder::new(std::io::Cursor::new(gif)).unwrap().into_frames().collect_frames().unwrap()
}

#[test]
fn one_frame_an_epoch_and_resuming_goes_on() {
    for (geometry, channels) in [(Geometry::volume([12, 20, 16], [2.0, 1.0, 1.0]), 1), (Geometry::picture([30, 24]), 3)] {
        let dir = tempfile::tempdir().unwrap();
        let (image, labels) = case(geometry, channels);
        let (reference, palette) = (labels(4), Palette::new(&[255]));
        let start = || TrainingGif::start(dir.path(), &image, &reference, &palette).unwrap();
        let first = start();
        for epoch in 1..=3 {
            first.add(epoch, Some(0.2 * epoch as f64), &image, &reference, &labels(epoch)).unwrap();
        }
        assert_eq!(frames(&first.encode().unwrap()).len(), 3);
        // Interrupted after an unfinished epoch 3: it is repeated, then 4 follows; a stray file changes nothing.
        std::fs::write(dir.path().join("notes.txt"), "x").unwrap();
        let again = start();
        again.add(3, None, &image, &reference, &labels(3)).unwrap();
        again.add(4, Some(1.0), &image, &reference, &labels(4)).unwrap();
        let gif = again.encode().unwrap();
        let frames = frames(&gif);
        assert_eq!(frames.len(), 4);
        assert!(frames[0].buffer().height() >= 200);
        assert_eq!(gif, start().encode().unwrap(), "the same frames give the same file");
    }
}

#[test]
fn the_last_frame_shows_the_prediction_as_the_truth_when_they_are_equal() {
    let dir = tempfile::tempdir().unwrap();
    let (image, labels) = case(Geometry::picture([40, 40]), 1);
    let (reference, palette) = (labels(9), Palette::new(&[255]));
    let training = TrainingGif::start(dir.path(), &image, &reference, &palette).unwrap();
    training.add(1, None, &image, &reference, &labels(2)).unwrap();
    training.add(2, Some(1.0), &image, &reference, &reference).unwrap();
    let frames = frames(&training.encode().unwrap());
    let panel = |frame: &image::Frame, idx: u32| {
        let (top, side, step) = (32, 220, 228);
        image::imageops::crop_imm(frame.buffer(), 8 + idx * step, top, side, side).to_image()
    };
    assert_eq!(panel(&frames[1], 1), panel(&frames[1], 2));
    assert_eq!(panel(&frames[1], 3), panel(&frames[1], 4));
    assert_ne!(panel(&frames[0], 1), panel(&frames[0], 2));
}

#[test]
fn long_trainings_are_thinned_out_and_none_is_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    let (image, labels) = case(Geometry::picture([10, 10]), 1);
    let training = TrainingGif::start(dir.path(), &image, &labels(2), &Palette::new(&[255])).unwrap();
    assert_eq!(frames(&training.encode().unwrap()).len(), 1);
    let frame = std::fs::read(dir.path().join("reference.png")).unwrap();
    for epoch in 1..=400 {
        std::fs::write(dir.path().join(format!("epoch_{epoch:05}_dice_none.png")), &frame).unwrap();
    }
    assert_eq!(frames(&training.encode().unwrap()).len(), MOST_FRAMES);
}

#[test]
fn damaged_frames_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (image, labels) = case(Geometry::picture([10, 10]), 1);
    let training = TrainingGif::start(dir.path(), &image, &labels(2), &Palette::new(&[255])).unwrap();
    std::fs::write(dir.path().join("epoch_00001_dice_none.png"), "no picture").unwrap();
    let message = training.encode().unwrap_err().to_string();
    assert!(message.contains("epoch_00001_dice_none.png") && message.contains("delete it"), "{message}");
}

#[test]
fn probabilities_are_shown_in_grey_in_the_place_of_the_predicted_mask() {
    let dir = tempfile::tempdir().unwrap();
    let (image, labels) = case(Geometry::picture([40, 40]), 1);
    let (reference, palette) = (labels(9), Palette::new(&[255]));
    let training = TrainingGif::start(dir.path(), &image, &reference, &palette).unwrap();
    let half = Volume::filled([1, 40, 40], 0.5f32);
    training.add(1, Some(0.5), &image, &reference, &labels(3)).unwrap();
    training.add(2, Some(0.5), &image, &reference, &labels(3)).unwrap();
    training.add_probability(2, &image, &reference, &half).unwrap();
    let gif = training.encode().unwrap();
    let frames = frames(&gif);
    assert_eq!(frames.len(), 2);
    let width = frames[0].buffer().width();
    // The middle of the third of five panels: the mask's colour in the first frame, grey in the second.
    let middle = |frame: &image::Frame| frame.buffer().get_pixel(width / 2, 130).0;
    let [red, green, blue, _] = middle(&frames[0]);
    assert!(red.abs_diff(green).max(green.abs_diff(blue)) > 40, "{:?}", middle(&frames[0]));
    let [red, green, blue, _] = middle(&frames[1]);
    assert!([red, green, blue].iter().all(|channel| channel.abs_diff(128) < 8), "{:?}", middle(&frames[1]));
    assert!(training.add_probability(3, &image, &reference, &Volume::filled([1, 4, 4], 0.5f32)).is_err());
}
