//! What is typed to put a verdict into effect.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::PriceArgs;

/// `place`.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// A workload file or a built-in name
    #[arg(value_name = "WORKLOAD")]
    pub workload: String,
    /// A record or a folder of records (repeatable); without any, the reference records built in
    #[arg(long, value_name = "PATH")]
    pub records: Vec<PathBuf>,
    /// Place it on this VM size and not on the verdict's; needed where that is measure-first
    #[arg(long, value_name = "NAME")]
    pub sku: Option<String>,
    /// A manifest (YAML) to patch: Pod, Deployment, StatefulSet, DaemonSet, Job, CronJob; without
    /// it a minimal Job is written. - is standard input
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Container of the manifest that computes [default: the one with a GPU, else the first]
    #[arg(long, value_name = "NAME", requires = "manifest")]
    pub container: Option<String>,
    /// Image of the minimal Job
    #[arg(long, value_name = "IMAGE", conflicts_with = "manifest")]
    pub image: Option<String>,
    /// What the cluster is like.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// How to price.
    #[command(flatten)]
    pub price: PriceArgs,
}

/// The cluster, and what is to be used of it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    /// Resource group of the AKS cluster [default: $RESOURCE_GROUP when the script runs]
    #[arg(long, value_name = "NAME")]
    pub resource_group: Option<String>,
    /// Name of the AKS cluster [default: $CLUSTER when the script runs]
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Name of the node pool [default: gpu or cpu and the workload's initials]
    #[arg(long, value_name = "NAME")]
    pub pool: Option<String>,
    /// Kind of node pool
    #[arg(long, value_enum, default_value_t)]
    pub mode: ModeArg,
    /// Who makes nodes
    #[arg(long, value_enum, default_value_t)]
    pub provision: ProvisionArg,
    /// Who installs GPU driver and device plugin
    #[arg(long, value_enum, default_value_t)]
    pub gpu_stack: GpuStackArg,
    /// How GPUs are shared [default: as the verdict says]
    #[arg(long, value_enum, value_name = "HOW")]
    pub share: Option<ShareArg>,
    /// Name by which pods ask for MIG instances: nvidia.com/gpu or nvidia.com/mig-…
    #[arg(long, value_enum, default_value_t)]
    pub mig_strategy: MigStrategyArg,
    /// Serve this preset with KAITO, for example phi-4-mini-instruct
    #[arg(long, value_name = "PRESET")]
    pub kaito: Option<String>,
    /// Submit to this local queue of Kueue, and write its quotas
    #[arg(long, value_name = "QUEUE")]
    pub kueue: Option<String>,
    /// Fill nodes before others are taken: a scheduler profile
    #[arg(long)]
    pub bin_packing: bool,
}

/// Kinds of node pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ModeArg {
    /// For workloads
    #[default]
    User,
    /// For the cluster's own pods as well
    System,
}

/// Who makes nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ProvisionArg {
    /// A node pool under the cluster autoscaler
    #[default]
    Pool,
    /// Karpenter: AKS node auto-provisioning
    Karpenter,
}

/// Who installs what makes a GPU usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum GpuStackArg {
    /// AKS the driver, a DaemonSet that is written the plugin
    #[default]
    DevicePlugin,
    /// NVIDIA's GPU Operator both
    Operator,
    /// AKS both (preview)
    Managed,
}

/// Ways to share a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShareArg {
    /// MIG instances
    Mig,
    /// Turns
    TimeSlicing,
    /// NVIDIA's Multi-Process Service
    Mps,
}

/// Strategies of the device plugin for MIG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum MigStrategyArg {
    /// As nvidia.com/gpu
    #[default]
    Single,
    /// As nvidia.com/mig-…
    Mixed,
}
