//! MIG: the ways in which one GPU can be cut into instances with compute and memory of their own.
//!
//! An instance is treated as a GPU model of its own (`A100-PCIE-80GB 1g.10gb`), whose peaks are
//! the whole GPU's times the instance's share of the SMs (arithmetic) and of the memory slices
//! (bandwidth). A measured instance is found by the same name as a measured GPU is.

use serde::{Deserialize, Serialize};

use super::{Catalog, Gpu, Sku};

/// Memory slices of every GPU that can be cut: an instance has 1, 2, 4 or all 8.
const MEMORY_SLICES: f64 = 8.0;

/// One way to cut instances from one GPU model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MigProfile {
    /// GPU model as in [`Gpu::model`].
    pub gpu_model: String,
    /// The maker's name, e.g. `1g.10gb`; with `+` or `-` where engines are added or left out.
    pub name: String,
    /// Compute slices of an instance, of [`Self::gpu_compute_slices`].
    pub compute_slices: u32,
    /// Compute slices of the whole GPU: 7, or 4.
    pub gpu_compute_slices: u32,
    /// SMs of an instance and of the whole GPU; `None` where not published for this model.
    pub sms: Option<(u32, u32)>,
    /// Memory slices of an instance, of 8: they set its share of capacity and bandwidth.
    pub memory_eighths: u32,
    /// Memory of an instance in GiB, as `nvidia-smi` lists it where known, else nominal.
    pub memory_gib: f64,
    /// Instances of this profile that one GPU holds at once.
    pub max_instances: u32,
    /// Hardware decoders of an instance; `None` where unknown.
    pub nvdec_engines: Option<u32>,
    /// Value of `az aks nodepool add --gpu-instance-profile` that makes it; `None` where AKS has
    /// none and the GPU Operator must.
    pub aks_instance_profile: Option<String>,
    /// Where the figures come from.
    pub source: String,
}

impl MigProfile {
    /// Share of the GPU's arithmetic: its SMs, else its compute slices, which is an upper bound
    /// where some SMs belong to no slice.
    pub fn compute_share(&self) -> f64 {
        let (part, whole) = self.sms.unwrap_or((self.compute_slices, self.gpu_compute_slices));
        f64::from(part) / f64::from(whole.max(1))
    }

    /// Share of the GPU's memory bandwidth: its memory slices.
    pub fn memory_share(&self) -> f64 {
        f64::from(self.memory_eighths) / MEMORY_SLICES
    }

    /// Whether it cuts a GPU into equal instances that several workloads can have.
    pub fn shares(&self) -> bool {
        self.max_instances > 1 && !self.name.contains(['+', '-'])
    }

    /// What a pod asks for under the `mixed` strategy; under `single` it is `nvidia.com/gpu`.
    pub fn resource_name(&self) -> String {
        format!("nvidia.com/mig-{}", self.name.replace('+', "."))
    }

    /// The instance as a GPU model of its own.
    fn instance(&self, whole: &Gpu) -> Gpu {
        let (compute, memory) = (self.compute_share(), self.memory_share());
        Gpu {
            model: format!("{} {}", whole.model, self.name),
            memory_gib: Some(self.memory_gib),
            memory_bytes_per_s: whole.memory_bytes_per_s.map(|v| v * memory),
            f32_ops_per_s: whole.f32_ops_per_s.map(|v| v * compute),
            tf32_ops_per_s: whole.tf32_ops_per_s.map(|v| v * compute),
            bf16_ops_per_s: whole.bf16_ops_per_s.map(|v| v * compute),
            int16_ops_per_s: whole.int16_ops_per_s.map(|v| v * compute),
            int32_ops_per_s: whole.int32_ops_per_s.map(|v| v * compute),
            // No table tells the encoders of an instance; where the chip has none, nor has it.
            nvenc_engines: whole.nvenc_engines.filter(|n| *n == 0),
            nvdec_engines: self.nvdec_engines,
            instance_of: Some(whole.model.clone()),
            source: self.source.clone(),
            ..whole.clone()
        }
    }
}

/// An instance of a VM size's GPU as if it were a size of its own: an equal part of the host's
/// threads, memory and link beside it, at the price of the whole node.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice<'a> {
    /// The size that is cut.
    pub whole: &'a Sku,
    /// How it is cut.
    pub profile: &'a MigProfile,
    /// Instances of the profile on one node.
    pub per_node: u32,
    /// The part as a size, with the name of the whole one.
    pub part: Sku,
}

impl Catalog {
    /// The profile of a GPU model by its name.
    pub fn mig_profile(&self, gpu_model: &str, name: &str) -> Option<&MigProfile> {
        self.mig.iter().find(|p| p.gpu_model == gpu_model && p.name == name)
    }

    /// Adds every instance as a GPU model of its own.
    pub(crate) fn add_instances(&mut self) {
        let instances: Vec<Gpu> =
            self.mig.iter().filter_map(|p| Some(p.instance(self.gpu(&p.gpu_model)?))).collect();
        self.gpus.extend(instances);
    }

    /// Every way to cut the GPUs of `provider` (all, without one) into equal instances that
    /// several workloads can have.
    pub fn slices(&self, provider: Option<&str>) -> Vec<Slice<'_>> {
        self.skus
            .iter()
            .filter(|sku| provider.is_none_or(|p| sku.provider == p) && can_be_cut(sku))
            .flat_map(|sku| {
                let model = sku.gpu_model.as_deref().unwrap_or_default();
                let profiles = self.mig.iter().filter(move |p| p.gpu_model == model && p.shares());
                profiles.map(move |profile| slice(sku, profile))
            })
            .collect()
    }
}

/// Whole GPUs only: a share of one is cut already. On confidential sizes cutting is not documented.
fn can_be_cut(sku: &Sku) -> bool {
    sku.gpu_count.is_some_and(|n| n >= 1.0) && !sku.family.starts_with("NCC")
}

fn slice<'a>(whole: &'a Sku, profile: &'a MigProfile) -> Slice<'a> {
    let gpus = whole.gpu_count.unwrap_or(1.0) as u32;
    let per_node = gpus.max(1) * profile.max_instances;
    let (on_node, on_gpu) = (f64::from(per_node), f64::from(profile.max_instances));
    let part = Sku {
        vcpus: (whole.vcpus / per_node).max(1),
        gpu_model: Some(format!("{} {}", profile.gpu_model, profile.name)),
        gpu_count: Some(1.0),
        gpu_memory_gib_each: Some(profile.memory_gib),
        memory_gib: whole.memory_gib.map(|gib| gib / on_node),
        memory_bytes_per_s: whole.memory_bytes_per_s.map(|rate| rate / on_node),
        link_in_bytes_per_s: whole.link_in_bytes_per_s.map(|rate| rate / on_gpu),
        link_out_bytes_per_s: whole.link_out_bytes_per_s.map(|rate| rate / on_gpu),
        ..whole.clone()
    };
    Slice { whole, profile, per_node, part }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedded() -> Catalog {
        Catalog::embedded().expect("embedded tables")
    }

    #[test]
    fn names_and_counts_are_those_that_aks_documents() {
        let catalog = embedded();
        // (GPU, profile, instances, AKS value, resource name).
        let expected = [
            ("A100-SXM4-40GB", "1g.5gb", 7, Some("MIG1g"), "nvidia.com/mig-1g.5gb"),
            ("A100-PCIE-80GB", "1g.10gb", 7, Some("MIG1g"), "nvidia.com/mig-1g.10gb"),
            ("A100-PCIE-80GB", "1g.20gb", 4, None, "nvidia.com/mig-1g.20gb"),
            ("H100-NVL-94GB", "2g.24gb", 3, Some("MIG2g"), "nvidia.com/mig-2g.24gb"),
            ("H100-SXM5-80GB", "3g.40gb", 2, Some("MIG3g"), "nvidia.com/mig-3g.40gb"),
            ("H200-SXM-141GB", "7g.141gb", 1, Some("MIG7g"), "nvidia.com/mig-7g.141gb"),
        ];
        for (gpu, name, most, aks, resource) in expected {
            let profile = catalog.mig_profile(gpu, name).expect(name);
            assert_eq!(profile.max_instances, most, "{gpu} {name}");
            assert_eq!(profile.aks_instance_profile.as_deref(), aks, "{gpu} {name}");
            assert_eq!(profile.resource_name(), resource);
        }
        // Eight GPUs of seven instances each.
        let nd = catalog
            .slices(Some("azure"))
            .into_iter()
            .find(|s| s.whole.name == "Standard_ND96asr_v4" && s.profile.name == "1g.5gb");
        assert_eq!(nd.map(|s| s.per_node), Some(56));
    }

    #[test]
    fn an_instance_has_its_share_of_arithmetic_and_of_bandwidth() {
        let catalog = embedded();
        let (whole, part) = (catalog.gpu("A100-PCIE-80GB"), catalog.gpu("A100-PCIE-80GB 1g.10gb"));
        let (whole, part) = (whole.expect("whole"), part.expect("instance"));
        // 14 of 108 SMs; 1 of 8 memory slices: 1935 / 8 = 241.875 GB/s.
        let ratio = part.f32_ops_per_s.expect("f32") / whole.f32_ops_per_s.expect("f32");
        assert!((ratio - 14.0 / 108.0).abs() < 1e-12);
        assert!((part.memory_bytes_per_s.expect("bandwidth") / 241.875e9 - 1.0).abs() < 1e-12);
        assert_eq!(
            (part.memory_gib, part.nvenc_engines, part.nvdec_engines),
            (Some(9.5), Some(0), Some(0))
        );
    }

    #[test]
    fn instances_of_a_profile_never_exceed_the_gpu() {
        for p in &embedded().mig {
            let most = f64::from(p.max_instances);
            assert!(most * p.compute_share() <= 1.0 + 1e-12, "{} {}", p.gpu_model, p.name);
            assert!(most * p.memory_share() <= 1.0, "{} {}", p.gpu_model, p.name);
        }
    }

    #[test]
    fn a_slice_has_an_equal_part_of_the_host_and_the_whole_price() {
        let catalog = embedded();
        let slices = catalog.slices(Some("azure"));
        let slice = slices
            .iter()
            .find(|s| s.whole.name == "Standard_NC24ads_A100_v4" && s.profile.name == "1g.10gb")
            .expect("slice");
        // 24 vCPUs and 220 GiB in seven parts; 26.7 GB/s of link in seven.
        assert_eq!((slice.per_node, slice.part.vcpus), (7, 3));
        assert!((slice.part.memory_gib.expect("memory") - 220.0 / 7.0).abs() < 1e-9);
        let link = slice.part.link_in_bytes_per_s.expect("link");
        assert!((link / (26.7e9 / 7.0) - 1.0).abs() < 1e-9);
        assert_eq!(slice.part.prices, slice.whole.prices);
        assert!(slices.iter().all(|s| s.profile.shares() && s.per_node > 1));
        assert!(slices.iter().all(|s| s.whole.gpu_count.is_some_and(|n| n >= 1.0)));
    }
}
