//! NVIDIA's GPUs through CUDA, whose libraries are looked for when the program runs.

use super::{BurnDevice, Device, DeviceError, DeviceName};
use burn::tensor::DeviceType;

pub(super) const IN_BUILD: bool = true;

/// The GPU of this number.
pub(super) fn open(number: usize) -> Result<Device, DeviceError> {
    let found = BurnDevice::enumerate(DeviceType::Cuda).len();
    if number >= found {
        let finding = format!("CUDA lists {found} GPU(s), counted from 0");
        return Err(DeviceError::NotFound { name: DeviceName::Cuda(number), finding });
    }
    let burn = BurnDevice::cuda(number);
    let part = burn.identity().map(|identity| identity.name);
    Ok(Device { burn, part })
}
