//! Facts about this machine from /proc and /sys. An unknown is `None`, never 0.

use std::path::PathBuf;

mod cgroup;
mod microarchitecture;
mod topology;

/// The tree that holds `proc` and `sys`: `/`, or a folder of fixtures in tests.
#[derive(Debug, Clone)]
pub struct Host {
    root: PathBuf,
}

impl Default for Host {
    fn default() -> Self {
        Self { root: PathBuf::from("/") }
    }
}

/// Facts about the processors that this process may use.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cpu {
    /// Model name as the system prints it.
    pub model: Option<String>,
    /// Vendor id (`GenuineIntel`, `AuthenticAMD`, `ARM`).
    pub vendor: Option<String>,
    /// Microarchitecture, where family and model tell it.
    pub microarchitecture: Option<&'static str>,
    /// Microcode revision.
    pub microcode: Option<String>,
    /// Sockets visible.
    pub sockets: Option<u32>,
    /// Physical cores visible.
    pub cores: Option<u32>,
    /// Hardware threads visible.
    pub threads: Option<u32>,
    /// NUMA nodes.
    pub numa_nodes: Option<u32>,
    /// CPUs this process may run on.
    pub affinity_cpus: Option<u32>,
    /// CFS quota in CPUs, if one is set.
    pub quota_cpus: Option<f64>,
    /// Frequency governor of the first CPU.
    pub governor: Option<String>,
    /// Last-level cache that one CPU sees, in bytes.
    pub l3_bytes: Option<u64>,
    /// SIMD sets that kernels may care about, in this program's spelling.
    pub isa: Vec<String>,
}

impl Host {
    /// Trimmed text of a file under the root, `None` where it cannot be read or is empty.
    fn text(&self, path: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.root.join(path)).ok()?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn number<T: std::str::FromStr>(&self, path: &str) -> Option<T> {
        self.text(path)?.parse().ok()
    }

    /// Facts about the processors.
    pub fn cpu(&self) -> Cpu {
        let info = self.text("proc/cpuinfo").unwrap_or_default();
        let shape = self.topology(&info);
        let flags = field(&info, "flags").or_else(|| field(&info, "Features")).unwrap_or("");
        Cpu {
            model: field(&info, "model name").map(str::to_owned),
            vendor: field(&info, "vendor_id")
                .or_else(|| field(&info, "CPU implementer").map(microarchitecture::arm_vendor))
                .map(str::to_owned),
            microarchitecture: microarchitecture::of(&info),
            microcode: field(&info, "microcode").map(str::to_owned),
            sockets: shape.sockets,
            cores: shape.cores,
            threads: shape.threads,
            numa_nodes: self.numa_nodes(),
            affinity_cpus: self.affinity().map(|cpus| cpus.len() as u32),
            quota_cpus: self.quota_cpus(),
            governor: self.text("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            l3_bytes: self.last_level_cache_bytes(),
            isa: isa(flags),
        }
    }

    /// Total memory in bytes: what the machine has, or the cgroup's limit where that is less.
    pub fn memory_bytes(&self) -> Option<u64> {
        let info = self.text("proc/meminfo")?;
        let total: u64 = field(&info, "MemTotal")?.strip_suffix("kB")?.trim().parse().ok()?;
        let total = total * 1024;
        Some(self.memory_limit_bytes().map_or(total, |limit| limit.min(total)))
    }

    /// Memory available now without swapping, in bytes.
    pub fn available_bytes(&self) -> Option<u64> {
        let info = self.text("proc/meminfo")?;
        let available: u64 =
            field(&info, "MemAvailable")?.strip_suffix("kB")?.trim().parse().ok()?;
        Some(available * 1024)
    }

    /// Highest resident memory of this process so far, in bytes.
    pub fn peak_memory_bytes(&self) -> Option<u64> {
        let status = self.text("proc/self/status")?;
        let kib: u64 = field(&status, "VmHWM")?.strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    }

    /// Distribution and version.
    pub fn os(&self) -> Option<String> {
        let release = self.text("etc/os-release")?;
        let line = release.lines().find_map(|l| l.strip_prefix("PRETTY_NAME="))?;
        Some(line.trim_matches('"').to_owned())
    }

    /// Kernel release.
    pub fn kernel(&self) -> Option<String> {
        self.text("proc/sys/kernel/osrelease")
    }

    /// Hypervisor and container hints, joined by commas; `none seen` on bare metal.
    pub fn virtualization(&self) -> String {
        let mut hints: Vec<String> = Vec::new();
        let info = self.text("proc/cpuinfo").unwrap_or_default();
        let flags = field(&info, "flags").unwrap_or("");
        if flags.split(' ').any(|f| f == "hypervisor") {
            let product = self.text("sys/class/dmi/id/sys_vendor");
            hints.push(product.map_or_else(|| "vm".to_owned(), |p| format!("vm ({p})")));
        }
        let cgroup = self.text("proc/1/cgroup").unwrap_or_default();
        let engines = ["kubepods", "docker", "containerd", "lxc", "podman"];
        if let Some(engine) = engines.iter().find(|e| cgroup.contains(*e)) {
            hints.push(format!("container ({engine})"));
        } else if self.root.join(".dockerenv").exists()
            || self.root.join("run/.containerenv").exists()
        {
            hints.push("container".to_owned());
        }
        if hints.is_empty() { "none seen".to_owned() } else { hints.join(", ") }
    }

    /// One-minute load average.
    pub fn load_average(&self) -> Option<f64> {
        self.text("proc/loadavg")?.split(' ').next()?.parse().ok()
    }

    /// Clock of the first CPU now, in hertz.
    pub fn clock_hz(&self) -> Option<f64> {
        let scaling = "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq";
        if let Some(khz) = self.number::<f64>(scaling) {
            return Some(khz * 1e3);
        }
        let info = self.text("proc/cpuinfo")?;
        field(&info, "cpu MHz")?.parse::<f64>().ok().map(|mhz| mhz * 1e6)
    }

    /// CPU time of all CPUs since boot in clock ticks: (total, stolen by the hypervisor).
    pub fn cpu_ticks(&self) -> Option<(u64, u64)> {
        let stat = self.text("proc/stat")?;
        let words = stat.lines().next()?.split_whitespace().skip(1);
        let ticks: Vec<u64> = words.map_while(|w| w.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal; guest times are part of user.
        Some((ticks.iter().take(8).sum(), *ticks.get(7)?))
    }

    /// The transparent huge pages setting: the word in brackets.
    pub fn huge_pages(&self) -> Option<String> {
        let text = self.text("sys/kernel/mm/transparent_hugepage/enabled")?;
        text.split_whitespace().find_map(|w| Some(w.strip_prefix('[')?.strip_suffix(']')?.into()))
    }
}

/// The value of the first `key : value` line.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim()).filter(|v| !v.is_empty())
    })
}

/// Kernel flag names of the SIMD sets of interest, and how this program spells them.
const ISA: [(&str, &str); 24] = [
    ("sse4_2", "sse4.2"),
    ("avx", "avx"),
    ("f16c", "f16c"),
    ("fma", "fma"),
    ("avx2", "avx2"),
    ("avx_vnni", "avxvnni"),
    ("avx512f", "avx512f"),
    ("avx512dq", "avx512dq"),
    ("avx512cd", "avx512cd"),
    ("avx512bw", "avx512bw"),
    ("avx512vl", "avx512vl"),
    ("avx512vbmi", "avx512vbmi"),
    ("avx512_vbmi2", "avx512vbmi2"),
    ("avx512_vnni", "avx512vnni"),
    ("avx512_bf16", "avx512bf16"),
    ("avx512_fp16", "avx512fp16"),
    ("amx_tile", "amx-tile"),
    ("amx_int8", "amx-int8"),
    ("amx_bf16", "amx-bf16"),
    ("asimd", "neon"),
    ("asimddp", "dotprod"),
    ("bf16", "bf16"),
    ("i8mm", "i8mm"),
    ("sve", "sve"),
];

fn isa(flags: &str) -> Vec<String> {
    let flags: Vec<&str> = flags.split(' ').collect();
    let present = ISA.iter().filter(|(kernel, _)| flags.contains(kernel));
    present.map(|(_, ours)| (*ours).to_owned()).collect()
}

#[cfg(test)]
mod tests;
