//! From a verdict to what is applied on AKS and Kubernetes: scripts and manifests as text.
//!
//! Pure: reads no file, starts nothing and knows no cluster. What AKS or Kubernetes cannot do is a
//! [`Refusal`] with the reason and the next step, never a file that fails when it is applied.

use serde::Serialize;

use crate::catalog::{Catalog, Gpu, MigProfile, Sku};
use crate::classify::{Sharing, SkuCost, Verdict};
use crate::workload::Workload;

mod az;
mod bin_packing;
mod gpu_stack;
mod header;
mod kaito;
mod karpenter;
mod kueue;
mod limits;
mod lossless;
mod manifest;
mod needs;
mod pod;
mod pod_spec;
mod pool;
mod quantity;
mod sharing;
mod sums;
mod terraform;
mod workload;
mod yaml;

pub use needs::Needs;

/// What cannot be placed, why, and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// What a placement rests on.
pub struct Asked<'a> {
    /// The verdict.
    pub verdict: &'a Verdict,
    /// The size that it is put into effect on, as ranked.
    pub size: &'a SkuCost,
    /// That size in the catalog.
    pub sku: &'a Sku,
    /// The catalog that it is in.
    pub catalog: &'a Catalog,
    /// What is placed.
    pub workload: &'a Workload,
    /// What one pod of it takes.
    pub needs: Needs,
    /// Names of the records that the verdict rests on.
    pub records: Vec<String>,
    /// What the user chose.
    pub choices: &'a Choices,
}

impl<'a> Asked<'a> {
    /// The size's GPU; `None` for a CPU size.
    fn gpu(&self) -> Option<&'a Gpu> {
        self.catalog.gpu(self.sku.gpu_model.as_deref()?)
    }

    /// How the size is shared by the verdict; `None` where its nodes are the workload's own.
    fn sharing(&self) -> Option<&'a Sharing> {
        self.verdict.sharing.as_ref().filter(|sharing| sharing.sku == self.size.sku)
    }

    /// The ways to cut that GPU.
    fn profiles(&self) -> Vec<&'a MigProfile> {
        let model = self.sku.gpu_model.as_deref();
        let of_it = |p: &&MigProfile| Some(p.gpu_model.as_str()) == model;
        self.catalog.mig.iter().filter(of_it).collect()
    }
}

/// What the verdict leaves open and the user may choose.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// Resource group of the cluster; `None`: the shell's `RESOURCE_GROUP`.
    pub resource_group: Option<String>,
    /// Cluster; `None`: the shell's `CLUSTER`.
    pub cluster: Option<String>,
    /// Name of the node pool; `None`: made from the workload's.
    pub pool: Option<String>,
    /// Kind of node pool.
    pub mode: PoolMode,
    /// Who makes nodes.
    pub provisioner: Provisioner,
    /// Who installs what makes a GPU usable.
    pub gpu_stack: GpuStack,
    /// How a GPU is shared; `None`: as the verdict says.
    pub sharing: Option<ShareBy>,
    /// Under which name MIG instances are asked for.
    pub mig_strategy: MigStrategy,
    /// The user's manifest; `None`: a minimal Job is written.
    pub manifest: Option<Manifest>,
    /// Container that computes, of several in a pod.
    pub container: Option<String>,
    /// Image of the minimal Job.
    pub image: Option<String>,
    /// KAITO preset to serve.
    pub kaito: Option<String>,
    /// Kueue's local queue to submit to.
    pub queue: Option<String>,
    /// Fill nodes before others are taken.
    pub bin_packing: bool,
}

/// A manifest to patch.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Its name in messages.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Kinds of AKS node pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PoolMode {
    /// For workloads; may scale to zero.
    #[default]
    User,
    /// For the cluster's own pods.
    System,
}

/// Who makes nodes when pods wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Provisioner {
    /// A node pool of one size under the cluster autoscaler.
    #[default]
    NodePool,
    /// Karpenter, which AKS calls node auto-provisioning.
    AutoProvisioning,
}

/// Who installs driver and device plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GpuStack {
    /// AKS the driver, this placement the device plugin.
    #[default]
    DevicePlugin,
    /// NVIDIA's GPU Operator both.
    Operator,
    /// AKS both (preview).
    Managed,
}

/// Ways to share a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareBy {
    /// Instances with memory and compute of their own.
    Mig,
    /// Turns on whole GPUs.
    TimeSlicing,
    /// Side by side on whole GPUs, with equal parts of memory and compute.
    Mps,
}

/// Under which name MIG instances are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MigStrategy {
    /// `nvidia.com/gpu`: all instances of a node are alike.
    #[default]
    Single,
    /// `nvidia.com/mig-…`.
    Mixed,
}

impl MigStrategy {
    /// As NVIDIA's tools spell it.
    fn word(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Mixed => "mixed",
        }
    }
}

/// What is to be applied.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Placement {
    /// Name of the workload.
    pub workload: String,
    /// VM size.
    pub sku: String,
    /// Name of the node pool.
    pub pool: String,
    /// The verdict and its numbers, as every file says them at its head.
    pub about: String,
    /// Files in the order in which they are applied.
    pub files: Vec<File>,
    /// What a reader must know before applying them.
    pub remarks: Vec<String>,
}

/// A file to apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    /// Name.
    pub name: &'static str,
    /// How it is applied, in a command.
    pub apply: String,
    /// What is in it.
    pub text: String,
}

/// Works out what puts the verdict into effect.
///
/// # Errors
/// [`Refusal`]: what AKS, Kubernetes or the manifest do not allow.
pub fn place(asked: &Asked) -> Result<Placement, Refusal> {
    let pool = pool::Pool::new(asked)?;
    limits::check(asked, &pool)?;
    let header = header::lines(asked, &pool);
    let pod = pod::Pod::new(asked, &pool);
    let mut files = Vec::new();
    let mut remarks = sums::remarks(asked, &pool);
    match asked.choices.provisioner {
        Provisioner::NodePool => {
            files.push(az::file(asked, &pool, &header));
            files.extend(terraform::file(asked, &pool, &header));
        }
        // KAITO asks Karpenter for its own nodes, with driver and plugin.
        Provisioner::AutoProvisioning if asked.choices.kaito.is_some() => {}
        Provisioner::AutoProvisioning => {
            files.extend(karpenter::files(asked, &pool, &header, &mut remarks));
        }
    }
    if asked.choices.kaito.is_none() || asked.choices.provisioner == Provisioner::NodePool {
        files.extend(gpu_stack::files(asked, &pool, &header));
    }
    if let Some(queue) = &asked.choices.queue {
        files.push(kueue::file(queue, asked, &pool, &header, &mut remarks)?);
    }
    if asked.choices.bin_packing {
        files.push(bin_packing::file(&pool, &header, &mut remarks));
    }
    let workload = match &asked.choices.kaito {
        Some(preset) => kaito::file(asked, &pool, preset, &header, &mut remarks)?,
        None => workload::file(asked, &pod, &header, &mut remarks)?,
    };
    files.push(workload);
    Ok(Placement {
        workload: asked.verdict.workload.clone(),
        sku: asked.sku.name.clone(),
        pool: pool.name.clone(),
        about: header,
        files,
        remarks,
    })
}
