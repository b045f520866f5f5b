//! The layer as data for devices: vendor calls and our own kernels.

use super::Layer;
use super::input::Images;
use crate::recording::{Command, LibraryCall, Recording, Role, shared};
use crate::work::{DeviceInfo, Unsupported};

/// Whether every operand is a buffer that `device` can bind.
pub(super) fn supports(layer: &Layer, device: &DeviceInfo) -> Result<(), Unsupported> {
    let largest = layer.x_len().max(layer.w_len()).max(layer.y_len()) as u64 * 4;
    match device.max_buffer_bytes {
        Some(limit) if largest > limit => Err(Unsupported(format!(
            "an operand of {largest} bytes exceeds the largest buffer of {} ({limit} bytes)",
            device.id
        ))),
        _ => Ok(()),
    }
}

/// The vendor's convolution.
pub(super) fn library(images: &Images) -> Recording {
    let mut recording = Recording::default();
    let x = recording.upload("x", Role::Input, shared(images.x.clone()));
    let w = recording.upload("w", Role::Constant, shared(images.w.clone()));
    let y = recording.buffer("y", Role::Output, images.layer.y_len() as u64 * 4);
    let shape = images.layer.0;
    recording.commands = vec![Command::Library(LibraryCall::Conv2d { shape, x, w, y })];
    recording
}
