//! Everything that a training needs to go on as if it had never stopped, in one file that is replaced in one step.
//!
//! `checkpoint/state.safetensors` holds the parameters under their names, the optimiser's buffers under
//! `optimizer.BUFFER.NAME`, their running mean, where one is kept, under `average.NAME`, and the [`Progress`] in its header. Batches need no state: their content follows from the
//! seed and the step.

use crate::{Progress, TrainError, Trainer};
use sagittal_nets::{read_tensors, write_tensors};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const FORMAT_VERSION: u64 = 1;

fn file(folder: &Path) -> PathBuf {
    folder.join("state.safetensors")
}

/// Whether `folder` holds a checkpoint.
pub fn has_checkpoint(folder: &Path) -> bool {
    file(folder).is_file()
}

/// Writes the checkpoint. `identity` says which training it is: it must be the same on resume.
pub(crate) fn write_checkpoint(folder: &Path, trainer: &Trainer, identity: &Value) -> Result<(), TrainError> {
    std::fs::create_dir_all(folder).map_err(|source| TrainError::File { act: "create", path: folder.to_owned(), source })?;
    let (optimizer_steps, buffers) = trainer.optimizer.state();
    let header = json!({
        "format_version": FORMAT_VERSION,
        "identity": identity,
        "optimizer_steps": optimizer_steps,
        "progress": trainer.progress,
    });
    let parameters = trainer.network.parameters();
    let arrays = parameters.iter().zip(buffers).flat_map(|(parameter, buffers)| {
        let own = (parameter.name.clone(), parameter.shape.clone(), parameter.value.clone());
        let kept = buffers
            .iter()
            .enumerate()
            .map(|(i, buffer)| (format!("optimizer.{i}.{}", parameter.name), parameter.shape.clone(), buffer.clone()));
        std::iter::once(own).chain(kept).collect::<Vec<_>>()
    });
    let means = trainer.average.iter().flat_map(|average| average.values());
    let means = parameters.iter().zip(means).map(|(p, mean)| (format!("average.{}", p.name), p.shape.clone(), mean.clone()));
    Ok(write_tensors(&file(folder), arrays.chain(means), &header)?)
}

/// Brings `trainer` to where the checkpoint in `folder` left off.
///
/// # Errors
/// [`TrainError::Checkpoint`] if the checkpoint is of another training than `identity` says.
pub fn read_checkpoint(folder: &Path, trainer: &mut Trainer, identity: &Value) -> Result<(), TrainError> {
    let path = file(folder);
    let (header, mut arrays) = read_tensors(&path, trainer.device())?;
    let wrong = |expected: String, found: String| TrainError::Checkpoint {
        path: path.clone(),
        expected,
        found,
        cure: "resume with the options that the training began with, or start anew in another folder",
    };
    if header["format_version"] != FORMAT_VERSION {
        return Err(wrong(format!("checkpoint format {FORMAT_VERSION}"), header["format_version"].to_string()));
    }
    if let Some((key, expected)) = identity.as_object().into_iter().flatten().find(|(key, value)| header["identity"][key] != **value) {
        return Err(wrong(format!("{key} {expected}"), format!("{key} {}", header["identity"][key])));
    }
    let progress: Progress = serde_json::from_value(header["progress"].clone())
        .map_err(|error| wrong("a training's progress".to_owned(), format!("something else ({error})")))?;
    let n_buffers = trainer.optimizer.state().1.first().map_or(0, Vec::len);
    let (mut buffers, mut means) = (Vec::new(), Vec::new());
    let has_means = trainer.average.is_some() && progress.step > 0;
    for parameter in trainer.network.parameters_mut().iter_mut() {
        let mut take = |name: String| match arrays.remove(&name) {
            Some((shape, value)) if shape == parameter.shape => Ok(value),
            Some((shape, _)) => Err(wrong(format!("array {name} of shape {:?}", parameter.shape), format!("{shape:?}"))),
            None => Err(wrong(format!("array {name}"), "none".to_owned())),
        };
        let value = take(parameter.name.clone())?;
        buffers.push((0..n_buffers).map(|i| take(format!("optimizer.{i}.{}", parameter.name))).collect::<Result<Vec<_>, _>>()?);
        parameter.value = value;
        if has_means {
            means.push(take(format!("average.{}", parameter.name))?);
        }
    }
    if let Some(average) = &mut trainer.average {
        average.restore(means);
    }
    trainer.optimizer.restore(header["optimizer_steps"].as_u64().unwrap_or(progress.step), buffers);
    trainer.progress = progress;
    Ok(())
}
