//! A network's weights as a safetensors file with PyTorch's names and shapes, for PyTorch code.

use safetensors::{Dtype, SafeTensorError, tensor::TensorView};
use sagittal_data::Plan;
use sagittal_image::Rank;
use sagittal_nets::Network;
use std::collections::HashMap;

/// The bytes of a safetensors file whose arrays have nnU-Net's names, each once, and the shapes of 2-D or 3-D modules.
///
/// `load_state_dict(..., strict=False)` of nnU-Net's network takes them: its modules list layers under several names. The header
/// has `format: pt`, as PyTorch's own files have, and the plan as JSON.
///
/// # Errors
/// If the file cannot be laid out.
///
/// # Panics
/// If the plan holds a number that is not finite, which no valid plan does.
pub fn export(network: &Network, plan: &Plan) -> Result<Vec<u8>, SafeTensorError> {
    let flat = plan.network_rank() == Rank::Two;
    let arrays: Vec<(String, Vec<usize>, Vec<u8>)> = network
        .parameters()
        .iter()
        .map(|parameter| {
            let mut shape = parameter.shape.clone();
            // A voxel classifier of stacked slices looks across them, once: that kernel stays one of a 3-D module.
            if flat && shape.len() == 5 && shape[2] == 1 {
                shape.remove(2);
            }
            let bytes = parameter.value.clone().into_data().iter::<f32>().flat_map(f32::to_le_bytes).collect();
            (parameter.name.clone(), shape, bytes)
        })
        .collect();
    let views: Result<Vec<_>, _> = arrays
        .iter()
        .map(|(name, shape, bytes)| Ok::<_, SafeTensorError>((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect();
    let plan = serde_json::to_string(plan).expect("a plan is plain data");
    let header = HashMap::from([("format".to_owned(), "pt".to_owned()), ("plan".to_owned(), plan)]);
    safetensors::serialize(views?, Some(header))
}
