//! Compute pipelines, each compiled once per device.
#![expect(unsafe_code, reason = "shaders are compiled without wgpu's counters in their loops")]

use std::collections::HashMap;

use breakeven_kernels::recording::{Arg, Kernel, Module, WgslModule};

use super::gpu::Gpu;
use crate::backend::BackendError;

/// A compiled entry point and the layout of its only bind group.
#[derive(Clone)]
pub(super) struct Compiled {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
}

/// What makes two dispatches share a pipeline.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    module: &'static str,
    entry: &'static str,
    overrides: Vec<(&'static str, u64)>,
    /// Per binding: whether the kernel writes it; then whether scalars follow.
    bindings: Vec<bool>,
    scalars: bool,
}

/// Modules and pipelines compiled on one device so far.
#[derive(Default)]
pub(super) struct Pipelines {
    modules: HashMap<&'static str, wgpu::ShaderModule>,
    compiled: HashMap<Key, Compiled>,
}

impl Pipelines {
    /// The pipeline of `kernel` with these arguments; the flag says whether it was compiled now.
    ///
    /// # Errors
    /// A CUDA kernel, a feature that the device lacks, or what the compiler said.
    pub(super) fn get(
        &mut self,
        gpu: &Gpu,
        kernel: &Kernel,
        args: &[Arg],
    ) -> Result<(Compiled, bool), BackendError> {
        let Module::Wgsl(module) = &kernel.module else {
            return Err(gpu.program_error(format!("{} is not written in WGSL", kernel.entry)));
        };
        let key = Key {
            module: module.name,
            entry: kernel.entry,
            overrides: kernel.overrides.iter().map(|(k, v)| (*k, v.to_bits())).collect(),
            bindings: args.iter().filter_map(written).collect(),
            scalars: args.iter().any(|a| written(a).is_none()),
        };
        if let Some(compiled) = self.compiled.get(&key) {
            return Ok((compiled.clone(), false));
        }
        let shader = self.module(gpu, module)?;
        let layout = layout(gpu, &key);
        let named = |e| in_kernel(gpu, module.name, kernel.entry, e);
        let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.entry),
            layout: Some(&gpu.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: None,
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            })),
            module: &shader,
            entry_point: Some(kernel.entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &kernel.overrides,
                ..Default::default()
            },
            cache: None,
        });
        gpu.check().map_err(named)?;
        let compiled = Compiled { pipeline, layout };
        self.compiled.insert(key, compiled.clone());
        Ok((compiled, true))
    }

    fn module(
        &mut self,
        gpu: &Gpu,
        module: &'static WgslModule,
    ) -> Result<wgpu::ShaderModule, BackendError> {
        if let Some(shader) = self.modules.get(module.name) {
            return Ok(shader.clone());
        }
        if let Some(missing) = module.features.iter().find(|f| !gpu.info.has(f)) {
            let message = format!("{} needs {missing}, which this device lacks", module.name);
            return Err(gpu.program_error(message));
        }
        let source = wgpu::ShaderModuleDescriptor {
            label: Some(module.name),
            source: wgpu::ShaderSource::Wgsl(module.source.into()),
        };
        // A counter in every loop costs time that no other device pays; bounds stay checked.
        let mut checks = wgpu::ShaderRuntimeChecks::checked();
        checks.force_loop_bounding = false;
        // SAFETY: the shaders are our own, compiled in, and all their loops end.
        let shader = unsafe { gpu.device.create_shader_module_trusted(source, checks) };
        gpu.check().map_err(|e| in_kernel(gpu, module.name, "", e))?;
        self.modules.insert(module.name, shader.clone());
        Ok(shader)
    }
}

/// Puts module and entry point in front of what the compiler said.
fn in_kernel(gpu: &Gpu, module: &str, entry: &str, error: BackendError) -> BackendError {
    match error {
        BackendError::Program { message, .. } => {
            gpu.program_error(format!("{module} {entry}: {}", message.trim()))
        }
        other => other,
    }
}

/// For a buffer, whether the kernel writes it; `None` for a scalar.
fn written(arg: &Arg) -> Option<bool> {
    match arg {
        Arg::Read(_) => Some(false),
        Arg::Write(_) => Some(true),
        Arg::U32(_) | Arg::I32(_) | Arg::F32(_) | Arg::Capacity(_) => None,
    }
}

/// Buffers at bindings 0, 1, 2 … and the scalars' uniform struct at the next one.
fn layout(gpu: &Gpu, key: &Key) -> wgpu::BindGroupLayout {
    let storage =
        key.bindings.iter().map(|written| wgpu::BufferBindingType::Storage { read_only: !written });
    let uniform = key.scalars.then_some(wgpu::BufferBindingType::Uniform);
    let entries: Vec<_> = storage
        .chain(uniform)
        .zip(0..)
        .map(|(ty, binding)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        })
        .collect();
    gpu.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: None,
        entries: &entries,
    })
}
