//! A build without CUDA.

use super::{Device, DeviceError, DeviceName};

pub(super) const IN_BUILD: bool = false;

pub(super) fn open(number: usize) -> Result<Device, DeviceError> {
    Err(DeviceError::NotInBuild { name: DeviceName::Cuda(number), feature: "cuda" })
}
