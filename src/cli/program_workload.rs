//! The workload file that `measure --workload` writes: the commands as its one stage.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use breakeven_kernels::params::{Params, Value};

use super::exit::Failure;
use crate::record::Record;

/// Jobs a day where none were asked for.
const JOBS_PER_DAY: f64 = 1000.0;
const GIB: f64 = (1u64 << 30) as f64;

/// Refuses a file that cannot be written later, before anything is measured.
///
/// # Errors
/// It exists, its folder does not, or its folder is another one than that of the input files.
pub fn writable(path: &Path, params: &Params) -> Result<(), Failure> {
    let shown = path.display();
    if path.exists() {
        return Err(Failure::usage(format!(
            "--workload {shown}: it exists and would be lost; choose another name"
        )));
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Err(Failure::usage(format!(
            "--workload {shown}: there is no folder {}; make it first",
            folder.display()
        )));
    }
    if elsewhere(path) && ["input", "output"].iter().any(|key| params.get(key).is_some()) {
        return Err(Failure::usage(format!(
            "--workload {shown}: its files are found beside it; write it into the folder that you \
             measure in"
        )));
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().unwrap_or(Path::new("."));
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// Whether the file is not in the present folder.
fn elsewhere(path: &Path) -> bool {
    let place = |folder: &Path| std::fs::canonicalize(folder).ok();
    place(folder_of(path)) != place(Path::new("."))
}

/// Writes the file.
///
/// # Errors
/// The disk.
pub fn write(
    path: &Path,
    params: &Params,
    jobs_per_day: Option<f64>,
    record: &Record,
) -> Result<(), Failure> {
    let text = text(path, params, jobs_per_day, record);
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Failure::write(path, &error))
}

fn text(path: &Path, params: &Params, jobs_per_day: Option<f64>, record: &Record) -> String {
    let stem = path.file_stem().map_or_else(|| "my-program".into(), |s| s.to_string_lossy());
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(
        "# Written by `breakeven measure`. Run the same command on each VM size that may do the"
            .into(),
    );
    line("# work, copy the records together, then:".into());
    line(format!("#   breakeven classify {} --records FOLDER", path.display()));
    line(format!("name = {}", quoted(&stem)));
    line("summary = \"a program of my own\"".into());
    line("\n[[stage]]".into());
    line("family = \"command\"".into());
    for (key, value) in params.iter() {
        line(format!("{key} = {}", toml(value)));
    }
    if elsewhere(path)
        && let Ok(folder) = std::env::current_dir()
    {
        line(format!("folder = {}", quoted(&folder.to_string_lossy())));
    }
    line("calls = 1                 # runs that one job takes".into());
    line("gpus_per_job = 1          # GPUs that a run of the GPU command uses".into());
    line("\n[demand]".into());
    let note = if jobs_per_day.is_none() { "     # a guess: put your own number here" } else { "" };
    line(format!("jobs_per_day = {}{note}", jobs_per_day.unwrap_or(JOBS_PER_DAY)));
    line("\n[job]".into());
    let commands = record.rows.iter().filter(|row| row.process.is_some());
    match commands.filter_map(|row| row.peak_memory_bytes).max() {
        Some(bytes) => {
            // Rounded up to a hundredth.
            let gib = (bytes as f64 / GIB * 100.0).ceil() / 100.0;
            line(format!(
                "memory_gib = {gib}       # of the largest process; add what it starts beside"
            ));
        }
        None => {
            line("# memory_gib = …          # what one run needs: less than could be seen".into())
        }
    }
    line("# gpu_memory_gib = …      # on the GPU: not seen from outside".into());
    out
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A parameter in the grammar it is read in.
fn toml(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        Value::Table(table) => {
            let pair = |(key, value): (&str, &Value)| format!("{} = {}", bare(key), toml(value));
            format!("{{ {} }}", table.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A key, quoted where TOML wants it.
fn bare(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    match !key.is_empty() && key.chars().all(plain) {
        true => key.to_owned(),
        false => quoted(key),
    }
}
