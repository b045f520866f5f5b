//! criterion: `target/criterion/**/new/` with `sample.json` (iterations and nanoseconds of each
//! sample), `benchmark.json` (name and throughput) and `estimates.json`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::ImportError;
use super::convert::{Found, json, typed};
use super::samples::RunTime;

#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
    throughput: Option<Throughput>,
}

/// What an iteration does.
#[derive(Deserialize)]
enum Throughput {
    Bits(f64),
    Bytes(f64),
    BytesDecimal(f64),
    Elements(f64),
    ElementsAndBytes { elements: f64 },
}

#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    /// Nanoseconds of all iterations of a sample.
    times: Vec<f64>,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    /// Nanoseconds of an iteration.
    point_estimate: f64,
}

const TOOL: &str = "criterion";

/// `estimates.json`.
pub(super) fn recognise(value: &Value) -> bool {
    value["median"]["point_estimate"].is_number()
}

/// Every benchmark below a folder, or the one of an `estimates.json`.
pub(super) fn read(path: &Path) -> Result<Vec<Found>, ImportError> {
    let mut files = Vec::new();
    if path.is_dir() {
        find(path, &mut files).map_err(|source| ImportError::Io { path: path.into(), source })?;
        files.sort();
    } else {
        files.push(path.to_path_buf());
    }
    files.iter().map(|file| one(file)).collect()
}

/// All `new/estimates.json` below `folder`. Links to folders are not followed.
fn find(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            find(&path, files)?;
        } else if path.ends_with("new/estimates.json") {
            files.push(path);
        }
    }
    Ok(())
}

fn one(file: &Path) -> Result<Found, ImportError> {
    let beside = |name: &str| file.with_file_name(name);
    let (about, samples) = (beside("benchmark.json"), beside("sample.json"));
    let benchmark: Benchmark = typed(json(&about, "JSON of criterion")?, &about, TOOL)?;
    let time = if samples.exists() {
        let sample: Sample = typed(json(&samples, "JSON of criterion")?, &samples, TOOL)?;
        if sample.iters.len() != sample.times.len() {
            return Err(ImportError::unusable(
                samples.display(),
                "has not as many `times` as `iters`: the file is cut; run the benchmark again",
            ));
        }
        let each = sample.iters.iter().zip(&sample.times);
        RunTime::of(&each.map(|(n, ns)| ns * 1e-9 / n).collect::<Vec<f64>>())
    } else {
        let estimates: Estimates = typed(json(file, "JSON of criterion")?, file, TOOL)?;
        RunTime::of(&[estimates.median.point_estimate * 1e-9])
    };
    Ok(Found {
        name: benchmark.full_id,
        file: file.to_path_buf(),
        time,
        units: benchmark.throughput.map(units),
        concurrency: 1.0,
        measured_at: None,
    })
}

fn units(throughput: Throughput) -> (String, f64) {
    match throughput {
        Throughput::Bits(n) => ("bit".into(), n),
        Throughput::Bytes(n) | Throughput::BytesDecimal(n) => ("byte".into(), n),
        Throughput::Elements(n) | Throughput::ElementsAndBytes { elements: n } => {
            ("element".into(), n)
        }
    }
}
