//! Masks in, numbers with units out.
//!
//! [`score_case`] compares a prediction with a reference, label by label, on one grid; [`Metrics`] gathers cases and
//! says how the whole set did ([`summary`]). Numbers carry their unit in name or type, and a number that is not defined is `None`,
//! never 0, 1 or NaN: see the table in [`overlap`].
//!
//! ```
//! use sagittal_image::{Geometry, LabelMap, Volume};
//!
//! let map = |voxels: [u16; 4]| LabelMap {
//!     labels: Volume::new([1, 2, 2], voxels.to_vec()),
//!     geometry: Geometry::picture([2, 2]),
//!     header: Default::default(),
//! };
//! let scores = sagittal_metrics::score_case(&map([0, 1, 1, 0]), &map([0, 1, 0, 0]), &[1], None)?;
//! assert_eq!(scores[0].dice, Some(2.0 / 3.0));
//! # Ok::<(), sagittal_metrics::MetricsError>(())
//! ```
#![forbid(unsafe_code)]

mod case;
mod error;
mod extent;
mod folds;
mod mask_pair;
mod nearest_element;
mod neighbour_codes;
mod surface;

pub mod bootstrap;
pub mod clusters;
pub mod effect;
pub mod lesions;
pub mod metrics_file;
pub mod overlap;
pub mod paired;
pub mod probability;
pub mod score;
pub mod shape;
pub mod statistics;
pub mod summary;
pub mod surface_distance;
pub mod temperature;
pub mod thinning;
pub mod variety;
pub mod verdict;
pub mod vessels;
pub mod volumes;

pub use bootstrap::{Bootstrap, Interval};
pub use case::{GRID_TOLERANCE, LabelScore, ScoreOptions, score_case, score_case_with};
pub use clusters::{ClusterKind, Clusters};
pub use effect::{Contrast, Effect, Runs};
pub use error::MetricsError;
pub use lesions::{Lesion, LesionScore};
pub use mask_pair::{DistanceUnit, MaskPair};
pub use metrics_file::{Beside, CaseScore, Distances, FailedCase, GroupSummary, LabelName, LabelSummary, Metrics, ScoredRegion, Subject};
pub use overlap::Overlap;
pub use paired::SignedRank;
pub use probability::{PooledProbability, ProbabilityScore, Ranking};
pub use score::{Better, Score};
pub use shape::Shape;
pub use statistics::LabelStatistics;
pub use summary::Summary;
pub use surface_distance::{SurfaceDistances, SurfaceElements, SurfaceOptions, SurfaceScore};
pub use variety::{Variety, VarietyCounts};
pub use verdict::{Limits, Verdict};
pub use vessels::VesselScore;
pub use volumes::VolumeUnit;
