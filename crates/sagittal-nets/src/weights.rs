//! Weight files: safetensors with everything else about the model in one header entry.
//!
//! A model is one file. Its header entry `sagittal` is a JSON object with `format_version`, `network` (the
//! [`NetworkPlan`]) and whatever the writer adds: plan, labels, provenance. The arrays are the network's parameters
//! under their names, float32, in PyTorch's order.

use crate::{NetError, Network};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use sagittal_data::plan::NetworkPlan;
use sagittal_tensor::{Device, Tensor, TensorData};
use serde_json::Value;
use std::{collections::HashMap, fs::File, io::Write, path::Path};

const HEADER_KEY: &str = "sagittal";
const FORMAT_VERSION: u64 = 1;

/// A network and the facts that its file carries.
#[derive(Clone, Debug)]
pub struct ModelFile {
    /// The network with its weights.
    pub network: Network,
    /// The header: `format_version`, `network`, and the writer's own entries.
    pub header: Value,
}

impl ModelFile {
    /// Writes the model, replacing `path` in one step.
    ///
    /// # Errors
    /// [`NetError::File`] if the file cannot be written.
    ///
    /// # Panics
    /// If `facts` is not a JSON object.
    pub fn write(path: &Path, network: &Network, facts: &Value) -> Result<(), NetError> {
        let mut header = facts.as_object().expect("the facts of a model are a JSON object").clone();
        header.insert("format_version".to_owned(), FORMAT_VERSION.into());
        header.insert("network".to_owned(), serde_json::to_value(network.plan()).expect("a network's description is plain data"));
        let arrays = network.parameters().iter().map(|p| (p.name.clone(), p.shape.clone(), p.value.clone()));
        write_tensors(path, arrays, &Value::Object(header))
    }

    /// Reads a model that [`ModelFile::write`] wrote.
    ///
    /// # Errors
    /// [`NetError`] names the file and what is wrong with it.
    pub fn read(path: &Path, device: &Device) -> Result<Self, NetError> {
        let (header, mut arrays) = read_tensors(path, device)?;
        let malformed = |finding: String| NetError::Malformed {
            path: path.to_owned(),
            finding,
            cure: "choose a model.safetensors that `sagittal train` wrote",
        };
        let version = header.get("format_version").and_then(Value::as_u64);
        if version != Some(FORMAT_VERSION) {
            return Err(malformed(format!(
                "expected model format {FORMAT_VERSION}, found {}",
                version.map_or("none".to_owned(), |v| v.to_string())
            )));
        }
        let plan: NetworkPlan = serde_json::from_value(header.get("network").cloned().unwrap_or(Value::Null))
            .map_err(|error| malformed(format!("its network description is not understood ({error})")))?;
        plan.validate().map_err(|error| malformed(error.to_string()))?;
        // The numbers must be there before a network of that size is made: a header alone must not allocate gigabytes.
        let found: u64 = arrays.values().map(|(shape, _)| shape.iter().product::<usize>() as u64).sum();
        if found != plan.n_parameters() {
            return Err(malformed(format!("its network has {} parameters, but the file holds {found}", plan.n_parameters())));
        }
        let mut network = Network::zeros(&plan, device)?;
        for parameter in network.parameters_mut().iter_mut() {
            let (shape, value) = arrays.remove(&parameter.name).ok_or_else(|| malformed(format!("array {} is missing", parameter.name)))?;
            if shape != parameter.shape {
                return Err(malformed(format!("array {}: expected shape {:?}, found {shape:?}", parameter.name, parameter.shape)));
            }
            parameter.value = value;
        }
        if let Some(name) = arrays.keys().min() {
            return Err(malformed(format!("array {name} belongs to no layer of its network")));
        }
        Ok(Self { network, header })
    }
}

/// Writes arrays and a header, replacing `path` in one step: new file, fsync, rename.
///
/// # Errors
/// [`NetError::File`] if the file cannot be written.
///
/// # Panics
/// If the numbers of an array do not fill its shape.
pub fn write_tensors(path: &Path, arrays: impl Iterator<Item = (String, Vec<usize>, Tensor<1>)>, header: &Value) -> Result<(), NetError> {
    let failed = |source: std::io::Error| NetError::File { act: "write", path: path.to_owned(), source };
    let data: Vec<_> = arrays
        .map(|(name, shape, value)| {
            let bytes: Vec<u8> = value.into_data().iter::<f32>().flat_map(f32::to_le_bytes).collect();
            (name, shape, bytes)
        })
        .collect();
    let views = data
        .iter()
        .map(|(name, shape, bytes)| (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).expect("bytes fill the shape")));
    let metadata = HashMap::from([(HEADER_KEY.to_owned(), header.to_string())]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|error| failed(std::io::Error::other(error)))?;
    write_whole(path, &bytes).map_err(failed)
}

/// Writes a file that is there as a whole or not at all: under another name first, synced, then renamed.
///
/// # Errors
/// What the system says; the old file, if there was one, is then still there.
pub fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    // Two programs may write the same file: each its own temporary one.
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| std::fs::rename(&temporary, path));
    if renamed.is_err() {
        // Nothing more can be done if this fails too; the first error says why.
        let _ = std::fs::remove_file(&temporary);
    }
    renamed
}

/// The header and the arrays, by name, of a file that [`write_tensors`] wrote.
///
/// # Errors
/// [`NetError`] names the file and what is wrong with it.
#[allow(clippy::type_complexity, reason = "a map from name to shape and numbers")]
pub fn read_tensors(path: &Path, device: &Device) -> Result<(Value, HashMap<String, (Vec<usize>, Tensor<1>)>), NetError> {
    let bytes = std::fs::read(path).map_err(|source| NetError::File { act: "read", path: path.to_owned(), source })?;
    let malformed = |finding: String| NetError::Malformed {
        path: path.to_owned(),
        finding,
        cure: "choose a .safetensors file that Sagittal wrote, or copy it again if the copy broke off",
    };
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| malformed(format!("not a safetensors file ({error})")))?;
    let header = metadata
        .metadata()
        .as_ref()
        .and_then(|m| m.get(HEADER_KEY))
        .ok_or_else(|| malformed(format!("a safetensors file without Sagittal's header entry {HEADER_KEY}")))?;
    let header = serde_json::from_str(header).map_err(|error| malformed(format!("its header is not JSON ({error})")))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| malformed(format!("not a safetensors file ({error})")))?;
    let mut arrays = HashMap::new();
    for (name, view) in tensors.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(malformed(format!("array {name}: expected float32, found {:?}", view.dtype())));
        }
        let numbers: Vec<f32> = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let n = numbers.len();
        arrays.insert(name, (view.shape().to_vec(), Tensor::from_data(TensorData::new(numbers, [n]), device.plain())));
    }
    Ok((header, arrays))
}
