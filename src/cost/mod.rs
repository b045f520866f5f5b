//! Time of a workload on a VM size, and what it costs: pure arithmetic on records, catalog and
//! workload. Every number carries its 90 % interval and says whether it was measured.

use serde::{Deserialize, Serialize};

/// Where a number comes from, from the surest to the least sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Declared by the workload (serial seconds, bytes over the network).
    Declared,
    /// Measured, or interpolated between measurements of this device.
    Measured,
    /// Roofline scaled from a measured device of the same kind.
    Predicted,
    /// Roofline with an efficiency from published results; nothing of that kind was measured.
    Prior,
}

/// A positive number with its 90 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Median.
    pub median: f64,
    /// 5th percentile.
    pub lo90: f64,
    /// 95th percentile.
    pub hi90: f64,
}

/// What limits a job on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// Arithmetic of the device that runs the compute stages.
    Compute,
    /// Memory traffic of that device.
    MemoryBandwidth,
    /// Bytes between host and GPU.
    Link,
    /// Kernel launches.
    Launch,
    /// Threads of a GPU node's host.
    HostCpu,
    /// Work that runs on one thread whatever the node.
    Serial,
    /// Network or disk.
    Io,
    /// Memory for jobs at once.
    MemoryCapacity,
}
