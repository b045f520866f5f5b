//! Random images and filters of one layer, and what is done with them: run, check, keep.

use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use half::bf16;

use super::cpu::{CpuLayer, Way};
use super::reference::Reference;
use super::winograd::SIDES;
use super::{Layer, WINOGRAD, device, narrow};
use crate::matmul::judge::{single_f32_output, single_output};
use crate::matmul::{to_tf32, write_npy};
use crate::random::Random;
use crate::recording::{GemmType, Layout, shared};
use crate::work::{
    Case, Check, DeviceInfo, Implementation, Input, Keep, Language, Mismatch, Program, Tuning,
    Unsupported, Work,
};

/// One layer with its data.
pub(super) struct Images {
    pub layer: Layer,
    /// Images in the layer's layout; the values that its type has.
    pub x: Arc<[f32]>,
    /// Filters, KCRS, likewise.
    pub w: Arc<[f32]>,
    seed: u64,
    reference: OnceLock<Reference>,
}

impl Images {
    /// Zero-mean images and filters from `seed`.
    pub fn random(layer: Layer, seed: u64) -> Self {
        let values = |len: usize, stream: u64| -> Arc<[f32]> {
            let mut random = Random::new(seed, stream);
            let mut value = || match layer.0.dtype {
                GemmType::F32 => random.signed(),
                GemmType::Tf32 => to_tf32(random.signed()),
                GemmType::Bf16 => bf16::from_f32(random.signed()).to_f32(),
            };
            (0..len).map(|_| value()).collect()
        };
        Self {
            layer,
            x: values(layer.x_len(), 1),
            w: values(layer.w_len(), 2),
            seed,
            reference: OnceLock::new(),
        }
    }

    /// Images or filters as a device holds them.
    pub fn bytes(&self, values: Arc<[f32]>) -> Bytes {
        if self.layer.is_bf16() { shared(narrow::narrowed(&values)) } else { shared(values) }
    }

    /// The results as f32.
    fn results(&self, outputs: &[Vec<u8>]) -> Result<Vec<f32>, Mismatch> {
        let len = self.layer.y_len();
        if self.layer.is_bf16() {
            single_output(outputs, len * 2).map(narrow::widened)
        } else {
            single_f32_output(outputs, len)
        }
    }
}

impl Input for Images {
    fn work(&self) -> Work {
        self.layer.work()
    }

    fn tunings(&self, implementation: &Implementation, device: &DeviceInfo) -> Vec<Tuning> {
        device::tunings(&self.layer, implementation, device)
    }

    fn program(
        &self,
        implementation: &Implementation,
        device: &DeviceInfo,
        tuning: &Tuning,
    ) -> Result<Program, Unsupported> {
        device::supports(&self.layer, implementation, device)?;
        Ok(match implementation.language {
            Language::Native => {
                let (x, w) = (&self.x, self.w.clone());
                Program::Native(Box::new(match implementation.name {
                    WINOGRAD => CpuLayer::winograd(self.layer, x, w, SIDES[tuning.index]),
                    _ => CpuLayer::new(self.layer, x, w, Way::all(&self.layer)[tuning.index]),
                }))
            }
            language => Program::Recording(device::recording(self, language, device, tuning)),
        })
    }

    fn check(&self, outputs: &[Vec<u8>]) -> Result<Check, Mismatch> {
        let reference = self
            .reference
            .get_or_init(|| Reference::new(self.layer, &self.x, self.w.clone(), self.seed));
        reference.check(self.results(outputs)?)
    }

    fn keep(&self, outputs: &[Vec<u8>], keep: &mut dyn Keep) -> io::Result<()> {
        let y = self.results(outputs).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        let s = &self.layer.0;
        let dims = |sizes: [u32; 4]| sizes.map(|size| size as usize);
        let images = |channels, height, width| match s.layout {
            Layout::Nchw => dims([s.batch, channels, height, width]),
            Layout::Nhwc => dims([s.batch, height, width, channels]),
        };
        let filters = dims([s.c_out, s.c_in / s.groups, s.kernel_h, s.kernel_w]);
        write_npy(keep, "x.npy", &images(s.c_in, s.height, s.width), &self.x)?;
        write_npy(keep, "w.npy", &filters, &self.w)?;
        write_npy(keep, "y.npy", &images(s.c_out, s.out_h(), s.out_w()), &y)
    }
}
