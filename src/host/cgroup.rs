//! Limits that a container or service puts on this process (cgroup v1 and v2).

use super::Host;

impl Host {
    /// The folders of this process's group for `controller`, innermost first.
    fn groups(&self, controller: &str) -> Vec<String> {
        let table = self.text("proc/self/cgroup").unwrap_or_default();
        let mut folders = Vec::new();
        for line in table.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(names), Some(path)) = (parts.next(), parts.next()) else { continue };
            let base = match names {
                "" => "sys/fs/cgroup".to_owned(),
                _ if names.split(',').any(|n| n == controller) => {
                    // The v1 folder is named after all its controllers or after this one.
                    let all = format!("sys/fs/cgroup/{names}");
                    let one = format!("sys/fs/cgroup/{controller}");
                    if self.root.join(&all).exists() { all } else { one }
                }
                _ => continue,
            };
            // Inside a container the path may lead outside of what is mounted; the base remains.
            let mut path = path.trim_end_matches('/');
            while let Some(cut) = path.rfind('/') {
                folders.push(format!("{base}{path}"));
                path = &path[..cut];
            }
            folders.push(base);
        }
        folders
    }

    /// CPU quota in CPUs: the tightest of the group and its parents; `None` where none is set.
    pub(super) fn quota_cpus(&self) -> Option<f64> {
        let quota = |folder: &String| {
            if let Some(max) = self.text(&format!("{folder}/cpu.max")) {
                let (quota, period) = max.split_once(' ')?;
                return ratio(quota.parse().ok()?, period.parse().ok()?);
            }
            let quota = self.number(&format!("{folder}/cpu.cfs_quota_us"))?;
            ratio(quota, self.number(&format!("{folder}/cpu.cfs_period_us"))?)
        };
        self.groups("cpu").iter().filter_map(quota).min_by(f64::total_cmp)
    }

    /// Periods in which the quota stopped this group.
    pub fn throttled_periods(&self) -> Option<u64> {
        self.groups("cpu").iter().find_map(|folder| {
            let stat = self.text(&format!("{folder}/cpu.stat"))?;
            let line = stat.lines().find_map(|l| l.strip_prefix("nr_throttled "))?;
            line.trim().parse().ok()
        })
    }

    /// Memory limit in bytes; `None` where none is set.
    pub(super) fn memory_limit_bytes(&self) -> Option<u64> {
        let limit = |folder: &String| {
            self.number(&format!("{folder}/memory.max"))
                .or_else(|| self.number(&format!("{folder}/memory.limit_in_bytes")))
        };
        self.groups("memory").iter().filter_map(limit).min()
    }
}

fn ratio(quota_us: f64, period_us: f64) -> Option<f64> {
    // v1 writes −1 for no quota.
    (quota_us > 0.0 && period_us > 0.0).then(|| quota_us / period_us)
}
