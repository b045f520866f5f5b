//! `list`: what there is to choose from. Touches no device.

use breakeven_kernels::FAMILIES;
use breakeven_kernels::work::Language;
use serde_json::{Map, Value};

use super::args::{ListArgs, ListWhat, OutputArgs};
use super::exit::{DONE, Failure, Outcome};
use super::{output, pricing};
use crate::catalog::{Catalog, Gpu, PriceKind, Sku, WindowsNodes};
use crate::report::{Align, Column, Content, Document, Listing, Table};
use crate::{suite, workload};

/// Prints one listing.
pub fn run(args: &ListArgs, output: &OutputArgs) -> Outcome {
    let (title, stem, table) = match args.what {
        ListWhat::Families => ("Families", "families", families()),
        ListWhat::Implementations => ("Implementations", "implementations", implementations()),
        ListWhat::Suites => ("Suites", "suites", suites()?),
        ListWhat::Workloads => ("Workloads", "workloads", workloads()?),
        ListWhat::Skus => ("VM sizes", "skus", skus()?),
    };
    let data = data(&table);
    let mut document = Document::default();
    document.heading(1, title);
    document.table(table);
    output::emit(&Content::Listing(&Listing { document, data }), output, stem)?;
    Ok(DONE)
}

/// The rows as objects with the column titles as keys; columns set to the right hold numbers, and
/// an empty cell is null: not known, or nothing there.
pub fn data(table: &Table) -> Value {
    let object = |row: &Vec<String>| {
        let cells = table.columns.iter().zip(row);
        let pair =
            |(column, cell): (&Column, &String)| (column.title.to_owned(), value(column, cell));
        Value::Object(cells.map(pair).collect::<Map<_, _>>())
    };
    Value::Array(table.rows.iter().map(object).collect())
}

pub(super) fn value(column: &Column, cell: &str) -> Value {
    if cell.is_empty() {
        return Value::Null;
    }
    // Whole numbers stay whole: 4 vCPUs, not 4.0.
    let number = || {
        cell.parse::<u64>()
            .map(Value::from)
            .ok()
            .or_else(|| cell.parse::<f64>().map(Value::from).ok())
    };
    let number = (column.align == Align::Right).then(number).flatten();
    number.unwrap_or_else(|| Value::from(cell))
}

fn families() -> Table {
    let mut table = Table::new(&["family", "summary"]);
    for family in FAMILIES {
        table.row([family.name().into(), family.summary().into()]);
    }
    table
}

fn implementations() -> Table {
    let mut table = Table::new(&["family", "implementation", "language", "summary"]);
    for family in FAMILIES {
        for implementation in family.implementations() {
            table.row([
                family.name().into(),
                implementation.name.into(),
                language(implementation.language),
                implementation.summary.into(),
            ]);
        }
    }
    table
}

fn language(language: Language) -> String {
    match language {
        Language::Native => "Rust".into(),
        Language::Cuda => "CUDA C".into(),
        Language::Wgsl => "WGSL".into(),
        Language::Library(name) => format!("{name:?}"),
        Language::Process => "any: a program of its own".into(),
    }
}

fn suites() -> Result<Table, Failure> {
    let mut table = Table::new(&["suite", ">cases", ">budget_s", "summary"]);
    for (name, _) in suite::BUILT_IN {
        let suite = suite::load(name).map_err(|error| Failure::internal(error.to_string()))?;
        table.row([
            suite.name,
            suite.cases.len().to_string(),
            suite.budget_s.map(|s| s.to_string()).unwrap_or_default(),
            suite.summary,
        ]);
    }
    Ok(table)
}

fn workloads() -> Result<Table, Failure> {
    let mut table = Table::new(&["workload", ">stages", ">jobs_per_day", "summary", "hangs_on"]);
    for (name, _) in workload::BUILT_IN {
        let workload =
            workload::load(name).map_err(|error| Failure::internal(error.to_string()))?;
        table.row([
            workload.name,
            workload.stages.len().to_string(),
            workload.demand.jobs_per_day.to_string(),
            workload.summary,
            workload.hangs_on,
        ]);
    }
    Ok(table)
}

/// Columns of the listing of VM sizes.
const SKU_COLUMNS: [&str; 20] = [
    "provider",
    "sku",
    ">vcpus",
    ">memory_gib",
    "cpus",
    "cpu_seen_on",
    "gpu",
    ">gpus",
    ">nvenc",
    ">nvdec",
    "status",
    "retires_on",
    "aks",
    "windows",
    ">ondemand_usd_per_h",
    ">spot_usd_per_h",
    "region",
    "as_of",
    "source",
    "remark",
];

fn skus() -> Result<Table, Failure> {
    let mut table = Table::new(&SKU_COLUMNS);
    let catalog = pricing::catalog(&[])?.catalog;
    for sku in &catalog.skus {
        table.row(sku_cells(sku, &catalog));
    }
    Ok(table)
}

fn sku_cells(sku: &Sku, catalog: &Catalog) -> [String; SKU_COLUMNS.len()] {
    let number = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
    let ondemand = sku.price(PriceKind::Ondemand, None);
    let gpu = sku.gpu_model.as_deref().and_then(|model| catalog.gpu(model));
    let engines = |of: fn(&Gpu) -> Option<u32>| {
        gpu.and_then(of).map(|engines| engines.to_string()).unwrap_or_default()
    };
    let remark = match (&sku.not_judged, &sku.gpu_model, sku.gpu_count) {
        (Some(reason), ..) => reason.clone(),
        (None, Some(_), None) => "number of GPUs not published".into(),
        (None, ..) => String::new(),
    };
    let cpus: Vec<&str> =
        sku.cpu_model.iter().chain(&sku.other_cpu_models).map(String::as_str).collect();
    [
        sku.provider.clone(),
        sku.name.clone(),
        sku.vcpus.to_string(),
        number(sku.memory_gib),
        cpus.join("; "),
        sku.cpu_seen_on.clone().unwrap_or_default(),
        sku.gpu_model.clone().unwrap_or_default(),
        number(sku.gpu_count),
        engines(|gpu| gpu.nvenc_engines),
        engines(|gpu| gpu.nvdec_engines),
        sku.status.name().into(),
        sku.retires_on.clone().unwrap_or_default(),
        sku.aks.name().into(),
        sku.windows.map(WindowsNodes::name).unwrap_or_default().into(),
        number(ondemand.map(|p| p.price_usd_per_h)),
        number(sku.price(PriceKind::Spot, None).map(|p| p.price_usd_per_h)),
        ondemand.map(|p| p.region.clone()).unwrap_or_default(),
        ondemand.map(|p| p.as_of.clone()).unwrap_or_default(),
        ondemand.map(|p| p.source.clone()).unwrap_or_default(),
        remark,
    ]
}
