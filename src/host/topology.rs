//! Sockets, cores, threads, caches and the CPUs this process may use.

use std::collections::BTreeSet;

use super::{Host, field};

/// Counts over the CPUs that are online.
pub(super) struct Shape {
    pub sockets: Option<u32>,
    pub cores: Option<u32>,
    pub threads: Option<u32>,
}

impl Host {
    /// Counts sockets, cores and threads; `cpuinfo` is the text of that file.
    pub(super) fn topology(&self, cpuinfo: &str) -> Shape {
        let online = self.text("sys/devices/system/cpu/online").map(|list| cpu_list(&list));
        let Some(cpus) = online.filter(|cpus| !cpus.is_empty()) else {
            let threads = cpuinfo.lines().filter(|l| l.starts_with("processor")).count() as u32;
            let threads = (threads > 0).then_some(threads);
            return Shape { sockets: None, cores: None, threads };
        };
        let places: Option<Vec<(i64, i64)>> = cpus.iter().map(|cpu| self.place(*cpu)).collect();
        let count = |set: usize| Some(set as u32);
        Shape {
            sockets: places.as_ref().and_then(|places| {
                count(places.iter().map(|(socket, _)| socket).collect::<BTreeSet<_>>().len())
            }),
            cores: places
                .as_ref()
                .and_then(|places| count(places.iter().collect::<BTreeSet<_>>().len())),
            threads: Some(cpus.len() as u32),
        }
    }

    /// Physical cores behind the CPUs that this process may run on.
    pub fn affinity_cores(&self) -> Option<u32> {
        let cpus = self.affinity()?;
        let places: Option<BTreeSet<(i64, i64)>> = cpus.iter().map(|c| self.place(*c)).collect();
        places.map(|p| p.len() as u32)
    }

    /// (socket, core) of a CPU.
    fn place(&self, cpu: u32) -> Option<(i64, i64)> {
        let topology = format!("sys/devices/system/cpu/cpu{cpu}/topology");
        let socket = self.number(&format!("{topology}/physical_package_id"))?;
        Some((socket, self.number(&format!("{topology}/core_id"))?))
    }

    /// The CPUs that this process may run on.
    pub(super) fn affinity(&self) -> Option<Vec<u32>> {
        let status = self.text("proc/self/status")?;
        Some(cpu_list(field(&status, "Cpus_allowed_list")?)).filter(|cpus| !cpus.is_empty())
    }

    pub(super) fn numa_nodes(&self) -> Option<u32> {
        let online = self.text("sys/devices/system/node/online")?;
        Some(cpu_list(&online).len() as u32).filter(|nodes| *nodes > 0)
    }

    /// The largest cache level that the first CPU sees, in bytes.
    pub(super) fn last_level_cache_bytes(&self) -> Option<u64> {
        (0..8)
            .filter_map(|index| {
                let cache = format!("sys/devices/system/cpu/cpu0/cache/index{index}");
                let level: u32 = self.number(&format!("{cache}/level"))?;
                Some((level, size_bytes(&self.text(&format!("{cache}/size"))?)?))
            })
            .max()
            .map(|(_, bytes)| bytes)
    }
}

/// `32768K` or `32M` in bytes.
fn size_bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let unit = match &text[digits.len()..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// `0-3,8` as numbers.
fn cpu_list(text: &str) -> Vec<u32> {
    // No kernel counts further; a broken file must not fill the memory.
    const MAX_CPU: u32 = 1 << 16;
    let mut cpus = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.trim().parse::<u32>(), last.trim().parse::<u32>()) {
            cpus.extend(first..=last.min(MAX_CPU));
        }
    }
    cpus
}
