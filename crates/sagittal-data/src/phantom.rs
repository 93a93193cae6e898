//! Synthetic data sets with known truth, written as ordinary data sets.
//!
//! They exist so that the whole program can be tried, tested and timed without downloading anything: `hippocampus` is
//! a 3-D set in nnU-Net's layout, `retina` a 2-D colour set in DRIVE's. Both are drawn from a geometric model with
//! anatomical variation, then photographed with the faults of a real machine (partial volume, uneven gain, noise), so
//! that a network has something to learn and a threshold does not do. They are no substitute for patients: a network
//! trained on them knows nothing about anatomy.
//!
//! Everything is a function of the seed: case *i* of a set is the same however many cases are asked for.

mod acquisition;
mod hippocampus;
mod nnunet_files;
mod retina;
mod retina_camera;
mod smooth_field;
mod vessel_raster;
mod vessel_tree;

use std::path::{Path, PathBuf};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How many cases to draw, and which.
#[derive(Clone, Debug, PartialEq)]
pub struct PhantomOptions {
    /// Cases of the training part.
    pub cases: usize,
    /// Cases of the test part (their labels are written too, so that it can be scored).
    pub test_cases: usize,
    /// Same seed, same files.
    pub seed: u64,
    /// `[height, width]` of a retina picture, in pixels; DRIVE's by default. The 3-D set has its own sizes.
    pub picture_size: [usize; 2],
}

impl Default for PhantomOptions {
    fn default() -> Self {
        Self { cases: 20, test_cases: 5, seed: 1, picture_size: retina::DRIVE_SIZE }
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhantomSet {
    /// The data set's folder.
    pub root: PathBuf,
    /// Case names of the training part.
    pub training: Vec<String>,
    /// Case names of the test part.
    pub test: Vec<String>,
}

/// Why a phantom could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhantomError {
    /// Cases of an older set would be mixed with the new ones.
    #[error("{path} is not empty; choose another folder for the phantom or empty this one", path = path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing could be seen on such a picture.
    #[error("a retina picture of {height} x {width} pixels is too small; ask for at least {minimum} x {minimum}")]
    TooSmall {
        /// Pixels asked for.
        height: usize,
        /// Pixels asked for.
        width: usize,
        /// The least that is drawn.
        minimum: usize,
    },
    /// A folder or a text file could not be made.
    #[error("cannot write {path}", path = path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// An image could not be written.
    #[error(transparent)]
    Image(#[from] sagittal_image::ImageError),
}

/// Writes `hippocampus_phantom`: MR-like 3-D images with two labels, `anterior` and `posterior`, in nnU-Net's layout.
///
/// See the file `hippocampus.rs` for the model. Images are about 36 x 50 x 35 voxels of 1 mm, float32, one channel.
///
/// # Errors
/// [`PhantomError::NotEmpty`] if `dir` holds anything, and whatever the disk refuses.
pub fn write_hippocampus(dir: &Path, options: &PhantomOptions) -> Result<PhantomSet, PhantomError> {
    make_empty(dir)?;
    nnunet_files::write(dir, options)
}

/// Writes a set of fundus-like colour pictures with vessel masks, laid out as DRIVE:
/// `training/{images,1st_manual,mask}` numbered from 21 on, `test/{images,1st_manual,2nd_manual,mask}` from 01 on.
///
/// # Errors
/// [`PhantomError::NotEmpty`] if `dir` holds anything, [`PhantomError::TooSmall`], and whatever the disk refuses.
pub fn write_retina(dir: &Path, options: &PhantomOptions) -> Result<PhantomSet, PhantomError> {
    let [height, width] = options.picture_size;
    let minimum = retina::SMALLEST_SIDE;
    if height < minimum || width < minimum {
        return Err(PhantomError::TooSmall { height, width, minimum });
    }
    make_empty(dir)?;
    retina::write(dir, options)
}

fn make_empty(dir: &Path) -> Result<(), PhantomError> {
    make_folder(dir)?;
    let mut entries = std::fs::read_dir(dir).map_err(|source| PhantomError::File { path: dir.into(), source })?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(PhantomError::NotEmpty { path: dir.into() }),
    }
}

fn make_folder(dir: &Path) -> Result<(), PhantomError> {
    std::fs::create_dir_all(dir).map_err(|source| PhantomError::File { path: dir.into(), source })
}

/// The generator of one case: its own ChaCha stream, so that cases do not depend on each other.
fn case_rng(seed: u64, case_idx: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(case_idx);
    rng
}

/// Test cases draw from streams far from the training ones, so that adding training cases changes no test case.
const FIRST_TEST_STREAM: u64 = 1 << 32;

/// A standard normal number (Box and Muller 1958).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let u: f64 = 1.0 - rng.random::<f64>();
    let v: f64 = rng.random();
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// A number between `low` and `high`, evenly.
fn between(rng: &mut ChaCha8Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

/// Rises smoothly from 0 at `from` to 1 at `to`.
fn smoothstep(from: f64, to: f64, value: f64) -> f64 {
    let t = ((value - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests;
