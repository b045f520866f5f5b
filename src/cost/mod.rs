//! Time of a workload on a VM size, and what it costs: pure arithmetic on records, catalog and
//! workload. Every number carries its 90 % interval and says whether it was measured.

use serde::{Deserialize, Serialize};

pub mod along;
pub mod evidence;
#[cfg(test)]
pub(crate) mod fixture;
pub mod fleet;
#[cfg(test)]
mod fleet_tests;
pub mod held_out;
pub mod imported;
pub mod interval;
pub mod leave_one_out;
pub mod money;
pub mod node;
pub mod opaque;
pub mod parts;
pub mod peaks;
pub mod predict;
pub mod prior;
pub mod queue;
pub mod reserved;
pub mod share;
#[cfg(test)]
mod share_tests;
pub mod spot;
pub mod stage;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod time_tests;

/// Standard deviations from the median to the 95th percentile of a normal distribution.
pub const Z95: f64 = 1.644_853_626_951_472_7;

/// Where a number comes from, from the surest to the least sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Declared by the workload (serial seconds, bytes over the network).
    Declared,
    /// Measured on such a VM size.
    Measured,
    /// Between measured sizes of a series, or beyond them for batches of items.
    Interpolated,
    /// Measured by others, and taken at its word.
    Imported,
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

/// A point of every uncertain number at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// 5th percentile.
    Lo,
    /// Median.
    Mid,
    /// 95th percentile.
    Hi,
    /// So many quarters of a standard deviation above the median (below it, if negative).
    Quarters(i8),
}

impl Estimate {
    /// A number known exactly.
    pub fn exact(value: f64) -> Self {
        Self { median: value, lo90: value, hi90: value }
    }

    /// `median` within a factor either way (factor ≥ 1).
    pub fn within(median: f64, factor: f64) -> Self {
        Self { median, lo90: median / factor, hi90: median * factor }
    }

    /// The interval from `lo90` to `hi90` (both above 0) with their geometric mean as median.
    pub fn between(lo90: f64, hi90: f64) -> Self {
        Self { median: (lo90 * hi90).sqrt(), lo90, hi90 }
    }

    /// The value at `level`.
    pub fn at(&self, level: Level) -> f64 {
        match level {
            Level::Lo => self.lo90,
            Level::Mid => self.median,
            Level::Hi => self.hi90,
            Level::Quarters(_) if self.median <= 0.0 => self.median,
            Level::Quarters(quarters) => {
                let end = if quarters < 0 { self.lo90 } else { self.hi90 };
                let z = f64::from(quarters).abs() / 4.0;
                self.median * (end / self.median).powf(z / Z95)
            }
        }
    }

    /// Every point through `f`, which must not fall where its argument rises.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { median: f(self.median), lo90: f(self.lo90), hi90: f(self.hi90) }
    }

    /// The sum of both, whose errors are taken to go together.
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            median: self.median + other.median,
            lo90: self.lo90 + other.lo90,
            hi90: self.hi90 + other.hi90,
        }
    }

    /// This interval made at least as wide as a factor either way, in quadrature (log-normal).
    pub fn widened(&self, factor: f64) -> Self {
        self.stretched(factor, factor)
    }

    /// The same with a factor below the median and another above it, each at least 1.
    pub fn stretched(&self, below: f64, above: f64) -> Self {
        let wide = |side: f64, factor: f64| side.ln().hypot(factor.ln()).exp();
        if self.median <= 0.0 {
            return *self;
        }
        Self {
            median: self.median,
            lo90: self.median / wide(self.median / self.lo90, below),
            hi90: self.median * wide(self.hi90 / self.median, above),
        }
    }
}

/// What limits a job on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// Arithmetic of the device that runs the compute stages.
    Compute,
    /// That device, where it is not known what of it: a program of the user's own.
    Device,
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
