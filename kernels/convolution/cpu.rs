//! The layer on the CPU: which algorithm, and its outputs.

use std::sync::Arc;

use super::depthwise::Depthwise;
use super::direct::Direct;
use super::winograd::Winograd;
use super::{Layer, narrow, patches};
use crate::matmul::panel::Line;
use crate::recording::Layout;
use crate::work::Native;

/// A layer ready to run.
pub(super) struct CpuLayer {
    layer: Layer,
    /// Images, from a cache line on, as programs hold them.
    x: Vec<Line>,
    y: Vec<Line>,
    path: Path,
    /// What of a bf16 layer is given and taken, of which `x` and `y` are then widened copies.
    narrow: Option<Narrow>,
}

/// Images and results in bf16.
struct Narrow {
    x: Vec<u16>,
    y: Vec<u16>,
}

enum Path {
    /// One input channel per filter: too little reuse for a matrix product.
    Depthwise(Depthwise),
    /// Tiles of positions by filters that fill a register.
    Direct(Box<Direct>),
    /// A matrix product per image and group, whose right operand (the patches) exists only as the panel
    /// that a thread is about to multiply; with the filters packed for it.
    Patches(Vec<f32>),
    /// Transformed tiles.
    Winograd(Box<Winograd>),
}

/// An algorithm of `cpu/simd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Depthwise,
    Direct,
    Patches,
}

impl Way {
    /// Those that suit `layer`, the most promising first. Of two, which is the faster depends on the
    /// layer and the CPU.
    pub fn all(layer: &Layer) -> Vec<Self> {
        match layer.0.layout {
            _ if layer.group_in() == 1 => vec![Self::Depthwise],
            Layout::Nhwc => vec![Self::Direct],
            // Few filters a group, or rows of a few positions.
            Layout::Nchw if !Direct::suits(layer) => vec![Self::Patches],
            // Neighbouring channels lie a plane apart, and every one is read once.
            Layout::Nchw if layer.0.kernel_h * layer.0.kernel_w == 1 => {
                vec![Self::Patches, Self::Direct]
            }
            Layout::Nchw => vec![Self::Direct, Self::Patches],
        }
    }

    /// Its name in a record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Depthwise => "depthwise",
            Self::Direct => "direct",
            Self::Patches => "patches",
        }
    }
}

impl CpuLayer {
    /// A layer over `x` with filters `w`, in one of the ways that suit it.
    pub fn new(layer: Layer, x: &[f32], w: Arc<[f32]>, way: Way) -> Self {
        let path = match way {
            Way::Depthwise => Path::Depthwise(Depthwise::new(layer, &w)),
            Way::Patches => Path::Patches(patches::pack(&layer, &w)),
            Way::Direct => Path::Direct(Box::new(Direct::new(layer, &w))),
        };
        Self::with(layer, x, path)
    }

    /// The same by Winograd's algorithm with tiles of `side × side` outputs.
    pub fn winograd(layer: Layer, x: &[f32], w: Arc<[f32]>, side: usize) -> Self {
        let path = Path::Winograd(Box::new(Winograd::new(layer, w, side)));
        Self::with(layer, x, path)
    }

    fn with(layer: Layer, x: &[f32], path: Path) -> Self {
        let lines = |len: usize| vec![Line::default(); len.div_ceil(16)];
        let (mut own, y) = (lines(x.len()), lines(layer.y_len()));
        bytemuck::cast_slice_mut(&mut own)[..x.len()].copy_from_slice(x);
        let narrow =
            layer.is_bf16().then(|| Narrow { x: narrow::narrowed(x), y: vec![0; layer.y_len()] });
        Self { layer, x: own, y, path, narrow }
    }
}

impl Native for CpuLayer {
    fn run(&mut self) -> Result<(), String> {
        if let Some(Narrow { x, .. }) = &self.narrow {
            narrow::widen(x, &mut bytemuck::cast_slice_mut(&mut self.x)[..x.len()]);
        }
        let x: &[f32] = &bytemuck::cast_slice(&self.x)[..self.layer.x_len()];
        let y: &mut [f32] = &mut bytemuck::cast_slice_mut(&mut self.y)[..self.layer.y_len()];
        match &self.path {
            Path::Depthwise(depthwise) => depthwise.run(x, y),
            Path::Direct(direct) => direct.run(x, y),
            Path::Patches(w) => patches::run(&self.layer, x, w, y),
            Path::Winograd(winograd) => winograd.run(x, y),
        }
        if let Some(narrow) = &mut self.narrow {
            narrow::round(y, &mut narrow.y);
        }
        Ok(())
    }

    fn poison(&mut self) {
        bytemuck::cast_slice_mut::<_, f32>(&mut self.y).fill(f32::NAN);
        if let Some(Narrow { y, .. }) = &mut self.narrow {
            y.fill(u16::MAX);
        }
    }

    fn outputs(&self) -> Vec<Vec<u8>> {
        vec![match &self.narrow {
            Some(Narrow { y, .. }) => bytemuck::cast_slice(y).to_vec(),
            None => bytemuck::cast_slice(&self.y)[..self.layer.y_len() * 4].to_vec(),
        }]
    }
}
