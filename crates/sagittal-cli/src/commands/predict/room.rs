//! Whether a prediction's probabilities have room on the disk: said before the work.
//!
//! What they take is known exactly only once the empty border of an image is cut off; then the prediction itself takes the room at
//! once, or fails. Here is said what they may take at most.

use std::path::Path;

use sagittal_data::Case;
use sagittal_image::Geometry;
use sagittal_infer::{Ensemble, PredictOptions};

use super::size;
use crate::{machine::free_disk_bytes, messages::Messages};

/// Bytes that a prediction may write at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    /// Into the system's folder for temporary files, for a time.
    temporary: u64,
    /// Into the folder of the results.
    results: u64,
}

impl Needs {
    pub(super) fn of(ensemble: &Ensemble, grid: &Geometry, disk_bytes: u64, options: PredictOptions) -> Self {
        let numbers = if options.probabilities { ensemble.plan().n_outputs() } else { 0 };
        // A number of four bytes for each, which compress somewhat, and labels of at most two.
        Self { temporary: disk_bytes, results: ((4 * numbers + 2) * grid.n_voxels()) as u64 }
    }
}

/// Says so if there is less room than a prediction may need.
pub(super) fn tell_if_short(case: &Case, folder: &Path, needs: &Needs, messages: &Messages) {
    let temporary = std::env::temp_dir();
    let free = [free_disk_bytes(&temporary), free_disk_bytes(folder)];
    for words in shortages(needs, [temporary.as_path(), folder], free) {
        messages.say(format_args!("warning: {}: {words}", case.id));
    }
}

/// What to say, given the free bytes of the two folders.
fn shortages(needs: &Needs, [temporary, results]: [&Path; 2], free: [Option<u64>; 2]) -> Vec<String> {
    let short = |needed: u64, free: Option<u64>| free.filter(|free| needed > *free);
    let mut found = Vec::new();
    // Two folders with as many free bytes are taken to lie on one disk.
    let together = if free[0] == free[1] { needs.temporary } else { 0 };
    if let Some(free) = short(needs.temporary, free[0]) {
        found.push(format!(
            "its probabilities may take {} of {} for a time, and {} are free there; free some, or name another folder in the \
             environment variable TMPDIR",
            size(needs.temporary),
            temporary.display(),
            size(free)
        ));
    } else if let Some(free) = short(needs.results + together, free[1]) {
        found.push(format!(
            "its results may take {} of {}, and {} are free there; free some, or name another folder with -o",
            size(needs.results + together),
            results.display(),
            size(free)
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_room_is_said_with_both_numbers_and_the_cure() {
        struct Case {
            temporary: u64,
            results: u64,
            free: [Option<u64>; 2],
            says: Option<&'static str>,
        }
        let g = 1_000_000_000;
        let cases = [
            Case { temporary: 3 * g, results: g, free: [Some(9 * g), Some(8 * g)], says: None },
            Case { temporary: 3 * g, results: g, free: [None, None], says: None },
            Case {
                temporary: 3 * g,
                results: g,
                free: [Some(2 * g), Some(8 * g)],
                says: Some(
                    "may take 3.0 GB of /tmp for a time, and 2.0 GB are free there; free some, or name another folder in the environment",
                ),
            },
            Case {
                temporary: g,
                results: 3 * g,
                free: [Some(9 * g), Some(2 * g)],
                says: Some("results may take 3.0 GB of out, and 2.0 GB are free there; free some, or name another folder with -o"),
            },
            // One disk for both.
            Case { temporary: 3 * g, results: g, free: [Some(3 * g), Some(3 * g)], says: Some("results may take 4.0 GB of out") },
        ];
        for Case { temporary, results, free, says } in cases {
            let found = shortages(&Needs { temporary, results }, [Path::new("/tmp"), Path::new("out")], free);
            match says {
                None => assert!(found.is_empty(), "{found:?}"),
                Some(words) => assert!(found.len() == 1 && found[0].contains(words), "{found:?}\nshould say {words}"),
            }
        }
    }
}
