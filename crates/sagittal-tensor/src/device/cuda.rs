//! NVIDIA's GPUs through CUDA, whose libraries are looked for when the program runs.

use super::{BurnDevice, Device, DeviceError, DeviceName};
use burn::tensor::DeviceType;

pub(super) const IN_BUILD: bool = true;

/// The GPU of this number.
pub(super) fn open(number: usize) -> Result<Device, DeviceError> {
    let missing = |finding, cure| Err(DeviceError::NotFound { name: DeviceName::Cuda(number), finding, cure });
    let found = BurnDevice::enumerate(DeviceType::Cuda).len();
    if number >= found {
        return missing(format!("its driver lists {found} GPU(s), which are counted from 0"), "install the driver");
    }
    // Kernels are compiled on the machine where they run, against CUDA's own headers.
    if burn::cubecl::cuda::install::cuda_path().is_none() {
        return missing("CUDA is neither where CUDA_PATH says nor in its usual place".to_owned(), "install the CUDA toolkit");
    }
    let burn = BurnDevice::cuda(number);
    let part = burn.identity().map(|identity| identity.name);
    Ok(Device { burn, part })
}
