//! The device that was asked for, opened.

use sagittal_tensor::Device;

use crate::{args::OnDevice, messages::Messages, outcome::WrongUse};

/// Opens the device and says which part it is; nothing is said of the processor.
pub(crate) fn open(on: OnDevice, messages: &Messages) -> Result<Device, WrongUse> {
    let device = Device::open(on.device).map_err(|error| WrongUse(error.to_string()))?;
    if let Some(part) = device.part() {
        messages.say(format_args!("computing on {part}"));
    }
    Ok(device)
}
