//! Where tensors live, chosen at run time among what this build can use.

#[cfg(feature = "cuda")]
mod cuda;
#[cfg(not(feature = "cuda"))]
#[path = "device/no_cuda.rs"]
mod cuda;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(not(feature = "gpu"))]
#[path = "device/no_gpu.rs"]
mod gpu;

use burn::tensor::Device as BurnDevice;
use std::{fmt, str::FromStr};

/// What computes, as people name it: `cpu`, `gpu`, `cuda:0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceName {
    /// The processor, with our own kernels.
    #[default]
    Cpu,
    /// The GPU that the system prefers, through Vulkan, Metal or DirectX 12.
    Gpu,
    /// The NVIDIA GPU of this number, through CUDA.
    Cuda(usize),
}

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The name is no device's.
    #[error("{name} is no device; this build has: {}", DeviceName::in_build())]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The program was built without it.
    #[error("device {name} is not in this build, which has: {}; build with `--features {feature}` to add it", DeviceName::in_build())]
    NotInBuild {
        /// What was asked for.
        name: DeviceName,
        /// The feature that adds it.
        feature: &'static str,
    },
    /// This machine has no such device, or not what it takes to use it.
    #[error("device {name} cannot be used on this machine: {finding}; {cure}, or choose --device cpu")]
    NotFound {
        /// What was asked for.
        name: DeviceName,
        /// What was looked for and what was there.
        finding: String,
        /// What to do.
        cure: &'static str,
    },
}

impl DeviceName {
    /// The names that this build understands, for messages.
    fn in_build() -> String {
        let gpu = gpu::IN_BUILD.then_some("gpu");
        let cuda = cuda::IN_BUILD.then_some("cuda:0 (cuda:1 and so on)");
        [Some("cpu"), gpu, cuda].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl FromStr for DeviceName {
    type Err = DeviceError;

    /// Reads the name of a device that this build has; whether the machine has it shows when it is opened.
    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let name = match text.split_once(':') {
            None if text == "cpu" => Self::Cpu,
            None if text == "gpu" => Self::Gpu,
            None if text == "cuda" => Self::Cuda(0),
            Some(("cuda", number)) => Self::Cuda(number.parse().map_err(|_| DeviceError::Unknown { name: text.to_owned() })?),
            _ => return Err(DeviceError::Unknown { name: text.to_owned() }),
        };
        match name {
            Self::Gpu if !gpu::IN_BUILD => Err(DeviceError::NotInBuild { name, feature: "gpu" }),
            Self::Cuda(_) if !cuda::IN_BUILD => Err(DeviceError::NotInBuild { name, feature: "cuda" }),
            _ => Ok(name),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu => f.write_str("gpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// A device that was asked for by name and exists.
#[derive(Clone, Debug)]
pub struct Device {
    burn: BurnDevice,
    /// The part as it calls itself; nothing for the processor.
    part: Option<String>,
}

impl Device {
    /// The processor, with our own kernels.
    pub fn cpu() -> Self {
        Self { burn: BurnDevice::flex(), part: None }
    }

    /// The device called `name`, ready for use.
    ///
    /// # Errors
    /// [`DeviceError`] if this build or this machine has no such device.
    pub fn open(name: DeviceName) -> Result<Self, DeviceError> {
        match name {
            DeviceName::Cpu => Ok(Self::cpu()),
            DeviceName::Gpu => gpu::open(),
            DeviceName::Cuda(number) => cuda::open(number),
        }
    }

    /// The part behind the name, such as `NVIDIA GeForce RTX 4070`, where it is not the processor.
    pub fn part(&self) -> Option<&str> {
        self.part.as_deref()
    }

    /// Waits until everything that was asked of the device is done. GPUs work on while the program goes ahead.
    ///
    /// # Panics
    /// If the device fails; what it computed is lost then.
    pub fn wait(&self) {
        self.burn.sync().expect("the device finishes its work");
    }

    /// The device for tensors that take no part in differentiation.
    pub fn plain(&self) -> &BurnDevice {
        &self.burn
    }

    /// The device for tensors whose gradients are wanted.
    pub fn differentiable(&self) -> BurnDevice {
        self.burn.clone().autodiff()
    }
}

/// Whether `device` is the processor, for which there are kernels.
pub(crate) fn is_cpu(device: &BurnDevice) -> bool {
    *device == BurnDevice::flex()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let mut names = vec!["cpu"];
        names.extend(gpu::IN_BUILD.then_some("gpu"));
        names.extend(cuda::IN_BUILD.then_some("cuda:3"));
        for name in names {
            assert_eq!(name.parse::<DeviceName>().expect("a device of this build").to_string(), name);
        }
    }

    #[test]
    fn what_is_no_device_is_refused_with_what_there_is() {
        for text in ["", "tpu", "CPU", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "gpu:0"] {
            let error = text.parse::<DeviceName>().expect_err("no device").to_string();
            assert!(error.starts_with(&format!("{text} is no device; this build has: cpu")), "{error}");
        }
    }

    #[test]
    fn what_the_build_lacks_is_refused_with_its_feature() {
        for (text, in_build) in [("gpu", gpu::IN_BUILD), ("cuda:0", cuda::IN_BUILD)] {
            if in_build {
                continue;
            }
            let error = text.parse::<DeviceName>().expect_err("not in this build").to_string();
            let feature = text.trim_end_matches(":0");
            assert!(error.contains("is not in this build") && error.contains(&format!("`--features {feature}`")), "{error}");
        }
    }
}
