//! The open data sets that `sagittal fetch` knows. One more set is one more entry.

/// A data set that its authors allow everybody to download.
#[derive(Debug)]
pub(crate) struct OpenDataset {
    /// What people type.
    pub(crate) name: &'static str,
    /// One line about it.
    pub(crate) about: &'static str,
    /// Address of the folder that holds the archive, without the archive's name.
    pub(crate) base_url: &'static str,
    /// Name of the archive, an uncompressed tar.
    pub(crate) archive: &'static str,
    /// The one folder that the archive holds, and the data set's folder afterwards.
    pub(crate) folder: &'static str,
    /// MD5 of the archive, as its publishers give it. It guards against damage, not against malice: unpacking does that.
    pub(crate) md5: &'static str,
    /// Neither the archive nor its content is larger than this; more is refused.
    pub(crate) limit_bytes: u64,
    /// Under which terms it may be used.
    pub(crate) licence: &'static str,
    /// What to cite.
    pub(crate) citation: &'static str,
}

/// Names of all sets, for the command line.
pub(crate) const NAMES: [&str; DATASETS.len()] = {
    let mut names = [""; DATASETS.len()];
    let mut idx = 0;
    while idx < names.len() {
        names[idx] = DATASETS[idx].name;
        idx += 1;
    }
    names
};

/// The sets. Address and MD5 of the Decathlon are those of MONAI's `DecathlonDataset`.
static DATASETS: [OpenDataset; 1] = [OpenDataset {
    name: "hippocampus",
    about: "Medical Segmentation Decathlon, task 4: 260 MR images of the hippocampus with labels anterior and posterior, 130 without",
    base_url: "https://msd-for-monai.s3-us-west-2.amazonaws.com",
    archive: "Task04_Hippocampus.tar",
    folder: "Task04_Hippocampus",
    md5: "9d24dba78a72977dbd1d2e110310f31b",
    // The archive has about 28 MB, and its images are compressed already.
    limit_bytes: 200_000_000,
    licence: "CC-BY-SA 4.0 (https://creativecommons.org/licenses/by-sa/4.0/)",
    citation: "M. Antonelli et al., The Medical Segmentation Decathlon, Nature Communications 13, 4128 (2022), \
               https://doi.org/10.1038/s41467-022-30695-9",
}];

/// The set of this name.
pub(crate) fn find(name: &str) -> Option<&'static OpenDataset> {
    DATASETS.iter().find(|dataset| dataset.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_well_formed() {
        for dataset in &DATASETS {
            assert!(
                dataset.md5.len() == 32 && dataset.md5.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase()),
                "{}",
                dataset.name
            );
            assert!(dataset.base_url.starts_with("https://") && !dataset.base_url.ends_with('/'), "{}", dataset.name);
            assert!(dataset.archive.ends_with(".tar"), "{}", dataset.name);
            assert!(NAMES.contains(&dataset.name) && find(dataset.name).is_some());
        }
    }
}
