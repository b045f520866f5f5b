//! Files of other tools into rows: which tool wrote a file, and what its benchmarks become.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::samples::RunTime;
use super::table::check_date;
use super::{Device, ImportError, Refused, Row, Table, criterion, google_benchmark, hyperfine};

/// A tool whose files can be converted.
pub struct Foreign {
    /// Its name on the command line.
    pub name: &'static str,
    /// How its files are made.
    pub made_by: &'static str,
    /// Whether a JSON value can be of it.
    recognise: fn(&Value) -> bool,
    read: fn(&Path) -> Result<Vec<Found>, ImportError>,
}

/// Every tool, in the order shown.
pub static FORMATS: &[Foreign] = &[
    Foreign {
        name: "criterion",
        made_by: "`cargo bench`: the folder target/criterion, or a new/estimates.json below it",
        recognise: criterion::recognise,
        read: criterion::read,
    },
    Foreign {
        name: "hyperfine",
        made_by: "`hyperfine --export-json FILE`",
        recognise: hyperfine::recognise,
        read: hyperfine::read,
    },
    Foreign {
        name: "google-benchmark",
        made_by: "`--benchmark_out=FILE --benchmark_out_format=json`",
        recognise: google_benchmark::recognise,
        read: google_benchmark::read,
    },
];

/// A benchmark of a tool's file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    /// The tool's name for it.
    pub name: String,
    /// File that it stands in.
    pub file: PathBuf,
    /// The wall-clock time between the ends of runs, or why there is none.
    pub time: Result<RunTime, String>,
    /// What the tool counts, and how many of it a run does.
    pub units: Option<(String, f64)>,
    /// Runs in flight at once.
    pub concurrency: f64,
    /// `YYYY-MM-DD`, where the file tells.
    pub measured_at: Option<String>,
}

/// What the tools do not know about their own measurements.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// `azure`, `aws`, `gcp`.
    pub provider: String,
    /// VM size that it ran on.
    pub sku: String,
    /// What did the computing.
    pub device: Device,
    /// Name of the workload; several benchmarks get theirs after a slash.
    pub workload: String,
    /// What is counted, in place of what the tool counts.
    pub unit: Option<String>,
    /// How many of these a run does, in place of what the tool says.
    pub units_per_run: Option<f64>,
    /// How many of these make a job, in place of those of a run.
    pub units_per_job: Option<f64>,
    /// Date of the measurement, in place of what the file says.
    pub measured_at: Option<String>,
}

/// Rows made of tools' files, and what a reader should know of how.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Converted {
    /// The rows and the benchmarks that gave none.
    pub table: Table,
    /// Remarks.
    pub remarks: Vec<String>,
}

/// Whether the file at `path` is already the CSV of measurements: by its name, or because it
/// begins neither as JSON nor is a folder.
///
/// # Errors
/// A file that cannot be read.
pub fn is_table(path: &Path) -> Result<bool, ImportError> {
    if path.is_dir() {
        return Ok(false);
    }
    let text =
        std::fs::read(path).map_err(|source| ImportError::Io { path: path.into(), source })?;
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    Ok(!matches!(first, Some(b'{' | b'[')))
}

/// Which tool wrote the file or folder at `path`.
///
/// # Errors
/// A file that cannot be read, or is of no tool that is known.
pub fn detect(path: &Path) -> Result<&'static Foreign, ImportError> {
    if path.is_dir() {
        return Ok(&FORMATS[0]);
    }
    let value = json(path, "JSON")?;
    FORMATS.iter().find(|format| (format.recognise)(&value)).ok_or_else(|| {
        let known: Vec<String> =
            FORMATS.iter().map(|f| format!("{} ({})", f.name, f.made_by)).collect();
        ImportError::unusable(
            path.display(),
            format!("is of none of the tools that are known: {}", known.join(", ")),
        )
    })
}

/// The rows that the files in `paths`, of the tool `format` or each of the tool it looks like,
/// become. `today` (`YYYY-MM-DD`) bounds the dates.
///
/// # Errors
/// A file that cannot be read, is of no known tool, or holds no benchmark.
pub fn convert(
    paths: &[PathBuf],
    format: Option<&'static Foreign>,
    about: &About,
    today: &str,
) -> Result<Converted, ImportError> {
    let mut found: Vec<(&'static Foreign, Found)> = Vec::new();
    for path in paths {
        let format = match format {
            Some(format) => format,
            None => detect(path)?,
        };
        let benchmarks = (format.read)(path)?;
        if benchmarks.is_empty() {
            let problem = format!("holds no benchmark; it is made by {}", format.made_by);
            return Err(ImportError::unusable(path.display(), problem));
        }
        found.extend(benchmarks.into_iter().map(|benchmark| (format, benchmark)));
    }
    let mut converted = Converted::default();
    let several = found.len() > 1;
    for (format, benchmark) in &found {
        let place = format!("{}, {}", benchmark.file.display(), benchmark.name);
        match row(format, benchmark, about, several, today, &mut converted.remarks) {
            Ok(row) => converted.table.rows.push(Row { place, ..row }),
            Err(problem) => converted.table.refused.push(Refused { place, problem }),
        }
    }
    if !converted.table.rows.is_empty() && found.iter().any(|(_, f)| f.concurrency == 1.0) {
        converted.remarks.push(
            "One run at a time: the throughput is that of the whole VM only where a run keeps the \
             whole VM busy; else measure as many at once as it can do."
                .into(),
        );
    }
    Ok(converted)
}

fn row(
    format: &Foreign,
    found: &Found,
    about: &About,
    several: bool,
    today: &str,
    remarks: &mut Vec<String>,
) -> Result<Row, String> {
    let time = found.time.clone()?;
    let own = found.units.clone().unwrap_or_else(|| ("run".into(), 1.0));
    let units = about.units_per_run.unwrap_or(own.1);
    let workload = match several {
        true => format!("{}/{}", about.workload, found.name),
        false => about.workload.clone(),
    };
    // A job is a run, unless it is said to be other than that.
    let counted = about.units_per_run.or(found.units.as_ref().map(|(_, units)| *units));
    let units_per_job = about.units_per_job.or(counted);
    // A job of more units than a run takes several runs, one after the other.
    let runs_per_job = (units_per_job.unwrap_or(units) / units).max(1.0);
    let file = found.file.file_name().map_or_else(String::new, |f| f.to_string_lossy().into());
    Ok(Row {
        place: String::new(),
        provider: about.provider.clone(),
        sku: about.sku.clone(),
        device: about.device,
        workload,
        unit: about.unit.clone().unwrap_or(own.0),
        throughput_per_s: six_digits(units / time.median_s),
        units_per_job,
        latency_s: Some(six_digits(time.median_s * found.concurrency * runs_per_job)),
        concurrency: None,
        p10_per_s: time.percentiles_s.map(|(_, slow)| six_digits(units / slow)),
        p90_per_s: time.percentiles_s.map(|(fast, _)| six_digits(units / fast)),
        source: format!("{} {file}", format.name),
        measured_at: date(found, about, today, remarks)?,
        notes: match time.samples {
            1 => format!("1 sample of {}", found.name),
            n => format!("{n} samples of {}", found.name),
        },
    })
}

/// `value` with six significant digits, which is more than any benchmark knows.
fn six_digits(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// The date given, else that of the file's own account, else when it was last changed.
fn date(
    found: &Found,
    about: &About,
    today: &str,
    remarks: &mut Vec<String>,
) -> Result<String, String> {
    if let Some(date) = about.measured_at.as_ref().or(found.measured_at.as_ref()) {
        return check_date(date, today).map(|()| date.clone());
    }
    let changed = std::fs::metadata(&found.file)
        .and_then(|data| data.modified())
        .ok()
        .and_then(|time| jiff::Timestamp::try_from(time).ok());
    let Some(changed) = changed else {
        return Err("has no date; give --measured-at YYYY-MM-DD".into());
    };
    let day = changed.strftime("%Y-%m-%d").to_string();
    let remark = format!(
        "{}: tells no date, so that of its last change is taken, {day}; --measured-at gives another",
        found.file.display()
    );
    if !remarks.contains(&remark) {
        remarks.push(remark);
    }
    check_date(&day, today).map(|()| day)
}

/// The date in front of a time stamp as `2026-08-31T10:00:00+02:00`.
pub(super) fn day(stamp: &str) -> Option<String> {
    let day = stamp.get(..10)?;
    day.parse::<jiff::civil::Date>().ok().map(|_| day.to_owned())
}

/// The file at `path` as JSON; `what` it should be.
pub(super) fn json(path: &Path, what: &str) -> Result<Value, ImportError> {
    let text =
        std::fs::read(path).map_err(|source| ImportError::Io { path: path.into(), source })?;
    serde_json::from_slice(&text).map_err(|error| {
        ImportError::unusable(path.display(), format!("is not {what}, or is cut: {error}"))
    })
}

/// `value` as what a tool writes.
pub(super) fn typed<T: serde::de::DeserializeOwned>(
    value: Value,
    path: &Path,
    tool: &str,
) -> Result<T, ImportError> {
    serde_json::from_value(value).map_err(|error| {
        ImportError::unusable(path.display(), format!("is not what {tool} writes: {error}"))
    })
}
