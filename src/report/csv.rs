//! The form for spreadsheets: one table, a header line, units in the column names.

use std::borrow::Cow;
use std::io::{self, Write};

use breakeven_kernels::encoder::QualityPoint;

use super::{Content, Dossier, Look, Table, comparison, records};
use crate::classify::{SkuCost, Verdict};
use crate::cost::Estimate;
use crate::record::{Record, Row, Time};

/// Columns of a record's table.
const RECORD_COLUMNS: [&str; 26] = [
    "record",
    "provider",
    "sku",
    "device",
    "device_name",
    "device_kind",
    "family",
    "case_key",
    "implementation",
    "status",
    "reason",
    "mode",
    "timer",
    "median_s",
    "ci95_lo_s",
    "ci95_hi_s",
    "samples",
    "useful_per_s",
    "useful_unit",
    "host_cpu_s",
    "energy_j",
    "origin",
    "ssim",
    "psnr_db",
    "vmaf",
    "bits_per_s",
];

/// Columns of the verdicts' table.
const VERDICT_COLUMNS: [&str; 30] = [
    "workload",
    "verdict",
    "probability_gpu",
    "jobs_per_day",
    "provider",
    "sku",
    "side",
    "device",
    "eligible",
    "reason",
    "origin",
    "price_usd_per_h",
    "price_kind",
    "price_region",
    "price_as_of",
    "price_source",
    "usd_per_job",
    "usd_per_job_lo90",
    "usd_per_job_hi90",
    "usd_per_job_full_load",
    "usd_per_month",
    "usd_per_month_lo90",
    "usd_per_month_hi90",
    "latency_s",
    "jobs_per_h",
    "nodes",
    "node_hours_per_day",
    "energy_j_per_job",
    "binding",
    "shared_with",
];

/// Writes one line a row and mode; of a listing, its first table.
pub fn write(content: &Content, _look: Look, out: &mut dyn Write) -> io::Result<()> {
    table(content, out).map_err(|error| match error.into_kind() {
        // The kind (broken pipe, full disk) decides how the program ends.
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    })
}

/// The ranked sizes of all verdicts of `dossier`, as [`write`] has them of verdicts alone.
pub fn of_verdicts(dossier: &Dossier, out: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    write_verdicts(&mut csv, dossier.judged.iter().map(|j| &j.verdict))?;
    csv.flush()
}

fn table(content: &Content, out: &mut dyn Write) -> csv::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    match content {
        Content::Records(list) => write_records(&mut csv, list)?,
        Content::Verdicts(verdicts) => write_verdicts(&mut csv, verdicts.verdicts.iter())?,
        Content::Dossier(dossier) if dossier.records.is_empty() => {
            write_verdicts(&mut csv, dossier.judged.iter().map(|j| &j.verdict))?;
        }
        Content::Comparison(all) => {
            csv.write_record(comparison::CSV_COLUMNS)?;
            for row in comparison::csv_rows(all) {
                csv.write_record(row.iter().map(|cell| tame(cell.as_ref())))?;
            }
        }
        Content::Dossier(dossier) => write_records(&mut csv, dossier.records)?,
        Content::Listing(listing) => {
            if let Some(table) = listing.document.tables().next() {
                csv.write_record(table.columns.iter().map(|c| c.title))?;
                for row in &table.rows {
                    csv.write_record(row.iter().map(|cell| tame(cell.as_ref())))?;
                }
            }
        }
    }
    Ok(csv.flush()?)
}

fn write_records<W: Write>(
    csv: &mut csv::Writer<W>,
    records: &[(String, Record)],
) -> csv::Result<()> {
    csv.write_record(RECORD_COLUMNS)?;
    for (name, record) in records {
        for row in &record.rows {
            write_row(csv, name, record, row)?;
        }
    }
    Ok(())
}

fn write_verdicts<'v, W: Write>(
    csv: &mut csv::Writer<W>,
    verdicts: impl Iterator<Item = &'v Verdict>,
) -> csv::Result<()> {
    csv.write_record(VERDICT_COLUMNS)?;
    for verdict in verdicts {
        for cost in &verdict.ranking {
            csv.write_record(cost_cells(verdict, cost).iter().map(|cell| tame(cell)))?;
        }
    }
    Ok(())
}

/// The modes of a row that were measured, or one line without times.
fn write_row<W: Write>(
    csv: &mut csv::Writer<W>,
    name: &str,
    record: &Record,
    row: &Row,
) -> csv::Result<()> {
    let times = &row.times;
    let modes = [
        ("kernel_cold", &times.kernel_cold),
        ("kernel_warm", &times.kernel_warm),
        ("end_to_end", &times.end_to_end),
        ("pipelined", &times.pipelined),
    ];
    let measured: Vec<(&str, Option<&Time>)> =
        modes.iter().filter(|(_, t)| t.is_some()).map(|(m, t)| (*m, t.as_ref())).collect();
    let lines = if measured.is_empty() { vec![("", None)] } else { measured };
    for (mode, time) in lines {
        csv.write_record(cells(name, record, row, mode, time).iter().map(|cell| tame(cell)))?;
    }
    Ok(())
}

fn cells(name: &str, record: &Record, row: &Row, mode: &str, time: Option<&Time>) -> [String; 26] {
    let env = &record.header.env;
    let device = records::device(record, &row.device);
    let of = |f: fn(&Time) -> f64| time.map(|t| f(t).to_string()).unwrap_or_default();
    let timed = row.quality.as_ref().map(|quality| quality.timed);
    let quality = |f: fn(&QualityPoint) -> Option<f64>| {
        timed.as_ref().and_then(f).map(|v| v.to_string()).unwrap_or_default()
    };
    [
        name.to_owned(),
        env.provider.clone().unwrap_or_default(),
        env.sku.clone().unwrap_or_default(),
        row.device.clone(),
        device.map(|d| d.name.clone()).unwrap_or_default(),
        device.map(|d| word(&d.kind)).unwrap_or_default(),
        row.family.clone(),
        row.case_key.clone(),
        row.implementation.clone(),
        word(&row.status),
        row.reason.clone().unwrap_or_default(),
        mode.to_owned(),
        time.map(|t| t.timer.clone()).unwrap_or_default(),
        of(|t| t.median_s),
        of(|t| t.ci95_lo_s),
        of(|t| t.ci95_hi_s),
        time.map(|t| t.samples().to_string()).unwrap_or_default(),
        time.map(|t| (row.work.useful / t.median_s).to_string()).unwrap_or_default(),
        row.work.useful_unit.clone(),
        row.host_cpu_s.map(|v| v.to_string()).unwrap_or_default(),
        row.energy_j.map(|v| v.to_string()).unwrap_or_default(),
        if time.is_some() { "measured".to_owned() } else { String::new() },
        quality(|q| Some(q.ssim)),
        quality(|q| q.psnr_db),
        quality(|q| q.vmaf),
        quality(|q| Some(q.bits_per_s)),
    ]
}

fn cost_cells(verdict: &Verdict, cost: &SkuCost) -> [String; 30] {
    let number = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
    let median = |estimate: Option<Estimate>| number(estimate.map(|e| e.median));
    let lo = |estimate: Option<Estimate>| number(estimate.map(|e| e.lo90));
    let hi = |estimate: Option<Estimate>| number(estimate.map(|e| e.hi90));
    let price = cost.price.as_ref();
    [
        verdict.workload.clone(),
        word(&verdict.verdict),
        number(verdict.probability_gpu),
        verdict.jobs_per_day.to_string(),
        cost.provider.clone(),
        cost.sku.clone(),
        word(&cost.side),
        cost.device.clone(),
        cost.eligible.to_string(),
        cost.reasons.iter().map(|r| r.code.as_str()).collect::<Vec<_>>().join(" "),
        cost.origin.map(|o| word(&o)).unwrap_or_default(),
        number(cost.price_usd_per_h),
        price.map(|p| word(&p.kind)).unwrap_or_default(),
        price.map(|p| p.region.clone()).unwrap_or_default(),
        price.map(|p| p.as_of.clone()).unwrap_or_default(),
        price.map(|p| p.source.clone()).unwrap_or_default(),
        median(cost.usd_per_job),
        lo(cost.usd_per_job),
        hi(cost.usd_per_job),
        median(cost.usd_per_job_full_load),
        median(cost.usd_per_month),
        lo(cost.usd_per_month),
        hi(cost.usd_per_month),
        median(cost.latency_s),
        median(cost.jobs_per_h),
        cost.nodes.map(|n| n.to_string()).unwrap_or_default(),
        number(cost.node_hours_per_day),
        number(cost.energy_j_per_job),
        cost.binding.map(|b| word(&b)).unwrap_or_default(),
        cost.shared_with.join(" "),
    ]
}

/// A table with its titles as CSV.
pub fn text(table: &Table) -> String {
    let mut csv = csv::Writer::from_writer(Vec::new());
    // A vector takes everything.
    let _ = csv.write_record(table.columns.iter().map(|c| c.title));
    for row in &table.rows {
        let _ = csv.write_record(row.iter().map(|cell| tame(cell)));
    }
    csv.into_inner().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// A cell that a spreadsheet shows instead of working it out: text that begins like a formula, as
/// the name of a record may, gets an apostrophe in front. Numbers are left alone.
fn tame(cell: &str) -> Cow<'_, [u8]> {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula && cell.parse::<f64>().is_err() {
        format!("'{cell}").into_bytes().into()
    } else {
        cell.as_bytes().into()
    }
}

/// The word that a value has in the record's JSON.
pub fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_formulas_are_text_and_numbers_stay_numbers() {
        let shown = |cell| String::from_utf8_lossy(&tame(cell)).into_owned();
        assert_eq!(shown("=HYPERLINK(\"x\")"), "'=HYPERLINK(\"x\")");
        assert_eq!(shown("@SUM(1)"), "'@SUM(1)");
        assert_eq!(shown("-1.5e-3"), "-1.5e-3");
        assert_eq!(shown("matmul m=1"), "matmul m=1");
    }
}
