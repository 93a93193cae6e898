//! Data sets and goldens that are too large, or not ours, to lie in the repository.

use std::path::{Path, PathBuf};

/// The path of shared test data, such as `goldens/hippocampus-3d`; `None`, with the reason printed, where it is not there.
///
/// Looked for in the folder that the variable `SAGITTAL_SHARED` names, else in `shared` beside the repository and in it.
pub fn shared_data(path: &str) -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let roots = match std::env::var_os("SAGITTAL_SHARED") {
        Some(root) => vec![PathBuf::from(root)],
        None => vec![repository.join("../shared"), repository.join("shared")],
    };
    let found = roots.iter().map(|root| root.join(path)).find(|candidate| candidate.exists());
    if found.is_none() {
        eprintln!("skipped: no {path} in {roots:?}; set SAGITTAL_SHARED to the folder that holds it");
    }
    found
}
