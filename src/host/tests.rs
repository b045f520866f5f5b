//! Reading of made-up machines.

use std::path::Path;

use super::*;

fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let host = Host { root: folder.path().to_owned() };
    (folder, host)
}

#[test]
fn a_two_socket_xeon_with_two_threads_per_core() {
    let topology = |cpu: u32, socket: u32, core: u32| {
        let base = format!("sys/devices/system/cpu/cpu{cpu}/topology");
        [
            (format!("{base}/physical_package_id"), socket.to_string()),
            (format!("{base}/core_id"), core.to_string()),
        ]
    };
    let mut files: Vec<(String, String)> = vec![
        (
            "proc/cpuinfo".into(),
            "processor : 0\nvendor_id\t: GenuineIntel\ncpu family : 6\nmodel\t: 143\n\
             model name : Intel(R) Xeon(R) Platinum 8480C\nstepping : 8\nmicrocode : 0x2b000\n\
             cpu MHz : 2000.5\nflags : fpu avx2 avx512f avx512_bf16 amx_tile hypervisor\n"
                .into(),
        ),
        ("proc/meminfo".into(), "MemTotal:  16000 kB\nMemAvailable: 9000 kB\n".into()),
        ("proc/self/status".into(), "VmHWM:\t 300 kB\nCpus_allowed_list:\t0-1,4\n".into()),
        ("proc/self/cgroup".into(), "0::/kubepods/pod7\n".into()),
        ("proc/1/cgroup".into(), "0::/kubepods/pod7\n".into()),
        ("sys/fs/cgroup/kubepods/pod7/cpu.max".into(), "max 100000\n".into()),
        ("sys/fs/cgroup/kubepods/cpu.max".into(), "250000 100000\n".into()),
        ("sys/fs/cgroup/kubepods/pod7/cpu.stat".into(), "nr_periods 9\nnr_throttled 4\n".into()),
        ("sys/fs/cgroup/kubepods/pod7/memory.max".into(), "8192000\n".into()),
        ("sys/devices/system/cpu/online".into(), "0-7\n".into()),
        ("sys/devices/system/node/online".into(), "0-1\n".into()),
        ("sys/devices/system/cpu/cpu0/cache/index3/level".into(), "3\n".into()),
        ("sys/devices/system/cpu/cpu0/cache/index3/size".into(), "107520K\n".into()),
        ("sys/devices/system/cpu/cpu0/cache/index2/level".into(), "2\n".into()),
        ("sys/devices/system/cpu/cpu0/cache/index2/size".into(), "2M\n".into()),
        ("sys/kernel/mm/transparent_hugepage/enabled".into(), "always [madvise] never\n".into()),
        ("proc/stat".into(), "cpu  10 0 20 60 0 0 0 10 5 0\ncpu0 1 2 3\n".into()),
        ("proc/loadavg".into(), "1.25 0.5 0.2 1/99 1234\n".into()),
    ];
    for cpu in 0..8 {
        files.extend(topology(cpu, cpu / 4, cpu / 2 % 2));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    let (_folder, host) = machine(&files);
    let cpu = host.cpu();
    assert_eq!(cpu.microarchitecture, Some("Sapphire Rapids"));
    assert_eq!((cpu.sockets, cpu.cores, cpu.threads), (Some(2), Some(4), Some(8)));
    assert_eq!((cpu.affinity_cpus, host.affinity_cores()), (Some(3), Some(2)));
    assert_eq!((cpu.quota_cpus, cpu.numa_nodes), (Some(2.5), Some(2)));
    assert_eq!(cpu.l3_bytes, Some(107_520 * 1024));
    assert_eq!(cpu.isa, ["avx2", "avx512f", "avx512bf16", "amx-tile"]);
    assert_eq!(host.memory_bytes(), Some(8_192_000));
    assert_eq!(host.peak_memory_bytes(), Some(300 * 1024));
    assert_eq!(host.throttled_periods(), Some(4));
    assert_eq!(host.cpu_ticks(), Some((100, 10)));
    assert_eq!(host.huge_pages().as_deref(), Some("madvise"));
    assert_eq!(host.clock_hz(), Some(2_000_500_000.0));
    assert_eq!(host.virtualization(), "vm, container (kubepods)");
}

#[test]
fn a_version_one_cgroup_and_an_arm_part() {
    let (_folder, host) = machine(&[
        (
            "proc/cpuinfo",
            "processor : 0\nFeatures : fp asimd bf16\nCPU implementer : 0x41\nCPU part : 0xd49\n",
        ),
        ("proc/self/cgroup", "4:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "150000"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.stat", "nr_throttled 0"),
    ]);
    let cpu = host.cpu();
    assert_eq!((cpu.vendor.as_deref(), cpu.microarchitecture), (Some("ARM"), Some("Neoverse N2")));
    assert_eq!((cpu.threads, cpu.cores, cpu.quota_cpus), (Some(1), None, Some(1.5)));
    assert_eq!((cpu.isa.len(), host.throttled_periods()), (2, Some(0)));
}

#[test]
fn an_empty_machine_is_unknown_and_no_panic() {
    let (_folder, host) = machine(&[("proc/stat", "cpu"), ("proc/cpuinfo", "flags:")]);
    assert_eq!(host.cpu(), Cpu::default());
    assert_eq!((host.memory_bytes(), host.cpu_ticks(), host.clock_hz()), (None, None, None));
}
