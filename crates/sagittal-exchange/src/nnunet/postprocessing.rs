//! `postprocessing.json`: what nnU-Net found to help on the predictions of its cross-validation.

use super::field::Field;
use crate::ExchangeError;
use sagittal_data::plan::KeepParts;

/// The one step that nnU-Net has.
const KEEP_LARGEST: &str = "remove_all_but_largest_component_from_segmentation";

/// The steps of a `postprocessing.json`.
pub(super) fn steps(root: &Field<'_>) -> Result<Vec<KeepParts>, ExchangeError> {
    let (functions, arguments) = (root.need("postprocessing_fns")?.elements()?, root.need("postprocessing_kwargs")?.elements()?);
    if functions.len() != arguments.len() {
        return Err(root.need("postprocessing_kwargs")?.wrong("as many as postprocessing_fns"));
    }
    functions.iter().zip(&arguments).map(|(function, arguments)| step(function, arguments)).collect()
}

fn step(function: &Field<'_>, arguments: &Field<'_>) -> Result<KeepParts, ExchangeError> {
    if function.text()? != KEEP_LARGEST {
        return Err(function.unsupported(KEEP_LARGEST));
    }
    if let Some(background) = arguments.get("background_label")
        && background.count()? != 0
    {
        return Err(background.unsupported("0"));
    }
    let mut values = Vec::new();
    collect(&arguments.need("labels_or_regions")?, &mut values)?;
    values.sort_unstable();
    values.dedup();
    Ok(KeepParts::largest(values))
}

/// A label, a region as a list of labels, or a list of either: all of them together.
fn collect(field: &Field<'_>, values: &mut Vec<u16>) -> Result<(), ExchangeError> {
    if field.value.is_number() {
        values.push(u16::try_from(field.count()?).map_err(|_| field.wrong("a label"))?);
        return Ok(());
    }
    // JSON itself ends at a depth of 128.
    field.elements()?.iter().try_for_each(|element| collect(element, values))
}
