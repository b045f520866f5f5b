//! `import`: checks measurements made by others and converts files of other tools into their CSV.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use breakeven_kernels::params::nearest;
use serde_json::{Map, Value};

use super::args::{DeviceArg, FromArg, ImportArgs, OutputArgs};
use super::exit::{DONE, Failure, Outcome};
use super::{imported, output, pricing};
use crate::catalog::Catalog;
use crate::import::{self, About, Converted, Device, Foreign, Table};
use crate::report::{self, Column, Content, Document, Listing, Tone};

/// `import::COLUMNS` as a listing wants them: numbers to the right.
const TITLES: [&str; 14] = [
    "provider",
    "sku",
    "device",
    "workload",
    "unit",
    ">throughput_per_s",
    "source",
    "measured_at",
    ">units_per_job",
    ">latency_s",
    ">concurrency",
    ">p10_per_s",
    ">p90_per_s",
    "notes",
];

/// Reads, checks, prints and, with `-o`, keeps the measurements.
pub fn run(args: &ImportArgs, output: &OutputArgs) -> Outcome {
    let today = pricing::today();
    let catalog = pricing::catalog(&args.prices)?.catalog;
    let mut all = Converted::default();
    let mut foreign: Vec<PathBuf> = Vec::new();
    for path in &args.files {
        let table = match args.from {
            Some(from) => from == FromArg::Csv,
            None => import::is_table(path).map_err(imported::refused)?,
        };
        if table {
            all.table.append(Table::read(path, &today).map_err(imported::refused)?);
        } else {
            foreign.push(path.clone());
        }
    }
    if !foreign.is_empty() {
        let about = about(args, &catalog)?;
        let format = args.from.and_then(format);
        let converted =
            import::convert(&foreign, format, &about, &today).map_err(imported::refused)?;
        all.table.append(converted.table);
        all.remarks.extend(converted.remarks);
    }
    let left_out = imported::checked(&mut all.table, &catalog, args.skip_invalid)?;
    if all.table.rows.is_empty() {
        return Err(imported::none_left("", "mend the rows", &left_out));
    }
    all.remarks.extend(left_out);
    if let Some(path) = &output.folder {
        let path = keep(path, &args.files, &all.table)?;
        let rows = all.table.rows.len();
        all.remarks.push(format!(
            "Wrote {rows} {} to {}; judge by `breakeven classify --imported {}`.",
            if rows == 1 { "row" } else { "rows" },
            path.display(),
            path.display()
        ));
    }
    for remark in &all.remarks {
        output::remark(output, remark);
    }
    output::print(&Content::Listing(&listing(&all)), output)?;
    Ok(DONE)
}

fn format(from: FromArg) -> Option<&'static Foreign> {
    let name = match from {
        FromArg::Criterion => "criterion",
        FromArg::Hyperfine => "hyperfine",
        FromArg::GoogleBenchmark => "google-benchmark",
        FromArg::Csv => return None,
    };
    import::FORMATS.iter().find(|format| format.name == name)
}

/// What the tools do not know: where it ran, and as what it is to be judged.
fn about(args: &ImportArgs, catalog: &Catalog) -> Result<About, Failure> {
    let missing = |option: &str, what: &str| {
        Failure::usage(format!("files of other tools do not tell {what}: give {option}"))
    };
    let name =
        args.sku.as_deref().ok_or_else(|| missing("--sku NAME", "the VM size they ran on"))?;
    let sku = catalog.sku(None, name).ok_or_else(|| {
        let hint = nearest(name, catalog.skus.iter().map(|s| s.name.as_str()))
            .map(|n| format!(", did you mean `{n}`?"))
            .unwrap_or_default();
        Failure::usage(format!(
            "--sku {name}: no such size in the catalog{hint} (see `breakeven list skus`; --prices \
             can add one)"
        ))
    })?;
    let device = match args.device {
        Some(DeviceArg::Cpu) => Device::Cpu,
        Some(DeviceArg::Gpu) => Device::Gpu,
        None => return Err(missing("--device cpu or --device gpu", "what did the computing")),
    };
    Ok(About {
        provider: sku.provider.clone(),
        sku: sku.name.clone(),
        device,
        workload: args
            .workload
            .clone()
            .ok_or_else(|| missing("--workload NAME", "which workload they measured"))?,
        unit: args.unit.clone(),
        units_per_run: args.units_per_run,
        units_per_job: args.units_per_job,
        measured_at: args.measured_at.clone(),
    })
}

/// Writes the CSV to `path`, or into it where it is a folder. What is there is not overwritten.
fn keep(path: &Path, inputs: &[PathBuf], table: &Table) -> Result<PathBuf, Failure> {
    let path = if path.is_dir() { path.join("imported.csv") } else { path.to_path_buf() };
    if path.exists() || inputs.contains(&path) {
        return Err(Failure::usage(format!(
            "-o {}: exists, and is not overwritten; give another name",
            path.display()
        )));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        output::make_folder(folder)?;
    }
    File::create(&path)
        .map(BufWriter::new)
        .and_then(|mut file| {
            table.write(&mut file)?;
            file.flush()
        })
        .map_err(|error| Failure::write(&path, &error))?;
    Ok(path)
}

/// The rows for people and programs; the CSV of the listing is the CSV that is kept.
fn listing(all: &Converted) -> Listing {
    let mut table = report::Table::new(&TITLES);
    for row in &all.table.rows {
        table.row(row.cells());
    }
    let objects = table.rows.iter().map(|row| {
        let cells = table.columns.iter().zip(row);
        let pair = |(column, cell): (&Column, &String)| {
            (column.title.to_owned(), super::list::value(column, cell))
        };
        Value::Object(cells.map(pair).collect::<Map<_, _>>())
    });
    let data = Value::Array(objects.collect());
    let mut document = Document::default();
    document.heading(1, "Measurements made by others");
    document.table(table);
    for refused in &all.table.refused {
        document.stressed(Tone::Warning, format!("{}: {}", refused.place, refused.problem));
    }
    Listing { document, data }
}
