//! GPUs through wgpu: Vulkan, Metal or DirectX 12, with shaders in WGSL.

use super::{BurnDevice, Device, DeviceError, DeviceName};
use burn::tensor::{DeviceKind, DeviceType};

pub(super) const IN_BUILD: bool = true;

/// The GPU that the system prefers.
pub(super) fn open() -> Result<Device, DeviceError> {
    if BurnDevice::enumerate(DeviceType::Wgpu).is_empty() {
        let finding = "neither Vulkan nor Metal nor DirectX 12 lists a GPU".to_owned();
        return Err(DeviceError::NotFound { name: DeviceName::Gpu, finding, cure: "install its driver" });
    }
    let burn = BurnDevice::wgpu(DeviceKind::DefaultDevice);
    let part = burn.identity().map(|identity| match identity.physical {
        Some(_) => identity.name,
        None => format!("{}, a program that plays a GPU on the processor", identity.name),
    });
    Ok(Device { burn, part })
}
