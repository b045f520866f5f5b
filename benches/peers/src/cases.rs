//! What is compared: the shapes that decide real workloads.

use anyhow::{Result, bail};
use breakeven::plan::{self, Filter, Plan};
use breakeven::suite::{self, FolderFiles};
use breakeven_kernels::work::DeviceInfo;

/// Squares, and the shapes that libraries are weak at: few rows (token generation), few columns,
/// tall, short sums, batches.
const MATMUL: &str = r#"
summary = "shapes to compare"

[[case]]
family = "matmul"
dtype = ["f32", "bf16"]
m = [256, 512, 1024, 2048]
n = "m"
k = "m"

[[case]]
family = "matmul"
dtype = ["f32", "bf16"]
m = [1, 8, 16, 64]
n = 4096
k = 4096

[[case]]
family = "matmul"
dtype = ["f32", "bf16"]
m = [8, 32]
n = 1000
k = 2048

[[case]]
family = "matmul"
dtype = "f32"
m = 4096
n = [8, 64]
k = 1024

[[case]]
family = "matmul"
dtype = ["f32", "bf16"]
m = 8192
n = 256
k = 256

[[case]]
family = "matmul"
dtype = "f32"
m = [64, 128]
n = "m"
k = "m"
batch = 256
"#;

/// Layers of ResNet-50 and MobileNet.
const CONVOLUTION: &str = r#"
summary = "shapes to compare"

[[case]]
family = "convolution"
batch = [1, 8]
c_in = 3
height = 224
width = "height"
c_out = 64
kernel = 7
stride = 2
padding = 3

[[case]]
family = "convolution"
batch = [1, 8]
c_in = 64
height = 56
width = "height"
c_out = 64
kernel = 3
padding = 1

[[case]]
family = "convolution"
batch = [1, 8]
c_in = 256
height = 14
width = "height"
c_out = 256
kernel = 3
padding = 1

[[case]]
family = "convolution"
batch = [1, 8]
c_in = 512
height = 28
width = "height"
c_out = 128
kernel = 1
"#;

const FAMILIES: &[(&str, &str)] = &[("matmul", MATMUL), ("convolution", CONVOLUTION)];

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
