//! Reads the tables; every complaint names the file, the line and the field.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Aks, Catalog, Cpu, Gpu, MigProfile, Price, PriceKind, Sku};

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
         provider,name,region,kind,price_usd_per_h,as_of,source and, to add a size, like,vcpus"
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
    gpu_model: Option<String>,
    gpu_count: Option<f64>,
    gpu_memory_gib_each: Option<f64>,
    memory_gb_per_s: Option<f64>,
    link_in_gb_per_s: Option<f64>,
    link_out_gb_per_s: Option<f64>,
    retired: String,
    aks: Aks,
    not_judged: Option<String>,
    notes: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceLine {
    provider: String,
    name: String,
    region: String,
    kind: PriceKind,
    price_usd_per_h: f64,
    as_of: String,
    source: String,
    /// With `vcpus`, makes a CPU size that the catalog lacks from one of the same series.
    #[serde(default)]
    like: Option<String>,
    #[serde(default)]
    vcpus: Option<u32>,
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
            gpu_model: l.gpu_model,
            gpu_count: l.gpu_count,
            gpu_memory_gib_each: l.gpu_memory_gib_each,
            memory_bytes_per_s: l.memory_gb_per_s.map(|v| v * GIGA),
            link_in_bytes_per_s: l.link_in_gb_per_s.map(|v| v * GIGA),
            link_out_bytes_per_s: l.link_out_gb_per_s.map(|v| v * GIGA),
            retired: l.retired == "yes",
            aks: l.aks,
            not_judged: l.not_judged,
            notes: l.notes,
            prices: Vec::new(),
        }
    }
}

impl From<GpuLine> for Gpu {
    fn from(l: GpuLine) -> Self {
        Self {
            model: l.model,
            vendor: l.vendor,
            architecture: l.architecture,
            memory_gib: l.memory_gib,
            memory_bytes_per_s: l.memory_gb_per_s.map(|v| v * GIGA),
            f32_ops_per_s: l.f32_tops.map(|v| v * TERA),
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

fn lines<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<Vec<T>, CatalogError> {
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
        catalog.add_prices("embedded prices.csv", include_str!("data/prices.csv"))?;
        catalog.add_sizes_between();
        Ok(catalog)
    }

    /// Lays the prices of the CSV file at `path` over the catalog's: same provider, name, region
    /// and kind replaces, others are added. A size that the catalog lacks is added where the line
    /// gives its `vcpus` and, under `like`, a CPU size of the same series.
    ///
    /// # Errors
    /// A file that cannot be read or holds no price, a price that is not above 0, a size that is
    /// not known so.
    pub fn overlay(&mut self, path: &Path) -> Result<(), CatalogError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| CatalogError::Io { path: path.into(), source })?;
        let file = path.display().to_string();
        if self.add_prices(&file, &text)? == 0 {
            return Err(CatalogError::Table { file, problem: "holds no price".into() });
        }
        Ok(())
    }

    /// The number of prices added.
    fn add_prices(&mut self, file: &str, text: &str) -> Result<usize, CatalogError> {
        let lines = lines::<PriceLine>(file, text)?;
        let added = lines.len();
        for (index, line) in lines.into_iter().enumerate() {
            let wrong = |problem: String| CatalogError::Table {
                file: file.into(),
                problem: format!("line {}: {problem}", index + 2),
            };
            if !(line.price_usd_per_h > 0.0 && line.price_usd_per_h.is_finite()) {
                return Err(wrong(format!(
                    "price_usd_per_h = {}: must be above 0; leave the line out where the price \
                     is unknown",
                    line.price_usd_per_h
                )));
            }
            if super::days_of(&line.as_of).is_none() {
                return Err(wrong(format!(
                    "as_of = {}: must be a date as 2026-08-31 or a month as 2026-08",
                    line.as_of
                )));
            }
            let index = self.find_or_add(&line).map_err(wrong)?;
            let sku = &mut self.skus[index];
            sku.prices.retain(|p| !(p.region == line.region && p.kind == line.kind));
            sku.prices.push(Price {
                region: line.region,
                kind: line.kind,
                price_usd_per_h: line.price_usd_per_h,
                as_of: line.as_of,
                source: line.source,
            });
        }
        Ok(added)
    }

    /// Where the size of `line` stands, which may be added for it.
    fn find_or_add(&mut self, line: &PriceLine) -> Result<usize, String> {
        let find = |name: &str| {
            let same = |s: &Sku| s.provider == line.provider && s.name.eq_ignore_ascii_case(name);
            self.skus.iter().position(same)
        };
        if let Some(index) = find(&line.name) {
            return Ok(index);
        }
        let (Some(like), Some(vcpus @ 1..)) = (&line.like, line.vcpus) else {
            return Err(format!(
                "no size {} of {} in the catalog (see `breakeven list skus`); to add one, give \
                 its vcpus and, in a column `like`, a CPU size of the same series",
                line.name, line.provider
            ));
        };
        let sister = find(like).map(|index| &self.skus[index]).filter(|s| !s.has_gpu());
        let Some(sister) = sister else {
            return Err(format!("like = {like}: no CPU size of {} in the catalog", line.provider));
        };
        let share = f64::from(vcpus) / f64::from(sister.vcpus.max(1));
        let sku = Sku {
            name: line.name.clone(),
            vcpus,
            memory_gib: sister.memory_gib.map(|gib| gib * share),
            memory_bytes_per_s: None,
            notes: format!("given with its price; memory in proportion to {}", sister.name),
            prices: Vec::new(),
            ..sister.clone()
        };
        self.skus.push(sku);
        Ok(self.skus.len() - 1)
    }
}
