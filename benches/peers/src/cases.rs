//! What is compared: the shapes that decide real workloads.

use anyhow::{Result, bail};
use breakeven::plan::{self, Filter, Plan};
use breakeven::suite::{self, FolderFiles};
use breakeven_kernels::work::DeviceInfo;

/// The cases of each family, in the suites' grammar.
const FAMILIES: &[(&str, &str)] = &[
    ("matmul", include_str!("../cases/matmul.toml")),
    ("convolution", include_str!("../cases/convolution.toml")),
    ("alignment", include_str!("../cases/alignment.toml")),
    ("transcode", include_str!("../cases/transcode.toml")),
];

/// What runs on `device`: our own implementations and the libraries that breakeven calls where they
/// are installed, for the cases of `families` whose key matches `glob`.
///
/// # Errors
/// An unknown family, or no case.
pub fn planned(families: &[String], glob: &str, device: &DeviceInfo) -> Result<Plan> {
    let known = || FAMILIES.iter().map(|(name, _)| *name);
    if let Some(unknown) = families.iter().find(|f| !known().any(|name| name == *f)) {
        bail!("no family {unknown} here; there are {}", known().collect::<Vec<_>>().join(", "));
    }
    let mut whole = Plan { jobs: Vec::new(), skips: Vec::new(), budget_s: None };
    for (name, text) in FAMILIES {
        if families.is_empty() || families.iter().any(|f| f == name) {
            let suite = suite::parse(text, name, name)?;
            let files = FolderFiles::new(None);
            let devices = std::slice::from_ref(device);
            let part = plan::plan(&suite, devices, &files, &Filter::default())?;
            whole.jobs.extend(part.jobs);
            whole.skips.extend(part.skips);
        }
    }
    whole.jobs.retain(|job| plan::glob_matches(glob, &job.case_key));
    whole.skips.retain(|skip| plan::glob_matches(glob, &skip.case_key));
    if whole.jobs.is_empty() {
        bail!(
            "--case {glob}: no case is called so; a key is like `matmul dtype=f32 m=64 n=4096 k=4096`"
        );
    }
    Ok(whole)
}
