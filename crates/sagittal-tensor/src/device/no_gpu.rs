//! A build without GPUs through wgpu.

use super::{Device, DeviceError, DeviceName};

pub(super) const IN_BUILD: bool = false;

pub(super) fn open() -> Result<Device, DeviceError> {
    Err(DeviceError::NotInBuild { name: DeviceName::Gpu, feature: "gpu" })
}
