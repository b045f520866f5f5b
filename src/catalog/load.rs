//! Reads the tables; every complaint names the file, the line and the field.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Aks, Catalog, Cpu, Gpu, MigProfile, Sku, Status, WindowsNodes};

const GIGA: f64 = 1e9;
const TERA: f64 = 1e12;

/// Why a table could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The file could not be read.
    #[error("prices file {path}: {source}; give a readable CSV file")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not what its header promises.
    #[error(
        "{file}: {problem}; the columns of a prices file are \
         provider,name,region,kind,price_usd_per_h,as_of,source; os where it is not linux; and, to \
         add a size, like,vcpus"
    )]
    Table {
        /// The file.
        file: String,
        /// What is wrong, with the line.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SkuLine {
    provider: String,
    name: String,
    family: String,
    vcpus: u32,
    threads_per_core: Option<u32>,
    memory_gib: Option<f64>,
    cpu_model: Option<String>,
    cpu_seen_on: Option<String>,
    /// Separated by `;`.
    other_cpu_models: String,
    gpu_model: Option<String>,
    gpu_count: Option<f64>,
    gpu_memory_gib_each: Option<f64>,
    memory_gb_per_s: Option<f64>,
    link_in_gb_per_s: Option<f64>,
    link_out_gb_per_s: Option<f64>,
    status: Status,
    retires_on: Option<String>,
    aks: Aks,
    windows: Option<WindowsNodes>,
    not_judged: Option<String>,
    notes: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GpuLine {
    model: String,
    vendor: String,
    architecture: String,
    memory_gib: Option<f64>,
    memory_gb_per_s: Option<f64>,
    f32_tops: Option<f64>,
    #[serde(default)]
    tf32_tops: String,
    bf16_tops: String,
    int16_tops: Option<f64>,
    int32_tops: Option<f64>,
    link_gb_per_s: Option<f64>,
    nvenc_engines: Option<u32>,
    nvdec_engines: Option<u32>,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CpuLine {
    model: String,
    architecture: String,
    vendor: String,
    clock_ghz: f64,
    clock_estimated: String,
    simd: String,
    f32_ops_per_cycle: f64,
    socket_gb_per_s: Option<f64>,
    socket_cores: Option<u32>,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MigLine {
    gpu_model: String,
    profile: String,
    compute_slices: u32,
    gpu_compute_slices: u32,
    sm_count: Option<u32>,
    gpu_sm_count: Option<u32>,
    memory_eighths: u32,
    memory_gib: f64,
    usable_memory_gib: Option<f64>,
    max_instances: u32,
    nvdec_engines: Option<u32>,
    aks_instance_profile: Option<String>,
    source: String,
}

impl From<MigLine> for MigProfile {
    fn from(l: MigLine) -> Self {
        Self {
            gpu_model: l.gpu_model,
            name: l.profile,
            compute_slices: l.compute_slices,
            gpu_compute_slices: l.gpu_compute_slices,
            sms: l.sm_count.zip(l.gpu_sm_count),
            memory_eighths: l.memory_eighths,
            memory_gib: l.usable_memory_gib.unwrap_or(l.memory_gib),
            max_instances: l.max_instances,
            nvdec_engines: l.nvdec_engines,
            aks_instance_profile: l.aks_instance_profile,
            source: l.source,
        }
    }
}

impl From<SkuLine> for Sku {
    fn from(l: SkuLine) -> Self {
        Self {
            provider: l.provider,
            name: l.name,
            family: l.family,
            vcpus: l.vcpus,
            threads_per_core: l.threads_per_core,
            memory_gib: l.memory_gib,
            cpu_model: l.cpu_model,
            cpu_seen_on: l.cpu_seen_on,
            other_cpu_models: l
                .other_cpu_models
                .split(';')
                .filter(|model| !model.is_empty())
                .map(str::to_owned)
                .collect(),
            gpu_model: l.gpu_model,
            gpu_count: l.gpu_count,
            gpu_memory_gib_each: l.gpu_memory_gib_each,
            memory_bytes_per_s: l.memory_gb_per_s.map(|v| v * GIGA),
            link_in_bytes_per_s: l.link_in_gb_per_s.map(|v| v * GIGA),
            link_out_bytes_per_s: l.link_out_gb_per_s.map(|v| v * GIGA),
            status: l.status,
            retires_on: l.retires_on,
            aks: l.aks,
            windows: l.windows,
            not_judged: l.not_judged,
            notes: l.notes,
            prices: Vec::new(),
        }
    }
}

impl From<GpuLine> for Gpu {
    fn from(l: GpuLine) -> Self {
        // A chip without it multiplies as f32, which is as right.
        let tf32 = if l.tf32_tops == "none" { l.f32_tops } else { l.tf32_tops.parse().ok() };
        Self {
            model: l.model,
            vendor: l.vendor,
            architecture: l.architecture,
            memory_gib: l.memory_gib,
            memory_bytes_per_s: l.memory_gb_per_s.map(|v| v * GIGA),
            f32_ops_per_s: l.f32_tops.map(|v| v * TERA),
            tf32_ops_per_s: tf32.map(|v| v * TERA),
            bf16_ops_per_s: l.bf16_tops.parse::<f64>().ok().map(|v| v * TERA),
            bf16_absent: l.bf16_tops == "none",
            int16_ops_per_s: l.int16_tops.map(|v| v * TERA),
            int32_ops_per_s: l.int32_tops.map(|v| v * TERA),
            link_bytes_per_s: l.link_gb_per_s.map(|v| v * GIGA),
            nvenc_engines: l.nvenc_engines,
            nvdec_engines: l.nvdec_engines,
            instance_of: None,
            source: l.source,
        }
    }
}

impl From<CpuLine> for Cpu {
    fn from(l: CpuLine) -> Self {
        Self {
            model: l.model,
            architecture: l.architecture,
            vendor: l.vendor,
            clock_hz: l.clock_ghz * GIGA,
            clock_estimated: l.clock_estimated == "yes",
            simd: l.simd,
            f32_ops_per_cycle: l.f32_ops_per_cycle,
            socket_bytes_per_s: l.socket_gb_per_s.map(|v| v * GIGA),
            socket_cores: l.socket_cores,
            source: l.source,
        }
    }
}

pub(super) fn lines<T: serde::de::DeserializeOwned>(
    file: &str,
    text: &str,
) -> Result<Vec<T>, CatalogError> {
    csv::Reader::from_reader(text.as_bytes())
        .deserialize()
        .collect::<Result<_, _>>()
        .map_err(|e| CatalogError::Table { file: file.into(), problem: problem(text, &e) })
}

/// What is wrong with a line, by the column's name: the reader counts columns from 0.
fn problem(text: &str, error: &csv::Error) -> String {
    let csv::ErrorKind::Deserialize { pos, err } = error.kind() else { return error.to_string() };
    let line = pos.as_ref().map_or(1, csv::Position::line);
    let header = text.lines().next().unwrap_or_default();
    let column = err.field().and_then(|field| header.split(',').nth(field as usize));
    match column {
        Some(column) => format!("line {line}, {}: {}", column.trim(), err.kind()),
        None => format!("line {line}: {}", err.kind()),
    }
}

impl Catalog {
    /// The tables built into the program, with the unlisted smaller sizes of their CPU series.
    ///
    /// # Errors
    /// [`CatalogError::Table`] where an embedded table is damaged (the tests exclude it).
    pub fn embedded() -> Result<Self, CatalogError> {
        let mut catalog = Self {
            skus: lines::<SkuLine>("embedded skus.csv", include_str!("data/skus.csv"))?
                .into_iter()
                .map(Sku::from)
                .collect(),
            gpus: lines::<GpuLine>("embedded gpus.csv", include_str!("data/gpus.csv"))?
                .into_iter()
                .map(Gpu::from)
                .collect(),
            cpus: lines::<CpuLine>("embedded cpus.csv", include_str!("data/cpus.csv"))?
                .into_iter()
                .map(Cpu::from)
                .collect(),
            mig: lines::<MigLine>(
                "embedded mig_profiles.csv",
                include_str!("data/mig_profiles.csv"),
            )?
            .into_iter()
            .map(MigProfile::from)
            .collect(),
        };
        catalog.add_instances();
        let prices = super::prices_of_csv("embedded prices.csv", include_str!("data/prices.csv"))?;
        catalog.add_prices("embedded prices.csv", prices)?;
        catalog.add_sizes_between();
        Ok(catalog)
    }
}
