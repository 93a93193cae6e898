//! Where tensors live, chosen at run time.

use burn::tensor::Device as BurnDevice;

/// A device that was asked for by name and exists.
#[derive(Clone, Debug)]
pub struct Device(BurnDevice);

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The name is no device of this build.
    #[error("device {name} is not in this build, which has: cpu; choose --device cpu")]
    Unknown {
        /// What was asked for.
        name: String,
    },
}

impl Device {
    /// The processor, with our own kernels.
    pub fn cpu() -> Self {
        Self(BurnDevice::flex())
    }

    /// The device called `name`.
    ///
    /// # Errors
    /// [`DeviceError::Unknown`] if this build has no such device.
    pub fn of_name(name: &str) -> Result<Self, DeviceError> {
        match name {
            "cpu" => Ok(Self::cpu()),
            _ => Err(DeviceError::Unknown { name: name.to_owned() }),
        }
    }

    /// Its name, as [`Device::of_name`] takes it.
    pub fn name(&self) -> &'static str {
        "cpu"
    }

    /// The device for tensors that take no part in differentiation.
    pub fn plain(&self) -> &BurnDevice {
        &self.0
    }

    /// The device for tensors whose gradients are wanted.
    pub fn differentiable(&self) -> BurnDevice {
        self.0.clone().autodiff()
    }
}
