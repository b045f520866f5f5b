//! hyperfine's `--export-json`: wall-clock seconds of each run of a command, with exit codes. Both
//! shapes: `times` and `exit_codes` (1.x), and `measurements` with units (2.x).

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::ImportError;
use super::convert::{Found, day, json, typed};
use super::samples::RunTime;

#[derive(Deserialize)]
struct File {
    results: Vec<Command>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    start_time: Option<String>,
}

#[derive(Deserialize)]
struct Command {
    command: String,
    name: Option<String>,
    median: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    times: Option<Vec<f64>>,
    exit_codes: Option<Vec<Option<i32>>>,
    measurements: Option<Vec<Measurement>>,
}

#[derive(Deserialize)]
struct Measurement {
    time_wall_clock: Quantity,
    exit_code: Option<i32>,
}

#[derive(Deserialize)]
struct Quantity {
    value: f64,
    unit: String,
}

/// A list of results with commands.
pub(super) fn recognise(value: &Value) -> bool {
    value["results"][0]["command"].is_string()
}

/// One benchmark a command.
pub(super) fn read(path: &Path) -> Result<Vec<Found>, ImportError> {
    let file: File = typed(json(path, "JSON of hyperfine")?, path, "hyperfine")?;
    let date = file.metadata.and_then(|m| m.start_time).and_then(|stamp| day(&stamp));
    let found = |command: Command| Found {
        time: time(&command),
        name: command.name.unwrap_or(command.command),
        file: path.to_path_buf(),
        units: None,
        concurrency: 1.0,
        measured_at: date.clone(),
    };
    Ok(file.results.into_iter().map(found).collect())
}

fn time(command: &Command) -> Result<RunTime, String> {
    let (times, codes) = match (&command.measurements, &command.times) {
        (Some(runs), _) => {
            if let Some(other) = runs.iter().find(|r| r.time_wall_clock.unit != "second") {
                return Err(format!(
                    "time_wall_clock in {}, not seconds; export it again in seconds",
                    other.time_wall_clock.unit
                ));
            }
            let times = runs.iter().map(|r| r.time_wall_clock.value).collect();
            (times, runs.iter().map(|r| r.exit_code).collect())
        }
        (None, Some(times)) => (times.clone(), command.exit_codes.clone().unwrap_or_default()),
        // Without single times, the extremes and the median stand for three.
        (None, None) => {
            let three = [command.min, command.median, command.max];
            (three.into_iter().flatten().collect(), Vec::new())
        }
    };
    // No exit code means that a signal ended it.
    let failed = codes.iter().filter(|code| **code != Some(0)).count();
    if failed > 0 {
        return Err(format!(
            "the command failed in {failed} of {} runs; a failed run times nothing",
            codes.len()
        ));
    }
    RunTime::of(&times)
}
