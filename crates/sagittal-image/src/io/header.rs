//! What a file's header said beyond the geometry.

use super::{meta, nifti, nrrd};
use crate::Geometry;

/// What a file's header said beyond the geometry, kept so that results carry the same header.
///
/// A result in the format of its input gets the input's geometry fields as they were, digit by digit, so that every
/// program places both at the same point. The default holds nothing: files are then written from the geometry alone.
#[derive(Clone, Debug, Default)]
pub struct SourceHeader {
    source: Option<(Source, Geometry)>,
}

/// The geometry fields of one format.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Nifti(Box<nifti::Frame>),
    Nrrd(Box<nrrd::Frame>),
    Meta(Box<meta::Frame>),
}

impl SourceHeader {
    /// The header that gave `geometry`.
    pub(crate) fn new(source: Source, geometry: &Geometry) -> Self {
        Self { source: Some((source, geometry.clone())) }
    }

    /// The fields to copy, if what is to be written still has the geometry that they say.
    pub(crate) fn source_for(&self, geometry: &Geometry) -> Option<&Source> {
        self.source.as_ref().filter(|(_, its)| its == geometry).map(|(source, _)| source)
    }
}
